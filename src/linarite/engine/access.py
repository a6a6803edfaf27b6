"""Who may call, as the faces ask it: accounts with keys, users with a role, tokens. Answered by `linarite.identity`."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from linarite.engine.errors import EngineError
from linarite.engine.model import Role


class Unauthenticated(EngineError):
    """The caller is not known: `reason` is fit to be shown (no secret in it)."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person: `name` without regard to case, `account` the tenant that they see, `number` theirs for ever."""

    name: str
    account: str
    role: Role
    number: int


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A caller that was recognised: acts in `account` as `name` with `role`; `scheme` is how it was recognised.

    `job` limits a token to one job. `facts`: a token's `oid` and `tid` where it has them.
    """

    account: str
    name: str
    role: Role = Role.ADMIN
    scheme: str = ""
    job: str | None = None
    facts: dict[str, Any] = {}


class Access(Protocol):
    """What a face may ask about callers."""

    default_account: str
    development: bool
    tenant: str
    """The Entra tenant where callers get their tokens, for challenges; `common` when none is known."""

    async def account_keys(self, account: str) -> tuple[bytes, ...]:
        """The decoded keys of an account, empty when there is no such account.

        In development mode any well-formed name has the development key, whether there is an account yet or not.
        """
        ...

    async def admit(self, account: str) -> None:
        """Let a caller in who was recognised by the account's keys: development mode makes the account that is new."""
        ...

    async def bearer(self, token: str, audiences: tuple[str, ...], now: int, addressed: str | None) -> Principal:
        """Whom a valid token stands for, in the account that the request names, else the token's, else the default.

        The account is admitted. Raises Unauthenticated, NotAllowed.
        """
        ...

    async def password(self, name: str, password: str) -> User | None:
        """The user with that password; constant time, None for an unknown one too."""
        ...

    async def users_of(self, account: str) -> list[User]:
        """The users who act in that account."""
        ...

    async def user(self, name: str) -> User | None:
        """The user of that name."""
        ...
