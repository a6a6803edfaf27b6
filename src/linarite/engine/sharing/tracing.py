"""Files and directories that other programs moved: found again by the mark that they bear, with the inode they have.

A path whose facts are not those of the file there asks for the file's mark. Facts of the share that name that mark and
inode are the file's; they come to its path, unless they are another name's of it, or the file that stands at their own
path now is nobody's (then a program put a new one in the place of the old: the facts stay). What must not come here:
what is served, or done to files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from enum import Enum
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

import structlog
from msgspec.structs import replace

from linarite.engine.errors import EngineError, NotFound, Unavailable
from linarite.engine.sharing.keeping import keep
from linarite.engine.sharing.known import MOST, require
from linarite.engine.sharing.ports import Item, Place, ShareStore, ShareTransaction, Tree, is_displaced
from linarite.engine.sharing.records import Facts, Share

TRIES = 16
"""Claims that one request makes before it is refused: another program moves its file faster than that."""
MD5_BYTES = 64 * 1024**2
"""Length of a file whose MD5 is computed to see whether it still is the one that a client stored."""
log = structlog.get_logger("linarite.sharing")
_settled: ContextVar[frozenset[str] | None] = ContextVar("paths of which nothing is claimed", default=frozenset())
P = ParamSpec("P")
T = TypeVar("T")


class Strayed(Exception):
    """The facts of the file at `target` may be those at `sources`. Raised before any change; see `following`."""

    def __init__(self, place: Place, target: str, sources: Sequence[str]) -> None:
        """Paths in one share; sources may be those of displaced facts."""
        super().__init__(target)
        self.place, self.target, self.sources = place, target, sources


class Outcome(Enum):
    """What a claim came to: look again; they stay where they are; the store cannot take them now."""

    AGAIN, STAYS, FULL = range(3)


class _Row(NamedTuple):
    """Facts that name a file, recorded at a path where it is not; `is_free`: nothing is there."""

    path: str
    facts: Facts
    is_free: bool


class _Follows(Protocol):
    _tracing: Tracing


S = TypeVar("S", bound=_Follows)
_Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def following(method: _Method[S, P, T]) -> _Method[S, P, T]:
    """Have a method that met what strayed claim that, holding nothing, and begin again.

    It raises Unavailable after TRIES, and where the store has no room for a claim.
    """
    return _follow(method, is_needed=True)


def following_with_room(method: _Method[S, P, T]) -> _Method[S, P, T]:
    """As `following`; but where the store has no room it is done all the same, as recorded. It writes no facts."""
    return _follow(method, is_needed=False)


def _follow(method: _Method[S, P, T], *, is_needed: bool) -> _Method[S, P, T]:
    @wraps(method)
    async def follow(self: S, /, *arguments: P.args, **keywords: P.kwargs) -> T:
        try:
            return await method(self, *arguments, **keywords)  # most of them need no more than that
        except Strayed as strayed:
            return await again(self, strayed, *arguments, **keywords)

    async def again(self: S, strayed: Strayed, /, *arguments: P.args, **keywords: P.kwargs) -> T:
        settled: frozenset[str] | None = frozenset()
        for _ in range(TRIES):
            outcome = await self._tracing.claim(strayed, is_needed=is_needed)
            if outcome is Outcome.FULL:
                settled = None
            elif outcome is Outcome.STAYS and settled is not None:
                settled |= {strayed.target}
            try:
                with as_recorded(settled):
                    return await method(self, *arguments, **keywords)
            except Strayed as another:
                strayed = another
        raise Unavailable("The file is being moved by another program.")

    return follow


@contextmanager
def as_recorded(paths: frozenset[str] | None = None) -> Iterator[None]:
    """What is looked at meanwhile is as the store has it, at these paths or (None) at all: nothing has strayed."""
    token = _settled.set(paths)
    try:
        yield
    finally:
        _settled.reset(token)


class Tracing:
    """The marks of files, and whose facts name them."""

    def __init__(self, store: ShareStore, tree: Tree) -> None:
        """Know nothing yet."""
        self._store, self._tree = store, tree
        self._bare: OrderedDict[tuple[Place, str], tuple[int, int]] = OrderedDict()

    async def check(self, place: Place, share: Share, item: Item, facts: Facts) -> None:
        """Strayed when the facts at the path, which are not of this file, are to give way to its own.

        That a file bears nothing is remembered like what the store has (`known`): a mark comes with a commit.
        """
        settled = _settled.get()
        if place.snapshot or not item.path or facts.is_held or settled is None or item.path in settled:
            return
        changes, key = self._store.share_changes, (place, item.path)
        if changes is not None and self._bare.get(key) == (changes, item.id):
            return
        mark = await self._tree.mark(place, item.path, item.id)
        if mark:
            rows = await self._rows(place, share.key, item, mark)
            if rows:
                raise Strayed(place, item.path, [row.path for row in rows])
        elif changes is not None:
            self._bare[key] = (changes, item.id)
            while len(self._bare) > MOST:
                self._bare.popitem(last=False)

    async def claim(self, strayed: Strayed, *, is_needed: bool) -> Outcome:
        """Move the facts to where their file is, durably, if they are to: found out while nobody else changes that.

        Unavailable when it `is_needed` and the store has no room, or when another server does not let go of a path.
        """
        try:
            self._store.check_room()
        except Unavailable as error:
            log.warning("properties of what was moved stay at its old path", path=strayed.target, why=str(error))
            if is_needed:
                raise
            return Outcome.FULL
        with suppress(NotFound):  # gone meanwhile: the request finds that out
            return await self._claim(strayed.place, strayed.target, strayed.sources)
        return Outcome.AGAIN

    async def _claim(self, place: Place, target: str, sources: Sequence[str]) -> Outcome:
        held = {target, *(path for path in sources if not is_displaced(path))}
        async with self._tree.hold(place, *held, alone=True):
            share = await self._store.read(lambda tx: require(tx, place))
            item = await self._tree.find(place, target)
            mark = await self._tree.mark(place, target, item.id)
            rows = await self._rows(place, share.key, item, mark) if mark else []
            if not rows or item.path != target or not all(is_displaced(row.path) or row.path in held for row in rows):
                return Outcome.AGAIN
            row = await self._to_claim(place, share.key, rows)
            if row is None:
                return Outcome.STAYS
            is_good = await self._is_good(place, item, row.facts)
            await self._store.write(lambda tx: _hand_over(tx, place, row, item, is_good=is_good))
        return Outcome.AGAIN

    async def marked(self, place: Place, facts: Facts, item: Item) -> Item:
        """A file that is about to have facts, with the mark that these shall name: its own, or one given now."""
        if item.mark is not None or item.is_link or not item.path:
            return item
        if facts.inode == item.id:
            return replace(item, mark=facts.mark)
        if item.links > 1 and (mark := await self._tree.mark(place, item.path, item.id)):
            names = await self._store.read(lambda tx: tx.shares.marked(require(tx, place).key, mark))
            if any(each.inode == item.id for _, each in names):
                return replace(item, mark=mark)
        return await self._tree.set_mark(place, item.path)

    async def _rows(self, place: Place, key: int, item: Item, mark: str) -> list[_Row]:
        """Facts that are recorded elsewhere and name this file, which is no more where they are."""
        found = await self._store.read(lambda tx: tx.shares.marked(key, mark))
        rows = [(path, facts) for path, facts in found if facts.inode == item.id and path != item.path]
        if not rows:
            return []
        here, *there = await self._tree.there(place, [item.path, *(path for path, _ in rows)]) or [None]
        if here != item.id:  # reached by a link
            return []
        known = [
            _Row(path, facts, is_free=other is None or is_displaced(path))
            for (path, facts), other in zip(rows, there, strict=True)
            if other != item.id or is_displaced(path)
        ]
        return sorted(known, key=lambda row: not row.is_free)

    async def _to_claim(self, place: Place, key: int, rows: list[_Row]) -> _Row | None:
        """Those that go to their file: where nothing is, or a file that has facts of its own elsewhere."""
        for row in rows:
            if row.is_free or (not row.facts.is_held and await self._is_anothers(place, key, row.path)):
                return row
        return None

    async def _is_anothers(self, place: Place, key: int, path: str) -> bool:
        """Whether the file that stands at a path has facts of its own elsewhere."""
        try:
            item = await self._tree.find(place, path)
            mark = await self._tree.mark(place, path, item.id)
        except EngineError:
            return False
        found = await self._store.read(lambda tx: tx.shares.marked(key, mark)) if mark else []
        return any(facts.inode == item.id and other != path for other, facts in found)

    async def _is_good(self, place: Place, item: Item, facts: Facts) -> bool:
        """Whether the MD5 still is that of the bytes: a move by another program touches a file as a change does."""
        if facts.md5_of == item.version:  # it was its directory that moved
            return True
        if facts.md5 is None or facts.md5_at != item.modified or item.size > MD5_BYTES:
            return False
        return await self._tree.md5(place, item.path) == facts.md5


def _hand_over(tx: ShareTransaction, place: Place, row: _Row, item: Item, *, is_good: bool) -> None:
    """Facts go to the path of their file, if they are as they were when that was found out."""
    share = require(tx, place)
    key, seen = share.key, row.facts
    now, there = tx.shares.facts(key, row.path), tx.shares.facts(key, item.path) or Facts()
    if now is None or (now.mark, now.inode) != (seen.mark, seen.inode) or (now.is_held and not row.is_free):
        return
    if there.is_held or there.inode == item.id:
        return
    below = item.is_directory and row.is_free and not tx.shares.has_below(key, item.path)
    tx.shares.displace(key, item.path)
    tx.shares.hand_over(key, row.path, item.path, below=below)
    md5 = now.md5 if is_good and now.md5 == seen.md5 else None
    moved = replace(now, md5=md5, md5_at=item.modified if md5 else 0, md5_of=item.version if md5 else 0)
    keep(tx.shares, share, item, moved)
