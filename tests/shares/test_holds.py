"""Holds: many together or one alone, in the order in which they came."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from linarite.shares.holds import Holds


class Visit:
    """A task that takes a hold and keeps it until it is told to go."""

    def __init__(self, holds: Holds, *, alone: bool) -> None:
        self.inside, self.go = False, asyncio.Event()
        self.task = asyncio.create_task(self._stay(holds, alone=alone))

    async def _stay(self, holds: Holds, *, alone: bool) -> None:
        async with holds.hold([("key", alone)]):
            self.inside = True
            await self.go.wait()
        self.inside = False

    async def leave(self) -> None:
        self.go.set()
        await self.task


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_users_share_and_one_alone_waits_for_them() -> None:
    async def scene() -> None:
        holds = Holds()
        first, second, alone, late = (Visit(holds, alone=each) for each in (False, False, True, False))
        await settle()
        assert [each.inside for each in (first, second, alone, late)] == [True, True, False, False]
        await first.leave()
        await second.leave()
        await settle()
        assert [alone.inside, late.inside] == [True, False]
        await alone.leave()
        await settle()
        assert late.inside
        await late.leave()
        assert holds._holds == {}

    asyncio.run(scene())


def test_one_who_stops_waiting_leaves_no_trace() -> None:
    async def scene() -> None:
        holds = Holds()
        first, alone, late = (Visit(holds, alone=each) for each in (False, True, False))
        await settle()
        alone.task.cancel()
        with suppress(asyncio.CancelledError):
            await alone.task
        await settle()
        assert late.inside
        await first.leave()
        await late.leave()
        assert holds._holds == {}

    asyncio.run(scene())


def test_one_who_gives_up_in_the_moment_of_its_turn_leaves_nothing() -> None:
    """Its turn is the next one's, and a hold that nobody has is forgotten."""

    async def scene() -> None:
        holds = Holds()
        first, second = Visit(holds, alone=True), Visit(holds, alone=True)
        await settle()
        first.go.set()
        while first.inside:  # noqa: ASYNC110 - to the tick
            await asyncio.sleep(0)
        second.task.cancel()
        with suppress(asyncio.CancelledError):
            await second.task
        assert not second.inside
        assert holds._holds == {}

    asyncio.run(scene())
