"""A thread's one connection, made when it is needed and made again when the database has ended it."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import RootTransaction

from linarite.store.database import is_lost
from linarite.store.transaction import SqlTransaction


class Link:
    """The connection that there is now, with the repositories over it."""

    def __init__(self, engine: Engine) -> None:
        """Nothing is connected yet."""
        self._engine = engine
        self._made: tuple[Connection, SqlTransaction] | None = None
        self._uses = 0

    @property
    def connection(self) -> Connection:
        """The connection; made if there is none."""
        return self._whole()[0]

    @property
    def transaction(self) -> SqlTransaction:
        """The repositories over it."""
        return self._whole()[1]

    @property
    def connected(self) -> bool:
        """Tell whether there is a connection."""
        return self._made is not None

    @property
    def lost(self) -> bool:
        """Tell whether the database has ended the connection that there was."""
        return self._made is not None and is_lost(self._made[0])

    @property
    def uses_of_shares(self) -> int:
        """How often units have used the records of shares; another number, too, once the connection is another."""
        return self._uses + (self._made[1].uses_of_shares if self._made is not None else 0)

    def begin(self) -> RootTransaction:
        """Begin a transaction; over a new connection where the database has ended the old one since then."""
        try:
            return self.connection.begin()
        except Exception:
            if not self.lost:
                raise
        self.close()
        return self.connection.begin()

    def close(self) -> None:
        """Let go of the connection, whatever state it is in. The next use makes another."""
        made, self._made = self._made, None
        if made is not None:
            self._uses += made[1].uses_of_shares + 1
            with suppress(Exception):  # of a connection that is broken nothing more is asked
                made[0].invalidate()
                made[0].close()

    def _whole(self) -> tuple[Connection, SqlTransaction]:
        if self._made is None:
            connection = self._engine.connect()
            self._made = connection, SqlTransaction(connection)
        return self._made
