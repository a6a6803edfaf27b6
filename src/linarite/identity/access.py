"""`engine.access.Access` over the store, with what was just asked remembered for a moment."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any

from linarite.engine.access import Principal, Unauthenticated, User
from linarite.engine.errors import NotAllowed
from linarite.engine.model import SECOND, Account, Role
from linarite.engine.ports import Clock, Store
from linarite.http import passwords
from linarite.http.bearer import InvalidToken, Issuer, Verifier, claimed
from linarite.http.published_keys import TheseKeys
from linarite.identity import accounts, task_tokens, users
from linarite.identity.remembered import Remembered
from linarite.identity.trust import RoleMap, Trusted, account_claim, caller_name, tenant_of

_ANYONE = Trusted(Issuer("", TheseKeys()), RoleMap(default=Role.ADMIN))
"""What tokens signed with an account's key grant: all that the key does, unless they name a role."""
RECORD_LIFE = 2.0
"""Seconds after which a key or a user that was changed elsewhere is seen."""
VERIFIED_LIFE = 300.0
"""Seconds for which a password that matched needs no second hashing."""
HASHINGS = 2
"""Passwords hashed at a time: each takes 16 MiB and a core for a while."""


class Identity:
    """Implements `engine.access.Access`."""

    def __init__(self, store: Store, clock: Clock, trusted: Sequence[Trusted], *, development: bool) -> None:
        """`trusted` are the issuers whose tokens are believed. Call `start` before use."""
        self.development = development
        self.default_account = accounts.DEVELOPMENT_ACCOUNT if development else ""
        self.tenant = tenant_of([one.issuer.name for one in trusted])
        self._store, self._clock = store, clock
        self._trusted = {one.issuer.name: one for one in trusted}
        self._verifier = Verifier([one.issuer for one in trusted])
        self._numbers: dict[str, int] = {}
        self._keys: Remembered[tuple[bytes, ...]] = Remembered(RECORD_LIFE)
        self._records: Remembered[users.Record] = Remembered(RECORD_LIFE)
        self._verified: Remembered[bool] = Remembered(VERIFIED_LIFE)
        self._secret = secrets.token_bytes(32)
        self._hashing = asyncio.Semaphore(HASHINGS)

    async def start(self) -> None:
        """Make development mode's account and user, and know the accounts' numbers."""
        if self.development:
            await self._store.write(lambda tx: users.seed(tx, self._clock.now()))
        for account in await self._store.read(lambda tx: tx.accounts.all()):
            self._numbers[account.name] = account.key
        if not self.development:
            self.default_account = min(self._numbers, key=self._numbers.__getitem__, default="")

    def number(self, account: str) -> int:
        """The number of an account. Blocks for a moment when another server made it. Raises KeyError."""
        if account not in self._numbers:
            found = self._store.read_now(lambda tx: tx.accounts.get(account))
            if found is None:
                raise KeyError(account)
            self._meet(found)
        return self._numbers[account]

    async def account_keys(self, account: str) -> tuple[bytes, ...]:
        """The decoded keys, empty for an unknown account; any well-formed name has one in development mode."""
        known = self._keys.get(account)
        if known is not None:
            return known
        found = await self._store.read(lambda tx: tx.accounts.get(account)) if accounts.well_formed(account) else None
        if found is not None:
            self._meet(found)
            good = accounts.keys(found, development=self.development)
        elif self.development and accounts.well_formed(account):
            good = (accounts.DEVELOPMENT_KEY,)
        else:
            return ()
        return self._keys.put(account, tuple(base64.b64decode(key) for key in good))

    async def admit(self, account: str) -> None:
        """Let a caller that was recognised in: development mode makes the account that is new."""
        if account not in self._numbers:
            self._meet(await self._store.write(lambda tx: accounts.of_development(tx, account, self._clock.now())))

    def _meet(self, account: Account) -> None:
        self._numbers[account.name] = account.key
        self.default_account = self.default_account or account.name

    async def bearer(self, token: str, audiences: tuple[str, ...], now: int, addressed: str | None) -> Principal:
        """Whom a token stands for; `addressed` is the account that the request names, `now` in microseconds.

        Raises Unauthenticated, NotAllowed.
        """
        try:
            anyone = await self._anyone(token, addressed)
            claims, issuer = await self._verifier.verify(token, audiences, now // SECOND, anyone)
        except InvalidToken as error:
            raise Unauthenticated(str(error)) from error
        if issuer.name == task_tokens.ISSUER:
            return await self._of_task(claims, addressed)
        trusted = self._trusted.get(issuer.name, _ANYONE)
        account = trusted.account(claims, addressed, self.default_account)
        if not await self.account_keys(account):
            raise Unauthenticated("The account of the request does not exist.")
        role = trusted.role(claims)
        await self.admit(account)
        ids = {name: claims[name] for name in ("oid", "tid") if isinstance(claims.get(name), str)}
        return Principal(account=account, name=caller_name(claims), role=role, scheme="Bearer", facts=ids)

    async def _anyone(self, token: str, addressed: str | None) -> Issuer | None:
        """The issuer of development mode's tokens that are signed with an account's key, whatever issuer they name."""
        if not self.development:
            return None
        account = addressed or account_claim(claimed(token), "account") or self.default_account
        return Issuer("", TheseKeys(*await self.account_keys(account)), ("HS256",))

    async def _of_task(self, claims: dict[str, Any], addressed: str | None) -> Principal:
        principal = await self._store.read(lambda tx: task_tokens.principal_of(tx, claims))
        if addressed is not None and addressed != principal.account:
            raise NotAllowed("The token is another account's.")
        return principal

    async def password(self, name: str, password: str) -> User | None:
        """The user with that password, None otherwise."""
        record = await self._record(name)
        kept = passwords.nobody() if record is None else record.password
        digest = hmac.digest(self._secret, f"{kept}\0{password}".encode(), hashlib.sha256).hex()
        if self._verified.get(digest) is None:
            if not await self._matches(password, kept):
                return None
            self._verified.put(digest, value=True)
        return None if record is None else await self._let_in(record)

    async def _let_in(self, record: users.Record) -> User:
        if await self.account_keys(record.account):
            await self.admit(record.account)
        return record.user()

    async def _matches(self, password: str, kept: str) -> bool:
        if kept == users.BLANK:
            known = users.DEVELOPMENT_PASSWORD.encode()
            return self.development and hmac.compare_digest(password.encode(), known)
        async with self._hashing:
            return await asyncio.to_thread(passwords.matches, password, kept)

    async def users_of(self, account: str) -> list[User]:
        """The users who act in that account; development mode's only in that mode."""
        known = await self._store.read(lambda tx: users.everyone(tx, self._clock.now()))
        found = [await self.user(record.name) for record in known if record.account == account]
        return [user for user in found if user is not None]

    async def user(self, name: str) -> User | None:
        """The user of that name; development mode's only in that mode."""
        record = await self._record(name)
        gone = record is None or (record.password == users.BLANK and not self.development)
        return None if record is None or gone else await self._let_in(record)

    async def _record(self, name: str) -> users.Record | None:
        known = self._records.get(name.lower())
        if known is not None:
            return known
        record = await self._store.read(lambda tx: users.find(tx, name, self._clock.now()))
        return None if record is None else self._records.put(name.lower(), record)
