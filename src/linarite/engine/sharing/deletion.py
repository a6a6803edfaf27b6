"""Shares that are deleted: at once, or kept for a while in which they can be restored, and the end of that while.

A share that is kept has a version, which tells it from others of its name: a new share may take the name meanwhile.
The records change first, the folder follows. `settle` finishes what a crash left between the two.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

from msgspec.structs import replace

from linarite.engine.errors import AlreadyExists, NotFound, Unavailable, WrongState
from linarite.engine.sharing import taking
from linarite.engine.sharing.known import require
from linarite.engine.sharing.leases import FREE, Claim, check_change
from linarite.engine.sharing.names import check_share
from linarite.engine.sharing.ports import ALONE, Place, Presence, ShareStore, ShareTransaction, Tree
from linarite.engine.sharing.records import Share

AT_ONCE = 100
_FILETIME = 116_444_736_000_000_000


class Deletion:
    """The end of shares. `retention` is for how long deleted ones are kept, in microseconds; 0: not at all.

    `news` is set when a share was deleted that is kept.
    """

    def __init__(self, store: ShareStore, tree: Tree, retention: int = 0, presence: Presence = ALONE) -> None:
        self._store, self._tree, self._retention, self._presence = store, tree, retention, presence
        self.news = asyncio.Event()

    async def delete(self, place: Place, snapshots: str | None, claim: Claim) -> tuple[int, int] | None:
        """Delete a share, or one snapshot. `snapshots`: "include" or "include-leased" to delete a share's as well.

        A snapshot that is deleted by itself is gone for good. Of a provisioned share it tells how many bytes its files
        took, and those of its snapshots; counting costs a walk, which others are spared.
        """
        check_share(place.share)

        def doomed(tx: ShareTransaction) -> list[Share]:
            share = require(tx, place)
            check_change(share.lease, claim)
            others = [] if place.snapshot else tx.shares.snapshots(place.account, place.share)
            _check_snapshots(others, snapshots, claim.now)
            return [*others, share]

        async with self._tree.hold(place, "", alone=True):
            shares = await self._store.read(doomed)
            used = None if place.snapshot or not shares[-1].is_provisioned else await self._used(shares)
            if self._retention and not place.snapshot:
                kept = await self._store.write(lambda tx: _keep(tx, shares, claim.now, self._retention))
                await self._put_away(kept)
                self.news.set()
            else:
                await self._drop(shares)
        return used

    async def _used(self, shares: list[Share]) -> tuple[int, int]:
        *snapshots, own = [await self._tree.usage(place_of(share)) for share in shares]
        return own, sum(snapshots)

    async def restore(self, place: Place, version: str, now: int) -> Share:
        """A deleted share is live again, with its snapshots. AlreadyExists when its name has been taken."""
        check_share(place.share)
        async with self._tree.hold(place, "", alone=True):
            kept = await self._store.read(lambda tx: _restorable(tx, place, version, now))
            for share in kept:
                await self._tree.move_share(place_of(share), _live(share))

            def work(tx: ShareTransaction) -> Share:
                for share in _restorable(tx, place, version, now):
                    live = replace(share, version="", deleted_at=None, expires_at=None)
                    if not share.snapshot:
                        live.modified_at = max(now, share.modified_at + 1)
                    tx.shares.update(live)
                return require(tx, place)

            return await self._store.write(work)

    async def expire(self, now: int) -> bool:
        """Forget some deleted shares whose time is over; tells whether there may be more."""
        over = await self._store.read(lambda tx: tx.shares.expired(now, AT_ONCE))
        for share in over:
            async with self._tree.hold(Place(share.account, share.name), "", alone=True):
                if await self._store.read(partial(_is_over, key=share.key, now=now)):  # not restored since
                    await self._drop([share])
        return len(over) == AT_ONCE

    async def settle(self) -> None:
        """Put away the folders of deleted shares that still stand at the place of a live one which is not there.

        And those of snapshots that came to nothing.
        """
        await taking.recover(self._store, self._tree, self._presence)
        after = 0
        while True:
            kept, left = await self._store.read(partial(_some_deleted, after=after))
            for share in left:
                await self._settle(share)
            if not kept:
                return
            after = kept[-1].key

    async def _settle(self, share: Share) -> None:
        """Not while another server restores it. One that is frozen keeps it, and does the same at its next start."""
        with suppress(Unavailable):
            async with self._tree.hold(Place(share.account, share.name), "", alone=True):
                if await self._store.read(partial(_is_left, key=share.key)):
                    await self._put_away([share])

    async def next_expiry(self) -> int | None:
        """When the next deleted share's time is over."""
        return await self._store.read(lambda tx: tx.shares.next_expiry())

    async def _put_away(self, kept: list[Share]) -> None:
        for share in kept:
            await self._tree.move_share(_live(share), place_of(share))

    async def _drop(self, shares: list[Share]) -> None:
        for share in shares:
            await self._tree.drop_share(place_of(share))
        await self._store.write(lambda tx: _forget(tx, shares))


def place_of(share: Share) -> Place:
    """Where a share's files stand."""
    return Place(share.account, share.name, share.snapshot, share.version)


def _live(share: Share) -> Place:
    return Place(share.account, share.name, share.snapshot)


def _some_deleted(tx: ShareTransaction, after: int) -> tuple[list[Share], list[Share]]:
    """Some deleted shares, and those of them whose name no live share has (what stands there would be its own)."""
    kept = tx.shares.deleted(after, AT_ONCE)
    return kept, [each for each in kept if _is_left(tx, each.key)]


def _is_left(tx: ShareTransaction, key: int) -> bool:
    share = tx.shares.by_key(key)
    return share is not None and bool(share.version) and tx.shares.get(share.account, share.name) is None


def _is_over(tx: ShareTransaction, key: int, now: int) -> bool:
    share = tx.shares.by_key(key)
    return share is not None and share.expires_at is not None and share.expires_at <= now


def _keep(tx: ShareTransaction, shares: list[Share], now: int, retention: int) -> list[Share]:
    account, name = shares[-1].account, shares[-1].name
    ticks = now * 10 + _FILETIME
    while tx.shares.get(account, name, version=f"{ticks:016X}") is not None:
        ticks += 1
    kept = [
        replace(each, version=f"{ticks:016X}", deleted_at=now, expires_at=now + retention, lease=FREE)
        for each in shares
    ]
    for share in kept:
        tx.shares.update(share)
    return kept


def _restorable(tx: ShareTransaction, place: Place, version: str, now: int) -> list[Share]:
    """A deleted share, after its snapshots."""
    share = tx.shares.get(place.account, place.share, version=version) if version else None
    if share is None or share.expires_at is None or share.expires_at <= now:
        raise NotFound("share", place.share)
    if tx.shares.get(place.account, place.share) is not None:
        raise AlreadyExists("share", place.share)
    return [*tx.shares.snapshots(place.account, place.share, version), share]


def _forget(tx: ShareTransaction, shares: list[Share]) -> None:
    for share in shares:
        tx.shares.delete(share.key)


def _check_snapshots(snapshots: list[Share], asked: str | None, now: int) -> None:
    if snapshots and asked is None:
        raise WrongState("share", "snapshots", "delete")
    if asked != "include-leased" and any(each.lease.is_active(now) for each in snapshots):
        raise WrongState("share", "leased snapshot", "delete")
