"""What Slurm's queue tells of runs that left no record, and having Slurm end them: one look for all that we run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from time import monotonic

import structlog

from linarite.engine.launching import RunLost
from linarite.nodes.slurm import attempts
from linarite.nodes.slurm.attempts import GENTLY, Attempt, Stage, Verdict, is_over
from linarite.nodes.slurm.book import Book, ended_early, now
from linarite.nodes.slurm.commands import Seen, Slurm, SlurmError
from linarite.nodes.slurm.options import Options
from linarite.nodes.slurm.records import Records
from linarite.nodes.slurm.spool import Bunch, Mark, Spool

APART = 0.3
"""Seconds between two looks at least."""
GOING = 10.0
"""Seconds for which a run may go on that slurmctld does not know any more.

After a crash it takes so long until machines have told it what runs there, and have ended what it does not know.
"""
SIGNALS = 3
"""So often is a script asked to end its run; then Slurm is."""
GRACE = 30.0
"""Seconds that a script has to end its run gently before Slurm is asked: it kills it after 25."""
BY_SLURM = ""
"""In place of a signal: Slurm ends the job, whatever its script does."""

_Ours = dict[tuple[str, int], list[Seen]]
"""The jobs that the queue has by their places, the last one alive if any is: a run may have been submitted twice."""

_log = structlog.get_logger(__name__)


class Queue:
    """Looks at Slurm's queue for all runs at once, gives up or submits again what it lost, and sends the signals."""

    def __init__(self, book: Book, slurm: Slurm, options: Options, records: Records) -> None:
        """`records` are asked before a run is given up."""
        self._book, self._slurm, self._options, self._records = book, slurm, options, records
        self._spools: list[Spool] = []
        self._strange: dict[str, int] = {}
        self._any = True

    def know(self, spool: Spool) -> None:
        """Look for jobs of this spool's user from now on."""
        self._spools.append(spool)

    async def work(self) -> None:
        """Look every few seconds while there are runs, and soon when one is to end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.poll):
                await self._book.look.wait()
        submitted = self._book.at(Stage.SUBMITTED)
        if not submitted and not self._book.withdrawn and not self._any:
            self._book.look.clear()
            await self._book.submitted.wait()
            return
        await asyncio.sleep(min(APART, self._options.poll))  # those who ask at about the same time are one
        self._book.look.clear()
        try:
            ours = await self._seen()
        except SlurmError as error:
            _log.warning("slurm_not_asked", error=str(error))
            return
        await self._judge(submitted, ours)
        await self._signal(submitted, ours)
        await self._end_strange(ours)

    async def _seen(self) -> _Ours:
        ours: _Ours = {}
        for one in sorted(
            await self._slurm.queue({spool.runner for spool in self._spools}), key=lambda one: not is_over(one.state)
        ):
            ours.setdefault((one.token, one.number), []).append(one)
        return ours

    async def _end_strange(self, ours: _Ours) -> None:
        """End jobs of ours whose runs are long over: after a crash slurmctld may take them for running, for hours.

        There is nothing in them any more, for their elements are gone, yet they keep processors from others. Who has
        been superseded ends none: what is strange to it may be another server's, which closed our bunches before.
        """
        known = self._book.places()
        alive = [one for place, jobs in ours.items() for one in jobs if not is_over(one.state) and place not in known]
        self._any = any(not is_over(one.state) for jobs in ours.values() for one in jobs)
        self._strange = {
            one.job: self._strange.get(one.job, 0) + 1 for one in alive if not one.state.startswith("COMPLETING")
        }
        jobs = [job for job, looks in self._strange.items() if looks >= attempts.PATIENCE]
        if not jobs or not all([await asyncio.to_thread(spool.is_current) for spool in self._spools]):
            return
        _log.warning("slurm_jobs_without_runs_ended", jobs=len(jobs))
        try:
            await self._slurm.signal(None, jobs, None)
        except SlurmError as error:
            _log.warning("slurm_not_ended", jobs=len(jobs), error=str(error))

    async def _judge(self, submitted: Iterable[Attempt], ours: _Ours) -> None:
        """Take note of what was seen, and decide about those that Slurm has done with."""
        for attempt in submitted:
            if attempt.stage is Stage.SUBMITTED and attempt.place is not None:
                jobs = ours.get(attempt.place)
                attempts.look(attempt, jobs[-1].state if jobs else None)
                if attempt.missed == 1:
                    attempt.missed_at = monotonic()
        doubtful = [attempt for attempt in submitted if attempts.verdict(attempt) is not Verdict.WAIT]
        if not doubtful:
            return
        hidden = await self._hidden(doubtful)
        await self._records.look()  # a record may have come just now
        for attempt in doubtful:
            if attempt.stage is Stage.SUBMITTED and attempt not in hidden:
                self._decide(attempt)

    async def _hidden(self, doubtful: Iterable[Attempt]) -> list[Attempt]:
        """Those that the queue does not have and that go on all the same, as far as may be: asked in another way.

        A list that is empty, and no failure, may come from a squeue that found another cluster or nobody's jobs. A run
        is not started anew for that while it goes on.
        """
        missed = [one for one in doubtful if one.claimed_at is not None and one.state == "gone" and not _may_go_on(one)]
        if not missed:
            return []
        try:
            shown = {(one.token, one.number) for one in await self._slurm.shown() if not is_over(one.state)}
        except SlurmError as error:
            _log.warning("slurm_not_asked", error=str(error))
            return missed
        hidden = [one for one in missed if one.place in shown]
        if hidden:
            _log.warning("slurm_queue_not_whole", runs=len(hidden))
        return hidden

    def _decide(self, attempt: Attempt) -> None:
        match attempts.verdict(attempt):
            case Verdict.SUBMIT if attempt.asked or not attempt.wanted:
                if self._book.withdraw(attempt):
                    self._book.finish(attempt, ended_early(attempt.run))
            case Verdict.SUBMIT:
                attempt.stage = Stage.READY
                self._book.ready.set()
            case Verdict.GIVE_UP if self._book.withdraw(attempt):
                why = f"Slurm ended it {attempt.tries} times before it started; the last state was {attempt.state}."
                self._book.fail(attempt, "failed", why, user=False)
            case Verdict.KILLED | Verdict.LOST if _may_go_on(attempt):
                return
            case Verdict.KILLED:
                self._records.conclude(attempt, attempts.killed(attempt, now()))
            case Verdict.LOST:
                with_machine = attempt.state.startswith(("NODE_FAIL", "BOOT_FAIL"))
                self._records.conclude(attempt, RunLost(run=attempt.run, at=now(), with_machine=with_machine))

    async def _signal(self, submitted: Iterable[Attempt], ours: _Ours) -> None:
        """Have runs end that are to end, and command lines start; take out of the queue what is to start no more."""
        wanted: dict[tuple[Spool, str], dict[str, None]] = {}
        marks: dict[tuple[Spool, Mark], Bunch] = {}
        for attempt in submitted:
            jobs = _alive(ours, attempt)
            if jobs and attempt.stage is Stage.SUBMITTED and (signal := _signal_of(attempt)) is not None:
                wanted.setdefault((attempt.spool, signal), {}).update(jobs)
                if signal == attempt.asked and attempt.bunch is not None:
                    marks[attempt.spool, attempt.mark] = attempt.bunch
        for place, attempt in [*self._book.withdrawn.items()]:
            if jobs := _alive(ours, attempt):
                wanted.setdefault((attempt.spool, BY_SLURM), {}).update(jobs)
            elif not attempt.calling:
                del self._book.withdrawn[place]
        await asyncio.to_thread(_leave, marks)
        for (spool, signal), jobs in wanted.items():
            try:
                await self._slurm.signal(spool.runner, [*jobs], None if signal == BY_SLURM else signal)
            except SlurmError as error:
                _log.warning("slurm_not_ended", jobs=len(jobs), error=str(error))


def _leave(marks: Mapping[tuple[Spool, Mark], Bunch]) -> None:
    """Say on the shared folder that the signals which come next are ours."""
    for (spool, mark), bunch in marks.items():
        try:
            spool.ask(bunch, mark)
        except OSError as error:  # it is tried again with the next signal; Slurm ends the job after the last one
            _log.warning("slurm_end_not_marked", mark=mark.name, error=str(error))


def _alive(ours: _Ours, attempt: Attempt) -> dict[str, None]:
    """The jobs of an attempt that have not ended, as scancel calls them."""
    jobs = [] if attempt.place is None else ours.get(attempt.place, [])
    return {one.job: None for one in jobs if not is_over(one.state)}


def _signal_of(attempt: Attempt) -> str | None:
    """What the script of a run is to be told now, if anything."""
    if not attempt.asked:
        return "HUP" if attempt.commands and attempt.claimed_at is None else None
    attempt.signals += 1
    if attempt.signals <= SIGNALS:
        return attempt.asked
    patient = attempt.asked == GENTLY and monotonic() < attempt.asked_at + GRACE
    return None if patient else BY_SLURM


def _may_go_on(attempt: Attempt) -> bool:
    """Whether a run whose job is gone may have processes yet."""
    return attempt.claimed_at is not None and attempt.state == "gone" and monotonic() < attempt.missed_at + GOING
