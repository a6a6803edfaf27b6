"""What is kept beside pools, jobs and tasks: accounts, events, documents, usage, leases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from linarite.engine.filtering import Expression
from linarite.engine.model import Account, Event
from linarite.engine.usage import NodeSpan, Owner, Totals


class Accounts(Protocol):
    """Accounts and the people who may use them."""

    def get(self, name: str) -> Account | None: ...
    def take_number(self) -> int:
        """A number that neither an account nor a user of a pool has or will have."""
        ...

    def insert(self, account: Account) -> None: ...
    def update(self, account: Account) -> None: ...
    def all(self) -> list[Account]: ...


class Events(Protocol):
    """History: append and read."""

    def add(self, events: Iterable[Event]) -> None: ...
    def of(self, kind: str, key: int, limit: int = 1000) -> list[Event]: ...
    def prune(self, before: int, limit: int) -> int: ...


class Documents(Protocol):
    """Small named records with an end of life: sessions, query ids, delegation keys, settings kept by faces.

    `kind` names the family; `value` is plain data (what JSON can hold).
    """

    def get(self, kind: str, name: str, now: int) -> Any | None: ...  # noqa: ANN401 - plain data of the caller's own
    def put(self, kind: str, name: str, value: Any, expires_at: int | None = None) -> None: ...  # noqa: ANN401
    def delete(self, kind: str, name: str) -> None: ...
    def all(self, kind: str, now: int) -> dict[str, Any]: ...
    def prune(self, now: int) -> None: ...


class UsageRecords(Protocol):
    """Totals of what was used, and the times in which nodes were there."""

    def add(self, charges: Iterable[tuple[Owner, Totals]]) -> None:
        """Add to the totals of each owner."""
        ...

    def totals(self, kind: str, names: Sequence[str]) -> dict[str, Totals]:
        """The totals of those owners of a kind that have any, by their names."""
        ...

    def forget(self, owner: Owner) -> None: ...
    def open(self, span: NodeSpan) -> None: ...
    def close(self, node_key: int, moment: int) -> NodeSpan | None:
        """End the node's open span, if it has one, and give it."""
        ...

    def open_spans(self, account: str, pools: Sequence[int] | None = None) -> list[NodeSpan]:
        """The open spans of pools of an account, or of all its pools."""
        ...

    def spans(self, account: str, where: Expression | None, since: int, until: int) -> list[NodeSpan]:
        """The spans of an account that have a part between two moments."""
        ...

    def first_moment(self, account: str, since: int) -> int | None:
        """The first moment from `since` on at which a node was there for the account."""
        ...

    def prune(self, before: int, limit: int) -> int: ...


class Leases(Protocol):
    """Which server schedules, and what the others want of it. One lease; its epoch grows with every new owner."""

    def take(self, owner: str, life: int) -> int | None:
        """Take the lease, or renew one's own, for `life` microseconds; its epoch, None while it is another's."""
        ...

    def held(self, owner: str, epoch: int) -> bool:
        """Tell whether the lease is this owner's and of this epoch: nobody has taken it since."""
        ...

    def let_go(self, owner: str, epoch: int) -> None:
        """Let anybody take it at once."""
        ...

    def order(self, value: bytes) -> None:
        """Leave an order, and tell who listens that there is one."""
        ...

    def take_orders(self, limit: int) -> Sequence[bytes]:
        """Take the oldest orders, in their order."""
        ...
