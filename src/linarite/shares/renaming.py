"""Moves of files and directories on disk: what may be in the way, and what another program may put there meanwhile."""

from __future__ import annotations

import stat as modes
from collections.abc import Iterator
from contextlib import contextmanager

from linarite.engine.errors import AlreadyExists, EngineError
from linarite.fs import Beneath
from linarite.shares.spelling import Found, Spelling


def cleared(spelling: Spelling, base: Beneath, old: Found, new: Found, target: str, *, replace: bool) -> Found:
    """The place that `old` may move to: free, itself in another spelling, or to be replaced.

    A symbolic link replaces nothing: it may be what it leads to that would go.
    """
    assert old.stat is not None
    if new.stat is None:
        return new
    if _is_one_name(base, old.disk, new.disk):
        return spelling.respell(new, target)._replace(stat=None)
    if not replace or modes.S_ISLNK(base.stat(old.disk, follow=False).st_mode):
        raise AlreadyExists("resource", target)
    there = base.stat(new.disk, follow=False)
    is_same_file = (there.st_dev, there.st_ino) == (old.stat.st_dev, old.stat.st_ino)
    if is_same_file or (modes.S_ISDIR(old.stat.st_mode) and modes.S_ISREG(there.st_mode)):
        base.unlink(new.disk)  # of two names of one file the kernel would leave both
    return new


@contextmanager
def moved(spelling: Spelling, base: Beneath, old: Found, new: Found) -> Iterator[None]:
    """Move, durably. What another program put at a free place since is not replaced.

    A link that leads nowhere from its new place is put back, for then the use of it here is refused.
    """
    is_link = modes.S_ISLNK(base.stat(old.disk, follow=False).st_mode)
    base.rename(old.disk, new.disk, replace=new.stat is not None or _is_one_name(base, old.disk, new.disk))
    _settle(spelling, base, old, new)
    try:
        yield
    except (OSError, EngineError):
        if is_link:
            base.rename(new.disk, old.disk)
            _settle(spelling, base, old, new)
        raise


def _settle(spelling: Spelling, base: Beneath, old: Found, new: Found) -> None:
    for directory in {_above(new.disk), _above(old.disk)}:
        base.sync(directory)
        spelling.moved(base, directory)


def _is_one_name(base: Beneath, one: str, other: str) -> bool:
    """Whether two paths are one name in one directory, by whatever links they lead there."""
    if one.rpartition("/")[2] != other.rpartition("/")[2]:
        return False
    here, there = base.stat(_above(one)), base.stat(_above(other))
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _above(disk: str) -> str:
    return disk.rpartition("/")[0]
