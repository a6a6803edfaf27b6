"""Which pages of a file were written, on each kind of disk: against a set of pages in memory."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sys
import uuid
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.disks import HERE, placed

from linarite.engine.sharing.ports import Place
from linarite.shares import DirectoryTree, pages, whole
from linarite.shares.pages import PAGE

T = TypeVar("T")
PLACE, THEN = Place("account", "share"), Place("account", "share", "2024-01-01T00:00:00.0000000Z")
SIZE = 40_000
ALL = 1 << 40
NOTE = "user.linarite.unwritten"
KINDS = [HERE, *(pytest.param(kind, marks=pytest.mark.root) for kind in ("tmpfs", "ext4", "xfs", "btrfs"))]

offsets = st.one_of(st.integers(0, SIZE), st.integers(0, SIZE // PAGE).map(PAGE.__mul__))
lengths = st.one_of(st.integers(1, 2000), st.integers(1, 20).map(PAGE.__mul__), st.just(8192))
changes = st.tuples(st.sampled_from(["zeros", "bytes", "clear"]), offsets, lengths)
steps = st.lists(
    st.one_of(
        changes,
        changes,
        changes,
        st.tuples(st.just("resize"), offsets, st.just(0)),
        st.tuples(st.just("create"), offsets, lengths),
        st.tuples(st.just("copy"), st.just(0), st.just(0)),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


def run(work: Coroutine[object, object, T]) -> T:
    return asyncio.run(work)


@pytest.fixture(params=KINDS, scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    with placed(tmp_path_factory.mktemp("disk"), request.param) as place:
        yield place


class File:
    """A file in a tree of its own, and the numbers of its pages that were written."""

    def __init__(self, folder: Path) -> None:
        self.tree = DirectoryTree(str(folder / uuid.uuid4().hex))
        run(self.tree.make_share(PLACE))
        self.path, self.size, self.written = self.tree._disk.base(PLACE).root, 0, set[int]()
        self.create(SIZE, b"")

    def create(self, size: int, data: bytes) -> None:
        run(self.tree.create(PLACE, "f", size, data))
        self.size, self.written = size, set(range(-(-len(data) // PAGE)))

    def put(self, offset: int, data: bytes) -> None:
        run(self.tree.write(PLACE, "f", offset, data))
        self.written |= set(range(offset // PAGE, -(-(offset + len(data)) // PAGE)))

    def clear(self, offset: int, length: int) -> None:
        run(self.tree.clear(PLACE, "f", offset, length))
        end = offset + length
        last = -(-end // PAGE) if end == self.size else end // PAGE
        self.written -= set(range(-(-offset // PAGE), last))

    def resize(self, size: int) -> None:
        run(self.tree.resize(PLACE, "f", size))
        self.size = size
        self.written -= {page for page in self.written if page * PAGE >= size}

    def do(self, what: str, offset: int, length: int) -> None:
        """One step; none where it would be outside of the file."""
        length = min(length, self.size - offset)
        if what == "resize":
            self.resize(offset)
        elif what == "create":
            self.create(max(offset, length), b"\0" * min(offset, max(length, 0)))
        elif what == "copy":
            run(self.tree.copy(PLACE, "f", PLACE, "g"))
            run(self.tree.rename(PLACE, "g", "f", replace=True))
        elif length > 0 and what == "clear":
            self.clear(offset, length)
        elif length > 0:
            self.put(offset, (b"\0" if what == "zeros" else b"x") * length)

    def expected(self) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for page in sorted(self.written):
            first, last = page * PAGE, min((page + 1) * PAGE, self.size) - 1
            if found and found[-1][1] + 1 == first:
                first = found.pop()[0]
            found.append((first, last))
        return found

    def told(self, place: Place = PLACE) -> list[tuple[int, int]]:
        return run(self.tree.ranges(place, "f", 0, ALL))

    def disk(self, place: Place = PLACE) -> Path:
        return Path(self.tree._disk.base(place).root) / "f"


@pytest.mark.parametrize("nearly_full", [False, True])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(steps=[("zeros", 0, 1), ("resize", 4097, 0), ("resize", 4098, 0)]).via("Btrfs fills the last block")
@example(steps=[("copy", 0, 0), ("clear", 2097, 2000)]).via("Btrfs fills the block of a clear's end")
@example(steps=[("zeros", 0, 1), ("zeros", 8192, 8192), ("resize", 8193, 0), ("zeros", 0, 1), ("copy", 0, 0)])
@given(steps=steps)
def test_pages_that_were_written_are_told(
    disk: Path, steps: list[tuple[str, int, int]], nearly_full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zeros or not, through clears of any bounds, other sizes, copies; and where blocks are taken before the write."""
    monkeypatch.setattr(whole, "NEARLY_FULL", ALL if nearly_full else 0)
    file = File(disk)
    for step in steps:
        file.do(*step)
        assert file.told() == file.expected(), step
        assert file.told() == file.expected(), "to look changes nothing"
    run(file.tree.copy_share(PLACE, THEN))
    assert file.told(THEN) == file.expected()


