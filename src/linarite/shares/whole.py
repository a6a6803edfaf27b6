"""Writes that are whole or not there, also where the disk is nearly full.

A disk with room is written to at once. On one without, room is looked for and blocks are taken before the first byte
is changed. Where the write fails all the same (they were shared with a snapshot), what was there is put back.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from linarite.engine.sharing.ports import Data, size_of
from linarite.fs import Beneath
from linarite.shares import extents
from linarite.shares.spelling import Found

NEARLY_FULL = 256 * 1024 * 1024
"""Bytes left on the disk, from which on writes take care: more than those at work at once can take."""
PLENTY = 16 * NEARLY_FULL
"""Bytes left on the disk that nobody can fill until it is looked at again."""
FRESH_SECONDS = 0.1
"""For which what a disk has left is taken for known."""
_careful = threading.Lock()
"""Held while bytes may be put back: another writer's, acknowledged meanwhile, are not among them."""


def write(descriptor: int, disk: int, offset: int, data: Data) -> None:
    """Write all of `data` into a file that is long enough; OSError with nothing changed when the disk has no room.

    `disk` is the file's device number.
    """
    if _has_plenty(descriptor, disk, size_of(data)) or extents.room(descriptor) > NEARLY_FULL:
        extents.write(descriptor, offset, data)
        return
    with _careful:
        _write(descriptor, offset, offset + size_of(data), data)


class _Room:
    """Bytes that a disk had left when it was looked at, less what was written since."""

    __slots__ = ("left", "until")

    def __init__(self, left: int) -> None:
        self.left, self.until = left, time.monotonic() + FRESH_SECONDS


_rooms: dict[int, _Room] = {}


def _has_plenty(descriptor: int, disk: int, size: int) -> bool:
    """Whether a disk (its number) is so empty that it need not be looked at for each write."""
    room = _rooms.get(disk)
    if room is None or time.monotonic() > room.until:
        room = _rooms[disk] = _Room(extents.room(descriptor))
    room.left -= size
    return room.left > PLENTY


def _write(descriptor: int, start: int, end: int, data: Data) -> None:
    extents.check_room(descriptor, extents.missing(descriptor, start, end - start))
    old = [(first, os.pread(descriptor, last - first, first)) for first, last in extents.data(descriptor, start, end)]
    try:
        extents.allocate(descriptor, start, end - start)
        extents.write(descriptor, start, data)
    except OSError:
        _put_back(descriptor, start, end, old)
        raise


@contextmanager
def making(base: Beneath, found: Found, wanted: int) -> Iterator[None]:
    """Around making a file that takes so many more bytes of the disk.

    OSError before anything is changed when it has not as many. Where others took the room meanwhile, a name that was
    free is free again.
    """
    extents.check_room(base.root, wanted)
    try:
        yield
    except OSError:
        if found.stat is None:
            with suppress(FileNotFoundError):
                base.unlink(found.disk)
        raise


def _put_back(descriptor: int, start: int, end: int, old: list[tuple[int, bytes]]) -> None:
    """What was data is that again, what was a hole is one."""
    for first, piece in old:
        if start < first:
            extents.clear(descriptor, start, first - start)
        extents.write(descriptor, first, piece)
        start = first + len(piece)
    if start < end:
        extents.clear(descriptor, start, end - start)
