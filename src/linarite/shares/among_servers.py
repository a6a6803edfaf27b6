"""Holds on places among several servers of one tree, each of which is first in order by itself (`holds`).

A place is two bytes of a file that all servers lock: its *door* and its *room*. A server has the room for all of its
requests together: the first takes it, the last gives it back. Everyone looks whether the door is free first; who finds
the room taken waits at the door, so that whoever is in there leaves and nobody overtakes.

What a server held that was killed is free at once. What one holds that is frozen stays its own: it may go on to write.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import blake2b
from typing import TypeVar

import structlog

from linarite.engine.errors import Unavailable
from linarite.shares.holds import Holds
from linarite.shares.lock_file import LockFile

LONGEST_WAIT = 10.0
"""Seconds until a request that does not get what it needs is refused, for the client to try again."""
_LOOKS = 0.0005, 0.01
"""Seconds from one look at what is taken to the next: at first, and at most."""
_THREADS = 8
_FILE = ".locks"
T = TypeVar("T")
log = structlog.get_logger("linarite.shares")


class _Place:
    """A place that this server uses: where it stands in the file, by how many requests, and whether one comes in."""

    __slots__ = ("door", "entered", "room", "turn", "users", "wanted")

    def __init__(self, key: Hashable) -> None:
        digest = blake2b(repr(key).encode(), digest_size=8).digest()
        self.door = int.from_bytes(digest) >> 2 << 1  # below 2^63, where offsets end
        self.room = self.door + 1
        self.turn = asyncio.Lock()
        self.users, self.wanted, self.entered = 0, 0, False


class _Rooms:
    """The places that this server has among the others. For one event loop."""

    def __init__(self, file: LockFile) -> None:
        self._file = file
        self._places: dict[Hashable, _Place] = {}
        self._threads = [ThreadPoolExecutor(1, f"locks-{number}") for number in range(_THREADS)]

    async def enter(self, key: Hashable, *, alone: bool) -> None:
        """Wait until no other server keeps this one out. Raises OSError."""
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place(key)
        place.wanted += 1
        try:
            async with place.turn:
                place.entered = True
                try:
                    await self._go_in(place, alone=alone)
                    place.users += 1
                finally:
                    place.entered = False
        except BaseException:
            self._forget(key, place)
            raise

    def leave(self, key: Hashable) -> None:
        """End what `enter` began."""
        place = self._places[key]
        place.users -= 1
        if not place.users and not place.entered:  # who comes in just now may have been told that we have the room
            self._let_go(place, place.room)
        self._forget(key, place)

    async def _go_in(self, place: _Place, *, alone: bool) -> None:
        at_door, (pause, longest) = False, _LOOKS
        try:
            while not await self._call(place, self._try, place, alone, at_door):
                if not place.users:
                    self._let_go(place, place.room)  # of those who left meanwhile
                if not at_door:
                    at_door = await self._call(place, self._take, place.door, alone)
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
        except BaseException:
            if not place.users:  # a call that nobody waits for any more may have taken it
                self._let_go(place, place.room)
            self._let_go(place, place.door)
            raise
        if at_door:
            self._let_go(place, place.door)

    def _try(self, place: _Place, alone: bool, at_door: bool) -> bool:  # noqa: FBT001 - run on a thread by position
        if not at_door and not self._file.is_free(place.door, alone=alone):
            return False
        return place.users > 0 or self._take(place.room, alone)

    def _take(self, byte: int, alone: bool) -> bool:  # noqa: FBT001 - as _try
        return self._file.take(byte, alone=alone)

    async def _call(self, place: _Place, work: Callable[..., T], *arguments: object) -> T:
        if self._file.is_at_once:
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._thread(place), work, *arguments)

    def _let_go(self, place: _Place, byte: int) -> None:
        """Nobody waits for it: a place's calls are made on one thread, in their order."""
        if self._file.is_at_once:
            self._file.leave(byte)
        else:
            self._thread(place).submit(self._file.leave, byte).add_done_callback(_tell)

    def _thread(self, place: _Place) -> ThreadPoolExecutor:
        return self._threads[(place.door >> 1) % _THREADS]

    def _forget(self, key: Hashable, place: _Place) -> None:
        place.wanted -= 1
        if not place.wanted:
            del self._places[key]


class SharedHolds:
    """As `Holds`, also among all servers that have the same lock file; who waits too long is refused."""

    def __init__(self, file: LockFile, seconds: float = LONGEST_WAIT) -> None:
        self._here, self._rooms, self._seconds = Holds(), _Rooms(file), seconds

    @asynccontextmanager
    async def hold(self, wanted: Sequence[tuple[Hashable, bool]]) -> AsyncIterator[None]:
        """As `Holds.hold`. Raises Unavailable.

        All holds within this server come first: who has a room waits for rooms alone, and these have one order.
        """
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._seconds):
                    await stack.enter_async_context(self._here.hold(wanted))
                    for key, alone in wanted:
                        await self._rooms.enter(key, alone=alone)
                        stack.callback(self._rooms.leave, key)
            except TimeoutError as error:
                raise Unavailable("What this needs is in use by another server: try again.") from error
            except OSError as error:
                log.warning("files cannot be locked against other servers", why=str(error))
                raise Unavailable("Files cannot be locked against other servers just now.") from error
            yield


def holds(root: str, *, shared: bool) -> Holds | SharedHolds:
    """The holds of the tree below `root`. Raises OSError when it is `shared` and cannot be locked."""
    return SharedHolds(LockFile(f"{root}/{_FILE}")) if shared else Holds()


def _tell(done: Future[None]) -> None:
    if (error := done.exception()) is not None:
        log.warning("a lock on files is not given back", why=str(error))
