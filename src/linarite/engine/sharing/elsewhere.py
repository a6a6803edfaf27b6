"""What copies need of servers elsewhere: a protocol, implemented by `linarite.remote`."""

from __future__ import annotations

from typing import Protocol

import msgspec

from linarite.engine.sharing.ports import Source


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What is read elsewhere, and what is sent along to be allowed it: secrets, for that server alone.

    The query of `url` may hold a signature; `headers` are those that go with a token.
    """

    url: str
    headers: dict[str, str] = {}


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a source is read by again after a restart: its address, with the right that is in it, and what it was."""

    url: str
    tag: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A source as its server describes it (`headers` as spelled), and its bytes, not asked for yet."""

    headers: dict[str, str]
    source: Source

    @property
    def tag(self) -> str:
        """What tells that it was changed; "" when its server tells nothing."""
        given = {name.lower(): value for name, value in self.headers.items()}
        return given.get("etag") or given.get("last-modified") or ""

    def kept(self, origin: Origin) -> Kept | None:
        """What is kept of it. A token is kept nowhere, and a source that may have been changed is not read again."""
        return None if origin.headers or not self.tag else Kept(url=origin.url, tag=self.tag)


class Unverified(Exception):
    """A source elsewhere cannot be read. `status` and `code` are its server's, or stand for what came instead."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep what is told to who asked for the copy."""
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Elsewhere(Protocol):
    """The servers that may be read from."""

    def allows(self, url: str) -> bool:
        """Whether the settings name the server of an http or https address."""
        ...

    async def look(self, origin: Origin) -> Found:
        """Ask what a source is. The caller closes its `source`. Raises Unverified."""
        ...

    async def read(self, origin: Origin, first: int, length: int) -> bytes:
        """Some bytes of a source, a few MiB at most. Raises Unverified, status 416 where it is shorter."""
        ...

    async def close(self) -> None: ...


class Nowhere:
    """Implements `Elsewhere` for who may be read from nowhere."""

    def allows(self, url: str) -> bool:
        return False

    async def look(self, origin: Origin) -> Found:
        raise Unverified(404, "ResourceNotFound", "The copy source is not on this server.")

    async def read(self, origin: Origin, first: int, length: int) -> bytes:
        raise Unverified(404, "ResourceNotFound", "The copy source is not on this server.")

    async def close(self) -> None:
        """Nothing is open."""
