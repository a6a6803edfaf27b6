"""List Ranges tells what was written, be it with zeros, and not what was cleared: by the real client, on real disks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.fileshare import ShareClient, ShareFileClient, ShareServiceClient
from tests.support.azure_files import KEY, FileService, Raw, file_service
from tests.support.copies import ended, signed
from tests.support.disks import HERE, MEBIBYTE, placed

pytestmark = pytest.mark.operation("List Ranges", "Put Range")
KINDS = [HERE, *(pytest.param(kind, marks=pytest.mark.root) for kind in ("tmpfs", "xfs", "btrfs"))]
Ranges = list[tuple[int, int]]


@pytest.fixture(scope="module", params=KINDS)
def disk(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    with placed(tmp_path_factory.mktemp("disk"), request.param) as place:
        yield place


@pytest.fixture(scope="module")
def service(disk: Path) -> Iterator[FileService]:
    with file_service(disk) as running:
        yield running


@pytest.fixture
def share(service: FileService, request: pytest.FixtureRequest) -> ShareClient:
    return client(service).create_share(f"s{abs(hash(request.node.name)):x}")


def client(service: FileService, account: str = "devaccount") -> ShareServiceClient:
    return ShareServiceClient(f"{service.url}/{account}", credential=KEY, retry_total=0)


def listed(file: ShareFileClient, **options: int) -> Ranges:
    return [(each.start, each.end) for each in file.list_ranges(**options)]


def put(file: ShareFileClient, data: bytes, offset: int) -> None:
    file.upload_range(data, offset, len(data))


def mixed(share: ShareClient, name: str = "mixed") -> tuple[ShareFileClient, Ranges]:
    """Zeros and others, parts of blocks and whole ones, some of them cleared."""
    file = share.get_file_client(name)
    file.create_file(100_000)
    for offset, length in ((0, 512), (5000, 5), (9000, 30_000), (65_536, 8192)):
        put(file, bytes(length), offset)
    put(file, b"x" * 1024, 10_240)
    file.clear_range(12_800, 512)
    file.clear_range(20_480, 8192)
    return file, [(0, 511), (4608, 5119), (8704, 12_799), (13_312, 20_479), (28_672, 39_423), (65_536, 73_727)]


def test_zeros_that_were_put_are_listed(share: ShareClient) -> None:
    """A page, some bytes, blocks, and the largest range; nothing else, and read or not."""
    file = share.get_file_client("zeros")
    file.create_file(9 * MEBIBYTE)
    assert listed(file) == []
    put(file, bytes(512), 1024)
    assert listed(file) == [(1024, 1535)]
    put(file, bytes(5), 3000)
    put(file, bytes(4 * MEBIBYTE), MEBIBYTE)
    expected = [(1024, 1535), (2560, 3071), (MEBIBYTE, 5 * MEBIBYTE - 1)]
    assert listed(file) == expected
    assert file.download_file().readall() == bytes(9 * MEBIBYTE)
    assert listed(file) == expected, "to read it writes nothing"
    assert listed(file, offset=1100, length=2000) == [(1100, 1535), (2560, 3071)]


def test_what_was_cleared_is_not_listed(share: ShareClient) -> None:
    """Whole pages, in a block that has others as well; written again it is, with zeros too."""
    file = share.get_file_client("cleared")
    file.upload_file(b"x" * 20_000)
    file.clear_range(512, 1024)
    file.clear_range(4096, 8192)
    assert listed(file) == [(0, 511), (1536, 4095), (12_288, 19_999)]
    put(file, bytes(600), 1000)
    assert listed(file) == [(0, 4095), (12_288, 19_999)]
    file.clear_range(0, 19_968)
    assert listed(file) == [(19_968, 19_999)]
    file.resize_file(30_000)
    assert listed(file) == [(19_968, 20_479)]


def test_the_ends_of_a_clear_that_are_no_whole_pages_stay_listed(service: FileService, share: ShareClient) -> None:
    """They are zeros; the last page of a file is a whole one, however short."""
    file = share.get_file_client("ends")
    file.upload_file(b"x" * 10_000)
    for wanted, expected in (
        ("bytes=1000-2999", [(0, 1023), (2560, 9999)]),
        ("bytes=5000-9999", [(0, 1023), (2560, 5119)]),
        ("bytes=100-200", [(0, 1023), (2560, 5119)]),
    ):
        headers = {"x-ms-write": "clear", "x-ms-range": wanted}
        assert Raw(service)("PUT", f"{share.share_name}/ends?comp=range", headers).status_code == 201
        assert listed(file) == expected
    content = file.download_file().readall()
    assert content == b"x" * 100 + bytes(101) + b"x" * 799 + bytes(2000) + b"x" * 2000 + bytes(5000)


def test_a_file_that_is_made_with_content_has_its_ranges(service: FileService, share: ShareClient) -> None:
    """Also in place of another of which more was known."""
    mixed(share, "made")
    headers = {"x-ms-type": "file", "x-ms-content-length": "9000", "x-ms-version": "2026-06-06"}
    assert Raw(service)("PUT", f"{share.share_name}/made", headers, bytes(5000)).status_code == 201
    assert listed(share.get_file_client("made")) == [(0, 5119)]


def test_copies_and_snapshots_have_the_ranges_of_their_source(service: FileService, share: ShareClient) -> None:
    """Also one from another account, and once the file itself is another, and under another name."""
    file, expected = mixed(share)
    assert listed(file) == expected
    snapshot = str(share.create_snapshot()["snapshot"])
    copy = share.get_file_client("copy")
    mixed(share, "copy")
    put(copy, b"x", 90_000)
    copy.start_copy_from_url(file.url)
    assert listed(copy) == expected
    other = client(service, "otheraccount").create_share(share.share_name).get_file_client("abroad")
    other.start_copy_from_url(signed(file))
    assert listed(ended(other)) == expected
    part = share.get_file_client("part")
    part.create_file(8192)
    part.upload_range_from_url(signed(file), 1024, 1024, 16_384)
    assert listed(part) == [(1024, 2047)]
    file.clear_range(0, 99_840)
    renamed = file.rename_file("renamed")
    assert listed(renamed) == []
    then = ShareFileClient(share.url.rpartition("/")[0], share.share_name, "mixed", snapshot=snapshot, credential=KEY)
    assert listed(then) == expected
    assert listed(copy) == expected


def changed(file: ShareFileClient, snapshot: str) -> list[tuple[int, int, bool]]:
    parts = file.list_ranges_diff(previous_sharesnapshot=snapshot)
    return [(each.start, each.end, each.cleared) for each in parts]


def test_differences_tell_zeros_as_written_and_clears_as_cleared(share: ShareClient) -> None:
    file, expected = mixed(share)
    before = str(share.create_snapshot()["snapshot"])
    assert changed(file, before) == []
    put(file, bytes(1024), 40_960)
    put(file, bytes(512), 10_240)
    file.clear_range(65_536, 4096)
    file.clear_range(80_896, 512)
    assert changed(file, before) == [
        (10_240, 10_751, False), (40_960, 41_983, False), (65_536, 69_631, True), (80_896, 81_407, True),
    ]  # fmt: skip
    now = [*expected[:5], (40_960, 41_983), (69_632, 73_727)]
    assert listed(file) == now


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    with file_service(tmp_path) as first:
        _, expected = mixed(client(first).create_share("share"))
    with file_service(tmp_path) as second:
        file = client(second).get_share_client("share").get_file_client("mixed")
        assert listed(file) == expected
        put(file, bytes(1), 600)
        assert listed(file) == [(0, 1023), *expected[1:]]


def test_what_another_program_writes_is_listed_by_blocks(service: FileService, share: ShareClient) -> None:
    """Zeros among them; holes that it leaves are none."""
    with service.path(share.share_name, "foreign").open("wb") as other:
        other.write(bytes(5000))
        other.seek(20_480)
        other.write(b"x" * 100)
        other.truncate(40_000)
        os.fsync(other.fileno())
    assert listed(share.get_file_client("foreign")) == [(0, 8191), (20_480, 24_575)]


def test_to_read_a_hole_takes_no_room(service: FileService, share: ShareClient) -> None:
    """Not on tmpfs either, where memory that is looked at is memory that is taken."""
    file = share.get_file_client("hole")
    file.create_file(32 * MEBIBYTE)
    put(file, b"x" * MEBIBYTE, 4 * MEBIBYTE)
    disk = service.path(share.share_name, "hole")
    before = disk.stat().st_blocks
    content = file.download_file().readall()
    assert content == bytes(4 * MEBIBYTE) + b"x" * MEBIBYTE + bytes(27 * MEBIBYTE)
    assert file.download_file(offset=5 * MEBIBYTE - 10, length=20).readall() == b"x" * 10 + bytes(10)
    assert disk.stat().st_blocks == before
