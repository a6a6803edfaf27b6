"""The tree of all shares: `<root>/<account>/<share>/` with ordinary names, for other programs as well.

Beside the accounts stand `.snapshots`, `.trash`, `.names` and, where several servers share the tree, `.locks`. What the
kernel has at hand is found at once; all else is done on a thread (`on_disk`).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from linarite.engine.sharing.ports import Data, Item, Place
from linarite.shares import at_once, links, marks, roots
from linarite.shares.among_servers import holds
from linarite.shares.holds import steps
from linarite.shares.on_disk import OnDisk, Owner
from linarite.shares.sources import FileSource
from linarite.shares.threads import on_thread
from linarite.shares.trash import Trash
from linarite.shares.usage import check_length


class DirectoryTree:
    """Implements `engine.sharing.ports.Tree` below the folder `root`."""

    def __init__(self, root: str, owner_of: Callable[[str], Owner] | None = None, *, shared: bool = False) -> None:
        """`owner_of` gives the user of an account's tasks, who may change its files too; None is the server's own.

        `shared`: other servers have the same tree, which is there. Raises OSError.
        """
        self._disk = OnDisk(root, owner_of)
        self._holds = holds(root, shared=shared)
        self._trash = Trash(self._disk.root, self._holds)

    def hold(self, place: Place, *paths: str, alone: bool) -> AbstractAsyncContextManager[None]:
        """Keep others from changing these paths, and whatever holds them, meanwhile; see `ports.Tree.hold`."""
        return self._holds.hold(steps(place, paths, alone=alone))

    async def make_share(self, place: Place) -> None:
        await on_thread(self._disk.make_share, place)

    async def drop_share(self, place: Place) -> None:
        """Gone at once by name; its files are removed in the background."""
        trash = await on_thread(roots.drop, self._disk.root, place, uuid.uuid4().hex)
        self._disk.usage.forget(place)
        self._trash.remove(trash)

    async def move_share(self, source: Place, target: Place) -> None:
        """Its files stand at `target` from now on; nothing is done when there are none at `source`."""
        await on_thread(roots.move, self._disk.root, source, target)
        self._disk.usage.forget(source)
        self._disk.usage.forget(target)

    async def copy_share(self, source: Place, target: Place) -> None:
        async with self._trash.drafting():
            await on_thread(roots.copy, self._disk.root, source, target, uuid.uuid4().hex)

    async def usage(self, place: Place) -> int:
        return await on_thread(self._disk.usage.count, place)

    def sweep(self) -> None:
        """Remove what an earlier run of the server left in the trash, and long names of nothing, in the background."""
        self._trash.sweep()
        self._trash.in_background(self._disk.spelling.sweep)

    async def find(self, place: Place, path: str) -> Item:
        found = at_once.find(self._disk.base(place), self._disk.spelling, path)
        return await on_thread(self._disk.find, place, path) if found is None else found

    async def open(self, place: Place, path: str) -> tuple[Item, int]:
        found = at_once.open_file(self._disk.base(place), self._disk.spelling, path)
        opened = await on_thread(self._disk.open, place, path) if found is None else found
        return opened.item(), opened.take()

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    async def create(self, place: Place, path: str, size: int, data: Data = b"", *, limit: int | None = None) -> Item:
        check_length(size, limit)
        return await on_thread(self._disk.create, place, path, size, data, limit)

    async def make_directory(self, place: Place, path: str) -> Item:
        return await on_thread(self._disk.make_directory, place, path)

    async def mark(self, place: Place, path: str, file_id: int) -> str:
        base = self._disk.base(place)
        found = marks.at_hand(base, self._disk.spelling, path, file_id)
        return (
            await on_thread(lambda: marks.of(base, self._disk.present(base, path), file_id)) if found is None else found
        )

    async def set_mark(self, place: Place, path: str) -> Item:
        base = self._disk.base(place)
        return await on_thread(lambda: marks.set_at(base, self._disk.present(base, path)))

    async def there(self, place: Place, paths: Sequence[str]) -> list[int | None] | None:
        return await on_thread(marks.there, self._disk.base(place), self._disk.spelling, paths)

    async def md5(self, place: Place, path: str) -> str:
        """The MD5 of all bytes of a file, in base64."""
        return await on_thread(self._disk.md5, place, path)

    async def remove(self, place: Place, path: str, *, directory: bool) -> None:
        await on_thread(self._disk.remove, place, path, directory)

    async def write(self, place: Place, path: str, offset: int, data: Data, *, limit: int | None = None) -> Item:
        opened = at_once.open_file(self._disk.base(place), self._disk.spelling, path, os.O_RDWR)
        return await on_thread(self._disk.write, place, path, opened, offset, data, limit)

    async def clear(self, place: Place, path: str, offset: int, length: int) -> Item:
        return await on_thread(self._disk.clear, place, path, offset, length)

    async def resize(self, place: Place, path: str, size: int, *, limit: int | None = None) -> Item:
        check_length(size, limit)
        return await on_thread(self._disk.resize, place, path, size)

    async def source(self, place: Place, path: str) -> FileSource:
        """A file as a copy reads it: one that changes meanwhile ends the copy."""
        item, descriptor = await self.open(place, path)
        return FileSource(descriptor, item.size)

    async def stamp(self, place: Place, path: str) -> Item:
        return await on_thread(self._disk.stamp, place, path)

    async def copy(self, source: Place, source_path: str, place: Place, path: str, *, limit: int | None = None) -> Item:
        return await on_thread(self._disk.copy, source, source_path, place, path, limit)

    async def rename(self, place: Place, source: str, target: str, *, replace: bool) -> Item:
        return await on_thread(self._disk.rename, place, source, target, replace)

    async def link(self, place: Place, source: str, target: str) -> Item:
        """A further name of a file. AlreadyExists when the name is taken."""
        return await on_thread(self._disk.link, place, source, target)

    async def make_symbolic_link(self, place: Place, path: str, text: str) -> Item:
        """AlreadyExists when the name is taken. Nothing is ever reached by it that is not in the share."""
        return await on_thread(links.make, self._disk.spelling, self._disk.base(place), path, text)

    async def symbolic_link(self, place: Place, path: str) -> tuple[Item, str]:
        """A link itself, and its text."""
        return await on_thread(links.read, self._disk.spelling, self._disk.base(place), path)

    async def remove_symbolic_link(self, place: Place, path: str) -> None:
        await on_thread(links.remove, self._disk.spelling, self._disk.base(place), path)

    async def names(self, place: Place, file_id: int) -> list[Item]:
        """All names of a file in the share."""
        return await on_thread(links.names, self._disk.spelling, self._disk.base(place), file_id)

    async def page(
        self, place: Place, path: str, prefix: str, marker: str, limit: int, *, links: bool = False
    ) -> tuple[list[Item], str]:
        """Up to `limit` items of a directory, by name, that begin with `prefix`, from `marker` on; the next marker."""
        return await on_thread(lambda: self._disk.page(place, path, prefix, marker, limit, links=links))

    async def changes(
        self, now: tuple[Place, str], then: tuple[Place, str], start: int, end: int, cleared: list[tuple[int, int]]
    ) -> list[tuple[int, int, bool]]:
        """The parts between two offsets that are written now and were not then or the reverse, or are other bytes.

        First and last byte, and whether it is not written now. A part that was `cleared` (first byte, end) is told
        though its bytes are the same.
        """
        return await on_thread(self._disk.changes, now, then, start, end, cleared)

    async def ranges(self, place: Place, path: str, start: int, end: int) -> list[tuple[int, int]]:
        return await on_thread(self._disk.ranges, place, path, start, end)
