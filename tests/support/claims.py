"""Which runs were claimed on the shared folder of a Slurm cluster, and by whom: the kernel tells of each."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CREATED, _WRITTEN, _OVERFLOW = 0x100, 0x8, 0x4000
_HEAD = struct.Struct("iIII")
_LOOK = 0.2


class Claims:
    """Runs by their names: `started` on a machine, or `taken` by a server so that they never are.

    A machine opens the file that it makes, and closes it; a server's claim is a link. The first claim of a run counts.
    Source: man page inotify(7).
    """

    def __init__(self, folder: Path) -> None:
        self.started, self._made = set[str](), list[str]()
        self.whole = True
        libc = ctypes.CDLL(None, use_errno=True)
        self._events = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._events < 0 or libc.inotify_add_watch(self._events, os.fsencode(folder), _CREATED | _WRITTEN) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))

    @property
    def taken(self) -> set[str]:
        return {*self._made} - self.started

    def follow(self, over: threading.Event) -> None:
        """Take note of what is told until it is over."""
        with os.fdopen(self._events, "rb", buffering=0) as events:
            while not over.is_set():
                if select.select([events], [], [], _LOOK)[0]:
                    self._read(os.read(events.fileno(), 64 * 1024))

    def _read(self, told: bytes) -> None:
        while told:
            _, mask, _, length = _HEAD.unpack_from(told)
            name = told[_HEAD.size : _HEAD.size + length].rstrip(b"\0").decode()
            told = told[_HEAD.size + length :]
            self.whole = self.whole and not mask & _OVERFLOW
            if mask & _CREATED:
                self._made.append(name)
            elif mask & _WRITTEN and self._made.count(name) == 1:
                self.started.add(name)


@contextmanager
def watched_claims(data: Path) -> Iterator[Claims]:
    """Those below a server's folder, which is at work with one user's spool, from now on."""
    (folder,) = data.glob("slurm/*/state/claims")
    claims, over = Claims(folder), threading.Event()
    thread = threading.Thread(target=claims.follow, args=(over,), daemon=True)
    thread.start()
    try:
        yield claims
    finally:
        over.set()
        thread.join()
