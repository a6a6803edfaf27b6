"""`linarite token`: credentials of development mode's issuer, and sessions for SuperOffice."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from linarite.cli import records
from linarite.cli.options import Config, Data
from linarite.engine.errors import NotFound
from linarite.engine.model import Role
from linarite.engine.ports import Transaction
from linarite.identity import accounts, issuing, users
from linarite.refusal import Refused

Audience = Annotated[Literal["batch", "storage"], typer.Option(help="Azure Batch or Azure Files.")]
Account = Annotated[str, typer.Option(help="The account that the bearer acts in.")]
May = Annotated[Role, typer.Option("--role", help="What the bearer may do.")]
Hours = Annotated[float, typer.Option(min=0.01, max=24 * 365, help="How long it is good.")]
SuperOffice = Annotated[bool, typer.Option("--superoffice", help="Print SuperOffice credentials instead.")]
Kind = Annotated[
    issuing.SuperOfficeKind | None, typer.Argument(help="With --superoffice, this one alone.", show_default=False)
]
User = Annotated[str, typer.Option(help="Whom a SuperOffice credential stands for.")]


def token(
    kind: Kind = None, *, audience: Audience = "batch", account: Account = accounts.DEVELOPMENT_ACCOUNT,
    role: May = Role.WRITE, hours: Hours = 1.0, superoffice: SuperOffice = False,
    user: User = users.DEVELOPMENT_USER, data: Data = None, config: Config = None,
) -> None:  # fmt: skip
    """Print a bearer token for Azure Batch or Azure Files, or credentials for SuperOffice.

    Azure's clients send tokens over https alone: start the server with --tls. Those of SuperOffice end six hours after
    their last use.
    """
    if superoffice:
        _superoffice((kind,) if kind else issuing.SUPEROFFICE_KINDS, user, data, config)
        return
    if kind is not None:
        raise Refused(f"A {kind} is a credential of SuperOffice: add --superoffice.")
    wanted, folder = records.chosen(data, config)
    if not wanted.development:
        raise Refused(
            "Our own tokens are for development mode; in production they come from the issuers in the settings."
        )
    if not accounts.well_formed(account):
        raise Refused(f"{account!r} is no account's name: 3 to 24 lower-case letters and digits.")
    key = issuing.signing_key(folder.keys)
    typer.echo(issuing.token(key, issuing.AUDIENCES[audience], account, role, hours, records.now() // 1_000_000))


def _superoffice(
    kinds: Sequence[issuing.SuperOfficeKind], user: str, data: Path | None, config: Path | None
) -> None:  # fmt: skip
    made = [(kind, issuing.superoffice_secret(kind), secrets.token_urlsafe(24)) for kind in kinds]

    def keep(tx: Transaction) -> None:
        known = users.find(tx, user, records.now())
        if known is None:
            raise NotFound("user", user)
        for kind, secret, xsrf in made:
            issuing.keep_session(tx, secret, known.name, kind, xsrf if kind == "cookie" else None, records.now())

    records.change(data, config, keep)
    for kind, secret, xsrf in made:
        typer.echo("\n".join(_headers(kind, secret, xsrf)) if kind == "cookie" or len(made) > 1 else secret)


def _headers(kind: issuing.SuperOfficeKind, secret: str, xsrf: str) -> list[str]:
    """The header fields that a request bears."""
    if kind == "cookie":
        return [f"Cookie: {issuing.COOKIE}={secret}; {issuing.XSRF_COOKIE}={xsrf}", f"X-XSRF-TOKEN: {xsrf}"]
    return [f"Authorization: {'SOTICKET' if kind == 'ticket' else 'Bearer'} {secret}"]
