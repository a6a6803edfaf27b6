"""Renames that a crash may cut in two: the tree has moved the file, the store has not moved its facts.

What is about to move is put down first; what is still put down at the next start is looked at in the tree.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from linarite.engine.errors import EngineError, Unavailable
from linarite.engine.sharing.ports import Item, Place, Presence, ShareStore, ShareTransaction, Tree

_KIND = "file rename"


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What moves: the file or directory of that `id` from one path to another. `md5`: the one that is good for it.

    `server` is the one that moves it.
    """

    place: Place
    source: str
    target: str
    id: int
    md5: str | None
    server: str = ""

    @property
    def name(self) -> str:
        """Two that are under way at once have different targets."""
        return f"{self.place.account}/{self.place.share}/{self.target}"


@asynccontextmanager
async def noted(store: ShareStore, move: Move) -> AsyncIterator[None]:
    """Put down a move while the tree makes it. Who commits what followed from it forgets it; a refusal does so here."""
    await store.write(lambda tx: tx.documents.put(_KIND, move.name, msgspec.to_builtins(move)))
    try:
        yield
    except EngineError:
        await store.write(lambda tx: forget(tx, move))
        raise


def forget(tx: ShareTransaction, move: Move) -> None:
    """It is done, or was refused."""
    tx.documents.delete(_KIND, move.name)


async def recover(store: ShareStore, tree: Tree, presence: Presence) -> None:
    """Move the facts of what had moved when its server was killed."""
    found = await store.read(lambda tx: tx.documents.all(_KIND, 0))
    for value in found.values():
        move = msgspec.convert(value, Move)
        if presence.has_ended(move.server):
            await _take_up(store, tree, move)


async def _take_up(store: ShareStore, tree: Tree, move: Move) -> None:
    """Left for another time where a server that is frozen has the paths."""
    with suppress(Unavailable):
        async with tree.hold(move.place, move.source, move.target, alone=True):
            item = await _moved(tree, move)
            await store.write(lambda tx: _finish(tx, move, item))


async def _moved(tree: Tree, move: Move) -> Item | None:
    """What moved, where it is now; None when it did not."""
    try:
        item = await tree.find(move.place, move.target)
    except EngineError:
        return None
    return item if item.id == move.id and item.path != move.source else None


def _finish(tx: ShareTransaction, move: Move, item: Item | None) -> None:
    if tx.documents.get(_KIND, move.name, 0) != msgspec.to_builtins(move):  # another server was first
        return
    forget(tx, move)
    share = tx.shares.get(move.place.account, move.place.share)
    if item is None or share is None or tx.shares.facts(share.key, move.source) is None:
        return
    tx.shares.move_facts(share.key, move.source, item.path)
    facts = tx.shares.facts(share.key, item.path)
    if facts is not None and move.md5 is not None:
        told = msgspec.structs.replace(facts, md5=move.md5, md5_at=item.modified, md5_of=item.version)
        tx.shares.put_facts(share.key, item.path, told)
