"""`linarite migrate`: the way from SQLite to a database that several servers share."""

from __future__ import annotations

from typing import Annotated

import typer

from linarite.cli import records
from linarite.cli.options import Config, Data
from linarite.cli.tables import as_json, table
from linarite.refusal import Refused
from linarite.store.moving import move

To = Annotated[
    str, typer.Option("--to", envvar="LINARITE_STORE_URL", help="URL of the empty database.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def migrate(to: To, *, json: Json = False, data: Data = None, config: Config = None) -> None:
    """Copy the data folder's SQLite store into an empty PostgreSQL database.

    The server must be stopped. Start it with the new address in `store_url` afterwards; the files of tasks and shares
    stay where they are, and so does the old store.
    """
    _, folder = records.chosen(data, config)
    if not folder.database.exists():
        raise Refused(f"There is no store to move: {folder.database} does not exist.")
    with folder.alone():
        moved = move(folder.database, to)
    rows = [{"table": name, "records": number} for name, number in moved.items()]
    as_json(rows) if json else table(rows)
