"""Where the file system copies by reference: a copy is the source to its end, costs nothing, and never changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.fileshare import ShareClient, ShareServiceClient
from tests.support.azure_files import KEY, FileService, file_service
from tests.support.disks import MEBIBYTE, mounted

pytestmark = pytest.mark.root
SIZE = 64 * MEBIBYTE
TIB = 1024**4


@pytest.fixture(params=["xfs", "btrfs"])
def service(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FileService]:
    with mounted(tmp_path, request.param, 512) as disk, file_service(disk) as running:
        yield running


@pytest.fixture
def share(service: FileService) -> ShareClient:
    return ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0).create_share("share")


def used(service: FileService) -> int:
    """Bytes of the disk that are taken, once all is on it."""
    descriptor = os.open(service.folder, os.O_RDONLY)
    os.sync()
    found = os.fstatvfs(descriptor)
    os.close(descriptor)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


@pytest.mark.operation("Copy File")
@pytest.mark.parametrize(("size", "before"), [(8192, 20_000), (8192, 100), (10_001, 20_000), (10_001, 0)])
def test_a_copy_over_another_file_is_as_long_as_its_source(
    service: FileService, share: ShareClient, size: int, before: int
) -> None:
    """Nothing stays of a file that was longer: by reference only whole blocks are had, else all is copied."""
    content = os.urandom(size)
    source, copy = share.get_file_client("source"), share.get_file_client("copy")
    source.upload_file(content)
    copy.upload_file(b"y" * before)
    copy.start_copy_from_url(source.url)
    assert copy.download_file().readall() == content
    assert service.path("share", "copy").read_bytes() == content


@pytest.mark.operation("Snapshot Share", "Copy File")
def test_copies_and_snapshots_cost_next_to_nothing(service: FileService, share: ShareClient) -> None:
    """Three of 64 MiB; and neither the protocol nor another program changes a snapshot by what it writes."""
    file = share.get_file_client("file")
    content = os.urandom(MEBIBYTE) * (SIZE // MEBIBYTE)
    file.upload_file(content)
    before = used(service)
    snapshots = [str(share.create_snapshot()["snapshot"]) for _ in range(2)]
    share.get_file_client("copy").start_copy_from_url(file.url)
    assert used(service) - before < SIZE // 4
    file.upload_range(b"protocol", 0, 8)
    with service.path("share", "file").open("r+b") as other:
        other.seek(5000)
        other.write(b"another program")
        other.truncate(SIZE // 2)
    service.path("share", "copy").unlink()
    client = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0)
    for snapshot in snapshots:
        then = client.get_share_client("share", snapshot=snapshot).get_file_client("file")
        assert then.download_file().readall() == content
    assert file.download_file(offset=0, length=8).readall() == b"protocol"


def test_four_tebibytes_stand_on_half_a_gibibyte(service: FileService, share: ShareClient) -> None:
    """Written at its ends, copied, kept in a snapshot and cleared."""
    file, copy = share.get_file_client("file"), share.get_file_client("copy")
    file.create_file(4 * TIB)
    file.upload_range(b"first", 0, 5)
    file.upload_range(b"last", 4 * TIB - 4, 4)
    share.create_snapshot()
    copy.start_copy_from_url(file.url)
    file.clear_range(0, 4 * TIB)
    assert list(file.list_ranges()) == []
    expected = [(0, 511), (4 * TIB - 512, 4 * TIB - 1)]
    assert [(each.start, each.end) for each in copy.list_ranges()] == expected
    assert copy.download_file(offset=4 * TIB - 6, length=6).readall() == b"\0\0last"
    assert used(service) < 128 * MEBIBYTE
