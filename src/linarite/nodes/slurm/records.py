"""What the scripts leave on the shared folder: that runs started, returned, ended; and what is done about an end.

The folder is looked at again and again, the sooner the more there was to see: no machine can wake another through it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from linarite.engine.launching import Ended, Launch, RunExited, RunLost, RunReturned, RunStarted, Watched
from linarite.engine.progress import Progress
from linarite.nodes.environment import run_environment
from linarite.nodes.moving.carriage import GONE
from linarite.nodes.moving.errands import Done
from linarite.nodes.progress import watched
from linarite.nodes.slurm import attempts
from linarite.nodes.slurm.attempts import CARRIERS, Attempt, Stage
from linarite.nodes.slurm.book import Book, now
from linarite.nodes.slurm.porter import Porter
from linarite.nodes.slurm.spool import Spool

QUICKEST, SLOWEST = 0.1, 1.0
"""Seconds between two looks."""

_log = structlog.get_logger(__name__)

End = tuple[str, int, Progress | None]
"""A script's record, when it was written, and how far the run said it was."""


class News(NamedTuple):
    """An attempt, when it started, when its command line returned if it stays, and its end if it has ended.

    One that never starts, since a server took it for itself, has no moment when it did.
    """

    attempt: Attempt
    claimed_at: int | None
    returned_at: int | None
    end: End | None

    @property
    def says_something(self) -> bool:
        """Whether there is anything that the attempt does not tell itself."""
        return not self.attempt.started_or_taken or self.returned_at is not None or self.end is not None


class Records:
    """Reads what the scripts left of the runs that Slurm has, and takes the ended ones' files away."""

    def __init__(self, book: Book, porter: Porter, root_of: Callable[[Launch], str]) -> None:
        """`porter` takes the files of runs away that have ended."""
        self._book, self._porter, self._root_of = book, porter, root_of

    async def work(self) -> None:
        """Look as long as Slurm has anything of ours."""
        pause = QUICKEST
        while self._book.at(Stage.SUBMITTED):
            pause = QUICKEST if await self.look() else min(1.3 * pause, SLOWEST)
            self._book.submitted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._book.submitted.wait()
                    pause = QUICKEST
        await self._book.submitted.wait()
        self._book.submitted.clear()

    async def look(self) -> bool:
        """Take note of what has started and what has ended; tells whether anything has."""
        of_spool: dict[Spool, dict[str, Attempt]] = {}
        for attempt in self._book.at(Stage.SUBMITTED):
            of_spool.setdefault(attempt.spool, {})[attempt.run] = attempt
        any_seen = False
        for spool, mine in of_spool.items():
            for news in await asyncio.to_thread(self._read, spool, mine):
                if news.attempt.stage is Stage.SUBMITTED:
                    self._take(news)
                    any_seen = True
        return any_seen

    def _read(self, spool: Spool, mine: Mapping[str, Attempt]) -> list[News]:
        """What is new of these runs. In a thread: the shared folder may be slow."""
        try:
            claimed, returned, ended = ({*spool.runs(what)} & mine.keys() for what in ("claims", "returned", "ended"))
        except OSError as error:  # its user can do that to their own runs alone
            _log.warning("slurm_records_not_read", user=spool.runner.name, error=str(error))
            return []
        news = list[News]()
        for run in claimed | ended:
            attempt = mine[run]
            back = run in returned and not attempt.returned
            if attempt.started_or_taken and not back and run not in ended:
                continue
            with suppress(OSError):  # a machine that is slow to tell is asked again
                claimed_at = spool.started(run)
                back_at = spool.moment("returned", run) if back else None
                news.append(News(attempt, claimed_at, back_at, self._end_of(attempt) if run in ended else None))
        return [one for one in news if one.says_something]

    def _end_of(self, attempt: Attempt) -> End | None:
        text, at = attempt.spool.record(attempt.run)
        if not text.endswith(attempts.LAST_LINE):
            return None  # it is being written
        launch = attempt.launch
        run = Watched(node=launch.node, run=attempt.run, directory=launch.directory)
        return text, at, watched(self._root_of(launch), run)

    def _take(self, news: News) -> None:
        attempt = news.attempt
        if news.claimed_at is None:
            self._book.took(attempt)
            return
        if attempt.claimed_at is None:
            attempt.claimed_at = news.claimed_at
            self._book.report(RunStarted(run=attempt.run, at=news.claimed_at))
        if news.returned_at is not None and not attempt.returned:
            attempt.returned = True
            self._book.report(RunReturned(run=attempt.run, at=news.returned_at))
        if news.end is not None:
            text, at, progress = news.end
            report = attempts.told_end(attempt, text, at)
            self.conclude(attempt, replace(report, progress=progress) if isinstance(report, RunExited) else report)

    def conclude(self, attempt: Attempt, report: Ended) -> None:
        """The command line is over: take its files away, if there is anything to take."""
        if isinstance(report, RunLost):
            state = attempt.state if attempt.missed else "told to end"
            _log.warning("slurm_run_lost", run=attempt.run, node=attempt.launch.node.node, state=state)
        if not isinstance(report, RunExited):
            self._book.finish(attempt, report)
            return
        launch, root = attempt.launch, self._root_of(attempt.launch)
        outputs = [output for output in launch.outputs if output.due(report.code)]
        if not outputs or (attempt.asked and not attempt.outputs):
            self._book.finish(attempt, report)
            return
        attempt.stage, attempt.exited = Stage.SENDING, report
        attempt.carriers += 1
        directory = f"{root}/{launch.directory}"
        attempt.errand = self._porter.take_away(
            attempt.spool.runner, outputs, directory, run_environment(launch, root, directory),
            lambda done: self._on_taken_away(attempt, report, done),
        )  # fmt: skip

    def _on_taken_away(self, attempt: Attempt, report: RunExited, done: Done) -> None:
        attempt.errand, problem = None, done.problem
        if problem == GONE and attempt.carriers <= CARRIERS:
            self.conclude(attempt, report)
            return
        if problem is not None and not problem.code.startswith("upload-"):
            problem = replace(problem, code="upload-failed")
        self._book.finish(attempt, replace(report, at=now(), upload=problem))

    def stop_sending(self, attempt: Attempt, *, outputs: bool) -> None:
        """A run whose files are being taken away was to end: they are not, unless it was to end so before."""
        if attempt.exited is None or (outputs and attempt.asked):
            return
        if attempt.errand is not None:
            self._porter.cancel(attempt.spool.runner, attempt.errand)
        self._book.finish(attempt, replace(attempt.exited, at=now()))
