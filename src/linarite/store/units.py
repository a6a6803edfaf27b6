"""Units of work on their way: queued by a loop, run by a thread, answered to the loop."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from linarite.engine.errors import InvalidValue, Unavailable
from linarite.engine.ports import Transaction
from linarite.store.statements import is_a


class Unit(NamedTuple):
    """Work to do, and who waits for it."""

    work: Callable[[Transaction], Any]
    future: Future[Any]


class Outcome(NamedTuple):
    """What `future` is to hear: `value`, or `error` if there is one."""

    future: Future[Any]
    value: Any = None
    error: BaseException | None = None


Queue = SimpleQueue[Unit | None]


def take(queue: Queue, most: int) -> tuple[list[Unit], bool]:
    """Wait for a unit and take what else is there, up to `most`; tells also whether the end of work was among it."""
    units: list[Unit] = []
    item = queue.get()
    while item is not None:
        units.append(item)
        if len(units) == most:
            break
        try:
            item = queue.get_nowait()
        except Empty:
            break
    return units, item is None


def run(unit: Unit, transaction: Transaction) -> Outcome:
    """Do the work. Whatever it raises is for the one who waits: the thread goes on."""
    try:
        return Outcome(unit.future, unit.work(transaction))
    except BaseException as error:  # noqa: BLE001 - see above
        return failed(unit, error)


def failed(unit: Unit, error: BaseException) -> Outcome:
    """What an error comes to: a database that is full, locked or out of reach is `Unavailable`.

    Text that PostgreSQL cannot keep is the caller's own. A future cannot carry StopIteration.
    """
    if is_a(error, "OperationalError", "InterfaceError", "IdleInTransactionSessionTimeout"):
        error = unavailable(error)
    elif is_a(error, "DataError") and "NUL" in str(getattr(error, "orig", error)):
        error = InvalidValue("text", "\0", "it has a NUL character.")
    elif isinstance(error, StopIteration):
        error = RuntimeError("A unit of work raised StopIteration.")
    return Outcome(unit.future, error=error)


def unavailable(cause: BaseException) -> Unavailable:
    """What to tell when the store itself failed."""
    error = Unavailable("The store cannot be used just now.")
    error.__cause__ = cause
    return error


def tell(outcomes: Sequence[Outcome]) -> None:
    """Settle all futures, with one wake-up of each loop that waits (there is one, but in tests)."""
    by_loop: dict[AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome.future.get_loop(), []).append(outcome)
    for loop, some in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, some)


def _settle(outcomes: Sequence[Outcome]) -> None:
    for future, value, error in outcomes:
        if future.done():  # cancelled by the one who waited; the work stands all the same
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
