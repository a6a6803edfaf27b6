"""List Ranges against an earlier snapshot: what was written and what was cleared, by the real client; then refusals."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.fileshare import ShareClient, ShareFileClient, ShareServiceClient
from tests.support.azure_files import KEY, FileService, Raw, file_service

pytestmark = pytest.mark.operation("List Ranges")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture
def share(service: FileService, request: pytest.FixtureRequest) -> ShareClient:
    client = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0)
    return client.create_share(f"s{abs(hash(request.node.name)):x}")


def since(
    file: ShareFileClient, snapshot: str, **options: object
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Written and cleared parts."""
    written, cleared = file.get_ranges_diff(previous_sharesnapshot=snapshot, **options)
    return [(each["start"], each["end"]) for each in written], [(each["start"], each["end"]) for each in cleared]


def snapshot(share: ShareClient) -> str:
    return str(share.create_snapshot()["snapshot"])


def refused(file: ShareFileClient, previous: str, **options: object) -> tuple[int | None, str | None]:
    with pytest.raises(HttpResponseError) as caught:
        file.get_ranges_diff(previous_sharesnapshot=previous, **options)
    assert caught.value.response is not None
    return caught.value.status_code, caught.value.response.headers["x-ms-error-code"]


def test_what_was_written_and_cleared_since(share: ShareClient) -> None:
    """A page that was cleared counts though it was empty at the snapshot, but not since a later one."""
    file = share.get_file_client("f")
    file.create_file(4000)
    first = snapshot(share)
    file.upload_range(b"x" * 1536, 0, 1536)
    second = snapshot(share)
    file.clear_range(512, 512)
    third = snapshot(share)
    file.upload_range(b"y" * 4, 3996, 4)
    assert since(file, first) == ([(0, 511), (1024, 1535), (3584, 3999)], [(512, 1023)])
    assert since(file, second) == ([(3584, 3999)], [(512, 1023)])
    assert since(file, third) == ([(3584, 3999)], [])
    assert since(file, first, offset=600, length=1000) == ([(1024, 1535)], [(600, 1023)])
    earlier = ShareFileClient(share.url.rpartition("/")[0], share.share_name, "f", snapshot=third, credential=KEY)
    assert since(earlier, second) == ([], [(512, 1023)])
    parts = [(each.start, each.end, each.cleared) for each in file.list_ranges_diff(previous_sharesnapshot=first)]
    assert parts == [(0, 511, False), (512, 1023, True), (1024, 1535, False), (3584, 3999, False)]


def test_a_file_that_was_renamed_is_followed_when_asked(share: ShareClient) -> None:
    """Itself, or by a directory above it."""
    share.create_directory("dir")
    file = share.get_file_client("dir/f")
    file.upload_file(b"x" * 1024)
    before = snapshot(share)
    file.upload_range(b"y" * 512, 512, 512)
    moved = file.rename_file("dir/g")
    share.get_directory_client("dir").rename_directory("other")
    moved = share.get_file_client("other/g")
    assert refused(moved, before) == (409, "PreviousSnapshotNotFound")
    assert refused(moved, before, include_renames=False) == (409, "PreviousSnapshotNotFound")
    assert since(moved, before, include_renames=True) == ([(512, 1023)], [])


def test_a_file_that_was_made_anew_has_no_earlier_one(share: ShareClient) -> None:
    """Whatever the way; nor has one that was not there, nor any since a snapshot that never was."""
    for name in ("created", "copied", "source"):
        share.get_file_client(name).upload_file(b"x" * 512)
    before = snapshot(share)
    share.get_file_client("created").upload_file(b"x" * 512)
    share.get_file_client("copied").start_copy_from_url(share.get_file_client("source").url)
    share.get_file_client("new").upload_file(b"x")
    for name in ("created", "copied", "new"):
        assert refused(share.get_file_client(name), before, include_renames=True) == (409, "PreviousSnapshotNotFound")
    source = share.get_file_client("source")
    assert since(source, before) == ([], [])
    assert refused(source, "2020-01-01T00:00:00.0000000Z") == (409, "PreviousSnapshotNotFound")
    with pytest.raises(ResourceExistsError):
        share.delete_share()


def test_a_file_of_another_program_is_compared_by_its_path(service: FileService, share: ShareClient) -> None:
    """The zeros that it wrote were written, the holes that it left are cleared."""
    path: Path = service.path(share.share_name, "foreign")
    path.write_bytes(b"a" * 1024)
    before = snapshot(share)
    path.write_bytes(b"a" * 512 + bytes(512) + b"b")
    assert since(share.get_file_client("foreign"), before) == ([(512, 1024)], [])
    path.write_bytes(b"")
    os.truncate(path, 2000)
    assert since(share.get_file_client("foreign"), before) == ([], [(0, 1023)])


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers.get("x-ms-error-code", "")


def test_what_is_no_earlier_snapshot_is_refused(service: FileService, share: ShareClient) -> None:
    raw, name = Raw(service), share.share_name
    share.get_file_client("f").upload_file(b"x")
    first, second = snapshot(share), snapshot(share)
    path = f"{name}/f?comp=rangelist"
    assert code(raw("GET", f"{path}&prevsharesnapshot=soon")) == (400, "InvalidQueryParameterValue")
    late = raw("GET", f"{path}&sharesnapshot={first}&prevsharesnapshot={second}")
    assert code(late) == (400, "InvalidQueryParameterValue")
    assert code(raw("GET", path, {"x-ms-file-support-rename": "true"})) == (400, "UnsupportedHeader")
    answer = raw("GET", f"{path}&prevsharesnapshot={first}", {"x-ms-file-support-rename": "maybe"})
    assert code(answer) == (400, "InvalidHeaderValue")
