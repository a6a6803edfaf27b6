"""The users that tasks of a pool may run as, as clients send them. Source: UserAccount of 2025-06-01.

Nobody logs in with what they are given, so no password and no key is kept. Their numbers are the server's to choose:
those that a client asks for may be those of people on this machine.
"""

from __future__ import annotations

from typing import Any

from linarite.engine.model import PoolUser
from linarite.faces.azure_batch.errors import invalid_property, missing_property
from linarite.faces.azure_batch.secrets import without_secrets
from linarite.faces.azure_batch.wire.decoding import Element, Worded, plain
from linarite.faces.azure_batch.wire.elements import ELEVATIONS
from linarite.faces.azure_batch.wire.values import Int32, required

LONGEST_NAME = 20
LOGIN_MODES = ("batch", "interactive")


class LinuxUser(Element):
    """What a user is on Linux."""

    uid: Int32 | None = None
    gid: Int32 | None = None
    ssh_private_key: str | None = None


class WindowsUser(Worded):
    """What a user is on Windows."""

    spelled = (("login_mode", LOGIN_MODES),)

    login_mode: str | None = None


class UserAccount(Worded):
    """A user; the oldest version has the key beside the password."""

    spelled = (("elevation_level", ELEVATIONS),)

    name: str | None = None
    password: str | None = None
    elevation_level: str | None = None
    linux_user_configuration: LinuxUser | None = None
    windows_user_configuration: WindowsUser | None = None
    ssh_private_key: str | None = None


def checked_users(users: list[UserAccount]) -> list[dict[str, Any]]:
    """The users as they are shown: without secrets."""
    for user in users:
        _check(user)
    names = [user.name for user in users]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise invalid_property("userAccounts.name", twice[0], "It is unique in a pool.")
    shown: list[dict[str, Any]] = without_secrets(plain(users))
    return shown


def _check(user: UserAccount) -> None:
    name = required(user.name, "userAccounts.name")
    if len(name) > LONGEST_NAME or any(letter in "/:\0\n" for letter in name):
        reason = f"It has at most {LONGEST_NAME} characters, and neither slash nor colon."
        raise invalid_property("userAccounts.name", name, reason)
    required(user.password, "userAccounts.password")
    linux = user.linux_user_configuration
    if linux is not None and (linux.uid is None) is not (linux.gid is None):
        raise missing_property("linuxUserConfiguration." + ("uid" if linux.uid is None else "gid"))
    for number in (linux.uid, linux.gid) if linux is not None else ():
        if number is not None and number < 0:
            raise invalid_property("linuxUserConfiguration", number, "It is no number of a user.")


def pool_users(shown: list[dict[str, Any]]) -> tuple[PoolUser, ...]:
    """Checked users as the engine knows them."""
    return tuple(PoolUser(name=user["name"], elevated=user.get("elevationLevel") == "admin") for user in shown)
