"""Ending what a killed host left behind, before anyone may start its runs again."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Iterable

from linarite.nodes.journal import KnownRun, Spawned
from linarite.nodes.processes import kill, marked_processes, signal_group, start_ticks

DEADLINE = 10.0
"""Seconds. A process that SIGKILL does not end by then is stuck in the kernel and runs no more of its own code."""


def end_leftovers(runs: Iterable[KnownRun], *, same_boot: bool) -> None:
    """Kill every process of `runs` that is still there and wait until it is gone, at most DEADLINE seconds.

    `same_boot`: whether the process numbers in `runs` are of this boot of the machine.
    """
    names = set()
    for run in runs:
        names.add(run.run)
        if same_boot and run.spawned is not None and _is_still_there(run.spawned):
            _end([run.spawned.pid], time.monotonic() + DEADLINE, groups=True)
    if names:
        _end_marked(names, time.monotonic() + DEADLINE)


def _is_still_there(spawned: Spawned) -> bool:
    return spawned.earliest <= start_ticks(spawned.pid) <= spawned.latest


def _end_marked(names: set[str], deadline: float) -> None:
    """Kill what carries a marker until nothing does: a process may have started another while we looked."""
    while time.monotonic() < deadline:
        left = [pid for pid, run in marked_processes(os.geteuid()) if run in names]
        if not left:
            return
        _end(left, deadline, groups=False)


def _end(pids: list[int], deadline: float, *, groups: bool) -> None:
    with selectors.DefaultSelector() as selector:
        for pid in pids:
            try:
                file = os.pidfd_open(pid)
            except OSError:
                continue
            selector.register(file, selectors.EVENT_READ)
            if groups:
                signal_group(pid, signal.SIGKILL)
            kill(pid)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                selector.unregister(key.fileobj)
                os.close(key.fd)
        for key in list(selector.get_map().values()):
            os.close(key.fd)
