"""What is remembered of shares and files between requests: never longer than it is so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from linarite.engine.errors import NotFound
from linarite.engine.sharing import Files, Place, Share, Shares
from linarite.engine.sharing import known as knowing
from linarite.engine.sharing.known import Known
from linarite.engine.sharing.leases import Claim, acquire
from linarite.engine.sharing.views import Settings
from linarite.shares import DirectoryTree
from linarite.store import open_store

PLACE = Place("account", "share")
NOW = 1_700_000_000_000_000
CLAIM = Claim(now=NOW)
LEASE = "00000000-1111-2222-3333-444444444444"


class Counted:
    """A store that counts reads; `share_changes` may be made None, as where others write too."""

    def __init__(self, path: Path) -> None:
        self._store, self.reads, self.alone = open_store(path), 0, True

    def check_room(self) -> None:
        self._store.check_room()

    @property
    def share_changes(self) -> int | None:
        return self._store.share_changes if self.alone else None

    async def read(self, work: Callable[[Any], Any]) -> Any:
        self.reads += 1
        return await self._store.read(work)

    async def write(self, work: Callable[[Any], Any]) -> Any:
        return await self._store.write(work)

    async def close(self) -> None:
        await self._store.close()


def play(folder: Path, story: Callable[[Counted, Files, Shares], Awaitable[None]]) -> None:
    async def run() -> None:
        store, tree = Counted(folder / "store.db"), DirectoryTree(str(folder / "shares"))
        try:
            files, shares = Files(store, tree), Shares(store, tree)
            await shares.create(
                Share(account="account", name="share", created_at=NOW, modified_at=NOW, tier_changed_at=NOW)
            )
            await files.create(PLACE, "f", 10, Settings(metadata={"a": "1"}), CLAIM)
            await story(store, files, shares)
        finally:
            await store.close()

    asyncio.run(run())


def test_store_is_asked_once_as_long_as_nothing_changes(tmp_path: Path) -> None:
    async def story(store: Counted, files: Files, shares: Shares) -> None:
        await files.look(PLACE, "f", directory=False)
        before = store.reads
        for _ in range(3):
            await files.look(PLACE, "f", directory=False)
            await files.write(PLACE, "f", 0, b"x", CLAIM)
        assert store.reads == before
        await store.write(lambda tx: tx.documents.put("kind", "name", {}))  # no change of shares
        await files.look(PLACE, "f", directory=False)
        assert store.reads == before

    play(tmp_path, story)


def test_every_change_is_seen_by_the_next_request(tmp_path: Path) -> None:
    """Metadata, a lease, a share that goes and comes again."""

    async def story(store: Counted, files: Files, shares: Shares) -> None:
        assert (await files.look(PLACE, "f", directory=False)).facts.metadata == {"a": "1"}
        await files.change(PLACE, "f", Settings(metadata={"a": "2"}), CLAIM, directory=False)
        assert (await files.look(PLACE, "f", directory=False)).facts.metadata == {"a": "2"}
        await files.set_lease(PLACE, "f", lambda lease: (acquire(lease, LEASE, -1, NOW), 0))
        assert (await files.look(PLACE, "f", directory=False)).facts.lease.id == LEASE
        await shares.delete(PLACE, None, CLAIM)
        with pytest.raises(NotFound):
            await files.look(PLACE, "f", directory=False)

    play(tmp_path, story)


def test_what_was_read_before_a_commit_is_not_kept_after_it(tmp_path: Path) -> None:
    """A read that a commit overtakes gives what was then; the next one asks again."""

    async def story(store: Counted, files: Files, shares: Shares) -> None:
        known, read = Known(store), store.read

        async def overtaken(work: Callable[[Any], Any]) -> Any:
            store.read = read  # type: ignore[method-assign]
            found = await read(work)
            await files.change(PLACE, "f", Settings(metadata={"a": "2"}), CLAIM, directory=False)
            return found

        store.read = overtaken  # type: ignore[method-assign]
        _, facts = await known.get(PLACE, "f")
        assert facts.metadata == {"a": "1"}
        _, facts = await known.get(PLACE, "f")
        assert facts.metadata == {"a": "2"}

    play(tmp_path, story)


def test_a_change_that_its_caller_did_not_wait_for_is_seen(tmp_path: Path) -> None:
    """Whoever gives up waiting for a commit does not take it back."""

    async def story(store: Counted, files: Files, shares: Shares) -> None:
        share, facts = await Known(store).get(PLACE, "f")
        known = Known(store)
        await known.get(PLACE, "f")
        facts.metadata = {"a": "2"}
        writing = asyncio.create_task(store.write(lambda tx: tx.shares.put_facts(share.key, "f", facts)))
        await asyncio.sleep(0)
        writing.cancel()
        await store.write(lambda _: None)  # the one after it
        assert (await known.get(PLACE, "f"))[1].metadata == {"a": "2"}

    play(tmp_path, story)


def test_nothing_is_kept_where_others_write_too(tmp_path: Path) -> None:
    async def story(store: Counted, files: Files, shares: Shares) -> None:
        store.alone, known = False, Known(store)
        before = store.reads
        for _ in range(3):
            await known.get(PLACE, "f")
        assert store.reads == before + 3

    play(tmp_path, story)


def test_no_more_than_some_paths_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowing, "MOST", 2)

    async def story(store: Counted, files: Files, shares: Shares) -> None:
        known = Known(store)
        for path in ("a", "b", "c", "b", "c"):
            await known.get(PLACE, path)
        before = store.reads
        await known.get(PLACE, "c")
        assert store.reads == before
        await known.get(PLACE, "a")
        assert store.reads == before + 1

    play(tmp_path, story)
