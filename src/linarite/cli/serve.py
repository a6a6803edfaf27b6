"""`linarite serve`: its options are the settings, all of them."""

from __future__ import annotations

import inspect
from typing import Any

import typer

from linarite.cli.options import parameters, settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def serve(**flags: Any) -> None:
    """Serve Azure Batch, Azure Files, HPC Pack and SuperOffice until stopped.

    Each option can also stand in the file that --config names, as a key with underscores, and in the environment as LINARITE_<KEY>. A
    flag wins over the environment, that over the file.
    """
    chosen = settings(flags, flags.pop("config"))
    from linarite import app as composition

    composition.serve(chosen)


_parameters = parameters()
serve.__signature__ = inspect.Signature(_parameters)  # type: ignore[attr-defined]
serve.__annotations__ = {parameter.name: parameter.annotation for parameter in _parameters}
app.command()(serve)
