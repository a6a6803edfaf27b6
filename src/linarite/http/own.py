"""A second descriptor of a connection's socket, for calls on threads beside the transport."""

from __future__ import annotations

import asyncio
import socket


class Own:
    """Its number stays ours should the transport close its own meanwhile; it is closed once nobody has it any more."""

    __slots__ = ("number", "socket")

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        """Take a descriptor of its socket, which does not wait."""
        there = transport.get_extra_info("socket")
        self.socket = socket.fromfd(there.fileno(), there.family, there.type)
        self.number = self.socket.fileno()

    def __del__(self) -> None:
        """Let go of it."""
        self.socket.close()
