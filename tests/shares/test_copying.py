"""Copies that go on after their answer, over a real store and tree; the source gives bytes when the test says so."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.shares.test_deletion import NOW, Clock

from linarite.data import Presence
from linarite.engine.errors import AlreadyExists, NotFound, Unavailable, WrongState
from linarite.engine.sharing import Copy, Files, Place, Share, Shares, copying
from linarite.engine.sharing.copying import Copies
from linarite.engine.sharing.leases import Claim, acquire
from linarite.engine.sharing.ports import SourceFailed
from linarite.engine.sharing.views import Settings, View
from linarite.shares import DirectoryTree
from linarite.shares.sources import FileSource
from linarite.store import open_store

PLACE, OTHER = Place("account", "share"), Place("other", "share")
CLAIM, FILE = Claim(now=NOW), Settings()
LEASE = "00000000-1111-2222-3333-444444444444"


class Pieces:
    """A source of pieces of ten bytes, each given once it was `let`; `asked` is set when one is wanted."""

    def __init__(self, count: int) -> None:
        self.size, self.closed = count * 10, asyncio.Event()
        self.asked, self._let = asyncio.Event(), asyncio.Semaphore(0)
        self.fails = ""

    def let(self, count: int = 1) -> None:
        for _ in range(count):
            self._let.release()

    async def read(self, start: int) -> tuple[int, bytes]:
        self.asked.set()
        await self._let.acquire()
        if self.fails:
            raise SourceFailed(self.fails)
        return start, bytes([start // 10 + 1]) * 10

    async def close(self) -> None:
        self.closed.set()


class World:
    """A share, and copies to it."""

    def __init__(self, home: Path) -> None:
        self.store, self.tree = open_store(home / "store.db"), DirectoryTree(str(home / "shares"))
        self.files, self.shares = Files(self.store, self.tree), Shares(self.store, self.tree, 1)
        self.copies = Copies(self.store, self.tree, self.files, Clock())
        self.home = home

    async def share(self, place: Place) -> None:
        share = Share(account=place.account, name=place.share, created_at=NOW, modified_at=NOW, tier_changed_at=NOW)
        await self.shares.create(share)

    async def begin(self, source: Pieces, path: str = "f", settings: Settings = FILE, copy_id: str = "c") -> View:
        copy = Copy(id=copy_id, source="http://there/f", status="pending", copied=0, total=0)
        return await self.copies.from_source(source, PLACE, path, settings, copy, CLAIM)

    async def copy_of(self, path: str = "f") -> Copy:
        view = await self.files.look(PLACE, path, directory=False)
        told = self.copies.told(view.facts.copy)
        assert told is not None
        return told

    async def ended(self, path: str = "f") -> Copy:
        async with asyncio.timeout(30):
            while (copy := await self.copy_of(path)).is_pending:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)  # what is at hand is told at once: the copy needs a turn
        return copy

    async def again(self) -> None:
        """The server ends and starts."""
        await self.copies.stop()
        self.copies = Copies(self.store, self.tree, self.files, Clock())
        await self.copies.start()

    async def left(self) -> int:
        """How many copies are noted as at work."""
        return len(await self.store.read(lambda tx: tx.documents.all("file copy", 0)))

    def bytes(self, path: str = "f", place: Place = PLACE) -> bytes:
        return (self.home / "shares" / place.account / place.share / path).read_bytes()


def told(home: Path, story: Callable[[World], Awaitable[None]]) -> None:
    """Run a story in a world with a share."""

    async def run() -> None:
        world = World(home)
        try:
            await world.share(PLACE)
            await story(world)
        finally:
            await world.copies.stop()
            await world.store.close()

    asyncio.run(run())


async def refused(work: Awaitable[object]) -> tuple[str, str]:
    with pytest.raises(WrongState) as error:
        await work
    return error.value.kind, error.value.state


def test_a_copy_tells_its_progress_and_its_end(tmp_path: Path) -> None:
    """Pending with what was copied; then success with the bytes, and times and MD5 as the request said."""

    async def story(world: World) -> None:
        source = Pieces(3)
        settings = Settings(metadata={"a": "1"}, written=5_000, content={"type": "text/plain"}, md5="bWQ1")
        begun = await world.begin(source, settings=settings)
        assert begun.item.size == 30
        await source.asked.wait()
        assert (await world.copy_of()).copied == 0
        source.asked.clear()
        source.let()
        await source.asked.wait()
        at_work = await world.copy_of()
        assert (at_work.status, at_work.copied, at_work.total, at_work.completed_at) == ("pending", 10, 30, None)
        source.let(2)
        done = await world.ended()
        assert (done.status, done.copied, done.total, done.completed_at) == ("success", 30, 30, NOW)
        assert world.bytes() == b"\1" * 10 + b"\2" * 10 + b"\3" * 10
        view = await world.files.look(PLACE, "f", directory=False)
        assert (view.written, view.md5, view.facts.metadata) == (5_000, "bWQ1", {"a": "1"})
        assert view.item.modified > begun.item.modified
        await source.closed.wait()
        assert await world.left() == 0

    told(tmp_path, story)


def test_a_copy_ends_once_the_store_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is not lost while the store is full or away: it is committed again until that is done."""
    monkeypatch.setattr(copying, "PAUSE", 0.001)

    async def story(world: World) -> None:
        source, write, refusals = Pieces(1), world.store.write, [0]
        await world.begin(source)

        async def full(work: Callable[[Any], Any]) -> Any:
            if refusals[0] < 3:
                refusals[0] += 1
                raise Unavailable("The store cannot be used just now.")
            return await write(work)

        monkeypatch.setattr(world.store, "write", full)
        source.let()
        done = await world.ended()
        assert (done.status, done.copied, refusals) == ("success", 10, [3])
        assert world.bytes() == b"\1" * 10
        assert await world.left() == 0

    told(tmp_path, story)


