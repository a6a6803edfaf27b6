"""Copies and ranges from other servers, through azure-storage-file-share: Azurite, another file server, the web."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContentSettings
from azure.storage.fileshare import ShareClient
from tests.support.azure_files import KEY, FileService, Raw, file_service
from tests.support.blobs import Azurite, Container
from tests.support.copies import ended, signed
from tests.support.origin import Origin, running_origin
from tests.support.server import running_server

from linarite.http import structured

DATA = os.urandom(9 * 1024 * 1024 + 5)
UPDATE = {"x-ms-write": "update", "x-ms-range": "bytes=0-8", "Content-Length": "0"}


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with running_origin() as running:
        yield running


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    """Another server of files."""
    with file_service(tmp_path_factory.mktemp("other")) as running:
        yield running


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, azurite: Azurite, origin: Origin, other: FileService
) -> Iterator[FileService]:  # fmt: skip
    """A server that may read from all of them."""
    sources = [azurite.url.rpartition("/")[0], f"http://{origin.place}", other.url]
    with file_service(tmp_path_factory.mktemp("files"), copy_sources=sources) as running:
        yield running


@pytest.fixture
def share(service: FileService, request: pytest.FixtureRequest) -> ShareClient:
    return share_of(service, f"s{abs(hash(request.node.name)):x}")


@pytest.fixture(autouse=True)
def _usual(origin: Origin) -> Iterator[None]:
    origin.content, origin.tag, origin.status, origin.headers = DATA, '"one"', 200, {}
    origin.asked.clear()
    yield
    origin.gate.set()


def share_of(service: FileService, name: str) -> ShareClient:
    client = ShareClient(f"{service.url}/devaccount", name, credential=KEY, retry_total=0)
    client.create_share()
    return client


def blob(container: Container, name: str, permission: str = "r") -> str:
    address, _, query = container.url(permission).partition("?")
    return f"{address}/{name}?{query}"


def source_of(error: HttpResponseError) -> tuple[int | None, str | None, str | None]:
    """Status and code of a refusal, and what it says of the source."""
    assert error.response is not None
    return error.status_code, error.error_code, error.response.headers.get("x-ms-copy-source-error-code")


@pytest.mark.operation("Copy File")
def test_a_blob_of_azurite_is_copied(share: ShareClient, azurite: Azurite) -> None:
    """With its content headers and its metadata; readers of the copy are not told the signature."""
    container = azurite.container()
    settings = ContentSettings(content_type="text/x-test", content_language="de", cache_control="no-store")
    container.put("a b/ü.bin", DATA, metadata={"Kind": "v"}, content_settings=settings)
    target = share.get_file_client("to")
    begun = target.start_copy_from_url(blob(container, "a%20b/%C3%BC.bin"))
    assert begun["copy_status"] == "pending"
    found = ended(target).get_file_properties()
    assert (found.copy.id, found.copy.status) == (begun["copy_id"], "success")
    assert found.copy.progress == f"{len(DATA)}/{len(DATA)}"
    assert found.copy.source == f"{container.address}/a%20b/%C3%BC.bin"
    assert (found.content_settings.content_type, found.content_settings.content_language) == ("text/x-test", "de")
    assert (found.content_settings.cache_control, found.metadata) == ("no-store", {"Kind": "v"})
    assert target.download_file().readall() == DATA


@pytest.mark.operation("Copy File", "Put Range from URL")
def test_a_file_of_another_server_is_copied(share: ShareClient, other: FileService) -> None:
    source = share_of(other, share.share_name).get_file_client("from")
    source.upload_file(DATA, metadata={"k": "v"})
    target = share.get_file_client("to")
    target.start_copy_from_url(signed(source), metadata={"own": "w"})
    assert ended(target).get_file_properties().metadata == {"own": "w"}
    assert target.download_file().readall() == DATA
    part = share.get_file_client("part")
    part.create_file(6000)
    answer = part.upload_range_from_url(signed(source), 100, 3000, 1000)
    assert part.download_file().readall() == bytes(100) + DATA[1000:4000] + bytes(2900)
    assert bytes(answer["content_crc64"]) == structured.crc64_bytes(DATA[1000:4000])


@pytest.mark.operation("Put Range from URL")
def test_a_range_of_a_blob(share: ShareClient, azurite: Azurite) -> None:
    container = azurite.container(b=DATA)
    target = share.get_file_client("to")
    target.create_file(len(DATA))
    url, length = blob(container, "b"), 4 * 1024 * 1024
    target.upload_range_from_url(url, 0, length, 0)
    target.upload_range_from_url(url, length, length, length)
    assert target.download_file().readall() == DATA[: 2 * length].ljust(len(DATA), b"\0")


@pytest.mark.operation("Copy File", "Put Range from URL")
def test_a_source_that_refuses_is_told_with_its_own_code(
    share: ShareClient, azurite: Azurite, other: FileService
) -> None:  # fmt: skip
    """Nothing is made and nothing is written."""
    container = azurite.container(b=DATA)
    source = share_of(other, share.share_name).get_file_client("from")
    source.upload_file(b"1")
    part = share.get_file_client("part")
    part.create_file(9)
    for url, status, code in (
        (blob(container, "none"), 404, "BlobNotFound"),
        (blob(container, "b", "w"), 403, "AuthorizationPermissionMismatch"),
        (blob(container, "b")[:-4], 403, "AuthorizationFailure"),
        (signed(share_of(other, f"{share.share_name}x").get_file_client("none")), 404, "ResourceNotFound"),
        (signed(source, "bm90IHRoZSBrZXk="), 403, "AuthenticationFailed"),
    ):
        with pytest.raises(HttpResponseError) as copied:
            share.get_file_client("to").start_copy_from_url(url)
        assert source_of(copied.value)[:2] == (status, "CannotVerifyCopySource")
        with pytest.raises(HttpResponseError) as written:
            part.upload_range_from_url(url, 0, 9, 0)
        assert source_of(written.value)[:2] == (status, "CannotVerifyCopySource")
        assert code in {source_of(copied.value)[2], source_of(written.value)[2]}
    assert [each.name for each in share.list_directories_and_files()] == ["part"]
    assert part.download_file().readall() == bytes(9)


@pytest.mark.operation("Copy File", "Abort Copy File")
def test_a_slow_source_tells_its_progress_and_is_aborted(share: ShareClient, origin: Origin) -> None:
    """The file stays, empty; a public address needs no signature."""
    origin.gate.clear()
    target = share.get_file_client("to")
    begun = target.start_copy_from_url(f"{origin.url}?token=secret&snapshot=1", metadata={"k": "v"})
    found = target.get_file_properties()
    assert (found.copy.status, found.copy.progress, found.size) == ("pending", f"0/{len(DATA)}", len(DATA))
    assert found.copy.source == f"{origin.url}?snapshot=1"
    with pytest.raises(HttpResponseError) as refused:
        target.upload_range(b"1", 0, 1)
    assert refused.value.error_code == "PendingCopyOperation"
    with pytest.raises(HttpResponseError) as refused:
        target.abort_copy(str(uuid.uuid4()))
    assert (refused.value.status_code, refused.value.error_code) == (409, "CopyIdMismatch")
    target.abort_copy(begun)
    found = target.get_file_properties()
    assert (found.copy.status, found.size, found.metadata) == ("aborted", 0, {"k": "v"})


@pytest.mark.operation("Copy File")
def test_a_source_that_changes_fails_the_copy(share: ShareClient, origin: Origin) -> None:
    """Cut off after 5 MB; when it is taken up again there is another file."""
    origin.gate.clear()
    origin.breaks = [5_000_000]
    target = share.get_file_client("to")
    target.start_copy_from_url(origin.url)
    deadline = time.monotonic() + 30
    while len(origin.asked) < 2:
        assert time.monotonic() < deadline
    origin.tag = '"two"'
    origin.gate.set()
    found = ended(target).get_file_properties()
    assert found.copy.status == "failed"
    assert found.copy.status_description.startswith("412 ConditionNotMet")
    target.upload_range(b"1", 0, 1)


@pytest.mark.operation("Put Range from URL")
def test_a_token_goes_to_the_source_and_no_further(share: ShareClient, service: FileService, origin: Origin) -> None:
    """Not to where it redirects; and nothing else of the request goes there."""
    share.get_file_client("to").create_file(9)
    path = f"{share.share_name}/to?comp=range"
    headers = {
        **UPDATE, "x-ms-source-range": "bytes=3-11", "x-ms-copy-source": origin.url,
        "x-ms-copy-source-authorization": "Bearer abc.def", "x-ms-file-request-intent": "backup",
    }  # fmt: skip
    raw = Raw(service)
    assert raw("PUT", path, headers).status_code == 201
    assert share.get_file_client("to").download_file().readall() == DATA[3:12]
    sent = {name.lower(): value for name, value in origin.asked[0][2].items()}
    assert (sent["authorization"], sent["x-ms-file-request-intent"]) == ("Bearer abc.def", "backup")
    assert set(sent) <= {
        "host", "accept", "accept-encoding", "connection", "user-agent", "range", "authorization", "x-ms-version",
        "x-ms-file-request-intent",
    }  # fmt: skip
    origin.status, origin.headers = 307, {"Location": f"http://{origin.place}/elsewhere"}
    answer = raw("PUT", path, headers)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (409, "CannotVerifyCopySource")
    assert len(origin.asked) == 2
    answer = raw("PUT", path, {**headers, "x-ms-copy-source-authorization": "Basic YTpi"})
    assert (answer.status_code, answer.headers["x-ms-copy-source-error-code"]) == (401, "InvalidAuthenticationInfo")


@pytest.mark.operation("Put Range from URL")
@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({"x-ms-source-range": "bytes=9437181-9437189"}, (416, "CannotVerifyCopySource")),
        ({"x-ms-source-if-match-crc64": "AAAAAAAAAAA="}, (412, "ConditionNotMet")),
        ({"x-ms-source-content-crc64": "AAAAAAAAAAA="}, (400, "Crc64Mismatch")),
        ({"x-ms-copy-source": "http://user:word@{}/f"}, (400, "InvalidHeaderValue")),
        ({"x-ms-copy-source": "https://{}/f"}, (401, "CannotVerifyCopySource")),
        ({"x-ms-copy-source": "http://169.254.169.254/latest?sig=a"}, (404, "CannotVerifyCopySource")),
        ({"x-ms-copy-source": "http://[{}/f"}, (400, "InvalidHeaderValue")),
    ],
)
def test_a_range_from_another_server_that_is_not_as_told_is_refused(
    share: ShareClient, service: FileService, origin: Origin, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    """And nothing is written."""
    share.get_file_client("to").create_file(9)
    usual = {**UPDATE, "x-ms-source-range": "bytes=0-8", "x-ms-copy-source": origin.url}
    given = {name: value.replace("{}", origin.place) for name, value in headers.items()}
    answer = Raw(service)("PUT", f"{share.share_name}/to?comp=range", {**usual, **given})
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == refusal
    assert share.get_file_client("to").download_file().readall() == bytes(9)


@pytest.mark.operation("Copy File")
def test_properties_come_from_a_file_elsewhere(share: ShareClient, other: FileService) -> None:
    source = share_of(other, share.share_name).get_file_client("from")
    source.upload_file(b"123", file_attributes="Hidden", file_creation_time=datetime(2020, 1, 2, tzinfo=UTC))
    target = share.get_file_client("to")
    target.start_copy_from_url(
        signed(source), file_attributes="source", file_creation_time="source", file_last_write_time="source"
    )
    found, told = ended(target).get_file_properties(), source.get_file_properties()
    assert (found.file_attributes, found.creation_time) == ("Hidden | Archive", datetime(2020, 1, 2, tzinfo=UTC))
    assert found.last_write_time == told.last_write_time


@pytest.mark.operation("Copy File")
@pytest.mark.parametrize("given", [{"file_attributes": "source"}, {"file_permission": "source"}])
def test_what_a_source_does_not_have_is_not_taken_from_it(
    share: ShareClient, origin: Origin, given: dict[str, str]
) -> None:  # fmt: skip
    """Attributes of what is no file, the permission of another server."""
    with pytest.raises(HttpResponseError) as refused:
        share.get_file_client("to").start_copy_from_url(origin.url, **given)
    assert (refused.value.status_code, refused.value.error_code) == (400, "UnsupportedHeader")
    assert list(share.list_directories_and_files()) == []


@pytest.mark.operation("Copy File")
def test_a_server_reads_from_nowhere_unless_it_is_told_to(origin: Origin) -> None:
    """The log names the setting; a copy that a restart interrupts begins anew while its source is what it was."""
    named = f"http://localhost.example.org:{origin.port}"
    with running_server() as server:
        share = share_of(FileService(server.files, server.data), "share")
        target = share.get_file_client("to")
        with pytest.raises(HttpResponseError) as refused:
            target.start_copy_from_url(f"{named}/f?sig=secret")
        assert source_of(refused.value) == (404, "CannotVerifyCopySource", "ResourceNotFound")
        assert "copy_sources" in server.log
        server.terminate()
        server.start(copy_sources=f"http://{origin.place}")
        origin.gate.clear()
        target.start_copy_from_url(f"{origin.url}?sig=secret")
        server.restart()
        assert target.get_file_properties().copy.status == "pending"
        origin.gate.set()
        assert ended(target).get_file_properties().copy.status == "success"
        assert target.download_file().readall() == DATA
        origin.gate.clear()
        target.start_copy_from_url(f"{origin.url}?sig=secret")
        server.kill9()
        origin.tag = '"two"'
        origin.gate.set()
        server.start(copy_sources=f"http://{origin.place}")
        found = ended(target).get_file_properties().copy
        assert (found.status, found.status_description.partition(" ")[0]) == ("failed", "412")
        origin.gate.clear()
        token = {"x-ms-copy-source": origin.url, "x-ms-copy-source-authorization": "Bearer secret"}
        assert Raw(FileService(server.files, server.data))("PUT", "share/to", token).status_code == 202
        server.restart()
        origin.gate.set()
        found = ended(target).get_file_properties().copy
        assert (found.status, found.status_description.startswith("503 ServerBusy")) == ("failed", True)
        assert "secret" not in server.log
        server.terminate()
        with pytest.raises(RuntimeError, match="copy_sources: 'http://\\*' is none of"):
            server.start(copy_sources="http://*")


@pytest.mark.operation("Copy File")
def test_its_own_public_address_is_no_other_server() -> None:
    """Also where the setting names it: a source there is opened by the caller's own right, and is not asked for."""
    public = "http://files.example.org:10004"
    with running_server(files_public_url=public, copy_sources=public) as server:
        share = share_of(FileService(server.files, server.data), "share")
        share.get_file_client("from").upload_file(b"content")
        target = share.get_file_client("to")
        assert target.start_copy_from_url(f"{public}/devaccount/share/from")["copy_status"] == "success"
        assert target.download_file().readall() == b"content"
