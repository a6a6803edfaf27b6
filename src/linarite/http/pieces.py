"""Bodies of requests handed on in the pieces that the socket gave: nothing is put together that will be taken apart.

Serve with `PieceProtocol`. uvicorn itself gathers what has come in a buffer and hands on a copy of it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from linarite.http.limits import LimitedProtocol

MOST = 512 * 1024
"""Bytes that wait for the application until no more are read."""


class PieceProtocol(LimitedProtocol):
    """A connection whose requests' bodies are not copied together."""

    _pieces: _Pieces | None = None

    def on_headers_complete(self) -> None:
        """Take over the body of the request that begins."""
        super().on_headers_complete()
        if self.scope is getattr(self.cycle, "scope", None):
            self._pieces = self.cycle.receive = _Pieces(self, self.cycle)  # type: ignore[method-assign]

    def on_body(self, body: bytes) -> None:
        """Some bytes of a body."""
        if self._pieces is not None and not self.cycle.response_complete:
            self._pieces.add(body)


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

    async def __call__(self) -> Any:  # noqa: ANN401 - ASGI's messages
        cycle = self._cycle
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
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
