"""Two threads that read beside the writer, each with a connection of its own.

More threads would fight over Python's lock: three answered single reads slower than one. What is queued together is
looked up in one view of the store, begun after the last of it was asked for, and answered together.
"""

from __future__ import annotations

from threading import Thread

from sqlalchemy import Engine

from linarite.store.link import Link
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
        link = Link(self._engine)
        closing = False
        while not closing:
            units, closing = take(self.queue, MOST_TOGETHER)
            tell([_look(unit, link) for unit in units])
            _end_view(link)
        link.close()


def _look(unit: Unit, link: Link) -> Outcome:
    """Run a unit in the view that is open, once more if the database has ended the connection meanwhile."""
    outcome = _look_once(unit, link)
    return _look_once(unit, link) if outcome.error is not None and not link.connected else outcome


def _look_once(unit: Unit, link: Link) -> Outcome:
    """Run a unit in the view that is open; one that fails ends it, for PostgreSQL answers nothing after an error."""
    try:
        if not link.connection.in_transaction():
            link.connection.begin()
    except Exception as error:  # noqa: BLE001 - the one who waits must hear of it
        link.close()
        return failed(unit, error)
    outcome = run(unit, link.transaction)
    if outcome.error is not None:
        _end_view(link)
    return outcome


def _end_view(link: Link) -> None:
    """End the view that is open, if one is; and the connection with it, if the database has."""
    try:
        if link.lost:
            link.close()
        elif link.connected:
            link.connection.rollback()
    except Exception:  # noqa: BLE001 - the next unit connects anew, and hears of it if it cannot
        link.close()
