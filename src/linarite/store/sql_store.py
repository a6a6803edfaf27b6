"""The store that the engine sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from linarite.engine.errors import Unavailable
from linarite.engine.ports import Transaction
from linarite.refusal import Refused
from linarite.store.database import has_little_room, hearing, is_shared, location, reading, writing
from linarite.store.listening import Listener
from linarite.store.migrations import bring_up_to_date
from linarite.store.readers import Readers
from linarite.store.transaction import SqlTransaction
from linarite.store.units import Queue, Unit
from linarite.store.writer import Writer

T = TypeVar("T")


class SqlStore:
    """Implements `engine.ports.Store` over SQL. Open it with `open_store`."""

    def __init__(self, where: str | Path) -> None:
        url = location(where)
        self._url, self._shared = url, is_shared(where)
        self._engines = writing(url), reading(url)
        bring_up_to_date(self._engines[0])
        self._writer = Writer(self._engines[0])
        self._readers = Readers(self._engines[1])
        self._closed = False

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self._done(self._writer.queue, work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._done(self._readers.queue, work)

    @property
    def shared(self) -> bool:
        return self._shared

    @property
    def share_changes(self) -> int | None:
        return None if self._shared else self._writer.share_changes

    def check_room(self) -> None:
        """Of SQLite's disk; how full another server's is it tells itself."""
        if not self._shared and self._url.database and has_little_room(self._url.database):
            raise Unavailable("The disk of the store is full.")

    def listen(self, told: Callable[[], object]) -> Callable[[], None]:
        return Listener(hearing(self._url), told).close if self.shared else lambda: None

    def read_now(self, work: Callable[[Transaction], T]) -> T:
        """Read on a connection of its own, blocking for some milliseconds: for what cannot wait and is seldom asked."""
        with self._engines[1].connect() as connection:
            return work(SqlTransaction(connection))

    async def close(self) -> None:
        """Commit what is queued and let go of the database. Closing twice does nothing."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._end)

    async def _done(self, queue: Queue, work: Callable[[Transaction], T]) -> T:
        if self._closed:
            raise Unavailable("The store is closed.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        queue.put(Unit(work, future))
        return await future

    def _end(self) -> None:
        self._readers.close()
        self._writer.close()
        for engine in self._engines:
            engine.dispose()


def open_store(where: str | Path) -> SqlStore:
    """Open the store at a path (SQLite) or an URL; make it, or bring it up to date, if it must be. Raises Refused."""
    try:
        return SqlStore(where)
    except (SQLAlchemyError, ImportError, OSError) as error:
        reason = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split()).rstrip(".?")
        raise Refused(f"The database cannot be used: {reason}.") from error
