"""Deleted shares over a real store and a real tree: kept, restored, over; and what a crash leaves half done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from linarite.engine.errors import AlreadyExists, NotFound, WrongState
from linarite.engine.sharing import Files, Place, Share, Shares
from linarite.engine.sharing.deletion import place_of
from linarite.engine.sharing.leases import Claim
from linarite.engine.sharing.upkeep import Upkeep
from linarite.engine.sharing.views import Settings
from linarite.shares import DirectoryTree
from linarite.store import open_store

DAY = 86_400_000_000
NOW = 1_700_000_000_000_000
PLACE = Place("account", "share")


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> int:
        return self.time


class World:
    """Shares that are kept for seven days, and the folder that they stand in."""

    def __init__(self, home: Path) -> None:
        self.store = open_store(home / "store.db")
        self.root = home / "shares"
        self.tree = DirectoryTree(str(self.root))
        self.shares, self.files = Shares(self.store, self.tree, 7 * DAY), Files(self.store, self.tree)
        self.clock = Clock()

    async def make(self, content: bytes = b"hello") -> None:
        """The share with one file."""
        await self.shares.create(
            Share(account="account", name="share", created_at=NOW, modified_at=NOW, tier_changed_at=NOW)
        )
        await self.files.create(PLACE, "f", len(content), Settings(metadata={"a": "1"}), Claim(now=NOW), content)

    async def delete(self, snapshots: str | None = None, after: int = 0) -> str:
        """Delete it; its version."""
        await self.shares.delete(PLACE, snapshots, Claim(now=NOW + after))
        return (await self.listed())[-1].version

    async def listed(self) -> list[Share]:
        """All that is known, deleted ones and snapshots too."""
        return (await self.shares.page("account", "", (), 100, snapshots=True, deleted=True))[0]

    def live(self) -> Path:
        return self.root / "account" / "share"


def told(home: Path, story: Callable[[World], Awaitable[None]]) -> None:
    """Run a story over a store, which is closed after it."""

    async def run() -> None:
        world = World(home)
        try:
            await story(world)
        finally:
            await world.store.close()

    asyncio.run(run())


def test_a_deleted_share_is_restored_with_all_it_had(tmp_path: Path) -> None:
    """Its files, their facts, its snapshots and policies; its tag moves and its leases are gone."""

    async def story(world: World) -> None:
        await world.make()
        taken = await world.shares.snapshot(PLACE, {}, NOW)
        version = await world.delete("include")
        assert not world.live().exists()
        with pytest.raises(NotFound):
            await world.shares.get(PLACE)
        assert [(each.snapshot != "", each.version) for each in await world.listed()] == [
            (True, version), (False, version),
        ]  # fmt: skip
        before = (await world.listed())[-1].modified_at
        restored = await world.shares.restore(PLACE, version, NOW + DAY)
        assert (restored.version, restored.expires_at) == ("", None)
        assert restored.modified_at > before
        view = await world.files.look(PLACE, "f", directory=False)
        assert (view.facts.metadata, (world.live() / "f").read_bytes()) == ({"a": "1"}, b"hello")
        old = await world.files.look(Place("account", "share", taken.snapshot), "f", directory=False)
        assert old.item.size == 5
        assert not [path for path in (world.root / ".deleted").rglob("*") if path.is_file()]

    told(tmp_path, story)


def test_a_share_of_the_name_may_be_made_meanwhile(tmp_path: Path) -> None:
    """Then the deleted one cannot be restored, and each has its own files; the versions are told apart."""

    async def story(world: World) -> None:
        await world.make(b"first")
        first = await world.delete()
        await world.make(b"second")
        with pytest.raises(AlreadyExists):
            await world.shares.restore(PLACE, first, NOW)
        assert (world.live() / "f").read_bytes() == b"second"
        second = await world.delete()
        assert first != second
        await world.shares.restore(PLACE, first, NOW)
        assert (world.live() / "f").read_bytes() == b"first"

    told(tmp_path, story)


@pytest.mark.parametrize("version", ["", "0000000000000000"])
def test_what_is_not_kept_cannot_be_restored(tmp_path: Path, version: str) -> None:
    """Another version, and a share that lives."""

    async def story(world: World) -> None:
        await world.make()
        with pytest.raises(NotFound):
            await world.shares.restore(PLACE, version, NOW)
        assert (world.live() / "f").read_bytes() == b"hello"
        await world.delete()
        with pytest.raises(NotFound):
            await world.shares.restore(PLACE, version, NOW)
        assert not world.live().exists()

    told(tmp_path, story)


def test_its_days_end_on_the_clock(tmp_path: Path) -> None:
    """At the moment it cannot be restored any more, and upkeep takes its records, its files and its snapshots."""

    async def story(world: World) -> None:
        await world.make()
        await world.shares.snapshot(PLACE, {}, NOW)
        version = await world.delete("include")
        assert await world.shares.next_expiry() == NOW + 7 * DAY
        await world.shares.expire(NOW + 7 * DAY - 1)
        assert len(await world.listed()) == 2
        with pytest.raises(NotFound):
            await world.shares.restore(PLACE, version, NOW + 7 * DAY)
        world.clock.time = NOW + 7 * DAY
        upkeep = Upkeep(world.shares, world.clock)
        await upkeep.start()
        async with asyncio.timeout(30):
            while await world.shares.next_expiry() is not None:
                pass
        await upkeep.stop()
        assert await world.listed() == []
        assert not list((world.root / ".deleted" / "account" / "share").iterdir())

    told(tmp_path, story)


def test_news_of_a_deletion_wake_the_upkeep(tmp_path: Path) -> None:
    """It waits for nothing, hears of a share whose days are over already, and takes it."""

    async def story(world: World) -> None:
        world.clock.time = NOW + 8 * DAY
        upkeep = Upkeep(world.shares, world.clock)
        await upkeep.start()
        await world.make()
        await world.delete()
        async with asyncio.timeout(30):
            while await world.listed():
                pass
        await upkeep.stop()

    told(tmp_path, story)


def test_a_snapshot_is_deleted_for_good(tmp_path: Path) -> None:
    """Only whole shares are kept."""

    async def story(world: World) -> None:
        await world.make()
        taken = await world.shares.snapshot(PLACE, {}, NOW)
        await world.shares.delete(Place("account", "share", taken.snapshot), None, Claim(now=NOW))
        assert [(each.snapshot, each.version) for each in await world.listed()] == [("", "")]

    told(tmp_path, story)


def test_a_refused_deletion_keeps_the_share(tmp_path: Path) -> None:
    """Snapshots that nobody spoke of stand in the way, as without a while of grace."""

    async def story(world: World) -> None:
        await world.make()
        await world.shares.snapshot(PLACE, {}, NOW)
        with pytest.raises(WrongState):
            await world.delete()
        assert (world.live() / "f").read_bytes() == b"hello"
        assert {each.version for each in await world.listed()} == {""}

    told(tmp_path, story)


@pytest.mark.parametrize("made_again", [False, True])
def test_a_crash_between_record_and_folder_is_mended(tmp_path: Path, *, made_again: bool) -> None:
    """The record says deleted while the folder stands at its old place: the next start puts it away.

    A folder there that is a newer share's own stays.
    """

    async def story(world: World) -> None:
        await world.make()
        await world.delete()
        kept = (await world.listed())[-1]
        if made_again:
            await world.make(b"newer")
        else:
            await world.tree.move_share(place_of(kept), PLACE)
            assert world.live().exists()
        await world.shares.settle()
        if made_again:
            assert (world.live() / "f").read_bytes() == b"newer"
        else:
            assert not world.live().exists()
            await world.shares.restore(PLACE, kept.version, NOW)
            assert (world.live() / "f").read_bytes() == b"hello"

    told(tmp_path, story)


def test_without_days_nothing_is_kept(tmp_path: Path) -> None:
    """The record and the folder go at once."""

    async def story(world: World) -> None:
        await world.make()
        await Shares(world.store, world.tree).delete(PLACE, None, Claim(now=NOW))
        assert await world.listed() == []
        assert not world.live().exists()

    told(tmp_path, story)


def test_pages_go_on_among_deleted_ones(tmp_path: Path) -> None:
    """One at a time: live before deleted of a name, each once."""

    async def story(world: World) -> None:
        for _ in range(3):
            await world.make()
            await world.delete()
        await world.make()
        marker: tuple[str, ...] = ()
        versions = []
        while True:
            rows, marker = await world.shares.page("account", "", marker, 1, snapshots=False, deleted=True)
            versions += [row.version for row in rows]
            if not marker:
                break
        assert versions[0] == ""
        assert len(set(versions)) == 4
        assert [row.version for row in (await world.shares.page("account", "", (), 9, snapshots=True))[0]] == [""]

    told(tmp_path, story)


@pytest.mark.parametrize("other", ["starts", "finds its days over"])
def test_a_share_that_one_server_restores_is_left_alone_by_another(tmp_path: Path, other: str) -> None:
    """One that starts, or whose clock is further, comes while the files are back and the record is not."""

    async def story(world: World) -> None:
        world.root.mkdir()
        first, second = (Shares(world.store, DirectoryTree(str(world.root), shared=True), 7 * DAY) for _ in range(2))
        await world.make()
        version = await world.delete()
        moved, go, move = asyncio.Event(), asyncio.Event(), first._tree.move_share

        async def slowly(*places: Place) -> None:
            await move(*places)
            moved.set()
            await go.wait()

        first._tree.move_share = slowly  # type: ignore[method-assign]
        restoring = asyncio.create_task(first.restore(PLACE, version, NOW))
        await moved.wait()
        meanwhile = asyncio.create_task(second.settle() if other == "starts" else second.expire(NOW + 8 * DAY))  # type: ignore[arg-type]
        await asyncio.wait({meanwhile}, timeout=0.3)
        go.set()
        await asyncio.gather(restoring, meanwhile)
        assert (await world.shares.get(PLACE)).version == ""
        assert (world.live() / "f").read_bytes() == b"hello"

    told(tmp_path, story)
