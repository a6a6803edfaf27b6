"""Which of the servers that share a store schedules, and how the others tell it what they want of the nodes.

Every server answers every request. One at a time runs the loop and speaks with the nodes: the one whose name stands in
the store's lease. What it does for that is committed only while the lease is its own, so that one that was asleep and
wakes up can change nothing. A request's effects, committed by another server, are left as *orders* in the same commit;
each unit of the scheduling one takes up those that were committed before it, so that the nodes hear all in one order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from linarite.engine.effects import Effects
from linarite.engine.launching import Launch, NodeOrder, NodeRef
from linarite.engine.ledger import Ledger
from linarite.engine.model import SECOND
from linarite.engine.ports import Store, Transaction

RENEWED = 1.0
"""Seconds from one renewal of the lease to the next."""
LIFE = 3
"""Seconds of silence after which another server may take it."""
AT_ONCE = 100


class SupersededError(Exception):
    """Another server schedules: what was to be committed for that was not."""


class Orders(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The effects of a unit, to be carried out by the server that schedules."""

    provision: list[NodeOrder] = []
    deallocate: list[NodeRef] = []
    release: list[NodeRef] = []
    launch: list[Launch] = []
    end: list[tuple[NodeRef, str, float, bool]] = []
    remove: list[tuple[NodeRef, str]] = []
    hold: list[tuple[NodeRef, bool]] = []
    measure: list[tuple[list[NodeRef], int]] = []
    wake: bool = False
    tend: bool = False
    due: int | None = None


_NAMES = Orders.__struct_fields__
_pack = msgspec.json.Encoder().encode
_unpack = msgspec.json.Decoder(Orders).decode


class Lease:
    """This server's claim to schedule. In a store that it has alone the claim always holds."""

    def __init__(self, store: Store, owner: str, may_lead: Callable[[], bool] = lambda: True) -> None:
        """`owner` is a name that no other server has; `may_lead` tells whether the nodes can be had, too."""
        self._store, self._owner, self._may_lead = store, owner, may_lead
        self.epoch: int | None = None

    @property
    def shared(self) -> bool:
        """Tell whether other servers may use the store."""
        return self._store.shared

    async def renew(self) -> int | None:
        """Take the lease, or keep it; its epoch, None while it is another's. Raises Unavailable."""
        if not self._may_lead():
            self.epoch = None
        else:
            self.epoch = await self._store.write(lambda tx: tx.leases.take(self._owner, LIFE * SECOND))
        return self.epoch

    def held(self, tx: Transaction) -> bool:
        """Tell, within a unit, whether the nodes may be told what it comes to."""
        if not self.shared:
            return True
        return self.epoch is not None and tx.leases.held(self._owner, self.epoch)

    async def let_go(self) -> None:
        """Let another server take the lease at once."""
        epoch, self.epoch = self.epoch, None
        if epoch is not None:
            await self._store.write(lambda tx: tx.leases.let_go(self._owner, epoch))


def leave_orders(u: Ledger) -> None:
    """Leave what the unit wants of the nodes to the server that schedules."""
    wanted: dict[str, Any] = {name: getattr(u.effects, name) for name in _NAMES}
    if any(value not in (False, None) for value in wanted.values()):
        u.tx.leases.order(_pack(Orders(**wanted)))
    notices, u.effects = u.effects.notices, Effects()
    u.effects.notices = notices  # every server may send these


def take_orders(tx: Transaction) -> Sequence[Effects]:
    """Take up what others left, each unit's by itself: told together, ends would come before earlier launches."""
    taken: list[Effects] = []
    while True:
        found = tx.leases.take_orders(AT_ONCE)
        taken += map(_effects, found)
        if len(found) < AT_ONCE:
            return taken


def _effects(value: bytes) -> Effects:
    orders, effects = _unpack(value), Effects()
    for name in _NAMES:
        setattr(effects, name, getattr(orders, name))
    return effects
