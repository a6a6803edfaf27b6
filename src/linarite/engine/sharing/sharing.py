"""The rooms of file sharing put together, for the face and for whoever starts and stops them."""

from __future__ import annotations

from linarite.engine.ports import Clock
from linarite.engine.sharing.copying import Copies
from linarite.engine.sharing.files import Files
from linarite.engine.sharing.ports import ShareStore, Tree
from linarite.engine.sharing.service import Service
from linarite.engine.sharing.shares import Shares
from linarite.engine.sharing.upkeep import Upkeep


class Sharing:
    """File shares of all accounts. `retention` is for how long deleted shares are kept, in microseconds; 0: not."""

    def __init__(self, store: ShareStore, tree: Tree, clock: Clock, *, retention: int = 0) -> None:
        self.files, self.shares, self.service = Files(store, tree), Shares(store, tree, retention), Service(store)
        self.copies = Copies(store, tree, self.files, clock)
        self.upkeep = Upkeep(self.shares, clock)

    async def start(self) -> None:
        """Finish what an earlier run left, then do what time brings. Before anything is asked."""
        await self.files.recover()
        await self.upkeep.start()
        await self.copies.start()

    async def stop(self) -> None:
        """What is at work in the background ends."""
        await self.copies.stop()
        await self.upkeep.stop()
