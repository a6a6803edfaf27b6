"""Quotas: what a share takes of the disk is counted once, followed, and counted again when others changed it."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.fileshare import ShareServiceClient
from tests.support.azure_files import KEY, FileService, file_service

from linarite.engine.errors import WrongState
from linarite.engine.sharing.ports import Place
from linarite.shares import DirectoryTree, at_once, roots

PLACE = Place("account", "share")
KIB = 1024
LIMIT = 256 * KIB
GIB = 1024**3


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def folder(tree: DirectoryTree) -> Path:
    return Path(tree._disk.root.root, "account", "share")


def followed(tree: DirectoryTree) -> int:
    return tree._disk.usage._known[PLACE].bytes


def test_what_is_followed_is_what_counting_finds(tree: DirectoryTree) -> None:
    """Through every kind of change, without a look at the tree in between."""
    run(tree.create(PLACE, "a", 100 * KIB, b"x" * 20 * KIB, limit=LIMIT))
    assert run(tree.usage(PLACE)) == followed(tree)
    run(tree.write(PLACE, "a", 64 * KIB, b"y" * 8 * KIB, limit=LIMIT))
    run(tree.clear(PLACE, "a", 0, 12 * KIB))
    run(tree.copy(PLACE, "a", PLACE, "b", limit=LIMIT))
    run(tree.copy(PLACE, "a", PLACE, "b", limit=LIMIT))
    run(tree.resize(PLACE, "b", 4 * KIB, limit=LIMIT))
    run(tree.create(PLACE, "c", 8 * KIB, b"z" * 8 * KIB, limit=LIMIT))
    run(tree.rename(PLACE, "c", "b", replace=True))
    run(tree.create(PLACE, "d", 8 * KIB, b"z" * 8 * KIB, limit=LIMIT))
    run(tree.create(PLACE, "d", 8 * KIB, b"", limit=LIMIT))
    run(tree.remove(PLACE, "b", directory=False))
    assert followed(tree) == roots.usage(tree._disk.base(PLACE))


def test_a_file_that_waits_open_for_its_thread_counts_once(tree: DirectoryTree) -> None:
    """What others wrote to it, and was counted, since the loop opened it."""
    run(tree.create(PLACE, "a", 100 * KIB, limit=LIMIT))
    run(tree.usage(PLACE))
    waiting = at_once.open_file(tree._disk.base(PLACE), tree._disk.spelling, "a", os.O_RDWR)
    assert waiting is not None
    run(tree.write(PLACE, "a", 0, b"x" * 40 * KIB, limit=LIMIT))
    tree._disk.write(PLACE, "a", waiting, 40 * KIB, b"y" * 40 * KIB, LIMIT)
    assert followed(tree) == roots.usage(tree._disk.base(PLACE))


def test_a_disk_that_does_not_answer_keeps_no_other_share_waiting(
    tree: DirectoryTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file takes is asked of the disk that it is on, be it a file server's."""
    run(tree.create(PLACE, "a", 100 * KIB, limit=LIMIT))
    asked, answered, fstat = threading.Event(), threading.Event(), os.fstat

    def late(descriptor: int) -> os.stat_result:
        asked.set()
        assert answered.wait(30)
        return fstat(descriptor)

    with ThreadPoolExecutor(2) as pool, (folder(tree) / "a").open("r+b") as file:
        stat = fstat(file.fileno())
        monkeypatch.setattr(os, "fstat", late)
        change = pool.submit(_follow, tree, file.fileno(), stat)
        assert asked.wait(30)
        pool.submit(tree._disk.usage.forget, Place("account", "other")).result(30)
        answered.set()
        change.result(30)
    assert tree._disk.usage._open == {}


def _follow(tree: DirectoryTree, descriptor: int, stat: os.stat_result) -> None:
    with tree._disk.usage.following(PLACE, descriptor, stat):
        pass


def test_a_file_that_a_file_server_knows_no_more_is_followed_no_more(tree: DirectoryTree) -> None:
    """ESTALE: another of its clients removed it."""
    run(tree.create(PLACE, "a", 100 * KIB, limit=LIMIT))
    with (folder(tree) / "a").open("r+b") as file:
        stat = os.fstat(file.fileno())

        def gone(_: int) -> os.stat_result:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fstat", gone)
            with pytest.raises(OSError, match="handle"):
                _follow(tree, file.fileno(), stat)
    assert tree._disk.usage._open == {}


def test_links_take_nothing_along(tree: DirectoryTree) -> None:
    """Neither one that is deleted nor one that is replaced, symbolic or hard."""
    run(tree.create(PLACE, "f", LIMIT, b"x" * 32 * KIB, limit=LIMIT))
    run(tree.create(PLACE, "g", LIMIT, b"x" * 16 * KIB, limit=LIMIT))
    for name in ("a", "b"):
        (folder(tree) / name).symlink_to("f")
    run(tree.remove(PLACE, "a", directory=False))
    assert followed(tree) == 48 * KIB
    run(tree.rename(PLACE, "g", "b", replace=True))
    assert followed(tree) == 48 * KIB
    os.link(folder(tree) / "f", folder(tree) / "twin")
    run(tree.rename(PLACE, "f", "twin", replace=True))
    assert followed(tree) == 48 * KIB
    assert run(tree.usage(PLACE)) == 48 * KIB


