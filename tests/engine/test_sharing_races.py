"""What two who change one share at once come to, and what a crash in the middle: over a real tree and a real store."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.engine.share_world import NOW, PLACE, ShareWorld, play_in
from tests.shares.clock import wait_for_a_tick

from linarite.data import Presence
from linarite.engine.errors import Unavailable, WrongState
from linarite.engine.sharing import Files, Place, Shares, taking
from linarite.engine.sharing.leases import INFINITE, Claim, acquire
from linarite.engine.sharing.moves import Move, noted
from linarite.engine.sharing.reading import NOTHING
from linarite.engine.sharing.taking import Taking
from linarite.engine.sharing.views import Settings
from linarite.shares import DirectoryTree, extents


class World(ShareWorld):
    """What is read in it."""

    async def read(self, path: str, place: Place = PLACE) -> bytes:
        view, descriptor = await self.files.read(place, path)
        try:
            return os.pread(descriptor, view.item.size, 0)
        finally:
            os.close(descriptor)


play = partial(play_in, World)


class KilledError(Exception):
    """The server ends here."""


@pytest.mark.parametrize("moved", [True, False])
def test_a_rename_that_a_crash_cuts_in_two_keeps_the_facts(tmp_path: Path, moved: bool) -> None:
    """Whether the tree had moved the file or not: its metadata, headers and MD5 are where it is."""

    async def story(world: World) -> None:
        await world.files.create_directory(PLACE, "d", Settings(metadata={"of": "d"}))
        settings = Settings(metadata={"a": "b"}, content={"type": "text/x"}, md5="bWQ1", attributes=("Hidden",))
        await world.files.create(PLACE, "d/f", 3, settings, NOTHING, b"abc")
        rename, write = world.tree.rename, world.store.write

        async def then_killed(*arguments: Any, **keywords: Any) -> None:
            if moved:
                await rename(*arguments, **keywords)
            raise KilledError

        world.tree.rename = then_killed  # type: ignore[method-assign,assignment]
        for source, target, directory in (("d/f", "d/g", False), ("d", "e", True)):
            with pytest.raises(KilledError):
                await world.files.rename(PLACE, source, target, Settings(), (NOTHING, NOTHING), directory=directory)
            assert world.store.write == write
            world.again()
            await world.files.recover()
            rename, world.tree.rename = world.tree.rename, then_killed  # type: ignore[method-assign,assignment]
        path = "e/g" if moved else "d/f"
        view = await world.files.look(PLACE, path, directory=False)
        assert (view.facts.metadata, view.facts.content, view.attributes) == (
            {"a": "b"},
            {"type": "text/x"},
            ("Hidden",),
        )
        assert view.md5 == "bWQ1"
        assert (await world.files.look(PLACE, path[0], directory=True)).facts.metadata == {"of": "d"}
        assert await world.store.read(lambda tx: tx.documents.all("file rename", 0)) == {}

    play(tmp_path, story)


MEANWHILE = 0.3
"""Seconds in which one that does not wait its turn is done."""


def test_another_server_leaves_a_rename_to_the_one_that_makes_it(tmp_path: Path) -> None:
    """It takes it up once that one has ended."""

    async def story(world: World) -> None:
        first, second = (Presence(tmp_path / "servers") for _ in range(2))
        await world.files.create(PLACE, "a", 1, Settings(metadata={"k": "v"}), Claim(now=NOW))
        view = await world.files.look(PLACE, "a", directory=False)
        move = Move(place=PLACE, source="a", target="b", id=view.item.id, md5=None, server=first.name)
        async with noted(world.store, move):
            await world.tree.rename(PLACE, "a", "b", replace=False)
        other = Files(world.store, world.tree, second)
        await other.recover()
        assert await world.store.read(lambda tx: tx.documents.all("file rename", 0))
        first.end()
        await other.recover()
        assert not await world.store.read(lambda tx: tx.documents.all("file rename", 0))
        assert (await other.look(PLACE, "b", directory=False)).facts.metadata == {"k": "v"}
        second.end()

    play(tmp_path, story)


def test_a_rename_is_taken_up_by_one_server_alone(tmp_path: Path) -> None:
    """Another one that saw it left, too, moves nothing of the file that has the old name by then."""

    async def story(world: World) -> None:
        await world.files.create(PLACE, "a", 1, Settings(metadata={"k": "old"}), Claim(now=NOW))
        view = await world.files.look(PLACE, "a", directory=False)
        async with noted(world.store, Move(place=PLACE, source="a", target="b", id=view.item.id, md5=None)):
            await world.tree.rename(PLACE, "a", "b", replace=False)
        tree = DirectoryTree(str(tmp_path / "shares"))
        find = tree.find

        async def late(*arguments: Any) -> Any:
            found = await find(*arguments)
            await world.files.recover()
            await world.files.create(PLACE, "a", 1, Settings(metadata={"k": "new"}), Claim(now=NOW))
            return found

        tree.find = late  # type: ignore[method-assign]
        await Files(world.store, tree).recover()
        for path, of in (("a", "new"), ("b", "old")):
            assert (await world.files.look(PLACE, path, directory=False)).facts.metadata == {"k": of}

    play(tmp_path, story)


def test_the_rename_of_a_directory_waits_for_changes_below_it(tmp_path: Path) -> None:
    """Metadata that was acknowledged is there under the new path."""

    async def story(world: World) -> None:
        await world.files.create_directory(PLACE, "d", Settings())
        await world.files.create(PLACE, "d/f", 3, Settings(), NOTHING)
        inside, go, stamp = asyncio.Event(), asyncio.Event(), world.tree.stamp

        async def slowly(*arguments: Any) -> Any:
            item = await stamp(*arguments)
            inside.set()
            await go.wait()
            return item

        world.tree.stamp = slowly  # type: ignore[method-assign]
        changing = asyncio.create_task(
            world.files.change(PLACE, "d/f", Settings(metadata={"n": "1"}), NOTHING, directory=False)
        )
        await inside.wait()
        renaming = asyncio.create_task(
            world.files.rename(PLACE, "d", "e", Settings(), (NOTHING, NOTHING), directory=True)
        )
        await asyncio.wait({renaming}, timeout=MEANWHILE)
        go.set()
        await asyncio.gather(changing, renaming)
        assert (await world.files.look(PLACE, "e/f", directory=False)).facts.metadata == {"n": "1"}

    play(tmp_path, story)


def test_a_snapshot_waits_for_the_range_that_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A range is in it in whole or not at all, and it never changes afterwards."""
    inside, go, write = threading.Event(), threading.Event(), extents.write

    def by_halves(descriptor: int, offset: int, data: bytes) -> None:
        half = len(data) // 2
        write(descriptor, offset, data[:half])
        inside.set()
        go.wait(10)
        write(descriptor, offset + half, data[half:])

    async def story(world: World) -> None:
        await world.files.create_directory(PLACE, "d", Settings())
        await world.files.create(PLACE, "d/f", 1000, Settings(), NOTHING, b"a" * 1000)
        monkeypatch.setattr(extents, "write", by_halves)
        writing = asyncio.create_task(world.files.write(PLACE, "d/f", 0, b"b" * 1000, NOTHING))
        await asyncio.to_thread(inside.wait, 10)
        taking = asyncio.create_task(world.shares.snapshot(PLACE, {}, NOW))
        await asyncio.wait({taking}, timeout=MEANWHILE)
        go.set()
        await writing
        place = Place("account", "share", (await taking).snapshot)
        assert await world.read("d/f", place) == b"b" * 1000
        await world.files.write(PLACE, "d/f", 0, b"c" * 1000, NOTHING)
        assert await world.read("d/f", place) == b"b" * 1000

    play(tmp_path, story)


