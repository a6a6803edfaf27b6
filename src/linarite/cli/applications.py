"""`linarite applications`: the packages that pools and tasks of an account may ask for."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import replace

from linarite.cli import records
from linarite.cli.options import Config, Data
from linarite.cli.tables import as_json, date, table
from linarite.engine import applications
from linarite.engine.applications import Application, Version
from linarite.engine.errors import AlreadyExists
from linarite.engine.ports import Transaction
from linarite.identity.accounts import DEVELOPMENT_ACCOUNT
from linarite.nodes.moving.unpacking import UnfitArchiveError, check_archive
from linarite.refusal import Refused

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Put application packages under an account, list and remove them, choose default versions.",
)  # fmt: skip

Id = Annotated[str, typer.Argument(help="The application's id; letter case does not matter.", show_default=False)]
Named = Annotated[str, typer.Argument(help="A version of the application.", show_default=False)]
Account = Annotated[str, typer.Option("--account", help="The account that the application belongs to.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = Annotated[Path, typer.Argument(help="The zip file.", exists=True, dir_okay=False, show_default=False)]
Default = Annotated[bool, typer.Option("--default", help="Make it the version of references that name none.")]
Shown = Annotated[str | None, typer.Option("--display-name", help="What people call it.", show_default=False)]
Updates = Annotated[
    bool | None,
    typer.Option("--allow-updates/--no-allow-updates", help="Whether versions may be put there again, changed."),
]


@app.command("list")
def list_applications(
    *, account: Account = DEVELOPMENT_ACCOUNT, json: Json = False, data: Data = None, config: Config = None
) -> None:
    """List the packages: a line for each version."""
    found = records.change(data, config, lambda tx: applications.everyone(tx, account, records.now()))
    rows = [
        {
            "id": one.id, "version": name, "default": name == one.default, "bytes": version.size,
            "added": date(version.added_at), "updates": one.allow_updates, "display name": one.display_name,
        }
        for one in found
        for name, version in one.versions.items()
    ]  # fmt: skip
    as_json(rows) if json else table(rows)


@app.command()
def add(
    id: Id, version: Named, file: File, *, account: Account = DEVELOPMENT_ACCOUNT, default: Default = False,
    display_name: Shown = None, allow_updates: Updates = None, data: Data = None, config: Config = None,
) -> None:  # fmt: skip
    """Put a version of an application there, from a zip file. The application is made when it is new."""
    _, folder = records.chosen(data, config)
    try:
        check_archive(str(file))
    except UnfitArchiveError as error:
        raise Refused(f"{file} is no package that a node can install: {error}.") from error
    tenant = records.change(data, config, lambda tx: _account(tx, account, id, version, allow_updates, data, config))
    kept = _keep(file, folder.make_archives(tenant))  # between two units of work: it may take long
    said = {"display_name": display_name, "allow_updates": allow_updates, "default": version if default else None}
    changes = {name: value for name, value in said.items() if value is not None}
    stored = records.change(data, config, lambda tx: _store(tx, tenant, id, version, kept, changes))
    typer.echo(f"{stored.id} has the version {stored.version(version)}{_default(stored)}.")


def _account(
    tx: Transaction, name: str, id: str, version: str, allow_updates: bool | None, data: Path | None,
    config: Path | None,
) -> str:  # fmt: skip
    """The account, once it is known that the version may be put there. Raises NotFound, AlreadyExists."""
    tenant = records.account(tx, name, data, config).name
    found = applications.find(tx, tenant, id, records.now())
    if found and not (allow_updates or found.allow_updates) and found.version(version):
        raise AlreadyExists("version", f"{found.id}:{version}")
    return tenant


def _store(
    tx: Transaction, account: str, id: str, version: str, kept: Version, changes: dict[str, Any]
) -> Application:  # fmt: skip
    """Note the version, and what else was said of its application."""
    known = applications.find(tx, account, id, records.now())
    if known is not None and changes.get("allow_updates"):
        applications.put(tx, account, replace(known, allow_updates=True))
    return applications.put(tx, account, replace(applications.add(tx, account, id, version, kept), **changes))


def _keep(file: Path, folder: Path) -> Version:
    """Copy a file into the account's folder under its digest."""
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    target, fresh = folder / f"{digest}.zip", folder / f".{digest}.{os.getpid()}"
    try:
        shutil.copyfile(file, fresh)
        fresh.chmod(0o640)
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise Refused(f"{file} cannot be copied to {folder}: {error.strerror}.") from error
    return Version(digest, target.stat().st_size, records.now())


@app.command()
def remove(
    id: Id, version: Annotated[str | None, typer.Argument(help="This version alone.", show_default=False)] = None,
    *, account: Account = DEVELOPMENT_ACCOUNT, data: Data = None, config: Config = None,
) -> None:  # fmt: skip
    """Remove a version of an application, or all of it. What nodes have installed stays there."""
    _, folder = records.chosen(data, config)

    def work(tx: Transaction) -> set[str]:
        before = _digests(tx, account)
        applications.remove(tx, account, id, version, records.now())
        return before - _digests(tx, account)

    for digest in records.change(data, config, work):
        (folder.make_archives(account) / f"{digest}.zip").unlink(missing_ok=True)
    typer.echo(f"{id if version is None else f'{id} {version}'} is removed.")


def _digests(tx: Transaction, account: str) -> set[str]:
    found = applications.everyone(tx, account, records.now())
    return {version.digest for one in found for version in one.versions.values()}


@app.command("default")
def set_default(
    id: Id, version: Annotated[str | None, typer.Argument(help="The version; none: no default.")] = None, *,
    account: Account = DEVELOPMENT_ACCOUNT, data: Data = None, config: Config = None,
) -> None:  # fmt: skip
    """Choose the version that references without one mean."""
    stored = records.change(data, config, lambda tx: applications.set_default(tx, account, id, version, records.now()))
    typer.echo(f"{stored.id} has no default version." if version is None else f"{stored.id}{_default(stored)}.")


def _default(application: Application) -> str:
    return "" if application.default is None else f", by default {application.default}"
