"""The runs that the cluster has of us: from launches to Slurm jobs, from records and the queue to reports.

Intent stands on the shared folder before Slurm hears of it; what a run came to is told until it is acknowledged, and
only then forgotten. Everything waits on a signal or a deadline: for runs to submit, for the next look at the records,
for the next one at the queue, for reports to tell.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from linarite.engine.launching import (
    Ended,
    Launch,
    Listener,
    Report,
    RunExited,
    RunFailed,
    RunLost,
    RunReturned,
    RunStarted,
    Watched,
)
from linarite.engine.progress import Progress
from linarite.nodes.environment import run_environment
from linarite.nodes.moving.carriage import GONE
from linarite.nodes.moving.errands import Done
from linarite.nodes.processes import CannotStartError
from linarite.nodes.progress import watched
from linarite.nodes.slurm import attempts, submitting
from linarite.nodes.slurm.attempts import Attempt, Stage, Verdict, is_over
from linarite.nodes.slurm.commands import Limits, Seen, Slurm, SlurmError
from linarite.nodes.slurm.elements import element
from linarite.nodes.slurm.options import Options
from linarite.nodes.slurm.porter import Porter
from linarite.nodes.slurm.spool import Bunch, Spool

GATHER = 0.03
"""Seconds for which runs that are ready wait for others of their kind."""
QUICKEST, SLOWEST = 0.1, 1.0
"""Seconds between two looks at the records: the more there was to see, the sooner the next."""
_PAUSE, _LONGEST_PAUSE = 0.1, 30.0
APART = 0.3
"""Seconds between two looks at the queue at least."""
CARRIERS = 3
"""So many carriers may die over the files of one run."""
SIGNALS = 3
"""So often is a wrapper asked to end its run; then Slurm is."""

End = tuple[str, int, Progress | None]
"""A wrapper's record, when it was written, and how far the run said it was."""
COMMAND = "command"
"""The element of a bunch of several machines that is the task's own command line."""


class News(NamedTuple):
    """An attempt, when it started, when its command line returned if it stays, and its end if it has ended."""

    attempt: Attempt
    claimed_at: int
    returned_at: int | None
    end: End | None

    @property
    def says_something(self) -> bool:
        """Whether there is anything that the attempt does not tell itself."""
        return self.attempt.claimed_at is None or self.returned_at is not None or self.end is not None