def test_a_clear_waits_for_the_range_that_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which pages of a block were written is noted around both: in between it would be neither's."""
    inside, go, write = threading.Event(), threading.Event(), extents.write

    def slowly(descriptor: int, offset: int, data: bytes) -> None:
        inside.set()
        go.wait(10)
        write(descriptor, offset, data)

    async def story(world: World) -> None:
        await world.files.create(PLACE, "f", 8192, Settings(), NOTHING)
        await world.files.write(PLACE, "f", 0, b"a" * 4096, NOTHING)
        monkeypatch.setattr(extents, "write", slowly)
        writing = asyncio.create_task(world.files.write(PLACE, "f", 512, bytes(512), NOTHING))
        await asyncio.to_thread(inside.wait, 10)
        clearing = asyncio.create_task(world.files.clear(PLACE, "f", 0, 8192, NOTHING))
        await asyncio.wait({clearing}, timeout=MEANWHILE)
        go.set()
        await asyncio.gather(writing, clearing)
        assert (await world.files.ranges(PLACE, "f", 0, None, NOTHING))[1] == []

    play(tmp_path, story)


@pytest.mark.parametrize("recorded", [False, True])
def test_a_snapshot_that_a_crash_cuts_in_two_is_whole_or_gone(tmp_path: Path, recorded: bool) -> None:
    """Killed before its record is committed nothing of it is left on disk by the next start; after, all of it is."""

    async def story(world: World) -> None:
        await world.files.create(PLACE, "f", 5, Settings(), NOTHING, b"bytes")
        write, count = world.store.write, [0]

        async def killed(work: Callable[[Any], Any]) -> Any:
            count[0] += 1
            if count[0] < 2:
                return await write(work)
            if recorded:
                await write(work)
            raise Unavailable("The store cannot be used just now.")

        world.store.write = killed  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            await world.shares.snapshot(PLACE, {}, NOW)
        world.store.write = write  # type: ignore[method-assign]
        folder = tmp_path / "shares" / ".snapshots" / "account" / "share"
        assert len(list(folder.iterdir())) == 1
        world.again()
        await world.shares.settle()
        kept = await world.store.read(lambda tx: tx.shares.snapshots("account", "share"))
        assert [each.name for each in folder.iterdir()] == [each.snapshot for each in kept]
        assert len(kept) == recorded
        for each in kept:
            assert await world.read("f", Place("account", "share", each.snapshot)) == b"bytes"

    play(tmp_path, story)


