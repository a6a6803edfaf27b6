"""The runs of one host: what they are doing, what the journal must know, what the server must hear.

Requests, ended processes, fetched files and deadlines come in; journal records and reports go out, both collected over
a turn of the host's loop and taken at its end. Journal first: what the server hears stands on disk.
"""

from __future__ import annotations

import heapq
import logging
import math
import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

from msgspec.structs import replace

from linarite.engine.launching import Ended, Problem, RunExited, RunFailed, RunLost, RunStarted, Usage
from linarite.engine.outputs import OutputFile
from linarite.nodes.environment import run_environment
from linarite.nodes.folders import not_there
from linarite.nodes.journal import Forgotten, Intended, Journal, KnownRun, Record, Spawned
from linarite.nodes.metering import Meter
from linarite.nodes.moving.carriage import Carriage
from linarite.nodes.moving.errands import Done
from linarite.nodes.podman import watcher
from linarite.nodes.processes import (
    CannotStartError,
    boot_ticks,
    container_name,
    kill_orphans,
    left_by,
    signal_group,
    signal_marked,
)
from linarite.nodes.progress import progress_of
from linarite.nodes.reaping import Watchers, exit_code, is_watcher, next_zombie, usage_of
from linarite.nodes.run import Run, container_home, ended_early, failed, not_started, now, returned, story
from linarite.nodes.starting import Starter
from linarite.nodes.staying import Staying
from linarite.nodes.wire import LaunchRun, Message

STARTS_A_TURN = 16
"""So many processes are started before the host looks for ended ones and tells the server."""
_TOGETHER = 0.02
"""Seconds after an end until the host looks for what outlived it: one look for all that end by then."""
_DOUBT = 1.0
"""Seconds until the host looks again at a process of which it could not tell whose it is."""

_log = logging.getLogger(__name__)


