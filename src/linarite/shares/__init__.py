"""File shares as directory trees on this machine's disk: implements `engine.sharing.ports.Tree`.

What may not enter: HTTP, SQL, and any knowledge of who asks.
"""

from linarite.shares.mountable import MountableShares
from linarite.shares.on_disk import Owner
from linarite.shares.tree import DirectoryTree

__all__ = ["DirectoryTree", "MountableShares", "Owner"]
