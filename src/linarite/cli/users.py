"""`linarite users`: the people who sign in to HPC Pack and SuperOffice by name and password."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from linarite.cli import records
from linarite.cli.options import Config, Data
from linarite.cli.tables import as_json, table
from linarite.engine.model import Role
from linarite.engine.ports import Transaction
from linarite.identity import accounts, users
from linarite.refusal import Refused

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Add people, list them, change their passwords and roles. HPC Pack and SuperOffice know them by Basic.",
)  # fmt: skip

Name = Annotated[str, typer.Argument(help="The name; letter case does not matter.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Account = Annotated[
    str | None,
    typer.Option("--account", help="The account that they see; the first one when not given.", show_default=False),
]
May = Annotated[Role, typer.Option("--role", help="What they may do.")]
Stdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input, without asking.")]


@app.command("list")
def list_users(*, json: Json = False, data: Data = None, config: Config = None) -> None:
    """List the users."""
    found = records.change(data, config, lambda tx: users.everyone(tx, records.now()))
    rows = [{"name": one.name, "number": one.number, "role": one.role.value, "account": one.account} for one in found]
    as_json(rows) if json else table(rows)


@app.command()
def add(
    name: Name, *, account: Account = None, role: May = Role.WRITE,
    password_stdin: Stdin = False, data: Data = None, config: Config = None,
) -> None:  # fmt: skip
    """Add a person. Read sees, write also submits and changes, admin also acts for others."""
    password = _password(asked=not password_stdin)

    def put(tx: Transaction) -> users.Record:
        tenant = account or _first(tx)
        return users.add(tx, name, password, tenant, role, records.now())

    added = records.change(data, config, put)
    typer.echo(f"{added.name} is user {added.number} of {added.account}, role {added.role.value}.")


@app.command()
def password(name: Name, *, password_stdin: Stdin = False, data: Data = None, config: Config = None) -> None:
    """Give a user another password."""
    new = _password(asked=not password_stdin)
    changed = records.change(data, config, lambda tx: users.set_password(tx, name, new, records.now()))
    typer.echo(f"{changed.name} has a new password.")


@app.command()
def role(name: Name, role: Annotated[Role, typer.Argument()], *, data: Data = None, config: Config = None) -> None:
    """Give a user another role."""
    changed = records.change(data, config, lambda tx: users.set_role(tx, name, role, records.now()))
    typer.echo(f"{changed.name} has the role {changed.role.value}.")


@app.command()
def remove(name: Name, *, data: Data = None, config: Config = None) -> None:
    """Remove a user; what they submitted stays."""
    records.change(data, config, lambda tx: users.remove(tx, name, records.now()))
    typer.echo(f"{name} is removed.")


def _first(tx: Transaction) -> str:
    found = accounts.first(tx)
    if found is None:
        raise Refused("There is no account yet: make one with `linarite accounts create NAME`.")
    return found.name


def _password(*, asked: bool) -> str:
    if asked and not sys.stdin.isatty():
        raise Refused("There is no terminal to ask for the password: pass it with --password-stdin.")
    if asked:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
