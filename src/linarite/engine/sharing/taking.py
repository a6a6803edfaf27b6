"""Snapshots that a crash may cut in two: the tree has the copy, the store has no record, and nobody ever removes it.

What is about to be taken is put down first; what is still put down at the next start goes, unless it is recorded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from linarite.engine.errors import EngineError, Unavailable
from linarite.engine.sharing.ports import Place, Presence, ShareStore, ShareTransaction, Tree

_KIND = "share snapshot"


class Taking(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshot that `server` takes."""

    place: Place
    server: str = ""

    @property
    def name(self) -> str:
        """No two are of one name."""
        return f"{self.place.account}/{self.place.share}/{self.place.snapshot}"


@asynccontextmanager
async def noted(store: ShareStore, tree: Tree, taking: Taking) -> AsyncIterator[None]:
    """Put it down while it is taken. Who commits its record forgets it; where the tree refuses, that is done here.

    A commit without an answer may have happened: then the next start knows.
    """
    await store.write(lambda tx: tx.documents.put(_KIND, taking.name, msgspec.to_builtins(taking)))
    try:
        yield
    except Unavailable:
        raise
    except EngineError:
        await tree.drop_share(taking.place)
        await store.write(lambda tx: forget(tx, taking))
        raise


def forget(tx: ShareTransaction, taking: Taking) -> None:
    """It has its record, or is gone."""
    tx.documents.delete(_KIND, taking.name)


async def recover(store: ShareStore, tree: Tree, presence: Presence) -> None:
    """Remove the copies that had no record when their server was killed."""
    found = await store.read(lambda tx: tx.documents.all(_KIND, 0))
    for value in found.values():
        taking = msgspec.convert(value, Taking)
        if presence.has_ended(taking.server):
            await tree.drop_share(taking.place)
            await store.write(lambda tx, taking=taking: forget(tx, taking))  # type: ignore[misc]
