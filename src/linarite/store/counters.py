"""Numbers that are never given twice: the keys of records and the aliases that protocols know them by.

A number taken by a unit of work that fails was never seen by anybody, and is given again.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Table
from sqlalchemy import text as sql

from linarite.store.schema import TEXT, metadata, number
from linarite.store.statements import Query

counters = Table("counters", metadata, Column("name", TEXT, primary_key=True), number("value"), sqlite_with_rowid=False)

_TAKE = Query(
    sql(
        "INSERT INTO counters (name, value) VALUES (:name, :count)"
        " ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value RETURNING value"
    )
)


def take(connection: Connection, name: str, count: int = 1) -> int:
    """Take `count` numbers in a row of the counter `name`, which begins at 1; returns the first."""
    last: int = _TAKE.rows(connection, name=name, count=count)[0][0]
    return last - count + 1
