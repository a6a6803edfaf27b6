"""Folders of file shares below a node's folder: bound there by root, linked by a server without it.

A task may have put anything in the way, and the server may be root: every step is taken from a descriptor and follows
no link. What is bound stays when the server dies; it is let go of before the node's files are removed.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from linarite.engine.launching import NodeRef, NodeUnusable
from linarite.engine.mounting import Mount, MountError
from linarite.fs.openat2 import Escapes, by_components

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOSUID, _NODEV, _RDONLY, _REMOUNT, _BIND = 2, 4, 1, 32, 4096
_DETACH = 2
_NOT_MOUNTED = "An error was encountered while configuring specified mount(s)"
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_libc = ctypes.CDLL(None, use_errno=True)


class Owner(NamedTuple):
    """A Unix user and their group; `alone`: the group is the account's own, whose users may use what is made."""

    uid: int
    gid: int
    alone: bool = True


async def attach_all(
    node: NodeRef, mounts: Iterable[Mount], one: Callable[[NodeRef, Mount], Awaitable[None]]
) -> NodeUnusable | None:  # fmt: skip
    """Show by `one` all that a node is to have; the first that cannot be is told."""
    for mount in mounts:
        try:
            await one(node, mount)
        except MountError as error:
            details = {"Message": str(error), "MountConfigurationPath": mount.path}
            return NodeUnusable(node=node, message=_NOT_MOUNTED, code="mount-failed", details=details)
    return None


def attach(
    top: str, node: str, path: str, folder: str, *, read_only: bool, owner: Owner | None, linked: bool = False
) -> None:  # fmt: skip
    """Show `folder` at `path` below the folder `node` (relative to `top`). Raises MountError.

    Folders on the way are made for `owner`. Done again, it changes nothing. `linked`: not bound,
    even by root, since other machines see no binding.
    """
    bound = os.geteuid() == 0 and not linked
    try:
        _attach(top, f"{node}/fsmounts", path, folder, read_only=read_only, owner=owner, bound=bound)
    except Escapes as error:
        raise MountError(f"A link stands in the way of {path!r}.") from error
    except OSError as error:
        raise MountError(f"It cannot be mounted at {path!r}: {error.strerror}.") from error


def _attach(
    top: str, mounts: str, path: str, folder: str, *, read_only: bool, owner: Owner | None, bound: bool
) -> None:  # fmt: skip
    above, _, name = path.rpartition("/")
    with _way(top, mounts, above, owner) as parent:
        if _is_link_to(parent, name, folder):
            return
        _make(parent, name, owner)
        with _opened(parent, name) as target:
            if os.path.samestat(os.fstat(target), os.stat(folder)):
                return
            if bound:
                _bind(folder, target, parent, name, read_only=read_only)
                return
        if read_only:
            raise MountError("Nothing is mounted for reading alone here: only root can, and only on its own machine.")
        os.rmdir(name, dir_fd=parent)
        os.symlink(folder, name, dir_fd=parent)


def _is_link_to(parent: int, name: str, folder: str) -> bool:
    try:
        return os.readlink(name, dir_fd=parent) == folder
    except OSError:
        return False


@contextmanager
def _way(top: str, mounts: str, above: str, owner: Owner | None) -> Iterator[int]:
    """The folder that the mount stands in."""
    root = os.open(top, _DIRECTORY)
    try:
        here = by_components(root, mounts, _DIRECTORY, 0)
        try:
            for name in filter(None, above.split("/")):
                _make(here, name, owner)
                here, before = by_components(here, name, _DIRECTORY, 0), here
                os.close(before)
            yield here
        finally:
            os.close(here)
    finally:
        os.close(root)


def _make(parent: int, name: str, owner: Owner | None) -> None:
    try:
        os.mkdir(name, 0o770 if owner is None or owner.alone else 0o700, dir_fd=parent)
    except FileExistsError:
        return
    if owner is not None:
        os.chown(name, owner.uid, owner.gid, dir_fd=parent, follow_symlinks=False)


@contextmanager
def _opened(parent: int, name: str) -> Iterator[int]:
    found = by_components(parent, name, _DIRECTORY, 0)
    try:
        yield found
    finally:
        os.close(found)


def _bind(folder: str, target: int, parent: int, name: str, *, read_only: bool) -> None:
    """Bind the folder there. Raises OSError."""
    _mount(folder, f"/proc/self/fd/{target}", _BIND)
    with _opened(parent, name) as bound:
        limits = _NOSUID | _NODEV | (_RDONLY if read_only else 0)
        _mount(None, f"/proc/self/fd/{bound}", _REMOUNT | _BIND | limits)


def _mount(source: str | None, target: str, flags: int) -> None:
    what = None if source is None else os.fsencode(source)
    if _libc.mount(what, os.fsencode(target), None, ctypes.c_ulong(flags), None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def detach(top: str, node: str) -> None:
    """Let go of all that is bound below the folder `node` (relative to `top`). Raises OSError."""
    root = os.open(top, _DIRECTORY)
    try:
        for path in sorted(_bound(f"{top}/{node}/"), reverse=True):
            try:
                bound = by_components(root, os.path.relpath(path, top), _DIRECTORY, 0)
            except OSError:
                continue
            try:
                _libc.umount2(os.fsencode(f"/proc/self/fd/{bound}"), _DETACH)
            finally:
                os.close(bound)
    finally:
        os.close(root)


def _bound(prefix: str) -> Iterator[str]:
    """The places below `prefix` at which something is mounted."""
    with open("/proc/self/mountinfo", "rb") as lines:
        for line in lines:
            path = os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), line.split()[4]))
            if path.startswith(prefix):
                yield path
