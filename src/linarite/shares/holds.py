"""Holds on paths: many may use a path at once, or one alone. First come, first served: nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class _Hold:
    __slots__ = ("alone", "users", "waiting")

    def __init__(self) -> None:
        self.users, self.alone = 0, False
        self.waiting: deque[tuple[bool, asyncio.Future[None]]] = deque()

    def take(self, *, alone: bool) -> bool:
        if self.alone or (alone and self.users):
            return False
        self.users, self.alone = self.users + 1, alone
        return True

    def wake(self) -> None:
        while self.waiting:
            alone, turn = self.waiting[0]
            if not turn.done():
                if not self.take(alone=alone):
                    return
                turn.set_result(None)
            self.waiting.popleft()


class Holds:
    """Holds by key, forgotten when nobody has them. For one event loop."""

    def __init__(self) -> None:
        self._holds: dict[Hashable, _Hold] = {}

    @asynccontextmanager
    async def hold(self, key: Hashable, *, alone: bool) -> AsyncIterator[None]:
        """Wait for one's turn."""
        hold = self._holds.setdefault(key, _Hold())
        if hold.waiting or not hold.take(alone=alone):
            await self._wait(hold, alone=alone)
        try:
            yield
        finally:
            self._leave(key, hold)

    async def _wait(self, hold: _Hold, *, alone: bool) -> None:
        turn = asyncio.get_running_loop().create_future()
        hold.waiting.append((alone, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                hold.users, hold.alone = hold.users - 1, False
            hold.wake()
            raise

    def _leave(self, key: Hashable, hold: _Hold) -> None:
        hold.users, hold.alone = hold.users - 1, False
        hold.wake()
        if not hold.users and not hold.waiting and self._holds.get(key) is hold:
            del self._holds[key]
