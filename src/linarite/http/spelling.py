"""Header names as they are spelled. HTTP ignores their case, and uvicorn lowers it; some protocols keep names in it.

Requests: serve with `SpellingProtocol`, read `Request.spelled`. Answers: give the header the name `kept(name)`.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class SpellingProtocol(HttpToolsProtocol):
    """uvicorn's protocol; besides, `scope["spelled"]` maps lower-case names to the spelling that came."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field."""
        super().on_header(name, value)
        lower = name.lower()
        if lower != name:
            spelled = self.scope.setdefault("spelled", {})  # type: ignore[typeddict-item]
            spelled[lower.decode("latin-1")] = name.decode("latin-1")


class _KeptBytes(bytes):
    """A name that uvicorn's `lower()` leaves alone. Never one that it looks for itself, such as content-length."""

    __slots__ = ()

    def lower(self) -> bytes:
        return self


class _Kept(str):
    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return _KeptBytes(super().encode(encoding, errors))


def kept(name: str) -> str:
    """The name of a response header whose case reaches the client."""
    return name if name.islower() else _Kept(name)
