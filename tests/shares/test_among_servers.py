"""Holds among several servers on one lock file: in one process here, each with a description of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from linarite.engine.errors import Unavailable
from linarite.engine.sharing.ports import Place
from linarite.shares.among_servers import LONGEST_WAIT, SharedHolds
from linarite.shares.holds import steps
from linarite.shares.lock_file import LockFile

PLACE = Place("account", "share")
LONG, SHORT = 30.0, 0.2
WHO_COMES = 10.0


@pytest.fixture(params=[True, False], ids=["at-once", "on-threads"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], LockFile]]:
    """Open the lock file once more, as another server does: one in memory, or one of a network."""
    files: list[LockFile] = []

    def open_file() -> LockFile:
        files.append(LockFile(str(tmp_path / "locks")))
        assert files[-1].is_at_once, "tests run on a disk of this machine"
        files[-1].is_at_once = request.param
        return files[-1]

    yield open_file
    for file in files:
        file.close()


def play(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(LONG):
            await story()

    asyncio.run(bounded())


class Guest:
    """A task that has paths of a server until it is told to go."""

    def __init__(self, server: SharedHolds, *paths: str, alone: bool) -> None:
        self.go, self.inside = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._stay(server, paths, alone))

    async def _stay(self, server: SharedHolds, paths: tuple[str, ...], alone: bool) -> None:
        async with server.hold(steps(PLACE, paths, alone=alone)):
            self.inside.set()
            await self.go.wait()

    async def comes(self) -> None:
        async with asyncio.timeout(WHO_COMES):
            await self.inside.wait()

    async def leave(self) -> None:
        self.go.set()
        await self.task


@asynccontextmanager
async def visit(server: SharedHolds, *paths: str, alone: bool) -> AsyncIterator[None]:
    guest = Guest(server, *paths, alone=alone)
    await guest.comes()
    try:
        yield
    finally:
        await guest.leave()


def test_many_share_and_one_is_alone_among_all_servers(opened: Callable[[], LockFile]) -> None:
    """Whoever wants it alone waits for those of the other server, below the path too, and they for it."""

    async def story() -> None:
        one, two = (SharedHolds(opened(), SHORT) for _ in range(2))
        async with visit(one, "d/f", alone=False), visit(two, "d/f", alone=False), visit(one, "d/F", alone=False):
            for path in ("d/f", "D", ""):
                with pytest.raises(Unavailable):
                    async with two.hold(steps(PLACE, [path], alone=True)):
                        pass
            async with two.hold(steps(PLACE, ["d/other"], alone=True)):
                pass
        async with visit(one, "d", alone=True):
            for alone in (False, True):
                with pytest.raises(Unavailable):
                    async with two.hold(steps(PLACE, ["d/f"], alone=alone)):
                        pass
            async with (
                two.hold(steps(PLACE, ["e"], alone=True)),
                two.hold(steps(Place("account", "x"), ["d"], alone=True)),
            ):
                pass
        async with two.hold(steps(PLACE, [""], alone=True)):
            pass
        assert [server._rooms._places for server in (one, two)] == [{}, {}]

    play(story)


def test_who_comes_in_while_the_last_one_leaves_has_the_room(
    opened: Callable[[], LockFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread found that the server has it; before the request hears of that, the one who had it goes."""

    async def story() -> None:
        one, two = (SharedHolds(opened(), SHORT) for _ in range(2))
        first = Guest(one, "f", alone=False)
        await first.comes()
        call, file = one._rooms._call, list(one._rooms._places.values())[-1]

        async def late(place: Any, work: Callable[..., Any], *arguments: object) -> Any:
            found = await call(place, work, *arguments)
            if place is file:
                await first.leave()
            return found

        monkeypatch.setattr(one._rooms, "_call", late)
        async with visit(one, "f", alone=False):
            with pytest.raises(Unavailable):
                async with two.hold(steps(PLACE, ["f"], alone=True)):
                    pass
        async with two.hold(steps(PLACE, ["f"], alone=True)):
            pass

    play(story)


