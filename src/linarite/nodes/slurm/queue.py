"""What Slurm's queue tells of runs that left no record, and having Slurm end them: one look for all that we run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress

import structlog

from linarite.engine.launching import RunLost
from linarite.nodes.slurm import attempts
from linarite.nodes.slurm.attempts import Attempt, Stage, Verdict, is_over
from linarite.nodes.slurm.book import Book, ended_early, now
from linarite.nodes.slurm.commands import Seen, Slurm, SlurmError
from linarite.nodes.slurm.options import Options
from linarite.nodes.slurm.records import Records
from linarite.nodes.slurm.spool import Spool

APART = 0.3
"""Seconds between two looks at least."""
SIGNALS = 3
"""So often is a script asked to end its run; then Slurm is."""

_log = structlog.get_logger(__name__)


class Queue:
    """Looks at it."""

    def __init__(self, book: Book, slurm: Slurm, options: Options, records: Records) -> None:
        """`records` are asked before a run is given up."""
        self._book, self._slurm, self._options, self._records = book, slurm, options, records

    async def work(self) -> None:
        """Look every few seconds while there are runs, and soon when one is to end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.poll):
                await self._book.look.wait()
        submitted = self._book.at(Stage.SUBMITTED)
        if not submitted and not self._book.withdrawn:
            self._book.look.clear()
            await self._book.submitted.wait()
            return
        await asyncio.sleep(min(APART, self._options.poll))  # those who ask at about the same time are one
        self._book.look.clear()
        try:
            ours = await self._seen(submitted)
        except SlurmError as error:
            _log.warning("slurm_not_asked", error=str(error))
            return
        await self._judge(submitted, ours)
        await self._signal(submitted, ours)

    async def _seen(self, submitted: Iterable[Attempt]) -> dict[tuple[str, int], Seen]:
        spools = {attempt.spool for attempt in submitted} | {*self._book.withdrawn.values()}
        seen = await self._slurm.queue({spool.runner for spool in spools})
        return {(one.token, one.number): one for one in seen}

    async def _judge(self, submitted: Iterable[Attempt], ours: Mapping[tuple[str, int], Seen]) -> None:
        """Take note of what was seen, and decide about those that Slurm has done with."""
        for attempt in submitted:
            if attempt.stage is Stage.SUBMITTED and attempt.place is not None:
                one = ours.get(attempt.place)
                attempts.look(attempt, None if one is None else one.state)
        doubtful = [attempt for attempt in submitted if attempts.verdict(attempt) is not Verdict.WAIT]
        if doubtful:
            await self._records.look()  # a record may have come just now
        for attempt in doubtful:
            if attempt.stage is Stage.SUBMITTED:
                self._decide(attempt)

    def _decide(self, attempt: Attempt) -> None:
        match attempts.verdict(attempt):
            case Verdict.SUBMIT if not attempt.wanted:
                if self._book.withdraw(attempt):
                    self._book.finish(attempt, ended_early(attempt.run))
            case Verdict.SUBMIT:
                attempt.stage = Stage.READY
                self._book.ready.set()
            case Verdict.GIVE_UP if self._book.withdraw(attempt):
                why = f"Slurm ended it {attempt.tries} times before it started; the last state was {attempt.state}."
                self._book.fail(attempt, "failed", why, user=False)
            case Verdict.KILLED:
                self._records.conclude(attempt, attempts.killed(attempt, now()))
            case Verdict.LOST:
                with_machine = attempt.state.startswith(("NODE_FAIL", "BOOT_FAIL"))
                _log.warning("slurm_run_lost", run=attempt.run, node=attempt.launch.node.node, state=attempt.state)
                self._book.finish(attempt, RunLost(run=attempt.run, at=now(), with_machine=with_machine))

    async def _signal(self, submitted: Iterable[Attempt], ours: Mapping[tuple[str, int], Seen]) -> None:
        """Have runs end that are to end, and command lines start; take out of the queue what is to start no more."""
        wanted: dict[tuple[Spool, str | None], dict[str, None]] = {}
        for attempt in submitted:
            one = None if attempt.place is None else ours.get(attempt.place)
            if one is None or attempt.stage is not Stage.SUBMITTED or is_over(one.state):
                continue
            if attempt.asked:
                attempt.signals += 1
                signal = attempt.asked if attempt.signals <= SIGNALS else None
                wanted.setdefault((attempt.spool, signal), {})[one.job] = None
            elif attempt.commands and attempt.claimed_at is None:
                wanted.setdefault((attempt.spool, "HUP"), {})[one.job] = None
        for place, spool in [*self._book.withdrawn.items()]:
            found = ours.get(place)
            if found is None or is_over(found.state):
                del self._book.withdrawn[place]
            else:
                wanted.setdefault((spool, None), {})[found.job] = None
        for (spool, signal), jobs in wanted.items():
            try:
                await self._slurm.signal(spool.runner, [*jobs], signal)
            except SlurmError as error:
                _log.warning("slurm_not_ended", jobs=len(jobs), error=str(error))
