"""Versions as requests name them, before anybody is known."""

from __future__ import annotations

import tracemalloc

from linarite.faces.azure_files.newer import KEEP_DOTS, ROWS, unknown

MEBIBYTE = 1024 * 1024


def test_what_follows_a_date_makes_no_version_older() -> None:
    """As the whole text compares."""
    for since in {row.since for row in ROWS}:
        for version in (since, f"{since}x", f"{since[:-1]}!zz", since[:4], ""):
            known = all(version >= row.since for row in ROWS if KEEP_DOTS in row.headers.split())
            assert (KEEP_DOTS not in unknown(version)) is known


def test_long_versions_stay_not_in_memory() -> None:
    """Strangers may send any."""
    unknown("9999-01-01")
    tracemalloc.start()
    try:
        for number in range(50):
            assert not unknown(f"9999-01-01{number}{'x' * 60_000}")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < MEBIBYTE
