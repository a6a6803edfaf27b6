"""Statements that are written once, by SQLAlchemy, and run often, by the driver itself.

A claim of a few tasks is a dozen small statements, and what `Connection.execute` does around each of them takes longer
than SQLite does to answer it: 60 us of 75 for one record. Statements that differ each time (a list with a condition)
go through `Connection.execute` all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ClauseElement, Connection, Select, Table, TextClause, bindparam, insert, update
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase

from linarite.engine.errors import AlreadyExists

Values = tuple[Any, ...]


class Statement:
    """An INSERT, UPDATE or DELETE whose parameters are `names`, in the order in which its text has them."""

    def __init__(self, statement: UpdateBase | TextClause, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = list(names)
        self._texts: dict[str, str] = {}

    def __call__(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Run it once for each row of values."""
        if not rows:
            return
        text = self._texts.get(connection.dialect.name) or self._compile(connection)
        cursor = connection.connection.cursor()
        if connection.dialect.name == "sqlite":
            cursor.executemany(text, rows)
        elif len(rows) == 1:
            cursor.execute(text, rows[0])
        else:
            # What the driver sends behind the last of many stops the database's watch over who says nothing for long
            # (`database.LONGEST_PAUSE`); a statement by itself starts it again.
            cursor.executemany(text, rows)
            cursor.execute("SELECT")

    def _compile(self, connection: Connection) -> str:
        compiled = _compiled(self._statement, connection)
        if compiled.positiontup != self._names:
            raise AssertionError(f"{compiled} takes {compiled.positiontup}, not {self._names}")
        self._texts[connection.dialect.name] = compiled.string
        return compiled.string


class Query:
    """A statement that gives rows, with named values; a value that is a list stands for the values of an IN."""

    def __init__(self, statement: Select[Any] | TextClause) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}

    def rows(self, connection: Connection, **values: Any) -> Sequence[Values]:  # noqa: ANN401 - what columns hold
        """The rows as the driver gives them. Nothing is in an empty list, hence no row is found with one."""
        text = self._texts.get(connection.dialect.name) or self._compile(connection)
        asked = text.asked(values)
        if asked is None:
            return []
        cursor = connection.connection.cursor()
        cursor.execute(*asked)
        return cursor.fetchall()

    def value(self, connection: Connection, **values: Any) -> Any | None:  # noqa: ANN401 - what columns hold
        """The first value of the first row, if there is one."""
        rows = self.rows(connection, **values)
        return rows[0][0] if rows else None

    def _compile(self, connection: Connection) -> _Text:
        text = _Text(_compiled(self._statement, connection), "?" if connection.dialect.paramstyle == "qmark" else "%s")
        self._texts[connection.dialect.name] = text
        return text


class _Text:
    """A query in the words of one database."""

    def __init__(self, compiled: SQLCompiler, mark: str) -> None:
        self._string = compiled.string
        self._mark = mark
        self._names: list[str] = compiled.positiontup or []
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self._lists = {name for name, bind in compiled.binds.items() if bind.expanding}

    def asked(self, values: dict[str, Any]) -> tuple[str, list[Any]] | None:
        """The text and its positional values; None when a list is empty."""
        values = {**self._fixed, **values}
        if not self._lists:
            return self._string, [values[name] for name in self._names]
        string, positional = self._string, list[Any]()
        for name in self._names:
            if name not in self._lists:
                positional.append(values[name])
                continue
            if not values[name]:
                return None
            some = _padded(values[name])
            string = string.replace(f"__[POSTCOMPILE_{name}]", ", ".join([self._mark] * len(some)))
            positional += some
        return string, positional


def _padded(values: Sequence[Any]) -> list[Any]:
    """The values, the last one repeated up to a power of two: few texts, which the driver has prepared already."""
    return [*values, *[values[-1]] * ((1 << (len(values) - 1).bit_length()) - len(values))]


def _compiled(statement: ClauseElement, connection: Connection) -> SQLCompiler:
    compiled = statement.compile(dialect=connection.dialect)
    assert isinstance(compiled, SQLCompiler)
    return compiled


def inserting(table: Table, names: Sequence[str]) -> Statement:
    """Insert rows: a value for each of `names`."""
    return Statement(insert(table).values({name: bindparam(name) for name in names}), names)


def updating(table: Table, names: Sequence[str]) -> Statement:
    """Update rows by key: a value for each of `names` in the table's own order, then the key."""
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return Statement(update(table).where(table.c.key == bindparam("of_key")).values(values), [*names, "of_key"])


def is_a(error: BaseException, *names: str) -> bool:
    """Whether it is such an error. PEP 249 gives the errors of all drivers the same names, but no common type."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


@contextmanager
def unique(kind: str, id: str) -> Iterator[None]:
    """Say `AlreadyExists` of what the database refuses as a duplicate. The unit of work is spoilt then: it must end."""
    try:
        yield
    except Exception as error:
        if is_a(error, "IntegrityError"):
            raise AlreadyExists(kind, id) from error
        raise
