"""How a database is reached: one engine to write and one to read, and one unit that writes at a time.

SQLite is as durable as it gets. PostgreSQL may be shared by several servers: each one's units of writing wait for a
lock of the database, so that their rules read the truth and nobody changes it meanwhile, as within one server.
"""

from __future__ import annotations

import operator
import os
import sqlite3
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from linarite.engine import model
from linarite.refusal import Refused

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=30000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-4096",  # KiB a connection: what the system caches anyway need not stay here too
    "PRAGMA journal_size_limit=67108864",
)

ONE_AT_A_TIME = f"SELECT pg_advisory_xact_lock({int.from_bytes(b'linarite')})"
SOON_NOTICED = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""libpq's parameters by which a database that fell silent is noticed in half a minute: seconds, the last one ms."""
NO_URL = "The database cannot be used: its address is no URL (a password's special characters are written as %XX)."
LEAST_ROOM = 8 * 1024 * 1024
"""Bytes left on the disk of an SQLite file from which on nothing is begun that has to be committed in the end."""
LONGEST_PAUSE = 4_000
"""Milliseconds without a word in a unit of writing after which PostgreSQL ends it: a server that is frozen, or whose
machine has gone, keeps the lock from all others until then."""


# For a value of any other type than int, float or str, the driver looks for a way to adapt it, and failing costs 0.8 us
# a value: a quarter of it when it finds one that changes nothing.
_PLAIN: dict[type, Callable[[Any], Any]] = {type(None): {}.get, bool: operator.pos, bytes: bytes}
_PLAIN |= {kind: str.__str__ for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, StrEnum)}
for _kind, _adapt in _PLAIN.items():
    sqlite3.register_adapter(_kind, _adapt)


def location(where: str | Path) -> URL:
    """The address of a store: an URL as it is, a path as the SQLite file of that name. Raises Refused."""
    if isinstance(where, str) and "://" in where:
        try:
            return make_url(where)
        except (ArgumentError, ValueError):  # they quote what may be a part of the password
            raise Refused(NO_URL) from None
    return URL.create("sqlite", database=str(where))


def writing(url: URL) -> Engine:
    """An engine for the one writer. Raises Refused for a database that is neither."""
    return _sqlite(url, "BEGIN IMMEDIATE") if _is_sqlite(url) else _postgresql_writing(url)


def reading(url: URL) -> Engine:
    """An engine for readers: their transactions see one moment and change nothing."""
    if _is_sqlite(url):
        return _sqlite(url, "BEGIN", "PRAGMA query_only=ON")
    return _postgresql(url).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def hearing(url: URL) -> Engine:
    """An engine for who waits for what other servers tell: no transaction stays open. PostgreSQL alone has that."""
    return _postgresql(url).execution_options(isolation_level="AUTOCOMMIT")


def is_shared(where: str | Path) -> bool:
    """Tell whether several servers may use the store at the same time."""
    return location(where).get_backend_name() != "sqlite"


def has_little_room(database: str) -> bool:
    """Tell whether the disk of an SQLite file is so full that a commit may fail: one may take a few MiB at most."""
    disk = os.statvfs(Path(database).parent)
    return disk.f_bavail * disk.f_frsize < LEAST_ROOM


def is_lost(connection: Connection) -> bool:
    """Tell whether the database has ended this connection: SQLite never does."""
    return connection.invalidated or bool(getattr(connection.connection.driver_connection, "closed", False))


def _is_sqlite(url: URL) -> bool:
    name = url.get_backend_name()
    if name not in {"sqlite", "postgresql"}:
        raise Refused(f"The database cannot be used: {name} is none of sqlite and postgresql+psycopg.")
    return name == "sqlite"


def _postgresql(url: URL) -> Engine:
    if url.get_driver_name() != "psycopg":
        url = url.set(drivername="postgresql+psycopg")
    noticing = {name: value for name, value in SOON_NOTICED.items() if name not in url.query}
    # Positional parameters, as `statements` gives them; one connection a thread, held for as long as it lives.
    return create_engine(url, paramstyle="format", poolclass=NullPool, connect_args=noticing)


def _postgresql_writing(url: URL) -> Engine:
    engine = _postgresql(url)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's
        connection.execute(f"SET idle_in_transaction_session_timeout = {LONGEST_PAUSE}")
        connection.commit()

    # The lock goes with the transaction. READ COMMITTED: what is read after it was waited for is what others committed.
    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.connection.cursor().execute(ONE_AT_A_TIME)

    return engine


def _sqlite(url: URL, begin: str, *more: str) -> Engine:
    if url.database:
        _make_private(Path(url.database))
    # Connections are made in one thread and closed in another, but never used by two at a time.
    engine = create_engine(url, connect_args={"check_same_thread": False, "cached_statements": 512})

    engine.dialect.statement_compiler = _Compiler

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        for pragma in (*PRAGMAS, *more):
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.connection.cursor().execute(begin)  # half the cost of `exec_driver_sql`

    return engine


class _Compiler(SQLiteCompiler):
    """Passes on the hints of `schema.by_index`, which SQLAlchemy knows of other databases only."""

    def get_from_hint_text(self, _table: object, text: str | None) -> str | None:
        return text


def _make_private(path: Path) -> None:
    """The file holds the accounts' keys: its owner alone reads it. SQLite gives its other files the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
