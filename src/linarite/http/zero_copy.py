"""Bytes of a file sent by the kernel itself, from its page cache into the socket: they never come to Python.

Serve with `ZeroCopyProtocol`. Where a connection can do it (plain HTTP), a request's scope has the extension
`http.response.zerocopysend` of ASGI, and `send` takes its message; https has none. Source: the ASGI extensions page.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from linarite.http.messages import ZERO_COPY
from linarite.http.pieces import PieceProtocol
from linarite.http.threads import on_thread

_TURN_SECONDS = 0.02
"""For which one answer keeps a thread at most; then it is another's turn."""
_MOMENT_MS = 2
_PIECE = 256 * 1024


class ZeroCopyProtocol(PieceProtocol):
    """A connection whose answers may be files."""

    def on_headers_complete(self) -> None:
        """Offer the extension to the request that begins."""
        super().on_headers_complete()
        if self.scheme == "http" and self.scope is getattr(self.cycle, "scope", None):
            self.scope.setdefault("extensions", {})[ZERO_COPY] = {}
            self.cycle.send = _Sender(self, self.cycle)  # type: ignore[method-assign]


class _Sender:
    """`send` of one request: files by the kernel, all else as uvicorn does.

    The head waits for what follows it, and goes in one packet with the first bytes of a file.
    """

    def __init__(self, protocol: ZeroCopyProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol, self._cycle = protocol, cycle
        self._plain: Callable[[Any], Awaitable[None]] = cycle.send
        self._head: Any = None

    async def __call__(self, message: Any) -> None:  # noqa: ANN401 - ASGI's messages
        if message["type"] == "http.response.start":
            self._head = message
        elif message["type"] == ZERO_COPY:
            await self._send_part(message)
        else:
            await self._send_head()
            await self._plain(message)

    async def _send_head(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            await self._plain(head)

    async def _send_part(self, message: Any) -> None:  # noqa: ANN401 - ASGI's messages
        # A second descriptor of the socket: its number stays ours should the connection be closed meanwhile.
        with socket.fromfd(self._fileno(), socket.AF_UNSPEC, socket.SOCK_STREAM) as own:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            await self._send_head()
            offset, count = message["offset"], message["count"]
            if self._cycle.chunked_encoding or count > self._cycle.expected_content_length:
                raise RuntimeError("A file is sent where another length was promised.")
            sent = await self._send_file(own, message["file"], offset, count)
            self._cycle.expected_content_length -= sent
            # A file cut short while it is sent: the length is promised, so the rest is zeros as in a hole.
            for at in range(sent, count, _PIECE):
                zeros = bytes(min(_PIECE, count - at))
                await self._plain({"type": "http.response.body", "body": zeros, "more_body": True})
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        if not message.get("more_body"):
            await self._plain({"type": "http.response.body", "body": b""})

    def _fileno(self) -> int:
        return int(self._protocol.transport.get_extra_info("socket").fileno())

    async def _send_file(self, own: socket.socket, file: int, offset: int, count: int) -> int:
        """Send all there is; returns how many bytes the file had, `count` when the client has gone meanwhile."""
        transport, sent = self._protocol.transport, 0
        try:
            while transport.get_write_buffer_size():  # what was sent before goes first
                await self._protocol.ready(own.fileno(), to_read=False)
            while sent < count and not (self._cycle.disconnected or transport.is_closing()):
                done = await on_thread(_push, own.fileno(), file, offset + sent, count - sent)
                if done is None:
                    await self._protocol.ready(own.fileno(), to_read=False)
                elif done:
                    sent += done
                else:
                    return sent
        except ConnectionError:
            transport.abort()
        return count


def _push(own: int, file: int, offset: int, count: int) -> int | None:
    """Send what the socket takes, waiting moments for more room; None when that is nothing. The disk may take its time.

    A client that reads as fast as we send is served by one call a turn; a slow one is waited for in the loop.
    """
    waiting, sent, end = select.poll(), 0, time.monotonic() + _TURN_SECONDS
    waiting.register(own, select.POLLOUT)
    while True:
        try:
            done = os.sendfile(own, file, offset + sent, count - sent)
        except BlockingIOError:
            if not waiting.poll(_MOMENT_MS):
                return sent or None
            continue
        sent += done
        if not done or sent == count or time.monotonic() > end:
            return sent
