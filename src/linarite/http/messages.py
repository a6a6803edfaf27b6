"""A request as the faces read it and an answer as they give it: plain data over ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, unquote_plus

from linarite.http.rooms import ROOMS

Receive = Callable[[], Awaitable[dict[str, Any]]]
ZERO_COPY = "http.response.zerocopysend"
"""The message by which `send` takes a part of an open file, where the scope has it among its extensions."""
FILL = "linarite.fill"
"""Among the extensions of a scope: the request's long body can be put right where it is wanted, by `fill`."""
Fill = Callable[[memoryview], Awaitable[bool]]
LONGEST_REMEMBERED = 2048
"""Characters of a query that may come again: a signature has some hundred. A stranger's of 64 KiB would take 2 MiB."""
Frame = Callable[[AsyncIterator[bytes], int], AsyncIterator[bytes]]
"""From the pieces of some data and its length to the pieces that are sent."""


class Headers:
    """Header fields, read without regard to case; values as received, latin-1."""

    __slots__ = ("_values", "raw")

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep the fields; a repeated field is joined by commas as HTTP says."""
        self.raw = tuple(raw)
        values: dict[str, str] = {}
        for name, value in self.raw:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            values[key] = f"{values[key]},{text}" if key in values else text
        self._values = values

    def get(self, name: str) -> str | None:
        """The value, or None when the field is absent. `name` in lower case."""
        return self._values.get(name)

    def __contains__(self, name: str) -> bool:
        """Tell whether the field is there."""
        return name in self._values

    def items(self) -> Iterator[tuple[str, str]]:
        """Pairs of lower-case name and value."""
        return iter(self._values.items())


class Query:
    """Query parameters, names without regard to case, values decoded once; several values are kept."""

    __slots__ = ("_values", "raw")

    def __init__(self, raw: str) -> None:
        """Split the raw query string at & and =."""
        self.raw = raw
        self._values = parsed(raw, unquote_plus)

    def get(self, name: str) -> str | None:
        """The first value, or None. `name` in lower case."""
        found = self._values.get(name)
        return found[0] if found else None

    def __contains__(self, name: str) -> bool:
        """Tell whether the parameter is there."""
        return name in self._values

    def items(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Pairs of lower-case name and all its values."""
        return iter(self._values.items())


def parsed(raw: str, decode: Callable[[str], str]) -> Mapping[str, Sequence[str]]:
    """Query parameters by lower-case name, each with all its values in order."""
    return _remembered(raw, decode) if len(raw) <= LONGEST_REMEMBERED else _parsed(raw, decode)


