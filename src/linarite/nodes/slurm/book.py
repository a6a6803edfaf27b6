"""The attempts that are not forgotten yet, what there is to tell of them, and the signals that wake those who work.

Only the event loop changes it. What a run came to is told until it is acknowledged, and only then forgotten.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence

import structlog

from linarite.engine.launching import Ended, Report, RunFailed, RunLost, RunReturned, RunStarted
from linarite.engine.ports import Listener
from linarite.nodes.slurm.attempts import Attempt, Stage
from linarite.nodes.slurm.porter import Porter
from linarite.nodes.slurm.spool import Bunch, Spool

_log = structlog.get_logger(__name__)


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def ended_early(run: str) -> RunFailed:
    """That a run was ended before it started."""
    return RunFailed(run=run, code="ended", message="The run was ended before its command line started.", at=now())


class Book:
    """All attempts by their runs. `withdrawn` are those that Slurm may still have, and nobody wants any more."""

    def __init__(self, porter: Porter) -> None:
        """Nothing is known yet."""
        self._porter = porter
        self._attempts: dict[str, Attempt] = {}
        self._left: dict[str, int] = {}
        self._reports: list[Report] = []
        self.withdrawn: dict[tuple[str, int], Attempt] = {}
        self.ready, self.submitted, self.look, self._news = (asyncio.Event() for _ in range(4))

    def get(self, run: str) -> Attempt | None:
        """The attempt of a run, if it is known."""
        return self._attempts.get(run)

    def add(self, attempt: Attempt) -> None:
        """Know of an attempt from now on."""
        self._attempts[attempt.run] = attempt

    def restore(self, spool: Spool, bunches: Iterable[Bunch]) -> None:
        """Take up the runs that an earlier server submitted, or was about to."""
        for bunch in bunches:
            self._left[bunch.token] = len(bunch.launches)
            for name, launch in bunch.launches.items():
                attempt = Attempt(launch, spool, wanted=False)
                attempt.stage, attempt.bunch, attempt.element = Stage.SUBMITTED, bunch, name
                self.add(attempt)

    def at(self, stage: Stage) -> list[Attempt]:
        """The attempts that are so far."""
        return [attempt for attempt in self._attempts.values() if attempt.stage is stage]

    def places(self) -> set[tuple[str, int]]:
        """Where Slurm may have any of them, or one that nobody wants any more."""
        found = {place for attempt in self._attempts.values() if (place := attempt.place) is not None}
        return found | self.withdrawn.keys()

    def members(self, task: str) -> list[Attempt]:
        """The instances of a task's run."""
        return [
            one for one in self._attempts.values()
            if one.launch.together is not None and one.launch.together.task == task and not one.commands
        ]  # fmt: skip

    async def wrote(self, bunch: Bunch, written: Iterable[tuple[str, Attempt]]) -> None:
        """These attempts stand in a bunch, by the names of their elements."""
        several = dict(written)
        self._left[bunch.token] = self._left.get(bunch.token, 0) + len(several)
        for name, attempt in several.items():
            attempt.bunch, attempt.element = bunch, name
        # One that was to end meanwhile may have been told of already, and is forgotten by nobody else.
        await self._forget([attempt for attempt in several.values() if attempt.run not in self._attempts])

    def withdraw(self, attempt: Attempt) -> bool:
        """Claim a run for ourselves, so that it cannot start any more; False when it has."""
        if attempt.errand is not None:
            self._porter.cancel(attempt.spool.runner, attempt.errand)
            attempt.errand = None
        if attempt.bunch is None:
            return True
        try:
            if not attempt.spool.claim(attempt.run):
                return False
        except OSError as error:  # then Slurm has to end it
            _log.warning("slurm_run_not_claimed", run=attempt.run, error=str(error))
            return False
        if attempt.launch.together is None and attempt.place is not None:
            self.withdrawn[attempt.place] = attempt
        return True

    def took(self, attempt: Attempt) -> None:
        """An earlier server claimed it, so that it never starts, and ended before it could tell: that is still to be.

        Whoever wants it to run has another attempt. Who wants it no more says so in a moment, or nobody knows of it.
        """
        attempt.taken = True
        self.withdraw(attempt)
        if attempt.asked:
            self.finish(attempt, ended_early(attempt.run))
        elif attempt.wanted:
            self.finish(attempt, RunLost(run=attempt.run, at=now()))

    # What the engine hears.

    def report(self, report: Report) -> None:
        """Have the engine hear this, with all else that is told by then; again until it has committed it."""
        self._reports.append(report)
        self._news.set()

    def finish(self, attempt: Attempt, report: Ended) -> None:
        """Have no more done about the attempt, and the engine hear how it ended."""
        attempt.stage, attempt.ended, attempt.errand = Stage.OVER, report, None
        self.report(report)

    def fail(self, attempt: Attempt, code: str, message: str, *, user: bool) -> None:
        """It is over before its command line ran."""
        self.finish(attempt, RunFailed(run=attempt.run, code=code, message=message, at=now(), user=user))

    async def tell(self, listener: Listener) -> None:
        """Tell what there is to tell until it is committed, and then forget what is over."""
        await self._news.wait()
        self._news.clear()
        reports, self._reports = self._reports, []
        try:
            await listener.on_reports(reports)
        except BaseException:
            self._reports = [*reports, *self._reports]
            self._news.set()
            raise
        ended = [report.run for report in reports if not isinstance(report, RunStarted | RunReturned)]
        await self._forget([self._attempts.pop(run) for run in dict.fromkeys(ended) if run in self._attempts])

    async def _forget(self, gone: Sequence[Attempt]) -> None:
        """Remove what stands of them on the shared folder."""
        known = [(attempt.spool, attempt.bunch, attempt.element, attempt.run) for attempt in gone]
        written = [(spool, bunch, name, run) for spool, bunch, name, run in known if bunch is not None]
        empty = list[tuple[Spool, Bunch]]()
        for spool, bunch, _, _ in written:
            self._left[bunch.token] -= 1
            if not self._left[bunch.token]:
                del self._left[bunch.token]
                empty.append((spool, bunch))

        def remove() -> None:
            for spool, bunch, name, run in written:
                try:
                    spool.forget(bunch, name, run)
                except OSError as error:  # the next server that starts does
                    _log.warning("slurm_run_not_forgotten", run=run, error=str(error))
            for spool, bunch in empty:
                spool.drop(bunch)

        if written:
            await asyncio.to_thread(remove)
