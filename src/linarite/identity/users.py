"""Users, as functions of a transaction: documents of kind `user` by their name in lower case.

The user of development mode has a blank password in the store: it stands for the well-known one, in that mode alone.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from linarite.engine.access import User
from linarite.engine.errors import AlreadyExists, InvalidValue, NotFound
from linarite.engine.model import Role
from linarite.engine.ports import Transaction
from linarite.http.passwords import hashed
from linarite.identity import accounts

KIND, COUNTER, SEEDED = "user", "user-number", "development-user"
DEVELOPMENT_USER, DEVELOPMENT_PASSWORD = "dev", "linarite"
BLANK = ""
SHORTEST = 8

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@\\-]{0,63}")


class Record(msgspec.Struct, kw_only=True):
    """A user as it is kept: `password` is a hash (`http.passwords`)."""

    name: str
    account: str
    role: Role
    number: int
    password: str

    def user(self) -> User:
        """What others may know of it."""
        return User(name=self.name, account=self.account, role=self.role, number=self.number)


def find(tx: Transaction, name: str, now: int) -> Record | None:
    """The user of that name, without regard to case."""
    value = tx.documents.get(KIND, name.lower(), now)
    return None if value is None else msgspec.convert(value, Record)


def everyone(tx: Transaction, now: int) -> list[Record]:
    """All users by their number."""
    found = [msgspec.convert(value, Record) for value in tx.documents.all(KIND, now).values()]
    return sorted(found, key=lambda record: record.number)


def add(tx: Transaction, name: str, password: str, account: str, role: Role, now: int) -> Record:
    """A new user of an account. Raises InvalidValue, AlreadyExists, NotFound for the account."""
    if not _NAME.fullmatch(name):
        raise InvalidValue(
            "user", name, "a name has up to 64 letters, digits and . _ @ \\ -, and begins with one of the first two"
        )
    if find(tx, name, now) is not None:
        raise AlreadyExists("user", name)
    if tx.accounts.get(account) is None:
        raise NotFound("account", account)
    record = Record(name=name, account=account, role=role, number=_next(tx, now), password=_fit(password))
    return _put(tx, record)


def set_password(tx: Transaction, name: str, password: str, now: int) -> Record:
    """Give a user another password. Raises NotFound, InvalidValue."""
    record = _known(tx, name, now)
    record.password = _fit(password)
    return _put(tx, record)


def set_role(tx: Transaction, name: str, role: Role, now: int) -> Record:
    """Give a user another role. Raises NotFound."""
    record = _known(tx, name, now)
    record.role = role
    return _put(tx, record)


def remove(tx: Transaction, name: str, now: int) -> None:
    """Forget a user; their number is not given again. Raises NotFound."""
    _known(tx, name, now)
    tx.documents.delete(KIND, name.lower())


def seed(tx: Transaction, now: int) -> None:
    """Make the account and the user of development mode, once: what was removed stays away."""
    accounts.of_development(tx, accounts.DEVELOPMENT_ACCOUNT, now)
    if tx.documents.get(SEEDED, DEVELOPMENT_USER, now) is None:
        tx.documents.put(SEEDED, DEVELOPMENT_USER, value=True)
        _put(
            tx,
            Record(
                name=DEVELOPMENT_USER, account=accounts.DEVELOPMENT_ACCOUNT, role=Role.ADMIN, number=_next(tx, now),
                password=BLANK,
            ),
        )  # fmt: skip


def _known(tx: Transaction, name: str, now: int) -> Record:
    record = find(tx, name, now)
    if record is None:
        raise NotFound("user", name)
    return record


def _put(tx: Transaction, record: Record) -> Record:
    tx.documents.put(KIND, record.name.lower(), msgspec.to_builtins(record))
    return record


def _next(tx: Transaction, now: int) -> int:
    number: Any = (tx.documents.get(COUNTER, KIND, now) or 0) + 1
    tx.documents.put(COUNTER, KIND, number)
    return int(number)


def _fit(password: str) -> str:
    if len(password) < SHORTEST:
        raise InvalidValue("password", "", f"a password has at least {SHORTEST} characters")
    if password == DEVELOPMENT_PASSWORD:
        raise InvalidValue("password", "", "everybody knows this one")
    return hashed(password)
