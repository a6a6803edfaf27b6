"""Where a share is that a pool's nodes want to mount: its account, its key and the share itself have to be there."""

from __future__ import annotations

import hashlib

from linarite.engine.access import Access
from linarite.engine.mounting import Mount, MountError
from linarite.engine.ports import Store
from linarite.engine.sharing.ports import Place
from linarite.shares import roots


class MountableShares:
    """Implements `engine.mounting.Mountable` over the folder of all shares."""

    def __init__(self, store: Store, access: Access, root: str) -> None:
        """`root` is the folder that `DirectoryTree` keeps."""
        self._store, self._access, self._root = store, access, root

    async def folder(self, mount: Mount, account: str) -> str:
        """The share's folder. A share of another account is none of a node's, even for who knows its key."""
        if mount.unknown:
            raise MountError(f"This server's nodes mount file shares of their own account, no {mount.unknown}.")
        keys = await self._access.account_keys(mount.account)
        if mount.key not in {hashlib.sha256(key).hexdigest() for key in keys}:
            raise MountError(f"The account {mount.account!r} is not known here, or this is none of its keys.")
        if mount.account != account:
            raise MountError(f"The share is of the account {mount.account!r}, the node of {account!r}.")
        if await self._store.read(lambda tx: tx.shares.get(mount.account, mount.share)) is None:
            raise MountError(f"The share {mount.share!r} does not exist.")
        return f"{self._root}/{roots.path(Place(mount.account, mount.share))}"
