"""The commands that a person types. Each is loaded when it is used, so that `--help` and `--version` are quick."""

from __future__ import annotations

import importlib
import sys

import typer
from typer.core import TyperCommand, TyperGroup

from linarite import __version__
from linarite.refusal import Refused

COMMANDS = {
    "serve": ("linarite.cli.serve", "Serve Azure Batch, Azure Files, HPC Pack and SuperOffice until stopped."),
    "demo": ("linarite.cli.demo", "Run a real job through all four protocols and show what came out."),
    "accounts": ("linarite.cli.accounts", "Make accounts, list them, show and rotate their keys."),
    "users": ("linarite.cli.users", "Add people, list them, change their passwords and roles."),
    "token": ("linarite.cli.token", "Print a bearer token, or a credential for SuperOffice."),
    "cert": ("linarite.cli.cert", "Print where the certificate is that clients of --tls must trust."),
}
"""Name of a command: the module whose `app` it is, and its sentence in `--help`."""


class Commands(TyperGroup):
    """A group that knows of its commands what `--help` shows, and loads the one that is called."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | TyperGroup | None:
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1], rich_markup_mode=None)

    def resolve_command(self, ctx, args):
        name, command, rest = super().resolve_command(ctx, args)
        module = importlib.import_module(COMMANDS[name][0])
        return name, typer.main.get_command(module.app), rest


app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"linarite {__version__}")
        raise typer.Exit


@app.callback()
def linarite(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """A self-hosted batch computing server that existing clients run against unchanged.

    In development mode, the default, nothing has to be set up: `linarite serve` and go.
    """


def main() -> None:
    """Run the command of this process's arguments; a refusal is one line and exit code 1."""
    try:
        app(prog_name="linarite")
    except Refused as refusal:
        typer.echo(f"linarite: {refusal}", err=True)
        sys.exit(1)
