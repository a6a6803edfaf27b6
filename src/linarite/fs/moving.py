"""The one system call that moves a name to where none is: renameat2 with RENAME_NOREPLACE (manual page rename(2))."""

from __future__ import annotations

import ctypes
import errno
import os

_NO_REPLACE = 1
_MISSING = {errno.ENOSYS, errno.EINVAL}

_libc = ctypes.CDLL(None, use_errno=True)


def rename_to_free(old: int, name: str, new: int, other: str) -> None:
    """Move `name` of one directory to `other` in another. FileExistsError where anything is, be it made meanwhile.

    File systems without such a call are looked at before.
    """
    if hasattr(_libc, "renameat2"):
        if _libc.renameat2(old, os.fsencode(name), new, os.fsencode(other), _NO_REPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in _MISSING:
            raise OSError(code, os.strerror(code), other)
    if _is_there(new, other):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), other)
    os.rename(name, other, src_dir_fd=old, dst_dir_fd=new)


def _is_there(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