def test_a_snapshot_of_another_server_is_left_to_it(tmp_path: Path) -> None:
    """Until that one has ended."""

    async def story(world: World) -> None:
        folder, taken = tmp_path / "shares" / ".snapshots", Place("account", "share", "2024-01-01T00:00:00.0000000Z")
        first, second = (Presence(tmp_path / "servers") for _ in range(2))
        async with taking.noted(world.store, world.tree, Taking(place=taken, server=first.name)):
            await world.tree.copy_share(PLACE, taken)
            await taking.recover(world.store, world.tree, second)
            assert (folder / "account" / "share" / taken.snapshot).is_dir()
        first.end()
        await taking.recover(world.store, world.tree, second)
        second.end()
        assert not (folder / "account" / "share" / taken.snapshot).exists()

    play(tmp_path, story)


def test_a_server_that_starts_leaves_alone_the_snapshot_that_another_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draft lies where what killed servers left is removed at a start."""
    inside, go, copy = threading.Event(), threading.Event(), extents.copy

    def slowly(source: int, target: int) -> None:
        copy(source, target)
        inside.set()
        go.wait(10)

    async def story(world: World) -> None:
        await world.files.create(PLACE, "f", 5, Settings(), NOTHING, b"bytes")
        root = tmp_path / "shares"
        first, second = (DirectoryTree(str(root), shared=True) for _ in range(2))
        (root / ".trash" / "left").mkdir(parents=True)
        monkeypatch.setattr(extents, "copy", slowly)
        taking = asyncio.create_task(Shares(world.store, first).snapshot(PLACE, {}, NOW))
        await asyncio.to_thread(inside.wait, 10)
        second.sweep()
        await asyncio.sleep(MEANWHILE)
        go.set()
        place = Place("account", "share", (await taking).snapshot)
        assert await world.read("f", place) == b"bytes"
        while at_work := second._trash._at_work:
            await asyncio.gather(*at_work)
        assert not (root / ".trash" / "left").exists()

    play(tmp_path, story)


def test_of_two_who_saw_the_same_version_one_may_write(tmp_path: Path) -> None:
    """The condition is held against the file while nobody else can change it."""

    class Lost(Exception):
        pass

    async def story(world: World) -> None:
        view = await world.files.create(PLACE, "f", 10, Settings(), NOTHING)
        for _ in range(20):
            seen = view.version

            def check(found: Any, seen: int = seen) -> None:
                if found.version != seen:
                    raise Lost

            claim = Claim(condition=check)
            writes = [world.files.write(PLACE, "f", 0, bytes([number]) * 10, claim) for number in range(8)]
            results = await asyncio.gather(*writes, return_exceptions=True)
            assert sum(isinstance(each, Lost) for each in results) == 7
            (winner,) = [number for number, each in enumerate(results) if not isinstance(each, Exception)]
            assert await world.read("f") == bytes([winner]) * 10
            view = await world.files.look(PLACE, "f", directory=False)

    play(tmp_path, story)


def test_of_two_servers_one_gives_a_lease(tmp_path: Path) -> None:
    """Each of them has seen the file without one."""

    async def story(world: World) -> None:
        await world.files.create(PLACE, "f", 1, Settings(), NOTHING)
        servers = [world.files, Files(world.store, DirectoryTree(str(tmp_path / "shares")))]
        ids = ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"]

        async def take(server: Files, lease: str) -> bool:
            try:
                await server.set_lease(PLACE, "f", lambda held: (acquire(held, lease, INFINITE, NOW), 0))
            except WrongState:
                return False
            return True

        took = await asyncio.gather(*map(take, servers, ids))
        assert sorted(took) == [False, True]
        view = await world.files.look(PLACE, "f", directory=False)
        assert view.facts.lease.id == ids[took.index(True)]

    play(tmp_path, story)


def test_a_directory_keeps_its_times_while_files_come_and_go(tmp_path: Path) -> None:
    """Operations on files within a directory do not move its tag. Source: Get Directory Properties, Last-Modified."""

    async def story(world: World) -> None:
        made = await world.files.create_directory(
            PLACE, "d", Settings(written=123_000, created=100, metadata={"a": "b"})
        )
        await world.files.create(PLACE, "d/f", 3, Settings(), NOTHING)
        seen = await world.files.look(PLACE, "d", directory=True)
        assert (seen.version, seen.modified, seen.written) == (made.version, made.modified, 123_000)
        changed = await world.files.change(PLACE, "d", Settings(metadata={}), NOTHING, directory=True)
        assert changed.version != made.version
        assert changed.written == 123_000

    play(tmp_path, story)


def test_the_md5_is_void_once_another_program_changed_the_bytes(tmp_path: Path) -> None:
    """Also one that puts the time back; a snapshot taken before keeps it."""

    async def story(world: World) -> None:
        await world.files.create(PLACE, "f", 3, Settings(content={}, md5="bWQ1"), NOTHING, b"abc")
        share = await world.shares.snapshot(PLACE, {}, NOW)
        path = world.folder / "shares" / "account" / "share" / "f"
        before = path.stat()
        wait_for_a_tick(path)
        path.write_bytes(b"xyz")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (await world.files.look(PLACE, "f", directory=False)).md5 is None
        then = await world.files.look(Place("account", "share", share.snapshot), "f", directory=False)
        assert then.md5 == "bWQ1"

    play(tmp_path, story)


def test_twins_by_case_keep_their_own_facts(tmp_path: Path) -> None:
    """Another program put `a` beside `A`: what happens to one directory says nothing of the other's files."""

    async def story(world: World) -> None:
        for name in ("A", "a", "b%"):
            (world.folder / "shares" / "account" / "share" / name / "d").mkdir(parents=True)
            for path in (f"{name}/f", f"{name}/d/f"):
                await world.files.create(PLACE, path, 1, Settings(metadata={"of": name.replace("%", "")}), NOTHING)
        await world.files.rename(PLACE, "a", "c", Settings(), (NOTHING, NOTHING), directory=True)
        for path, of in (("A/f", "A"), ("A/d/f", "A"), ("c/f", "a"), ("c/d/f", "a"), ("b%/d/f", "b")):
            assert (await world.files.look(PLACE, path, directory=False)).facts.metadata == {"of": of}

    play(tmp_path, story)
