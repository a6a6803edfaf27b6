"""Spans of bytes, first and end (excluded): sorted and apart from each other. Arithmetic alone, no file."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Span = tuple[int, int]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Any spans as sorted ones: those that overlap or touch are one, empty ones are none."""
    found: list[Span] = []
    for first, end in sorted(each for each in spans if each[0] < each[1]):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((first, end))
    return found


def within(spans: list[Span], first: int, end: int) -> list[Span]:
    """What of the spans is inside of one."""
    if first >= end:
        return []
    begin = bisect_right(spans, first, key=lambda span: span[1])
    stop = bisect_left(spans, end, key=lambda span: span[0])
    return [(max(a, first), min(b, end)) for a, b in spans[begin:stop]]


def split(spans: list[Span], first: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """One span in pieces, in order: first, end, and whether it is of the spans."""
    for a, b in within(spans, first, end):
        if first < a:
            yield first, a, False
        yield a, b, True
        first = b
    if first < end:
        yield first, end, False


def without(spans: list[Span], first: int, end: int) -> list[Span]:
    """What is left of the spans outside of one."""
    if first >= end:
        return spans
    halves = [half for a, b in spans for half in ((a, min(b, first)), (max(a, end), b))]
    return [(a, b) for a, b in halves if a < b]


def fewer(spans: list[Span], most: int) -> list[Span]:
    """At most so many: those that are the closest are joined, with what is between them."""
    spans = list(spans)
    while len(spans) > most:
        at = min(range(1, len(spans)), key=lambda number: spans[number][0] - spans[number - 1][1])
        spans[at - 1 : at + 1] = [(spans[at - 1][0], spans[at][1])]
    return spans
