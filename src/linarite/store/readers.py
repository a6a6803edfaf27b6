"""Two threads that read beside the writer, each with a connection of its own.

More threads would fight over Python's lock: three answered single reads slower than one. What is queued together is
looked up in one view of the store, begun after the last of it was asked for, and answered together.
"""

from __future__ import annotations

from threading import Thread

from sqlalchemy import Connection, Engine

from linarite.store.transaction import SqlTransaction
from linarite.store.units import Outcome, Queue, Unit, failed, run, take, tell

THREADS = 2
MOST_TOGETHER = 8


class Readers:
    """Runs the units of `queue`, in no order."""

    def __init__(self, engine: Engine) -> None:
        self.queue = Queue()
        self._engine = engine
        self._threads = [Thread(target=self._run, name=f"store-reader-{n}", daemon=True) for n in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Finish what is queued, then end. Blocks."""
        for _ in self._threads:
            self.queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with self._engine.connect() as connection:
            transaction = SqlTransaction(connection)
            closing = False
            while not closing:
                units, closing = take(self.queue, MOST_TOGETHER)
                tell([_look(unit, connection, transaction) for unit in units])
                connection.rollback()


def _look(unit: Unit, connection: Connection, transaction: SqlTransaction) -> Outcome:
    """Run a unit in the view that is open; one that fails ends it, for PostgreSQL answers nothing after an error."""
    try:
        if not connection.in_transaction():
            connection.begin()
    except Exception as error:  # noqa: BLE001 - the one who waits must hear of it
        return failed(unit, error)
    outcome = run(unit, transaction)
    if outcome.error is not None:
        connection.rollback()
    return outcome
