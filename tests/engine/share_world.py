"""A share over a real tree and a real store, for stories about files without a face."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from linarite.engine.sharing import Files, Place, Share, Shares
from linarite.shares import DirectoryTree
from linarite.store import open_store

PLACE = Place("account", "share")
NOW = 1_700_000_000_000_000


class ShareWorld:
    """One share, its folder `disk`; `again` is the server's next start on the same disk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.disk = folder, folder / "shares" / "account" / "share"
        self.store = open_store(folder / "store.db")
        self.again()

    def again(self) -> None:
        self.tree = DirectoryTree(str(self.folder / "shares"))
        self.files, self.shares = Files(self.store, self.tree), Shares(self.store, self.tree)


W = TypeVar("W", bound=ShareWorld)


def play_in(made: Callable[[Path], W], folder: Path, story: Callable[[W], Awaitable[None]]) -> None:
    """Run a story in a world of its own."""

    async def run() -> None:
        world = made(folder)
        try:
            await world.shares.create(
                Share(account="account", name="share", created_at=NOW, modified_at=NOW, tier_changed_at=NOW)
            )
            await story(world)
        finally:
            await world.store.close()

    asyncio.run(run())
