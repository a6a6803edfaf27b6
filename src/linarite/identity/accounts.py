"""Accounts and their keys, as functions of a transaction.

An account of development mode has blank keys in the store: they stand for the well-known one, in that mode alone.
"""

from __future__ import annotations

import base64
import re
import secrets

from linarite.engine.errors import InvalidValue, NotFound
from linarite.engine.model import Account
from linarite.engine.ports import Transaction

DEVELOPMENT_ACCOUNT = "devaccount"
DEVELOPMENT_KEY = "bGluYXJpdGUtZGV2ZWxvcG1lbnQta2V5LW5vdC1hLXNlY3JldA=="
BLANK = ""

_NAME = re.compile(r"[a-z0-9]{3,24}")


def well_formed(name: str) -> bool:
    """Whether it can be an account's name."""
    return _NAME.fullmatch(name) is not None


def new_key() -> str:
    """A key as Azure's are: 64 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(64)).decode()


def create(tx: Transaction, name: str, now: int) -> Account:
    """A new account with two keys of its own. Raises InvalidValue, AlreadyExists."""
    if not well_formed(name):
        raise InvalidValue("account", name, "a name has 3 to 24 lower-case letters and digits")
    return _insert(tx, Account(key=0, name=name, key1=new_key(), key2=new_key(), created_at=now))


def of_development(tx: Transaction, name: str, now: int) -> Account:
    """The account of that name, made with blank keys when it is new."""
    return tx.accounts.get(name) or _insert(tx, Account(key=0, name=name, key1=BLANK, key2=BLANK, created_at=now))


def _insert(tx: Transaction, account: Account) -> Account:
    tx.accounts.insert(account)
    return account


def first(tx: Transaction) -> Account | None:
    """The account that was made first: that of callers and users who name none."""
    return min(tx.accounts.all(), key=lambda account: account.key, default=None)


def rotate(tx: Transaction, name: str, number: int) -> Account:
    """Give an account a new key 1 or 2; blank ones become real together. Raises NotFound."""
    account = tx.accounts.get(name)
    if account is None:
        raise NotFound("account", name)
    if number == 1 or account.key1 == BLANK:
        account.key1 = new_key()
    if number == 2 or account.key2 == BLANK:
        account.key2 = new_key()
    tx.accounts.update(account)
    return account


def keys(account: Account, *, development: bool) -> tuple[str, ...]:
    """The keys that are good now, in base64."""
    real = tuple(key for key in (account.key1, account.key2) if key != BLANK)
    return real or ((DEVELOPMENT_KEY,) if development else ())
