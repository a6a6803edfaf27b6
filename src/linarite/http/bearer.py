"""Bearer tokens: signed JWTs of issuers that are trusted (RFC 6750, RFC 7519)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWKSet
from jwt.types import Options

ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY = 60
"""Seconds by which clocks may differ."""
KEYS_LIFE, KEYS_PAUSE = 3600.0, 60.0
"""Seconds for which fetched keys are good, and between two fetches for a key that is not among them."""

_UNCHECKED: Options = {
    "require": ["exp", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False,
    "verify_iss": False, "verify_sub": False, "verify_jti": False,
}  # fmt: skip
"""Claims are checked here: at the time that the caller gives, and audiences without regard to a slash at the end."""


Key = PyJWK | RSAPublicKey | bytes
"""A published key, or the secret of HS256."""


class InvalidToken(Exception):
    """The token is not good: the message says why and bears no part of it."""


class Keys(Protocol):
    """Where an issuer's keys come from."""

    async def find(self, kid: str | None) -> Key:
        """The key of that id; raises InvalidToken."""
        ...


class OneKey:
    """An issuer with one key, whatever id a token names."""

    def __init__(self, key: Key) -> None:
        """A public key, or bytes for HS256."""
        self._key = key

    async def find(self, kid: str | None) -> Key:
        return self._key


class KeySet:
    """A set of keys (RFC 7517) in a file, read again when it changes, or behind an https URL, kept for an hour."""

    def __init__(self, where: str, client: httpx.AsyncClient | None = None) -> None:
        """Nothing is read before it is needed."""
        self._where, self._client = where, client
        self._keys: list[PyJWK] = []
        self._stamp: float | None = None
        self._turn = asyncio.Lock()

    async def find(self, kid: str | None) -> Key:
        async with self._turn:
            await self._refresh(KEYS_LIFE)
            found = self._pick(kid)
            if found is None:
                await self._refresh(KEYS_PAUSE)
                found = self._pick(kid)
        if found is None:
            raise InvalidToken("The token is signed with a key that its issuer does not publish.")
        return found

    def _pick(self, kid: str | None) -> PyJWK | None:
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == kid), None)

    async def _refresh(self, life: float) -> None:
        try:
            if "://" not in self._where:
                stamp = Path(self._where).stat().st_mtime  # noqa: ASYNC240 - a small local file
                if stamp != self._stamp:
                    self._take(Path(self._where).read_bytes(), stamp)  # noqa: ASYNC240 - the same
            elif self._stamp is None or time.monotonic() - self._stamp > life:
                self._take(await self._fetch(), time.monotonic())
        except (OSError, httpx.HTTPError, jwt.PyJWTError, msgspec.DecodeError, AttributeError) as error:
            if not self._keys:
                raise InvalidToken("The keys of the token's issuer cannot be read just now.") from error

    async def _fetch(self) -> bytes:
        client = self._client or httpx.AsyncClient(timeout=10.0)
        try:
            answer = await client.get(self._where)
            return answer.raise_for_status().content
        finally:
            if client is not self._client:
                await client.aclose()

    def _take(self, text: bytes, stamp: float) -> None:
        self._keys = PyJWKSet.from_dict(msgspec.json.decode(text)).keys
        self._stamp = stamp


class Issuer(msgspec.Struct, frozen=True):
    """Whose tokens are believed. `audiences`, when given, stand in place of the protocol's own."""

    name: str
    keys: Keys
    algorithms: Sequence[str] = ASYMMETRIC
    audiences: tuple[str, ...] = ()


class Verifier:
    """Checks tokens of several issuers."""

    def __init__(self, issuers: Sequence[Issuer], anyone: Issuer | None = None) -> None:
        """`anyone` answers for tokens that name no known issuer."""
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._anyone = anyone

    async def verify(self, token: str, audiences: Sequence[str], now: int) -> tuple[dict[str, Any], Issuer]:
        """The claims of a token that is meant for one of `audiences` and good at `now` (seconds since the epoch).

        Raises InvalidToken.
        """
        issuer, header = self._issuer(token)
        if header.get("alg") not in issuer.algorithms:
            raise InvalidToken("The token is signed with an algorithm that is not allowed.")
        key = await issuer.keys.find(header.get("kid"))
        try:
            claims = jwt.decode(token, key, algorithms=list(issuer.algorithms), options=_UNCHECKED)
        except jwt.InvalidSignatureError as error:
            raise InvalidToken("The signature of the token does not match.") from error
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise InvalidToken("The token is malformed.") from error
        _check_times(claims, now)
        _check_audience(claims, issuer.audiences or audiences)
        return claims, issuer

    def _issuer(self, token: str) -> tuple[Issuer, dict[str, Any]]:
        try:
            header = jwt.get_unverified_header(token)
            named = jwt.decode(token, options={**_UNCHECKED, "verify_signature": False}).get("iss")
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise InvalidToken("The token is malformed.") from error
        issuer = self._issuers.get(named) if isinstance(named, str) else None
        issuer = issuer or self._anyone
        if issuer is None:
            raise InvalidToken("The issuer of the token is not trusted here.")
        return issuer, header


def _check_times(claims: dict[str, Any], now: int) -> None:
    expires, begins = claims["exp"], claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        raise InvalidToken("The times of the token are malformed.")
    if now > expires + LEEWAY:
        raise InvalidToken("The token has expired.")
    if now < begins - LEEWAY:
        raise InvalidToken("The token is not valid yet.")


def _check_audience(claims: dict[str, Any], audiences: Sequence[str]) -> None:
    named = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    wanted = {audience.rstrip("/") for audience in audiences}
    if not any(isinstance(one, str) and one.rstrip("/") in wanted for one in named):
        raise InvalidToken("The token is meant for another audience.")
