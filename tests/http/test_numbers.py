"""Integers as they stand in headers and queries."""

from __future__ import annotations

import pytest

from linarite.http.numbers import parse_count, parse_integer


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("007", 7), ("-5", -5), ("9" * 19, 10**19 - 1), ("9" * 20, None), ("9" * 5000, None)]
)
def test_an_integer_has_at_most_19_digits(text: str, number: int | None) -> None:
    """Python refuses to read thousands of digits, and no number of a protocol has them."""
    assert parse_integer(text) == number


@pytest.mark.parametrize("text", ["", "-", "--1", "+1", "1.0", "1e3", " 1", "1\n", "٣", "²", "0x1"])
def test_what_is_no_integer_is_none(text: str) -> None:
    """ASCII digits alone, with a minus before them at most."""
    assert parse_integer(text) is None


def test_a_count_has_no_sign() -> None:
    """A page or a time-out is never less than nothing."""
    assert (parse_count("5"), parse_count("-5"), parse_count("-0")) == (5, None, None)
