"""The kernel's clock, by which files are told apart: before Linux 6.13 it stands still for some milliseconds."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path


def wait_for_a_tick(path: Path) -> None:
    """Until the kernel gives other times than this file has: before that nobody could tell a change of it."""
    with tempfile.TemporaryDirectory(dir=path.parents[2]) as folder:
        for number in itertools.count():
            scratch = Path(folder, str(number))
            scratch.touch()
            if scratch.stat().st_ctime_ns != path.stat().st_ctime_ns:
                return
