"""Accounts: the tenants. Few, read often, changed by an administrator."""

from __future__ import annotations

from sqlalchemy import Connection, Table, UniqueConstraint, bindparam

from linarite.engine.model import Account
from linarite.store.counters import take
from linarite.store.rows import Rows
from linarite.store.schema import key_column, metadata, number, text
from linarite.store.statements import Query, unique

accounts = Table(
    "accounts",
    metadata,
    key_column(),
    text("name"),
    text("name_key"),
    text("key1"),
    text("key2"),
    number("created_at"),
    UniqueConstraint("name_key"),
)

_rows = Rows(Account, accounts, paths={"name_key": "name"}, write={"name_key": str.lower}, read={})
_insert = _rows.inserter()
_update = _rows.updater(_rows.names_but())
_BY_NAME = Query(_rows.select.where(accounts.c.name_key == bindparam("name")))
_ALL = Query(_rows.select.order_by(accounts.c.key))


class SqlAccounts:
    """Implements `engine.ports.Accounts`. Names are compared without regard to case."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> Account | None:
        return _rows.one(self._connection, _BY_NAME, name=name.lower())

    def take_number(self) -> int:
        """Taken where accounts take their keys: the operating system's users are numbered by both."""
        return take(self._connection, "accounts")

    def insert(self, account: Account) -> None:
        """Store a new account and set its key."""
        account.key = self.take_number()
        with unique("account", account.name):
            _insert(self._connection, [account])

    def update(self, account: Account) -> None:
        _update(self._connection, [account])

    def all(self) -> list[Account]:
        return _rows.many(self._connection, _ALL)
