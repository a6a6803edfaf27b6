"""What is in a directory, a page at a time, in the order of names without case."""

from __future__ import annotations

import os
import re
import stat as modes
import string
from collections.abc import Iterator

from linarite.engine.sharing.names import fold
from linarite.engine.sharing.ports import Item
from linarite.fs import Beneath
from linarite.shares.spelling import Spelling

_MARKS = " .,()-"
_LETTERS = string.ascii_letters + string.digits + "_"
_PLAIN = re.compile(rf"[{_LETTERS}][{_LETTERS}{re.escape(_MARKS)}]*").fullmatch
"""Names that are legal, stand for themselves on disk, and are compared in upper case: most are, and it saves time."""
_PLAIN_BYTES = f"\0{_LETTERS}{_MARKS}".encode()
_BLOCK = 4096
"""Names that are looked at together."""
_SPARE = 100
"""Names beyond a page that are put in order with it: some of them may be nothing for a list."""
_STEP = 16
"""One in so many names tells about where a page ends."""

_Name = tuple[str, str, str]
"""A name as it is compared, as the protocol spells it, and as it stands on disk."""


def item(base: Beneath, disk: str, path: str, stat: os.stat_result) -> Item:
    """A file or directory; the root's id is 0."""
    return item_of(path, stat, parent(base, disk))


def parent(base: Beneath, disk: str) -> int:
    """The id of the directory that something is in; the root's is 0."""
    above = disk.rpartition("/")[0]
    return base.stat(above).st_ino if above else 0


def page(
    spelling: Spelling,
    base: Beneath,
    directory: tuple[str, str],
    prefix: str,
    marker: str,
    limit: int,
    *,
    links: bool = False,
) -> tuple[list[Item], str]:
    """Items of a directory (as on disk, as spelled) from `marker` on, and the name that the next page begins with."""
    disk, path = directory
    first, wanted = (fold(marker), marker), fold(prefix)
    names = _Names(spelling, base.names(disk))
    parent = base.stat(disk).st_ino if disk else 0
    found: list[Item] = []
    with base.looking(disk) as look:
        for _, name, on_disk in names.in_order(first, wanted, limit + _SPARE):
            stat = look(on_disk)
            text = ""
            if stat is not None and not (modes.S_ISREG(stat.st_mode) or modes.S_ISDIR(stat.st_mode)):
                stat, text = _stat(base, f"{disk}/{on_disk}" if disk else on_disk, links=links)
            if stat is None:
                continue
            if len(found) == limit:
                return found, name
            found.append(item_of(f"{path}/{name}" if path else name, stat, parent, text))
    return found, ""


class _Names:
    """The names of a directory, of which a page is found without sorting the rest."""

    def __init__(self, spelling: Spelling, on_disk: list[str]) -> None:
        self._folded: list[str] = []
        self._plain: list[str] = []
        self._others: list[_Name] = []
        for at in range(0, len(on_disk), _BLOCK):
            self._add(spelling, on_disk[at : at + _BLOCK])

    def in_order(self, first: tuple[str, str], prefix: str, enough: int) -> Iterator[_Name]:
        """By name, from `first` (as compared, as spelled) on; what follows the first `enough` is sorted when needed."""
        low, high = first[0], self._end_of(first[0], prefix, enough)
        for start, end in [(low, None)] if high is None else [(low, high), (high, None)]:
            found = self._between(start, end)
            yield from sorted(each for each in found if each >= first and each[0].startswith(prefix))

    def _add(self, spelling: Spelling, block: list[str]) -> None:
        joined = "\0".join(block)
        if _are_plain(joined):
            self._folded += joined.upper().split("\0")
            self._plain += block
            return
        for on_disk in block:
            if _PLAIN(on_disk):
                self._folded.append(on_disk.upper())
                self._plain.append(on_disk)
            elif name := spelling.protocol(on_disk):
                self._others.append((fold(name), name, on_disk))

    def _end_of(self, low: str, prefix: str, enough: int) -> str | None:
        """A name before which there are `enough` from `low` on, and not many more; None when there may be too few."""
        sample = sorted(name for name in self._folded[::_STEP] if name >= low and name.startswith(prefix))
        at = enough // _STEP * 3 // 2 + 2
        return sample[at] if at < len(sample) else None

    def _between(self, low: str, high: str | None) -> list[_Name]:
        """Names from `low` on (as compared) and before `high`."""
        pairs = zip(self._folded, self._plain, strict=True)
        if high is None:
            found = [(folded, name, name) for folded, name in pairs if folded >= low]
            return found + [each for each in self._others if each[0] >= low]
        found = [(folded, name, name) for folded, name in pairs if low <= folded < high]
        return found + [each for each in self._others if low <= each[0] < high]


def _are_plain(joined: str) -> bool:
    """Whether names, joined by NUL, are all plain."""
    if not joined.isascii() or joined.encode().translate(None, _PLAIN_BYTES):
        return False
    return joined[:1] not in _MARKS and not any(f"\0{mark}" in joined for mark in _MARKS)


def item_of(path: str, stat: os.stat_result, parent: int, text: str = "") -> Item:
    """An item by its path, its own status and the inode of the directory that it is in."""
    is_directory = modes.S_ISDIR(stat.st_mode)
    return Item(
        path=path,
        is_directory=is_directory,
        size=0 if is_directory else stat.st_size,
        modified=stat.st_mtime_ns,
        accessed=stat.st_atime_ns,
        touched=stat.st_ctime_ns,
        id=stat.st_ino if path else 0,
        parent_id=parent,
        links=1 if is_directory else stat.st_nlink,
        is_link=modes.S_ISLNK(stat.st_mode),
        text=text,
    )


def _stat(base: Beneath, disk: str, *, links: bool) -> tuple[os.stat_result | None, str]:
    """None for what is gone, for a link that leads nowhere or outside, and for what is neither file nor directory.

    With `links` a link is itself, and comes with its text.
    """
    try:
        stat = base.stat(disk, follow=not links)
        if links and modes.S_ISLNK(stat.st_mode):
            return stat, base.read_link(disk)
    except OSError:
        return None, ""
    return stat if modes.S_ISREG(stat.st_mode) or modes.S_ISDIR(stat.st_mode) else None, ""
