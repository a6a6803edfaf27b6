"""How a unit of work ended, and how the thread that ran it tells the loop that waits."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy.exc import InterfaceError, OperationalError

from linarite.engine.errors import Unavailable


class Outcome(NamedTuple):
    """What `future` is to hear: `value`, or `error` if there is one."""

    future: Future[Any]
    value: Any = None
    error: BaseException | None = None


def translated(error: BaseException) -> BaseException:
    """A database that cannot be reached, is full or locked is `Unavailable`; a future cannot carry StopIteration."""
    if isinstance(error, OperationalError | InterfaceError):
        told: BaseException = Unavailable("The store cannot be used just now.")
    elif isinstance(error, StopIteration):
        told = RuntimeError("A unit of work raised StopIteration.")
    else:
        return error
    told.__cause__ = error
    return told


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
        if future.done():  # cancelled by whoever waited; the work stands all the same
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
