"""Durable state behind `engine.ports.Store`: SQL through SQLAlchemy Core, SQLite by default.

Nothing in here knows what a batch system does: rules are the engine's, and so is the meaning of every column.
"""

from linarite.store.sql_store import SqlStore, open_store

__all__ = ["SqlStore", "open_store"]
