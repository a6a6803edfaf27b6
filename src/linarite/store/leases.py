"""Which server schedules, and what the others want of it. Times are the database's own: servers' clocks may differ."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Connection, Table, bindparam, delete, select, update
from sqlalchemy import text as sql

from linarite.store.schema import NUMBER, TEXT, metadata, number, packed, text
from linarite.store.statements import Query, Statement, inserting

leases = Table(
    "leases",
    metadata,
    Column("name", TEXT, primary_key=True),
    text("owner"),
    number("epoch"),
    number("until"),
    sqlite_with_rowid=False,
)
orders = Table("orders", metadata, Column("seq", NUMBER, primary_key=True), packed("value"))

CHANNEL = "linarite"
"""Where PostgreSQL tells that there are orders."""
_NAME = "scheduler"
_NOW = {
    "sqlite": Query(sql("SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)")),
    "postgresql": Query(sql("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)")),
}
_TELL = Query(sql(f"SELECT pg_notify('{CHANNEL}', '')"))
_GET = Query(select(leases.c.owner, leases.c.epoch, leases.c.until).where(leases.c.name == bindparam("name")))
_insert = inserting(leases, ["name", "owner", "epoch", "until"])
_update = Statement(
    update(leases)
    .where(leases.c.name == bindparam("of_name"))
    .values(owner=bindparam("owner"), epoch=bindparam("epoch"), until=bindparam("until")),
    ["owner", "epoch", "until", "of_name"],
)
_insert_order = inserting(orders, ["value"])
_delete_order = Statement(delete(orders).where(orders.c.seq == bindparam("of_seq")), ["of_seq"])
_ORDERS = Query(select(orders.c.seq, orders.c.value).order_by(orders.c.seq).limit(bindparam("limit")))


class SqlLeases:
    """Implements `engine.ports.Leases`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, owner: str, life: int) -> int | None:
        now = self._now()
        found = _GET.rows(self._connection, name=_NAME)
        if not found:
            _insert(self._connection, [(_NAME, owner, 1, now + life)])
            return 1
        holder, epoch, until = found[0]
        if holder != owner and until > now:
            return None
        epoch += holder != owner
        _update(self._connection, [(owner, epoch, now + life, _NAME)])
        return int(epoch)

    def held(self, owner: str, epoch: int) -> bool:
        found = _GET.rows(self._connection, name=_NAME)
        return bool(found) and tuple(found[0][:2]) == (owner, epoch)

    def let_go(self, owner: str, epoch: int) -> None:
        if self.held(owner, epoch):
            _update(self._connection, [(owner, epoch, 0, _NAME)])

    def order(self, value: bytes) -> None:
        _insert_order(self._connection, [(value,)])
        if self._connection.dialect.name == "postgresql":
            _TELL.rows(self._connection)

    def take_orders(self, limit: int) -> Sequence[bytes]:
        found = _ORDERS.rows(self._connection, limit=limit)
        _delete_order(self._connection, [(seq,) for seq, _ in found])
        return [bytes(value) for _, value in found]

    def _now(self) -> int:
        now: int = _NOW[self._connection.dialect.name].rows(self._connection)[0][0]
        return now
