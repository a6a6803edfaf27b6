"""A second descriptor of a connection's socket, for calls beside the transport, and how much the kernel keeps for it.

The kernel grows a socket's buffers as it goes. For bodies of megabytes on one machine that is too little at times, and
each time a buffer is full is a thread that waits and has to be woken; and at times it is too much. Source: socket(7),
tcp(7).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import cache
from pathlib import Path

RANGE = 4 * 1024 * 1024
"""Bytes that clients commonly send or ask for at once, which the kernel should take in one go."""
_CACHED = 192 * 1024
"""Bytes that a reader on this machine still finds in the processor's cache."""
_BUF_LOCK = 72
"""SO_BUF_LOCK, from Linux 5.15 on: whether buffers are of a size that somebody set. Python has no name for it."""


class Own:
    """Its number stays ours should the transport close its own meanwhile; it is closed once nobody has it any more."""

    __slots__ = ("_is_here", "_is_wide", "_sends", "number", "socket")

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        """Take a descriptor of its socket, which does not wait."""
        there = transport.get_extra_info("socket")
        self.socket = socket.fromfd(there.fileno(), there.family, there.type)
        self.number = self.socket.fileno()
        self._is_here = _is_here(self.socket)
        self._is_wide, self._sends = False, 0

    def widen(self) -> None:
        """Let the kernel keep a whole range that the client sends, as far as it does that for anyone."""
        if not self._is_wide:
            self._is_wide = True
            for least in (2 * RANGE, 1):  # it makes room for what shall be there before we are told, and keeps it
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)

    def shape(self, *, alone: bool) -> None:
        """Let the kernel take a range at once; from one who sends `alone` to this machine only what a cache holds.

        The client then copies from there while the next bytes come; but each time it has caught up the sender must be
        woken, which costs more than it gains where processors are wanted elsewhere.
        """
        wanted = _CACHED if alone and self._is_here and _turns_back() else RANGE
        if wanted != self._sends:
            self._sends = wanted
            if wanted == _CACHED or _has_room():
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, wanted)
            elif _turns_back():
                self.socket.setsockopt(socket.SOL_SOCKET, _BUF_LOCK, 0)

    def __del__(self) -> None:
        """Let go of it."""
        self.socket.close()


def _is_here(one: socket.socket) -> bool:
    """Whether both ends of a connection are on this machine, as far as their addresses tell."""
    if one.family not in {socket.AF_INET, socket.AF_INET6}:
        return False
    try:
        return bool(one.getsockname()[0] == one.getpeername()[0])
    except OSError:  # the client has gone
        return False


@cache
def _has_room() -> bool:
    """Whether this kernel lets a program have a send buffer for a range; where not, its own way gives more."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/proc/sys/net/core/wmem_max").read_text()) >= RANGE
    return False


@cache
def _turns_back() -> bool:
    """Whether the kernel can be left to its own way again once a size was set."""
    with socket.socket() as one:
        try:
            one.setsockopt(socket.SOL_SOCKET, _BUF_LOCK, 0)
        except OSError:
            return False
    return True
