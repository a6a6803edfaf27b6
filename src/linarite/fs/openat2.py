"""The one system call that resolves a path without leaving a directory: openat2 (Linux 5.6, manual page openat2(2)).

`open_beneath` uses it where the kernel has it. Elsewhere each component is opened by itself and no link is followed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from contextlib import suppress
from functools import cache

_NUMBER = 437  # the same on every architecture but Alpha
_RESOLVE_NO_XDEV = 0x01
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08
_RESOLVE_CACHED = 0x20
_HERE = -100  # AT_FDCWD
_TRIES = 64
_PARENT = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)
_at_once = ctypes.PyDLL(None, use_errno=True)  # keeps Python's lock meanwhile: for calls that cannot wait


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class Escapes(OSError):
    """The path, or a symbolic link on it, would leave the root."""

    def __init__(self, path: str) -> None:
        """Name the path as it was asked for."""
        super().__init__(errno.EXDEV, "the path leaves its root", path)


def open_beneath(root: int, path: str, flags: int, mode: int) -> int:
    """Open `path` (relative, already checked) below the directory `root`. Not inherited, and it never waits.

    BlockingIOError for a file that is lent to another program (F_SETLEASE, a client of an NFS server of this machine):
    that is asked for it by then.
    """
    flags |= os.O_CLOEXEC if flags & os.O_PATH else os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    return _by_kernel(root, path, flags, mode) if available() else by_components(root, path, flags, mode)


def open_cached(root: int | None, path: str, flags: int) -> int:
    """Open what the kernel can find without the disk: BlockingIOError, or another OSError, where it cannot.

    `path` is relative to the directory `root` and leads nowhere out of it, nor to another file system; with None it is
    a whole path, and trusted.
    """
    flags |= os.O_CLOEXEC if flags & os.O_PATH else os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    if root is None:
        return _ask(_at_once, _HERE, path, _How(flags, 0, _RESOLVE_CACHED))
    resolve = _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_XDEV | _RESOLVE_CACHED
    return _ask(_at_once, root, path or ".", _How(flags, 0, resolve))


@cache
def available() -> bool:
    """Whether this kernel (and the sandbox around us) lets us call openat2."""
    root = os.open("/", _PARENT)
    try:
        os.close(_call(root, ".", _PARENT, 0))
    except OSError:
        return False
    finally:
        os.close(root)
    return True


def _by_kernel(root: int, path: str, flags: int, mode: int) -> int:
    for _ in range(_TRIES - 1):
        with suppress(BlockingIOError):  # something was renamed while the kernel looked at a "..", or it is lent
            return _once(root, path, flags, mode)
    return _once(root, path, flags, mode)


def _once(root: int, path: str, flags: int, mode: int) -> int:
    try:
        return _call(root, path or ".", flags, mode if flags & os.O_CREAT else 0)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise Escapes(path) from error
        raise


def _call(root: int, path: str, flags: int, mode: int) -> int:
    return _ask(_libc, root, path, _How(flags, mode, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS))


def _ask(libc: ctypes.CDLL, root: int, path: str, how: _How) -> int:
    found: int = libc.syscall(
        ctypes.c_long(_NUMBER), ctypes.c_int(root), ctypes.c_char_p(os.fsencode(path)), ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )  # fmt: skip
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return found


def by_components(root: int, path: str, flags: int, mode: int) -> int:
    """Open one component after the other, following no symbolic link."""
    *parents, last = path.split("/") if path else ["."]
    here = os.dup(root)
    try:
        for name in parents:
            here, before = _open_plain(here, name, _PARENT, 0, path), here
            os.close(before)
        return _open_plain(here, last, flags, mode, path)
    finally:
        os.close(here)


def _open_plain(parent: int, name: str, flags: int, mode: int, path: str) -> int:
    try:
        opened = os.open(name, flags | os.O_NOFOLLOW, mode, dir_fd=parent)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR} and _is_link(parent, name):
            raise Escapes(path) from error
        raise
    if flags & os.O_PATH and stat.S_ISLNK(os.fstat(opened).st_mode):
        os.close(opened)
        raise Escapes(path)
    return opened


def _is_link(parent: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False
