"""Bytes of sparse files by descriptor: stamp, write, clear, copy, parts on disk. Holes cost no disk."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice

from linarite.engine.sharing.ports import Data, pieces_of

_SECTOR = 512
_CHUNK = 1024 * 1024
_BLOCK = 4096
_MOST_PIECES = 1024  # as many as one call of the kernel's takes: IOV_MAX
_FICLONE = 0x40049409
_FIEMAP = 0xC020660B
_EXTENTS = 128  # asked for at a time
_MAP_HEAD, _MAP_EXTENT = struct.Struct("=QQLLLL"), struct.Struct("=QQQ16xL12x")
_SYNC, _LAST, _UNWRITTEN = 0x1, 0x1, 0x800
_KEEP_SIZE, _PUNCH_HOLE = 0x01, 0x02
_UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.EPERM, errno.EBADR}

_libc = ctypes.CDLL(None, use_errno=True)
_stamping = threading.Lock()
_last_stamp = 0


def stamp(descriptor: int, before: os.stat_result | None = None) -> None:
    """Give the file a time of modification (whole 100 ns, the protocol's unit) that nothing was given before.

    `before` is what the file was a moment ago, where that is known.
    """
    before = before or os.fstat(descriptor)
    try:
        os.utime(descriptor, ns=(before.st_atime_ns, _new_time(before.st_mtime_ns)))
    except PermissionError:  # another user's file that we may write: its time can only be "now"
        os.utime(descriptor)


def _new_time(but: int) -> int:
    global _last_stamp  # noqa: PLW0603 - the one clock of this process that never stands still
    with _stamping:
        _last_stamp = max(time.time_ns() // 100 * 100, _last_stamp + 100)
        if _last_stamp == but:
            _last_stamp += 100
        return _last_stamp


def write(descriptor: int, offset: int, data: Data) -> None:
    """Write all of `data`, one piece after the other."""
    views = deque(memoryview(piece) for piece in pieces_of(data) if piece)
    while views:
        done = os.pwritev(descriptor, list(islice(views, _MOST_PIECES)), offset)
        offset += done
        while views and done >= len(views[0]):
            done -= len(views.popleft())
        if done:
            views[0] = views[0][done:]


def clear(descriptor: int, offset: int, length: int) -> None:
    """Make bytes zero; whole blocks of the disk are given back where the file system can."""
    flags = _KEEP_SIZE | _PUNCH_HOLE
    if _libc.fallocate(descriptor, flags, ctypes.c_longlong(offset), ctypes.c_longlong(length)) == 0:
        return
    if (code := ctypes.get_errno()) not in _UNSUPPORTED:
        raise OSError(code, os.strerror(code))
    while length > 0:
        size = min(length, _CHUNK)
        write(descriptor, offset, bytes(size))
        offset, length = offset + size, length - size


def allocate(descriptor: int, offset: int, length: int) -> None:
    """Take blocks of the disk for bytes that are zero, where the file system can; OSError when it has none left."""
    code = 0
    if length and _libc.fallocate(descriptor, _KEEP_SIZE, ctypes.c_longlong(offset), ctypes.c_longlong(length)) != 0:
        code = ctypes.get_errno()
    if code and code not in _UNSUPPORTED:
        raise OSError(code, os.strerror(code))


def room(disk: int | str) -> int:
    """Bytes that are left on the disk of a file or folder."""
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def check_room(disk: int | str, wanted: int) -> None:
    """OSError as a full disk gives it, but before anything is changed, when so many bytes have no room."""
    if wanted > 0 and room(disk) < wanted + _BLOCK:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def sync_disk(descriptor: int) -> None:
    """Make everything on the file's disk durable."""
    if _libc.syncfs(descriptor) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def copy(source: int, target: int) -> None:
    """Make `target` equal `source`: by reference where the file system can, else its data without its holes."""
    size = os.fstat(source).st_size
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    else:
        os.ftruncate(target, size)  # what was longer keeps its end otherwise
        return
    check_room(target, (os.fstat(source).st_blocks - os.fstat(target).st_blocks) * _SECTOR)
    os.ftruncate(target, 0)
    os.ftruncate(target, size)
    for start, end in data(source, 0, size):
        _copy_part(source, target, start, end)


def data(descriptor: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts between two offsets that lie on disk, as start and end (excluded)."""
    while start < end:
        try:
            first = os.lseek(descriptor, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        if first >= end:
            return
        last = min(os.lseek(descriptor, first, os.SEEK_HOLE), end)
        yield first, last
        start = last


def blocks(descriptor: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts between two offsets that were written, as start and end (excluded), by whole blocks.

    That is what `data` gives, but on file systems that may take room for data before there is any: XFS and ext4 call it
    data once it was read, XFS also holes beside what a snapshot shares. Where they tell their extents those are taken.
    """
    try:
        while start < end:
            found, is_last = _extents(descriptor, start, end)
            for first, last, flags in found:
                if not flags & _UNWRITTEN:
                    yield max(first, start), min(last, end)
            if is_last:
                return
            start = found[-1][1]
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        yield from data(descriptor, start, end)


def _extents(descriptor: int, start: int, end: int) -> tuple[list[tuple[int, int, int]], bool]:
    """Some extents from an offset on, as start, end and flags, and whether they are the last before `end`."""
    head = _MAP_HEAD.pack(start, end - start, _SYNC, 0, _EXTENTS, 0)
    answer = bytearray(head + bytes(_EXTENTS * _MAP_EXTENT.size))
    fcntl.ioctl(descriptor, _FIEMAP, answer)
    count = _MAP_HEAD.unpack_from(answer)[3]
    told = _MAP_EXTENT.iter_unpack(memoryview(answer)[_MAP_HEAD.size :][: count * _MAP_EXTENT.size])
    found = [(first, first + length, flags) for first, _, length, flags in told]
    return found, count < _EXTENTS or bool(found[-1][2] & _LAST)


def missing(descriptor: int, offset: int, length: int) -> int:
    """Bytes of the disk that a write would take: its holes, in whole blocks."""
    block = os.fstat(descriptor).st_blksize
    start, end = offset // block * block, offset + length + -(offset + length) % block
    return end - start - sum(last - first for first, last in data(descriptor, start, end))


def _copy_part(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        try:
            done = os.copy_file_range(source, target, min(end - start, 1 << 30), start, start)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            piece = os.pread(source, min(end - start, _CHUNK), start)
            write(target, start, piece)
            done = len(piece)
        if not done:
            return
        start += done
