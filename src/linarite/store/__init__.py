"""Durable state behind `engine.ports.Store`: SQL through SQLAlchemy Core, SQLite by default, or PostgreSQL.

Nothing in here knows what a batch system does: rules are the engine's, and so is the meaning of every column.
"""

from linarite.store.database import is_shared
from linarite.store.sql_store import SqlStore, open_store

__all__ = ["SqlStore", "is_shared", "open_store"]
