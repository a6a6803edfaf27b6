"""Holds on places: many may use one at once, or one alone. First come, first served: nobody waits for ever.

Who needs several takes them in the one order of all keys, so that no two wait for each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager

from linarite.engine.sharing.names import fold
from linarite.engine.sharing.ports import Place


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
    async def hold(self, wanted: Sequence[tuple[Hashable, bool]]) -> AsyncIterator[None]:
        """Wait for one's turn at each key, alone where it says so; `wanted` stands in the order of all keys."""
        taken: list[tuple[Hashable, _Hold]] = []
        try:
            for key, alone in wanted:
                hold = self._holds.setdefault(key, _Hold())
                if hold.waiting or not hold.take(alone=alone):
                    await self._wait(key, hold, alone=alone)
                taken.append((key, hold))
            yield
        finally:
            for key, hold in reversed(taken):
                self._leave(key, hold)

    async def _wait(self, key: Hashable, hold: _Hold, *, alone: bool) -> None:
        turn = asyncio.get_running_loop().create_future()
        hold.waiting.append((alone, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(key, hold)
            else:
                hold.wake()
            raise

    def _leave(self, key: Hashable, hold: _Hold) -> None:
        hold.users, hold.alone = hold.users - 1, False
        hold.wake()
        if not hold.users and not hold.waiting and self._holds.get(key) is hold:
            del self._holds[key]


def steps(place: Place, paths: Sequence[str], *, alone: bool) -> list[tuple[Hashable, bool]]:
    """The holds that a use of paths takes: the directories above with others, from the share down, then the paths."""
    found: dict[tuple[str, ...], bool] = {}
    for path in paths:
        parts = tuple(fold(path).split("/")) if path else ()
        for length in range(len(parts)):
            found.setdefault(parts[:length], False)
        found[parts] = alone
    return [((place, parts), found[parts]) for parts in sorted(found)]
