"""A file system of one file, "f", whose every open waits for leave: as where a file server is away for a while.

It speaks the kernel's own protocol (linux/fuse.h, fuse(4)) in a process of its own, so that it answers though a test
stands still. Needs root.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.left_out import leave_out

SECONDS = 5.0
"""After which an open goes on without leave."""
_LOOKUP, _FORGET, _GETATTR, _SETATTR, _OPEN, _WRITE, _STATFS, _RELEASE = 1, 2, 3, 4, 14, 16, 17, 18
_FSYNC, _FLUSH, _INIT, _OPENDIR, _RELEASEDIR, _INTERRUPT, _FORGET_MANY = 20, 25, 26, 27, 29, 36, 42
_HEAD, _ATTRIBUTES = struct.Struct("=IIQQ16x"), struct.Struct("=6Q10I")
_SIZE, _VALID, _WRITTEN_AT = 8192, 1000, 40


class LateDisk:
    """The other end of the process."""

    def __init__(self, served: subprocess.Popen[str]) -> None:
        self._served = served

    def let(self) -> None:
        """Let one open go on."""
        assert self._served.stdin is not None
        self._served.stdin.write("go\n")
        self._served.stdin.flush()

    def told(self) -> str:
        """What became of an open: "let", or "late" when nobody let it."""
        assert self._served.stdout is not None
        return self._served.stdout.readline().strip()


@contextmanager
def late_disk(place: Path) -> Iterator[LateDisk]:
    """One mounted over a folder."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__, str(place)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as served:
        disk = LateDisk(served)
        try:
            if disk.told() != "ready":
                leave_out("no file system of ours can be mounted here")
            yield disk
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=False, capture_output=True)
            served.kill()


def _serve(place: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    if libc.mount(b"late", place.encode(), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), "mount")
    _say("ready")
    while True:
        try:
            asked = os.read(device, 1 << 20)
        except OSError as error:
            if error.errno == errno.ENODEV:  # unmounted
                return
            continue
        _, what, unique, node = _HEAD.unpack_from(asked)
        if what not in {_FORGET, _INTERRUPT, _FORGET_MANY}:
            code, answer = _answer(what, node, asked[40:])
            os.write(device, struct.pack("=IiQ", 16 + len(answer), -code, unique) + answer)


def _answer(what: int, node: int, body: bytes) -> tuple[int, bytes]:
    """An error's number, or what the kernel asked for."""
    if what == _LOOKUP and body != b"f\0":
        return errno.ENOENT, b""
    if what == _OPEN:
        _wait()
    found = {
        _INIT: struct.pack("=4I2H2I2HI28x", 7, 31, 1 << 17, 0, 12, 10, 1 << 17, 1, 32, 0, 0),
        _LOOKUP: struct.pack("=4Q2I", 2, 0, _VALID, _VALID, 0, 0) + _file(2),
        _STATFS: struct.pack("=5Q4I24x", 1 << 30, 1 << 30, 1 << 30, 9, 9, 4096, 255, 4096, 0),
        _WRITE: struct.pack("=II", max(0, len(body) - _WRITTEN_AT), 0),
        **dict.fromkeys((_GETATTR, _SETATTR), struct.pack("=QII", _VALID, 0, 0) + _file(node)),
        **dict.fromkeys((_OPEN, _OPENDIR), struct.pack("=QII", 1, 0, 0)),
        **dict.fromkeys((_RELEASE, _RELEASEDIR, _FLUSH, _FSYNC), b""),
    }
    return (0, found[what]) if what in found else (errno.ENOSYS, b"")


def _file(node: int) -> bytes:
    is_root = node == 1
    size, mode = (0, 0o40755) if is_root else (_SIZE, 0o100666)
    return _ATTRIBUTES.pack(node, size, size // 512, 1, 1, 1, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def _wait() -> None:
    found, _, _ = select.select([sys.stdin], [], [], SECONDS)
    if found:
        sys.stdin.readline()
    _say("let" if found else "late")


def _say(word: str) -> None:
    print(word, flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
