"""The file in which a run tells how far it is: opened without waiting, following no link, read at its end alone."""

from __future__ import annotations

import os
import stat

from linarite.engine.launching import Watched
from linarite.engine.progress import TAIL, Progress, file_name, last
from linarite.fs.beneath import Beneath

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def progress_of(directory: str, run: str) -> Progress | None:
    """What a run of ours told, with the rights of a host: those of the run's own user."""
    try:
        descriptor = os.open(f"{directory}/{file_name(run)}", _FLAGS)
    except (OSError, ValueError):
        return None
    return _read(descriptor)


def watched(root: str, run: Watched) -> Progress | None:
    """The same from without, whatever the run has put in the place of its folders."""
    try:
        descriptor = Beneath(root).open(f"{run.directory}/{file_name(run.run)}", _FLAGS)
    except (OSError, ValueError):
        return None
    return _read(descriptor)


def _read(descriptor: int) -> Progress | None:
    """Close it, too. A file that bears another name as well may be somebody else's, and is not read."""
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            return None
        start = max(0, facts.st_size - TAIL)
        return last(os.pread(descriptor, TAIL, start), whole=start == 0)
    except OSError:
        return None
    finally:
        os.close(descriptor)
