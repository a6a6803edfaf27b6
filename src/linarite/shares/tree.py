"""The tree of all shares: `<root>/<account>/<share>/` with ordinary names, for other programs as well.

Beside the accounts stand `.snapshots`, `.trash`, `.names` and, where several servers share the tree, `.locks`. Each
call runs on a thread; the private methods are what it does there.
"""

from __future__ import annotations

import os
import stat as modes
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import NamedTuple

from msgspec import structs

from linarite.engine.errors import AlreadyExists, InvalidValue, NotFound, WrongState
from linarite.engine.sharing.ports import Data, Item, Place, size_of
from linarite.fs import Beneath
from linarite.shares import (
    at_once,
    differences,
    extents,
    links,
    listing,
    marks,
    pages,
    renaming,
    replaced,
    roots,
    whole,
)  # fmt: skip
from linarite.shares.among_servers import holds
from linarite.shares.holds import steps
from linarite.shares.opened import Opened
from linarite.shares.sources import FileSource
from linarite.shares.spelling import Found, Spelling
from linarite.shares.threads import on_thread
from linarite.shares.trash import Trash
from linarite.shares.usage import BLOCK, Usage, check_length


class Owner(NamedTuple):
    """A Unix user and the group that files are in; `alone`: nobody of another account is in it."""

    uid: int
    gid: int
    alone: bool = True