class Runs:
    """All runs of a host."""

    def __init__(self, journal: Journal, starter: Starter, carriage: Carriage, meter: Meter) -> None:
        """`carriage` moves the runs' files, `meter` hears what is to be followed."""
        self._journal = journal
        self._starter = starter
        self._carriage = carriage
        self._meter = meter
        self._runs: dict[str, Run] = {}
        self._processes: dict[int, Run] = {}
        self._staying = Staying()
        self._watchers = Watchers()
        self._waiting: deque[Run] = deque()
        self._moving: set[str] = set()
        self._deadlines: list[tuple[float, str]] = []
        self._look_again_at = math.inf
        self._records: list[Record] = []
        self._reports: list[Message] = []

    def restore(self, known: Iterable[KnownRun]) -> None:
        """Take over the runs of a predecessor. All have ended: the processes that it left are gone.

        One that had a container is told of as lost once that is gone, too.
        """
        homes: dict[str, list[Run]] = {}
        for old in known:
            run = self._runs[old.run] = Run(old.run, ended=old.ended, home=old.home)
            if run.ended is None and run.home:
                homes.setdefault(run.home, []).append(run)
            elif run.ended is None:
                run.ended = self._lost(run)
        self._compact()
        for home, runs in homes.items():
            self._moving.update(run.name for run in runs)
            self._carriage.discard([container_name(run.name) for run in runs], home, partial(self._on_lost, runs))

    def _on_lost(self, runs: Sequence[Run], _: Done) -> None:
        for run in runs:
            self._moving.discard(run.name)
            if run.ended is None:
                self._finish(run, self._lost(run))

    def _lost(self, run: Run) -> RunLost:
        return RunLost(run=run.name, at=now(), with_machine=not self._journal.same_boot)

    # What the server asks.

    def launch(self, requests: Sequence[LaunchRun]) -> None:
        """Start each run that is not known; tell again about each that is."""
        new: list[Run] = []
        for request in requests:
            name = request.launch.run
            known = self._runs.get(name)
            if known is None:
                new.append(self._runs.setdefault(name, Run(name, request, home=container_home(request))))
            else:
                self._reports += story(known)
        try:
            self._journal.append([Intended(run.name, run.home) for run in new])
        except OSError as error:
            # Without the record the run might start twice.
            for run in new:
                self._fail(run, CannotStartError("disk-full", f"The host's journal: {error.strerror}.", user=False))
        else:
            self._waiting.extend(new)

    def end(self, name: str, grace: float, *, outputs: bool = False) -> None:
        """End the run's processes: SIGTERM, and after `grace` seconds SIGKILL; then take its `outputs` away or not."""
        run = self._runs.get(name)
        if run is None:
            self._reports.append(ended_early(name))
        elif run.ended is not None:
            self._reports.append(run.ended)
        elif run.going:
            run.asked = outputs and run.asked is not False
        elif run.exited is not None:
            if not (outputs and run.asked):
                self._cancel(run)
                self._finish(run, replace(run.exited, at=now()))
        elif run.spawned is None:
            begun = run.errand is not None
            self._cancel(run)
            (self._discard if begun else self._conclude)(run, ended_early(name))
        else:
            run.asked = outputs
            run.stays = False
            if run.returned is not None:
                self._staying.leave(name, gently=grace > 0)
                self._look_again_at = time.monotonic()
            elif grace > 0:
                signal_group(run.spawned.pid, signal.SIGTERM)
                if run.enters:
                    signal_marked({name}, signal.SIGTERM)
            heapq.heappush(self._deadlines, (time.monotonic() + max(grace, 0.0), name))

    def forget(self, names: Sequence[str]) -> None:
        """Drop runs whose ends the server has committed."""
        once = dict.fromkeys(names)  # a launch that was repeated is answered once more
        gone = [name for name in once if (run := self._runs.get(name)) is not None and run.ended is not None]
        for name in gone:
            del self._runs[name]
        if gone:
            self._records.append(Forgotten(gone))

    def names(self) -> list[str]:
        """Every run that is known."""
        return list(self._runs)

    def stories(self) -> list[Message]:
        """What there is to tell about every known run, for a server that has just connected."""
        return [report for run in self._runs.values() for report in story(run)]

    def usages(self, names: Iterable[str]) -> dict[str, Usage]:
        """What those of these runs used whose processes have ended."""
        found = [run.ended or run.exited for name in names if (run := self._runs.get(name)) is not None]
        return {report.run: report.usage for report in found if isinstance(report, RunExited)}

    # A turn of the loop.

    @property
    def busy(self) -> bool:
        """Whether any run has yet to end."""
        return bool(self._waiting or self._processes or self._staying or self._moving)

    def seconds_to_wait(self) -> float | None:
        """How long the loop may wait for something to happen; None: as long as it takes."""
        if self._waiting:
            return 0.0
        due = min(self._look_again_at, self._deadlines[0][0] if self._deadlines else math.inf)
        return None if due == math.inf else max(0.0, due - time.monotonic())

    def step(self) -> None:
        """Do what is due: new processes, deadlines."""
        for _ in range(min(STARTS_A_TURN, len(self._waiting))):
            self._begin(self._waiting.popleft())
        self._kill_overdue()
        if time.monotonic() >= self._look_again_at:
            self._kill_orphans()
            self._see_off()

    def take_reports(self) -> list[Message]:
        """Write the turn's records to the journal, then give the turn's reports."""
        if self._records:
            try:
                self._journal.append(self._records)
            except OSError as error:
                # The server hears of it all the same; only a successor would not know.
                _log.error("The journal lacks %d records: %s", len(self._records), error)
            self._records = []
            if self._journal.worth_compacting(len(self._runs)):
                with suppress(OSError):
                    self._compact()
        reports, self._reports = self._reports, []
        return reports

    def reap(self) -> None:
        """Take note of every process that has ended."""
        # The leader stays a zombie while its group is killed, so that the number still means that group.
        while (facts := next_zombie()) is not None:
            self._on_exit(facts.si_pid, well=facts.si_code == os.CLD_EXITED and facts.si_status == 0)
            if self._look_again_at == math.inf:
                self._look_again_at = time.monotonic() + _TOGETHER

    def _kill_orphans(self) -> None:
        alone = not (self._processes or self._staying)
        doubtful = kill_orphans(self._processes.keys(), self._running, self._carriage.pid, alone=alone)
        self._look_again_at = time.monotonic() + _DOUBT if doubtful else math.inf

    def _see_off(self) -> None:
        """End the runs that stayed, were to end and have nothing left."""
        gone = self._staying.gone()
        for name in gone:
            run = self._runs[name]
            assert run.returned is not None, "it stays since its command line returned"
            self._meter.ended(name, run.returned.usage)
            self._discard(run, replace(run.returned, at=now()))
        if gone or self._staying.any_leaves:
            self._look_again_at = time.monotonic() + _TOGETHER

    def _running(self, name: str) -> bool:
        run = self._runs.get(name)
        return run is not None and run.ended is None and run.exited is None and not run.going

    def _on_exit(self, pid: int, *, well: bool) -> None:
        run = self._processes.pop(pid, None)
        stays = run is not None and run.stays and well
        if run is not None and not stays:
            signal_group(pid, signal.SIGKILL)
        # Cut short, it has not waited for what it started, which the kernel then counts for nobody.
        left = [] if run is None or well else left_by(pid)
        watches = run is None and is_watcher(pid)
        _, status, used = os.wait4(pid, 0)
        if watches:
            self._watchers.note(pid, used)
        if run is None or run.spawned is None:
            return
        code, usage = exit_code(status), usage_of(used, left)
        told = progress_of(run.directory, run.name)
        report = RunExited(
            run=run.name, code=code, started_at=run.spawned.at, at=now(), usage=usage, progress=told
        )  # fmt: skip
        if stays:
            run.returned = report
            self._meter.returned(run.name, usage)
            self._staying.add(run.name, pid)
            self._reports.append(returned(run, report.at))
        else:
            self._meter.ended(run.name, usage)
            self._discard(run, report)

    def _discard(self, run: Run, report: RunExited | RunFailed) -> None:
        """Remove the container of a run that is over, if it has one, before anything else is done with it."""
        if not run.home:
            self._conclude(run, report)
            return
        run.going, run.watcher = True, watcher(run.home, container_name(run.name))
        self._moving.add(run.name)
        self._carriage.discard(
            [container_name(run.name)], run.home, lambda done: self._on_discarded(run, report, done),
            f"{run.directory}/stderr.txt",
        )  # fmt: skip

    def _on_discarded(self, run: Run, report: RunExited | RunFailed, done: Done) -> None:
        self._moving.discard(run.name)
        run.going, info = False, done.container
        if info is None:
            # Without podman's word: the id is known, the state is not.
            info = None if run.container is None else replace(run.container, state="")
        if info is not None and info.state == "created" and isinstance(report, RunExited):
            failure = not_started(run, info) if run.asked is None else ended_early(run.name)
            self._finish(run, replace(failure, container=info))
            return
        report = replace(report, at=now(), container=info)
        if isinstance(report, RunExited) and not run.enters and done.code is not None:
            # Podman's own, when it was ended before its container, says less; and it has used next to nothing.
            report = replace(report, code=done.code, usage=self._watchers.take(run.watcher) or report.usage)
        self._conclude(run, report)

    def _conclude(self, run: Run, report: RunExited | RunFailed) -> None:
        if isinstance(report, RunExited) and run.returned is None:
            self._end_process(run, report)
        else:
            self._finish(run, report)

    def _end_process(self, run: Run, report: RunExited) -> None:
        """Take the files away of a run whose process has ended, if there is anything to take; else it has ended."""
        request, outputs = run.request, list[OutputFile]()
        if request is not None and run.asked is not False:
            outputs = [output for output in request.launch.outputs if output.due(report.code)]
        if request is None or not outputs:
            self._finish(run, report)
            return
        run.exited = report
        self._moving.add(run.name)
        variables = run_environment(request.launch, request.root, run.directory)
        run.errand = self._carriage.take_away(
            outputs, run.directory, variables, lambda done: self._on_taken_away(run, report, done.problem)
        )  # fmt: skip

    def _on_taken_away(self, run: Run, report: RunExited, problem: Problem | None) -> None:
        self._moving.discard(run.name)
        run.errand = None
        if problem is not None and not problem.code.startswith("upload-"):
            problem = replace(problem, code="upload-failed")
        self._finish(run, replace(report, at=now(), upload=problem))

    def _begin(self, run: Run) -> None:
        if run.ended is not None or run.request is None:
            return
        request, launch = run.request, run.request.launch
        try:
            run.directory = self._starter.prepare(launch, request.root)
            contained = self._starter.contained(launch, request.root, run.directory)
        except CannotStartError as error:
            self._fail(run, error)
            return
        lacking = not_there(launch.packages, request.root)
        if not launch.fetches and not lacking and contained is None:
            self._start(run, request)
            return
        self._moving.add(run.name)
        run.errand = self._carriage.bring(
            launch.fetches, self._starter.fetch_folder(launch, request.root, run.directory),
            lambda done: self._on_brought(run, done), packages=lacking, root=request.root,
            archives=request.archives, container=contained,
        )  # fmt: skip

    def _on_brought(self, run: Run, done: Done) -> None:
        self._moving.discard(run.name)
        run.errand, run.container = None, done.container
        if done.problem is not None:
            self._fail(run, done.problem)
        elif run.request is not None:
            self._start(run, run.request)

    def _cancel(self, run: Run) -> None:
        """Give up moving the run's files."""
        self._moving.discard(run.name)
        if run.errand is not None:
            self._carriage.cancel(run.errand)
            run.errand = None

    def _start(self, run: Run, request: LaunchRun) -> None:
        earliest = boot_ticks()
        try:
            pid = self._starter.start(request.launch, request.root, run.directory)
        except CannotStartError as error:
            self._discard(run, failed(run, error))
            return
        except (OSError, ValueError) as error:  # a NUL in a name: whatever it is, the other runs go on
            self._discard(run, failed(run, CannotStartError("failed", f"The command line cannot be started: {error}.")))
            return
        run.request = request if request.launch.outputs else None
        run.stays = request.launch.stays
        run.enters = request.launch.container is not None and (run.stays or request.launch.enters is not None)
        run.spawned = Spawned(run.name, pid, earliest, boot_ticks(), now(), run.home)
        self._processes[pid] = run
        self._meter.started(run.name, request.root, pid)
        self._records.append(run.spawned)
        if request.launch.announced:
            self._reports.append(RunStarted(run=run.name, at=run.spawned.at, container=run.container))

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        overdue: set[str] = set()
        while self._deadlines and self._deadlines[0][0] <= now:
            run = self._runs.get(heapq.heappop(self._deadlines)[1])
            if run is not None and self._running(run.name) and run.spawned is not None:
                overdue.add(run.name)
                if run.returned is None:  # else the number may mean another one by now
                    signal_group(run.spawned.pid, signal.SIGKILL)
        if overdue:
            self._staying.kill(overdue)
            signal_marked(overdue, signal.SIGKILL)

    def _fail(self, run: Run, error: CannotStartError | Problem) -> None:
        self._finish(run, failed(run, error))

    def _finish(self, run: Run, report: Ended) -> None:
        run.ended = report
        run.request = None
        self._records.append(report)
        self._reports.append(report)

    def _compact(self) -> None:
        """Begin the journal anew with what is still to be known. Raises OSError."""
        self._journal.compact([run.ended or run.spawned or Intended(run.name, run.home) for run in self._runs.values()])
