"""azure-storage-file-share, unmodified, against the face over real sockets: path style and host style."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.fileshare import (
    AccessPolicy,
    AccountSasPermissions,
    ContentSettings,
    FileSasPermissions,
    ResourceTypes,
    ShareClient,
    ShareFileClient,
    ShareSasPermissions,
    ShareServiceClient,
    generate_account_sas,
    generate_file_sas,
    generate_share_sas,
)  # fmt: skip
from tests.support.azure_files import KEY, FileService, file_service


class HostStyleTransport(RequestsTransport):
    """Connects to the service whatever the host is, and keeps the Host header."""

    def __init__(self, service: FileService) -> None:
        super().__init__()
        self._netloc = urlsplit(service.url).netloc

    def send(self, request: Any, **kwargs: Any) -> Any:
        parts = urlsplit(request.url)
        request.headers["Host"] = parts.netloc
        request.url = urlunsplit(("http", self._netloc, parts.path, parts.query, ""))
        return super().send(request, **kwargs)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture(params=["path", "host"])
def client(request: pytest.FixtureRequest, service: FileService) -> ShareServiceClient:
    """A client for an account of this test's own."""
    account = f"t{hashlib.sha256(request.node.name.encode()).hexdigest()[:16]}"
    if request.param == "path":
        return ShareServiceClient(f"{service.url}/{account}", credential=KEY, retry_total=0)
    url = f"https://{account}.file.core.windows.net"
    return ShareServiceClient(url, credential=KEY, retry_total=0, transport=HostStyleTransport(service))


@pytest.fixture
def share(client: ShareServiceClient) -> ShareClient:
    return client.create_share("share")


def on_disk(service: FileService, share: ShareClient, path: str) -> Path:
    return service.path(share.share_name, path, share.account_name)


def ranges_of(file: ShareFileClient) -> list[tuple[int, int]]:
    return [(each.start, each.end) for each in file.list_ranges()]


def test_an_uploaded_file_is_an_ordinary_file(service: FileService, share: ShareClient) -> None:
    """What a client puts in can be read with cat, under its own name."""
    share.create_directory("dir one").upload_file("Grüße.txt", b"hello\n" * 1000, metadata={"Key": "v"})
    assert on_disk(service, share, "dir one/Grüße.txt").read_bytes() == b"hello\n" * 1000
    found = share.get_file_client("dir one/Grüße.txt").get_file_properties()
    assert (found.metadata, found.size, found.server_encrypted) == ({"Key": "v"}, 6000, True)


def test_a_file_put_there_by_cp_is_served(service: FileService, share: ShareClient, tmp_path: Path) -> None:
    """A foreign file has the defaults; when it changes outside, its tag does."""
    source = tmp_path / "x"
    source.write_bytes(b"from outside")
    shutil.copy(source, on_disk(service, share, "Foreign.bin"))
    file = share.get_file_client("Foreign.bin")
    first = file.get_file_properties()
    assert file.download_file().readall() == b"from outside"
    assert (first.metadata, first.content_settings.content_type) == ({}, "application/octet-stream")
    assert first.lease.state == "available"
    assert [each.name for each in share.list_directories_and_files()] == ["Foreign.bin"]
    with on_disk(service, share, "Foreign.bin").open("ab") as other:
        other.write(b", changed")
    assert file.get_file_properties().etag != first.etag
    assert file.download_file().readall() == b"from outside, changed"


def test_names_keep_their_case_and_ignore_it(share: ShareClient) -> None:
    """One file under every spelling; the listing shows the first one."""
    share.create_directory("Dir").upload_file("File.TXT", b"1")
    assert share.get_file_client("dIR/fILE.txt").download_file().readall() == b"1"
    share.get_file_client("DIR/FILE.TXT").upload_file(b"22")
    assert [(each.name, each.size) for each in share.list_directories_and_files("dir")] == [("File.TXT", 2)]
    with pytest.raises(ResourceExistsError):
        share.create_directory("DIR")


def test_a_name_is_respelled_by_a_rename(share: ShareClient) -> None:
    """A rename that changes nothing but the case of letters, of a file and of a directory."""
    share.create_directory("dir").upload_file("file", b"1")
    share.get_file_client("dir/file").rename_file("dir/FILE")
    share.get_directory_client("dir").rename_directory("DIR")
    assert [each.name for each in share.list_directories_and_files()] == ["DIR"]
    assert [each.name for each in share.list_directories_and_files("dir")] == ["FILE"]
    assert share.get_file_client("dir/file").download_file().readall() == b"1"


