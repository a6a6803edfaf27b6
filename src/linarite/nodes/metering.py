"""What the runs of a host use: run by run, and node by node between one look of the server and the next.

No process is changed here.
A node is a folder of this machine, so what it uses is what its runs use: the processes in their sessions, and those
that left them and carry their marker. Sources: proc_pid_stat(5), proc_pid_io(5).
"""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from linarite.engine.launching import Usage
from linarite.nodes.processes import BLOCK, ProcessUse, processes_of, run_of, session_of, use_of
from linarite.nodes.wire import RootUse

PERIOD = 30.0
"""Seconds that the bytes of a look stand for: where the last one is longer ago, their part."""
FORGOTTEN = 300.0
"""Seconds after which a node that nobody asks about is not followed any more."""
FRESH = 0.5
"""Seconds for which what was read of the processes is fresh enough."""
LEAST = 1.0
"""Seconds: over less, the ticks of the kernel's clock tell no rate."""


class Used(NamedTuple):
    """What a run has used since it began: seconds of processors (its own, the kernel's), bytes from and to disks."""

    user: float = 0.0
    kernel: float = 0.0
    read: int = 0
    written: int = 0

    def since(self, before: Used) -> Used:
        """What came to it; never less than nothing: with a process that nobody waited for goes what it had used."""
        return Used(
            max(0.0, self.user - before.user), max(0.0, self.kernel - before.kernel),
            max(0, self.read - before.read), max(0, self.written - before.written),
        )  # fmt: skip

    def plus(self, other: Used) -> Used:
        """Both together."""
        return Used(
            self.user + other.user, self.kernel + other.kernel, self.read + other.read, self.written + other.written
        )


NOTHING = Used()


class _Live:
    """A run that goes on: whose node's, what was its first process, and what it had used when it was last looked at."""

    __slots__ = ("base", "began", "leader", "memory", "root", "seen", "used")

    def __init__(self, root: str, leader: int | None, began: float) -> None:
        self.root, self.leader, self.began = root, leader, began
        self.base = self.seen = self.used = NOTHING
        self.memory = 0


class _Watch:
    """A node that is looked at: since when, and what runs used that ended meanwhile."""

    __slots__ = ("ended", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.ended = NOTHING


class Meter:
    """What each node's runs use. Costs next to nothing until somebody looks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._live: dict[str, _Live] = {}
        self._watched: dict[str, _Watch] = {}
        self._read_at = -math.inf

    def started(self, run: str, root: str, leader: int) -> None:
        """Follow a run of the node at `root` whose first process is `leader`."""
        self._live[run] = _Live(root, leader, self._clock())

    def returned(self, run: str, usage: Usage) -> None:
        """Go on with what the first process of a run that stays has left; that one has used `usage`."""
        live = self._live.get(run)
        if live is not None:
            live.leader, live.base = None, _used(usage)

    def ended(self, run: str, usage: Usage) -> None:
        """Follow a run no more; all in all it has used `usage`."""
        live = self._live.pop(run, None)
        watch = None if live is None else self._watched.get(live.root)
        if live is not None and watch is not None:
            watch.ended = watch.ended.plus(_used(usage).since(live.seen))

    def usages(self, runs: Sequence[str]) -> dict[str, Usage]:
        """What those of these runs that go on have used since they began, as known; their peaks are not."""
        self._read()
        found = {run: self._live[run].used for run in runs if run in self._live}
        return {
            run: Usage(
                user_seconds=used.user, kernel_seconds=used.kernel, read_operations=used.read // BLOCK,
                write_operations=used.written // BLOCK,
            )
            for run, used in found.items()
        }  # fmt: skip

    def look(self, roots: Sequence[str]) -> list[RootUse]:
        """What the runs of the nodes at `roots` use now, and have used since the last look, or since each began."""
        now = self._clock()
        self._read()
        of_root: dict[str, list[_Live]] = defaultdict(list)
        for live in self._live.values():
            of_root[live.root].append(live)
        found = [self._look_at(root, of_root.get(root, []), now) for root in roots]
        self._watched = {root: watch for root, watch in self._watched.items() if now - watch.since < FORGOTTEN}
        return found

    def _look_at(self, root: str, runs: Sequence[_Live], now: float) -> RootUse:
        watch = self._watched.get(root)
        self._watched[root] = _Watch(now)
        parts = [] if watch is None else [(watch.ended, now - watch.since)]
        for live in runs:
            before, since = (NOTHING, live.began) if watch is None else (live.seen, watch.since)
            parts.append((live.used.since(before), now - since))
            live.seen = live.used
        spans = [(used, max(LEAST, seconds)) for used, seconds in parts]
        return RootUse(
            root=root,
            cores=sum((used.user + used.kernel) / span for used, span in spans),
            memory_bytes=sum(live.memory for live in runs),
            read_bytes=round(sum(used.read * min(1.0, PERIOD / span) for used, span in spans)),
            write_bytes=round(sum(used.written * min(1.0, PERIOD / span) for used, span in spans)),
        )

    def _read(self) -> None:
        """Bring what runs have used up to now, or nearly: to look at all processes takes milliseconds."""
        if self._clock() - self._read_at < FRESH:
            return
        self._read_at = self._clock()
        leaders = {live.leader: run for run, live in self._live.items() if live.leader is not None}
        uses: dict[str, list[ProcessUse]] = defaultdict(list)
        for run, use in _uses(leaders):
            uses[run].append(use)
        for run, live in self._live.items():
            found = uses.get(run, [])
            live.used = live.base
            for use in found:
                live.used = live.used.plus(Used(use.user_seconds, use.kernel_seconds, use.read_bytes, use.write_bytes))
            live.memory = sum(use.memory_bytes for use in found)


def _uses(leaders: Mapping[int, str]) -> Iterator[tuple[str, ProcessUse]]:
    """What each process of this host's user has used that is in a leader's session or tells whose it is."""
    for pid in processes_of(os.geteuid()):
        run = leaders.get(session_of(pid)) or run_of(pid)
        use = None if run is None else use_of(pid)
        if run is not None and use is not None:
            yield run, use


def _used(usage: Usage) -> Used:
    return Used(usage.user_seconds, usage.kernel_seconds, usage.read_operations * BLOCK, usage.write_operations * BLOCK)
