"""The one writer: a thread that runs units of work one after another and commits all that are waiting together.

A commit costs a flush to disk; units that arrive while one is under way share the next. Each unit of a shared
transaction has a savepoint, so that one that fails takes back its own changes and no other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread

from sqlalchemy import Engine

from linarite.store.link import Link
from linarite.store.units import Outcome, Queue, Unit, run, take, tell, unavailable

MOST_TOGETHER = 256


class Writer:
    """Runs the units of `queue` in their order.

    `share_changes` is another number after each commit that may have changed shares or facts of files.
    """

    def __init__(self, engine: Engine) -> None:
        self.queue = Queue()
        self.share_changes = 0
        self._link = Link(engine)
        self._thread = Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what is queued, then end. Blocks."""
        self.queue.put(None)
        self._thread.join()
        self._link.close()

    def _run(self) -> None:
        closing = False
        while not closing:
            units, closing = take(self.queue, MOST_TOGETHER)
            outcomes = self._commit(units)
            self.share_changes = self._link.uses_of_shares  # before anyone hears that something is other than it was
            tell(outcomes)

    def _commit(self, units: Sequence[Unit]) -> list[Outcome]:
        """Run units in one transaction. If that fails as a whole, none of them is known to have happened."""
        try:
            with self._link.begin() as transaction:
                if len(units) > 1:
                    return [self._run_apart(unit) for unit in units]
                outcomes = [run(unit, self._link.transaction) for unit in units]
                if any(outcome.error is not None for outcome in outcomes):
                    transaction.rollback()
                return outcomes
        except Exception as error:  # noqa: BLE001 - nothing is known to be on disk, whatever it was
            self._link.close()
            return [Outcome(unit.future, error=unavailable(error)) for unit in units]

    def _run_apart(self, unit: Unit) -> Outcome:
        # The driver's own cursor: SQLAlchemy's savepoints cost as much as a small unit's work.
        cursor = self._link.connection.connection.cursor()
        cursor.execute("SAVEPOINT unit")
        outcome = run(unit, self._link.transaction)
        if outcome.error is not None:
            cursor.execute("ROLLBACK TO SAVEPOINT unit")
        cursor.execute("RELEASE SAVEPOINT unit")
        cursor.close()
        return outcome
