"""The one writer: a thread that runs units of work one after another and commits all that are waiting together.

A commit costs a flush to disk; units that arrive while one is under way share the next. Each unit of a shared
transaction has a savepoint, so that one that fails takes back its own changes and no other's.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from linarite.engine.ports import Transaction
from linarite.store.outcomes import Outcome, tell, translated
from linarite.store.transaction import SqlTransaction

MOST_TOGETHER = 256


class Unit(NamedTuple):
    """Work to do, and who waits for it."""

    work: Callable[[Transaction], Any]
    future: Future[Any]


class Writer:
    """Runs units in the order in which they were put in."""

    def __init__(self, engine: Engine) -> None:
        self._connection = engine.connect()
        self._transaction = SqlTransaction(self._connection)
        self._queue: SimpleQueue[Unit | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def put(self, work: Callable[[Transaction], Any], future: Future[Any]) -> None:
        """Queue a unit; `future` hears of it once it is on disk, or why it is not."""
        self._queue.put(Unit(work, future))

    def close(self) -> None:
        """Finish what is queued, then end. Blocks."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while True:
            units, closing = self._take()
            if units:
                tell(self._commit(units))
            if closing:
                return

    def _take(self) -> tuple[list[Unit], bool]:
        """Wait for a unit; take what else is there."""
        units: list[Unit] = []
        item = self._queue.get()
        while item is not None:
            units.append(item)
            if len(units) == MOST_TOGETHER:
                break
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
        return units, item is None

    def _commit(self, units: Sequence[Unit]) -> list[Outcome]:
        """Run units in one transaction. If that fails as a whole, none of them happened."""
        try:
            with self._connection.begin() as transaction:
                if len(units) > 1:
                    return [self._run_apart(unit) for unit in units]
                outcome = self._run_alone(units[0])
                if outcome.error is not None:
                    transaction.rollback()
                return [outcome]
        except DBAPIError as error:
            return [Outcome(unit.future, error=translated(error)) for unit in units]

    def _run_alone(self, unit: Unit) -> Outcome:
        try:
            return Outcome(unit.future, unit.work(self._transaction))
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it, and the thread must live
            return Outcome(unit.future, error=translated(error))

    def _run_apart(self, unit: Unit) -> Outcome:
        self._connection.exec_driver_sql("SAVEPOINT unit")
        outcome = self._run_alone(unit)
        if outcome.error is not None:
            self._connection.exec_driver_sql("ROLLBACK TO SAVEPOINT unit")
        self._connection.exec_driver_sql("RELEASE SAVEPOINT unit")
        return outcome
