"""A disk that is full in the middle of a range: the range is whole or not there, the refusal is the protocol's, and it
goes on. The disk is a real one of a few MiB, of two kinds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.fileshare import ShareClient, ShareServiceClient
from tests.support.azure_files import KEY, FileService, file_service
from tests.support.disks import MEBIBYTE, mounted

FULL = (400, "ShareSizeLimitReached")
pytestmark = pytest.mark.root


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of 24 MiB."""
    with mounted(tmp_path, request.param, 24) as place:
        yield place


@pytest.fixture
def service(tmp_path: Path, disk: Path) -> Iterator[FileService]:
    """The store stands on a disk with room."""
    (tmp_path / "home").mkdir()
    (disk / "shares").mkdir()
    (tmp_path / "home" / "shares").symlink_to(disk / "shares")
    with file_service(tmp_path / "home") as running:
        yield running


@pytest.fixture
def share(service: FileService) -> ShareClient:
    return ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0).create_share("share")


def refusal(error: HttpResponseError) -> tuple[int | None, str | None]:
    return error.status_code, error.error_code  # type: ignore[attr-defined]


def put(share: ShareClient, name: str, at: int, data: bytes) -> bool:
    """Whether a range was taken; a refusal is that of a full share."""
    try:
        share.get_file_client(name).upload_range(data, at, len(data))
    except HttpResponseError as error:
        if refusal(error) != FULL:
            raise
        return False
    return True


@pytest.mark.operation("Put Range", "List Ranges", "Get File")
def test_a_range_that_finds_no_room_is_not_there(share: ShareClient) -> None:
    """Over holes, over bytes, and over both: what was there is there. With room again the next one is taken."""
    share.get_file_client("f").create_file(64 * MEBIBYTE)
    taken = [put(share, "f", at * 3 * MEBIBYTE, bytes([at + 1]) * (3 * MEBIBYTE)) for at in range(16)]
    count = taken.index(False)
    assert 4 <= count <= 8
    file = share.get_file_client("f")
    before = file.get_file_properties()
    mixed = (count - 1) * 3 * MEBIBYTE + 2 * MEBIBYTE  # the last MiB that was taken, and holes after it
    assert not put(share, "f", mixed, b"x" * 4 * MEBIBYTE)
    assert file.get_file_properties().etag == before.etag
    assert [(each.start, each.end) for each in file.list_ranges()] == [(0, count * 3 * MEBIBYTE - 1)]
    for at in range(count):
        assert file.download_file(at * 3 * MEBIBYTE, 3 * MEBIBYTE).readall() == bytes([at + 1]) * (3 * MEBIBYTE)
    assert put(share, "f", 0, b"y" * MEBIBYTE)  # in place: nothing more is taken
    file.clear_range(3 * MEBIBYTE, 3 * MEBIBYTE)
    assert put(share, "f", 20 * MEBIBYTE, b"z" * (2 * MEBIBYTE))
    assert file.download_file(20 * MEBIBYTE, 2 * MEBIBYTE).readall() == b"z" * (2 * MEBIBYTE)


@pytest.mark.operation("Put Range")
def test_of_many_writers_each_range_is_whole_or_not_there(share: ShareClient) -> None:
    """Eight at once fill the disk; those that were refused left zeros, those that were taken all of their bytes."""
    share.get_file_client("f").create_file(64 * MEBIBYTE)
    size = MEBIBYTE

    def write(at: int) -> bool:
        return put(share, "f", at * size, bytes([at + 1]) * size)

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(write, range(40)))
    assert 10 <= sum(taken) < 40
    for at, was_taken in enumerate(taken):
        found = share.get_file_client("f").download_file(at * size, size).readall()
        assert found == (bytes([at + 1]) if was_taken else b"\0") * size


@pytest.mark.operation("Create File", "Copy File", "Snapshot Share")
def test_what_is_made_without_room_is_not_made(service: FileService, share: ShareClient) -> None:
    """A new file is none, a replaced one as it was, a hard link's other name too; no half of a snapshot is left."""
    source = share.get_file_client("source")
    source.create_file(64 * MEBIBYTE)
    count = [put(share, "source", at * MEBIBYTE, b"s" * MEBIBYTE) for at in range(40)].index(False)
    small = share.get_file_client("small")
    small.create_file(5, metadata={"a": "b"})
    tag = small.get_file_properties().etag
    for name in ("new", "small"):
        with pytest.raises(HttpResponseError) as refused:
            share.get_file_client(name).start_copy_from_url(source.url)
        assert refusal(refused.value) == FULL
        with pytest.raises(HttpResponseError) as refused:
            share.get_file_client(name).create_file(4 * MEBIBYTE, data=b"d" * (4 * MEBIBYTE))
        assert refusal(refused.value) == FULL
    assert (small.get_file_properties().etag, small.get_file_properties().metadata) == (tag, {"a": "b"})
    with pytest.raises(HttpResponseError):
        share.create_snapshot()
    assert {each.name for each in share.list_directories_and_files()} == {"source", "small"}
    assert os.listdir(service.folder / ".trash") == []
    source.clear_range(0, count * MEBIBYTE)
    share.get_file_client("new").start_copy_from_url(source.url)
    assert share.create_snapshot()["snapshot"]
