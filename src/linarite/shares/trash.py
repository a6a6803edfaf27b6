"""What lies in the trash of a tree, removed in the background. Drafts are made there as well, by any of its servers.

What may not enter: what is to go, and how it comes there (`roots`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

from linarite.engine.errors import Unavailable
from linarite.fs import Beneath
from linarite.shares import roots
from linarite.shares.among_servers import SharedHolds
from linarite.shares.holds import Holds
from linarite.shares.threads import on_thread


class Trash:
    """That of the tree below `root`, whose places are held by `holds`. For one event loop."""

    def __init__(self, root: Beneath, holds: Holds | SharedHolds) -> None:
        self._root, self._holds = root, holds
        self._at_work: set[asyncio.Future[None]] = set()

    def drafting(self) -> AbstractAsyncContextManager[None]:
        """Keep `sweep`, another server's too, from what is made there meanwhile."""
        return self._holds.hold([(roots.TRASH, False)])

    def remove(self, folder: str) -> None:
        """Remove what `roots.drop` put there ("": nothing)."""
        if folder:
            self.in_background(roots.sweep, self._root, folder)

    def sweep(self) -> None:
        """Remove all that lies there: what servers left that were killed."""
        self._keep(asyncio.ensure_future(self._sweep()))

    async def _sweep(self) -> None:
        with suppress(Unavailable):  # another server is at a draft for long: at the next start then
            async with self._holds.hold([(roots.TRASH, True)]):
                left = await on_thread(roots.left, self._root)
            for folder in left:
                self.remove(folder)

    def in_background(self, work: Callable[..., None], *arguments: object) -> None:
        """Do it on a thread; nobody waits for it."""
        self._keep(asyncio.get_running_loop().run_in_executor(None, work, *arguments))

    def _keep(self, work: asyncio.Future[None]) -> None:
        self._at_work.add(work)
        work.add_done_callback(self._at_work.discard)
