"""Runs that stay: their command line has returned, and what it left running lives until they are ended.

What belongs to such a run carries its marker. A process that cleared its environment is told by the session that it
was started in, and only among the host's own children: the number of a session may mean another one later.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator

from linarite.nodes.processes import children, marked_processes, run_of, send, session_of


class Staying:
    """The runs of a host that stay, by name, with the sessions that they were started in."""

    def __init__(self) -> None:
        """None yet."""
        self._sessions: dict[str, int] = {}
        self._leaving: set[str] = set()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._sessions)

    @property
    def any_leaves(self) -> bool:
        """Whether the last process of any run is awaited."""
        return bool(self._leaving)

    def add(self, run: str, session: int) -> None:
        """Take a run whose command line has returned."""
        self._sessions[run] = session

    def leave(self, run: str, *, gently: bool) -> None:
        """Await the end of what the run left: `gently` asks for it by SIGTERM."""
        self._leaving.add(run)
        if gently:
            self._signal([run], signal.SIGTERM)

    def kill(self, runs: Collection[str]) -> None:
        """SIGKILL to all that those of these runs left that are leaving."""
        self._signal(self._leaving.intersection(runs), signal.SIGKILL)

    def gone(self) -> set[str]:
        """The runs of which the last process has gone; they are forgotten here."""
        gone = self._leaving.difference(run for _, run in self._left_of(self._leaving))
        self._leaving -= gone
        for run in gone:
            del self._sessions[run]
        return gone

    def _signal(self, runs: Collection[str], number: signal.Signals) -> None:
        for pid, _ in self._left_of(runs):
            send(pid, number)

    def _left_of(self, runs: Collection[str]) -> Iterator[tuple[int, str]]:
        """The processes of these runs, each with its run."""
        if not runs:
            return
        yield from ((pid, run) for pid, run in marked_processes(os.geteuid()) if run in runs)
        by_session = {self._sessions[run]: run for run in runs}
        for pid in children():
            run = by_session.get(session_of(pid))
            if run is not None and run_of(pid) is None:
                yield pid, run
