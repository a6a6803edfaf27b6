"""How work on many files is done: several at a time, each again and again for as long as there is patience."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from linarite.nodes.moving.errors import Stop, TransientError

T = TypeVar("T")
R = TypeVar("R")
AT_A_TIME = 8
"""Files of one run that are moved at a time."""

_FIRST_PAUSE = 0.25


class Patience:
    """For so many seconds, what failed is tried again where that may be worth it."""

    def __init__(self, seconds: float) -> None:
        """0 is none."""
        self._seconds = seconds

    def keep(self, stop: Stop, work: Callable[[], R]) -> R:
        """Do `work` until it is done. Raises what it raises, CancelledMoveError."""
        deadline = time.monotonic() + self._seconds
        pause = _FIRST_PAUSE
        while True:
            try:
                return work()
            except TransientError:
                if time.monotonic() + pause > deadline:
                    raise
            stop.pause(pause)
            pause *= 2


def each(items: Iterable[T], work: Callable[[T, Stop], None], outer: Stop) -> None:
    """Do `work` on each item, several at a time. The first failure stops the others, and is raised when they rest."""
    stop = Stop(outer)
    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="file") as threads:
        going: set[Future[None]] = set()
        try:
            for item in items:
                if len(going) >= AT_A_TIME:
                    going = _settle(going)
                going.add(threads.submit(work, item, stop))
            while going:
                going = _settle(going)
        except BaseException:
            stop.set()
            raise


def _settle(going: set[Future[None]]) -> set[Future[None]]:
    """Wait for one of the futures and give those that are left. Raises what it raised."""
    done, left = wait(going, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return left
