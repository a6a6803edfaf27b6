"""Arithmetic of spans, against sets of bytes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from linarite.shares import spans
from linarite.shares.spans import Span

ANY = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)))
END = st.integers(0, 41)


def bytes_of(*parts: Span) -> set[int]:
    return {each for first, end in parts for each in range(first, end)}


def are_apart(found: list[Span]) -> bool:
    return all(a < b for a, b in found) and all(one[1] < other[0] for one, other in pairwise(found))


@given(ANY)
def test_joined_spans_are_sorted_and_apart(parts: list[Span]) -> None:
    found = spans.joined(parts)
    assert are_apart(found)
    assert bytes_of(*found) == bytes_of(*parts)


@given(ANY.map(spans.joined), END, END)
def test_inside_and_outside_of_a_span(parts: list[Span], first: int, end: int) -> None:
    """Also of one that is empty."""
    inside, outside = spans.within(parts, first, end), spans.without(parts, first, end)
    assert are_apart(inside)
    assert are_apart(outside)
    assert bytes_of(*inside) == bytes_of(*parts) & bytes_of((first, end))
    assert bytes_of(*outside) == bytes_of(*parts) - bytes_of((first, end))


@given(ANY.map(spans.joined), END, END)
def test_a_span_is_split_without_a_rest(parts: list[Span], first: int, end: int) -> None:
    pieces = list(spans.split(parts, first, end))
    assert [each for a, b, _ in pieces for each in range(a, b)] == list(range(first, end))
    assert bytes_of(*((a, b) for a, b, is_of_them in pieces if is_of_them)) == bytes_of(*parts) & bytes_of((first, end))


@given(ANY.map(spans.joined), st.integers(1, 5))
def test_fewer_spans_lose_nothing(parts: list[Span], most: int) -> None:
    """Of three with a small and a large gap the large one stays."""
    found = spans.fewer(parts, most)
    assert are_apart(found)
    assert len(found) <= most
    assert bytes_of(*found) >= bytes_of(*parts)
    assert found == parts or len(parts) > most
    assert spans.fewer([(0, 1), (2, 3), (9, 10)], 2) == [(0, 3), (9, 10)]
