"""How much of the disk each share takes: counted once, followed by what is changed here, and counted again.

What other programs change is found out by counting again: in the background now and then, and before anything is
refused. A quota that the whole disk cannot fill needs no counting. What may not enter: how a share is changed.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from linarite.engine.errors import WrongState
from linarite.engine.sharing.ports import Place
from linarite.fs import Beneath
from linarite.shares import roots

BLOCK = 512
_SHARES = 1024
_STALE_SECONDS, _FRESH_SECONDS, _TIMES = 60.0, 1.0, 20
_QUICK_SECONDS = 0.05
"""A counting that takes less is done again before anything is refused, however fresh the last one is."""
_TRIES = 4
"""Countings of a share that is changed meanwhile; then what was added meanwhile counts twice, until the next time."""


def check_length(size: int, limit: int | None) -> None:
    """A file cannot be longer than its share may be large: it could never be filled."""
    if limit is not None and size > limit:
        raise WrongState("share", "full", "write")


class _Count:
    """Bytes of a share; `reserved` are those that changes under way may add. `seconds`: how long counting took.

    `moves` is how often `bytes` has moved, `added` by how much it has ever grown.
    """

    __slots__ = ("added", "at", "bytes", "counting", "moves", "reserved", "seconds", "walking")

    def __init__(self) -> None:
        self.bytes, self.reserved, self.counting = 0, 0, False
        self.at, self.seconds = 0.0, 0.0
        self.moves, self.added = 0, 0
        self.walking = threading.Lock()

    @property
    def unknown(self) -> bool:
        return not self.at


class _Open:
    """A file that is being changed: its blocks as they were last counted, and whose turn it is to change them.

    `blocks` None: they are not known yet, and nobody has changed them. `looking` is held by who asks the disk for them.
    """

    __slots__ = ("blocks", "looking", "turn", "users")

    def __init__(self) -> None:
        self.blocks: int | None = None
        self.users = 0
        self.turn, self.looking = threading.Lock(), threading.Lock()


class Usage:
    """The shares below one root; for many threads."""

    def __init__(self, root: str) -> None:
        self._root = Beneath(root)
        self._known: OrderedDict[Place, _Count] = OrderedDict()
        self._open: dict[tuple[int, int], _Open] = {}
        self._lock = threading.Lock()
        self._disk, self._disk_until = 0, 0.0

    def count(self, place: Place) -> int:
        """Bytes on disk of a share, counted now."""
        with self._lock:
            count = self._known.setdefault(place, _Count())
            self._known.move_to_end(place)
            while len(self._known) > _SHARES:
                self._known.popitem(last=False)
        with count.walking:
            tries = (self._walk(place, count, last=number == _TRIES) for number in range(1, _TRIES + 1))
            return next(found for found in tries if found is not None)

    def _walk(self, place: Place, count: _Count, *, last: bool) -> int | None:
        """Count once. None when the share was changed meanwhile, unless this is the last try."""
        with self._lock:
            moves, added = count.moves, count.added
        begun = time.monotonic()
        found = roots.usage(Beneath(f"{self._root.root}/{roots.path(place)}"), self._blocks)
        with self._lock:
            if count.moves != moves and not last:
                return None
            count.bytes, count.at = found + count.added - added, time.monotonic()
            count.seconds = count.at - begun
        return found

    def _blocks(self, stat: os.stat_result) -> int:
        """The blocks of a file; of one that is being changed, those that are counted already."""
        with self._lock:
            file = self._open.get((stat.st_dev, stat.st_ino))
            return stat.st_blocks if file is None or file.blocks is None else file.blocks

    def forget(self, place: Place) -> None:
        """The share is gone, or is another one."""
        with self._lock:
            self._known.pop(place, None)

    def shrank(self, place: Place, size: int) -> None:
        """Bytes of the disk were given back."""
        with self._lock:
            self._add(place, -size)

    @contextmanager
    def following(self, place: Place, descriptor: int, stat: os.stat_result) -> Iterator[threading.Lock]:
        """Count what a change of a file takes or gives back, also while others change the same file.

        `stat` is what it was when it was opened. Who changes its bytes holds the lock meanwhile: the kernel lets one at
        a time, and others who wait for it in the kernel keep processors busy.
        """
        key = (stat.st_dev, stat.st_ino)
        with self._lock:
            file = self._open.get(key)
            if file is None:
                file = self._open[key] = _Open()
            file.users += 1
        try:
            if file.blocks is None:  # not as it was opened: others may have changed it since, and were counted
                self._note(place, file, descriptor)
            yield file.turn
        finally:
            try:
                self._note(place, file, descriptor)
            finally:
                with self._lock:
                    file.users -= 1
                    if not file.users:
                        del self._open[key]

    def _note(self, place: Place, file: _Open, descriptor: int) -> None:
        """Count what a file that is followed has taken or given back until now; nobody else waits for its disk."""
        with file.looking:
            blocks = os.fstat(descriptor).st_blocks
            with self._lock:
                if file.blocks is not None:
                    self._add(place, (blocks - file.blocks) * BLOCK)
                file.blocks = blocks

    @contextmanager
    def room(self, place: Place, limit: int | None, wanted: Callable[[], int]) -> Iterator[None]:
        """Keep room for so many more bytes meanwhile. WrongState("share", "full") when `limit` has not as much.

        Around what follows the file: what it took is counted before its room is given back.
        """
        if limit is None or limit >= self._capacity() or (more := wanted()) <= 0:
            yield
            return
        count = self._counted(place)
        if not self._reserve(count, more, limit):
            self._count_again(place, count)
            if not self._reserve(count, more, limit):
                raise WrongState("share", "full", "write")
        try:
            yield
        finally:
            with self._lock:
                count.reserved -= more

    def _reserve(self, count: _Count, wanted: int, limit: int) -> bool:
        with self._lock:
            if count.bytes + count.reserved + wanted > limit:
                return False
            count.reserved += wanted
            return True

    def _counted(self, place: Place) -> _Count:
        """The share's count: made now when there is none, anew in the background when it is old."""
        with self._lock:
            count = self._known.get(place)
            is_stale = (
                count is not None
                and not count.unknown
                and not count.counting
                and time.monotonic() - count.at > max(_STALE_SECONDS, _TIMES * count.seconds)
            )
            if count is not None and is_stale:
                count.counting = True
        if count is None or count.unknown:
            self.count(place)
            with self._lock:
                return self._known.setdefault(place, _Count())
        if is_stale:
            threading.Thread(target=self._refresh, args=(place, count), daemon=True).start()
        return count

    def _refresh(self, place: Place, count: _Count) -> None:
        try:
            self.count(place)
        except OSError:  # the share went away
            self.forget(place)
        finally:
            count.counting = False

    def _count_again(self, place: Place, count: _Count) -> None:
        """Before something is refused; not again at once where that takes long."""
        if count.seconds < _QUICK_SECONDS or time.monotonic() - count.at > min(_FRESH_SECONDS, _TIMES * count.seconds):
            self.count(place)

    def _add(self, place: Place, size: int) -> None:
        count = self._known.get(place)
        if count is not None and size:
            count.bytes = max(0, count.bytes + size)
            count.moves += 1
            count.added += max(0, size)

    def _capacity(self) -> int:
        """Bytes of the whole disk."""
        if time.monotonic() > self._disk_until:
            disk = os.statvfs(self._root.root)
            self._disk, self._disk_until = disk.f_blocks * disk.f_frsize, time.monotonic() + _FRESH_SECONDS
        return self._disk
