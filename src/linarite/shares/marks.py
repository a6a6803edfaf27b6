"""What a file or directory bears, so that it is found again when another program moves it: sixteen bytes of its own.

They are the extended attribute `user.linarite`, which rename(2) leaves with the file. A copy may bear the same (never
with the same inode). Where a file system has no such attributes, or refuses them, nothing is borne and nothing fails.
Attributes of other programs are not looked at.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Sequence

from msgspec.structs import replace

from linarite.engine.sharing.ports import Item
from linarite.fs import Beneath
from linarite.shares import at_once, listing
from linarite.shares.spelling import Found, Spelling

NAME = "user.linarite"
_BYTES, _TIME = 16, 6
_CHUNK = 1024 * 1024


def give(descriptor: int) -> str:
    """A new mark, in place of one that was borne; "" where that cannot be. It is on disk with the next fsync.

    It begins with the time, so that those of one time are neighbours in the store's index.
    """
    value = (time.time_ns() // 1_000_000).to_bytes(_TIME) + os.urandom(_BYTES - _TIME)
    try:
        os.setxattr(descriptor, NAME, value)
    except OSError:
        return ""
    return value.hex()


def read(descriptor: int) -> str:
    """What is borne; "" when nothing is."""
    try:
        value = os.getxattr(descriptor, NAME)
    except OSError:
        return ""
    return value.hex() if len(value) == _BYTES else ""


def at_hand(base: Beneath, spelling: Spelling, path: str, file_id: int) -> str | None:
    """The mark of an ordinary file that the kernel has at hand; None when that is not so."""
    opened = at_once.open_file(base, spelling, path)
    if opened is None:
        return None
    try:
        return read(opened.descriptor) if opened.stat.st_ino == file_id else ""
    finally:
        opened.close()


def of(base: Beneath, found: Found, file_id: int) -> str:
    """The mark of what is at a place, if it has that id."""
    try:
        descriptor = base.open(found.disk)
    except OSError:  # it may not be read: then nothing of it is served either
        return ""
    try:
        return read(descriptor) if os.fstat(descriptor).st_ino == file_id else ""
    finally:
        os.close(descriptor)


def set_at(base: Beneath, found: Found) -> Item:
    """Mark what is at a place, durably."""
    descriptor = base.open(found.disk)
    try:
        mark = give(descriptor)
        os.fsync(descriptor)
        return replace(listing.item(base, found.disk, found.path, os.fstat(descriptor)), mark=mark)
    finally:
        os.close(descriptor)


def there(base: Beneath, spelling: Spelling, paths: Sequence[str]) -> list[int | None] | None:
    """The inodes at paths as they are spelled: see `Tree.there`."""
    try:
        if next(base.scan(), None) is None:
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    root = os.path.realpath(base.root)
    return [_inode(base, root, "/".join(map(spelling.disk, path.split("/")))) for path in paths]


def _inode(base: Beneath, root: str, disk: str) -> int | None:
    try:
        stat = base.stat(disk, follow=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # a link on the way leads out, or it may not be looked at: there is something
        return 0
    return stat.st_ino if os.path.realpath(f"{root}/{disk}") == f"{root}/{disk}" else 0


def md5(descriptor: int) -> str:
    """The MD5 of all bytes, in base64."""
    digest, at = hashlib.md5(usedforsecurity=False), 0
    while data := os.pread(descriptor, _CHUNK, at):
        digest.update(data)
        at += len(data)
    return base64.b64encode(digest.digest()).decode()
