"""Shares and facts of files that were asked for lately: who reads a file in ranges asks for the same each time.

They hold until a change of any share or facts is committed. Where other servers use the store too, nothing is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractAsyncContextManager

from linarite.engine.errors import NotFound
from linarite.engine.sharing.ports import Place, ShareStore, ShareTransaction, Tree
from linarite.engine.sharing.records import Facts, Share

MOST = 256
"""Paths that are remembered."""


class Known:
    """The share and the facts of a path, as the store has them. What it gives is not to be changed."""

    def __init__(self, store: ShareStore) -> None:
        """Know nothing yet."""
        self._store = store
        self._kept: OrderedDict[tuple[Place, str], tuple[int, Share, Facts]] = OrderedDict()

    async def get(self, place: Place, path: str) -> tuple[Share, Facts]:
        """What is committed when this is called, or later. NotFound("share" | "snapshot")."""
        changes, key = self._store.share_changes, (place, path)
        kept = self._kept.get(key)
        if kept is not None and kept[0] == changes:
            self._kept.move_to_end(key)
            return kept[1:]
        found = await self._store.read(lambda tx: _look(tx, place, path))
        if changes is not None:
            self._keep(key, (changes, *found))
        return found

    def _keep(self, key: tuple[Place, str], found: tuple[int, Share, Facts]) -> None:
        self._kept[key] = found
        self._kept.move_to_end(key)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)


def alone(store: ShareStore, tree: Tree, place: Place, *paths: str) -> AbstractAsyncContextManager[None]:
    """Paths for oneself alone, to change what is there and then what is recorded of it. Unavailable, see `check_room`.

    The tree changes first: where the store could not follow, a refused change would have happened all the same.
    """
    store.check_room()
    return tree.hold(place, *paths, alone=True)


def require(tx: ShareTransaction, place: Place) -> Share:
    """The share of a place, or NotFound("share" | "snapshot")."""
    share = tx.shares.get(place.account, place.share, place.snapshot)
    if share is None:
        raise NotFound("snapshot" if place.snapshot else "share", place.share)
    return share


def _look(tx: ShareTransaction, place: Place, path: str) -> tuple[Share, Facts]:
    share = require(tx, place)
    return share, tx.shares.facts(share.key, path) or Facts()