def test_exact_case_wins_where_both_stand(service: FileService, share: ShareClient) -> None:
    """Other programs may put `a` beside `A`: each is found by its name, any other spelling means the first in order."""
    on_disk(service, share, "aa").write_bytes(b"small")
    on_disk(service, share, "AA").write_bytes(b"large")
    read = [share.get_file_client(name).download_file().readall() for name in ("aa", "AA", "aA")]
    assert read == [b"small", b"large", b"large"]


def test_a_large_file_goes_in_ranges_and_comes_back(share: ShareClient) -> None:
    """More than one range up, more than one down, over several connections."""
    data = os.urandom(9 * 1024 * 1024 + 17)
    file = share.get_file_client("big")
    file.upload_file(data, max_concurrency=3)
    assert file.download_file(max_concurrency=3).readall() == data
    assert file.download_file(offset=5_000_000, length=1_000_000).readall() == data[5_000_000:6_000_000]


def test_unwritten_and_cleared_bytes_read_as_zero(service: FileService, share: ShareClient) -> None:
    """A sparse file of 1 TiB costs no disk; clearing gives zeros and the list of ranges tells what is written."""
    file = share.get_file_client("sparse")
    file.create_file(1024**4)
    file.upload_range(b"x" * 8192, offset=4096, length=8192)
    file.clear_range(offset=4096, length=4096)
    assert file.download_file(offset=0, length=8192).readall() == bytes(8192)
    assert file.download_file(offset=8192, length=4096).readall() == b"x" * 4096
    assert ranges_of(file) == [(8192, 12287)]
    assert on_disk(service, share, "sparse").stat().st_blocks * 512 < 1024**2


def test_ranges_are_listed_by_pages_of_512(share: ShareClient) -> None:
    """Five bytes written are a page; adjacent pages are one range; the end of the file ends the last."""
    file = share.get_file_client("f")
    file.create_file(5000)
    file.upload_range(b"abcde", offset=0, length=5)
    file.upload_range(b"abcde", offset=4995, length=5)
    assert ranges_of(file) == [(0, 511), (4608, 4999)]


def test_put_range_outside_the_file_is_refused(share: ShareClient) -> None:
    """A range never grows a file."""
    file = share.get_file_client("f")
    file.create_file(100)
    with pytest.raises(HttpResponseError) as refused:
        file.upload_range(b"x" * 10, offset=95, length=10)
    assert (refused.value.status_code, refused.value.error_code) == (416, "InvalidRange")
    assert file.download_file().readall() == bytes(100)


def test_content_settings_and_md5_survive(share: ShareClient) -> None:
    """Stored headers come back; the MD5 is what the client stored."""
    digest = bytearray(hashlib.md5(b"hello").digest())
    settings = ContentSettings("text/plain", "gzip", "en", "inline", "no-cache", digest)
    file = share.get_file_client("f")
    file.upload_file(b"hello", content_settings=settings)
    found = file.get_file_properties().content_settings
    assert (found.content_type, found.content_encoding, found.content_language) == ("text/plain", "gzip", "en")
    assert (found.content_disposition, found.cache_control, found.content_md5) == ("inline", "no-cache", digest)


def test_the_md5_of_a_file_changed_outside_is_not_shown(service: FileService, share: ShareClient) -> None:
    """A stored MD5 that belongs to other bytes would be a lie."""
    file = share.get_file_client("f")
    file.upload_file(b"hello", content_settings=ContentSettings(content_md5=bytearray(16)))
    assert file.get_file_properties().content_settings.content_md5 == bytearray(16)
    on_disk(service, share, "f").write_bytes(b"other")
    assert file.get_file_properties().content_settings.content_md5 is None


def test_a_lease_protects_a_file(share: ShareClient) -> None:
    """Without its id nothing changes; a reading that names another id is refused; broken, it protects no more."""
    file = share.get_file_client("f")
    file.upload_file(b"hello")
    before = file.get_file_properties().etag
    lease = file.acquire_lease()
    for attempt in (file.delete_file, lambda: file.upload_range(b"x", offset=0, length=1), lambda: file.create_file(1)):
        with pytest.raises(HttpResponseError) as refused:
            attempt()
        assert (refused.value.status_code, refused.value.error_code) == (412, "LeaseIdMissing")
    with pytest.raises(HttpResponseError) as refused:
        file.download_file(lease="00000000-1111-2222-3333-444444444444")
    assert refused.value.error_code == "LeaseIdMismatchWithFileOperation"
    found = file.get_file_properties(lease=lease)
    assert (found.lease.state, found.lease.status, found.lease.duration) == ("leased", "locked", "infinite")
    assert (found.etag, file.download_file(lease=lease).readall()) == (before, b"hello")
    lease.break_lease()
    file.delete_file()


