"""What copies read: files of this server's own by descriptor. Holes are passed over."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

from linarite.engine.sharing.ports import SourceFailed
from linarite.shares import extents, pages

PIECE = 4 * 1024 * 1024


class FileSource:
    """Implements `engine.sharing.ports.Source` over a descriptor, which it closes."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self.size = descriptor, size
        self._modified = os.fstat(descriptor).st_mtime_ns
        self._reading: asyncio.Future[tuple[int, bytes]] | None = None

    async def read(self, start: int) -> tuple[int, bytes]:
        """The next bytes that lie on disk."""
        self._reading = asyncio.get_running_loop().run_in_executor(None, self._read, start)
        return await asyncio.shield(self._reading)

    async def close(self) -> None:
        """The file is read no more, by a thread that nobody waits for either."""
        if self._reading is not None:
            await asyncio.wait([self._reading])
        os.close(self._descriptor)

    def _read(self, start: int) -> tuple[int, bytes]:
        first, last = next(self._parts(start), (self.size, self.size))
        data = os.pread(self._descriptor, min(PIECE, last - first), first)
        if os.fstat(self._descriptor).st_mtime_ns != self._modified:
            raise SourceFailed('412 ConditionNotMet "The source was changed while it was being copied."')
        return first, data

    def _parts(self, start: int) -> Iterator[tuple[int, int]]:
        """What lies on disk from there on, but for pages that are known to share a block with what was written."""
        are_noted = pages.are_noted(self._descriptor)
        for first, last in extents.blocks(self._descriptor, start, self.size):
            if not are_noted:
                yield first, last
                continue
            for piece in range(first, last, PIECE):
                written = pages.written(self._descriptor, piece, min(piece + PIECE, last) - 1)
                yield from ((a, b + 1) for a, b in written)
