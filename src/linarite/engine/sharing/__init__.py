"""File shares as the engine knows them: records, names, leases, and what is done to shares, directories and files.

The bytes and the names lie in a directory tree (`Tree`, implemented by `linarite.shares`); what a tree cannot hold lies
in the store (`ShareRecords`, implemented by `linarite.store.shares`). A file that another program put into the tree has
no record: it shows the defaults.
"""

from linarite.engine.sharing.files import Files
from linarite.engine.sharing.ports import Item, Place, Presence, ShareRecords, Tree
from linarite.engine.sharing.records import Copy, Facts, Policy, Share
from linarite.engine.sharing.service import Service
from linarite.engine.sharing.shares import Shares
from linarite.engine.sharing.sharing import Sharing

__all__ = [
    "Copy", "Facts", "Files", "Item", "Place", "Policy", "Presence", "Service", "Share", "ShareRecords", "Shares",
    "Sharing", "Tree",
]  # fmt: skip
