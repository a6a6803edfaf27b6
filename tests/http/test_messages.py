"""Queries of requests: what is remembered of them, and what is not."""

from __future__ import annotations

import tracemalloc
from urllib.parse import unquote_plus

from linarite.http.messages import LONGEST_REMEMBERED, Query, parsed

MEBIBYTE = 1024 * 1024


def test_a_query_that_comes_again_is_not_read_again() -> None:
    """Such as the signature of a client that reads a file in ranges."""
    raw = "sv=2026-02-06&sig=" + "a" * (LONGEST_REMEMBERED - 18)
    assert parsed(raw, unquote_plus) is parsed(raw, unquote_plus)


def test_strangers_leave_nothing_in_memory() -> None:
    """Sixty-four KiB of names, of any caller: each would take 2 MiB."""
    names = "&".join(f"{number:x}" for number in range(12_000))
    tracemalloc.start()
    try:
        for number in range(20):
            assert f"first{number}" in Query(f"first{number}&{names}")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < MEBIBYTE