class DirectoryTree:
    """Implements `engine.sharing.ports.Tree` below the folder `root`."""

    def __init__(self, root: str, owner_of: Callable[[str], Owner] | None = None, *, shared: bool = False) -> None:
        """`owner_of` gives the user of an account's tasks, who may change its files too; None is the server's own.

        `shared`: other servers have the same tree, which is there. Raises OSError.
        """
        self._root = Beneath(root)
        self._owner_of = owner_of
        self._spelling = Spelling(root)
        self._holds = holds(root, shared=shared)
        self._usage = Usage(root)
        self._trash = Trash(self._root, self._holds)

    def hold(self, place: Place, *paths: str, alone: bool) -> AbstractAsyncContextManager[None]:
        """Keep others from changing these paths, and whatever holds them, meanwhile; see `ports.Tree.hold`."""
        return self._holds.hold(steps(place, paths, alone=alone))

    async def make_share(self, place: Place) -> None:
        await on_thread(self._make_share, place)

    def _make_share(self, place: Place) -> None:
        roots.make(self._root, place)
        descriptor = self._root.open(roots.path(place))
        try:
            self._give(place, descriptor)
        finally:
            os.close(descriptor)

    def _give(self, place: Place, descriptor: int) -> None:
        """Give a new file or directory to its account's user, and to the users of its pools by a group of their own."""
        if self._owner_of is not None:
            owner = self._owner_of(place.account)
            os.fchown(descriptor, owner.uid, owner.gid)
            mode = 0o770 if modes.S_ISDIR(os.fstat(descriptor).st_mode) else 0o660
            os.fchmod(descriptor, mode if owner.alone else mode & 0o700)

    async def drop_share(self, place: Place) -> None:
        """Gone at once by name; its files are removed in the background."""
        trash = await on_thread(roots.drop, self._root, place, uuid.uuid4().hex)
        self._usage.forget(place)
        self._trash.remove(trash)

    async def move_share(self, source: Place, target: Place) -> None:
        """Its files stand at `target` from now on; nothing is done when there are none at `source`."""
        await on_thread(roots.move, self._root, source, target)
        self._usage.forget(source)
        self._usage.forget(target)

    async def copy_share(self, source: Place, target: Place) -> None:
        async with self._trash.drafting():
            await on_thread(roots.copy, self._root, source, target, uuid.uuid4().hex)

    async def usage(self, place: Place) -> int:
        return await on_thread(self._usage.count, place)

    def sweep(self) -> None:
        """Remove what an earlier run of the server left in the trash, and long names of nothing, in the background."""
        self._trash.sweep()
        self._trash.in_background(self._spelling.sweep)

    async def find(self, place: Place, path: str) -> Item:
        found = at_once.find(self._base(place), self._spelling, path)
        return await on_thread(self._find, place, path) if found is None else found

    async def open(self, place: Place, path: str) -> tuple[Item, int]:
        found = at_once.open_file(self._base(place), self._spelling, path)
        opened = await on_thread(self._open, place, path) if found is None else found
        return opened.item(), opened.take()

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    async def create(self, place: Place, path: str, size: int, data: Data = b"", *, limit: int | None = None) -> Item:
        check_length(size, limit)
        return await on_thread(self._create, place, path, size, data, limit)

    async def make_directory(self, place: Place, path: str) -> Item:
        return await on_thread(self._make_directory, place, path)

    async def mark(self, place: Place, path: str, file_id: int) -> str:
        base = self._base(place)
        found = marks.at_hand(base, self._spelling, path, file_id)
        return await on_thread(lambda: marks.of(base, self._present(base, path), file_id)) if found is None else found

    async def set_mark(self, place: Place, path: str) -> Item:
        base = self._base(place)
        return await on_thread(lambda: marks.set_at(base, self._present(base, path)))

    async def there(self, place: Place, paths: Sequence[str]) -> list[int | None] | None:
        return await on_thread(marks.there, self._base(place), self._spelling, paths)

    async def md5(self, place: Place, path: str) -> str:
        """The MD5 of all bytes of a file, in base64."""

        def md5() -> str:
            opened = self._open(place, path)
            try:
                return marks.md5(opened.descriptor)
            finally:
                opened.close()

        return await on_thread(md5)

    async def remove(self, place: Place, path: str, *, directory: bool) -> None:
        await on_thread(self._remove, place, path, directory)

    async def write(self, place: Place, path: str, offset: int, data: Data, *, limit: int | None = None) -> Item:
        opened = at_once.open_file(self._base(place), self._spelling, path, os.O_RDWR)
        return await on_thread(self._write, place, path, opened, offset, data, limit)

    async def clear(self, place: Place, path: str, offset: int, length: int) -> Item:
        def clear(opened: Opened) -> None:
            _check_inside(opened.stat, offset, length)
            with pages.clearing(opened.descriptor, opened.stat, offset, length):
                extents.clear(opened.descriptor, offset, length)

        return await on_thread(self._open_and_change, place, path, clear)

    async def resize(self, place: Place, path: str, size: int, *, limit: int | None = None) -> Item:
        check_length(size, limit)

        def resize(opened: Opened) -> None:
            with pages.resizing(opened.descriptor, size):
                os.ftruncate(opened.descriptor, size)

        return await on_thread(self._open_and_change, place, path, resize)

    async def source(self, place: Place, path: str) -> FileSource:
        """A file as a copy reads it: one that changes meanwhile ends the copy."""
        item, descriptor = await self.open(place, path)
        return FileSource(descriptor, item.size)

    async def stamp(self, place: Place, path: str) -> Item:
        return await on_thread(self._stamp, place, path)

    async def copy(self, source: Place, source_path: str, place: Place, path: str, *, limit: int | None = None) -> Item:
        return await on_thread(self._copy, source, source_path, place, path, limit)

    async def rename(self, place: Place, source: str, target: str, *, replace: bool) -> Item:
        return await on_thread(self._rename, place, source, target, replace)

    async def link(self, place: Place, source: str, target: str) -> Item:
        """A further name of a file. AlreadyExists when the name is taken."""
        return await on_thread(self._link, place, source, target)

    async def make_symbolic_link(self, place: Place, path: str, text: str) -> Item:
        """AlreadyExists when the name is taken. Nothing is ever reached by it that is not in the share."""
        return await on_thread(links.make, self._spelling, self._base(place), path, text)

    async def symbolic_link(self, place: Place, path: str) -> tuple[Item, str]:
        """A link itself, and its text."""
        return await on_thread(links.read, self._spelling, self._base(place), path)

    async def remove_symbolic_link(self, place: Place, path: str) -> None:
        await on_thread(links.remove, self._spelling, self._base(place), path)

    async def names(self, place: Place, file_id: int) -> list[Item]:
        """All names of a file in the share."""
        return await on_thread(links.names, self._spelling, self._base(place), file_id)

    async def page(
        self, place: Place, path: str, prefix: str, marker: str, limit: int, *, links: bool = False
    ) -> tuple[list[Item], str]:
        """Up to `limit` items of a directory, by name, that begin with `prefix`, from `marker` on; the next marker."""

        def page() -> tuple[list[Item], str]:
            base = self._base(place)
            found = self._present(base, path)
            return listing.page(self._spelling, base, (found.disk, found.path), prefix, marker, limit, links=links)

        return await on_thread(page)

    async def changes(
        self, now: tuple[Place, str], then: tuple[Place, str], start: int, end: int, cleared: list[tuple[int, int]]
    ) -> list[tuple[int, int, bool]]:
        """The parts between two offsets that are written now and were not then or the reverse, or are other bytes.

        First and last byte, and whether it is not written now. A part that was `cleared` (first byte, end) is told
        though its bytes are the same.
        """

        def changes() -> list[tuple[int, int, bool]]:
            newer, older = self._open(*now), self._open(*then)
            try:
                return differences.changes(newer.descriptor, older.descriptor, start, end, cleared)
            finally:
                newer.close()
                older.close()

        return await on_thread(changes)

    async def ranges(self, place: Place, path: str, start: int, end: int) -> list[tuple[int, int]]:
        def ranges() -> list[tuple[int, int]]:
            opened = self._open(place, path)
            try:
                return pages.written(opened.descriptor, start, end)
            finally:
                opened.close()

        return await on_thread(ranges)

    def _base(self, place: Place) -> Beneath:
        return Beneath(f"{self._root.root}/{roots.path(place)}")

    def _present(self, base: Beneath, path: str) -> Found:
        """What is there for the protocol: a file or a directory, none of the other things that a program may leave."""
        base.look_near()
        found = self._spelling.locate(base, path)
        if found.stat is None or not (modes.S_ISREG(found.stat.st_mode) or modes.S_ISDIR(found.stat.st_mode)):
            raise NotFound("resource", path)
        return found

    def _place_for(self, base: Beneath, path: str) -> Found:
        """Where a file is to be made. AlreadyExists where a device or the like is: to open it may do something."""
        base.look_near()
        found = self._spelling.locate(base, path)
        if found.stat is not None and not (modes.S_ISREG(found.stat.st_mode) or modes.S_ISDIR(found.stat.st_mode)):
            raise AlreadyExists("resource", path)
        self._spelling.keep(path.rpartition("/")[2])
        return found

    def _find(self, place: Place, path: str) -> Item:
        base = self._base(place)
        found = self._present(base, path)
        assert found.stat is not None
        return listing.item(base, found.disk, found.path, found.stat)

    def _open(self, place: Place, path: str, flags: int = os.O_RDONLY) -> Opened:
        base = self._base(place)
        found = self._present(base, path)
        descriptor = base.open_file(found.disk, flags)
        return Opened(descriptor, found.path, os.fstat(descriptor), listing.parent(base, found.disk))

    def _create(self, place: Place, path: str, size: int, data: Data, limit: int | None) -> Item:
        base = self._base(place)
        found = self._place_for(base, path)
        more = size_of(data) - replaced.freed(found)
        with self._usage.room(place, limit, lambda: more), whole.making(base, found, more):
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

    def _make_directory(self, place: Place, path: str) -> Item:
        base = self._base(place)
        found = self._spelling.locate(base, path)
        if found.stat is not None:
            raise AlreadyExists("resource", path)
        self._spelling.keep(path.rpartition("/")[2])
        base.make_directory(found.disk)
        with _directory(base, found.disk) as descriptor:
            self._give(place, descriptor)
            mark = marks.give(descriptor)
        self._made(base, found)
        return structs.replace(self._stamp(place, found.path), mark=mark)

    def _made(self, base: Beneath, found: Found) -> None:
        """Make a new name durable and known."""
        if found.stat is None:
            directory, _, name = found.disk.rpartition("/")
            base.sync(directory)
            self._spelling.made(base, directory, name)

    def _remove(self, place: Place, path: str, directory: bool) -> None:  # noqa: FBT001 - run on a thread by position
        base = self._base(place)
        found = self._present(base, path)
        if directory:
            links.remove_directory(base, found.disk)
        else:
            freed = replaced.freed_with_name(base, found)
            base.unlink(found.disk)
            self._usage.shrank(place, freed)
        base.sync(found.disk.rpartition("/")[0])

    def _write(
        self, place: Place, path: str, opened: Opened | None, offset: int, data: Data, limit: int | None
    ) -> Item:  # fmt: skip
        length = size_of(data)

        def put(opened: Opened) -> None:
            with pages.writing(opened.descriptor, opened.stat, offset, length):
                whole.write(opened.descriptor, opened.stat.st_dev, offset, data)

        opened = opened or self._open(place, path, os.O_RDWR)
        try:
            _check_inside(opened.stat, offset, length)
            with self._usage.room(place, limit, lambda: extents.missing(opened.descriptor, offset, length)):
                return self._change(place, opened, put)
        finally:
            opened.close()

    def _open_and_change(self, place: Place, path: str, change: Callable[[Opened], None]) -> Item:
        opened = self._open(place, path, os.O_RDWR)
        try:
            return self._change(place, opened, change)
        finally:
            opened.close()

    def _change(self, place: Place, opened: Opened, change: Callable[[Opened], None]) -> Item:
        with self._usage.following(place, opened.descriptor, opened.stat) as turn:
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
            self._usage.following(place, descriptor, os.fstat(descriptor)),
        ):
            yield descriptor

    def _stamp(self, place: Place, path: str) -> Item:
        base = self._base(place)
        found = self._present(base, path)
        descriptor = base.open(found.disk)
        try:
            extents.stamp(descriptor)
            os.fsync(descriptor)
            return listing.item(base, found.disk, found.path, os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def _copy(self, source: Place, source_path: str, place: Place, path: str, limit: int | None) -> Item:
        opened = self._open(source, source_path)
        origin = opened.descriptor
        try:
            base = self._base(place)
            found = self._place_for(base, path)
            of = os.fstat(origin)
            check_length(of.st_size, limit)
            is_itself = found.stat is not None and os.path.samestat(of, found.stat)
            more = 0 if is_itself else of.st_blocks * BLOCK - replaced.freed(found)
            # a copy by reference takes nothing: it looks for room itself, unless a name has to go for it first
            at_first = more if found.stat is not None and found.stat.st_nlink > 1 else 0
            with self._usage.room(place, limit, lambda: more), whole.making(base, found, at_first):
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

    def _link(self, place: Place, source: str, target: str) -> Item:
        base = self._base(place)
        old, new = self._present(base, source), self._spelling.locate(base, target)
        if new.stat is not None:
            raise AlreadyExists("resource", target)
        self._spelling.keep(new.path.rpartition("/")[2])
        base.link(old.disk, new.disk)
        self._made(base, new)
        return self._stamp(place, new.path)

    def _rename(self, place: Place, source: str, target: str, replace: bool) -> Item:  # noqa: FBT001 - as _remove
        base = self._base(place)
        old, new = self._present(base, source), self._spelling.locate(base, target)
        if new.disk.startswith(f"{old.disk}/"):
            raise InvalidValue("target", target, "inside what moves")
        freed = replaced.freed_with_name(base, new)
        new = renaming.cleared(self._spelling, base, old, new, target, replace=replace)
        self._spelling.keep(new.path.rpartition("/")[2])
        with renaming.moved(self._spelling, base, old, new):
            self._usage.shrank(place, freed if new.stat is not None else 0)
            return self._stamp(place, new.path)


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
