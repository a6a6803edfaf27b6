"""Pools. Few; an update writes the whole record."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Connection, Index, Table, bindparam, delete, func, select

from linarite.engine.autoscale.records import ScalingRun
from linarite.engine.filtering import Expression, Listed
from linarite.engine.model import AllocationState, Failure, Pool, PoolSpec, PoolState
from linarite.store.counters import take
from linarite.store.filters import Property
from linarite.store.listing import Listing
from linarite.store.rows import Rows, pack, pack_or_null, unpack_facts, unpacked, word
from linarite.store.samples import samples
from linarite.store.schema import Partial, Whole, key_column, metadata, number, packed, text
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
    Column("inter_node", Boolean, nullable=False),
    number("current_dedicated"),
    number("current_low_priority"),
    number("deadline", null=True),
    Column("lacking", Boolean, nullable=False),
    Column("scales", Boolean, nullable=False),
    number("scaling_due", null=True),
    number("scaling_tick", null=True),
    number("scaling_asked_at", null=True),
    packed("scaling_run", null=True),
    packed("spec"),
    packed("resize_errors"),
    packed("facts", null=True),
    Index(None, "deadline"),
)
KEYS = Whole("ix_pools_keys", pools.c.account, pools.c.key)
IDS = Whole("ix_pools_ids", pools.c.account, pools.c.id_key, unique=True)
TICKING = Partial("ix_pools_ticking", "scaling_tick IS NOT NULL", pools.c.scaling_tick)

_rows = Rows(
    Pool,
    pools,
    paths={"id_key": "spec.id", "size": "spec.size", "inter_node": "spec.inter_node", "scales": "spec.scaling"},
    write={
        "id_key": str.lower,
        "size": str.lower,
        "scales": bool,
        "scaling_run": pack_or_null,
        "spec": pack,
        "resize_errors": pack,
        "facts": pack_or_null,
    },
    read={
        "state": word(PoolState),
        "allocation": word(AllocationState),
        "scaling_run": unpacked(ScalingRun),
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
_DUE = Query(_rows.select.where(pools.c.deadline <= bindparam("now")).order_by(pools.c.key))
_NEXT = Query(select(func.min(pools.c.deadline)))
_TICKING = Query(
    TICKING.answers(_rows.select)
    .where(pools.c.scaling_tick <= bindparam("now"))
    .order_by(pools.c.scaling_tick)
    .limit(bindparam("limit"))
)
_NEXT_TICK = Query(TICKING.answers(select(func.min(pools.c.scaling_tick))))

PROPERTIES = {
    "id": Property(pools.c.id_key, folded=True),
    "state": Property(pools.c.state),
    "stateTransitionTime": Property(pools.c.state_at),
    "allocationState": Property(pools.c.allocation),
    "allocationStateTransitionTime": Property(pools.c.allocation_at),
    "creationTime": Property(pools.c.created_at),
    "lastModified": Property(pools.c.modified_at),
    "enableAutoScale": Property(pools.c.scales),
    "vmSize": Property(pools.c.size, folded=True),
    "enableInterNodeCommunication": Property(pools.c.inter_node),
}

_listing = Listing(_rows, PROPERTIES, pools.c.account, keys=KEYS, ids=IDS)


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
        """Take out a pool and its samples."""
        self._connection.execute(delete(pools).where(pools.c.key == key))
        self._connection.execute(delete(samples).where(samples.c.pool_key == key))

    def page(self, account: str, where: Expression | None, after: int, limit: int) -> list[Pool]:
        return _listing.page(self._connection, account, where, after, limit)

    def listed(self, account: str, where: Expression | None, position: str, limit: int) -> Listed[Pool]:
        return _listing.listed(self._connection, account, where, position, limit)

    def all(self) -> list[Pool]:
        return _rows.many(self._connection, _ALL)

    def due(self, now: int) -> list[Pool]:
        return _rows.many(self._connection, _DUE, now=now)

    def next_moment(self) -> int | None:
        return _NEXT.value(self._connection)

    def ticking(self, now: int, limit: int) -> list[Pool]:
        return _rows.many(self._connection, _TICKING, now=now, limit=limit)

    def next_tick(self) -> int | None:
        return _NEXT_TICK.value(self._connection)
