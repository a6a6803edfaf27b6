"""History: one narrow row for each change of state. Only ever appended to, until it is old enough to go."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Column, Connection, Index, Table, bindparam, delete, select

from linarite.engine.model import Event
from linarite.store.rows import Rows
from linarite.store.schema import NUMBER, metadata, number, text
from linarite.store.statements import Query, Statement, inserting

events = Table(
    "events",
    metadata,
    Column("seq", NUMBER, primary_key=True),
    text("account"),
    text("kind"),
    number("key"),
    number("at"),
    text("what"),
    text("who"),
    text("why"),
    number("number"),
    Index(None, "kind", "key"),
)

_NAMES = [column.name for column in events.c if column.name != "seq"]
_rows = Rows(Event, events, paths={"seq": ""}, write={}, read={})
_values = _rows.values(_NAMES)
_insert = inserting(events, _NAMES)
_delete = Statement(delete(events).where(events.c.seq == bindparam("of_seq")), ["of_seq"])
_OF = Query(
    _rows.select.where(events.c.kind == bindparam("kind"), events.c.key == bindparam("key"))
    .order_by(events.c.seq)
    .limit(bindparam("limit"))
)
_OLDEST = Query(select(events.c.seq, events.c.at).order_by(events.c.seq).limit(bindparam("limit")))


class SqlEvents:
    """Implements `engine.ports.Events`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, events: Iterable[Event]) -> None:
        _insert(self._connection, [_values(event) for event in events])

    def of(self, kind: str, key: int, limit: int = 1000) -> list[Event]:
        """The first `limit` events of a record, in the order in which they were added."""
        return _rows.many(self._connection, _OF, kind=kind, key=key, limit=limit)

    def prune(self, before: int, limit: int) -> int:
        """Forget events older than `before` among the `limit` first rows; returns how many.

        Rows stand in the order of time, but for clocks that jump: looking at the first ones needs no index on time.
        """
        oldest = _OLDEST.rows(self._connection, limit=limit)
        old = [(seq,) for seq, at in oldest if at < before]
        _delete(self._connection, old)
        return len(old)
