"""Lists in pages, each of bounded work: no request looks through a million records, whatever its condition.

A list goes on by keys, hence in the order of age, or by ids, where the condition leaves few of them. By keys it walks
the indexes that hold all that can match (`Routes`), or the whole list. Either way it looks at some thousand records,
then at some more while its time lasts; what it found until then is a page, maybe a short one, and the position says
where it stopped. Positions are keys or ids, so that what is added or deleted meanwhile moves none.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, bindparam, select

from linarite.engine.errors import InvalidValue
from linarite.engine.filtering import Expression, Listed
from linarite.store.filters import LARGEST, Properties, Property, checked, condition
from linarite.store.routes import Routes, Walk
from linarite.store.rows import Rows
from linarite.store.spans import NEXT, Span, Spans, spans_of
from linarite.store.statements import Query

R = TypeVar("R", bound=msgspec.Struct)

CHUNK = 10_000
"""Records that are looked at before the time is."""
PATIENCE = 0.03
"""Seconds after which a page is given as it is."""
PROBE = 2_000
"""Fewer records than these are few: an index that holds no more is walked rather than a longer one."""
MOST_SPANS = 50
_KEY = re.compile("k[0-9]{1,18}", re.ASCII)
_key_of: Callable[[Any], int] = attrgetter("key")


class Asked(NamedTuple):
    """One request: whose list, which of its records, how many at most."""

    connection: Connection
    home: object
    where: Expression
    limit: int


class Listing(Generic[R]):
    """The pages of one kind of list. `home` is the column that says whose list a record stands in."""

    def __init__(
        self, rows: Rows[R], properties: Properties, home: ColumnElement[Any], *, keys: Walk, ids: Walk,
        routes: Routes | None = None,
    ) -> None:  # fmt: skip
        """`keys` and `ids` are the indexes by (home, key) and by (home, id)."""
        self._rows, self._keys, self._routes = rows, keys, routes
        self._by_keys = _ByKeys(rows, properties, home, [keys, *(routes.seldom if routes else ())])
        self._by_ids = _ByIds(rows, properties, home, ids)
        self._plain = Query(self._by_keys.statement(keys))

    def page(self, connection: Connection, home: object, where: Expression | None, after: int, limit: int) -> list[R]:
        """At most `limit` records after a key, in the order of keys, however many have to be looked at."""
        if where is None:
            return self._rows.many(connection, self._plain, home=home, after=after, upto=LARGEST, limit=limit)
        asked = Asked(connection, home, checked(where), limit)
        return self._by_keys(asked, self._walks(where), after, float("inf")).records

    def listed(
        self, connection: Connection, home: object, where: Expression | None, position: str, limit: int
    ) -> Listed[R]:
        """One page from a position on. InvalidValue for a condition or a position that is none."""
        if where is None:
            return _cut(self.page(connection, home, None, _key(position), limit + 1), limit)
        asked = Asked(connection, home, checked(where), limit)
        walks, spans = self._walks(where), self._spans(where)
        until = time.perf_counter() + PATIENCE
        going_on_by_id = position.startswith("i")
        if spans is not None and (going_on_by_id or (not position and self._few_ids(asked, spans, walks))):
            return self._by_ids(asked, spans, position[1:], until)
        return self._by_keys(asked, walks, _key(position), until)

    def _walks(self, where: Expression) -> Sequence[Walk]:
        walks = self._routes.through(where) if self._routes else None
        return [self._keys] if walks is None else walks

    @staticmethod
    def _spans(where: Expression) -> Spans | None:
        spans = spans_of(where)
        few = spans is not None and (len(spans) <= MOST_SPANS or all(span.is_point for span in spans))
        return spans if few else None

    def _few_ids(self, asked: Asked, spans: Spans, walks: Sequence[Walk]) -> bool:
        """Tell whether to go by ids: they are few, or there is nothing less to walk."""
        if self._keys in walks or all(span.is_point for span in spans):
            return True
        return self._by_ids.few(asked, spans) or not self._by_keys.few(asked, walks)


class _ByKeys(Generic[R]):
    """Through a list by key, along one index or several that overlap."""

    def __init__(self, rows: Rows[R], properties: Properties, home: ColumnElement[Any], walks: Sequence[Walk]) -> None:
        key = rows.table.c.key
        self._rows, self._properties, self._key = rows, properties, key
        self._of_home = home == bindparam("home")
        self._following = key > bindparam("after")
        later = {walk: walk.answers(select(key)).where(self._of_home, self._following) for walk in walks}
        self._stops = {walk: Query(one.order_by(key).limit(1).offset(bindparam("skip"))) for walk, one in later.items()}

    def statement(self, walk: Walk) -> Select[Any]:
        """The records of a walk after a key."""
        found = walk.answers(self._rows.select).where(self._of_home, self._following, self._key <= bindparam("upto"))
        return found.order_by(self._key).limit(bindparam("limit"))

    def __call__(self, asked: Asked, walks: Sequence[Walk], after: int, until: float) -> Listed[R]:
        matching = condition(asked.where, self._properties)
        statements = [self.statement(walk).where(matching) for walk in walks]
        found: list[R] = []
        while True:
            stop = self._stop(asked, walks, after)
            found += self._between(asked, statements, after, stop or LARGEST, asked.limit + 1 - len(found))
            if stop is None or len(found) > asked.limit:
                return _cut(found, asked.limit)
            if time.perf_counter() >= until:
                return Listed(found, f"k{stop}")
            after = stop

    def few(self, asked: Asked, walks: Sequence[Walk]) -> bool:
        """Tell whether none of the indexes holds as many records as a probe."""
        values = {"home": asked.home, "after": 0, "skip": PROBE - 1}
        return all(self._stops[walk].value(asked.connection, **values) is None for walk in walks)

    def _stop(self, asked: Asked, walks: Sequence[Walk], after: int) -> int | None:
        """The key up to which no walk has more than a chunk; None when that is its end for all."""
        values = {"home": asked.home, "after": after, "skip": CHUNK - 1}
        stops = [self._stops[walk].value(asked.connection, **values) for walk in walks]
        return min((stop for stop in stops if stop is not None), default=None)

    def _between(
        self, asked: Asked, statements: Sequence[Select[Any]], after: int, upto: int, limit: int
    ) -> list[R]:  # fmt: skip
        values = {"home": asked.home, "after": after, "upto": upto, "limit": limit}
        found = [record for one in statements for record in self._rows.listed(asked.connection, one, **values)]
        if len(statements) == 1:
            return found
        once = {_key_of(record): record for record in found}
        return [once[key] for key in sorted(once)[:limit]]


class _ByIds(Generic[R]):
    """Through a list by id, within spans of ids."""

    def __init__(self, rows: Rows[R], properties: Properties, home: ColumnElement[Any], index: Walk) -> None:
        id_key = rows.table.c.id_key
        self._rows, self._index, self._id = rows, index, id_key
        self._names_of = rows.values(["id_key", "key"])
        self._of_home = home == bindparam("home")
        # One bound at each end, and the condition's own hidden: of two, SQLite begins or stops at the one it fancies.
        self._properties = {**properties, "id": Property(id_key.concat(""), folded=True)}
        self._within = id_key >= bindparam("low"), id_key < bindparam("high")
        ids = index.answers(select(id_key)).where(self._of_home, *self._within).order_by(id_key)
        self._stop = Query(ids.limit(1).offset(bindparam("skip")))

    def __call__(self, asked: Asked, spans: Spans, after: str, until: float) -> Listed[R]:
        left = [Span(max(low, after + NEXT), high) for low, high in spans if high > after + NEXT]
        if all(span.is_point for span in spans):
            return self._cut(self._at_points(asked, left), asked.limit)
        statement = self._statement(asked).where(*self._within)
        found: list[R] = []
        for (low, high), stop in self._pieces(asked, left):
            values = {"home": asked.home, "low": low, "high": high, "limit": asked.limit + 1 - len(found)}
            found += self._rows.listed(asked.connection, statement, **values)
            if len(found) > asked.limit:
                return self._cut(found, asked.limit)
            if stop and time.perf_counter() >= until:
                return Listed(found, f"i{stop}")
        return Listed(found, None)

    def _pieces(self, asked: Asked, spans: Sequence[Span]) -> Iterator[tuple[Span, str]]:
        """The spans a chunk at a time, each with its last id; without one where it reaches the end of its span."""
        for span in spans:
            low: str | None = span.low
            while low is not None:
                values = {"home": asked.home, "low": low, "high": span.high, "skip": CHUNK - 1}
                stop = self._stop.value(asked.connection, **values)
                yield Span(low, span.high if stop is None else stop + NEXT), stop or ""
                low = None if stop is None else stop + NEXT

    def few(self, asked: Asked, spans: Spans) -> bool:
        """Tell whether in none of the spans there are as many records as a probe."""
        values = {"home": asked.home, "skip": PROBE - 1}
        return all(self._stop.value(asked.connection, **values, **span._asdict()) is None for span in spans)

    def _at_points(self, asked: Asked, spans: Sequence[Span]) -> list[R]:
        statement = self._statement(asked).where(self._id.in_([span.low for span in spans]))
        return self._rows.listed(asked.connection, statement, home=asked.home, limit=asked.limit + 1)

    def _statement(self, asked: Asked) -> Select[Any]:
        found = self._index.answers(self._rows.select).where(self._of_home, condition(asked.where, self._properties))
        return found.order_by(self._id).limit(bindparam("limit"))

    def _cut(self, found: list[R], limit: int) -> Listed[R]:
        if len(found) <= limit:
            return Listed(found, None)
        last, _ = self._names_of(found[limit - 1])
        return Listed(found[:limit], f"i{last}")


def _cut(found: list[R], limit: int) -> Listed[R]:
    """A page of at most `limit` of the records that were found, and the key to go on from if there are more."""
    return Listed(found[:limit], f"k{_key_of(found[limit - 1])}") if len(found) > limit else Listed(found, None)


def _key(position: str) -> int:
    """The key that a list goes on from."""
    if not position:
        return 0
    if not _KEY.fullmatch(position):
        raise InvalidValue("position", position, "it is none of this list.")
    return int(position[1:])
