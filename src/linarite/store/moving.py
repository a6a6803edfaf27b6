"""All records of one database into another, empty one: how a team that grows leaves SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Column, Connection, Integer, Table, func, insert, select
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError

from linarite.refusal import Refused
from linarite.store.database import location, reading, writing
from linarite.store.migrations import bring_up_to_date
from linarite.store.schema import metadata

AT_ONCE = 2_000
"""Records that are held in memory at a time."""


def move(source: str | Path, target: str | Path) -> Mapping[str, int]:
    """Copy every record of `source` into `target` in one transaction; tells how many each table has.

    The source is brought up to date and stays as it is. Raises Refused when the target has records already, or when
    either cannot be used; the target is empty then.
    """
    old, new = location(source), location(target)
    if old == new:
        raise Refused("A store cannot be moved to where it is.")
    try:
        engines = writing(old), reading(old), writing(new)
        try:
            for engine in (engines[0], engines[2]):
                bring_up_to_date(engine)
            with engines[1].connect() as reader, engines[2].begin() as writer:
                return _copy(reader, writer)
        finally:
            for engine in engines:
                engine.dispose()
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise Refused(f"The store cannot be moved: {getattr(error, 'orig', None) or error}.") from error


def _copy(reader: Connection, writer: Connection) -> dict[str, int]:
    tables = metadata.sorted_tables
    if any(writer.execute(select(table).limit(1)).first() for table in tables):
        raise Refused("The database that is to take the records has some already: it must be empty.")
    return {table.name: _copy_table(table, reader, writer) for table in tables}


def _copy_table(table: Table, reader: Connection, writer: Connection) -> int:
    moved = 0
    found = reader.execution_options(yield_per=AT_ONCE).execute(select(table))
    for some in found.mappings().partitions(AT_ONCE):
        writer.execute(insert(table), [{name: _fit(value) for name, value in row.items()} for row in some])
        moved += len(some)
    if (numbered := table.autoincrement_column) is not None and writer.dialect.name == "postgresql":
        _go_on_from(numbered, writer)
    arrived = writer.execute(select(func.count()).select_from(table)).scalar()
    if arrived != moved:
        raise Refused(f"The store cannot be moved: of {moved} records of {table.name}, {arrived} arrived.")
    return moved


def _fit(value: object) -> object:
    """PostgreSQL keeps no NUL in text: a reason that somebody gave with one has a mark in its place."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _go_on_from(numbered: Column[int], writer: Connection) -> None:
    """Have the database give numbers after those that were brought."""
    assert isinstance(numbered.type, Integer)
    last = writer.execute(select(func.max(numbered))).scalar()
    if last is not None:
        sequence = f"pg_get_serial_sequence('{numbered.table.name}', '{numbered.name}')"
        writer.execute(sql(f"SELECT setval({sequence}, :last)"), {"last": last})
