"""The tree's work on threads; what the operating system refuses there becomes a refusal of the engine's."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import TypeVar, cast

from linarite.engine.errors import (
    AlreadyExists,
    InvalidValue,
    NotAllowed,
    NotFound,
    PathRefused,
    Unavailable,
    WrongState,
)
from linarite.fs import Escapes

T = TypeVar("T")


async def on_thread(work: Callable[..., T], *arguments: object) -> T:
    """Run `work` on a thread. It is over when this is, also when this is called off: then what is held for it may go.

    Work that is called off before it began is not done.
    """
    turn = iter((True,))  # for the thread that begins or for who calls it off, whoever is first
    future = asyncio.get_running_loop().run_in_executor(None, lambda: work(*arguments) if next(turn, False) else None)
    try:
        return cast("T", await asyncio.shield(future))
    except asyncio.CancelledError:
        if not next(turn, False):
            await asyncio.wait([future])
            future.exception()  # nobody is there to be told
        raise
    except OSError as error:
        raise _refusal(error) from error


def _refusal(error: OSError) -> Exception:
    name = str(error.filename or "")
    if isinstance(error, Escapes):
        return PathRefused(f"The path {name!r} leaves its share.")
    if isinstance(error, IsADirectoryError):
        return WrongState("resource", "directory", "use as a file")
    if isinstance(error, BlockingIOError):  # a moment until it gives it back, as the kernel has told it to
        return Unavailable("Another program has the file to itself: try again.")
    if isinstance(error, PermissionError):
        return NotAllowed("The server may not touch this file.")
    if isinstance(error, FileNotFoundError):
        return NotFound("resource", name)
    by_code: dict[int | None, Exception] = {
        errno.ENOTDIR: NotFound("parent", name),
        errno.EEXIST: AlreadyExists("resource", name),
        errno.ETXTBSY: WrongState("resource", "in use", "change"),  # a program that runs
        errno.ENOTEMPTY: WrongState("directory", "not empty", "delete"),
        errno.ELOOP: NotFound("resource", name),
        errno.ENAMETOOLONG: InvalidValue("path", name, "length"),
        errno.ENOSPC: WrongState("share", "full", "write"),
        errno.EDQUOT: WrongState("share", "full", "write"),
        errno.EFBIG: WrongState("share", "full", "write"),
    }
    return by_code.get(error.errno, error)
