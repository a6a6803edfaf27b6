"""What another file takes the place of: how much of the disk it gives back, and what becomes of its further names."""

from __future__ import annotations

import stat as modes

from linarite.fs import Beneath
from linarite.shares.spelling import Found
from linarite.shares.usage import BLOCK


def alone(base: Beneath, found: Found) -> Found:
    """The place of a new file: its name alone, when what was there has other names, which keep it."""
    if found.stat is None or modes.S_ISDIR(found.stat.st_mode) or found.stat.st_nlink == 1:
        return found
    base.unlink(found.disk)
    return found._replace(stat=None)


def freed_with_name(base: Beneath, found: Found) -> int:
    """Bytes of the disk that go when a name is taken away: with that of a link none do."""
    return 0 if found.stat is None else freed(found._replace(stat=base.stat(found.disk, follow=False)))


def freed(found: Found) -> int:
    """Bytes of the disk that go with the content of what is there."""
    stat = found.stat
    return stat.st_blocks * BLOCK if stat and modes.S_ISREG(stat.st_mode) and stat.st_nlink == 1 else 0
