"""Properties of files that other programs deleted: forgotten once nothing has been at their path for a week.

A file that was moved is found again by its mark (`tracing`) until then. All facts are gone through, a few at a time,
round by round. Of a share that has nothing in it, or whose folder is not there, everything stays: its disk may be away.
"""

from __future__ import annotations

import asyncio

import structlog

from linarite.engine.errors import EngineError
from linarite.engine.ports import Clock
from linarite.engine.sharing.deletion import place_of
from linarite.engine.sharing.ports import ShareStore, ShareTransaction, Spot, Tree, is_displaced
from linarite.engine.sharing.records import Share

GRACE = 7 * 86_400_000_000
"""Microseconds."""
AT_ONCE = 500
PAUSE, ROUND = 5.0, 3600.0
"""Seconds from one step to the next, and from the end of a round to the next one."""
START: Spot = (0, "", "")
log = structlog.get_logger("linarite.sharing")

_Facts = tuple[Spot, str, int | None]


class Forgetting:
    """A loop beside the faces. Several servers may each have one."""

    def __init__(self, store: ShareStore, tree: Tree, clock: Clock) -> None:
        self._store, self._tree, self._clock = store, tree, clock
        self._after = START
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Let go of it."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _run(self) -> None:
        is_over = False
        while True:
            await asyncio.sleep(ROUND if is_over else PAUSE)
            try:
                is_over = await self.step(self._clock.now())
            except Exception:
                log.exception("properties of deleted files could not be looked for", again_in_seconds=ROUND)
                is_over = True

    async def step(self, now: int) -> bool:
        """Look at the next few facts, of one share; tells whether these were all there are."""
        found = await self._store.read(lambda tx: tx.shares.some_facts(self._after, AT_ONCE))
        if not found:
            self._after = START
            return True
        key = found[0][0][0]
        facts = [each for each in found if each[0][0] == key]
        share = await self._store.read(lambda tx: tx.shares.by_key(key))
        is_live = share is not None and not share.snapshot and not share.version
        if share is not None and is_live and await self._look(share, facts, now):
            self._after = facts[-1][0]
        else:
            self._after = (key + 1, "", "")
        return False

    async def _look(self, share: Share, facts: list[_Facts], now: int) -> bool:
        """Note what is gone and what is back, forget what was gone for long. False when the share cannot be seen."""
        paths = [path for _, path, _ in facts if path and not is_displaced(path)]
        try:
            there = await self._tree.there(place_of(share), paths)
        except EngineError:
            return False
        if there is None:
            return False
        present = {"", *(path for path, inode in zip(paths, there, strict=True) if inode is not None)}
        gone = [(path, lost) for _, path, lost in facts if path not in present]
        back = [path for _, path, lost in facts if path in present and lost is not None]
        if back or any(lost is None or lost + GRACE <= now for _, lost in gone):
            await self._store.write(lambda tx: _note(tx, share.key, gone, back, now))
        return True


def _note(tx: ShareTransaction, key: int, gone: list[tuple[str, int | None]], back: list[str], now: int) -> None:
    for path, lost in gone:
        if lost is None:
            tx.shares.note_lost(key, path, now)
        elif lost + GRACE <= now:
            tx.shares.forget_lost(key, path, lost)
    for path in back:
        tx.shares.note_lost(key, path, None)
