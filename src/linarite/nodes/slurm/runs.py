"""The runs that the cluster has of us, as the engine asks for them: launched, ended, told of.

Everything waits on a signal or a deadline: for runs to submit, for the next look at the records, for the next one at
the queue, for reports to tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from time import monotonic

import structlog

from linarite.engine.launching import Launch, RunFailed, RunLost, RunStarted
from linarite.engine.ports import Listener
from linarite.nodes.moving.carriage import GONE
from linarite.nodes.moving.errands import Done
from linarite.nodes.slurm.attempts import AT_ONCE, CARRIERS, GENTLY, Attempt, Stage
from linarite.nodes.slurm.book import Book, ended_early, now
from linarite.nodes.slurm.commands import Limits, Slurm
from linarite.nodes.slurm.options import Options
from linarite.nodes.slurm.porter import Porter
from linarite.nodes.slurm.queue import Queue
from linarite.nodes.slurm.records import Records
from linarite.nodes.slurm.spool import Bunch, Spool
from linarite.nodes.slurm.submission import Submission

_PAUSE, _LONGEST_PAUSE = 0.1, 30.0
"""Seconds until a part of the work that failed is tried again; each is twice as long as the one before."""

_log = structlog.get_logger(__name__)


class Runs:
    """From launches to Slurm jobs, from records and the queue to reports."""

    def __init__(
        self, slurm: Slurm, porter: Porter, options: Options, root_of: Callable[[Launch], str],
        archives_of: Callable[[Launch], str],
    ) -> None:  # fmt: skip
        """`root_of` gives a run's node folder, `archives_of` that of its packages' archives."""
        self._porter, self._root_of, self._archives_of = porter, root_of, archives_of
        self._book = Book(porter)
        self._submission = Submission(self._book, slurm, options, root_of)
        self._records = Records(self._book, porter, root_of)
        self._queue = Queue(self._book, slurm, options, self._records)
        self._loops: list[asyncio.Task[None]] = []

    def limit(self, limits: Limits) -> None:
        """Keep to what the cluster allows."""
        self._submission.room.limits = limits

    def restore(self, spool: Spool, bunches: Iterable[Bunch]) -> None:
        """Take up the runs that an earlier server submitted, or was about to."""
        self._queue.know(spool)
        self._book.restore(spool, bunches)

    async def start(self, listener: Listener) -> None:
        """Look at what became of the runs meanwhile, and begin to work."""
        await self._records.look()
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "submission": self._submission.work, "records": self._records.work, "queue": self._queue.work,
            "reports": partial(self._book.tell, listener),
        }  # fmt: skip
        self._loops = [asyncio.create_task(self._keep(name, work)) for name, work in works.items()]

    async def stop(self) -> None:
        """Let go: what runs goes on, what was not told is told after the next start."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do one part of the work for ever; a failure of it is told and tried again."""
        pause = _PAUSE
        while True:
            try:
                await work()
                pause = _PAUSE
            except Exception:  # noqa: BLE001 - whatever it was, the other runs go on
                _log.exception("slurm_work_failed", part=name, again_in_seconds=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def launch(self, launches: Iterable[tuple[Launch, Spool]]) -> None:
        """Prepare and submit each run that is not known; tell again of each that is."""
        for launch, spool in launches:
            known = self._book.get(launch.run)
            if known is None:
                attempt = Attempt(launch, spool)
                self._book.add(attempt)
                self._prepare(attempt)
                continue
            known.wanted = True
            if known.taken and known.ended is None:
                self._book.took(known)
            elif known.ended is None and known.claimed_at is not None:
                self._book.report(RunStarted(run=known.run, at=known.claimed_at))

    def end(self, runs: Iterable[str], *, grace: float, outputs: bool) -> None:
        """End runs: gently, or at once without `grace`. One that has not started never will."""
        for run in runs:
            attempt = self._book.get(run)
            if attempt is None:
                self._book.report(ended_early(run))
            elif attempt.stage is Stage.SENDING:
                self._records.stop_sending(attempt, outputs=outputs)
            elif attempt.stage is not Stage.OVER:
                self._end(attempt, gently=grace > 0, outputs=outputs)
        self._book.look.set()

    def _end(self, attempt: Attempt, *, gently: bool, outputs: bool) -> None:
        if attempt.claimed_at is None and self._book.withdraw(attempt):
            self._book.finish(attempt, ended_early(attempt.run))
            return
        attempt.asked = GENTLY if gently and attempt.asked != AT_ONCE else AT_ONCE
        attempt.asked_at = attempt.asked_at or monotonic()
        attempt.outputs, attempt.signals = outputs, 0

    def _prepare(self, attempt: Attempt) -> None:
        launch = attempt.launch
        attempt.carriers += 1
        try:
            attempt.errand = self._porter.prepare(
                attempt.spool.runner, launch, self._root_of(launch), self._archives_of(launch),
                partial(self._on_prepared, attempt),
            )  # fmt: skip
        except OSError as error:  # no process can be made just now: another try is the engine's
            _log.warning("slurm_carrier_not_started", run=attempt.run, error=str(error))
            self._book.finish(attempt, RunLost(run=attempt.run, at=now()))

    def _on_prepared(self, attempt: Attempt, done: Done) -> None:
        attempt.errand, problem = None, done.problem
        if attempt.stage is not Stage.PREPARING:
            return
        if problem == GONE and attempt.carriers < CARRIERS:
            self._prepare(attempt)
        elif problem is not None:
            failed = RunFailed(
                run=attempt.run, code=problem.code, message=problem.message, at=now(), user=problem.user,
                details=problem.details,
            )  # fmt: skip
            self._book.finish(attempt, failed)
        else:
            attempt.stage = Stage.READY
            self._book.ready.set()
