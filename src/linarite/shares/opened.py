"""A file of a share that is open: its descriptor, and what it was when it was opened."""

from __future__ import annotations

import os

from linarite.engine.sharing.ports import Item
from linarite.shares.listing import item_of


class Opened:
    """Closed when it is told so, or once nobody has it any more: work that is called off before it begins leaves none.

    `path` is as the protocol spells it, `parent` the directory's inode, 0 for the root.
    """

    __slots__ = ("_parent", "_path", "descriptor", "stat")

    def __init__(self, descriptor: int, path: str, stat: os.stat_result, parent: int) -> None:
        self.descriptor, self.stat = descriptor, stat
        self._path, self._parent = path, parent

    def item(self, stat: os.stat_result | None = None) -> Item:
        """The file as it was when it was opened, or as it is with `stat`."""
        return item_of(self._path, stat or self.stat, self._parent)

    def take(self) -> int:
        """The descriptor, which is the caller's to close from now on."""
        taken, self.descriptor = self.descriptor, -1
        return taken

    def close(self) -> None:
        """Close it, once."""
        if self.descriptor >= 0:
            os.close(self.take())

    def __del__(self) -> None:
        self.close()
