"""Whose the processes of an account's tasks are on the cluster."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping

import msgspec


class UnknownUserError(Exception):
    """Tasks cannot be that user's: the sentence says why."""


class Runner(msgspec.Struct, frozen=True):
    """A Unix user, with the group that is theirs first; `own`: the server's own user."""

    name: str
    uid: int
    gid: int
    own: bool


class Users:
    """The user of each account: their own, or the one of all others."""

    def __init__(self, usual: str | None, users: Mapping[str, str]) -> None:
        """`usual` is the user of accounts that `users` does not name. Raises UnknownUserError."""
        if os.geteuid() == 0 and usual is None:
            raise UnknownUserError(
                "Started by root, the server must be told whose the tasks are: set slurm_user to a user of the cluster."
            )
        self.usual = _runner(usual)
        self._runners = {account: _runner(name) for account, name in users.items()}

    def of(self, account: str) -> Runner:
        """The user of an account's tasks."""
        return self._runners.get(account, self.usual)

    def all(self) -> list[Runner]:
        """Every user that tasks may have."""
        return sorted({self.usual, *self._runners.values()}, key=lambda runner: runner.uid)


def _runner(name: str | None) -> Runner:
    try:
        known = pwd.getpwuid(os.geteuid()) if name is None else pwd.getpwnam(name)
    except KeyError:
        raise UnknownUserError(f"This machine has no user {name or os.geteuid()!r}.") from None
    own = known.pw_uid == os.geteuid()
    if not own and os.geteuid() != 0:
        raise UnknownUserError(f"Only a server started by root can run tasks as {name!r}.")
    return Runner(known.pw_name, known.pw_uid, known.pw_gid, own)
