"""What sharing needs of its neighbours: the records in the store and the tree that holds names and bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from hashlib import blake2b
from typing import Protocol, TypeVar

import msgspec

from linarite.engine.ports import Documents
from linarite.engine.sharing.records import Facts, Share

T = TypeVar("T")
Spot = tuple[int, str, str]
"""Where facts stand in the store: a share's number, the directory, the name in it."""
DISPLACED = ":"
"""The directory of facts that have no path: a name that none in a share can have."""


def is_displaced(path: str) -> bool:
    """Whether this stands in place of the path of facts that lost theirs to another file."""
    return path.startswith(f"{DISPLACED}/")


class Place(msgspec.Struct, frozen=True):
    """Which tree: a share of an account, or one of its snapshots; `version` names a deleted one that is kept."""

    account: str
    share: str
    snapshot: str = ""
    version: str = ""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A file or directory as the tree has it. `path` is spelled as it is stored; times in nanoseconds.

    `touched` is when the disk last noted any change: no program can set it, so that one that puts `modified` back after
    a change, or a file of the same time and size in the place of another, is told apart by `version`. `text` is that of
    a symbolic link, in lists. `mark` is what it bears from the call that gave it (`Tree.set_mark`): None for calls that
    give none, "" where it can bear none.
    """

    path: str
    is_directory: bool
    size: int
    modified: int
    accessed: int
    id: int
    parent_id: int
    touched: int = 0
    links: int = 1
    is_link: bool = False
    text: str = ""
    mark: str | None = None

    @property
    def name(self) -> str:
        """The last component."""
        return self.path.rpartition("/")[2]

    @property
    def version(self) -> int:
        """A number below 2^52 that is another one after each change of the bytes, whoever made it."""
        return version(self.modified, self.touched, self.id, self.size)


def version(*facts: int) -> int:
    """A number below 2^52 for what a thing is made of."""
    return int.from_bytes(blake2b(b"%d %d %d %d" % facts, digest_size=8).digest()) >> 12


Data = bytes | Sequence[bytes] | Sequence[memoryview]
"""Bytes in one piece, or in the pieces that they came in: they are put together nowhere but in the file."""


def pieces_of(data: Data) -> Sequence[bytes | memoryview]:
    """Its pieces."""
    return (data,) if isinstance(data, bytes) else data


def size_of(data: Data) -> int:
    """How many bytes there are."""
    return sum(map(len, pieces_of(data)))


class Tree(Protocol):
    """Directory trees with names that keep their case and ignore it, and sparse files.

    `NotFound("parent")` when the directory above is missing, `NotFound("resource")` when only the name is;
    `WrongState("resource", <what it is>, <what was wanted>)` for a file where a directory is wanted, or the reverse.
    What returns an `Item` after a change has it on disk. `limit` is how many bytes of the disk the share may take, and
    how long a file may be: WrongState("share", "full", "write") and nothing changed beyond it. Holes take nothing.
    """

    def hold(self, place: Place, *paths: str, alone: bool) -> AbstractAsyncContextManager[None]:
        """Keep others from changing the paths meanwhile; `alone` keeps them from using them at all.

        The directories above are held with others, so that nobody moves or removes them, or takes a snapshot of the
        share. Who holds the root alone has the share for itself. Never held twice at once by one caller. Where other
        servers have the same tree this goes for them too; Unavailable when one of them does not let go in time.
        """
        ...

    async def make_share(self, place: Place) -> None: ...
    async def drop_share(self, place: Place) -> None:
        """Remove a share or a snapshot; a deleted share with its snapshots."""
        ...

    async def move_share(self, source: Place, target: Place) -> None:
        """Its files stand at `target` from now on; nothing is done when there are none at `source`."""
        ...

    async def copy_share(self, source: Place, target: Place) -> None: ...
    async def usage(self, place: Place) -> int:
        """Bytes in the files of a share, rounded up to whole blocks of the disk."""
        ...

    async def find(self, place: Place, path: str) -> Item: ...
    async def open(self, place: Place, path: str) -> tuple[Item, int]:
        """The file and a descriptor to read it by, which the caller closes."""
        ...

    def close(self, descriptor: int) -> None:
        """Close what `open` gave."""
        ...

    async def create(self, place: Place, path: str, size: int, data: Data = b"", *, limit: int | None = None) -> Item:
        """A marked file of `size` bytes that reads as `data` and then zeros, in place of one that may be there."""
        ...

    async def make_directory(self, place: Place, path: str) -> Item:
        """A marked one. AlreadyExists when the name is taken."""
        ...

    async def mark(self, place: Place, path: str, file_id: int) -> str:
        """What the file or directory of that id bears: see `set_mark`. "" when nothing, or when it is another one."""
        ...

    async def set_mark(self, place: Place, path: str) -> Item:
        """Mark a file or directory as no other is, durably: it bears that wherever any program moves it on its disk.

        A copy may bear it too. Touches it, and leaves its time of modification.
        """
        ...

    async def there(self, place: Place, paths: Sequence[str]) -> list[int | None] | None:
        """The ids of what stands at paths in just this spelling: None for nothing, 0 for what cannot be told.

        That is so for what a link leads to, and for what may not be looked at.

        None in place of the list when nothing at all is in the share, or its folder is not there.
        """
        ...

    async def md5(self, place: Place, path: str) -> str:
        """The MD5 of all bytes of a file, in base64."""
        ...

    async def remove(self, place: Place, path: str, *, directory: bool) -> None:
        """WrongState("directory", "not empty", ...) when something is in it."""
        ...

    async def write(self, place: Place, path: str, offset: int, data: Data, *, limit: int | None = None) -> Item:
        """WrongState("range", "outside", ...) when the range does not lie in the file: it never grows."""
        ...

    async def clear(self, place: Place, path: str, offset: int, length: int) -> Item: ...
    async def resize(self, place: Place, path: str, size: int, *, limit: int | None = None) -> Item: ...
    async def source(self, place: Place, path: str) -> Source:
        """A file as a copy reads it: one that changes meanwhile ends the copy."""
        ...

    async def stamp(self, place: Place, path: str) -> Item:
        """A fresh time of modification, for a change of facts."""
        ...

    async def copy(self, source: Place, source_path: str, place: Place, path: str, *, limit: int | None = None) -> Item:
        """The destination is marked, as a new one is."""
        ...

    async def rename(self, place: Place, source: str, target: str, *, replace: bool) -> Item: ...
    async def link(self, place: Place, source: str, target: str) -> Item:
        """A further name of a file. AlreadyExists when the name is taken."""
        ...

    async def make_symbolic_link(self, place: Place, path: str, text: str) -> Item:
        """AlreadyExists when the name is taken. Nothing is ever reached by it that is not in the share."""
        ...

    async def symbolic_link(self, place: Place, path: str) -> tuple[Item, str]:
        """A link itself, and its text."""
        ...

    async def remove_symbolic_link(self, place: Place, path: str) -> None: ...
    async def names(self, place: Place, file_id: int) -> list[Item]:
        """All names of a file in the share."""
        ...

    async def page(
        self, place: Place, path: str, prefix: str, marker: str, limit: int, *, links: bool
    ) -> tuple[list[Item], str]:
        """Up to `limit` items of a directory, by name, that begin with `prefix`, from `marker` on; the next marker.

        `links`: symbolic links are told as themselves, not as what they lead to.
        """
        ...

    async def changes(
        self, now: tuple[Place, str], then: tuple[Place, str], start: int, end: int, cleared: list[tuple[int, int]]
    ) -> list[tuple[int, int, bool]]:
        """The parts between two offsets that are written now and were not then or the reverse, or are other bytes.

        First and last byte, and whether it is not written now. A part that was `cleared` (first byte, end) is told
        though its bytes are the same.
        """
        ...

    async def ranges(self, place: Place, path: str, start: int, end: int) -> list[tuple[int, int]]:
        """The parts between two offsets that were written, be it with zeros, as pairs of first and last byte."""
        ...


class SourceFailed(Exception):
    """A copy's source cannot be read any further; the text says why to who asked for the copy."""