_log = structlog.get_logger(__name__)


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class Runs:
    """All attempts that are not forgotten yet."""

    def __init__(
        self, slurm: Slurm, porter: Porter, options: Options,
        root_of: Callable[[Launch], tuple[str, str]],
    ) -> None:  # fmt: skip
        """`root_of` gives a run's node folder, and that of its packages' archives."""
        self._slurm, self._porter, self._options = slurm, porter, options
        self._root_of = root_of
        self.limits = Limits()
        self._attempts: dict[str, Attempt] = {}
        self._left: dict[str, int] = {}
        self._withdrawn: dict[tuple[str, int], Spool] = {}
        self._reports: list[Report] = []
        self._ready, self._records = asyncio.Event(), asyncio.Event()
        self._look, self._news = asyncio.Event(), asyncio.Event()
        self._listener: Listener | None = None
        self._loops: list[asyncio.Task[None]] = []

    # Its life.

    def restore(self, spool: Spool, bunches: Iterable[Bunch]) -> None:
        """Take up the runs that an earlier server submitted, or was about to."""
        for bunch in bunches:
            self._left[bunch.token] = len(bunch.launches)
            for name, launch in bunch.launches.items():
                attempt = Attempt(launch, spool, wanted=False)
                attempt.stage, attempt.bunch, attempt.element = Stage.SUBMITTED, bunch, name
                self._attempts[launch.run] = attempt

    async def start(self, listener: Listener) -> None:
        """Look at what became of the runs meanwhile, and begin to work."""
        self._listener = listener
        await self._look_at_records()
        works: list[Callable[[], Awaitable[None]]] = [
            self._submit_all, self._look_at_records_again, self._look_at_queue, self._tell,
        ]  # fmt: skip
        self._loops = [asyncio.create_task(self._keep(work)) for work in works]

    async def stop(self) -> None:
        """Let go: what runs goes on, what was not told is told after the next start."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do one part of the work for ever; a failure of it is told and tried again."""
        pause = _PAUSE
        while True:
            try:
                await work()
                pause = _PAUSE
            except Exception:  # noqa: BLE001 - whatever it was, the other runs go on
                _log.exception("slurm_runs_failed", part=work.__name__, again_in_seconds=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    # What the engine asks.

    def launch(self, launches: Iterable[tuple[Launch, Spool]]) -> None:
        """Prepare and submit each run that is not known; tell again of each that is."""
        for launch, spool in launches:
            known = self._attempts.get(launch.run)
            if known is None:
                self._attempts[launch.run] = attempt = Attempt(launch, spool)
                self._prepare(attempt)
                continue
            known.wanted = True
            if known.ended is None and known.claimed_at is not None:
                self._report(RunStarted(run=known.run, at=known.claimed_at))

    def end(self, runs: Iterable[tuple[str, Spool]], *, grace: float, outputs: bool) -> None:
        """End runs: gently, or at once without `grace`. One that has not started never will."""
        for run, spool in runs:
            attempt = self._attempts.get(run)
            if attempt is None:
                self._report(_ended_early(run))
            elif attempt.stage is Stage.OVER:
                continue
            elif attempt.stage is Stage.SENDING:
                self._stop_sending(attempt, outputs=outputs)
            elif attempt.claimed_at is None and self._withdraw(attempt, spool):
                self._finish(attempt, _ended_early(run))
            else:
                attempt.asked, attempt.outputs = "TERM" if grace > 0 and attempt.asked != "USR2" else "USR2", outputs
                attempt.signals = 0
        self._look.set()

    def _withdraw(self, attempt: Attempt, spool: Spool) -> bool:
        """Claim a run for ourselves, so that it cannot start any more; False when it has."""
        if attempt.errand is not None:
            self._porter.cancel(spool.runner, attempt.errand)
            attempt.errand = None
        if attempt.bunch is None:
            return True
        if not spool.claim(attempt.run):
            return False
        if attempt.launch.together is None and attempt.place is not None:
            self._withdrawn[attempt.place] = spool
        return True

    def _stop_sending(self, attempt: Attempt, *, outputs: bool) -> None:
        if attempt.exited is None or (outputs and attempt.asked):
            return
        if attempt.errand is not None:
            self._porter.cancel(attempt.spool.runner, attempt.errand)
        self._finish(attempt, replace(attempt.exited, at=now()))

    def knows(self, run: str) -> bool:
        """Whether a run was launched and its end not acknowledged."""
        return run in self._attempts

    # Before Slurm has it.

    def _prepare(self, attempt: Attempt) -> None:
        root, archives = self._root_of(attempt.launch)
        attempt.carriers += 1
        attempt.errand = self._porter.prepare(
            attempt.spool.runner, attempt.launch, root, archives, lambda done: self._on_prepared(attempt, done)
        )

    def _on_prepared(self, attempt: Attempt, done: Done) -> None:
        attempt.errand = None
        if attempt.stage is not Stage.PREPARING:
            return
        if done.problem == GONE and attempt.carriers < CARRIERS:
            self._prepare(attempt)
            return
        if (problem := done.problem) is not None:
            self._finish(
                attempt,
                RunFailed(
                    run=attempt.run, code=problem.code, message=problem.message, at=now(), user=problem.user,
                    details=problem.details,
                ),
            )  # fmt: skip
            return
        attempt.stage = Stage.READY
        self._ready.set()

    async def _submit_all(self) -> None:
        """Submit what is ready, in few calls."""
        await self._ready.wait()
        await asyncio.sleep(GATHER)
        self._ready.clear()
        ready = [attempt for attempt in self._attempts.values() if attempt.stage is Stage.READY]
        alike = submitting.arrays(ready, self._options, self.limits.array)
        alike += submitting.together(ready, self._options)
        await asyncio.gather(*(self._submit(kind, several) for kind, several in alike))
        for attempt in ready:
            if attempt.commands:
                await self._add(attempt)

    async def _add(self, attempt: Attempt) -> None:
        """Give a job of several machines the command line that its instances were prepared for."""
        together = attempt.launch.together
        assert together is not None, "it is the command line of such a task"
        bunch = next((one.bunch for one in self._members(together.task) if one.bunch is not None), None)
        if bunch is None:
            self._finish(attempt, RunLost(run=attempt.run, at=now()))
            return
        try:
            script = element(attempt.launch, self._root_of(attempt.launch)[0])
        except CannotStartError as error:
            self._fail(attempt, error.code, error.message, user=error.user)
            return
        bunch = await asyncio.to_thread(attempt.spool.add, bunch, COMMAND, attempt.launch, script)
        self._left[bunch.token] += 1
        for one in self._members(together.task):
            one.bunch = bunch
        attempt.bunch, attempt.element = bunch, COMMAND
        if attempt.stage is Stage.READY:
            attempt.stage = Stage.SUBMITTED
        self._look.set()

    def _members(self, task: str) -> list[Attempt]:
        """The instances of a task's run."""
        return [
            one for one in self._attempts.values()
            if one.launch.together is not None and one.launch.together.task == task and not one.commands
        ]  # fmt: skip

    async def _submit(self, kind: submitting.Kind, several: Sequence[Attempt]) -> None:
        """Write down what is about to be submitted, then submit it. A call without an answer may have been heard."""
        if not kind.token:
            several = await self._write(kind, several)
        several = [attempt for attempt in several if attempt.stage is Stage.READY]
        if not several:
            return
        spool, bunch = several[0].spool, several[0].bunch
        assert bunch is not None, "it was written just now, or before"
        for attempt in several:
            attempt.stage, attempt.missed = Stage.SUBMITTED, 0
        numbers = [place[1] for attempt in several if (place := attempt.place) is not None]
        words = submitting.words(kind, numbers)
        self._records.set()
        try:
            await self._slurm.submit(spool.runner, bunch.token, words, submitting.script(kind, bunch, spool))
        except SlurmError as error:
            _log.warning("slurm_not_submitted", runs=len(several), nodes=kind.nodes, error=str(error))
            if error.permanent:
                self._refuse(several, str(error))
        else:
            for attempt in several:
                attempt.tries += 1

    async def _write(self, kind: submitting.Kind, several: Sequence[Attempt]) -> list[Attempt]:
        """Write a new bunch of all that can be a script; nothing of several that are to run together, if one cannot."""
        fit, scripts = list[Attempt](), dict[str, bytes]()
        for attempt in several:
            name = attempt.launch.node.node if kind.together else str(len(fit))
            try:
                scripts[name] = element(attempt.launch, self._root_of(attempt.launch)[0])
                fit.append(attempt)
            except CannotStartError as error:
                self._fail(attempt, error.code, error.message, user=error.user)
        if not fit or (kind.together and len(fit) < len(several)):
            return []
        launches = {name: attempt.launch for name, attempt in zip(scripts, fit, strict=True)}
        names = list(scripts)
        if kind.together:
            scripts[submitting.INSTANCE] = submitting.instance_script()
        token = secrets.token_hex(8)
        bunch = await asyncio.to_thread(fit[0].spool.write, token, launches, scripts)
        self._left[token] = len(fit)
        for name, attempt in zip(names, fit, strict=True):
            attempt.bunch, attempt.element = bunch, name
        # Those that were to end meanwhile may have been told of, and are forgotten by nobody else.
        await asyncio.to_thread(self._forget, [attempt for attempt in fit if attempt.run not in self._attempts])
        return fit

    def _refuse(self, several: Iterable[Attempt], why: str) -> None:
        for attempt in several:
            if attempt.stage is Stage.SUBMITTED and self._withdraw(attempt, attempt.spool):
                self._fail(attempt, "failed", f"Slurm did not take it: {why}", user=False)

    # What the wrappers tell.

    async def _look_at_records_again(self) -> None:
        """Look as long as Slurm has anything of ours."""
        pause = QUICKEST
        while any(attempt.stage is Stage.SUBMITTED for attempt in self._attempts.values()):
            seen = await self._look_at_records()
            pause = QUICKEST if seen else min(1.3 * pause, SLOWEST)
            self._records.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._records.wait()
                    pause = QUICKEST
        await self._records.wait()
        self._records.clear()

    async def _look_at_records(self) -> bool:
        """Take note of what has started and what has ended; tells whether anything has."""
        any_seen = False
        for spool in {attempt.spool for attempt in self._attempts.values()}:
            mine = {
                attempt.run: attempt for attempt in self._attempts.values()
                if attempt.spool is spool and attempt.stage is Stage.SUBMITTED
            }  # fmt: skip
            news = await asyncio.to_thread(self._read, spool, mine)
            for one in news:
                if one.attempt.stage is Stage.SUBMITTED:
                    self._on_news(one)
                    any_seen = True
        return any_seen

    def _read(self, spool: Spool, mine: Mapping[str, Attempt]) -> list[News]:
        """What is new of these runs. In a thread: the shared folder may be slow."""
        claimed, returned, ended = ({*spool.runs(what)} & mine.keys() for what in ("claims", "returned", "ended"))
        news = list[News]()
        for run in claimed | ended:
            attempt = mine[run]
            back = run in returned and not attempt.returned
            if attempt.claimed_at is not None and not back and run not in ended:
                continue
            with suppress(OSError):  # a machine that is slow to tell is asked again
                claimed_at = spool.moment("claims", run)
                back_at = spool.moment("returned", run) if back else None
                news.append(News(attempt, claimed_at, back_at, self._end_of(attempt) if run in ended else None))
        return [one for one in news if one.says_something]

    def _end_of(self, attempt: Attempt) -> End | None:
        text, at = attempt.spool.record(attempt.run)
        if not text.endswith(attempts.LAST_LINE):
            return None  # it is being written
        launch, root = attempt.launch, self._root_of(attempt.launch)[0]
        return text, at, watched(root, Watched(node=launch.node, run=attempt.run, directory=launch.directory))

    def _on_news(self, news: News) -> None:
        attempt = news.attempt
        if attempt.claimed_at is None:
            attempt.claimed_at = news.claimed_at
            self._report(RunStarted(run=attempt.run, at=news.claimed_at))
        if news.returned_at is not None and not attempt.returned:
            attempt.returned = True
            self._report(RunReturned(run=attempt.run, at=news.returned_at))
        if news.end is not None:
            text, at, progress = news.end
            report = attempts.told_end(attempt, text, at)
            self._conclude(attempt, replace(report, progress=progress) if isinstance(report, RunExited) else report)

    def _conclude(self, attempt: Attempt, report: RunExited | RunFailed) -> None:
        """The command line is over: take its files away, if there is anything to take."""
        root, launch = self._root_of(attempt.launch)[0], attempt.launch
        directory = f"{root}/{launch.directory}"
        if not isinstance(report, RunExited):
            self._finish(attempt, report)
            return
        outputs = [output for output in launch.outputs if output.due(report.code)]
        if not outputs or (attempt.asked and not attempt.outputs):
            self._finish(attempt, report)
            return
        attempt.stage, attempt.exited = Stage.SENDING, report
        attempt.carriers += 1
        variables = run_environment(launch, root, directory)
        attempt.errand = self._porter.take_away(
            attempt.spool.runner, outputs, directory, variables, lambda done: self._on_taken_away(attempt, report, done)
        )

    def _on_taken_away(self, attempt: Attempt, report: RunExited, done: Done) -> None:
        attempt.errand, problem = None, done.problem
        if problem == GONE and attempt.carriers <= CARRIERS:
            self._conclude(attempt, report)
            return
        if problem is not None and not problem.code.startswith("upload-"):
            problem = replace(problem, code="upload-failed")
        self._finish(attempt, replace(report, at=now(), upload=problem))

    # What the queue tells.

    async def _look_at_queue(self) -> None:
        """One look for all runs: every few seconds while there are any, and when one is to end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.poll):
                await self._look.wait()
        submitted = [attempt for attempt in self._attempts.values() if attempt.stage is Stage.SUBMITTED]
        if not submitted and not self._withdrawn:
            self._look.clear()
            await self._records.wait()
            return
        await asyncio.sleep(min(APART, self._options.poll))  # those who ask at about the same time are one
        self._look.clear()
        runners = {attempt.spool.runner for attempt in submitted} | {one.runner for one in self._withdrawn.values()}
        try:
            seen = await self._slurm.queue(runners)
        except SlurmError as error:
            _log.warning("slurm_not_asked", error=str(error))
            return
        ours = {(one.token, one.number): one for one in seen}
        for attempt in submitted:
            if attempt.stage is Stage.SUBMITTED and attempt.place is not None:
                one = ours.get(attempt.place)
                attempts.look(attempt, None if one is None else one.state)
        doubtful = [attempt for attempt in submitted if attempts.verdict(attempt) is not Verdict.WAIT]
        if doubtful:
            await self._look_at_records()  # a record may have come just now
        for attempt in doubtful:
            if attempt.stage is Stage.SUBMITTED:
                self._judge(attempt)
        await self._signal(submitted, ours)

    def _judge(self, attempt: Attempt) -> None:
        verdict = attempts.verdict(attempt)
        if verdict is Verdict.SUBMIT and not attempt.wanted:
            if self._withdraw(attempt, attempt.spool):
                self._finish(attempt, _ended_early(attempt.run))
        elif verdict is Verdict.SUBMIT:
            attempt.stage = Stage.READY
            self._ready.set()
        elif verdict is Verdict.GIVE_UP and self._withdraw(attempt, attempt.spool):
            why = f"Slurm ended it {attempt.tries} times before it started; the last state was {attempt.state}."
            self._fail(attempt, "failed", why, user=False)
        elif verdict is Verdict.KILLED:
            self._conclude(attempt, attempts.killed(attempt, now()))
        elif verdict is Verdict.LOST:
            with_machine = attempt.state.startswith(("NODE_FAIL", "BOOT_FAIL"))
            _log.warning("slurm_run_lost", run=attempt.run, node=attempt.launch.node.node, state=attempt.state)
            self._finish(attempt, RunLost(run=attempt.run, at=now(), with_machine=with_machine))

    async def _signal(self, submitted: Iterable[Attempt], ours: Mapping[tuple[str, int], Seen]) -> None:
        """Have runs end that are to end, and command lines start; take out of the queue what is to start no more."""
        wanted: dict[tuple[Spool, str | None], list[str]] = {}
        for attempt in submitted:
            one = None if attempt.place is None else ours.get(attempt.place)
            if one is None or attempt.stage is not Stage.SUBMITTED or is_over(one.state):
                continue
            if attempt.asked:
                attempt.signals += 1
                signal = attempt.asked if attempt.signals <= SIGNALS else None
                wanted.setdefault((attempt.spool, signal), []).append(one.job)
            elif attempt.commands and attempt.claimed_at is None:
                wanted.setdefault((attempt.spool, "HUP"), []).append(one.job)
        for place, spool in [*self._withdrawn.items()]:
            found = ours.get(place)
            if found is None or is_over(found.state):
                del self._withdrawn[place]
            else:
                wanted.setdefault((spool, None), []).append(found.job)
        for (spool, signal), jobs in wanted.items():
            try:
                await self._slurm.signal(spool.runner, [*dict.fromkeys(jobs)], signal)
            except SlurmError as error:
                _log.warning("slurm_not_ended", jobs=len(jobs), error=str(error))

    # What the engine hears.

    def _fail(self, attempt: Attempt, code: str, message: str, *, user: bool) -> None:
        self._finish(attempt, RunFailed(run=attempt.run, code=code, message=message, at=now(), user=user))

    def _finish(self, attempt: Attempt, report: Ended) -> None:
        attempt.stage, attempt.ended, attempt.errand = Stage.OVER, report, None
        self._report(report)

    def _report(self, report: Report) -> None:
        self._reports.append(report)
        self._news.set()

    async def _tell(self) -> None:
        """Tell what there is to tell until it is committed, and then forget what is over."""
        await self._news.wait()
        self._news.clear()
        reports, self._reports = self._reports, []
        if not reports:
            return
        assert self._listener is not None, "Runs was not started"
        try:
            await self._listener.on_reports(reports)
        except Exception:
            self._reports = [*reports, *self._reports]
            self._news.set()
            raise
        ended = [report.run for report in reports if not isinstance(report, RunStarted | RunReturned)]
        gone = [self._attempts.pop(run) for run in dict.fromkeys(ended) if run in self._attempts]
        if gone:
            await asyncio.to_thread(self._forget, gone)

    def _forget(self, gone: Iterable[Attempt]) -> None:
        for attempt in gone:
            bunch = attempt.bunch
            if bunch is None:
                continue
            attempt.spool.forget(bunch, attempt.element, attempt.run)
            self._left[bunch.token] -= 1
            if not self._left[bunch.token]:
                del self._left[bunch.token]
                attempt.spool.drop(bunch)


def _ended_early(run: str) -> RunFailed:
    return RunFailed(run=run, code="ended", message="The run was ended before its command line started.", at=now())
