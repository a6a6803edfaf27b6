"""Properties of files that other programs deleted: how long they stay, and when they never go."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path

import pytest
from tests.engine.share_world import NOW, PLACE, ShareWorld, play_in

from linarite.engine.sharing import Place, Share, forgetting
from linarite.engine.sharing.forgetting import GRACE, Forgetting
from linarite.engine.sharing.leases import Claim
from linarite.engine.sharing.views import Settings

NOTHING = Claim()


class Clock:
    def now(self) -> int:
        return NOW


class World(ShareWorld):
    """One share with files; `rounds` goes through all facts once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.forgetting = Forgetting(self.store, self.tree, Clock())

    async def make(self, *paths: str) -> None:
        for path in paths:
            await self.files.create(PLACE, path, 1, Settings(metadata={"of": path}), NOTHING)

    async def round(self, now: int) -> int:
        """How many steps it took."""
        steps = 0
        while not await self.forgetting.step(now):
            steps += 1
        return steps

    async def recorded(self) -> set[str]:
        return {path for _, path, _ in await self.store.read(lambda tx: tx.shares.some_facts((0, "", ""), 1000))}

    async def of(self, path: str) -> str | None:
        return (await self.files.look(PLACE, path, directory=False)).facts.metadata.get("of")


play = partial(play_in, World)


def test_what_was_deleted_is_forgotten_after_a_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From when that was first seen; a directory with all that was in it; a few at a time."""
    monkeypatch.setattr(forgetting, "AT_ONCE", 3)

    async def story(world: World) -> None:
        await world.files.create_directory(PLACE, "d", Settings())
        await world.make("f", "keep", "d/a", "d/b", "d/c")
        (world.disk / "f").unlink()
        assert await world.round(NOW) == 2
        shutil.rmtree(world.disk / "d")
        await world.round(NOW + GRACE - 1)
        assert len(await world.recorded()) == 6
        await world.round(NOW + GRACE)
        assert await world.recorded() == {"keep", "d", "d/a", "d/b", "d/c"}
        await world.round(NOW + 2 * GRACE - 1)
        assert await world.recorded() == {"keep"}
        assert await world.of("keep") == "keep"

    play(tmp_path, story)


def test_what_was_moved_is_found_until_then(tmp_path: Path) -> None:
    """And what is back at its path in time stays, with its time begun anew."""

    async def story(world: World) -> None:
        await world.make("a", "b", "c")
        for name in "abc":
            (world.disk / name).rename(world.disk / f"{name}2")
        await world.round(NOW)
        assert await world.of("a2") == "a"
        (world.disk / "b2").rename(world.disk / "b")
        await world.round(NOW + GRACE - 1)
        (world.disk / "b").rename(world.disk / "b2")
        (world.disk / "a2").rename(world.disk / "a3")
        await world.round(NOW + GRACE)
        assert [await world.of(name) for name in ("a3", "b2", "c2")] == ["a", "b", None]

    play(tmp_path, story)


def test_what_lost_its_path_to_another_goes_as_well(tmp_path: Path) -> None:
    """Unless it is found before."""

    async def story(world: World) -> None:
        await world.make("a", "b", "c", "d")
        (world.disk / "c").rename(world.disk / "c2")
        for name in "ac":
            (world.disk / {"a": "b", "c": "d"}[name]).rename(world.disk / name)
            await world.of(name)
        assert len(await world.recorded()) == 4
        await world.round(NOW)
        assert await world.of("c2") == "c"
        await world.round(NOW + GRACE)
        assert await world.recorded() == {"a", "c", "c2"}
        assert [await world.of(name) for name in ("a", "c", "c2")] == ["b", "d", "c"]

    play(tmp_path, story)


@pytest.mark.parametrize("how", ["absent", "empty", "no folder at all"])
def test_a_share_that_cannot_be_seen_keeps_everything(tmp_path: Path, how: str) -> None:
    """Its disk is not mounted, or that of all shares is not; the other shares are looked at all the same."""

    async def story(world: World) -> None:
        await world.files.create_directory(PLACE, "d", Settings())
        await world.make("f", "d/g")
        other = Place("account", "other")
        await world.shares.create(
            Share(account="account", name="other", created_at=NOW, modified_at=NOW, tier_changed_at=NOW)
        )
        for name in ("gone", "kept"):
            await world.files.create(other, name, 1, Settings(), NOTHING)
        (world.disk.parent / "other" / "gone").unlink()
        away = world.disk if how != "no folder at all" else world.disk.parent.parent
        away.rename(tmp_path / "away")
        if how == "empty":
            away.mkdir()
        for turn in range(3):
            await world.round(NOW + turn * GRACE)
        if how == "empty":
            away.rmdir()
        (tmp_path / "away").rename(away)
        assert await world.recorded() == {"d", "f", "d/g", "kept", *(["gone"] if how == "no folder at all" else [])}
        assert [await world.of(name) for name in ("f", "d/g")] == ["f", "d/g"]

    play(tmp_path, story)


def test_snapshots_and_deleted_shares_keep_theirs(tmp_path: Path) -> None:
    """No program may change what is in them."""

    async def story(world: World) -> None:
        await world.make("f", "g")
        snapshot = (await world.shares.snapshot(PLACE, {}, NOW)).snapshot
        (world.disk / "f").unlink()
        for turn in range(2):
            await world.round(NOW + turn * GRACE)
        then = Place("account", "share", snapshot)
        assert (await world.files.look(then, "f", directory=False)).facts.metadata == {"of": "f"}

    play(tmp_path, story)


def test_links_that_lead_nowhere_are_something(tmp_path: Path) -> None:
    """Also where a directory became a link out of the share: what cannot be seen is not taken for deleted."""

    async def story(world: World) -> None:
        await world.files.create_directory(PLACE, "d", Settings())
        await world.make("f", "d/g")
        (world.disk / "f").unlink()
        (world.disk / "f").symlink_to("nowhere")
        (world.disk / "d").rename(tmp_path / "elsewhere")
        (world.disk / "d").symlink_to(tmp_path / "elsewhere")
        for turn in range(2):
            await world.round(NOW + turn * GRACE)
        assert await world.recorded() == {"f", "d", "d/g"}

    play(tmp_path, story)


def test_a_server_does_it_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes on after a failure, and lets go when it is told to."""
    monkeypatch.setattr(forgetting, "PAUSE", 0.001)
    monkeypatch.setattr(forgetting, "ROUND", 0.001)
    monkeypatch.setattr(forgetting, "GRACE", 0)

    async def story(world: World) -> None:
        await world.make("f", "keep")
        (world.disk / "f").unlink()
        step, failed, rounds = world.forgetting.step, asyncio.Event(), asyncio.Semaphore(0)

        async def fails_once(now: int) -> bool:
            if not failed.is_set():
                failed.set()
                raise OSError("the disk")
            is_over = await step(now)
            if is_over:
                rounds.release()
            return is_over

        monkeypatch.setattr(world.forgetting, "step", fails_once)
        world.forgetting.start()
        async with asyncio.timeout(10):
            for _ in range(2):  # what is gone is noted, then forgotten
                await rounds.acquire()
        assert await world.recorded() == {"keep"}
        await world.forgetting.stop()

    play(tmp_path, story)
