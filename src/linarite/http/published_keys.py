"""Where the keys of a token's issuer come from: one key, a file, or an https address (RFC 7517). Never plain http."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import httpx
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWKSet

LIFE, PAUSE, RETRY = 3600.0, 60.0, 5.0
"""Seconds for which fetched keys are fresh, between two fetches for a key that is not there, and after one in vain."""
LONGEST_LIFE = 24 * 3600.0
"""Seconds after which keys are good no more that their issuer was not there to confirm."""
PATIENCE = 10.0

Key = PyJWK | RSAPublicKey | bytes
"""A published key, or the secret of HS256."""

log = structlog.get_logger("linarite.keys")


class UnknownKey(Exception):
    """There is no such key, or none can be read just now: the message says which."""


class Keys(Protocol):
    """Where an issuer's keys come from."""

    async def find(self, kid: str | None) -> Sequence[Key]:
        """The keys that may have signed a token that names `kid`, at least one. Raises UnknownKey."""
        ...


class TheseKeys:
    """Keys that are known beforehand, whatever id a token names."""

    def __init__(self, *keys: Key) -> None:
        """Public keys, or bytes for HS256."""
        self._keys = keys

    async def find(self, kid: str | None) -> Sequence[Key]:
        if not self._keys:
            raise UnknownKey("There is no key for the token.")
        return self._keys


def published(where: str) -> Keys:
    """The key set behind an https address, or in a file. Raises ValueError for any other address."""
    if "://" not in where:
        return KeyFile(Path(where))
    if not where.startswith("https://"):
        raise ValueError("keys are fetched by https alone, or read from a file")
    return KeyAddress(where)


def _parsed(text: bytes) -> list[PyJWK]:
    """The keys of a set that can be used. Raises ValueError."""
    try:
        return PyJWKSet.from_dict(msgspec.json.decode(text)).keys
    except (jwt.PyJWTError, msgspec.DecodeError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no key set: {error}") from error


_UNREADABLE = (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError)


def _named(keys: Sequence[PyJWK], kid: str | None) -> tuple[PyJWK, ...]:
    """The keys of that id; a token that names none is signed by the only key there is."""
    if kid is None:
        return tuple(keys) if len(keys) == 1 else ()
    return tuple(key for key in keys if key.key_id == kid)


class KeyFile:
    """A key set in a file, read again whenever the file is another one."""

    def __init__(self, path: Path) -> None:
        """Nothing is read before it is needed."""
        self._path = path
        self._keys: list[PyJWK] = []
        self._stamp: tuple[int, ...] = ()

    async def find(self, kid: str | None) -> Sequence[Key]:
        try:
            self._refresh()
        except _UNREADABLE as error:
            log.warning("keys cannot be read", where=str(self._path), why=str(error))
        return _found(self._keys, kid)

    def _refresh(self) -> None:
        stat = self._path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp != self._stamp:
            self._stamp = stamp
            self._keys = _parsed(self._path.read_bytes())


class KeyAddress:
    """A key set behind an address: fetched when it is needed, again each hour, and when a token names a new key.

    While there is a key, nobody waits for a fetch; an issuer that is away for a day is believed no more.
    """

    def __init__(self, url: str, client: httpx.AsyncClient | None = None) -> None:
        """Nothing is fetched before it is needed."""
        self._url, self._client = url, client
        self._keys: list[PyJWK] = []
        self._read_at = -math.inf
        self._not_before = -math.inf
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> Sequence[Key]:
        age = time.monotonic() - self._read_at
        if age > LONGEST_LIFE:
            self._keys = []
        missing = not _named(self._keys, kid)
        if missing or age > LIFE:
            fetch = self._fetch()
            if missing and fetch is not None:
                await asyncio.shield(fetch)
        return _found(self._keys, kid)

    def _fetch(self) -> asyncio.Task[None] | None:
        """The fetch that is under way, a new one, or None when it is too soon for another."""
        if self._fetching is None and time.monotonic() >= self._not_before:
            self._fetching = asyncio.create_task(self._refresh())
        return self._fetching

    async def _refresh(self) -> None:
        pause = RETRY
        try:
            self._keys = _parsed(await self._text())
            self._read_at, pause = time.monotonic(), PAUSE
        except _UNREADABLE as error:
            log.warning("keys cannot be fetched", where=self._url, why=str(error) or type(error).__name__)
        finally:
            self._not_before = time.monotonic() + pause
            self._fetching = None

    async def _text(self) -> bytes:
        """Redirects are not followed: where one leads is nothing that the settings trust."""
        client = self._client or httpx.AsyncClient(timeout=PATIENCE)
        try:
            answer = await client.get(self._url)
            return answer.raise_for_status().content
        finally:
            if client is not self._client:
                await client.aclose()


def _found(keys: Sequence[PyJWK], kid: str | None) -> Sequence[Key]:
    if not keys:
        raise UnknownKey("The keys of the token's issuer cannot be read just now.")
    named = _named(keys, kid)
    if not named:
        raise UnknownKey("The token is signed with a key that its issuer does not publish.")
    return named