def _parsed(raw: str, decode: Callable[[str], str]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for part in raw.split("&") if raw else ():
        name, _, value = part.partition("=")
        if name:
            found.setdefault(decode(name).lower(), []).append(decode(value))
    return {name: tuple(values) for name, values in found.items()}


_remembered = lru_cache(64)(_parsed)  # a client that reads a file in ranges sends one signature a thousand times


class BodyTooLarge(Exception):
    """The request body exceeds the limit the reader gave: `limit` bytes."""

    def __init__(self, limit: int) -> None:
        """Keep the limit, in bytes."""
        super().__init__(limit)
        self.limit = limit


class ClientGone(Exception):
    """The client closed the connection before its body was whole."""


class Request:
    """One request. `raw_path` and `query.raw` are as on the wire; `path` is `raw_path` decoded once."""

    __slots__ = (
        "_fill", "_receive", "_room", "client", "facts", "headers", "host", "id", "method", "now", "path", "principal",
        "query", "raw_path", "scheme", "sends_files", "spelled", "started",
    )  # fmt: skip

    def __init__(self, scope: dict[str, Any], receive: Receive, *, id: str, now: int) -> None:
        """Read the scope; `id` names the request, `now` is its arrival in microseconds since the epoch."""
        self.method: str = scope["method"]
        raw = scope.get("raw_path") or scope["path"].encode("latin-1")
        self.raw_path: str = raw.decode("latin-1").partition("?")[0]
        self.path: str = unquote(self.raw_path)
        self.query = Query(scope["query_string"].decode("latin-1"))
        self.headers = Headers(scope["headers"])
        self.scheme: str = scope.get("scheme", "http")
        self.host: str = self.headers.get("host") or ""
        client = scope.get("client")
        self.client: str = client[0] if client else ""
        self.id, self.now = id, now
        self.principal: Any = None
        self.facts: dict[str, Any] = {}
        self._receive = receive
        self.started = False
        extensions = scope.get("extensions", {})
        self.sends_files = ZERO_COPY in extensions
        self._fill: Fill | None = extensions[FILL]["fill"] if FILL in extensions else None
        self._room: bytearray | None = None
        self.spelled: dict[str, str] = scope.get("spelled", {})

    @property
    def base_url(self) -> str:
        """Scheme and host as the client reached us."""
        return f"{self.scheme}://{self.host}"

    @property
    def content_length(self) -> int | None:
        """Content-Length in bytes, None when absent or not a number."""
        text = self.headers.get("content-length")
        return int(text) if text is not None and text.isdigit() else None

    async def chunks(self, limit: int | None = None) -> AsyncIterator[bytes]:
        """The body as it arrives; BodyTooLarge past `limit` bytes, ClientGone when it breaks off."""
        length = self.content_length
        if limit is not None and length is not None and length > limit:
            raise BodyTooLarge(limit)
        total = 0
        self.started = True
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            total += len(chunk)
            if limit is not None and total > limit:
                raise BodyTooLarge(limit)
            if chunk:
                yield chunk
            if not message.get("more_body"):
                return

    async def gone(self) -> None:
        """Wait until the client has closed the connection; what it still sends of a body is dropped."""
        while (await self._receive())["type"] != "http.disconnect":
            continue

    async def body(self, limit: int) -> bytes:
        """The whole body; BodyTooLarge past `limit` bytes."""
        return b"".join(await self.pieces(limit))

    async def pieces(self, limit: int) -> list[bytes] | list[memoryview]:
        """The whole body in the pieces that came; BodyTooLarge past `limit` bytes. Good until `release`."""
        length = self.content_length
        if self._fill is None or self.started or length is None or length > limit:
            return [chunk async for chunk in self.chunks(limit)]
        self.started, self._room = True, ROOMS.take(length)
        whole = memoryview(self._room)[:length]
        if not await self._fill(whole):
            raise ClientGone
        return [whole]

    def release(self) -> None:
        """Nobody looks at the body any more, no thread either: its memory is for others."""
        if self._room is not None:
            ROOMS.give(self._room)
            self._room = None


class FileBody:
    """`length` bytes from `start` of an open file, read by pread in pieces on a thread; closed when sent.

    A client that has not taken them all after `seconds` does not get the rest; None waits for ever. `framed` makes of
    the pieces what is sent; the answer then says its own length.
    """

    __slots__ = ("descriptor", "framed", "length", "seconds", "start")

    def __init__(
        self, descriptor: int, start: int, length: int, *, seconds: float | None = None, framed: Frame | None = None
    ) -> None:
        """Take over the descriptor."""
        self.descriptor, self.start, self.length = descriptor, start, length
        self.seconds, self.framed = seconds, framed


Body = bytes | FileBody | AsyncIterator[bytes]


class Response:
    """One answer. Content-Length is set by the funnel from the body unless `length` says otherwise (a HEAD's)."""

    __slots__ = ("body", "headers", "length", "status")

    def __init__(
        self, status: int, body: Body = b"", headers: dict[str, str] | None = None, *, length: int | None = None
    ) -> None:
        """Header names as they shall stand on the wire."""
        self.status = status
        self.body = body
        self.headers: dict[str, str] = {} if headers is None else headers
        self.length = length
