"""What time brings to file shares: deleted ones whose days are over. It waits for the next such moment or a signal."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from linarite.engine.ports import Clock
from linarite.engine.sharing.deletion import Deletion

LONGEST_SLEEP = 3_600_000_000
PAUSE = 60.0
"""Seconds until it tries again what failed."""
log = structlog.get_logger("linarite.sharing")


class Upkeep:
    """A loop beside the faces."""

    def __init__(self, deletion: Deletion, clock: Clock) -> None:
        self._deletion, self._clock = deletion, clock
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Finish what a crash left half done, then begin."""
        await self._deletion.settle()
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Let go of it."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except Exception:
                log.exception("the upkeep of file shares failed", again_in_seconds=PAUSE)
                await asyncio.sleep(PAUSE)

    async def _turn(self) -> None:
        self._deletion.news.clear()
        while await self._deletion.expire(self._clock.now()):
            pass
        due = await self._deletion.next_expiry()
        now = self._clock.now()
        moment = now + LONGEST_SLEEP if due is None else min(due, now + LONGEST_SLEEP)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, (moment - now) / 1_000_000)):
                await self._deletion.news.wait()
