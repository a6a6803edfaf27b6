"""The runs of one host: what they are doing, what the journal must know, what the server must hear.

Requests, ended processes, fetched files and deadlines come in; journal records and reports go out, both collected over
a turn of the host's loop and taken at its end. Journal first: what the server hears stands on disk.
"""

from __future__ import annotations

import heapq
import logging
import math
import os
import resource  # noqa: F401 - os.wait4 needs it, and would import it when the host cannot read it any more
import signal
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress

from msgspec.structs import replace

from linarite.engine.launching import Ended, Problem, RunExited, RunFailed, RunLost, RunReturned, RunStarted, Usage
from linarite.engine.outputs import OutputFile
from linarite.nodes.environment import run_environment
from linarite.nodes.folders import not_there
from linarite.nodes.journal import Forgotten, Intended, Journal, KnownRun, Record, Spawned
from linarite.nodes.metering import Meter
from linarite.nodes.moving.carriage import Carriage
from linarite.nodes.processes import (
    CannotStartError,
    boot_ticks,
    high_water,
    kill,
    kill_orphans,
    marked_processes,
    signal_group,
)
from linarite.nodes.starting import Starter
from linarite.nodes.staying import Staying
from linarite.nodes.wire import LaunchRun, Message

STARTS_A_TURN = 16
"""So many processes are started before the host looks for ended ones and tells the server."""
_TOGETHER = 0.02
"""Seconds after an end until the host looks for what outlived it: one look for all that end by then."""
_DOUBT = 1.0
"""Seconds until the host looks again at a process of which it could not tell whose it is."""

_own_peak = [0]
_log = logging.getLogger(__name__)


