"""The tree on a real disk: names, holes, links, foreign changes, and what it refuses."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from tests.shares.clock import wait_for_a_tick

from linarite.engine.errors import AlreadyExists, NotAllowed, NotFound, PathRefused, WrongState
from linarite.engine.sharing.names import fold
from linarite.engine.sharing.ports import Item, Place
from linarite.fs import Beneath
from linarite.fs.beneath import Entry
from linarite.shares import DirectoryTree, Owner, extents, listing
from linarite.shares import tree as tree_module

T = TypeVar("T")
PLACE = Place("account", "share")


class Shares:
    """A tree with one share, called without a loop."""

    def __init__(self, root: Path) -> None:
        self.root, self.tree = root, DirectoryTree(str(root))
        self.folder = root / "account" / "share"
        run(self.tree.make_share(PLACE))

    def names(self, path: str = "", prefix: str = "") -> list[str]:
        return [item.name for item in run(self.tree.page(PLACE, path, prefix, "", 5000))[0]]

    def read(self, path: str) -> bytes:
        item, descriptor = run(self.tree.open(PLACE, path))
        try:
            return os.pread(descriptor, item.size, 0)
        finally:
            os.close(descriptor)


def run(work: Coroutine[object, object, T]) -> T:
    return asyncio.run(work)  # type: ignore[arg-type]


@pytest.fixture
def shares(tmp_path: Path) -> Shares:
    return Shares(tmp_path / "shares")


def test_every_change_gives_a_later_time(shares: Shares) -> None:
    """Tags are made of times: no two changes have the same, however quick."""
    item = run(shares.tree.create(PLACE, "f", 10))
    times = [item.modified]
    for change in range(50):
        item = run(shares.tree.write(PLACE, "f", 0, b"x")) if change % 2 else run(shares.tree.stamp(PLACE, "f"))
        times.append(item.modified)
    assert times == sorted(set(times))
    assert run(shares.tree.find(PLACE, "f")).modified == times[-1]


def test_what_is_missing_is_told_apart(shares: Shares) -> None:
    """The name, the directory above it, or the share."""
    for place, path, kind in (
        (PLACE, "f", "resource"),
        (PLACE, "d/f", "parent"),
        (Place("account", "no"), "f", "share"),
    ):
        with pytest.raises(NotFound) as missing:
            run(shares.tree.find(place, path))
        assert missing.value.kind == kind


def test_a_file_on_the_way_is_no_directory(shares: Shares) -> None:
    run(shares.tree.create(PLACE, "f", 1))
    with pytest.raises(NotFound) as missing:
        run(shares.tree.create(PLACE, "f/g", 1))
    assert missing.value.kind == "parent"
    with pytest.raises(WrongState):
        run(shares.tree.make_directory(PLACE, "d")) and run(shares.tree.create(PLACE, "d", 1))


def test_many_names_made_in_one_directory_stay_unique_without_case(shares: Shares) -> None:
    """The folded names that are remembered follow what we make, and what others make."""
    for number in range(100):
        run(shares.tree.create(PLACE, f"Name{number}", 0))
    (shares.folder / "Foreign").touch()
    for name in ("name7", "NAME99", "fOREIGN"):
        run(shares.tree.create(PLACE, name, 3))
    assert len(shares.names()) == 101
    assert run(shares.tree.find(PLACE, "FOREIGN")).size == 3


def test_a_page_begins_where_the_last_one_ended(shares: Shares) -> None:
    """Also when the name that it should begin with is gone."""
    for name in "edcba":
        run(shares.tree.create(PLACE, name, 0))
    first, marker = run(shares.tree.page(PLACE, "", "", "", 2))
    assert ([item.name for item in first], marker) == (["a", "b"], "c")
    run(shares.tree.remove(PLACE, "c", directory=False))
    rest, end = run(shares.tree.page(PLACE, "", "", marker, 2))
    assert ([item.name for item in rest], end) == (["d", "e"], "")


def test_names_that_the_protocol_cannot_say_are_left_out(shares: Shares) -> None:
    """Other programs may make them; no client could ask for them."""
    for name in ("good", "a:b", "c\\d", b"\xff\xfe".decode(errors="surrogateescape")):
        (shares.folder / name).touch()
    os.mkfifo(shares.folder / "pipe")
    assert shares.names() == ["good"]


@pytest.mark.parametrize("name", ["Ж" * 200, "日本語" * 85, "🙂" * 120])
def test_long_names_are_escaped_on_disk_and_whole_in_listings(shares: Shares, name: str) -> None:
    run(shares.tree.make_directory(PLACE, name))
    run(shares.tree.create(PLACE, f"{name}/{name}", 2))
    assert (shares.names(), shares.names(name)) == ([name], [name])
    assert len(os.fsencode(next(shares.folder.iterdir()).name)) <= 255
    run(shares.tree.rename(PLACE, f"{name}/{name}", "short", replace=False))
    assert sorted(shares.names()) == sorted(["short", name])
    assert DirectoryTree(str(shares.root))._disk.spelling.protocol(next(iter(shares.folder.glob("*~*"))).name) == name


def test_a_name_that_looks_like_a_cut_one_stays_itself(shares: Shares) -> None:
    """Also one that is, letter for letter, how a long name stands on disk; made here or by another program."""
    long = "Ж" * 200
    run(shares.tree.create(PLACE, long, 1))
    cut = next(shares.folder.iterdir()).name
    run(shares.tree.create(PLACE, cut, 2))
    foreign = "foreign~" + "0" * 40
    (shares.folder / foreign).write_bytes(b"abc")
    (shares.folder / f"other~{cut[-40:]}").write_bytes(b"abcd")
    assert sorted(shares.names()) == sorted([long, cut, foreign, f"other~{cut[-40:]}"])
    sizes = {name: run(shares.tree.find(PLACE, name)).size for name in shares.names()}
    assert sizes == {long: 1, cut: 2, foreign: 3, f"other~{cut[-40:]}": 4}


def test_long_names_stay_in_snapshots_and_are_found_in_any_case(shares: Shares) -> None:
    """255 characters that take 1,020 bytes; the letters of such names too are compared without their case."""
    name = "ж" * 254 + "x"
    run(shares.tree.make_directory(PLACE, name))
    run(shares.tree.create(PLACE, f"{name}/{name}", 2))
    taken = Place("account", "share", "2024-01-01T00:00:00.0000000Z")
    run(shares.tree.copy_share(PLACE, taken))
    found = run(shares.tree.find(taken, f"{name.upper()}/{name.upper()}"))
    assert (found.path, found.size) == (f"{name}/{name}", 2)
    with pytest.raises(AlreadyExists):
        run(shares.tree.make_directory(PLACE, name.upper()))


def test_where_names_differ_by_case_alone_the_exact_one_wins_else_the_first(shares: Shares) -> None:
    for name in ("b", "B", "A", "aa"):
        (shares.folder / name).write_bytes(name.encode())
    (shares.folder / "aA").write_bytes(b"first")
    assert shares.names() == ["A", "aA", "aa", "B", "b"]
    assert [shares.read(name) for name in ("b", "B", "a", "aa", "AA")] == [b"b", b"B", b"A", b"aa", b"first"]
    run(shares.tree.remove(PLACE, "B", directory=False))
    assert shares.read("B") == b"b"


def test_a_change_of_another_program_gives_another_version(shares: Shares) -> None:
    """Whatever it does to hide it: the same size, the same time, another file in the place."""
    run(shares.tree.create(PLACE, "f", 4, b"abcd"))
    path, seen = shares.folder / "f", [run(shares.tree.find(PLACE, "f")).version]

    def look() -> None:
        if path.exists():
            wait_for_a_tick(path)
        seen.append(run(shares.tree.find(PLACE, "f")).version)

    before = path.stat()
    wait_for_a_tick(path)
    path.write_bytes(b"efgh")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    look()
    other = shares.folder / "other"
    other.write_bytes(b"ijkl")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)
    look()
    with path.open("ab") as file:
        file.write(b"m")
    look()
    assert len(set(seen)) == len(seen)
    path.unlink()
    with pytest.raises(NotFound):
        look()


def test_reading_changes_no_version(shares: Shares) -> None:
    before = run(shares.tree.create(PLACE, "f", 4, b"abcd"))
    shares.read("f")
    (shares.folder / "f").read_bytes()
    run(shares.tree.copy_share(PLACE, Place("account", "share", "2024-01-01T00:00:00.0000000Z")))
    assert run(shares.tree.find(PLACE, "f")).version == before.version


def test_a_link_inside_is_followed_and_one_that_leaves_is_not(shares: Shares, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"outside")
    run(shares.tree.create(PLACE, "f", 3))
    (shares.folder / "inside").symlink_to("f")
    (shares.folder / "outside").symlink_to("../../../secret")
    (shares.folder / "up").symlink_to("..")
    assert shares.read("inside") == bytes(3)
    assert shares.names() == ["f", "inside"]
    for path in ("outside", "up/share/f"):
        with pytest.raises(PathRefused):
            run(shares.tree.open(PLACE, path))
    with pytest.raises(PathRefused):
        run(shares.tree.create(PLACE, "up/new", 1))


def test_ranges_tell_what_was_written_by_pages(shares: Shares) -> None:
    """Merged, in order, clipped to what was asked for and to the file's end."""
    run(shares.tree.create(PLACE, "f", 10_000))
    for offset in (0, 600, 4096, 9990):
        run(shares.tree.write(PLACE, "f", offset, b"x" * 10))
    assert run(shares.tree.ranges(PLACE, "f", 0, 9999)) == [(0, 1023), (4096, 4607), (9728, 9999)]
    assert run(shares.tree.ranges(PLACE, "f", 512, 4100)) == [(512, 1023), (4096, 4100)]
    run(shares.tree.clear(PLACE, "f", 0, 9000))
    assert run(shares.tree.ranges(PLACE, "f", 0, 9999)) == [(9728, 9999)]
    assert run(shares.tree.ranges(PLACE, "f", 0, 100)) == []


