"""What changed between two copies of a file, against a comparison page by page in memory."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from linarite.shares import pages
from linarite.shares.differences import Change, changes
from linarite.shares.pages import PAGE

PAGES = st.lists(st.sampled_from([None, b"\0", b"a", b"b"]), max_size=40)
"""None is a page that was not written."""


def slowly(
    now: tuple[bytes, set[int]], then: tuple[bytes, set[int]], start: int, end: int, cleared: list[tuple[int, int]]
) -> list[Change]:
    """Each page looked at by itself: its bytes and whether it is among those that were written."""
    found: list[Change] = []
    for first in range(start // PAGE * PAGE, min(end + 1, len(now[0])), PAGE):
        last = min(first + PAGE, len(now[0]), end + 1)
        new, old = now[0][first:last], then[0][first:last].ljust(last - first, b"\0")
        is_written, was_written = (first // PAGE in each[1] for each in (now, then))
        emptied = any(a < last and b > first for a, b in cleared)
        if new == old and is_written == was_written and not emptied:
            continue
        if found and found[-1][1] + 1 == max(first, start) and found[-1][2] != is_written:
            found[-1] = (found[-1][0], last - 1, not is_written)
        else:
            found.append((max(first, start), last - 1, not is_written))
    return found


def sparse(path: Path, wanted: list[bytes | None], rest: int) -> tuple[bytes, set[int]]:
    """A file of some pages and `rest` bytes more: what is in it, and the pages that were written."""
    data = b"".join((each or b"\0") * PAGE for each in wanted) + b"a" * rest
    parts = [(at * PAGE, (each or b"") * PAGE) for at, each in enumerate(wanted)] + [(len(wanted) * PAGE, b"a" * rest)]
    with path.open("w+b", buffering=0) as file:
        file.truncate(len(data))
        for offset, part in parts:
            with pages.writing(file.fileno(), os.fstat(file.fileno()), offset, len(part)):
                os.pwrite(file.fileno(), part, offset)
    return data, {offset // PAGE for offset, part in parts if part}


@settings(max_examples=60, deadline=None)
@given(
    new=PAGES, old=PAGES, rest=st.integers(0, PAGE - 1), start=st.integers(0, 20).map(lambda page: page * PAGE),
    length=st.integers(1, 40 * PAGE),
    cleared=st.lists(st.tuples(st.integers(0, 9000), st.integers(1, 5000)).map(lambda a: (a[0], a[0] + a[1]))),
)  # fmt: skip
def test_changes_are_those_of_the_pages(
    tmp_path_factory: object, new: list[bytes | None], old: list[bytes | None], rest: int, start: int, length: int,
    cleared: list[tuple[int, int]],
) -> None:  # fmt: skip
    """Holes, zeros, ends and cleared parts, wherever the asked part begins and ends."""
    folder = tmp_path_factory.mktemp("pair")  # type: ignore[attr-defined]
    now, then = sparse(folder / "now", new, rest), sparse(folder / "then", old, 0)
    with (folder / "now").open("rb") as one, (folder / "then").open("rb") as other:
        found = changes(one.fileno(), other.fileno(), start, start + length - 1, cleared)
    assert found == slowly(now, then, start, start + length - 1, cleared)
