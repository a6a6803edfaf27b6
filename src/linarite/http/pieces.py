"""Bodies of requests handed on in the pieces that the socket gave: nothing is put together that will be taken apart.

Serve with `PieceProtocol`. uvicorn itself gathers what has come in a buffer and hands on a copy of it. A long body is
not even read in pieces where the application brings memory for it: the extension `FILL` of a request's scope.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from linarite.http import filling
from linarite.http.limits import LimitedProtocol
from linarite.http.messages import FILL
from linarite.http.own import Own

MOST = 512 * 1024
"""Bytes that wait for the application until no more are read."""


class PieceProtocol(LimitedProtocol):
    """A connection whose requests' bodies are not copied together."""

    _pieces: _Pieces | None = None
    _waiting: asyncio.Future[None] | None = None
    _own: Own | None = None

    def on_headers_complete(self) -> None:
        """Take over the body of the request that begins."""
        super().on_headers_complete()
        if self.scope is getattr(self.cycle, "scope", None):
            self._pieces = self.cycle.receive = _Pieces(self, self.cycle)  # type: ignore[method-assign]
            if self._is_long():
                self.flow.pause_reading()
                self.scope.setdefault("extensions", {})[FILL] = {"fill": self._pieces.fill}

    def on_body(self, body: bytes) -> None:
        """Some bytes of a body."""
        if self._pieces is not None and not self.cycle.response_complete:
            self._pieces.add(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody wait for a connection that is gone."""
        super().connection_lost(exc)
        self._wake()
        self._own = None

    def owes(self) -> bool:
        """Whether it is the client's turn, also where the transport does not know of it."""
        return self._waiting is not None or super().owes()

    def own(self) -> Own:
        """A descriptor of the socket for calls beside the transport."""
        if self._own is None:
            self._own = Own(self.transport)
        return self._own

    async def ready(self, own: int, *, to_read: bool) -> None:
        """Wait until a descriptor of the socket has something to read, or takes more, or the connection is gone."""
        add, remove = (
            (self.loop.add_reader, self.loop.remove_reader)
            if to_read
            else (self.loop.add_writer, self.loop.remove_writer)
        )
        self._waiting = self.loop.create_future()
        add(own, self._wake)
        try:
            await self._waiting
        finally:
            remove(own)
            self._waiting = None

    def end_of_body(self) -> None:
        """The body that is being read has been taken past the parser: what comes now begins another request."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.on_message_complete()

    def _is_long(self) -> bool:
        """Whether the body of the request that begins is worth taking at once, and can be: its length is told."""
        if self.scheme != "http" or self.parser.should_upgrade():
            return False
        told = [value for name, value in self.headers if name in {b"content-length", b"transfer-encoding"}]
        return len(told) == 1 and told[0].isdigit() and int(told[0]) >= filling.LEAST

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class _Pieces:
    """`receive` of one request."""

    def __init__(self, protocol: PieceProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol, self._cycle = protocol, cycle
        self._waiting: deque[bytes] = deque()
        self._size, self._ended = 0, False

    def add(self, piece: bytes) -> None:
        self._waiting.append(piece)
        self._size += len(piece)
        if self._size > MOST:
            self._protocol.flow.pause_reading()
        self._cycle.message_event.set()

    async def fill(self, room: memoryview) -> bool:
        """Fill `room` with the whole body, which is as long; false when the client breaks off before its end.

        Before anything of the body was received, and in place of it.
        """
        self._continue()
        self._protocol.flow.pause_reading()
        at = self._gather(room)
        if self._cycle.more_body:
            if self._cycle.disconnected or not await filling.fill(self._protocol, room[at:]):
                self._cycle.disconnected = True
                self._protocol.transport.abort()
                return False
            self._protocol.end_of_body()
        self._ended = True
        self._protocol.flow.resume_reading()
        return True

    def _gather(self, room: memoryview) -> int:
        """Put what has come already where it belongs; returns how much that is."""
        at = 0
        for piece in self._waiting:
            room[at : at + len(piece)] = piece
            at += len(piece)
        self._waiting.clear()
        self._size = 0
        return at

    def _continue(self) -> None:
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False

    async def __call__(self) -> Any:  # noqa: ANN401 - ASGI's messages
        self._continue()
        cycle = self._cycle
        while True:
            cycle.message_event.clear()
            if cycle.disconnected or cycle.response_complete:
                cycle.message_event.set()  # so it stays: whoever asks again hears the same
                return {"type": "http.disconnect"}
            if self._waiting:
                return self._message(self._waiting.popleft())
            if not cycle.more_body and not self._ended:
                return self._message(b"")
            self._protocol.flow.resume_reading()
            await cycle.message_event.wait()

    def _message(self, piece: bytes) -> dict[str, Any]:
        self._size -= len(piece)
        self._ended = not self._waiting and not self._cycle.more_body
        return {"type": "http.request", "body": piece, "more_body": not self._ended}
