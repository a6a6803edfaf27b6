"""Versions of the schema. A new database is made whole and marked as current; an old one is brought there by Alembic.

Adding a version: write `versions/NNNN_what.py`, change the tables, raise `CURRENT`. A test compares the two ways.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy import text as sql

from linarite.refusal import Refused
from linarite.store import transaction
from linarite.store.schema import metadata

CURRENT = "0001"

__all__ = ["CURRENT", "bring_up_to_date", "transaction"]


def bring_up_to_date(engine: Engine) -> None:
    """Make, or bring to the current version, the tables of a database. Costs one query when there is nothing to do."""
    with engine.begin() as connection:
        if _version(connection) != CURRENT:
            _migrate(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(sql("SELECT version_num FROM alembic_version")).scalar()
    return version


def _migrate(connection: Connection) -> None:
    # Alembic takes a tenth of a second to import: only those pay who need it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    try:
        if _version(connection) is None:
            metadata.create_all(connection)
            command.stamp(config, CURRENT)
        else:
            command.upgrade(config, CURRENT)
    except CommandError as error:
        raise Refused(f"The database was made by another version, which this server does not know: {error}.") from error
