"""`linarite accounts`: tenants and their keys."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from linarite.cli import records
from linarite.cli.options import Config, Data
from linarite.cli.tables import as_json, date, table
from linarite.engine.bringing import AUTO_STORAGE
from linarite.engine.errors import NotFound
from linarite.engine.model import Account
from linarite.engine.ports import Transaction
from linarite.identity import accounts
from linarite.nodes import auto_storage
from linarite.refusal import Refused

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Make accounts, list them, show and rotate their keys, link them to their storage.",
)  # fmt: skip

Name = Annotated[str, typer.Argument(help="The account: 3 to 24 lower-case letters and digits.", show_default=False)]
Number = Annotated[int, typer.Option("--key", min=1, max=2, help="Which of the two keys.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Stdin = Annotated[
    bool, typer.Option("--connection-string-stdin", help="Read the connection string from standard input.")
]
Remove = Annotated[bool, typer.Option("--remove", help="Unlink the account from its storage.")]


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


@app.command("auto-storage")
def link_storage(
    name: Name, *, connection_string_stdin: Stdin = False, remove: Remove = False, data: Data = None,
    config: Config = None,
) -> None:  # fmt: skip
    """Link an account to the storage whose containers its tasks name by autoStorageContainerName.

    The storage is told by a connection string, with a key or with a shared access signature for reading and listing.
    """
    if remove:
        records.change(data, config, lambda tx: tx.documents.delete(AUTO_STORAGE, _known(tx, name).name))
        typer.echo(f"{name} has no storage of its own any more.")
        return
    linked = _storage(asked=not connection_string_stdin)

    def put(tx: Transaction) -> None:
        tx.documents.put(AUTO_STORAGE, records.account(tx, name, data, config).name, msgspec.to_builtins(linked))

    records.change(data, config, put)
    typer.echo(f"{name} has its storage at {linked.endpoint}.")


def _storage(*, asked: bool) -> auto_storage.LinkedStorage:
    if asked and not sys.stdin.isatty():
        raise Refused("There is no terminal to ask for the connection string: pass it with --connection-string-stdin.")
    text = str(typer.prompt("Connection string", hide_input=True)) if asked else sys.stdin.readline()
    try:
        return auto_storage.read(text)
    except ValueError as error:
        raise Refused(f"This is no connection string of a storage account: {error}.") from error


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
