"""What the disk has when a change is answered, and what no link and no size leads to."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.fileshare import ShareServiceClient
from tests.support.azure_files import KEY, FileService, file_service
from tests.support.disks import MEBIBYTE, mounted
from tests.support.left_out import leave_out

from linarite.engine.errors import EngineError, WrongState
from linarite.engine.sharing.ports import Place
from linarite.shares import DirectoryTree, whole

PLACE = Place("account", "share")
TIB = 1024**4


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def tree(tree: DirectoryTree) -> DirectoryTree:
    """It has a file and two directories."""
    run(tree.make_directory(PLACE, "d"))
    run(tree.make_directory(PLACE, "e"))
    run(tree.create(PLACE, "d/f", 8192, b"data"))
    return tree


@pytest.mark.parametrize(
    ("change", "synced"),
    [
        (lambda tree: tree.create(PLACE, "d/new", 10), {"d/new", "d"}),
        (lambda tree: tree.create(PLACE, "d/f", 10), {"d/f"}),
        (lambda tree: tree.make_directory(PLACE, "d/g"), {"d/g", "d"}),
        (lambda tree: tree.write(PLACE, "d/f", 0, b"x"), {"d/f"}),
        (lambda tree: tree.clear(PLACE, "d/f", 0, 4096), {"d/f"}),
        (lambda tree: tree.resize(PLACE, "d/f", 1), {"d/f"}),
        (lambda tree: tree.stamp(PLACE, "d/f"), {"d/f"}),
        (lambda tree: tree.stamp(PLACE, "d"), {"d"}),
        (lambda tree: tree.copy(PLACE, "d/f", PLACE, "e/f"), {"e/f", "e"}),
        (lambda tree: tree.rename(PLACE, "d/f", "e/g", replace=False), {"e/g", "d", "e"}),
        (lambda tree: tree.rename(PLACE, "d", "e/d", replace=False), {"e/d", "e", ""}),
        (lambda tree: tree.link(PLACE, "d/f", "e/g"), {"e/g", "e"}),
        (lambda tree: tree.make_symbolic_link(PLACE, "e/link", "../d/f"), {"e"}),
        (lambda tree: tree.remove(PLACE, "d/f", directory=False), {"d"}),
        (lambda tree: tree.create(PLACE, "Ж" * 200, 10), {".names", ""}),
    ],
)
def test_what_changed_was_synced_last(
    tree: DirectoryTree, monkeypatch: pytest.MonkeyPatch, change: Any, synced: set[str]
) -> None:
    """Bytes and times of the file, and the names in its directory: by fsync, since fdatasync leaves times behind."""
    share, told, fsync = Path(tree._disk.root.root, "account", "share"), set[str](), os.fsync

    def record(descriptor: int) -> None:
        fsync(descriptor)
        path = os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), share)
        told.add("" if path == "." else path.removeprefix("../../"))

    monkeypatch.setattr(os, "fsync", record)
    run(change(tree))
    assert synced <= told


@pytest.mark.timeout(60)
def test_a_link_that_is_swapped_in_meanwhile_leads_nowhere(tree: DirectoryTree, tmp_path: Path) -> None:
    """A directory that turns into a link to the outside and back, as fast as a program can, under every request."""
    outside, share = tmp_path / "outside", Path(tree._disk.root.root, "account", "share")
    outside.mkdir()
    (outside / "f").write_bytes(b"secret")
    over, swaps = threading.Event(), [0]

    def swap() -> None:
        (share / "real").mkdir()
        (share / "real" / "f").write_bytes(b"inside")
        while not over.is_set():
            (share / "real").rename(share / "x")
            (share / "x").rename(share / "real")
            (share / "x").symlink_to(outside)
            (share / "x").unlink()
            swaps[0] += 1

    swapping = threading.Thread(target=swap, daemon=True)
    swapping.start()

    async def try_all(number: int) -> None:
        for call in (
            tree.create(PLACE, f"x/new{number}", 6, b"escape"),
            tree.write(PLACE, "x/f", 0, b"escape"),
            tree.resize(PLACE, "x/f", 6),
            tree.make_directory(PLACE, f"x/made{number}"),
            tree.copy(PLACE, "d/f", PLACE, f"x/copy{number}"),
            tree.rename(PLACE, f"x/new{number}", f"x/renamed{number}", replace=True),
            tree.remove(PLACE, f"x/renamed{number}", directory=False),
            tree.page(PLACE, "x", "", "", 100),
        ):
            try:
                told = await call
            except EngineError:
                continue
            assert "secret" not in repr(told)
        try:
            _, descriptor = await tree.open(PLACE, "x/f")
        except EngineError:
            return
        assert os.pread(descriptor, 6, 0) != b"secret"
        os.close(descriptor)

    async def story() -> None:
        number = 0
        while number < 150 or swaps[0] < 500:
            await try_all(number)
            number += 1

    try:
        run(story())
    finally:
        over.set()
        swapping.join(10)
    assert {each.name: each.read_bytes() for each in outside.iterdir()} == {"f": b"secret"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FileService]:
    with file_service(tmp_path) as running:
        yield running


def test_a_file_of_four_tebibytes_takes_what_was_written(service: FileService) -> None:
    """Made, written at its ends, listed, read, cleared, copied and kept in a snapshot, on a disk a fraction of that."""
    share = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0).create_share("share")
    file, disk = share.get_file_client("f"), service.path("share", "f")
    try:
        file.create_file(4 * TIB)
    except HttpResponseError:
        with disk.open("ab") as probe, pytest.raises(OSError, match="large"):
            probe.truncate(4 * TIB)
        leave_out("this file system has no files of 4 TiB", always=True)
    file.upload_range(b"first", 0, 5)
    file.upload_range(b"last", 4 * TIB - 4, 4)
    expected = [(0, 511), (4 * TIB - 512, 4 * TIB - 1)]
    assert [(each.start, each.end) for each in file.list_ranges()] == expected
    assert disk.stat().st_blocks * 512 <= 64 * 1024
    assert share.get_share_stats() <= 64 * 1024
    assert file.download_file(offset=2 * TIB, length=4096).readall() == bytes(4096)
    assert file.download_file(offset=4 * TIB - 6, length=6).readall() == b"\0\0last"
    snapshot = share.create_snapshot()["snapshot"]
    share.get_file_client("copy").start_copy_from_url(file.url)
    file.clear_range(0, 4 * TIB - 512)
    assert [(each.start, each.end) for each in file.list_ranges()] == expected[1:]
    file.clear_range(0, 4 * TIB)
    assert list(file.list_ranges()) == []
    assert disk.stat().st_blocks == 0
    for other in (share.get_file_client("copy"), _then(service, str(snapshot))):
        assert [(each.start, each.end) for each in other.list_ranges()] == expected
        assert other.get_file_properties().size == 4 * TIB
    used = sum(each.stat().st_blocks for each in service.folder.rglob("*") if each.is_file())
    assert used * 512 <= 256 * 1024


def _then(service: FileService, snapshot: str) -> Any:
    client = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0)
    return client.get_share_client("share", snapshot=snapshot).get_file_client("f")


@pytest.mark.root
def test_another_program_fills_a_disk_that_was_empty(tmp_path: Path) -> None:
    """A disk with much room is looked at now and then only: often enough to see that somebody took all of it."""
    with mounted(tmp_path, "xfs", 6 * 1024) as disk:
        tree = DirectoryTree(str(disk / "shares"))
        run(tree.make_share(PLACE))
        run(tree.create(PLACE, "f", 8 * MEBIBYTE))
        run(tree.write(PLACE, "f", 0, b"a" * MEBIBYTE))
        file, taken = disk / "shares" / "account" / "share" / "f", os.statvfs(disk)
        with (disk / "taken").open("wb") as other:
            os.posix_fallocate(other.fileno(), 0, taken.f_bavail * taken.f_frsize - 2 * MEBIBYTE)
        time.sleep(2 * whole.FRESH_SECONDS)
        with pytest.raises(WrongState):
            run(tree.write(PLACE, "f", 0, b"b" * 4 * MEBIBYTE))
        assert file.read_bytes() == b"a" * MEBIBYTE + bytes(7 * MEBIBYTE)


def test_a_write_that_is_called_off_before_its_turn_leaves_nothing_open(tree: DirectoryTree) -> None:
    """Its file was opened in the loop, and no thread has come to close it."""

    file = Path(tree._disk.root.root, "account", "share", "d", "f")

    def descriptors() -> int:
        return sum(os.path.realpath(each) == str(file) for each in Path("/proc/self/fd").iterdir())

    async def story() -> None:
        loop, go = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, go.wait)
        write = asyncio.ensure_future(tree.write(PLACE, "d/f", 0, b"x"))
        await asyncio.sleep(0)
        assert descriptors() == 1
        write.cancel()
        await asyncio.wait([write])
        go.set()
        await busy
        del write
        await loop.run_in_executor(None, int)  # the thread has let go of what it was asked for
        gc.collect()
        assert descriptors() == 0

    run(story())
    assert file.read_bytes()[:4] == b"data"


def test_what_is_called_off_on_a_thread_is_held_until_it_is_over(
    tree: DirectoryTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of a server: another one would be told that it changed what this one goes on to write."""
    at_disk, go, fsync = threading.Event(), threading.Event(), os.fsync
    order: list[str] = []

    def slow(descriptor: int) -> None:
        at_disk.set()
        assert go.wait(30)
        order.append("on disk")
        fsync(descriptor)

    async def write() -> None:
        async with tree.hold(PLACE, "d/f", alone=True):
            await tree.write(PLACE, "d/f", 0, b"a")

    async def follow() -> None:
        async with tree.hold(PLACE, "d/f", alone=True):
            order.append("next")

    async def story() -> None:
        first = asyncio.create_task(write())
        assert await asyncio.to_thread(at_disk.wait, 30)
        second = asyncio.create_task(follow())
        first.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        go.set()
        await asyncio.wait([first, second])
        assert first.cancelled()

    monkeypatch.setattr(os, "fsync", slow)
    run(story())
    assert order == ["on disk", "next"]


def test_a_change_is_told_with_its_own_tag(tree: DirectoryTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with that of one that was made while it came to the disk: who had it would change bytes it never saw."""
    at_disk, go, fsync = threading.Event(), threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        if not at_disk.is_set():
            at_disk.set()
            assert go.wait(30)
        fsync(descriptor)

    async def write() -> tuple[int, int]:
        first = asyncio.create_task(tree.write(PLACE, "d/f", 0, b"a"))
        assert await asyncio.to_thread(at_disk.wait, 30)
        second = await tree.write(PLACE, "d/f", 1, b"b")
        go.set()
        return (await first).modified, second.modified

    monkeypatch.setattr(os, "fsync", slow)
    first, second = run(write())
    assert first < second == run(tree.find(PLACE, "d/f")).modified
