"""Which pages of 512 bytes of a file were written, be it with zeros. Source: List Ranges and Put Range, NOTES 7.

What lies on disk was written by someone, so the disk tells most of it, by blocks. Pages that nobody wrote, or that were
cleared, but that share a block with others, are noted in an attribute of the file: it goes along with renames and
further names, and survives what the file survives. A page that is noted is written all the same once there is something
in it: whoever changes the file without us makes no note untrue but by writing zeros. Who changes bytes here has the
file to itself in this server meanwhile (`Usage.following`); of two servers that write zeros into pages of one block at
once, one may leave those of the other noted.

On a file system that knows no attributes or tells no holes, pages that are all zero count as not written.
"""

from __future__ import annotations

import errno
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from linarite.shares import extents, spans
from linarite.shares.spans import Span

PAGE = 512
_NOTE = "user.linarite.unwritten"
"""Numbers of pages, first and last: b"1-7 9-9"."""
_FORM = re.compile(rb"\d{1,12}-\d{1,12}( \d{1,12}-\d{1,12})*")
_MOST, _LONGEST = 128, 4096
"""Spans that are noted of a file, and bytes: what surely has room on ext4 (4 KiB for all attributes of a file)."""
_BLOCK = mmap.PAGESIZE
_CHUNK = 1024 * 1024
_ZEROS = memoryview(bytes(_CHUNK))
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE}
_UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES}


def written(descriptor: int, start: int, end: int) -> list[Span]:
    """The written parts from byte `start` to byte `end`, in pages, as first and last byte, merged.

    Nothing is read but what is noted.
    """
    stat = os.fstat(descriptor)
    doubtful = _doubtful(descriptor, stat)
    found: list[Span] = []
    for first, last in extents.blocks(descriptor, _floor(start), min(end + 1, stat.st_size)):
        for a, b, in_doubt in spans.split(doubtful, first, last):
            parts = _not_zero(descriptor, a, b) if in_doubt else [(a, b)]
            for part in parts:
                _append(found, _floor(part[0]), _ceil(part[1]))
    return [(max(a, start), min(b, end + 1, stat.st_size) - 1) for a, b in found]


def are_noted(descriptor: int) -> bool:
    """Whether pages are known that lie on disk and were not written."""
    return bool(_noted(descriptor))


@contextmanager
def writing(descriptor: int, stat: os.stat_result, offset: int, length: int) -> Iterator[None]:
    """Around a write into a file of a size that `stat` tells: what is beside it in its blocks is not written by it.

    A write of whole blocks costs one look at the note. Where it fails nothing was written.
    """
    end = offset + length
    beside = _beside(stat, offset, end)
    if beside:
        _note_holes(descriptor, beside)
    yield
    noted = _noted(descriptor)
    if noted:
        _renote(descriptor, noted, spans.without(noted, _floor(offset), _ceil(end)))


@contextmanager
def clearing(descriptor: int, stat: os.stat_result, offset: int, length: int) -> Iterator[None]:
    """Around a clear in a file of a size that `stat` tells: whole pages of it that stay on disk are not written.

    A file's last page is a whole one. A page of which just a part is cleared is written as before. Nobody else may
    write to the file meanwhile. Btrfs may bring the blocks to the disk in which a clear begins and ends, though they
    were holes. Source: Put Range, x-ms-write.
    """
    stop = offset + length
    first, end = _ceil(offset), _ceil(stop) if stop >= stat.st_size else _floor(stop)
    _note_holes(descriptor, [_block_of(stat, offset), _block_of(stat, stop)])
    yield
    noted = _noted(descriptor)
    if noted is not None and first < end:
        _renote(descriptor, noted, _also(descriptor, spans.without(noted, first, end), first, end))


@contextmanager
def resizing(descriptor: int, size: int) -> Iterator[None]:
    """Around a change of a file's size: what it becomes longer by was not written, and what goes is noted no more.

    Btrfs brings the block to the disk in which a file ended or ends, though it was a hole.
    """
    stat = os.fstat(descriptor)
    end = min(stat.st_size, size)
    _note_holes(descriptor, [_block_of(stat, end)])
    yield
    noted = _noted(descriptor)
    if noted is not None:
        _renote(descriptor, noted, _also(descriptor, spans.within(noted, 0, _ceil(size)), _ceil(end), size))


def copy(source: int, target: int) -> None:
    """Make `target` equal `source`, as `extents.copy` does, also in what was written."""
    extents.copy(source, target)
    before, wanted = _noted(target), _noted(source)
    if before is not None and wanted is not None:
        _renote(target, before, wanted)


