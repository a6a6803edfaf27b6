"""Whose tokens are believed, and what a token of theirs grants: roles, and the account where it names one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from linarite.engine.access import Unauthenticated
from linarite.engine.errors import NotAllowed
from linarite.engine.model import Role
from linarite.http.bearer import Issuer

RANKS = {Role.READ: 0, Role.WRITE: 1, Role.ADMIN: 2}
_ENTRA = re.compile(r"https://(?:login\.microsoftonline\.com|sts\.windows\.net)/([0-9a-f-]{36})(?:/|$)", re.IGNORECASE)
_NAMES = ("upn", "unique_name", "preferred_username", "appid", "azp", "oid", "sub")


class RoleMap:
    """What an issuer's `roles` mean: its own words, then read, write and admin; else the default."""

    def __init__(self, words: Mapping[str, Role] | None = None, default: Role | None = None) -> None:
        """`default` None gives a token without a known role none."""
        self._words = {**{role.value: role for role in Role}, **(words or {})}
        self._default = default

    def of(self, claims: dict[str, Any]) -> Role | None:
        """The highest role that a token's claims grant."""
        named = claims.get("roles")
        named = named if isinstance(named, list) else [named]
        known = {self._words[word] for word in named if isinstance(word, str) and word in self._words}
        return max(known, key=RANKS.__getitem__, default=self._default)


class Trusted:
    """An issuer with what its tokens grant here."""

    def __init__(
        self, issuer: Issuer, roles: RoleMap, *, account_claim: str = "account", accounts: Sequence[str] = ()
    ) -> None:
        """`account_claim` names the account that a token is limited to; `accounts` are all that its tokens reach."""
        self.issuer, self._roles = issuer, roles
        self._claim, self._accounts = account_claim, tuple(accounts)

    def role(self, claims: dict[str, Any]) -> Role:
        """The role of a token. Raises NotAllowed."""
        role = self._roles.of(claims)
        if role is None:
            raise NotAllowed("The token grants no role.")
        return role

    def account(self, claims: dict[str, Any], addressed: str | None, default: str) -> str:
        """The account of a request: the addressed one, else the token's, else the default. Raises NotAllowed."""
        claimed = account_claim(claims, self._claim)
        account = addressed or claimed or (self._accounts[0] if self._accounts else default)
        if claimed is not None and account != claimed:
            raise NotAllowed("The token is another account's.")
        if self._accounts and account not in self._accounts:
            raise NotAllowed("The issuer of the token has no say about this account.")
        return account


def account_claim(claims: dict[str, Any], name: str) -> str | None:
    """The account that a token names, None when it names none. Raises Unauthenticated."""
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise Unauthenticated("The account of the token is no name.")
    return value


def caller_name(claims: dict[str, Any]) -> str:
    """What the caller is called: a person's sign-in name, an application's id, else the subject."""
    return next((claims[name] for name in _NAMES if isinstance(claims.get(name), str)), "token")


def tenant_of(issuers: Sequence[str]) -> str:
    """The Entra tenant of the first issuer that is one's, else `common`: where a challenge sends callers."""
    found = (_ENTRA.match(issuer) for issuer in issuers)
    return next((match[1] for match in found if match), "common")