def test_a_pending_destination_refuses_other_changes(tmp_path: Path) -> None:
    """All of them, with nothing changed; what is beside it is free; afterwards it is free too."""

    async def story(world: World) -> None:
        source = Pieces(1)
        await world.begin(source)
        await world.files.create(PLACE, "g", 5, FILE, CLAIM)
        files = world.files
        nothing = Claim(now=NOW)
        for work in (
            files.write(PLACE, "f", 0, b"x", CLAIM),
            files.clear(PLACE, "f", 0, 5, CLAIM),
            files.resize(PLACE, "f", 3, FILE, CLAIM),
            files.change(PLACE, "f", Settings(metadata={}), CLAIM, directory=False),
            files.create(PLACE, "F", 1, FILE, CLAIM),
            files.remove(PLACE, "f", CLAIM, directory=False),
            files.rename(PLACE, "f", "h", FILE, (nothing, nothing), directory=False),
            files.rename(PLACE, "g", "f", FILE, (nothing, nothing), directory=False, replacing=True),
            files.copy(
                (PLACE, "g"), PLACE, "f", FILE, Copy(id="d", source="", status="pending", copied=0, total=0), CLAIM
            ),
            world.begin(Pieces(1), copy_id="e"),
        ):
            assert await refused(work) == ("copy", "pending")
        source.let()
        assert (await world.ended()).id == "c"
        assert world.bytes() == b"\1" * 10
        await files.write(PLACE, "f", 0, b"x", CLAIM)
        assert await world.left() == 0

    told(tmp_path, story)


def test_an_aborted_copy_leaves_an_empty_file(tmp_path: Path) -> None:
    """With its metadata; by its id alone, and once."""

    async def story(world: World) -> None:
        source = Pieces(2)
        await world.begin(source, settings=Settings(metadata={"a": "1"}))
        source.let()
        assert await refused(world.copies.abort(PLACE, "f", "other", CLAIM)) == ("copy", "another")
        await world.copies.abort(PLACE, "f", "C", CLAIM)
        source.let()
        await source.closed.wait()
        copy = await world.copy_of()
        assert (copy.status, copy.total, copy.completed_at) == ("aborted", 20, NOW)
        view = await world.files.look(PLACE, "f", directory=False)
        assert (view.item.size, view.facts.metadata, world.bytes()) == (0, {"a": "1"}, b"")
        assert await refused(world.copies.abort(PLACE, "f", "c", CLAIM)) == ("copy", "none pending")
        await world.files.create(PLACE, "f", 1, FILE, CLAIM)
        assert await world.left() == 0

    told(tmp_path, story)


