"""Records to rows and back: one mapping a table, from which every statement takes its columns and their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Boolean, Connection, Select, Table, select

from linarite.store.statements import Query, Statement, Values, inserting, updating

R = TypeVar("R", bound=msgspec.Struct)
Codec = Callable[[Any], Any]

pack = msgspec.json.Encoder().encode


def pack_or_null(value: object) -> bytes | None:
    """JSON, or nothing for what is empty or not there."""
    return pack(value) if value else None


def unpack_facts(value: bytes | None) -> dict[str, Any]:
    """The facts of the faces: NULL when there are none."""
    return msgspec.json.decode(value) if value else {}


def unpacked(kind: object) -> Codec:
    """A reader of JSON that may be NULL."""
    decode = msgspec.json.Decoder(kind).decode
    return lambda value: None if value is None else decode(value)


def word(kind: type[Enum]) -> Codec:
    """A reader of an enumeration's words that may be NULL; a table is ten times faster than the enumeration's call."""
    return {None: None, **{member.value: member for member in kind}}.__getitem__


class Rows(Generic[R]):
    """How records of one type stand in `table`.

    A column bears the name of its field; `paths` tells where other columns' values stand (`spec.priority`). `write`
    turns a value into what its column holds, `read` turns it back. Columns in `paths` are read back only through
    `build`, which makes a record of the values by column name.
    """

    def __init__(
        self,
        record: type[R],
        table: Table,
        *,
        paths: Mapping[str, str],
        write: Mapping[str, Codec],
        read: Mapping[str, Codec],
        build: Callable[..., R] | None = None,
        also_read: Sequence[str] = (),
    ) -> None:
        self.table = table
        self._paths, self._write = paths, write
        self._build: Callable[..., R] = build or record
        # Plain text: SQLAlchemy's own kind of name makes a record a third slower to build.
        self._names = [str(c.name) for c in table.c if c.name not in paths or c.name in also_read]
        truths: dict[str, Codec] = {c.name: bool for c in table.c if isinstance(c.type, Boolean)}
        read = truths | dict(read)
        self._readers = [(name, read[name]) for name in self._names if name in read]
        self.select: Select[Any] = select(*(table.c[name] for name in self._names))

    def values(self, names: Sequence[str]) -> Callable[[R], Values]:
        """A function from a record to the values of these columns, two or more."""
        get: Callable[[R], Values] = attrgetter(*(self._paths.get(name, name) for name in names))
        codecs = [(place, self._write[name]) for place, name in enumerate(names) if name in self._write]
        if not codecs:
            return get

        def values(record: R) -> Values:
            row = list(get(record))
            for place, codec in codecs:
                row[place] = codec(row[place])
            return tuple(row)

        return values

    def inserter(self, *, later: Sequence[str] = ()) -> Callable[[Connection, Sequence[R]], None]:
        """A function that inserts whole records.

        `later` are columns that a record gets in the course of its life. Those of records that have none of them are
        not given to the driver at all: to bind a NULL costs as much as to bind a value.
        """
        names = [c.name for c in self.table.c]
        whole = self._runner(inserting(self.table, names), self.values(names))
        if not later:
            return whole
        first = [name for name in names if name not in later]
        new = self._runner(inserting(self.table, first), self.values(first))
        history, none = attrgetter(*later), (None,) * len(later)

        def run(connection: Connection, records: Sequence[R]) -> None:
            (new if all(history(record) == none for record in records) else whole)(connection, records)

        return run

    def updater(self, names: Sequence[str]) -> Callable[[Connection, Sequence[R]], None]:
        """A function that updates these columns of records, found by their key."""
        ordered = [c.name for c in self.table.c if c.name in names]
        return self._runner(updating(self.table, ordered), self.values([*ordered, "key"]))

    def names_but(self, *names: str) -> list[str]:
        """The columns, without these and without the key."""
        return [c.name for c in self.table.c if c.name not in (*names, "key")]

    def one(self, connection: Connection, query: Query, **values: object) -> R | None:
        """The record that `query` finds, if any."""
        rows = query.rows(connection, **values)
        return self._load(rows[0]) if rows else None

    def many(self, connection: Connection, query: Query, **values: object) -> list[R]:
        """The records that `query` finds, in its order."""
        return [self._load(row) for row in query.rows(connection, **values)]

    def listed(self, connection: Connection, statement: Select[Any], **values: object) -> list[R]:
        """The records that a statement finds that is made for this time alone."""
        return [self._load(row) for row in connection.execute(statement, values)]

    def _load(self, row: Sequence[Any]) -> R:
        values = dict(zip(self._names, row, strict=True))
        for name, read in self._readers:
            values[name] = read(values[name])
        return self._build(**values)

    @staticmethod
    def _runner(statement: Statement, values: Callable[[R], Values]) -> Callable[[Connection, Sequence[R]], None]:
        def run(connection: Connection, records: Sequence[R]) -> None:
            statement(connection, [values(record) for record in records])

        return run