def test_a_part_is_told_as_the_whole_is(disk: Path) -> None:
    file = File(disk)
    file.put(1024, bytes(9000))
    file.clear(2048, 512)
    assert file.told() == [(1024, 2047), (2560, 10239)]
    assert run(file.tree.ranges(PLACE, "f", 1100, 2100)) == [(1100, 2047)]
    assert run(file.tree.ranges(PLACE, "f", 2100, 3000)) == [(2560, 3000)]
    assert run(file.tree.ranges(PLACE, "f", 2048, 2559)) == []


def test_many_parts_of_blocks_cost_a_note_of_bounded_length(disk: Path) -> None:
    """A page in each of 300 blocks: what is not zero is told exactly, and zeros where the note has them."""
    file = File(disk)
    file.resize(300 * 8192)
    for number in range(300):
        file.put(number * 8192, b"x")
    assert file.told() == file.expected()
    assert len(os.getxattr(file.disk(), NOTE)) <= 4096
    file.put(8192 * 100, bytes(65_536))
    assert (8192 * 100, 8192 * 108 + 511) in file.told()


def test_what_others_write_is_told_by_blocks(disk: Path) -> None:
    """Zeros too, but over what was noted as not written; holes that they leave or make are holes."""
    file = File(disk)
    other = file.disk()
    with other.open("r+b") as opened:
        opened.seek(8192)
        opened.write(bytes(512))
    assert file.told() == [(8192, 12287)]
    file.clear(8192, 1024)
    assert file.told() == [(9216, 12287)]
    with other.open("r+b") as opened:
        opened.seek(8192)
        opened.write(b"x" * 512 + bytes(512))
    assert file.told() == [(8192, 8703), (9216, 12287)]
    other.write_bytes(b"y" * 10_000)
    assert file.told() == [(0, 9999)]
    os.truncate(other, 20_000)
    assert file.told() == [(0, 12287)]


def test_room_that_was_taken_beforehand_is_not_written(disk: Path) -> None:
    file = File(disk)
    descriptor = os.open(file.disk(), os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, 16_384)
    finally:
        os.close(descriptor)
    assert file.told() == []
    assert file.disk().read_bytes() == bytes(SIZE)
    assert file.told() == [], "nor when it was read"
    file.put(4096, bytes(512))
    assert file.told() == [(4096, 4607)]


def test_a_snapshot_makes_no_hole_written(disk: Path) -> None:
    """XFS takes room beside what is written after one, over the holes, and what was read there looks like data."""
    file = File(disk)
    for offset in (0, 16_384):
        file.put(offset, b"x")
    run(file.tree.copy_share(PLACE, THEN))
    assert file.disk().read_bytes()[:1] == b"x"
    file.put(0, b"y")
    file.put(8192, bytes(512))
    assert file.told() == file.expected() == [(0, 511), (8192, 8703), (16_384, 16_895)]
    assert file.told(THEN) == [(0, 511), (16_384, 16_895)]


