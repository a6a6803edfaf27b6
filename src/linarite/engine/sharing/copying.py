"""Copies that go on after their answer: progress, end, abort, and what becomes of them when the server starts again.

While one is pending its destination refuses other changes. What is at work is noted in the store beside the
destination's facts: a copy begins anew after a restart while its source is what it was. Whoever began one was allowed
to read a file of this server, by whatever right, and is not asked again. One from elsewhere goes on when the right to
its source is in its address, which is kept until it ends; a token is kept nowhere, and its copy has failed. Of several
servers each leaves alone what another one is at.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace

from linarite.engine.errors import EngineError, NotFound, Unavailable, WrongState
from linarite.engine.ports import Clock
from linarite.engine.sharing.elsewhere import Elsewhere, Kept, Nowhere, Origin, Unverified
from linarite.engine.sharing.files import Files
from linarite.engine.sharing.known import alone
from linarite.engine.sharing.leases import Claim, check_change
from linarite.engine.sharing.ports import (
    ALONE,
    Item,
    Place,
    Presence,
    ShareStore,
    ShareTransaction,
    Source,
    SourceFailed,
    Tree,
)
from linarite.engine.sharing.records import ABORTED, FAILED, PENDING, SUCCESS, Copy, Facts, Pinned
from linarite.engine.sharing.views import Settings, View

AT_ONCE = 4
"""Copies of this server's own files at once, and as many from elsewhere: slow servers there keep none waiting."""
PAUSE = 5.0
"""Seconds after which the end of a copy is committed again that could not be."""
_KIND = "file copy"
_UNREAD = '404 ResourceNotFound "Copy failed when reading the source."'
_UNWRITTEN = '500 InternalError "Copy failed when writing the destination."'
_GONE = '404 ResourceNotFound "The destination has gone."'
_CHANGED = '412 ConditionNotMet "The source was changed while it was being copied."'
_RESTARTED = '503 ServerBusy "The server was started again while the source was being read."'
log = structlog.get_logger("linarite.sharing")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A pending copy. Its destination is the file of share number `share` that was `born` then, whatever its path.

    `place`, `path` and `version` are the source when it is a file of this server, `kept` is what one elsewhere is read
    by again. `server` is the one that is at it.
    """

    id: str
    share: int
    born: int
    place: Place | None = None
    path: str = ""
    version: int = 0
    kept: Kept | None = None
    server: str = ""


class Copies:
    """Copies at work. Each goes on by itself; a few at once, the others wait."""

    def __init__(
        self, store: ShareStore, tree: Tree, files: Files, clock: Clock, presence: Presence = ALONE,
        sources: Elsewhere | None = None,
    ) -> None:  # fmt: skip
        """`sources` are the servers elsewhere that copies from there read again after a restart."""
        self._sources = sources or Nowhere()
        self._store, self._tree, self._files, self._clock = store, tree, files, clock
        self._presence = presence
        self._running: dict[str, asyncio.Task[None]] = {}
        self._copied: dict[str, int] = {}
        self._here, self._elsewhere = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)

    async def start(self) -> None:
        """Take up what servers left that have ended: an earlier run of this one, or another."""
        for job in await self._store.write(self._take_up):
            if job.place is not None:
                self._run(job, self._from_file(job))
            elif job.kept is not None:
                self._run(job, self._from_elsewhere(job, job.kept))
            else:
                await self._end(job, FAILED, _RESTARTED)

    def _take_up(self, tx: ShareTransaction) -> list[Job]:
        left = [msgspec.convert(value, Job) for value in tx.documents.all(_KIND, 0).values()]
        ours = [
            replace(job, server=self._presence.name)
            for job in left
            if job.id not in self._running and self._presence.has_ended(job.server)
        ]
        for job in ours:
            tx.documents.put(_KIND, job.id, msgspec.to_builtins(job))
        return ours

    async def stop(self) -> None:
        """Let go of all of them: they are pending until the server starts again."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def from_file(
        self, origin: tuple[Place, str], place: Place, path: str, settings: Settings, copy: Copy, claim: Claim
    ) -> View:
        """Begin to copy a file of this server; the destination is there, pending, when this returns."""
        source = await self._files.look(*origin, directory=False)
        wanted = await self._files.settings_of_copy(source, settings)
        job = replace(self._job(copy), place=origin[0], path=source.item.path, version=source.item.version)
        view, job = await self._begin(job, source.item.size, (place, path), wanted, (copy, claim))
        self._run(job, self._from_file(job))
        return view

    async def from_source(
        self, source: Source, place: Place, path: str, settings: Settings, copy: Copy, claim: Claim,
        kept: Kept | None = None,
    ) -> View:  # fmt: skip
        """Begin to copy what is read elsewhere. The source is closed when it has been read, or is refused.

        `kept` is what it is read by again after a restart; without it such a copy has failed.
        """
        try:
            job = replace(self._job(copy), kept=kept)
            view, job = await self._begin(job, source.size, (place, path), settings, (copy, claim))
        except BaseException:
            await source.close()
            raise
        self._run(job, self._from(job, source))
        return view

    async def abort(self, place: Place, path: str, copy_id: str, claim: Claim) -> None:
        """End a pending copy: the destination stays with no bytes, and with its metadata."""
        view = await self._files.look(place, path, directory=False)
        async with alone(self._store, self._tree, place, view.item.path):
            view = await self._files.look_held(place, path)
            copy = view.facts.copy
            if copy is None or not copy.is_pending:
                raise WrongState("copy", "none pending", "abort")
            if copy.id.lower() != copy_id.lower():
                raise WrongState("copy", "another", "abort")
            check_change(view.facts.lease, claim)
            ended = replace(copy, status=ABORTED, copied=self._copied.get(copy.id, 0), completed_at=self._clock.now())
            item = await self._tree.resize(place, view.item.path, 0)
            await self._store.write(lambda tx: _settle(tx, view.share.key, item, view.facts, ended))
        task = self._running.get(copy.id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def told(self, copy: Copy | None) -> Copy | None:
        """A copy with the progress that it has made by now."""
        if copy is None or not copy.is_pending:
            return copy
        return replace(copy, copied=self._copied.get(copy.id, 0))

    def _job(self, copy: Copy) -> Job:
        return Job(id=copy.id, share=0, born=0, server=self._presence.name)

    async def _begin(
        self, job: Job, size: int, target: tuple[Place, str], settings: Settings, how: tuple[Copy, Claim]
    ) -> tuple[View, Job]:
        begun = job

        def note(tx: ShareTransaction, view: View) -> None:
            nonlocal begun
            begun = replace(job, share=view.share.key, born=view.facts.born or 0)
            tx.documents.put(_KIND, begun.id, msgspec.to_builtins(begun))

        pending = replace(how[0], status=PENDING, copied=0, total=size)
        view = await self._files.begin_copy(*target, size, settings, (pending, how[1]), note)
        return view, begun

    def _run(self, job: Job, work: Coroutine[Any, Any, None]) -> None:
        self._copied[job.id] = 0
        task = asyncio.create_task(work)
        self._running[job.id] = task

        def over(_: asyncio.Task[None]) -> None:
            self._running.pop(job.id, None)
            self._copied.pop(job.id, None)

        task.add_done_callback(over)

    async def _from_file(self, job: Job) -> None:
        assert job.place is not None
        try:
            source = await self._tree.source(job.place, job.path)
            is_same = (await self._tree.find(job.place, job.path)).version == job.version
        except EngineError:
            await self._end(job, FAILED, _UNREAD)
            return
        if is_same:
            await self._from(job, source)
        else:
            await source.close()
            await self._end(job, FAILED, _CHANGED)

    async def _from_elsewhere(self, job: Job, kept: Kept) -> None:
        """Read anew what is still as it was."""
        try:
            found = await self._sources.look(Origin(url=kept.url))
        except Unverified as error:
            await self._end(job, FAILED, f'{error.status} {error.code} "Copy failed when reading the source."')
            return
        if found.tag != kept.tag or found.source.size != await self._size(job):
            await found.source.close()
            await self._end(job, FAILED, _CHANGED)
        else:
            await self._from(job, found.source)

    async def _size(self, job: Job) -> int | None:
        """How long the source of a pending copy was."""
        found = await self._store.read(lambda tx: _facts(tx, job))
        return None if found is None else found[2].total

    async def _from(self, job: Job, source: Source) -> None:
        """Copy to the end, which is noted whatever it is; a destination that has gone ends it too."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(source.close)
            await stack.enter_async_context(self._here if job.place else self._elsewhere)
            try:
                await self._move(job, source)
                await self._end(job, SUCCESS)
            except SourceFailed as error:
                await self._end(job, FAILED, str(error))
            except Exception as error:  # noqa: BLE001 - nobody waits for it who could be told otherwise
                log.warning("a copy failed", copy=job.id, why=repr(error))
                await self._end(job, FAILED, _UNWRITTEN)

    async def _move(self, job: Job, source: Source) -> None:
        offset = 0
        while offset < source.size:
            start, data = await source.read(offset)
            if not data:
                break
            place, path, limit = await self._destination(job)
            async with self._tree.hold(place, path, alone=False):
                await self._destination(job)  # not aborted since
                await self._tree.write(place, path, start, data, limit=limit)
            self._copied[job.id] = offset = start + len(data)
        self._copied[job.id] = source.size

    async def _destination(self, job: Job) -> tuple[Place, str, int]:
        """Where the destination is now, and how large its share may be. NotFound when it is this copy's no more."""
        return await self._store.read(lambda tx: _destination(tx, job))

    async def _end(self, job: Job, status: str, why: str | None = None) -> None:
        """Note how a copy ended, and that it is at work no more; until the store can be used, again and again."""
        while True:
            try:
                return await self._try_to_end(job, status, why)
            except Unavailable as error:
                log.warning("the end of a copy is not committed", copy=job.id, why=str(error), again_in_seconds=PAUSE)
                await asyncio.sleep(PAUSE)

    async def _try_to_end(self, job: Job, status: str, why: str | None) -> None:
        copied = self._copied.get(job.id, 0)
        try:
            place, path, _ = await self._destination(job)
            async with self._tree.hold(place, path, alone=True):
                await self._destination(job)
                item = await self._tree.stamp(place, path)
                await self._store.write(lambda tx: self._note_end(tx, job, (status, why, copied), item))
        except Unavailable:
            raise
        except EngineError:
            await self._store.write(lambda tx: self._note_end(tx, job, (FAILED, _GONE, copied), None))

    def _note_end(self, tx: ShareTransaction, job: Job, how: tuple[str, str | None, int], item: Item | None) -> None:
        tx.documents.delete(_KIND, job.id)
        found = _facts(tx, job)
        if found is None:
            return
        path, facts, copy = found
        status, why, copied = how
        ended = replace(copy, status=status, description=why, copied=copied, completed_at=self._clock.now())
        if item is None:
            tx.shares.put_facts(job.share, path, replace(facts, copy=ended))
        else:
            _settle(tx, job.share, item, facts, ended)


def _facts(tx: ShareTransaction, job: Job) -> tuple[str, Facts, Copy] | None:
    """The destination's path and facts, while the copy is pending there."""
    path = tx.shares.born(job.share, job.born)
    facts = None if path is None else tx.shares.facts(job.share, path)
    if path is None or facts is None or facts.copy is None or facts.copy.id != job.id or not facts.copy.is_pending:
        return None
    return path, facts, facts.copy


def _destination(tx: ShareTransaction, job: Job) -> tuple[Place, str, int]:
    found, share = _facts(tx, job), tx.shares.by_key(job.share)
    if found is None or share is None or share.version:
        raise NotFound("resource", job.id)
    return Place(share.account, share.name), found[0], share.limit


def _settle(tx: ShareTransaction, share: int, item: Item, facts: Facts, copy: Copy) -> None:
    """Facts of a file whose copy ended; what the client said about its times and its MD5 goes on to hold."""
    now = item.modified
    pinned = {
        name: value and Pinned(value=value.value, at=now)
        for name, value in (("written", facts.written), ("changed", facts.changed))
    }
    md5 = facts.md5 if copy.status == SUCCESS else None
    settled = replace(facts, copy=copy, md5=md5, md5_at=now if md5 else 0, md5_of=item.version if md5 else 0, **pinned)
    tx.shares.put_facts(share, item.path, settled)
    tx.documents.delete(_KIND, copy.id)
