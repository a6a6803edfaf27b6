"""What is done to shares: create, properties, policies, leases, snapshots, permissions; and by `Deletion` their end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from linarite.engine.errors import AlreadyExists, InvalidValue, NotFound, WrongState
from linarite.engine.sharing import taking
from linarite.engine.sharing.deletion import Deletion
from linarite.engine.sharing.known import alone, require
from linarite.engine.sharing.leases import FREE, Change, Claim, check_named
from linarite.engine.sharing.names import check_metadata, check_share
from linarite.engine.sharing.ports import Place, ShareTransaction
from linarite.engine.sharing.reading import NOTHING
from linarite.engine.sharing.records import MAX_QUOTA_GIB, PROVISIONED, Share
from linarite.engine.sharing.taking import Taking
from linarite.engine.sharing.views import DEFAULT_PERMISSION, check_descriptor, permission_key

MAX_SNAPSHOTS = 200


class Shares(Deletion):
    """Shares of all accounts; `now` is microseconds since the epoch."""

    async def create(self, share: Share) -> Share:
        """A new, empty share (over a folder that is there already, a share of what is in it)."""
        _check(share)
        place = Place(share.account, share.name)

        def check(tx: ShareTransaction) -> None:
            if tx.shares.get(share.account, share.name) is not None:
                raise AlreadyExists("share", share.name)

        def work(tx: ShareTransaction) -> Share:
            check(tx)
            tx.shares.insert(share)
            return share

        async with alone(self._store, self._tree, place, ""):
            await self._store.read(check)
            await self._tree.make_share(place)  # first: a folder without a record is none, the reverse would be broken
            return await self._store.write(work)

    async def get(self, place: Place, claim: Claim = NOTHING) -> Share:
        """A share or snapshot; a lease that is named must be the active one."""
        check_share(place.share)
        share = await self._store.read(lambda tx: require(tx, place))
        check_named(share.lease, claim)
        return share

    async def find(self, account: str, name: str) -> Share | None:
        """A share, if it is there."""
        return await self._store.read(lambda tx: tx.shares.get(account, name))

    async def change(self, place: Place, changes: dict[str, Any], claim: Claim) -> Share:
        """Set properties of a share (names of `Share`'s to values); its tag moves. Options that are not named stay."""

        def edit(share: Share) -> Share:
            check_named(share.lease, claim)
            merged = (
                {**changes, "options": {**share.options, **changes["options"]}} if "options" in changes else changes
            )
            changed = replace(share, modified_at=max(claim.now, share.modified_at + 1), **merged)
            if changed.tier != share.tier:
                changed.tier_changed_at = claim.now
            changed.raised = {**share.raised, **_raised(share, changed, claim.now)}
            _check(changed)
            _refuse_early_lowering(share, changed, claim.now)
            return changed

        return await self._edit(place, edit)

    async def set_lease(self, place: Place, change: Change) -> tuple[Share, int]:
        """Do one thing to a share's lease; its tag stays."""
        told = 0

        def edit(share: Share) -> Share:
            nonlocal told
            lease, told = change(share.lease)
            return replace(share, lease=lease)

        return await self._edit(place, edit), told

    async def snapshot(self, place: Place, metadata: dict[str, str], now: int) -> Share:
        """A read-only copy of the share as it is; named by its second, the next one when that is taken."""
        check_share(place.share)
        check_metadata(metadata)
        async with alone(self._store, self._tree, place, ""):
            share, known = await self._store.read(
                lambda tx: (require(tx, place), tx.shares.snapshots(place.account, place.share))
            )
            if len(known) >= MAX_SNAPSHOTS:
                raise WrongState("share", "too many snapshots", "snapshot")
            second = max([now // 1_000_000, *(int(each.options["second"]) + 1 for each in known)])
            copy = replace(
                share, key=0, snapshot=_moment(second), lease=FREE, metadata=metadata or share.metadata,
                options={**share.options, "second": str(second)}, created_at=now,
            )  # fmt: skip
            taken = Taking(place=Place(place.account, place.share, copy.snapshot), server=self._presence.name)

            def work(tx: ShareTransaction) -> Share:
                tx.shares.insert(copy)
                tx.shares.copy(share.key, copy.key)
                taking.forget(tx, taken)
                return copy

            async with taking.noted(self._store, self._tree, taken):
                await self._tree.copy_share(place, taken.place)
                return await self._store.write(work)

    async def page(
        self, account: str, prefix: str, marker: tuple[str, ...], limit: int, *, snapshots: bool, deleted: bool = False
    ) -> tuple[list[Share], tuple[str, ...]]:
        """Up to `limit` shares of an account and the marker of the next page (() at the end).

        `snapshots` and `deleted`: with those too.
        """
        rows = await self._store.read(
            lambda tx: tx.shares.page(account, prefix, marker, limit + 1, snapshots=snapshots, deleted=deleted)
        )
        following = (rows[limit].name, rows[limit].version, rows[limit].snapshot) if len(rows) > limit else ()
        return rows[:limit], following

    async def usage(self, place: Place) -> int:
        """Bytes that the share's files take."""
        await self.get(place)
        return await self._tree.usage(place)

    async def keep_permission(self, place: Place, descriptor: str) -> str:
        """Store a security descriptor; returns its key."""
        check_descriptor(descriptor)
        key = permission_key(descriptor)
        await self._store.write(lambda tx: tx.shares.put_permission(require(tx, place).key, key, descriptor))
        return key

    async def permission(self, place: Place, key: str) -> str:
        """The security descriptor of a key."""
        found = await self._store.read(lambda tx: tx.shares.permission(require(tx, place).key, key))
        if found is None and key == permission_key(DEFAULT_PERMISSION):
            return DEFAULT_PERMISSION
        if found is None:
            raise NotFound("permission", key)
        return found

    async def _edit(self, place: Place, edit: Callable[[Share], Share]) -> Share:
        check_share(place.share)

        def work(tx: ShareTransaction) -> Share:
            changed = edit(require(tx, place))
            tx.shares.update(changed)
            return changed

        return await self._store.write(work)


def _check(share: Share) -> None:
    check_share(share.name)
    check_metadata(share.metadata)
    if not 1 <= share.quota_gib <= MAX_QUOTA_GIB:
        raise InvalidValue("quota", share.quota_gib, f"1 to {MAX_QUOTA_GIB}")


def _sizes(share: Share) -> dict[str, int]:
    """What of a share is provisioned; a figure that was never named is the least there can be."""
    return {**{name: int(share.options.get(name, 0)) for name in PROVISIONED}, "quota": share.quota_gib}


def _raised(before: Share, after: Share, now: int) -> dict[str, int]:
    """What of a share was made larger just now."""
    old = _sizes(before)
    return {name: now for name, new in _sizes(after).items() if new > old[name]}


def _refuse_early_lowering(before: Share, after: Share, now: int) -> None:
    """What is provisioned stays for a day after it was raised."""
    old = _sizes(before)
    for name, new in _sizes(after).items():
        if new < old[name] and before.is_paid_by_size and now < before.lowerable_at(name):
            raise WrongState("share", f"{name} raised lately", "lower it")


def _moment(second: int) -> str:
    """A snapshot's name: `2024-04-07T02:41:08.0000000Z`."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