def test_a_write_that_fails_notes_nothing_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block is a hole yet, or what was noted of it stays."""
    file = File(tmp_path)
    file.put(0, b"x")
    with monkeypatch.context() as broken:
        broken.setattr(whole, "write", _fail)
        for offset in (1024, 8192):
            with pytest.raises(OSError, match="broken"):
                run(file.tree.write(PLACE, "f", offset, bytes(512)))
    assert file.told() == [(0, 511)]
    file.put(8192, b"x")
    assert file.told() == [(0, 511), (8192, 8703)]


def _fail(*_: object) -> None:
    raise OSError("broken")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=steps, last=changes, after=st.integers(0, 1))
def test_a_crash_around_a_note_changes_no_other_page(
    disk: Path, before: list[tuple[str, int, int]], last: tuple[str, int, int], after: int
) -> None:
    """Killed before a note or after it: what was acknowledged stands, and the last step is there by pages or not."""
    file, whole_note = File(disk), pages._renote
    for step in before:
        file.do(*step)
    left, old, size = [after], set(file.written), file.size

    def killed(*arguments: object) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        whole_note(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as killing:
        killing.setattr(pages, "_renote", killed)
        with contextlib.suppress(Killed):
            file.do(*last)
    _, offset, length = last
    touched = set(range(offset // PAGE, -(-(offset + length) // PAGE)))
    told = {page for first, end in file.told() for page in range(first // PAGE, end // PAGE + 1)}
    assert file.size == size
    assert told - touched == old - touched


class Killed(BaseException):
    """Ends the work where it is, as SIGKILL does."""


@pytest.mark.parametrize(
    "text", [b"", b"7", b"1-2-3", b"5-1", b"x-y", b"-1-5", b"99999999999999999999-1", b"1-2 " * 500, "٣-٤".encode()]
)
def test_a_note_that_we_did_not_make_says_nothing(tmp_path: Path, text: bytes) -> None:
    """A task may put anything there."""
    file = File(tmp_path)
    file.put(0, b"x" * 512 + bytes(512))
    os.setxattr(file.disk(), NOTE, text)
    assert file.told() == [(0, 4095)]


def test_without_attributes_zeros_are_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that has none, or that tells no holes: nothing is told that was not written."""
    file = File(tmp_path)
    with monkeypatch.context() as limited:
        limited.setattr(os, "getxattr", _unsupported)
        run(file.tree.create(PLACE, "f", SIZE))
        for offset, data in ((0, bytes(4096)), (5000, b"x"), (8192, b"x" * 512 + bytes(3584))):
            run(file.tree.write(PLACE, "f", offset, data))
        assert file.told() == [(4608, 5119), (8192, 8703)]
        run(file.tree.clear(PLACE, "f", 4096, 4608))
        run(file.tree.resize(PLACE, "f", SIZE + 1))
        run(file.tree.copy(PLACE, "f", PLACE, "g"))
        assert file.told() == []
    whence = os.lseek

    def no_holes(descriptor: int, offset: int, how: int) -> int:
        return whence(
            descriptor, offset if how == os.SEEK_DATA else 0, os.SEEK_SET if how == os.SEEK_DATA else os.SEEK_END
        )

    run(file.tree.write(PLACE, "f", 5000, b"x"))
    monkeypatch.setattr(os, "lseek", no_holes)
    monkeypatch.setattr(fcntl, "ioctl", _unsupported)
    assert file.told() == [(4608, 5119)]


def _unsupported(*_: object) -> bytes:
    raise OSError(95, "not supported")


def test_writers_of_one_block_lose_nothing_of_each_other(tmp_path: Path) -> None:
    """Each writes a page of zeros, all at once, into blocks that are holes; a page of each block is nobody's."""
    file = File(tmp_path)
    numbers = [number for number in range(64) if number % 8 != 3]

    async def write() -> None:
        await asyncio.gather(*(file.tree.write(PLACE, "f", number * PAGE, bytes(PAGE)) for number in numbers))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            file.create(SIZE, b"")
            run(write())
            file.written = set(numbers)
            assert file.told() == file.expected()
    finally:
        sys.setswitchinterval(interval)


def test_a_note_that_another_server_took_away_meanwhile_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both write what is noted at once; neither fails for it."""
    file, seen = File(tmp_path), pages._noted

    def taken_away(descriptor: int) -> list[tuple[int, int]] | None:
        found = seen(descriptor)
        os.removexattr(descriptor, NOTE)
        return found

    descriptor = os.open(file.disk(), os.O_RDWR)
    try:
        os.setxattr(descriptor, NOTE, b"1-1")
        with pages.writing(descriptor, os.fstat(descriptor), 0, 8192):
            os.pwrite(descriptor, bytes(8192), 0)
            monkeypatch.setattr(pages, "_noted", taken_away)
        assert NOTE not in os.listxattr(descriptor)
    finally:
        os.close(descriptor)


def test_large_writes_cost_one_look_at_the_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whole blocks, or to the end of the file, into one of which nothing is noted: no other call of the system."""
    file = File(tmp_path)
    calls: list[str] = []
    for name in ("getxattr", "setxattr", "removexattr", "lseek", "fstat"):
        monkeypatch.setattr(os, name, _counted(calls, name, getattr(os, name)))
    monkeypatch.setattr(fcntl, "ioctl", _counted(calls, "ioctl", fcntl.ioctl))
    descriptor = os.open(file.disk(), os.O_RDWR)
    try:
        stat = os.stat(file.disk())
        for offset, length in ((0, 8192), (36_864, SIZE - 36_864)):
            calls.clear()
            with pages.writing(descriptor, stat, offset, length):
                os.pwrite(descriptor, bytes(length), offset)
            assert calls == ["getxattr"]
    finally:
        os.close(descriptor)


def _counted(calls: list[str], name: str, real: object) -> object:
    def call(*arguments: object) -> object:
        calls.append(name)
        return real(*arguments)  # type: ignore[operator]

    return call
