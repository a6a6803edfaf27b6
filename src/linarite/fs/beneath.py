"""A directory tree that no path leads out of: open, stat, list, make, rename and delete below one root.

Paths are relative and separated by "/"; "" is the root itself. Empty components are ignored; "..", "." and NUL raise
`Escapes`, as does a symbolic link that leads outside. Everything else is the operating system's own OSError. Opening
never waits (a FIFO that a task left there blocks nobody). Names that are no UTF-8 come back with surrogates, as from
`os`.
"""

from __future__ import annotations

import os
import shutil
import stat as modes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from linarite.fs import near
from linarite.fs.moving import rename_to_free
from linarite.fs.openat2 import Escapes, open_beneath, open_cached

__all__ = ["Beneath", "Entry", "Escapes"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Entry(NamedTuple):
    """One name in a directory; `stat` is of the name itself (lstat): a symbolic link shows as a link."""

    name: str
    stat: os.stat_result

    @property
    def is_directory(self) -> bool:
        """Whether the name is a directory (a link to one is not)."""
        return modes.S_ISDIR(self.stat.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether the name is an ordinary file."""
        return modes.S_ISREG(self.stat.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether the name is a symbolic link."""
        return modes.S_ISLNK(self.stat.st_mode)


class Beneath:
    """The tree below `root`. Holds no descriptor between calls, so a root may be made again in its place."""

    __slots__ = ("root",)

    def __init__(self, root: str) -> None:
        """`root` is a directory's path; it is trusted, and need not exist yet."""
        self.root = root

    def open(self, path: str, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
        """Open whatever is at `path`; returns a descriptor that the caller closes."""
        with self._directory("") as root:
            return open_beneath(root, _clean(path), flags, mode)

    def open_file(self, path: str, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
        """Open an ordinary file. IsADirectoryError for a directory, FileNotFoundError for a device, socket or FIFO."""
        descriptor = self.open(path, flags, mode)
        kind = os.fstat(descriptor).st_mode
        if modes.S_ISREG(kind):
            return descriptor
        os.close(descriptor)
        error = IsADirectoryError if modes.S_ISDIR(kind) else FileNotFoundError
        raise error(f"no ordinary file: {path}")

    def stat(self, path: str, *, follow: bool = True) -> os.stat_result:
        """What is at `path`; a symbolic link is followed while it stays below the root, unless `follow` is false."""
        if not follow:
            with self._parent(path) as (parent, name):
                return os.stat(name, dir_fd=parent, follow_symlinks=False)
        return _stat(self.open(path, os.O_PATH))

    def exists(self, path: str) -> bool:
        """Whether `path` leads to anything below the root."""
        try:
            self.stat(path)
        except OSError:
            return False
        return True

    def look_at_once(self, path: str, flags: int | None = None) -> tuple[os.stat_result, int | None, int | None]:
        """What is at `path`, the inode of the directory that it is in (None: the root), and a descriptor of it.

        That is opened with `flags`; None without them, and for what is no ordinary file. Never waits for a disk,
        another machine or a program: OSError, whichever, when the kernel has not all of it at hand, and until
        `look_near` was called lately.
        """
        path = _clean(path)
        above = path.rpartition("/")[0]
        if not near.opens_at_once(self.root, flags or os.O_RDONLY):
            raise BlockingIOError
        root = open_cached(None, self.root, _DIRECTORY)
        try:
            stat = _stat(open_cached(root, path, os.O_PATH))  # first: to open a device does something
            parent = _stat(open_cached(root, above, os.O_PATH)).st_ino if above else None
            if flags is None or not modes.S_ISREG(stat.st_mode):
                return stat, parent, None
            descriptor = open_cached(root, path, flags)
        finally:
            os.close(root)
        stat = os.fstat(descriptor)
        if modes.S_ISREG(stat.st_mode):
            return stat, parent, descriptor
        os.close(descriptor)
        return stat, parent, None

    def look_near(self) -> None:
        """Find out whether the root is on a disk of this machine, as `look_at_once` needs to know. May wait."""
        near.look(self.root)

    def scan(self, path: str = "") -> Iterator[Entry]:
        """The names in a directory, in no order. A name that goes away meanwhile is left out."""
        with self._directory(path) as directory, os.scandir(directory) as entries:
            for entry in entries:
                try:
                    yield Entry(entry.name, entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue

    @contextmanager
    def looking(self, path: str = "") -> Iterator[Callable[[str], os.stat_result | None]]:
        """A quick way to what many names of one directory are (lstat); None for one that is not there."""
        with self._directory(path) as directory:

            def look(name: str) -> os.stat_result | None:
                try:
                    return os.stat(name, dir_fd=directory, follow_symlinks=False)
                except FileNotFoundError:
                    return None

            yield look

    def names(self, path: str = "") -> list[str]:
        """The bare names in a directory, in no order."""
        with self._directory(path) as directory:
            return os.listdir(directory)

    def walk(self, path: str = "", *, whole: bool = False) -> Iterator[Entry]:
        """Every file and directory below `path`, by name, parents first; `name` is the path below. Follows no link.

        What is in a directory that cannot be read is left out; with `whole` that is an OSError, unless it went away.
        """
        waiting = _sorted(self.scan(path))
        while waiting:
            entry = waiting.pop()
            yield entry
            if entry.is_directory:
                waiting.extend(_sorted(self._scan_or_nothing(path, entry.name, whole=whole)))

    def _scan_or_nothing(self, path: str, below: str, *, whole: bool) -> Iterator[Entry]:
        try:
            for entry in self.scan(f"{path}/{below}" if path else below):
                yield Entry(f"{below}/{entry.name}", entry.stat)
        except (FileNotFoundError, NotADirectoryError, Escapes):  # it went away, or became something else
            return
        except OSError:
            if whole:
                raise

    def make_directory(self, path: str, mode: int = 0o777) -> None:
        """Make one directory. FileExistsError, FileNotFoundError when its parent is missing."""
        with self._parent(path) as (parent, name):
            os.mkdir(name, mode, dir_fd=parent)

    def make_directories(self, path: str, mode: int = 0o777) -> None:
        """Make a directory and what is missing above it; one that is there already is fine."""
        parts = _clean(path).split("/")
        for count in range(1, len(parts) + 1):
            try:
                self.make_directory("/".join(parts[:count]), mode)
            except FileExistsError:
                continue

    def unlink(self, path: str) -> None:
        """Remove a file, or a symbolic link itself."""
        with self._parent(path) as (parent, name):
            os.unlink(name, dir_fd=parent)

    def make_link(self, path: str, text: str) -> None:
        """Make a symbolic link with that text, wherever it leads. FileExistsError, FileNotFoundError as above."""
        with self._parent(path) as (parent, name):
            os.symlink(text, name, dir_fd=parent)

    def read_link(self, path: str) -> str:
        """The text of a symbolic link. OSError with EINVAL for anything else."""
        with self._parent(path) as (parent, name):
            return os.readlink(name, dir_fd=parent)

    def link(self, source: str, target: str) -> None:
        """Give a file one more name. FileExistsError when `target` is there."""
        with self._parent(source) as (old, name), self._parent(target) as (new, other):
            os.link(name, other, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory. OSError with ENOTEMPTY otherwise."""
        with self._parent(path) as (parent, name):
            os.rmdir(name, dir_fd=parent)

    def remove_tree(self, path: str) -> None:
        """Remove a directory with all that is in it, following no link; fine when it is not there."""
        with self._parent(path) as (parent, name):
            try:
                shutil.rmtree(name, dir_fd=parent)
            except FileNotFoundError:
                return

    def rename(self, source: str, target: str, *, replace: bool = False) -> None:
        """Move a file or directory. FileExistsError when `target` is there and `replace` is false."""
        with self._parent(source) as (old, name), self._parent(target) as (new, other):
            if replace:
                os.rename(name, other, src_dir_fd=old, dst_dir_fd=new)
            else:
                rename_to_free(old, name, new, other)

    def sync(self, path: str = "") -> None:
        """Make the names in a directory durable."""
        with self._directory(path) as directory:
            os.fsync(directory)

    @contextmanager
    def _directory(self, path: str) -> Iterator[int]:
        root = os.open(self.root, _DIRECTORY)
        try:
            descriptor = open_beneath(root, _clean(path), _DIRECTORY, 0) if path else root
        except OSError:
            os.close(root)
            raise
        try:
            yield descriptor
        finally:
            os.close(descriptor)
            if descriptor != root:
                os.close(root)

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """The directory that holds the last name of `path`, and that name."""
        above, _, name = _clean(path).rpartition("/")
        if not name:
            raise Escapes(path)
        with self._directory(above) as directory:
            yield directory, name


def _stat(descriptor: int) -> os.stat_result:
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _clean(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    if path.startswith("/") or "\0" in path or any(part in {".", ".."} for part in parts):
        raise Escapes(path)
    return "/".join(parts)


def _sorted(entries: Iterator[Entry]) -> list[Entry]:
    """The last name first, so that a stack gives the first."""
    return sorted(entries, key=lambda each: each.name, reverse=True)
