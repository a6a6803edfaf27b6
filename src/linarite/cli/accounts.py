"""`linarite accounts`: tenants and their keys."""

from __future__ import annotations

from typing import Annotated

import typer

from linarite.cli import records
from linarite.cli.options import Config, Data
from linarite.cli.tables import as_json, date, table
from linarite.engine.errors import NotFound
from linarite.engine.model import Account
from linarite.engine.ports import Transaction
from linarite.identity import accounts

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Make accounts, list them, show and rotate their keys.",
)  # fmt: skip

Name = Annotated[str, typer.Argument(help="The account: 3 to 24 lower-case letters and digits.", show_default=False)]
Number = Annotated[int, typer.Option("--key", min=1, max=2, help="Which of the two keys.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_accounts(*, json: Json = False, data: Data = None, config: Config = None) -> None:
    """List the accounts, without their keys."""
    found = records.change(data, config, lambda tx: tx.accounts.all())
    rows = [{"name": one.name, "number": one.key, "created": date(one.created_at), "keys": _kind(one)} for one in found]
    as_json(rows) if json else table(rows)


@app.command()
def create(name: Name, *, json: Json = False, data: Data = None, config: Config = None) -> None:
    """Make an account, and print its two keys."""
    _show(records.change(data, config, lambda tx: accounts.create(tx, name, records.now())), json=json)


@app.command("show-keys")
def show_keys(name: Name, *, json: Json = False, data: Data = None, config: Config = None) -> None:
    """Print the two keys of an account."""
    _show(records.change(data, config, lambda tx: _known(tx, name)), json=json)


@app.command()
def rotate(name: Name, *, key: Number = 1, json: Json = False, data: Data = None, config: Config = None) -> None:
    """Give an account a new key, and print both: the old one is refused from then on.

    An account of development mode, whose key is the well-known one, gets two real keys.
    """
    _show(records.change(data, config, lambda tx: accounts.rotate(tx, name, key)), json=json)


def _known(tx: Transaction, name: str) -> Account:
    account = tx.accounts.get(name)
    if account is None:
        raise NotFound("account", name)
    return account


def _kind(account: Account) -> str:
    return "development" if account.key1 == accounts.BLANK else "own"


def _show(account: Account, *, json: bool) -> None:
    both = [key or accounts.DEVELOPMENT_KEY for key in (account.key1, account.key2)]
    if json:
        as_json({"name": account.name, "key1": both[0], "key2": both[1]})
        return
    if account.key1 == accounts.BLANK:
        typer.echo(
            "These are the well-known keys of development mode; `linarite accounts rotate` gives real ones.", err=True
        )
    typer.echo(f"key1  {both[0]}\nkey2  {both[1]}")
