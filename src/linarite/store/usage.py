"""Totals of what was used, added to in place, and the times in which nodes were there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from sqlalchemy import Boolean, Column, Connection, Index, Table, bindparam, delete, func, select, update
from sqlalchemy import text as sql

from linarite.engine.filtering import Expression
from linarite.engine.usage import NodeSpan, Owner, Totals
from linarite.store.filters import Property, checked, condition
from linarite.store.rows import Rows
from linarite.store.schema import NUMBER, TEXT, Partial, metadata, number, text
from linarite.store.statements import Query, Statement, Values, inserting

_NAMES = [str(name) for name in Totals.__struct_fields__]

totals = Table(
    "totals",
    metadata,
    Column("kind", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    *(number(name) for name in _NAMES),
    sqlite_with_rowid=False,
)
spans = Table(
    "node_spans",
    metadata,
    Column("seq", NUMBER, primary_key=True),
    number("node_key"),
    text("account"),
    number("pool_key"),
    text("pool"),
    text("size"),
    Column("dedicated", Boolean, nullable=False),
    number("cores"),
    number("started_at"),
    number("ended_at", null=True),
    Index(None, "account", "ended_at", "started_at"),
    Index(None, "ended_at"),
)
OPEN = Partial("ix_node_spans_open", "ended_at IS NULL", spans.c.node_key)
OPEN_OF_ACCOUNT = Partial("ix_node_spans_open_of_account", "ended_at IS NULL", spans.c.account, spans.c.pool_key)

_rows = Rows(NodeSpan, spans, paths={"seq": ""}, write={}, read={})
_SPAN = [column.name for column in spans.c if column.name != "seq"]
_insert = inserting(spans, _SPAN)
_values = _rows.values(_SPAN)
_close = Statement(
    update(spans)
    .where(spans.c.node_key == bindparam("of_node"), spans.c.ended_at.is_(None))
    .values(ended_at=bindparam("moment")),
    ["moment", "of_node"],
)
_delete_spans = Statement(delete(spans).where(spans.c.seq == bindparam("of_seq")), ["of_seq"])
_delete_totals = Statement(
    delete(totals).where(totals.c.kind == bindparam("of_kind"), totals.c.name == bindparam("of_name")),
    ["of_kind", "of_name"],
)
_MORE = ", ".join(f"{name} = totals.{name} + excluded.{name}" for name in _NAMES if name != "peak")
_PEAK = "peak = CASE WHEN excluded.peak > totals.peak THEN excluded.peak ELSE totals.peak END"
_add = Statement(
    sql(
        f"INSERT INTO totals (kind, name, {', '.join(_NAMES)})"  # noqa: S608 - names of columns, values are bound
        f" VALUES (:kind, :name, {', '.join(f':{name}' for name in _NAMES)})"
        f" ON CONFLICT (kind, name) DO UPDATE SET {_MORE}, {_PEAK}"
    ),
    ["kind", "name", *_NAMES],
)
_values_of: Callable[[Totals], Values] = attrgetter(*_NAMES)
_TOTALS = Query(
    select(totals.c.name, *(totals.c[name] for name in _NAMES)).where(
        totals.c.kind == bindparam("kind"), totals.c.name.in_(bindparam("names", expanding=True))
    )
)
_OF_NODE = Query(OPEN.answers(_rows.select).where(spans.c.node_key == bindparam("node_key")))
_OPEN_OF_ACCOUNT = OPEN_OF_ACCOUNT.answers(_rows.select).where(spans.c.account == bindparam("account"))
_OPEN_NOW = Query(_OPEN_OF_ACCOUNT)
_OPEN_OF_POOLS = Query(_OPEN_OF_ACCOUNT.where(spans.c.pool_key.in_(bindparam("pools", expanding=True))))
_BEGUN = spans.c.started_at < bindparam("until")
_PAST = _rows.select.where(spans.c.account == bindparam("account"), spans.c.ended_at > bindparam("since"), _BEGUN)
_OLD = Query(
    select(spans.c.seq)
    .where(spans.c.ended_at < bindparam("before"))
    .order_by(spans.c.ended_at)
    .limit(bindparam("limit"))
)
_FIRST = select(func.min(spans.c.started_at)).where(spans.c.account == bindparam("account"))
_FIRST_PAST = Query(_FIRST.where(spans.c.ended_at > bindparam("since")))
_FIRST_OPEN = Query(OPEN_OF_ACCOUNT.answers(_FIRST))

PROPERTIES = {"poolId": Property(func.lower(spans.c.pool, type_=TEXT), folded=True)}


class SqlUsage:
    """Implements `engine.ports.UsageRecords`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, charges: Iterable[tuple[Owner, Totals]]) -> None:
        """Add to the totals of each owner."""
        _add(self._connection, [(*owner, *_values_of(more)) for owner, more in charges])

    def totals(self, kind: str, names: Sequence[str]) -> dict[str, Totals]:
        """The totals of those owners of a kind that have any."""
        found = _TOTALS.rows(self._connection, kind=kind, names=names)
        return {name: Totals(**dict(zip(_NAMES, values, strict=True))) for name, *values in found}

    def forget(self, owner: Owner) -> None:
        """Forget the totals of one that is gone."""
        _delete_totals(self._connection, [owner])

    def open(self, span: NodeSpan) -> None:
        """Keep a span that has begun."""
        _insert(self._connection, [_values(span)])

    def close(self, node_key: int, moment: int) -> NodeSpan | None:
        """End the node's open span, if it has one, and give it."""
        span = _rows.one(self._connection, _OF_NODE, node_key=node_key)
        if span is not None:
            _close(self._connection, [(moment, node_key)])
        return span

    def open_spans(self, account: str, pools: Sequence[int] | None = None) -> list[NodeSpan]:
        """The open spans of an account's pools, or of all of them."""
        if pools is None:
            return _rows.many(self._connection, _OPEN_NOW, account=account)
        return _rows.many(self._connection, _OPEN_OF_POOLS, account=account, pools=pools)

    def spans(self, account: str, where: Expression | None, since: int, until: int) -> list[NodeSpan]:
        """The spans of an account that have a part between two moments."""
        values = {"account": account, "since": since, "until": until}
        found: list[NodeSpan] = []
        for statement in (_PAST, _OPEN_OF_ACCOUNT.where(_BEGUN)):
            chosen = statement if where is None else statement.where(condition(checked(where), PROPERTIES))
            found += _rows.listed(self._connection, chosen, **values)
        return found

    def first_moment(self, account: str, since: int) -> int | None:
        """The first moment from `since` on at which a node was there for the account."""
        values = {"account": account, "since": since}
        past, open_ = (
            _FIRST_PAST.value(self._connection, **values),
            _FIRST_OPEN.value(self._connection, account=account),
        )
        begun = [moment for moment in (past, open_) if moment is not None]
        return max(since, min(begun)) if begun else None

    def prune(self, before: int, limit: int) -> int:
        """Forget spans that ended before a moment; returns how many."""
        old = _OLD.rows(self._connection, before=before, limit=limit)
        _delete_spans(self._connection, [(seq,) for (seq,) in old])
        return len(old)
