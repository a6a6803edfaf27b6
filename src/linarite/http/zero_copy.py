"""Bytes of a file sent by the kernel itself, from its memory of the file into the socket: Python never sees them.

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
from linarite.http.own import RANGE, Own
from linarite.http.pieces import PieceProtocol
from linarite.http.threads import Few, on_thread
from linarite.http.window import MOST, Window

_TURN_SECONDS = 0.02
"""For which one answer keeps a thread at most; then it is another's turn."""
_MOMENT_MS = 2
_PIECE = 256 * 1024
_SENDERS = Few("sender")


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
        elif message["type"] == ZERO_COPY and message["count"]:
            await self._send_part(message)
        else:
            await self._send_head()
            await self._plain({"type": "http.response.body"} if message["type"] == ZERO_COPY else message)

    async def _send_head(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            await self._plain(head)

    async def _take_head(self) -> bytes:
        """The bytes of the head as uvicorn makes them, unsent; none when it is on its way, or nobody is there."""
        transport, taken = self._cycle.transport, _Taken()
        self._cycle.transport = taken  # type: ignore[assignment]
        try:
            await self._send_head()
        finally:
            self._cycle.transport = transport
        return taken.written

    async def _send_part(self, message: Any) -> None:  # noqa: ANN401 - ASGI's messages
        part = _Part(await self._take_head(), message["file"], message["offset"], message["count"])
        if self._cycle.disconnected:  # uvicorn made no head then, and knows of no length
            return
        if self._cycle.chunked_encoding or part.left > self._cycle.expected_content_length:
            raise RuntimeError("A file is sent where another length was promised.")
        self._cycle.expected_content_length -= part.left
        await self._send_file(part)
        # A file cut short while it is sent: the length is promised, so the rest is zeros as in a hole.
        self._cycle.expected_content_length += part.left
        while part.left:
            zeros = bytes(min(_PIECE, part.left))
            part.left -= len(zeros)
            await self._plain({"type": "http.response.body", "body": zeros, "more_body": True})
        if not message.get("more_body"):
            await self._plain({"type": "http.response.body", "body": b""})

    async def _send_file(self, part: _Part) -> None:
        """Send all that the file has; what is `left` then it has not. All of it when the client has gone meanwhile."""
        transport, own = self._protocol.transport, self._protocol.own()
        try:
            while transport.get_write_buffer_size():  # what was sent before goes first
                await self._protocol.ready(own.number, to_read=False)
            while part.left and not (self._cycle.disconnected or transport.is_closing()):
                took = await _turn(own, part)
                if took is None:
                    await self._protocol.ready(own.number, to_read=False)
                elif not took:
                    return
        except ConnectionError:
            transport.abort()
        part.left = 0


class _Taken:
    """Stands in for a transport, and keeps what is written."""

    written = b""

    def write(self, data: bytes) -> None:
        self.written += data


class _Part:
    """What is left to send: a head, then a part of a file; `window` is there while a thread is about it."""

    __slots__ = ("file", "head", "left", "maps", "offset", "window")

    def __init__(self, head: bytes, file: int, offset: int, left: int) -> None:
        self.head, self.file, self.offset, self.left = head, file, offset, left
        self.window: Window | None = None
        self.maps = True

    def send(self, own: Own) -> int | None:
        """Send some; returns how many bytes of the file. None when it was of the head alone, 0 at the file's end."""
        if self.maps:
            try:
                return self._send_mapped(own)
            except (BlockingIOError, ConnectionError):
                raise
            except (OSError, ValueError):  # it was cut short, or cannot be had as memory
                self.maps = False
        if self.head:
            self.head = self.head[own.socket.send(self.head, socket.MSG_MORE) :]
            return None
        return self._sent(os.sendfile(own.number, self.file, self.offset, self.left))

    def is_in_memory(self) -> bool:
        """Whether the kernel has the last page of what is sent next, and so, as it reads ahead, most likely all."""
        try:
            os.preadv(self.file, [bytearray(1)], self.offset + min(self.left, MOST) - 1, os.RWF_NOWAIT)
        except (OSError, AttributeError, NotImplementedError):  # not there; or a file system or C library without it
            return False
        return True

    def _send_mapped(self, own: Own) -> int | None:
        """What is left of the head goes with it: one call of the system."""
        if self.window is None:
            self.window = Window(self.file, self.offset, self.left)
        if not self.head:
            done = own.socket.send(self.window.rest)
        else:
            done = own.socket.sendmsg((self.head, self.window.rest))
            head, self.head = self.head, self.head[done:]
            if self.head:
                return None
            done -= len(head)
        self.window.sent(done)
        if not self.window.rest:
            self.close()
        return self._sent(done) or None

    def _sent(self, done: int) -> int:
        self.offset, self.left = self.offset + done, self.left - done
        return done

    def close(self) -> None:
        if self.window is not None:
            window, self.window = self.window, None
            window.close()


async def _turn(own: Own, part: _Part) -> bool | None:
    """Send as `_push` does: on one of few threads what is in memory, on one of many what a disk must bring."""
    try:
        return await _SENDERS.do(_push, own, part, _SENDERS)
    except _NotInMemory:
        return await on_thread(_push, own, part, None)


class _NotInMemory(Exception):
    """To send it, or to find out, may have to wait for a disk."""


def _push(own: Own, part: _Part, among: Few | None) -> bool | None:
    """Send what the socket takes, waiting moments for more room; None when that is nothing, False at the file's end.

    A client that reads as fast as we send is served by one call a turn, unless others wait for a thread; a slow one is
    waited for in the loop. `among` few threads no disk is waited for: raises _NotInMemory.
    """
    if among is not None and not part.is_in_memory():
        raise _NotInMemory
    try:
        return _push_on(own, part, among)
    finally:
        part.close()


def _push_on(own: Own, part: _Part, among: Few | None) -> bool | None:
    own.shape(alone=part.left > RANGE and among is not None and not among.are_wanted)
    waiting, took, end = None, None, time.monotonic() + _TURN_SECONDS
    while True:
        try:
            done = part.send(own)
        except BlockingIOError:
            if among is not None and among.are_wanted:
                return took
            if waiting is None:
                waiting = select.poll()
                waiting.register(own.number, select.POLLOUT)
            if not waiting.poll(_MOMENT_MS):
                return took
            continue
        took = True
        if done == 0:
            return False
        if not part.left or time.monotonic() > end:
            return True