def test_an_abort_needs_the_lease_of_the_destination(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.begin(Pieces(1))
        await world.files.set_lease(PLACE, "f", lambda lease: (acquire(lease, LEASE, -1, NOW), 0))
        assert await refused(world.copies.abort(PLACE, "f", "c", CLAIM)) == ("lease", "missing")
        assert (await world.copy_of()).is_pending
        await world.copies.abort(PLACE, "f", "c", Claim(lease=LEASE, now=NOW))
        assert (await world.copy_of()).status == "aborted"

    told(tmp_path, story)


def test_a_source_that_fails_ends_the_copy(tmp_path: Path) -> None:
    """It says why, and how far it came; the file can be written again."""

    async def story(world: World) -> None:
        source = Pieces(3)
        await world.begin(source)
        await source.asked.wait()
        source.asked.clear()
        source.let()
        await source.asked.wait()
        source.fails = '403 AuthenticationFailed "no"'
        source.let()
        copy = await world.ended()
        assert (copy.status, copy.description, copy.copied) == ("failed", source.fails, 10)
        await world.files.write(PLACE, "f", 0, b"x", CLAIM)

    told(tmp_path, story)


def test_the_destination_goes_with_a_directory_that_is_renamed(tmp_path: Path) -> None:
    """The copy finds it there."""

    async def story(world: World) -> None:
        await world.files.create_directory(PLACE, "d", FILE)
        source = Pieces(2)
        await world.begin(source, "d/f")
        await source.asked.wait()
        await world.files.rename(PLACE, "d", "e", FILE, (CLAIM, CLAIM), directory=True)
        source.let(2)
        assert (await world.ended("e/f")).status == "success"
        assert world.bytes("e/f") == b"\1" * 10 + b"\2" * 10

    told(tmp_path, story)


def test_a_share_that_is_deleted_ends_the_copy(tmp_path: Path) -> None:
    """Restored, it tells of a failed one; nothing is left at work."""

    async def story(world: World) -> None:
        source = Pieces(2)
        await world.begin(source)
        await source.asked.wait()
        await world.shares.delete(PLACE, None, CLAIM)
        source.let(2)
        await source.closed.wait()
        (row,) = (await world.shares.page("account", "", (), 5, snapshots=False, deleted=True))[0]
        await world.shares.restore(PLACE, row.version, NOW)
        assert (await world.copy_of()).status == "failed"
        assert await world.left() == 0

    told(tmp_path, story)


def test_a_restart_goes_on_with_files_of_this_server_and_fails_others(tmp_path: Path) -> None:
    """A pending copy of a file is made; one whose source was elsewhere says that it was interrupted."""

    async def story(world: World) -> None:
        await world.share(OTHER)
        await world.files.create(OTHER, "big", 9_000_000, FILE, CLAIM, b"\7" * 1000)
        await world.files.write(OTHER, "big", 8_000_000, b"\x08" * 1000, CLAIM)
        held = world.tree.hold(PLACE, "mine", alone=True)
        copy = Copy(id="m", source="", status="pending", copied=0, total=0)
        await world.begin(Pieces(1), "theirs")
        await world.copies.from_file((OTHER, "big"), PLACE, "mine", Settings(metadata={"a": "1"}), copy, CLAIM)
        async with held:  # nothing of it can be written before the server ends
            await world.copies.stop()
        assert await world.left() == 2
        await world.again()
        assert (await world.ended("mine")).status == "success"
        assert world.bytes("mine") == world.bytes("big", OTHER)
        theirs = await world.copy_of("theirs")
        assert (theirs.status, "started again" in (theirs.description or "")) == ("failed", True)
        assert await world.left() == 0

    told(tmp_path, story)


@pytest.mark.parametrize("how", ["longer", "the same bytes", "gone"])
def test_a_source_that_was_changed_while_the_server_was_away_is_not_copied(tmp_path: Path, how: str) -> None:
    """What was allowed and described was the file of then."""

    async def story(world: World) -> None:
        await world.share(OTHER)
        await world.files.create(OTHER, "big", 1_000, FILE, CLAIM, b"\7" * 1000)
        held = world.tree.hold(PLACE, "mine", alone=True)
        copy = Copy(id="m", source="", status="pending", copied=0, total=0)
        await world.copies.from_file((OTHER, "big"), PLACE, "mine", FILE, copy, CLAIM)
        async with held:
            await world.copies.stop()
        await world.files.remove(OTHER, "big", directory=False)
        if how != "gone":
            await world.files.create(OTHER, "big", 2_000 if how == "longer" else 1_000, FILE, CLAIM, b"\7" * 1000)
        await world.again()
        copied = await world.ended("mine")
        assert (copied.status, (copied.description or "")[:3]) == ("failed", "404" if how == "gone" else "412")
        assert world.bytes("mine") == bytes(1000)
        assert await world.left() == 0

    told(tmp_path, story)


def test_another_server_takes_up_what_is_left_and_no_more(tmp_path: Path) -> None:
    """One that starts beside leaves alone what the first is at; once that one has ended it takes it up."""

    async def story(world: World) -> None:
        await world.share(OTHER)
        await world.files.create(OTHER, "big", 1_000, FILE, CLAIM, b"\7" * 1000)
        first, second = (Presence(tmp_path / "servers") for _ in range(2))
        world.copies = Copies(world.store, world.tree, world.files, Clock(), first)
        other = Copies(world.store, world.tree, world.files, Clock(), second)
        source, copy = Pieces(2), Copy(id="m", source="", status="pending", copied=0, total=0)
        await world.begin(source)
        await source.asked.wait()
        await other.start()
        source.let(2)
        assert (await world.ended()).status == "success"
        await world.begin(Pieces(1), "theirs", copy_id="t")
        held = world.tree.hold(PLACE, "mine", alone=True)
        await world.copies.from_file((OTHER, "big"), PLACE, "mine", FILE, copy, CLAIM)
        async with held:
            await other.start()
            await world.copies.stop()
        assert await world.left() == 2
        first.end()
        await other.start()
        assert (await world.ended("mine")).status == "success"
        assert world.bytes("mine") == b"\7" * 1000
        assert (await world.copy_of("theirs")).status == "failed"
        assert await world.left() == 0
        await other.stop()
        second.end()

    told(tmp_path, story)


def test_a_refused_destination_closes_the_source(tmp_path: Path) -> None:
    """And notes nothing."""

    async def story(world: World) -> None:
        source = Pieces(1)
        with pytest.raises(NotFound):
            await world.begin(source, "missing/f")
        assert source.closed.is_set()
        await world.files.create_directory(PLACE, "d", FILE)
        with pytest.raises((AlreadyExists, WrongState)):
            await world.begin(source, "d")
        assert await world.left() == 0

    told(tmp_path, story)


def test_a_source_that_changes_is_read_no_further(tmp_path: Path) -> None:
    """What was copied then would be of two files."""

    async def read() -> None:
        path = tmp_path / "f"
        path.write_bytes(b"x" * 10)
        with path.open("rb") as file:
            source = FileSource(os.dup(file.fileno()), 10)
        try:
            assert await source.read(0) == (0, b"x" * 10)
            assert await source.read(10) == (10, b"")
            os.utime(path, ns=(1, 1))
            with pytest.raises(SourceFailed, match="412 ConditionNotMet"):
                await source.read(0)
        finally:
            await source.close()

    asyncio.run(read())
