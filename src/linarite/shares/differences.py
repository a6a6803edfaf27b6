"""What of a file's bytes is other than in an earlier copy of it, in pages of 512. Holes of both are never read."""

from __future__ import annotations

import os
from collections.abc import Iterator

from linarite.shares.extents import PAGE, data

_CHUNK = 1024 * 1024
_ZEROS = bytes(PAGE)
Change = tuple[int, int, bool]
"""First byte, last byte, and whether all of it is zero now."""


def changes(now: int, then: int, start: int, end: int, cleared: list[tuple[int, int]]) -> list[Change]:
    """The changed parts from byte `start` to byte `end`; a part that was `cleared` (first byte, end) counts anyway.

    What is not zero there was written since, be it with the same bytes as before.
    """
    stop = min(end + 1, os.fstat(now).st_size)
    found: list[Change] = []
    for first, last in _candidates(now, then, start // PAGE * PAGE, stop, cleared):
        for offset in range(first, last, _CHUNK):
            for change in _chunk(now, then, offset, min(last, offset + _CHUNK), cleared):
                _add(found, change)
    return [(max(first, start), min(last, stop - 1), empty) for first, last, empty in found]


def _candidates(
    now: int, then: int, start: int, stop: int, cleared: list[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Where anything can have changed: what lies on disk of either, and what was cleared; whole pages, joined."""
    emptied = [(max(first, start), min(last, stop)) for first, last in cleared if first < stop and last > start]
    parts = sorted([*data(now, start, stop), *data(then, start, stop), *emptied])
    joined: tuple[int, int] | None = None
    for first, last in parts:
        page, after = first // PAGE * PAGE, min(last + -last % PAGE, stop)
        if joined is not None and page <= joined[1]:
            joined = (joined[0], max(joined[1], after))
            continue
        if joined is not None:
            yield joined
        joined = (page, after)
    if joined is not None:
        yield joined


def _chunk(now: int, then: int, first: int, last: int, cleared: list[tuple[int, int]]) -> Iterator[Change]:
    """The changed pages of some bytes that begin at a page."""
    new, old = (os.pread(each, last - first, first).ljust(last - first, b"\0") for each in (now, then))
    emptied = [part for part in cleared if part[0] < last and part[1] > first]
    if new == old and not emptied:
        return
    for at in range(0, last - first, PAGE):
        page, before = new[at : at + PAGE], old[at : at + PAGE]
        begin, stop = first + at, first + at + len(page)
        is_zero = page == _ZEROS[: len(page)]
        if page != before or any(a < stop and b > begin for a, b in emptied):
            yield begin, stop - 1, is_zero


def _add(found: list[Change], change: Change) -> None:
    if found and found[-1][1] + 1 == change[0] and found[-1][2] == change[2]:
        found[-1] = (found[-1][0], change[1], change[2])
    else:
        found.append(change)
