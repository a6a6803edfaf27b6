"""A file whose bytes several processes lock. The kernel takes the locks back when their process has ended, however.

They are those of an open file description (fcntl(2), F_OFD_SETLK). Nothing here waits for one.

What may not enter: what the bytes stand for, and how long one waits for them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from linarite.fs import near

_FLOCK = struct.Struct("hhqqi4x")
"""`struct flock` of Linux on 64 bits: type, whence, start, length, pid."""
_BUSY = {errno.EAGAIN, errno.EACCES}


class LockFile:
    """One open description of the file at `path`: what is locked by it is this process's, and no conflict to it."""

    def __init__(self, path: str) -> None:
        """Make it if it is not there. Raises OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        self.is_at_once = near.kind(self._descriptor) in near.LOCAL
        """Whether its locks are in this machine's memory: no call waits for a network or another process."""

    def take(self, byte: int, *, alone: bool) -> bool:
        """Lock a byte, with others or alone, unless others have it so that this cannot be. Raises OSError."""
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _wanted(byte, alone=alone))
        except OSError as error:
            if error.errno not in _BUSY:
                raise
            return False
        return True

    def is_free(self, byte: int, *, alone: bool) -> bool:
        """Tell whether `take` would succeed. Raises OSError."""
        found = fcntl.fcntl(self._descriptor, fcntl.F_OFD_GETLK, _wanted(byte, alone=alone))
        return bool(_FLOCK.unpack(found)[0] == fcntl.F_UNLCK)

    def leave(self, byte: int) -> None:
        """Unlock a byte; fine when it is not locked. Raises OSError."""
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, byte, 1, 0))

    def close(self) -> None:
        """Unlock all."""
        os.close(self._descriptor)


def _wanted(byte: int, *, alone: bool) -> bytes:
    return _FLOCK.pack(fcntl.F_WRLCK if alone else fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0)
