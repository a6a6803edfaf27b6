"""Processes of runs that have ended: which, how, and what they used. Nothing of the runs themselves."""

from __future__ import annotations

import os
import resource  # os.wait4 needs it, and would import it when the host cannot read it any more
from collections.abc import Sequence

from linarite.engine.launching import Usage
from linarite.nodes.processes import BLOCK, ProcessUse, high_water

_own_peak = [0]
_KEPT = 256


def next_zombie() -> os.waitid_result | None:
    """A child of ours that has ended, and that stays a zombie; None when there is none."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None


def exit_code(status: int) -> int:
    """The exit code of a process; 128 + N when signal N ended it, as a shell tells it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def usage_of(used: resource.struct_rusage, left: Sequence[ProcessUse]) -> Usage:
    """What a process used, with all that it had waited for and what it `left`."""
    return Usage(
        user_seconds=used.ru_utime + sum(use.user_seconds for use in left),
        kernel_seconds=used.ru_stime + sum(use.kernel_seconds for use in left),
        read_operations=used.ru_inblock + sum(use.read_bytes for use in left) // BLOCK,
        write_operations=used.ru_oublock + sum(use.write_bytes for use in left) // BLOCK,
        peak_bytes=_peak(used.ru_maxrss),
    )


class Watchers:
    """What the processes that watched containers have used, with all that ran in these, until somebody asks."""

    def __init__(self) -> None:
        """None has ended yet."""
        self._used: dict[int, Usage] = {}

    def note(self, pid: int, used: resource.struct_rusage) -> None:
        """Keep what one used that has ended; what nobody asks about gives way to later ones."""
        self._used[pid] = usage_of(used, ())
        if len(self._used) > _KEPT:
            del self._used[next(iter(self._used))]

    def take(self, pid: int | None) -> Usage | None:
        """What the process used, once; None when it has not ended or is not known."""
        return None if pid is None else self._used.pop(pid, None)


def is_watcher(pid: int) -> bool:
    """Tell whether a process that has ended, and was not waited for yet, was podman's watcher of a container."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read() == b"conmon\n"
    except OSError:
        return False


def _peak(kilobytes: int) -> int:
    """Give a run's peak in bytes, 0 when it is not known.

    The kernel counts a process's peak from before its exec, when it shared this one's memory: up to our own peak the
    figure says nothing about the run. Ours is looked up when a run had more than it was the last time.
    """
    if kilobytes <= _own_peak[0]:
        return 0
    _own_peak[0] = high_water()
    return kilobytes * 1024 if kilobytes > _own_peak[0] else 0
