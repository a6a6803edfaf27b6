"""Parametric sweeps. Their keys are among those of tasks, so that both are listed in one order."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Boolean, Column, Connection, Table, UniqueConstraint, bindparam, delete

from linarite.engine.model import Counts, Ending, Sweep, SweepSpec
from linarite.store.counters import take
from linarite.store.rows import Rows, pack, pack_or_null, unpack_facts, unpacked, word
from linarite.store.schema import Partial, Whole, key_column, metadata, number, packed, text
from linarite.store.statements import Query

sweeps = Table(
    "sweeps",
    metadata,
    key_column(),
    number("job_key"),
    text("account"),
    number("alias"),
    number("created_at"),
    number("modified_at"),
    number("made"),
    number("wound"),
    Column("growing", Boolean, nullable=False),
    text("ending", null=True),
    text("ending_reason", null=True),
    Column("satisfied", Boolean, nullable=False),
    number("started_at", null=True),
    number("ended_at", null=True),
    packed("counts"),
    packed("spec"),
    packed("facts", null=True),
    UniqueConstraint("job_key", "alias"),
)
KEYS = Whole("ix_sweeps_keys", sweeps.c.job_key, sweeps.c.key)
GROWING = Partial("ix_sweeps_growing", "growing", sweeps.c.key)

_rows = Rows(
    Sweep,
    sweeps,
    paths={},
    write={"counts": pack, "spec": pack, "facts": pack_or_null},
    read={"ending": word(Ending), "counts": unpacked(Counts), "spec": unpacked(SweepSpec), "facts": unpack_facts},
)
_insert = _rows.inserter()
_update = _rows.updater(_rows.names_but("job_key", "account", "alias", "created_at"))
_OF_JOB = _rows.select.where(sweeps.c.job_key == bindparam("job_key"))
_BY_ALIAS = Query(_OF_JOB.where(sweeps.c.alias == bindparam("alias")))
_AFTER = Query(_OF_JOB.where(sweeps.c.key > bindparam("after")).order_by(sweeps.c.key))
_GROWING = Query(GROWING.answers(_rows.select).order_by(sweeps.c.key).limit(bindparam("limit")))


class SqlSweeps:
    """Implements `engine.ports.Sweeps`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def by_alias(self, job_key: int, alias: int) -> Sweep | None:
        return _rows.one(self._connection, _BY_ALIAS, job_key=job_key, alias=alias)

    def of_job(self, job_key: int, after: int = 0) -> list[Sweep]:
        return _rows.many(self._connection, _AFTER, job_key=job_key, after=after)

    def growing(self, limit: int) -> list[Sweep]:
        return _rows.many(self._connection, _GROWING, limit=limit)

    def insert(self, sweep: Sweep) -> None:
        sweep.key = take(self._connection, "tasks")
        _insert(self._connection, [sweep])

    def update(self, sweeps: Sequence[Sweep]) -> None:
        _update(self._connection, sweeps)

    def delete_of_job(self, job_key: int) -> None:
        self._connection.execute(delete(sweeps).where(sweeps.c.job_key == job_key))
