"""Symbolic links themselves: make, read, remove. The server follows none that leads out of its share."""

from __future__ import annotations

import os
import stat as modes

from linarite.engine.errors import AlreadyExists, NotFound, WrongState
from linarite.engine.sharing.names import fold
from linarite.engine.sharing.ports import Item
from linarite.fs import Beneath
from linarite.shares import listing
from linarite.shares.spelling import Spelling


def make(spelling: Spelling, base: Beneath, path: str, text: str) -> Item:
    """A new link. AlreadyExists when its name is taken in any case."""
    disk, spelled, name = _above(spelling, base, path)
    if _names(spelling, base, disk, name):
        raise AlreadyExists("resource", path)
    spelling.keep(name)
    link = _join(disk, spelling.disk(name))
    base.make_link(link, text)
    base.sync(disk)
    spelling.made(base, disk, spelling.disk(name))
    return listing.item(base, link, _join(spelled, name), base.stat(link, follow=False))


def read(spelling: Spelling, base: Beneath, path: str) -> tuple[Item, str]:
    """A link and its text."""
    link, spelled, stat = _find(spelling, base, path)
    return listing.item(base, link, spelled, stat), base.read_link(link)


def names(spelling: Spelling, base: Beneath, file_id: int) -> list[Item]:
    """All names of a file: the whole share is looked through."""
    found = (entry for entry in base.walk() if entry.is_file and entry.stat.st_ino == file_id)
    return [
        listing.item(base, entry.name, "/".join(spelled), entry.stat)
        for entry in found
        if all(spelled := [spelling.protocol(part) or "" for part in entry.name.split("/")])
    ]


def remove(spelling: Spelling, base: Beneath, path: str) -> None:
    """The link goes, what it leads to stays."""
    link, _, _ = _find(spelling, base, path)
    base.unlink(link)
    base.sync(link.rpartition("/")[0])


def remove_directory(base: Beneath, disk: str) -> None:
    """An empty directory goes; of a link to one the link."""
    try:
        base.remove_directory(disk)
    except NotADirectoryError:
        if base.names(disk):
            raise WrongState("directory", "not empty", "delete") from None
        base.unlink(disk)


def _find(spelling: Spelling, base: Beneath, path: str) -> tuple[str, str, os.stat_result]:
    """On disk and as spelled; NotFound when no name that `path` can mean is a link."""
    disk, spelled, name = _above(spelling, base, path)
    for each in _names(spelling, base, disk, name):
        link = _join(disk, each)
        stat = base.stat(link, follow=False)
        if modes.S_ISLNK(stat.st_mode):
            return link, _join(spelled, spelling.protocol(each) or each), stat
        break
    raise NotFound("resource", path)


def _names(spelling: Spelling, base: Beneath, disk: str, name: str) -> list[str]:
    """The names on disk that a name can mean, the one that it does mean first."""
    found = [each for each in base.names(disk) if fold(spelling.protocol(each) or "") == fold(name)]
    exact = spelling.disk(name)
    return sorted(found, key=lambda each: (each != exact, os.fsencode(each)))


def _above(spelling: Spelling, base: Beneath, path: str) -> tuple[str, str, str]:
    """The directory above, on disk and as spelled, and the last name."""
    above, _, name = path.rpartition("/")
    if not above:
        return "", "", name
    found = spelling.locate(base, above)
    if found.stat is None or not modes.S_ISDIR(found.stat.st_mode):
        raise NotFound("parent", path)
    return found.disk, found.path, name


def _join(above: str, name: str) -> str:
    return f"{above}/{name}" if above else name
