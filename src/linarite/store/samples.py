"""Samples of pools: a few numbers every 30 seconds, as long as formulas look back."""

from __future__ import annotations

import msgspec
from sqlalchemy import Column, Connection, Table, bindparam, delete, update
from sqlalchemy import text as sql

from linarite.engine.autoscale.records import PoolSample
from linarite.store.rows import Rows
from linarite.store.schema import NUMBER, metadata, number
from linarite.store.statements import Query, Statement

_LATER = ("cpu_millionths", "memory_bytes", "disk_bytes", "read_bytes", "write_bytes")
samples = Table(
    "pool_samples",
    metadata,
    Column("pool_key", NUMBER, primary_key=True, autoincrement=False),
    Column("slot", NUMBER, primary_key=True, autoincrement=False),
    *(number(name, null=name in _LATER) for name in PoolSample.__struct_fields__[2:]),
    sqlite_with_rowid=False,
)

_NAMES = list(PoolSample.__struct_fields__)
_rows = Rows(PoolSample, samples, paths={}, write={}, read={})
_INSERT = sql(
    f"INSERT INTO {samples.name} ({', '.join(_NAMES)}) VALUES ({', '.join(f':{name}' for name in _NAMES)})"  # noqa: S608
    " ON CONFLICT (pool_key, slot) DO NOTHING"
)
_OF_POOL = Query(_rows.select.where(samples.c.pool_key == bindparam("pool_key")).order_by(samples.c.slot))
_measured = Statement(
    update(samples)
    .where(samples.c.pool_key == bindparam("of_pool"), samples.c.slot == bindparam("of_slot"))
    .values({name: bindparam(name) for name in _LATER}),
    [*_LATER, "of_pool", "of_slot"],
)
_prune = Statement(
    delete(samples).where(samples.c.pool_key == bindparam("of_pool"), samples.c.slot < bindparam("before")),
    ["of_pool", "before"],
)


class SqlSamples:
    """Implements `engine.ports.Samples`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, sample: PoolSample) -> None:
        self._connection.execute(_INSERT, msgspec.structs.asdict(sample))

    def measured(self, sample: PoolSample) -> None:
        _measured(self._connection, [(*(getattr(sample, name) for name in _LATER), sample.pool_key, sample.slot)])

    def of_pool(self, pool_key: int) -> list[PoolSample]:
        return _rows.many(self._connection, _OF_POOL, pool_key=pool_key)

    def prune(self, pool_key: int, before: int) -> None:
        _prune(self._connection, [(pool_key, before)])