def test_writers_at_once_do_not_go_beyond_it_together(tree: DirectoryTree) -> None:
    """Of many who write one file and others, so many succeed as there is room for, and holes have none."""

    async def story() -> None:
        await tree.create(PLACE, "sparse", LIMIT, limit=LIMIT)
        for number in range(16):
            await tree.create(PLACE, str(number), 32 * KIB, limit=LIMIT)
        data = b"x" * 32 * KIB
        writes = [tree.write(PLACE, str(number), 0, data, limit=LIMIT) for number in range(16)]
        writes += [tree.write(PLACE, "sparse", 32 * KIB * number, data, limit=LIMIT) for number in range(8)]
        results = await asyncio.gather(*writes, return_exceptions=True)
        refused = [each for each in results if isinstance(each, Exception)]
        assert all(isinstance(each, WrongState) for each in refused)
        assert roots.usage(tree._disk.base(PLACE)) == LIMIT
        assert len(results) - len(refused) == 8

    run(story())


def test_what_changes_while_a_share_is_counted_is_not_forgotten(
    tree: DirectoryTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A count that began before a change and ends after it tells of the share as it is, not as it was."""
    run(tree.create(PLACE, "a", LIMIT, b"x" * 8 * KIB, limit=LIMIT))
    usage, late = roots.usage, iter(["b", "c"])

    def counted(base: Any, *blocks: Any) -> int:
        found = usage(base, *blocks)
        for name in late:
            run(tree.create(PLACE, name, 8 * KIB, b"x" * 8 * KIB, limit=LIMIT))
            break
        return found

    monkeypatch.setattr(roots, "usage", counted)
    assert run(tree.usage(PLACE)) == followed(tree) == 24 * KIB


def test_what_is_there_may_be_written_again_when_the_share_is_full(tree: DirectoryTree) -> None:
    run(tree.create(PLACE, "f", LIMIT, limit=LIMIT))
    run(tree.write(PLACE, "f", 0, b"x" * LIMIT, limit=LIMIT))
    run(tree.write(PLACE, "f", 0, b"y" * LIMIT, limit=LIMIT))
    run(tree.create(PLACE, "empty", LIMIT, limit=LIMIT))
    for change in (
        lambda: tree.write(PLACE, "empty", 0, b"x", limit=LIMIT),
        lambda: tree.create(PLACE, "new", 1, b"x", limit=LIMIT),
        lambda: tree.copy(PLACE, "f", PLACE, "copy", limit=LIMIT),
        lambda: tree.resize(PLACE, "empty", LIMIT + 1, limit=LIMIT),
        lambda: tree.create(PLACE, "long", LIMIT + 1, limit=LIMIT),
    ):
        before = run(tree.find(PLACE, "empty"))
        with pytest.raises(WrongState) as refused:
            run(change())
        assert (refused.value.kind, refused.value.state) == ("share", "full")
        assert run(tree.find(PLACE, "empty")) == before
    assert sorted(os.listdir(folder(tree))) == ["empty", "f"]


def test_a_change_does_not_look_at_the_whole_tree(tree: DirectoryTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """One count, then none; and none at all where the disk is smaller than the quota."""
    counts, usage = [], roots.usage

    def counted(base: Any, *blocks: Any) -> int:
        counts.append(base)
        return usage(base, *blocks)

    monkeypatch.setattr(roots, "usage", counted)
    run(tree.create(PLACE, "f", LIMIT, b"x", limit=1 << 62))
    assert counts == []
    for number in range(20):
        run(tree.write(PLACE, "f", number * 4 * KIB, b"x", limit=LIMIT))
    assert len(counts) == 1


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FileService]:
    with file_service(tmp_path) as running:
        yield running


def test_a_client_is_told_that_the_share_is_full_until_another_program_makes_room(service: FileService) -> None:
    """1 GiB that another program put there fills the share; its removal is noticed before anything is refused."""
    share = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0).create_share(
        "share", quota=1
    )
    file = share.get_file_client("f")
    file.upload_file(b"before")
    filler = service.path("share", "filler")
    with filler.open("wb") as out:
        os.posix_fallocate(out.fileno(), 0, GIB)
    for change in (
        lambda: file.upload_range(b"x" * 4096, 4096, 4096),
        lambda: share.get_file_client("g").upload_file(b"content"),
        lambda: file.resize_file(GIB + 1),
        lambda: share.get_file_client("g").create_file(GIB + 1),
    ):
        file.resize_file(8192)
        tag = file.get_file_properties().etag
        service_has_counted = share.get_share_stats() >= GIB
        with pytest.raises(HttpResponseError) as refused:
            change()
        assert service_has_counted
        assert (refused.value.status_code, str(refused.value.error_code)) == (400, "ShareSizeLimitReached")
        assert file.get_file_properties().etag == tag
    filler.unlink()
    file.upload_range(b"x" * 4096, 4096, 4096)
    share.set_share_quota(2)
    file.resize_file(2 * GIB)
    file.upload_range(b"end", 2 * GIB - 3, 3)
    assert share.get_share_stats() < 64 * KIB