def test_a_copy_brings_content_and_facts(share: ShareClient) -> None:
    """A copy within the account is finished at once, and says where it came from."""
    source = share.get_file_client("a b")
    source.upload_file(b"hello", metadata={"k": "v"}, content_settings=ContentSettings("text/plain"))
    target = share.get_file_client("copy")
    assert target.start_copy_from_url(source.url)["copy_status"] == "success"
    found = target.get_file_properties()
    assert (found.copy.status, found.copy.progress, found.metadata) == ("success", "5/5", {"k": "v"})
    assert (found.copy.source, found.content_settings.content_type) == (source.url, "text/plain")
    assert target.download_file().readall() == b"hello"


def test_listing_comes_in_pages(share: ShareClient) -> None:
    """Directories and files in the order of their names, a prefix, and pages that neither skip nor repeat."""
    for name in ("b", "A", "c", "ab"):
        share.get_file_client(name).create_file(0)
    share.create_directory("aa")
    pages = share.list_directories_and_files(results_per_page=2).by_page()
    assert [{each.name for each in page} for page in pages] == [{"A", "aa"}, {"ab", "b"}, {"c"}]
    assert {each.name for each in share.list_directories_and_files(name_starts_with="a")} == {"A", "aa", "ab"}


def test_a_directory_with_something_in_it_stays(share: ShareClient) -> None:
    """Deleting it is refused until it is empty; a missing parent has its own code."""
    directory = share.create_directory("d")
    directory.upload_file("f", b"1")
    with pytest.raises(HttpResponseError) as refused:
        directory.delete_directory()
    assert refused.value.error_code == "DirectoryNotEmpty"
    directory.delete_file("f")
    directory.delete_directory()
    with pytest.raises(ResourceNotFoundError) as missing:
        share.get_file_client("d/f").create_file(1)
    assert missing.value.error_code == "ParentNotFound"


def test_rename_keeps_id_content_and_facts(share: ShareClient) -> None:
    """A file moves with what is known of it, a directory with what is in it."""
    share.create_directory("old").upload_file("f", b"1", metadata={"k": "v"})
    before = share.get_file_client("old/f").get_file_properties()
    share.get_directory_client("old").rename_directory("new")
    after = share.get_file_client("new/f").get_file_properties()
    assert (after.file_id, after.metadata, after.etag) == (before.file_id, {"k": "v"}, before.etag)
    moved = share.get_file_client("new/f").rename_file("g").get_file_properties()
    assert (moved.file_id, moved.metadata, moved.creation_time) == (before.file_id, {"k": "v"}, before.creation_time)
    assert moved.etag != before.etag


def test_times_and_attributes_are_kept(share: ShareClient) -> None:
    """SMB properties that a client sets come back to 100 ns."""
    moment = "2020-03-04T05:06:07.1234567Z"
    file = share.get_file_client("f")
    file.create_file(1, file_attributes="ReadOnly|Hidden", file_creation_time=moment, file_last_write_time=moment)
    found = file.get_file_properties()
    assert found.file_attributes == "ReadOnly | Hidden | Archive"
    assert found.creation_time == found.last_write_time == datetime(2020, 3, 4, 5, 6, 7, 123456, UTC)
    with pytest.raises(HttpResponseError) as refused:
        file.delete_file()
    assert refused.value.error_code == "ReadOnlyAttribute"


def test_a_snapshot_never_changes(share: ShareClient) -> None:
    """It shows the share as it was, when the file is gone as well."""
    share.get_file_client("f").upload_file(b"before", metadata={"k": "v"})
    taken = share.create_snapshot()["snapshot"]
    share.get_file_client("f").upload_file(b"after")
    with pytest.raises(ResourceExistsError) as refused:
        share.delete_share()
    assert refused.value.error_code == "ShareHasSnapshots"
    old = ShareFileClient(
        share.url.rpartition("/")[0], share.share_name, "f", snapshot=taken, credential=KEY,
        transport=share._pipeline._transport,
    )  # fmt: skip
    assert old.download_file().readall() == b"before"
    assert old.get_file_properties().metadata == {"k": "v"}
    share.delete_share(delete_snapshots=True)


