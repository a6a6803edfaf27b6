"""What a pool asks to be mounted on its nodes, and who says where on this machine it is: a seam to the file shares."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Mount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file share to mount at `path` below the node's folder of mounts.

    `key` is the SHA-256 of the account's key in hexadecimal: enough to know it again. `unknown` names what else was to
    be mounted, which no node here can.
    """

    path: str
    account: str = ""
    share: str = ""
    key: str = ""
    read_only: bool = False
    unknown: str = ""


class MountError(Exception):
    """Nothing can be mounted: the sentence says why."""


class Mountable(Protocol):
    """Where shares are. Implemented by `shares.mountable`."""

    async def folder(self, mount: Mount, account: str) -> str:
        """The folder of the share, for nodes of `account`; its user may change it. Raises MountError."""
        ...
