"""What a share's tree does to the disk: each call is whole and waits for it, so it runs on a thread.

Names and lengths were checked, and whoever must not come between is held off, before any of it is called (`tree`).
"""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from msgspec import structs

from linarite.engine.errors import AlreadyExists, InvalidValue, NotFound, WrongState
from linarite.engine.sharing.ports import Data, Item, Place, size_of
from linarite.fs import Beneath
from linarite.shares import differences, extents, links, listing, marks, pages, renaming, replaced, roots, whole
from linarite.shares.opened import Opened
from linarite.shares.spelling import Found, Spelling
from linarite.shares.usage import BLOCK, Usage, check_length


class Owner(NamedTuple):
    """A Unix user and the group that files are in; `alone`: nobody of another account is in it."""

    uid: int
    gid: int
    alone: bool = True


class OnDisk:
    """Shares below one root, and how much of the disk each takes."""

    def __init__(self, root: str, owner_of: Callable[[str], Owner] | None) -> None:
        self.root, self.spelling, self.usage = Beneath(root), Spelling(root), Usage(root)
        self._owner_of = owner_of

    def make_share(self, place: Place) -> None:
        roots.make(self.root, place)
        descriptor = self.root.open(roots.path(place))
        try:
            self._give(place, descriptor)
        finally:
            os.close(descriptor)

    def base(self, place: Place) -> Beneath:
        return Beneath(f"{self.root.root}/{roots.path(place)}")

    def present(self, base: Beneath, path: str) -> Found:
        """What is there for the protocol: a file or a directory, none of the other things that a program may leave."""
        base.look_near()
        found = self.spelling.locate(base, path)
        if found.stat is None or not (modes.S_ISREG(found.stat.st_mode) or modes.S_ISDIR(found.stat.st_mode)):
            raise NotFound("resource", path)
        return found

    def find(self, place: Place, path: str) -> Item:
        base = self.base(place)
        found = self.present(base, path)
        assert found.stat is not None
        return listing.item(base, found.disk, found.path, found.stat)

    def open(self, place: Place, path: str, flags: int = os.O_RDONLY) -> Opened:
        base = self.base(place)
        found = self.present(base, path)
        descriptor = base.open_file(found.disk, flags)
        return Opened(descriptor, found.path, os.fstat(descriptor), listing.parent(base, found.disk))

    def create(self, place: Place, path: str, size: int, data: Data, limit: int | None) -> Item:
        base = self.base(place)
        found = self._place_for(base, path)
        more = size_of(data) - replaced.freed(found)
        with self.usage.room(place, limit, lambda: more), whole.making(base, found, more):
            found = replaced.alone(base, found)
            with self._opened_for_change(place, base, found.disk, os.O_CREAT) as descriptor:
                if found.stat is None:
                    self._give(place, descriptor)
                _fill(descriptor, size, data)
                mark = marks.give(descriptor)
                extents.stamp(descriptor)
                os.fsync(descriptor)
                stat = os.fstat(descriptor)
        self._made(base, found)
        return structs.replace(listing.item(base, found.disk, found.path, stat), mark=mark)

    def make_directory(self, place: Place, path: str) -> Item:
        base = self.base(place)
        found = self.spelling.locate(base, path)
        if found.stat is not None:
            raise AlreadyExists("resource", path)
        self.spelling.keep(path.rpartition("/")[2])
        base.make_directory(found.disk)
        with _directory(base, found.disk) as descriptor:
            self._give(place, descriptor)
            mark = marks.give(descriptor)
        self._made(base, found)
        return structs.replace(self.stamp(place, found.path), mark=mark)

    def remove(self, place: Place, path: str, directory: bool) -> None:  # noqa: FBT001 - run on a thread by position
        base = self.base(place)
        found = self.present(base, path)
        if directory:
            links.remove_directory(base, found.disk)
        else:
            freed = replaced.freed_with_name(base, found)
            base.unlink(found.disk)
            self.usage.shrank(place, freed)
        base.sync(found.disk.rpartition("/")[0])

    def write(
        self, place: Place, path: str, opened: Opened | None, offset: int, data: Data, limit: int | None
    ) -> Item:  # fmt: skip
        length = size_of(data)

        def put(opened: Opened) -> None:
            with pages.writing(opened.descriptor, opened.stat, offset, length):
                whole.write(opened.descriptor, opened.stat.st_dev, offset, data)

        opened = opened or self.open(place, path, os.O_RDWR)
        try:
            _check_inside(opened.stat, offset, length)
            with self.usage.room(place, limit, lambda: extents.missing(opened.descriptor, offset, length)):
                return self._change(place, opened, put)
        finally:
            opened.close()

    def clear(self, place: Place, path: str, offset: int, length: int) -> Item:
        def clear(opened: Opened) -> None:
            _check_inside(opened.stat, offset, length)
            with pages.clearing(opened.descriptor, opened.stat, offset, length):
                extents.clear(opened.descriptor, offset, length)

        return self._open_and_change(place, path, clear)

    def resize(self, place: Place, path: str, size: int) -> Item:
        def resize(opened: Opened) -> None:
            with pages.resizing(opened.descriptor, size):
                os.ftruncate(opened.descriptor, size)

        return self._open_and_change(place, path, resize)

    def stamp(self, place: Place, path: str) -> Item:
        base = self.base(place)
        found = self.present(base, path)
        descriptor = base.open(found.disk)
        try:
            extents.stamp(descriptor)
            os.fsync(descriptor)
            return listing.item(base, found.disk, found.path, os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def copy(self, source: Place, source_path: str, place: Place, path: str, limit: int | None) -> Item:
        opened = self.open(source, source_path)
        origin = opened.descriptor
        try:
            base = self.base(place)
            found = self._place_for(base, path)
            of = os.fstat(origin)
            check_length(of.st_size, limit)
            is_itself = found.stat is not None and os.path.samestat(of, found.stat)
            more = 0 if is_itself else of.st_blocks * BLOCK - replaced.freed(found)
            # a copy by reference takes nothing: it looks for room itself, unless a name has to go for it first
            at_first = more if found.stat is not None and found.stat.st_nlink > 1 else 0
            with self.usage.room(place, limit, lambda: more), whole.making(base, found, at_first):
                found = found if is_itself else replaced.alone(base, found)
                with self._opened_for_change(place, base, found.disk, os.O_CREAT) as target:
                    if found.stat is None:
                        self._give(place, target)
                    if not os.path.sameopenfile(origin, target):
                        pages.copy(origin, target)
                    mark = marks.give(target)
                    extents.stamp(target)
                    os.fsync(target)
                    stat = os.fstat(target)
            self._made(base, found)
            return structs.replace(listing.item(base, found.disk, found.path, stat), mark=mark)
        finally:
            opened.close()

    def link(self, place: Place, source: str, target: str) -> Item:
        base = self.base(place)
        old, new = self.present(base, source), self.spelling.locate(base, target)
        if new.stat is not None:
            raise AlreadyExists("resource", target)
        self.spelling.keep(new.path.rpartition("/")[2])
        base.link(old.disk, new.disk)
        self._made(base, new)
        return self.stamp(place, new.path)

    def rename(self, place: Place, source: str, target: str, replace: bool) -> Item:  # noqa: FBT001 - as _remove
        base = self.base(place)
        old, new = self.present(base, source), self.spelling.locate(base, target)
        if new.disk.startswith(f"{old.disk}/"):
            raise InvalidValue("target", target, "inside what moves")
        freed = replaced.freed_with_name(base, new)
        new = renaming.cleared(self.spelling, base, old, new, target, replace=replace)
        self.spelling.keep(new.path.rpartition("/")[2])
        with renaming.moved(self.spelling, base, old, new):
            self.usage.shrank(place, freed if new.stat is not None else 0)
            return self.stamp(place, new.path)

    def md5(self, place: Place, path: str) -> str:
        opened = self.open(place, path)
        try:
            return marks.md5(opened.descriptor)
        finally:
            opened.close()

    def page(
        self, place: Place, path: str, prefix: str, marker: str, limit: int, *, links: bool
    ) -> tuple[list[Item], str]:
        base = self.base(place)
        found = self.present(base, path)
        return listing.page(self.spelling, base, (found.disk, found.path), prefix, marker, limit, links=links)

    def changes(
        self, now: tuple[Place, str], then: tuple[Place, str], start: int, end: int, cleared: list[tuple[int, int]]
    ) -> list[tuple[int, int, bool]]:
        newer, older = self.open(*now), self.open(*then)
        try:
            return differences.changes(newer.descriptor, older.descriptor, start, end, cleared)
        finally:
            newer.close()
            older.close()

    def ranges(self, place: Place, path: str, start: int, end: int) -> list[tuple[int, int]]:
        opened = self.open(place, path)
        try:
            return pages.written(opened.descriptor, start, end)
        finally:
            opened.close()

    def _give(self, place: Place, descriptor: int) -> None:
        """Give a new file or directory to its account's user, and to the users of its pools by a group of their own."""
        if self._owner_of is not None:
            owner = self._owner_of(place.account)
            os.fchown(descriptor, owner.uid, owner.gid)
            mode = 0o770 if modes.S_ISDIR(os.fstat(descriptor).st_mode) else 0o660
            os.fchmod(descriptor, mode if owner.alone else mode & 0o700)

    def _place_for(self, base: Beneath, path: str) -> Found:
        """Where a file is to be made. AlreadyExists where a device or the like is: to open it may do something."""
        base.look_near()
        found = self.spelling.locate(base, path)
        if found.stat is not None and not (modes.S_ISREG(found.stat.st_mode) or modes.S_ISDIR(found.stat.st_mode)):
            raise AlreadyExists("resource", path)
        self.spelling.keep(path.rpartition("/")[2])
        return found

    def _made(self, base: Beneath, found: Found) -> None:
        """Make a new name durable and known."""
        if found.stat is None:
            directory, _, name = found.disk.rpartition("/")
            base.sync(directory)
            self.spelling.made(base, directory, name)

    def _open_and_change(self, place: Place, path: str, change: Callable[[Opened], None]) -> Item:
        opened = self.open(place, path, os.O_RDWR)
        try:
            return self._change(place, opened, change)
        finally:
            opened.close()

    def _change(self, place: Place, opened: Opened, change: Callable[[Opened], None]) -> Item:
        with self.usage.following(place, opened.descriptor, opened.stat) as turn:
            with turn:
                change(opened)
                extents.stamp(opened.descriptor, opened.stat)
                stat = os.fstat(opened.descriptor)  # the next one's tag would stand for bytes that ours has not seen
            os.fsync(opened.descriptor)  # fdatasync may leave the time behind, which is the tag: old tag, new bytes
            return opened.item(stat)

    @contextmanager
    def _opened_for_change(self, place: Place, base: Beneath, disk: str, flags: int = 0) -> Iterator[int]:
        with (
            _opened(base, disk, os.O_RDWR | flags) as descriptor,
            self.usage.following(place, descriptor, os.fstat(descriptor)),
        ):
            yield descriptor


def _fill(descriptor: int, size: int, data: Data) -> None:
    """Make a file anew: so long, with these bytes, and nothing else of it was written."""
    with pages.resizing(descriptor, 0):
        os.ftruncate(descriptor, 0)
    os.ftruncate(descriptor, size)
    if data:
        with pages.writing(descriptor, os.fstat(descriptor), 0, size_of(data)):
            extents.write(descriptor, 0, data)


def _check_inside(stat: os.stat_result, offset: int, length: int) -> None:
    if offset + length > stat.st_size:
        raise WrongState("range", "outside", "write")


@contextmanager
def _directory(base: Beneath, disk: str) -> Iterator[int]:
    descriptor = base.open(disk, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened(base: Beneath, disk: str, flags: int) -> Iterator[int]:
    descriptor = base.open_file(disk, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
