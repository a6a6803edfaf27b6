"""Small named records with an end of life, as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Index, Table, bindparam, delete, select
from sqlalchemy import text as sql

from linarite.store.rows import pack
from linarite.store.schema import TEXT, metadata, number, packed
from linarite.store.statements import Query

documents = Table(
    "documents",
    metadata,
    Column("kind", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    packed("value"),
    number("expires_at", null=True),
    Index(None, "expires_at"),
)

_ALIVE = documents.c.expires_at.is_(None) | (documents.c.expires_at > bindparam("now"))
_GET = Query(
    select(documents.c.value).where(
        documents.c.kind == bindparam("kind"), documents.c.name == bindparam("name"), _ALIVE
    )
)
_ALL = Query(
    select(documents.c.name, documents.c.value)
    .where(documents.c.kind == bindparam("kind"), _ALIVE)
    .order_by(documents.c.name)
)
_PUT = sql(
    "INSERT INTO documents (kind, name, value, expires_at) VALUES (:kind, :name, :value, :expires_at)"
    " ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"
)


class SqlDocuments:
    """Implements `engine.ports.Documents`. A document is gone from the moment `expires_at` on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, kind: str, name: str, now: int) -> Any | None:  # noqa: ANN401 - plain data of the caller's own
        value = _GET.value(self._connection, kind=kind, name=name, now=now)
        return None if value is None else msgspec.json.decode(value)

    def put(self, kind: str, name: str, value: object, expires_at: int | None = None) -> None:
        """Store a document in place of the one of that name, if any."""
        self._connection.execute(_PUT, {"kind": kind, "name": name, "value": pack(value), "expires_at": expires_at})

    def delete(self, kind: str, name: str) -> None:
        self._connection.execute(delete(documents).where(documents.c.kind == kind, documents.c.name == name))

    def all(self, kind: str, now: int) -> dict[str, Any]:
        found = _ALL.rows(self._connection, kind=kind, now=now)
        return {name: msgspec.json.decode(value) for name, value in found}

    def prune(self, now: int) -> None:
        self._connection.execute(delete(documents).where(documents.c.expires_at <= now))
