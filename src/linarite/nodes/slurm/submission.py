"""Handing runs to Slurm: written down on the shared folder first, in few calls of sbatch."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog

from linarite.engine.launching import Launch, RunLost
from linarite.nodes.processes import CannotStartError
from linarite.nodes.slurm import submitting
from linarite.nodes.slurm.attempts import Attempt, Stage
from linarite.nodes.slurm.book import Book, now
from linarite.nodes.slurm.commands import Slurm, SlurmError
from linarite.nodes.slurm.elements import element
from linarite.nodes.slurm.options import Options
from linarite.nodes.slurm.room import Room

COMMAND = "command"
"""The element of a bunch of several machines that is the task's own command line."""

_log = structlog.get_logger(__name__)


class Submission:
    """Makes bunches of the runs that are ready and gives them to sbatch, as many as Slurm has room for."""

    def __init__(self, book: Book, slurm: Slurm, options: Options, root_of: Callable[[Launch], str]) -> None:
        """`root_of` gives a run's node folder."""
        self._book, self._slurm, self._options, self._root_of = book, slurm, options, root_of
        self.room = Room()

    async def work(self) -> None:
        """Submit what is ready, when there is anything."""
        await self._book.ready.wait()
        await asyncio.sleep(self.room.pause)
        self._book.ready.clear()
        ready = self._book.at(Stage.READY)
        alike = submitting.arrays(ready, self._options, self.room.most)
        alike += submitting.together(ready, self._options)
        try:
            if self.room.narrow:
                await self._try(alike)
            else:
                await _all(self._submit(kind, several) for kind, several in alike)
            for attempt in ready:
                if attempt.commands:
                    await self._add(attempt)
        except BaseException:
            self._book.ready.set()  # what could not be written down is still to be
            raise

    async def _try(self, alike: Iterable[tuple[submitting.Kind, Sequence[Attempt]]]) -> None:
        """Submit one after the other until a user has no room any more; what is left of theirs waits for it."""
        full = set[int]()
        for kind, several in alike:
            if kind.uid not in full:
                await self._submit(kind, several)
            if any(attempt.stage is Stage.READY for attempt in several):
                full.add(kind.uid)

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
            attempt.stage, attempt.calling = Stage.SUBMITTED, True
        numbers = [place[1] for attempt in several if (place := attempt.place) is not None]
        self._book.submitted.set()
        script = submitting.script(kind, bunch, spool)
        try:
            await self._slurm.submit(spool.runner, bunch.token, submitting.words(kind, numbers), script)
        except SlurmError as error:
            self._take_note(kind, several, error)
        else:
            self.room.took()
            for attempt in several:
                attempt.tries += 1
        finally:
            for attempt in several:
                attempt.calling, attempt.missed = False, 0

    async def _write(self, kind: submitting.Kind, several: Sequence[Attempt]) -> list[Attempt]:
        """Write a new bunch of all that can be a script; nothing of several that are to run together, if one cannot."""
        fit, scripts = dict[str, Attempt](), dict[str, bytes]()
        for attempt in several:
            name = attempt.launch.node.node if kind.together else str(len(fit))
            if (script := self._script(attempt)) is not None:
                fit[name], scripts[name] = attempt, script
        if not fit or (kind.together and len(fit) < len(several)):
            return []
        if kind.together:
            scripts[submitting.INSTANCE] = submitting.instance_script()
        launches = {name: attempt.launch for name, attempt in fit.items()}
        bunch = await asyncio.to_thread(several[0].spool.write, secrets.token_hex(8), launches, scripts)
        await self._book.wrote(bunch, fit.items())
        return list(fit.values())

    async def _add(self, attempt: Attempt) -> None:
        """Give a job of several machines the command line that its instances were prepared for."""
        assert attempt.launch.together is not None, "it is the command line of such a task"
        members = self._book.members(attempt.launch.together.task)
        bunch = next((one.bunch for one in members if one.bunch is not None), None)
        if attempt.stage is not Stage.READY:
            return
        if bunch is None:
            self._book.finish(attempt, RunLost(run=attempt.run, at=now()))
            return
        script = self._script(attempt)
        if script is None:
            return
        more = await asyncio.to_thread(attempt.spool.add, bunch, COMMAND, attempt.launch, script)
        for one in members:
            one.bunch = more
        await self._book.wrote(more, [(COMMAND, attempt)])
        if attempt.stage is Stage.READY:
            attempt.stage = Stage.SUBMITTED
        self._book.look.set()

    def _script(self, attempt: Attempt) -> bytes | None:
        """The element of a run; one that can be none has failed."""
        try:
            return element(attempt.launch, self._root_of(attempt.launch), self._slurm.path)
        except CannotStartError as error:
            self._book.fail(attempt, error.code, error.message, user=error.user)
            return None

    def _take_note(self, kind: submitting.Kind, several: Sequence[Attempt], error: SlurmError) -> None:
        """They were not submitted, or nobody knows: then the queue will tell."""
        if not (error.full and self.room.narrow):  # of which was told before
            _log.warning("slurm_not_submitted", runs=len(several), nodes=kind.nodes, error=str(error))
        if error.full:
            self._take_back(kind, several)
        elif error.permanent:
            self._refuse(several, str(error))

    def _take_back(self, kind: submitting.Kind, several: Sequence[Attempt]) -> None:
        """There is no room for them: none is in the queue, and fewer may fit, or others when jobs are gone."""
        self.room.refused(1 if kind.together else len(several))
        for attempt in several:
            if attempt.stage is Stage.SUBMITTED and not attempt.asked:
                attempt.stage = Stage.READY
        self._book.ready.set()

    def _refuse(self, several: Iterable[Attempt], why: str) -> None:
        for attempt in several:
            if attempt.stage is Stage.SUBMITTED and self._book.withdraw(attempt):
                self._book.fail(attempt, "failed", f"Slurm did not take it: {why}", user=False)


async def _all(works: Iterable[Awaitable[None]]) -> None:
    """Wait for all of them, then raise what one has raised: what is tried again must not be going on still."""
    for failed in filter(None, await asyncio.gather(*works, return_exceptions=True)):
        raise failed