def test_resize_cuts_and_lengthens_by_zeros(shares: Shares) -> None:
    run(shares.tree.create(PLACE, "f", 4, b"abcd"))
    run(shares.tree.resize(PLACE, "f", 2))
    assert run(shares.tree.resize(PLACE, "f", 6)).size == 6
    assert shares.read("f") == b"ab\0\0\0\0"


def test_a_write_past_the_end_changes_nothing(shares: Shares) -> None:
    run(shares.tree.create(PLACE, "f", 4, b"abcd"))
    before = run(shares.tree.find(PLACE, "f"))
    with pytest.raises(WrongState):
        run(shares.tree.write(PLACE, "f", 2, b"xyz"))
    assert (run(shares.tree.find(PLACE, "f")), shares.read("f")) == (before, b"abcd")


def test_a_copy_keeps_the_holes(shares: Shares) -> None:
    run(shares.tree.create(PLACE, "f", 1 << 30))
    run(shares.tree.write(PLACE, "f", 1 << 29, b"data"))
    run(shares.tree.copy(PLACE, "f", PLACE, "g"))
    assert run(shares.tree.find(PLACE, "g")).size == 1 << 30
    assert run(shares.tree.ranges(PLACE, "g", 0, 1 << 30)) == [(1 << 29, (1 << 29) + 511)]
    assert (shares.folder / "g").stat().st_blocks * 512 < 1 << 20


