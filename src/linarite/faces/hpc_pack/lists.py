"""Lists in pages: rows picked in the order of their numbers or sorted, and queries kept so that a client can go on.

A query is kept in the store for some minutes: what it asked and where the last answer stopped, never its rows.
Source: Get Job List (QueryId, RowsPerRead, SortJobsBy); NOTES 5 and 9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

import msgspec

from linarite.engine.ledger import Ledger
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack.answers import Objects
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import INVALID_QUERY, OUT_OF_RANGE, bad
from linarite.faces.hpc_pack.properties.table import Property, Table

V = TypeVar("V")
W = TypeVar("W")
KIND = "hpc_pack.query"
LIFE = 15 * 60 * 1_000_000
DEFAULT_ROWS, MOST_ROWS = 10, 10_000
CHUNK = 500
FIRST = -(1 << 60)
"""Before the key of every row."""


class Query(msgspec.Struct, kw_only=True):
    """A list that was asked for. `after` is the key and `shown` the number of the last row given; `by` the sort."""

    of: str
    names: list[str]
    filter: str = ""
    owner: str = ""
    expand: bool = True
    by: str = ""
    ascending: bool = True
    after: int = FIRST
    shown: int = 0


class Listing(Generic[V, W]):
    """What can be listed: `source` gives views by key, beginning after one; `natural` is the property of that order."""

    def __init__(
        self, table: Table[V, W], natural: str, source: Callable[[Transaction, Query], Iterator[tuple[int, V]]]
    ) -> None:
        self.table, self.natural, self.source = table, natural, source

    def ordered(self, tx: Transaction, query: Query) -> tuple[Iterator[tuple[int, V]], bool]:
        """Every row in the order asked for, and whether they follow their keys (and began after the last one shown)."""
        item = self._sort(query.by)
        if item is None and query.ascending:
            return self.source(tx, query), True
        rows = list(self.source(tx, msgspec.structs.replace(query, after=FIRST)))
        if item is not None:
            rows.sort(key=lambda row: _order(item.get(row[1])))
        return iter(rows if query.ascending else rows[::-1]), False

    def _sort(self, name: str) -> Property[V, W] | None:
        """The property to sort by; an unknown name sorts by number, without an error."""
        if not name or name.lower() == self.natural.lower():
            return None
        return next((item for item in self.table.properties if item.name.lower() == name.lower()), None)


def _order(value: Any) -> tuple[bool, Any]:  # noqa: ANN401 - of any kind, but of one
    return value is not None, value.lower() if isinstance(value, str) else value


async def answer(call: Call, listing: Listing[V, W], query: Query, default: tuple[str, ...]) -> Objects:
    """One page of a list: a new query, or the next rows of the one named by QueryId."""
    size = _count(call, "rowsperread", DEFAULT_ROWS, 1)
    start = _count(call, "startrow", None, 0) if call.json else None
    name = call.query("queryid") if start is None else None
    if name:
        kept = await call.engine.ask(lambda tx: tx.documents.get(KIND, _key(call, name), call.request.now))
        if kept is None or kept["of"] != query.of:
            raise bad(INVALID_QUERY, "The QueryId is not known, or its query is too old.")
        query = msgspec.convert(kept, Query)
    else:
        query.names = [item.name for item in listing.table.pick(call.list_of("properties"), default)]
    return await _page(call, listing, query, name or call.request.id, size, start)


def _key(call: Call, name: str) -> str:
    return f"{call.account}/{call.caller.name.lower()}/{name}"


def _count(call: Call, name: str, default: Any, least: int) -> Any:  # noqa: ANN401 - a number, or the default
    text = call.query(name)
    if text is None or not text.strip():
        return default
    if not text.strip().isdigit() or len(text) > 9 or int(text) < least:
        raise bad(OUT_OF_RANGE, f"{name} must be a number of at least {least}, not {text[:32]!r}.")
    return min(int(text), MOST_ROWS) if least else int(text)


async def _page(
    call: Call, listing: Listing[V, W], query: Query, name: str, size: int, start: int | None
) -> Objects:  # fmt: skip
    columns = listing.table.pick(query.names)

    def question(tx: Transaction) -> tuple[list[Any], int, int, bool]:
        rows, by_key = listing.ordered(tx, query)
        skip = start if start is not None else 0 if by_key else query.shown
        skipped = sum(1 for _ in islice(rows, skip))
        page = list(islice(rows, size))
        following = next(rows, None)
        rest = sum(1 for _ in rows) + (following is not None) if start is not None else 0
        shown = [listing.table.write(columns, view) for _, view in page]
        return shown, page[-1][0] if page else query.after, skipped + len(page) + rest, following is not None

    rows, last, total, more = await call.engine.ask(question)
    if start is not None:
        return Objects(rows, None, total)
    query.after, query.shown = last, query.shown + len(rows)
    return Objects(rows, await _keep(call, query, name, more=more))


async def _keep(call: Call, query: Query, name: str, *, more: bool) -> str | None:
    """Remember where the answer stopped, under the name that the client passes back; forget what is through."""
    if not more and not call.query("queryid"):
        return None

    def work(u: Ledger) -> None:
        if more:
            u.tx.documents.put(KIND, _key(call, name), msgspec.to_builtins(query), call.request.now + LIFE)
        else:
            u.tx.documents.delete(KIND, _key(call, name))

    await call.engine.do(work, who=call.caller.name)
    return name if more else None


def pages(page: Callable[[int], list[Any]], after: int) -> Iterator[Any]:
    """Records by key, read in chunks; each has a `key`."""
    while records := page(after):
        yield from records
        if len(records) < CHUNK:
            return
        after = records[-1].key