def _floor(offset: int) -> int:
    return offset // PAGE * PAGE


def _ceil(offset: int) -> int:
    return offset + -offset % PAGE


def _block_of(stat: os.stat_result, offset: int) -> Span:
    block = max(stat.st_blksize, _BLOCK)
    return offset // block * block, offset + -offset % block


def _beside(stat: os.stat_result, offset: int, end: int) -> list[Span]:
    """The pages before and after a write that share their block with it: those that it does not touch."""
    first, after = _block_of(stat, offset)[0], min(_block_of(stat, end)[1], _ceil(stat.st_size))
    both = ((first, _floor(offset)), (_ceil(end), after)) if offset < end else ()
    return [span for span in both if span[0] < span[1]]


def _note_holes(descriptor: int, beside: list[Span]) -> None:
    """Note those of some pages that a write next to them will bring to the disk."""
    holes = [
        (a, b)
        for first, end in beside
        for a, b, on_disk in spans.split(list(extents.blocks(descriptor, first, end)), first, end)
        if not on_disk
    ]
    noted = _noted(descriptor) if holes else None
    if noted is not None:
        _renote(descriptor, noted, spans.joined([*noted, *((_ceil(a), _floor(b)) for a, b in holes)]))


def _also(descriptor: int, noted: list[Span], first: int, end: int) -> list[Span]:
    """What is noted, and what of a part lies on disk."""
    return spans.joined([*noted, *((_floor(a), _ceil(b)) for a, b in extents.blocks(descriptor, first, end))])


def _doubtful(descriptor: int, stat: os.stat_result) -> list[Span]:
    """The parts of which just the pages that are not zero are known to be written."""
    noted = _noted(descriptor)
    return [(0, _ceil(stat.st_size))] if noted is None or not _tells_holes(descriptor, stat) else noted


def _tells_holes(descriptor: int, stat: os.stat_result) -> bool:
    """Whether the file system is one that tells holes: a file that takes less than its size has one."""
    if stat.st_blocks * PAGE >= stat.st_size:
        return True
    try:
        return os.lseek(descriptor, 0, os.SEEK_HOLE) < stat.st_size
    except OSError:  # cut short meanwhile, or no such question
        return False


def _noted(descriptor: int) -> list[Span] | None:
    """What is noted of a file; None where nothing can be. What another program wrote there says nothing."""
    try:
        text = os.getxattr(descriptor, _NOTE)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return []
        if error.errno in _UNSUPPORTED:
            return None
        raise
    if len(text) > _LONGEST or not _FORM.fullmatch(text):
        return []
    numbers = (each.split(b"-") for each in text.split())
    return spans.joined((int(first) * PAGE, (int(last) + 1) * PAGE) for first, last in numbers)


def _renote(descriptor: int, before: list[Span], noted: list[Span]) -> None:
    """Note something else than before. Where it has no room all between its ends is in doubt, or the old note stays."""
    if noted == before:
        return
    if not noted:
        _forget(descriptor)
        return
    for most in (_MOST, 1):
        text = " ".join(f"{a // PAGE}-{b // PAGE - 1}" for a, b in spans.fewer(noted, most))
        try:
            os.setxattr(descriptor, _NOTE, text.encode())
        except OSError as error:
            if error.errno not in _NO_ROOM | _UNSUPPORTED:
                raise
        else:
            return


def _forget(descriptor: int) -> None:
    try:
        os.removexattr(descriptor, _NOTE)
    except OSError as error:
        if error.errno != errno.ENODATA:  # another server, which writes to the file as well, was first
            raise


def _not_zero(descriptor: int, first: int, end: int) -> Iterator[Span]:
    """The runs of pages of a part that have something other than zeros."""
    for offset in range(first, end, _CHUNK):
        piece = os.pread(descriptor, min(_CHUNK, end - offset), offset)
        for a, b in _runs(memoryview(piece)):
            yield offset + a, offset + b


def _runs(view: memoryview) -> Iterator[Span]:
    if view == _ZEROS[: len(view)]:
        return
    begin = None
    for at in range(0, len(view), PAGE):
        is_empty = view[at : at + PAGE] == _ZEROS[: min(PAGE, len(view) - at)]
        if is_empty and begin is not None:
            yield begin, at
            begin = None
        elif not is_empty and begin is None:
            begin = at
    if begin is not None:
        yield begin, len(view)


def _append(found: list[Span], first: int, end: int) -> None:
    """Add a part that comes after all others."""
    if found and found[-1][1] >= first:
        found[-1] = (found[-1][0], end)
    else:
        found.append((first, end))