class Source(Protocol):
    """The bytes that a copy reads, from front to back; `size` in bytes."""

    size: int

    async def read(self, start: int) -> tuple[int, bytes]:
        """The next bytes that were written from `start` on, some MiB at most, and where; b"" when none are left.

        Raises SourceFailed.
        """
        ...

    async def close(self) -> None: ...


class ShareRecords(Protocol):
    """Shares, facts of files and permissions, in one transaction of the store (`tx.shares`)."""

    def get(self, account: str, name: str, snapshot: str = "", version: str = "") -> Share | None: ...
    def by_key(self, key: int) -> Share | None: ...
    def insert(self, share: Share) -> None:
        """Store a new share: sets its key."""
        ...

    def update(self, share: Share) -> None: ...
    def delete(self, key: int) -> None:
        """Forget a share with its facts and permissions."""
        ...

    def page(
        self, account: str, prefix: str, marker: tuple[str, ...], limit: int, *, snapshots: bool, deleted: bool
    ) -> list[Share]:
        """Shares by name, those from `marker` (name, version, snapshot) on.

        A share's snapshots stand before it, deleted ones of its name after it.
        """
        ...

    def snapshots(self, account: str, name: str, version: str = "") -> list[Share]: ...
    def expired(self, now: int, limit: int) -> list[Share]:
        """Deleted shares and their snapshots whose time is over."""
        ...

    def next_expiry(self) -> int | None:
        """When the next of them is."""
        ...

    def deleted(self, after: int, limit: int) -> list[Share]:
        """Deleted shares and their snapshots by key, from the one after `after` on."""
        ...

    def copy(self, source: int, target: int) -> None:
        """Give share `target` the facts and permissions of `source`."""
        ...

    def facts(self, key: int, path: str) -> Facts | None: ...
    def born(self, key: int, born: int) -> str | None:
        """The path of the file that was born then."""
        ...

    def facts_in(self, key: int, directory: str, first: str, last: str) -> dict[str, Facts]:
        """The facts right in a directory of names between two, in the order of their characters, by name."""
        ...

    def put_facts(self, key: int, path: str, facts: Facts) -> None: ...
    def put_facts_of_links(self, key: int, facts: Facts) -> None:
        """Store them for all names of the file that was born as they say."""
        ...

    def delete_facts(self, key: int, path: str) -> None:
        """Forget the facts of a path; those of marked files that were below it are displaced."""
        ...

    def move_facts(self, key: int, source: str, target: str) -> None:
        """Facts of a path, and of what is below it, go with it; those that stood there are displaced."""
        ...

    def displace(self, key: int, path: str) -> None:
        """Take its facts from a path that is another file's now: a mark alone finds them, without one they are gone."""
        ...

    def hand_over(self, key: int, source: str, target: str, *, below: bool) -> None:
        """As `move_facts`, of one path alone unless also what is `below` it moves."""
        ...

    def has_below(self, key: int, path: str) -> bool:
        """Whether there are facts of anything below a path."""
        ...

    def marked(self, key: int, mark: str) -> list[tuple[str, Facts]]:
        """The paths whose facts name a mark, with these: several for a file of several names; see `is_displaced`."""
        ...

    def some_facts(self, after: Spot, limit: int) -> list[tuple[Spot, str, int | None]]:
        """Facts of all shares in the order of their spots, from `after` (excluded) on: spot, path, lost since when."""
        ...

    def note_lost(self, key: int, path: str, lost: int | None) -> None:
        """Note since when nothing is at a path that has facts; None: something is again."""
        ...

    def forget_lost(self, key: int, path: str, lost: int) -> None:
        """Forget the facts of a path that is lost since just then."""
        ...

    def permission(self, key: int, permission: str) -> str | None: ...
    def put_permission(self, key: int, permission: str, text: str) -> None: ...


class ShareTransaction(Protocol):
    """The part of a transaction that sharing uses."""

    @property
    def shares(self) -> ShareRecords: ...
    @property
    def documents(self) -> Documents: ...


class Presence(Protocol):
    """This server among those that share the store and the tree."""

    @property
    def name(self) -> str:
        """A name that no other one has, nor had."""
        ...

    def has_ended(self, name: str) -> bool:
        """Tell whether the server of that name is no more; also of names that none ever had."""
        ...


class _Alone:
    name = ""

    def has_ended(self, _name: str) -> bool:
        return True


ALONE: Presence = _Alone()
"""A server that shares with no other: what anybody noted before it started is its own."""


class ShareStore(Protocol):
    """The part of the store that sharing uses: see `engine.ports.Store`."""

    @property
    def share_changes(self) -> int | None:
        """Another number once `tx.shares` of a unit was committed, before that is told; None where others write too."""
        ...

    def check_room(self) -> None:
        """Unavailable while the store's disk is so full that a commit may fail: nothing is begun then. At once."""
        ...

    async def write(self, work: Callable[[ShareTransaction], T]) -> T: ...
    async def read(self, work: Callable[[ShareTransaction], T]) -> T: ...


Rows = Sequence[Share]
