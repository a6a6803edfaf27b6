"""What changed between two copies of a file, against a comparison page by page in memory."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from linarite.shares.differences import Change, changes
from linarite.shares.extents import PAGE

PAGES = st.lists(st.sampled_from([b"\0", b"a", b"b"]), max_size=40)


def slowly(now: bytes, then: bytes, start: int, end: int, cleared: list[tuple[int, int]]) -> list[Change]:
    """Each page looked at by itself."""
    found: list[Change] = []
    for first in range(start // PAGE * PAGE, min(end + 1, len(now)), PAGE):
        last = min(first + PAGE, len(now), end + 1)
        new, old = now[first:last], then[first:last].ljust(last - first, b"\0")
        emptied = any(a < last and b > first for a, b in cleared)
        is_zero = not any(new)
        if new == old and not emptied:
            continue
        if found and found[-1][1] + 1 == max(first, start) and found[-1][2] == is_zero:
            found[-1] = (found[-1][0], last - 1, is_zero)
        else:
            found.append((max(first, start), last - 1, is_zero))
    return found


def sparse(path: Path, pages: list[bytes], rest: int) -> bytes:
    """A file with holes where pages are zero; `rest` bytes more than whole pages."""
    data = b"".join(each * PAGE for each in pages) + b"a" * rest
    with path.open("wb") as file:
        file.truncate(len(data))
        for at, each in enumerate(pages):
            if each != b"\0":
                file.seek(at * PAGE)
                file.write(each * PAGE)
        file.seek(len(pages) * PAGE)
        file.write(b"a" * rest)
    return data


@settings(max_examples=60, deadline=None)
@given(
    new=PAGES, old=PAGES, rest=st.integers(0, PAGE - 1), start=st.integers(0, 20).map(lambda page: page * PAGE),
    length=st.integers(1, 40 * PAGE),
    cleared=st.lists(st.tuples(st.integers(0, 9000), st.integers(1, 5000)).map(lambda a: (a[0], a[0] + a[1]))),
)  # fmt: skip
def test_changes_are_those_of_the_pages(
    tmp_path_factory: object, new: list[bytes], old: list[bytes], rest: int, start: int, length: int,
    cleared: list[tuple[int, int]],
) -> None:  # fmt: skip
    """Holes, zeros, ends and cleared parts, wherever the asked part begins and ends."""
    folder = tmp_path_factory.mktemp("pair")  # type: ignore[attr-defined]
    now, then = sparse(folder / "now", new, rest), sparse(folder / "then", old, 0)
    with (folder / "now").open("rb") as one, (folder / "then").open("rb") as other:
        found = changes(one.fileno(), other.fileno(), start, start + length - 1, cleared)
    assert found == slowly(now, then, start, start + length - 1, cleared)
