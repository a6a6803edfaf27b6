"""Short calls that wait for the operating system, done on a thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


async def on_thread(call: Callable[..., T], *args: Any, among: Executor | None = None) -> T:  # noqa: ANN401 - its own
    """Do a short call on a thread; it is over when this is, cancelled or not: what it uses may be let go then.

    `among`: the threads that may do it; None: those of the loop, many.
    """
    work = asyncio.get_running_loop().run_in_executor(among, call, *args)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


class Few:
    """As many threads as there are processors, for calls that keep one busy: more would only be in each other's way.

    Many threads that copy megabytes at once take the processor from the one that holds Python's lock, and all wait.
    """

    def __init__(self, name: str) -> None:
        """`name` is what its threads are called."""
        self._count = max(2, os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(self._count, name)
        self._asked = 0

    async def do(self, call: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - its own
        """Do a call, which waits for nothing, as `on_thread` does."""
        self._asked += 1
        try:
            return await on_thread(call, *args, among=self._threads)
        finally:
            self._asked -= 1

    @property
    def are_wanted(self) -> bool:
        """Whether a call waits for a thread: those that run should end soon."""
        return self._asked > self._count
