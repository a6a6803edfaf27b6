"""A few threads that read, each with a connection of its own and a consistent view for each unit of work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import TypeVar

from sqlalchemy import Connection, Engine

from linarite.engine.ports import Transaction
from linarite.store.outcomes import translated
from linarite.store.transaction import SqlTransaction

T = TypeVar("T")
THREADS = 3


class Readers:
    """Runs units of work beside the writer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._mine = local()
        self._connections: list[Connection] = []
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store-reader", initializer=self._connect)

    def view(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on a view of now; runs in one of the threads."""
        connection: Connection = self._mine.connection
        transaction: SqlTransaction = self._mine.transaction
        try:
            with connection.begin() as view:
                result = work(transaction)
                view.rollback()
                return result
        except Exception as error:
            told = translated(error)
            if told is error:
                raise
            raise told from error

    def close(self) -> None:
        """Finish what is under way, then end. Blocks."""
        self.threads.shutdown()
        for connection in self._connections:
            connection.close()

    def _connect(self) -> None:
        connection = self._engine.connect()
        self._connections.append(connection)
        self._mine.connection = connection
        self._mine.transaction = SqlTransaction(connection)