def test_a_long_name_is_kept_whole(share: ShareClient) -> None:
    """255 characters may be 765 bytes: the disk has it escaped, the listing whole, in any case."""
    name = "Ю" * 255
    share.get_file_client(name).upload_file(b"1")
    assert [each.name for each in share.list_directories_and_files()] == [name]
    assert share.get_file_client(name.lower()).download_file().readall() == b"1"
    share.get_file_client(name).delete_file()
    assert list(share.list_directories_and_files()) == []


def test_trailing_dots_are_trimmed_unless_kept(share: ShareClient) -> None:
    """`a.` means `a`, unless the client says that dots count."""
    share.get_file_client("a...").upload_file(b"1")
    assert [each.name for each in share.list_directories_and_files()] == ["a"]
    dotted = ShareClient(
        share.url.rpartition("/")[0], share.share_name, credential=KEY, allow_trailing_dot=True,
        transport=share._pipeline._transport,
    )  # fmt: skip
    dotted.get_file_client("b.").upload_file(b"2")
    assert [each.name for each in dotted.list_directories_and_files()] == ["a", "b."]


def later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def test_a_signature_allows_what_it_says(share: ShareClient) -> None:
    """A file's, a share's, an account's: each reads; none of them writes."""
    share.get_file_client("f").upload_file(b"hello")
    account = share.account_name
    tokens = [
        generate_file_sas(
            account, share.share_name, ["f"], KEY, permission=FileSasPermissions(read=True), expiry=later()
        ),
        generate_share_sas(account, share.share_name, KEY, permission=ShareSasPermissions(read=True), expiry=later()),
        generate_account_sas(account, KEY, ResourceTypes(object=True), AccountSasPermissions(read=True), later()),
    ]
    for token in tokens:
        file = ShareFileClient(
            share.url.rpartition("/")[0], share.share_name, "f", credential=token, transport=share._pipeline._transport
        )
        assert file.download_file().readall() == b"hello"
        with pytest.raises(HttpResponseError) as refused:
            file.upload_range(b"x", offset=0, length=1)
        assert refused.value.error_code == "AuthorizationPermissionMismatch"


def test_a_signature_by_a_stored_policy_ends_with_it(share: ShareClient) -> None:
    """The terms come from the policy; once it is gone, the signature is worth nothing."""
    share.get_file_client("f").upload_file(b"hello")
    share.set_share_access_policy({"p": AccessPolicy(ShareSasPermissions(read=True), later())})
    token = generate_file_sas(share.account_name, share.share_name, ["f"], KEY, policy_id="p")
    file = ShareFileClient(
        share.url.rpartition("/")[0], share.share_name, "f", credential=token, transport=share._pipeline._transport
    )
    assert file.download_file().readall() == b"hello"
    share.set_share_access_policy({})
    with pytest.raises(HttpResponseError) as refused:
        file.download_file()
    assert refused.value.error_code == "AuthenticationFailed"


def test_facts_survive_a_restart(tmp_path: Path) -> None:
    """Metadata, leases and tags are the same when the server comes back."""
    with file_service(tmp_path) as service:
        share = ShareServiceClient(f"{service.url}/devaccount", credential=KEY).create_share("kept")
        file = share.get_file_client("f")
        file.upload_file(b"hello", metadata={"k": "v"})
        lease = file.acquire_lease()
        before = file.get_file_properties()
    with file_service(tmp_path) as service:
        file = ShareFileClient(f"{service.url}/devaccount", "kept", "f", credential=KEY)
        after = file.get_file_properties(lease=lease.id)
        assert (after.metadata, after.etag, after.file_id) == (before.metadata, before.etag, before.file_id)
        assert (after.lease.state, file.download_file().readall()) == ("leased", b"hello")


def test_a_directory_does_not_move_into_itself(share: ShareClient) -> None:
    """Refused in any spelling; everything stays where it is."""
    share.create_directory("d").create_subdirectory("e").upload_file("f", b"1", metadata={"a": "b"})
    for inside in ("d/x", "D/E/x"):
        with pytest.raises(HttpResponseError) as refused:
            share.get_directory_client("d").rename_directory(inside)
        assert refused.value.response is not None
        assert (refused.value.status_code, refused.value.response.headers["x-ms-error-code"]) == (400, "InvalidInput")
    assert share.get_file_client("d/e/f").get_file_properties().metadata == {"a": "b"}
