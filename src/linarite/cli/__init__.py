"""The commands that a person types. Each is loaded when it is used, so that `--help` and `--version` are quick."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from linarite import __version__
from linarite.refusal import Refused

COMMANDS = {
    "serve": ("linarite.cli.serve:serve", "Serve Azure Batch, Azure Files, HPC Pack and SuperOffice until stopped."),
    "demo": ("linarite.cli.demo:demo", "Run a real job through all four protocols and show what came out."),
    "accounts": ("linarite.cli.accounts:app", "Make accounts, list them, rotate keys, link them to their storage."),
    "applications": (
        "linarite.cli.applications:app",
        "Put application packages there, list and remove them.",
    ),
    "users": ("linarite.cli.users:app", "Add people, list them, change their passwords and roles."),
    "token": ("linarite.cli.token:token", "Print a bearer token, or a credential for SuperOffice."),
    "migrate": ("linarite.cli.migrate:migrate", "Copy the SQLite store into an empty PostgreSQL database."),
    "cert": ("linarite.cli.cert:cert", "Print where the certificate is that clients of --tls must trust."),
}
"""Name of a command: where its function (or its group) is, and its sentence in `--help`."""


class Commands(TyperGroup):
    """A group that knows of its commands what `--help` shows, and loads the one that is called."""

    def list_commands(self, ctx: object) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> Any:  # noqa: ANN401 - typer's own class is not public
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1], rich_markup_mode=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - the same
        name, _, rest = super().resolve_command(ctx, args)
        assert name is not None
        return name, _load(name), rest


def _load(name: str) -> Any:  # noqa: ANN401 - the same
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name, help=_in_paragraphs(found.__doc__ or ""))(found)
        found = alone
    return typer.main.get_command(found)


def _in_paragraphs(docstring: str) -> str:
    """A docstring whose lines break where the terminal wants it."""
    return "\n\n".join(" ".join(part.split()) for part in docstring.split("\n\n"))


app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"linarite {__version__}")
        raise typer.Exit


@app.callback()
def linarite(
    version: bool = typer.Option(
        False, "--version", callback=_tell_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """A self-hosted batch computing server that existing clients run against unchanged.

    Nothing has to be set up: `linarite serve`, and it answers on this machine with a well-known account.
    `linarite demo` shows it at work.
    """


def main() -> None:
    """Run the command of this process's arguments; a refusal is one line and exit code 1, of words like these 2."""
    try:
        sys.exit(app(prog_name="linarite", standalone_mode=False))
    except Refused as refusal:
        typer.echo(f"linarite: {refusal}", err=True)
        sys.exit(1)
    except typer.Abort:
        typer.echo("linarite: nothing was done.", err=True)  # at a question: the end of the input, or Ctrl-C
        sys.exit(1)
    except TyperException as error:
        if said := " ".join(error.format_message().replace("Value error, ", "").split()).rstrip("."):
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "linarite"
            typer.echo(f"linarite: {said}. See `{command} --help`.", err=True)
        sys.exit(error.exit_code)  # without a word the help was asked for, and stands there
