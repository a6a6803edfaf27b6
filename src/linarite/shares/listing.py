"""What is in a directory, a page at a time, in the order of names without case."""

from __future__ import annotations

import heapq
import os
import re
import stat as modes
from collections.abc import Iterator

from linarite.engine.sharing.names import fold
from linarite.engine.sharing.ports import Item
from linarite.fs import Beneath
from linarite.shares.spelling import Spelling

_PLAIN = re.compile(r"\w[\w .,()-]*", re.ASCII).fullmatch
"""Names that are legal, stand for themselves on disk, and are compared in upper case: most are, and it saves time."""
_SPARE = 100
"""Names beyond a page that are put in order with it: some of them may be nothing for a list."""


def item(base: Beneath, disk: str, path: str, stat: os.stat_result) -> Item:
    """A file or directory; the root's id is 0."""
    above = disk.rpartition("/")[0]
    parent = base.stat(above).st_ino if above else 0
    return item_of(path, stat, parent)


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
    names = [each for each in _names(spelling, base, disk) if each >= first and each[0].startswith(wanted)]
    parent = base.stat(disk).st_ino if disk else 0
    found: list[Item] = []
    with base.looking(disk) as look:
        for _, name, on_disk in _in_order(names, limit):
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


def _names(spelling: Spelling, base: Beneath, disk: str) -> Iterator[tuple[str, str, str]]:
    """The names of a directory: as compared, as spelled by the protocol, as on disk."""
    for on_disk in base.names(disk):
        if _PLAIN(on_disk):
            yield on_disk.upper(), on_disk, on_disk
        elif name := spelling.protocol(on_disk):
            yield fold(name), name, on_disk


def _in_order(names: list[tuple[str, str, str]], limit: int) -> Iterator[tuple[str, str, str]]:
    """By name. A page is found without sorting the rest, which is sorted only where many of its names are gone."""
    enough = limit + _SPARE
    if len(names) <= enough:
        yield from sorted(names)
        return
    yield from heapq.nsmallest(enough, names)
    yield from sorted(names)[enough:]


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
