"""Files and directories that the kernel has at hand: found without a thread, which costs more than the looking.

What is not at hand, is spelled in another case, or is refused in any way is None: the tree looks again, on a thread.
"""

from __future__ import annotations

import os
import stat as modes

from linarite.engine.sharing.ports import Item
from linarite.fs import Beneath
from linarite.shares.listing import item_of
from linarite.shares.spelling import Spelling


def find(base: Beneath, spelling: Spelling, path: str) -> Item | None:
    """The file or directory at `path`."""
    found = _look(base, spelling, path, readable=False)
    return None if found is None else found[0]


def open_file(base: Beneath, spelling: Spelling, path: str) -> tuple[Item, int] | None:
    """The ordinary file at `path`, and a descriptor to read it by."""
    return _look(base, spelling, path, readable=True)


def _look(base: Beneath, spelling: Spelling, path: str, *, readable: bool) -> tuple[Item, int] | None:
    disk = "/".join(map(spelling.disk, path.split("/"))) if path else ""
    descriptor = -1
    try:
        with base.at_once() as open_:
            above = disk.rpartition("/")[0]
            parent = _stat(open_(above, os.O_PATH)).st_ino if above else 0
            stat = _stat(open_(disk, os.O_PATH))  # first: to open a device does something
            if readable and modes.S_ISREG(stat.st_mode):
                descriptor = open_(disk, os.O_RDONLY)
                stat = os.fstat(descriptor)
    except OSError:
        return None
    if modes.S_ISREG(stat.st_mode) or (modes.S_ISDIR(stat.st_mode) and not readable):
        return item_of(path, stat, parent), descriptor
    if descriptor >= 0:
        os.close(descriptor)
    return None


def _stat(descriptor: int) -> os.stat_result:
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
