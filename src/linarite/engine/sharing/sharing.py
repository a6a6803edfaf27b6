"""The rooms of file sharing put together, for the face and for whoever starts and stops them."""

from __future__ import annotations

import asyncio

import structlog

from linarite.engine.ports import Clock
from linarite.engine.sharing.copying import Copies
from linarite.engine.sharing.elsewhere import Elsewhere, Nowhere
from linarite.engine.sharing.files import Files
from linarite.engine.sharing.forgetting import Forgetting
from linarite.engine.sharing.ports import ALONE, Presence, ShareStore, Tree
from linarite.engine.sharing.service import Service
from linarite.engine.sharing.shares import Shares
from linarite.engine.sharing.upkeep import Upkeep

LOOK = 10.0
"""Seconds from one look at what other servers left to the next."""
log = structlog.get_logger("linarite.sharing")


class Sharing:
    """File shares of all accounts. `retention` is for how long deleted shares are kept, in microseconds; 0: not.

    `presence` tells this server from others on the same shares; None when there are none. `elsewhere` are the other
    servers that copies read from, none when it is not given. It is closed with the rest.
    """

    def __init__(
        self, store: ShareStore, tree: Tree, clock: Clock, *, retention: int = 0, presence: Presence | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:  # fmt: skip
        here, self.elsewhere = presence or ALONE, elsewhere or Nowhere()
        self.files, self.shares = Files(store, tree, here), Shares(store, tree, retention, here)
        self.service = Service(store)
        self.copies = Copies(store, tree, self.files, clock, here, self.elsewhere)
        self.upkeep, self.forgetting = Upkeep(self.shares, clock), Forgetting(store, tree, clock)
        self._shared = presence is not None
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Finish what an earlier run left, then do what time brings. Before anything is asked."""
        await self.files.recover()
        await self.upkeep.start()
        await self.copies.start()
        self.forgetting.start()
        if self._shared:
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        """Take up what other servers leave when they end."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.files.recover()
                await self.copies.start()
            except Exception:
                log.exception("what other servers left could not be taken up", again_in_seconds=LOOK)

    async def stop(self) -> None:
        """What is at work in the background ends."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self.forgetting.stop()
        await self.copies.stop()
        await self.elsewhere.close()
        await self.upkeep.stop()