class Run:
    """A run that the server may still ask about: waiting, fetching, a process, sending, or ended and unacknowledged.

    `returned` is how its command line ended when the run stays. `exited` is its report once the process has ended and
    its files are being taken away. `asked` is whether it was to end, and then whether its files go all the same.
    """

    __slots__ = (
        "asked", "directory", "ended", "errand", "exited", "name", "request", "returned", "spawned", "stays"
    )  # fmt: skip

    def __init__(self, name: str, request: LaunchRun | None = None, ended: Ended | None = None) -> None:
        """`request` is kept until the process exists, and longer when there will be something to take away."""
        self.name = name
        self.request = request
        self.ended = ended
        self.directory = ""
        self.spawned: Spawned | None = None
        self.stays = False
        self.returned: RunExited | None = None
        self.errand: int | None = None
        self.exited: RunExited | None = None
        self.asked: bool | None = None


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
        self._waiting: deque[Run] = deque()
        self._moving: set[str] = set()
        self._deadlines: list[tuple[float, str]] = []
        self._look_again_at = math.inf
        self._records: list[Record] = []
        self._reports: list[Message] = []

    def restore(self, known: Iterable[KnownRun]) -> None:
        """Take over the runs of a predecessor. All have ended: the processes that it left are gone."""
        now = _now()
        for old in known:
            self._runs[old.run] = Run(old.run, ended=old.ended or RunLost(run=old.run, at=now))
        self._compact()

    # What the server asks.

    def launch(self, requests: Sequence[LaunchRun]) -> None:
        """Start each run that is not known; tell again about each that is."""
        new: list[Run] = []
        for request in requests:
            name = request.launch.run
            known = self._runs.get(name)
            if known is None:
                new.append(self._runs.setdefault(name, Run(name, request)))
            else:
                self._reports += _story(known)
        try:
            self._journal.append([Intended(run.name) for run in new])
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
            self._reports.append(_ended_early(name))
        elif run.ended is not None:
            self._reports.append(run.ended)
        elif run.exited is not None:
            if not (outputs and run.asked):
                self._cancel(run)
                self._finish(run, replace(run.exited, at=_now()))
        elif run.spawned is None:
            self._cancel(run)
            self._finish(run, _ended_early(name))
        else:
            run.asked = outputs
            run.stays = False
            if run.returned is not None:
                self._staying.leave(name, gently=grace > 0)
                self._look_again_at = time.monotonic()
            elif grace > 0:
                signal_group(run.spawned.pid, signal.SIGTERM)
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
        return [report for run in self._runs.values() for report in _story(run)]

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
        while (facts := _next_zombie()) is not None:
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
            self._finish(run, replace(run.returned, at=_now()))
        if gone or self._staying.any_leaves:
            self._look_again_at = time.monotonic() + _TOGETHER

    def _running(self, name: str) -> bool:
        run = self._runs.get(name)
        return run is not None and run.ended is None and run.exited is None

    def _on_exit(self, pid: int, *, well: bool) -> None:
        run = self._processes.pop(pid, None)
        stays = run is not None and run.stays and well
        if run is not None and not stays:
            signal_group(pid, signal.SIGKILL)
        _, status, used = os.wait4(pid, 0)
        if run is None or run.spawned is None:
            return
        code = os.waitstatus_to_exitcode(status)
        usage = Usage(
            user_seconds=used.ru_utime,
            kernel_seconds=used.ru_stime,
            read_operations=used.ru_inblock,
            write_operations=used.ru_oublock,
            peak_bytes=_peak(used.ru_maxrss),
        )
        code = code if code >= 0 else 128 - code
        report = RunExited(run=run.name, code=code, started_at=run.spawned.at, at=_now(), usage=usage)
        if stays:
            run.returned = report
            self._meter.returned(run.name, usage)
            self._staying.add(run.name, pid)
            self._reports.append(RunReturned(run=run.name, at=report.at))
        else:
            self._meter.ended(run.name, usage)
            self._end_process(run, report)

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
            outputs, run.directory, variables, lambda problem: self._on_taken_away(run, report, problem)
        )  # fmt: skip

    def _on_taken_away(self, run: Run, report: RunExited, problem: Problem | None) -> None:
        self._moving.discard(run.name)
        run.errand = None
        if problem is not None and not problem.code.startswith("upload-"):
            problem = replace(problem, code="upload-failed")
        self._finish(run, replace(report, at=_now(), upload=problem))

    def _begin(self, run: Run) -> None:
        if run.ended is not None or run.request is None:
            return
        request, launch = run.request, run.request.launch
        try:
            run.directory = self._starter.prepare(launch, request.root)
        except CannotStartError as error:
            self._fail(run, error)
            return
        lacking = not_there(launch.packages, request.root)
        if not launch.fetches and not lacking and launch.container is None:
            self._start(run, request)
            return
        self._moving.add(run.name)
        run.errand = self._carriage.bring(
            launch.fetches, self._starter.fetch_folder(launch, request.root, run.directory),
            lambda problem: self._on_brought(run, problem), packages=lacking, root=request.root,
            archives=request.archives, container=launch.container,
        )  # fmt: skip

    def _on_brought(self, run: Run, problem: Problem | None) -> None:
        self._moving.discard(run.name)
        run.errand = None
        if problem is not None:
            self._fail(run, problem)
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
            self._fail(run, error)
            return
        except (OSError, ValueError) as error:  # a NUL in a name: whatever it is, the other runs go on
            self._fail(run, CannotStartError("failed", f"The command line cannot be started: {error}."))
            return
        run.request = request if request.launch.outputs else None
        run.stays = request.launch.stays
        run.spawned = Spawned(run.name, pid, earliest, boot_ticks(), _now())
        self._processes[pid] = run
        self._meter.started(run.name, request.root, pid)
        self._records.append(run.spawned)
        if request.launch.announced:
            self._reports.append(RunStarted(run=run.name, at=run.spawned.at))

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
            for pid, name in marked_processes(os.geteuid()):
                if name in overdue:
                    kill(pid)

    def _fail(self, run: Run, error: CannotStartError | Problem) -> None:
        details = error.details if isinstance(error, Problem) else {}
        self._finish(
            run,
            RunFailed(
                run=run.name, code=error.code, message=error.message, at=_now(), user=error.user, details=details
            ),
        )

    def _finish(self, run: Run, report: Ended) -> None:
        run.ended = report
        run.request = None
        self._records.append(report)
        self._reports.append(report)

    def _compact(self) -> None:
        """Begin the journal anew with what is still to be known. Raises OSError."""
        self._journal.compact([run.ended or run.spawned or Intended(run.name) for run in self._runs.values()])


def _peak(kilobytes: int) -> int:
    """Give a run's peak in bytes, 0 when it is not known.

    The kernel counts a process's peak from before its exec, when it shared this one's memory: up to our own peak the
    figure says nothing about the run. Ours is looked up when a run had more than it was the last time.
    """
    if kilobytes <= _own_peak[0]:
        return 0
    _own_peak[0] = high_water()
    return kilobytes * 1024 if kilobytes > _own_peak[0] else 0


def _next_zombie() -> os.waitid_result | None:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None


def _story(run: Run) -> list[Message]:
    if run.ended is not None:
        return [run.ended]
    if run.spawned is None:
        return []
    started = RunStarted(run=run.name, at=run.spawned.at)
    return [started] if run.returned is None else [started, RunReturned(run=run.name, at=run.returned.at)]


def _ended_early(name: str) -> RunFailed:
    message = "The run was ended before its command line started."
    return RunFailed(run=name, code="ended", message=message, at=_now())


def _now() -> int:
    return time.time_ns() // 1000
