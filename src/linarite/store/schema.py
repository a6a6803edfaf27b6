"""The schema's one `metadata`, and the column types of every table. Tables stand beside the repository they serve.

Text compares by code point on every database, so that a range of ids means the same everywhere.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Index, Integer, LargeBinary, MetaData, Select, Text
from sqlalchemy import text as sql

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

TEXT = Text().with_variant(Text(collation="C"), "postgresql")
NUMBER = BigInteger().with_variant(Integer(), "sqlite")
BYTES = LargeBinary()


class Whole:
    """An index of all rows of a table, and the questions that it answers."""

    def __init__(self, name: str, *columns: ColumnElement[Any], unique: bool = False) -> None:
        self._index = Index(name, *columns, unique=unique)

    def answers(self, statement: Select[Any]) -> Select[Any]:
        """The statement by this index, whatever the planner thinks of others."""
        return by_index(statement, self._index)


class Partial:
    """An index of the rows for which `where` holds, and the questions that it answers."""

    def __init__(self, name: str, where: str, *columns: ColumnElement[Any]) -> None:
        self._where = sql(where)
        self._index = Index(name, *columns, sqlite_where=self._where, postgresql_where=self._where)

    def answers(self, statement: Select[Any]) -> Select[Any]:
        """The statement for these rows alone, by this index.

        Left alone, SQLite's planner takes an index over all of history for as good as a partial one.
        """
        return by_index(statement.where(self._where), self._index)


def by_index(statement: Select[Any], index: Index) -> Select[Any]:
    """The statement by one index on SQLite, which would else choose by what it does not know."""
    assert index.table is not None
    return statement.with_hint(index.table, f"INDEXED BY {index.name}", "sqlite")


def key_column() -> Column[Any]:
    """A record's number: given by `counters`, hence never given twice."""
    return Column("key", NUMBER, primary_key=True, autoincrement=False)


def text(name: str, *, null: bool = False) -> Column[Any]:
    """A column of text."""
    return Column(name, TEXT, nullable=null)


def number(name: str, *, null: bool = False) -> Column[Any]:
    """A column of integers of 64 bits: counts, keys and times in microseconds."""
    return Column(name, NUMBER, nullable=null)


def packed(name: str, *, null: bool = False) -> Column[Any]:
    """A column of JSON that no query looks into."""
    return Column(name, BYTES, nullable=null)