def test_rename_to_another_case_is_a_rename(shares: Shares) -> None:
    before = run(shares.tree.create(PLACE, "name", 1))
    run(shares.tree.rename(PLACE, "name", "NAME", replace=False))
    assert shares.names() == ["NAME"]
    assert run(shares.tree.find(PLACE, "name")).id == before.id
    run(shares.tree.create(PLACE, "other", 1))
    with pytest.raises(AlreadyExists):
        run(shares.tree.rename(PLACE, "NAME", "OTHER", replace=False))


def test_a_snapshot_keeps_times_and_stays(shares: Shares) -> None:
    run(shares.tree.make_directory(PLACE, "d"))
    item = run(shares.tree.create(PLACE, "d/f", 4, b"abcd"))
    taken = Place("account", "share", "2024-01-01T00:00:00.0000000Z")
    run(shares.tree.copy_share(PLACE, taken))
    run(shares.tree.write(PLACE, "d/f", 0, b"x"))
    then = run(shares.tree.find(taken, "d/f"))
    assert (then.modified, then.size) == (item.modified, 4)


def test_a_snapshot_that_fails_leaves_nothing(shares: Shares, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the middle: no half of a snapshot is there, and the next one may have its name."""
    for name in "abc":
        run(shares.tree.create(PLACE, name, 4, b"data"))
    taken = Place("account", "share", "2024-01-01T00:00:00.0000000Z")
    real, calls = extents.copy, []

    def full(source: int, target: int) -> None:
        calls.append(source)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "no space")
        real(source, target)

    monkeypatch.setattr(extents, "copy", full)
    with pytest.raises(WrongState):
        run(shares.tree.copy_share(PLACE, taken))
    with pytest.raises(NotFound):
        run(shares.tree.find(taken, "a"))
    assert list((shares.root / ".trash").iterdir()) == []
    run(shares.tree.copy_share(PLACE, taken))
    assert run(shares.tree.find(taken, "c")).size == 4


@pytest.mark.parametrize("error", [PermissionError, OSError])
def test_a_snapshot_lacks_nothing(shares: Shares, monkeypatch: pytest.MonkeyPatch, error: type[OSError]) -> None:
    """A directory that the server cannot read refuses it, and is not left out; one that goes away meanwhile is."""
    run(shares.tree.make_directory(PLACE, "d"))
    run(shares.tree.create(PLACE, "d/f", 3))
    scan, then = Beneath.scan, Place("account", "share", "2024-01-01T00:00:00.0000000Z")
    errors = [error(5, "cannot be read"), FileNotFoundError("d")]

    def unreadable(beneath: Beneath, path: str = "") -> Iterator[Entry]:
        if path == "d":
            raise errors.pop(0)
        return scan(beneath, path)

    monkeypatch.setattr(Beneath, "scan", unreadable)
    with pytest.raises((NotAllowed, OSError)):
        run(shares.tree.copy_share(PLACE, then))
    with pytest.raises(NotFound):
        run(shares.tree.find(then, "d"))
    run(shares.tree.copy_share(PLACE, then))
    assert run(shares.tree.find(then, "d")).is_directory


def test_a_file_that_goes_while_a_snapshot_is_taken_is_left_out(
    shares: Shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program removes it: the snapshot has the others."""
    for name in "ab":
        run(shares.tree.create(PLACE, name, 4, b"data"))
    real = extents.copy

    def remove_b(source: int, target: int) -> None:
        (shares.folder / "b").unlink(missing_ok=True)
        real(source, target)

    monkeypatch.setattr(extents, "copy", remove_b)
    taken = Place("account", "share", "2024-01-01T00:00:00.0000000Z")
    run(shares.tree.copy_share(PLACE, taken))
    assert [item.name for item in run(shares.tree.page(taken, "", "", "", 10))[0]] == ["a"]


def test_a_dropped_share_is_gone_at_once_and_then_from_disk(shares: Shares) -> None:
    """What a killed server left in the trash goes at the next start."""

    async def drop() -> None:
        await shares.tree.drop_share(PLACE)
        with pytest.raises(NotFound):
            await shares.tree.find(PLACE, "f")
        while at_work := shares.tree._trash._at_work:
            await asyncio.gather(*at_work)

    run(shares.tree.create(PLACE, "f", 1))
    run(drop())
    assert list((shares.root / ".trash").iterdir()) == []
    (shares.root / ".trash" / "left" / "over").mkdir(parents=True)

    async def sweep() -> None:
        shares.tree.sweep()
        while at_work := shares.tree._trash._at_work:
            await asyncio.gather(*at_work)

    run(sweep())
    assert list((shares.root / ".trash").iterdir()) == []


def test_many_writers_of_one_file_agree_on_its_last_time(shares: Shares) -> None:
    """Ranges written at once are all there, and the latest time is the file's."""

    async def write() -> list[Item]:
        await shares.tree.create(PLACE, "f", 64 * 1000)
        parts = (shares.tree.write(PLACE, "f", n * 1000, bytes([n]) * 1000) for n in range(64))
        return await asyncio.gather(*parts)

    items = run(write())
    assert len({item.modified for item in items}) <= len(items)
    assert run(shares.tree.find(PLACE, "f")).modified == max(item.modified for item in items)
    assert shares.read("f") == b"".join(bytes([n]) * 1000 for n in range(64))


def test_what_is_at_hand_is_found_without_a_thread(shares: Shares, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also once another program has put something else there; what is not as it should be is looked at on a thread."""
    run(shares.tree.make_directory(PLACE, "d"))
    run(shares.tree.create(PLACE, "d/f", 3, b"abc"))
    os.mkfifo(shares.folder / "fifo")
    (shares.folder / "out").symlink_to("/etc/hostname")
    known, on_thread = run(shares.tree.find(PLACE, "d/f")), tree_module.on_thread
    monkeypatch.setattr(tree_module, "on_thread", None)
    assert run(shares.tree.find(PLACE, "d/f")) == known
    assert shares.read("d/f") == b"abc"
    assert run(shares.tree.find(PLACE, "d")).is_directory
    other = shares.folder / "other"
    other.write_bytes(b"other")
    other.replace(shares.folder / "d" / "f")
    found = run(shares.tree.find(PLACE, "d/f"))
    assert (found.size, found.version != known.version) == (5, True)
    monkeypatch.setattr(tree_module, "on_thread", on_thread)
    assert run(shares.tree.find(PLACE, "D/F")).path == "d/f"
    for path, error in (("fifo", NotFound), ("out", PathRefused), ("none", NotFound), ("d", WrongState)):
        with pytest.raises(error):
            run(shares.tree.open(PLACE, path))


@pytest.mark.parametrize("block", [3, 4096])
@pytest.mark.parametrize("limit", [37, 400, 5000])
def test_pages_are_in_the_order_of_names_without_case(
    shares: Shares, monkeypatch: pytest.MonkeyPatch, block: int, limit: int
) -> None:
    """Ordinary names, others, those that are equal but for case, and those that are nothing for a list."""
    monkeypatch.setattr(listing, "_BLOCK", block)
    names = [f"{letter}{number:03}{end}" for letter in "abXY_é" for number in range(60) for end in ("", ".T", "~", "ß")]
    names += ["(a", "a (1)", "A000", "A000.t", "-", ".dot", ",", "a b", "z{"]
    for name in names:
        (shares.folder / name).touch()
    for number in range(300):
        (shares.folder / f"b000{number}").symlink_to("nowhere")
    (shares.folder / "a:b").touch()
    wanted = sorted(names, key=lambda name: (fold(name), name))
    for prefix in ("", "a0", "É", "b000", "nothing"):
        found, marker = [], ""
        while True:
            items, marker = run(shares.tree.page(PLACE, "", prefix, marker, limit))
            found += [item.name for item in items]
            if not marker:
                break
            assert len(items) == limit
        assert found == [name for name in wanted if fold(name).startswith(fold(prefix))]


@pytest.mark.root
@pytest.mark.parametrize(("alone", "modes"), [(True, (0o770, 0o660)), (False, (0o700, 0o600))])
def test_files_are_their_owners(tmp_path: Path, alone: bool, modes: tuple[int, int]) -> None:
    """The user of an account's tasks may change them; a group does where nobody of another account is in it."""
    tree = DirectoryTree(str(tmp_path), lambda _: Owner(4711, 815, alone=alone))
    run(tree.make_share(PLACE))
    run(tree.make_directory(PLACE, "sub"))
    run(tree.create(PLACE, "sub/file", 3, b"abc"))
    share = tmp_path / "account" / "share"
    for path, mode in ((share, modes[0]), (share / "sub", modes[0]), (share / "sub/file", modes[1])):
        facts = path.stat()
        assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (4711, 815, mode)
