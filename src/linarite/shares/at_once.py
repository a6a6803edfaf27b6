"""Files and directories that the kernel has at hand: found without a thread, which costs more than the looking.

What is not at hand, or not known to be on a disk of this machine, is spelled in another case, or is refused in any way
is None: the tree looks again, on a thread.
"""

from __future__ import annotations

import os
import stat as modes

from linarite.engine.sharing.ports import Item
from linarite.fs import Beneath
from linarite.shares.listing import item_of
from linarite.shares.opened import Opened
from linarite.shares.spelling import Spelling


def find(base: Beneath, spelling: Spelling, path: str) -> Item | None:
    """The file or directory at `path`."""
    try:
        stat, parent, _ = base.look_at_once(_disk(spelling, path))
    except OSError:
        return None
    known = modes.S_ISREG(stat.st_mode) or modes.S_ISDIR(stat.st_mode)
    return item_of(path, stat, parent or 0) if known else None


def open_file(base: Beneath, spelling: Spelling, path: str, flags: int = os.O_RDONLY) -> Opened | None:
    """The ordinary file at `path`."""
    try:
        stat, parent, descriptor = base.look_at_once(_disk(spelling, path), flags)
    except OSError:
        return None
    return None if descriptor is None else Opened(descriptor, path, stat, parent or 0)


def _disk(spelling: Spelling, path: str) -> str:
    return "/".join(map(spelling.disk, path.split("/"))) if path else ""
