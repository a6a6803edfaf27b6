"""Memory for the bodies of requests, used again: fresh memory costs as much as the bytes that come into it.

A room is given back once nobody looks at it; one that never is, is simply garbage.
"""

from __future__ import annotations

SIZE = 4 * 1024 * 1024
MOST = 4
"""Rooms that are kept while nobody uses them."""


class Rooms:
    """Rooms of one size; for one event loop."""

    def __init__(self) -> None:
        """Have none yet."""
        self._free: list[bytearray] = []

    def take(self, size: int) -> bytearray:
        """A room of at least so many bytes; what is in it is left over."""
        if size > SIZE:
            return bytearray(size)
        return self._free.pop() if self._free else bytearray(SIZE)

    def give(self, room: bytearray) -> None:
        """Take a room back that nobody uses any more."""
        if len(room) == SIZE and len(self._free) < MOST:
            self._free.append(room)


ROOMS = Rooms()
