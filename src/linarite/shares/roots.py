"""The folders of shares and snapshots below the tree's root: where they are, make, copy, count, drop."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter

from linarite.engine.sharing.ports import Place
from linarite.fs import Beneath
from linarite.shares import extents, pages

_PRIVATE = 0o700
_BLOCK = 512
TRASH = ".trash"
"""Where drafts are made, and what is gone by name lies until it is removed."""


def path(place: Place) -> str:
    """A share's folder below the root."""
    if place.version:
        kept = f".deleted/{place.account}/{place.share}/{place.version}"
        return f"{kept}/snapshots/{place.snapshot}" if place.snapshot else f"{kept}/share"
    if place.snapshot:
        return f".snapshots/{place.account}/{place.share}/{place.snapshot}"
    return f"{place.account}/{place.share}"


def make(root: Beneath, place: Place) -> None:
    """A share's folder; what is in it already is the share's."""
    os.makedirs(root.root, exist_ok=True)
    _make_above(root, place)
    root.make_directories(path(place))
    root.sync(os.path.dirname(path(place)))


def _make_above(root: Beneath, place: Place) -> None:
    above = os.path.dirname(path(place))
    root.make_directories(above, _PRIVATE)
    while above:
        above = os.path.dirname(above)
        root.sync(above)


def drop(root: Beneath, place: Place, name: str) -> str:
    """Take a share's folder away under a new `name` in the trash; returns where, "" when it was gone already.

    A deleted share goes with its snapshots.
    """
    root.make_directories(TRASH, _PRIVATE)
    doomed = os.path.dirname(path(place)) if place.version and not place.snapshot else path(place)
    try:
        root.rename(doomed, f"{TRASH}/{name}")
    except FileNotFoundError:
        return ""
    root.sync(os.path.dirname(doomed))
    return f"{TRASH}/{name}"


def move(root: Beneath, source: Place, target: Place) -> None:
    """A share's folder stands elsewhere from now on, on disk when this returns; fine when there is none."""
    above, below = os.path.dirname(path(source)), os.path.dirname(path(target))
    if not root.exists(path(source)):
        return
    root.make_directories(below, _PRIVATE)
    root.rename(path(source), path(target))
    root.sync(below)
    root.sync(above)


def left(root: Beneath) -> list[str]:
    """The folders in the trash."""
    return [f"{TRASH}/{name}" for name in root.names(TRASH)] if root.exists(TRASH) else []


def sweep(root: Beneath, trash: str) -> None:
    """Remove one folder of the trash, if it is there."""
    with suppress(FileNotFoundError):
        root.remove_tree(trash)


_ALL_BLOCKS: Callable[[os.stat_result], int] = attrgetter("st_blocks")


def usage(base: Beneath, blocks: Callable[[os.stat_result], int] = _ALL_BLOCKS) -> int:
    """Bytes on disk of all files, by the blocks of each; one with several names counts once, a part for each name."""
    files = (entry.stat for entry in base.walk() if entry.is_file)
    return sum(blocks(stat) * _BLOCK // max(stat.st_nlink, 1) for stat in files)


def copy(root: Beneath, source: Place, target: Place, name: str) -> None:
    """A copy of a share's files with their times; by reference where the file system can. Links stay links.

    It is made in the trash under a `name` of its own, and is there once it is whole.
    """
    root.make_directories(TRASH, _PRIVATE)
    draft = f"{TRASH}/{name}"
    root.make_directory(draft)
    try:
        _copy_tree(Beneath(f"{root.root}/{path(source)}"), Beneath(f"{root.root}/{draft}"))
        _make_above(root, target)
        root.rename(draft, path(target))
    except BaseException:
        root.remove_tree(draft)
        raise
    root.sync(os.path.dirname(path(target)))


def _copy_tree(old: Beneath, new: Beneath) -> None:
    directories = []
    for entry in old.walk(whole=True):
        if entry.is_directory:
            new.make_directory(entry.name)
            directories.append(entry)
        elif entry.is_file:
            _copy_file(old, new, entry.name)
        elif entry.is_link:
            _copy_link(old, new, entry.name)
    for entry in reversed(directories):
        _set_times(new, entry.name, entry.stat)
    _sync_all(new)


def _copy_link(old: Beneath, new: Beneath, name: str) -> None:
    try:
        text = old.read_link(name)
    except OSError:  # gone, or another thing by now
        return
    new.make_link(name, text)


def _sync_all(new: Beneath) -> None:
    """One request for the whole disk, in place of one a file."""
    descriptor = new.open("")
    try:
        extents.sync_disk(descriptor)
    finally:
        os.close(descriptor)


def _copy_file(old: Beneath, new: Beneath, name: str) -> None:
    try:
        source = old.open_file(name)
    except FileNotFoundError:  # another program removed it since
        return
    try:
        target = new.open_file(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            pages.copy(source, target)
            stat = os.fstat(source)
            os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        finally:
            os.close(target)
    finally:
        os.close(source)


def _set_times(new: Beneath, name: str, stat: os.stat_result) -> None:
    descriptor = new.open(name, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.utime(descriptor, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    finally:
        os.close(descriptor)
