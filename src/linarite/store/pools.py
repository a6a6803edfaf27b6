"""Pools. Few; an update writes the whole record."""

from __future__ import annotations

from sqlalchemy import Connection, Index, Table, UniqueConstraint, bindparam, delete

from linarite.engine.filtering import Expression
from linarite.engine.model import AllocationState, Failure, Pool, PoolSpec, PoolState
from linarite.store.counters import take
from linarite.store.filters import Page, Property
from linarite.store.rows import Rows, pack, pack_or_null, unpack_facts, unpacked, word
from linarite.store.schema import key_column, metadata, number, packed, text
from linarite.store.statements import Query, unique

pools = Table(
    "pools",
    metadata,
    key_column(),
    text("account"),
    text("id_key"),
    text("state"),
    number("state_at"),
    text("allocation"),
    number("allocation_at"),
    number("created_at"),
    number("modified_at"),
    text("size"),
    number("current_dedicated"),
    number("current_low_priority"),
    packed("spec"),
    packed("resize_errors"),
    packed("facts", null=True),
    UniqueConstraint("account", "id_key"),
    Index(None, "account", "key"),
)

_rows = Rows(
    Pool,
    pools,
    paths={"id_key": "spec.id", "size": "spec.size"},
    write={"id_key": str.lower, "size": str.lower, "spec": pack, "resize_errors": pack, "facts": pack_or_null},
    read={
        "state": word(PoolState),
        "allocation": word(AllocationState),
        "spec": unpacked(PoolSpec),
        "resize_errors": unpacked(tuple[Failure, ...]),
        "facts": unpack_facts,
    },
)
_insert = _rows.inserter()
_update = _rows.updater(_rows.names_but("account"))
_BY_ID = Query(_rows.select.where(pools.c.account == bindparam("account"), pools.c.id_key == bindparam("id")))
_BY_KEY = Query(_rows.select.where(pools.c.key == bindparam("key")))
_ALL = Query(_rows.select.order_by(pools.c.key))
_PAGE = (
    _rows.select.where(pools.c.account == bindparam("account"), pools.c.key > bindparam("after"))
    .order_by(pools.c.key)
    .limit(bindparam("limit"))
)

PROPERTIES = {
    "id": Property(pools.c.id_key, folded=True),
    "state": Property(pools.c.state),
    "stateTransitionTime": Property(pools.c.state_at),
    "allocationState": Property(pools.c.allocation),
    "allocationStateTransitionTime": Property(pools.c.allocation_at),
    "creationTime": Property(pools.c.created_at),
    "lastModified": Property(pools.c.modified_at),
    "vmSize": Property(pools.c.size, folded=True),
}

_page = Page(_rows, _PAGE, PROPERTIES)


class SqlPools:
    """Implements `engine.ports.Pools`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, account: str, pool: str) -> Pool | None:
        return _rows.one(self._connection, _BY_ID, account=account, id=pool.lower())

    def by_key(self, key: int) -> Pool | None:
        return _rows.one(self._connection, _BY_KEY, key=key)

    def insert(self, pool: Pool) -> None:
        """Store a new pool and set its key."""
        pool.key = take(self._connection, "pools")
        with unique("pool", pool.spec.id):
            _insert(self._connection, [pool])

    def update(self, pool: Pool) -> None:
        _update(self._connection, [pool])

    def delete(self, key: int) -> None:
        self._connection.execute(delete(pools).where(pools.c.key == key))

    def page(self, account: str, where: Expression | None, after: int, limit: int) -> list[Pool]:
        return _page(self._connection, where, account=account, after=after, limit=limit)

    def all(self) -> list[Pool]:
        return _rows.many(self._connection, _ALL)
