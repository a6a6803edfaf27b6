"""Writes that are whole or not there, also where the disk is nearly full.

A disk with room is written to at once. On one without, room is looked for and blocks are taken before the first byte
is changed. Where the write fails all the same (they were shared with a snapshot), what was there is put back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from linarite.engine.sharing.ports import Data, size_of
from linarite.fs import Beneath
from linarite.shares import extents
from linarite.shares.spelling import Found

NEARLY_FULL = 256 * 1024 * 1024
"""Bytes left on the disk, from which on writes take care: more than those at work at once can take."""
_careful = threading.Lock()
"""Held while bytes may be put back: another writer's, acknowledged meanwhile, are not among them."""


def write(descriptor: int, offset: int, data: Data) -> None:
    """Write all of `data` into a file that is long enough; OSError with nothing changed when the disk has no room."""
    if extents.room(descriptor) > NEARLY_FULL:
        extents.write(descriptor, offset, data)
        return
    with _careful:
        _write(descriptor, offset, offset + size_of(data), data)


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
