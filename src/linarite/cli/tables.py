"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence

import typer


def table(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows of the same columns; their names are the headings."""
    from rich.console import Console
    from rich.table import Table

    if not rows:
        typer.echo("None.")
        return
    shown = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*(str(value) for value in row.values()))
    Console().print(shown, markup=False, highlight=False)


def as_json(value: object) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2))


def date(moment: int) -> str:
    """Microseconds since the epoch as a date and time of day, UTC."""
    return f"{dt.datetime.fromtimestamp(moment / 1_000_000, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
