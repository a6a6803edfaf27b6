"""Short calls that wait for the operating system, done on a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def on_thread(call: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - whatever the call takes
    """Do a short call on a thread; it is over when this is, cancelled or not: what it uses may be let go then."""
    work = asyncio.get_running_loop().run_in_executor(None, call, *args)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