def test_one_alone_is_not_passed_over_by_those_who_share(opened: Callable[[], LockFile]) -> None:
    """Others come all the time, one before the last one goes: who waits at the door is next all the same."""

    async def story() -> None:
        one, two = (SharedHolds(opened(), LONG) for _ in range(2))
        over, came = asyncio.Event(), asyncio.Queue[None]()

        async def come() -> None:
            while not over.is_set():
                async with one.hold(steps(PLACE, ["f"], alone=False)):
                    came.put_nowait(None)
                    await asyncio.sleep(0.003)

        crowd = [asyncio.create_task(come()) for _ in range(5)]
        for _ in range(20):
            await came.get()
        async with asyncio.timeout(WHO_COMES), two.hold(steps(PLACE, ["f"], alone=True)):
            before = came.qsize()
            await asyncio.sleep(0.02)
            assert came.qsize() == before
        for _ in range(before + 20):
            await came.get()
        over.set()
        await asyncio.gather(*crowd)

    play(story)


def test_who_gives_up_or_is_refused_leaves_nothing_locked(opened: Callable[[], LockFile]) -> None:
    """Neither door nor room, whenever it is called off; and what it had on the way is free."""

    async def story() -> None:
        one, two, three = (SharedHolds(opened(), LONG) for _ in range(3))
        async with visit(one, "d/f", alone=True):
            for turns in (0, 1, 2, 3, 5, 8, 200):
                guest = Guest(two, "d/f", alone=turns % 2 == 0)
                for _ in range(turns):
                    await asyncio.sleep(0)
                guest.task.cancel()
                assert isinstance((await asyncio.gather(guest.task, return_exceptions=True))[0], asyncio.CancelledError)
            async with asyncio.timeout(WHO_COMES), three.hold(steps(PLACE, ["d/g"], alone=True)):
                pass
        async with asyncio.timeout(WHO_COMES), three.hold(steps(PLACE, [""], alone=True)):
            pass

    play(story)


def test_nobody_waits_for_another_in_a_circle(opened: Callable[[], LockFile]) -> None:
    """Paths in any order, above and below each other, on three servers: all are done, no two at one at once."""

    async def story() -> None:
        servers = [SharedHolds(opened(), LONG) for _ in range(3)]
        chance, inside = random.Random(4), dict[str, int]()
        paths = ["a", "a/b", "a/b/c", "d", "d/e", ""]

        async def work(server: SharedHolds, wanted: list[str], alone: bool) -> None:
            async with server.hold(steps(PLACE, wanted, alone=alone)):
                for path in wanted:
                    inside[path] = inside.get(path, 0) + (1000 if alone else 1)
                    assert inside[path] == 1000 or inside[path] < 1000
                await asyncio.sleep(0.001)
                for path in wanted:
                    inside[path] -= 1000 if alone else 1

        await asyncio.gather(
            *(
                work(chance.choice(servers), chance.sample(paths, chance.choice([1, 2])), chance.random() < 0.5)
                for _ in range(200)
            )
        )
        assert set(inside.values()) == {0}

    play(story)


def _hold_for_ever(path: str, pipe: multiprocessing.connection.Connection) -> None:
    async def stay() -> None:
        async with SharedHolds(LockFile(path)).hold(steps(PLACE, ["f"], alone=True)):
            pipe.send("inside")
            await asyncio.Event().wait()

    asyncio.run(stay())


def test_what_a_killed_process_held_is_free_and_what_a_frozen_one_holds_is_not(tmp_path: Path) -> None:
    """Frozen, it may go on to write: others are refused in time. Everything else goes on."""
    path = str(tmp_path / "locks")
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_hold_for_ever, args=(path, far))
    process.start()
    assert near.recv() == "inside"
    os.kill(process.pid, signal.SIGSTOP)

    async def story() -> None:
        impatient, patient = SharedHolds(LockFile(path), SHORT), SharedHolds(LockFile(path), LONGEST_WAIT)
        for alone in (False, True):
            with pytest.raises(Unavailable):
                async with impatient.hold(steps(PLACE, ["f"], alone=alone)):
                    pass
        async with impatient.hold(steps(PLACE, ["g"], alone=True)):
            pass
        waiting = Guest(patient, "f", alone=True)
        await asyncio.wait({waiting.task}, timeout=SHORT)
        os.kill(process.pid, signal.SIGKILL)
        await waiting.comes()
        await waiting.leave()

    try:
        play(story)
    finally:
        process.kill()
        process.join()


def test_a_lock_file_that_cannot_be_used_refuses(tmp_path: Path) -> None:
    """A disk that answers no lock is no leave to go on without one."""

    async def story() -> None:
        file = LockFile(str(tmp_path / "locks"))
        file.close()
        with pytest.raises(Unavailable):
            async with SharedHolds(file).hold(steps(PLACE, ["f"], alone=True)):
                pass

    play(story)
