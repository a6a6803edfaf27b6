"""What of a file was written or cleared since an earlier copy of it, in pages of 512. Holes of both are never read."""

from __future__ import annotations

import os
from collections.abc import Iterator

from linarite.shares import pages, spans
from linarite.shares.extents import data
from linarite.shares.pages import PAGE
from linarite.shares.spans import Span

_CHUNK = 1024 * 1024
Change = tuple[int, int, bool]
"""First byte, last byte, and whether it is a part that is not written now."""


def changes(now: int, then: int, start: int, end: int, cleared: list[Span]) -> list[Change]:
    """The changed parts from byte `start` to byte `end`: other bytes, written or not; a part that was `cleared` anyway.

    What is written there was so since, be it with the same bytes as before.
    """
    cleared = spans.joined(cleared)
    begin, stop = start // PAGE * PAGE, min(end + 1, os.fstat(now).st_size)
    both = (_written(now, begin, stop), _written(then, begin, stop))
    found: list[Change] = []
    for first, last in _candidates(now, then, begin, stop, cleared):
        for offset in range(first, last, _CHUNK):
            for change in _chunk((now, then), both, offset, min(last, offset + _CHUNK), cleared):
                _add(found, change)
    return [(max(first, start), min(last, stop - 1), empty) for first, last, empty in found]


def _written(descriptor: int, start: int, stop: int) -> list[Span]:
    return [(first, last + 1) for first, last in pages.written(descriptor, start, stop - 1)]


def _candidates(now: int, then: int, start: int, stop: int, cleared: list[Span]) -> list[Span]:
    """Where anything can have changed: what lies on disk of either, and what was cleared; whole pages, joined."""
    emptied = [(max(a, start), min(b, stop)) for a, b in cleared if a < stop and start < b]
    parts = [*data(now, start, stop), *data(then, start, stop), *emptied]
    return spans.joined((first // PAGE * PAGE, min(last + -last % PAGE, stop)) for first, last in parts)


def _chunk(
    files: tuple[int, int], both: tuple[list[Span], list[Span]], first: int, last: int, cleared: list[Span]
) -> Iterator[Change]:
    """The changed pages of some bytes that begin at a page, of a file now and then and what of each is written."""
    new, old = (os.pread(file, last - first, first).ljust(last - first, b"\0") for file in files)
    is_written, was_written = (_flags(each, first, last) for each in both)
    was_cleared = _flags(cleared, first, last)
    if new == old and is_written == was_written and not any(was_cleared):
        return
    for number, at in enumerate(range(0, last - first, PAGE)):
        page = slice(at, at + PAGE)
        if new[page] != old[page] or is_written[number] != was_written[number] or was_cleared[number]:
            yield first + at, min(first + at + PAGE, last) - 1, not is_written[number]


def _flags(parts: list[Span], first: int, last: int) -> bytearray:
    """For each page from one on, whether any of the parts is in it."""
    flags = bytearray(-(-(last - first) // PAGE))
    for a, b in spans.within(parts, first, last):
        begin, end = (a - first) // PAGE, -(-(b - first) // PAGE)
        flags[begin:end] = b"\1" * (end - begin)
    return flags


def _add(found: list[Change], change: Change) -> None:
    if found and found[-1][1] + 1 == change[0] and found[-1][2] == change[2]:
        found[-1] = (found[-1][0], change[1], change[2])
    else:
        found.append(change)
