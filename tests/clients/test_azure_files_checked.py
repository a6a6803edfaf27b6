"""Bytes that are checked by CRC64 on their way, and ranges taken from another file: the real client, then refusals."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.fileshare import FileSasPermissions, ShareClient, ShareServiceClient, generate_file_sas
from tests.support.azure_files import ABSENT, KEY, FileService, Raw, file_service
from tests.support.server import running_server

from linarite.http import structured

FORM = {"x-ms-structured-body": structured.FORM}
UPDATE = {"x-ms-write": "update", "x-ms-range": "bytes=0-8"}
DATA = b"some data"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture
def share(service: FileService, request: pytest.FixtureRequest) -> ShareClient:
    name = f"s{abs(hash(request.node.name)):x}"
    client = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0)
    return client.create_share(name)


@pytest.fixture(scope="module")
def raw(service: FileService) -> Raw:
    send = Raw(service)
    send("PUT", "share?restype=share").raise_for_status()
    send("PUT", "share/f", {"x-ms-type": "file", "x-ms-content-length": "100"}).raise_for_status()
    return send


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers.get("x-ms-error-code", "")


def packed(data: bytes) -> bytes:
    """One segment, made here from the description alone."""
    crc = structured.crc64_bytes(data)
    head = struct.pack("<BQHH", 1, 13 + 10 + len(data) + 16, 1, 1)
    return head + struct.pack("<HQ", 1, len(data)) + data + crc + crc


def signed(share: ShareClient, path: str, *, read: bool = True) -> str:
    token = generate_file_sas(
        share.account_name, share.share_name, path.split("/"), account_key=KEY, expiry=datetime.now(UTC) + timedelta(1),
        permission=FileSasPermissions(read=read, write=not read),
    )  # fmt: skip
    return f"{share.url.partition('?')[0]}/{path}?{token}"


@pytest.mark.operation("Put Range", "Get File")
def test_a_large_file_is_checked_both_ways(share: ShareClient) -> None:
    """Several segments and an odd rest; what comes back by plain ranges is the same."""
    data = os.urandom(9 * 1024 * 1024 + 5)
    file = share.get_file_client("large")
    file.upload_file(data, validate_content="crc64")
    assert file.download_file().readall() == data
    share._config.max_single_get_size = share._config.max_chunk_get_size = 5 * 1024 * 1024
    again = share.get_file_client("large")
    assert again.download_file(validate_content="crc64").readall() == data
    assert again.download_file(5, 4_200_000, validate_content="crc64").readall() == data[5:4_200_005]


@pytest.mark.operation("Get File")
def test_an_answer_tells_both_lengths(raw: Raw) -> None:
    """A ranged one has the range of the data; the body is longer by its checksums."""
    answer = raw("GET", "share/f", {**FORM, "x-ms-range": "bytes=10-19"})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == "bytes 10-19/100"
    assert answer.headers["x-ms-structured-content-length"] == "10"
    assert answer.headers["x-ms-structured-body"] == structured.FORM
    assert structured.unpack(answer.content) == bytes(10)


@pytest.mark.operation("Put Range")
def test_a_range_with_a_crc64_is_checked(raw: Raw) -> None:
    right = base64.b64encode(structured.crc64_bytes(DATA)).decode()
    answer = raw("PUT", "share/f?comp=range", {**UPDATE, "x-ms-content-crc64": right}, DATA)
    assert (answer.status_code, answer.headers["x-ms-content-crc64"]) == (201, right)
    assert "content-md5" not in answer.headers
    wrong = base64.b64encode(bytes(8)).decode()
    refused = raw("PUT", "share/f?comp=range", {**UPDATE, "x-ms-content-crc64": wrong}, b"other one")
    assert code(refused) == (400, "Crc64Mismatch")
    assert f"<UserSpecifiedCrc64>{wrong}</UserSpecifiedCrc64>" in refused.text
    assert raw("GET", "share/f").content[:9] == DATA


@pytest.mark.operation("Put Range")
@pytest.mark.parametrize(
    ("headers", "body", "refusal"),
    [
        ({"x-ms-structured-content-length": "9"}, packed(DATA)[:-1] + b"\0", "Crc64Mismatch"),
        ({"x-ms-structured-content-length": "9"}, packed(DATA)[:-3], "InvalidInput"),
        ({"x-ms-structured-content-length": "9"}, packed(b"too short"[:-1]), "InvalidHeaderValue"),
        ({"x-ms-structured-content-length": "8"}, packed(DATA), "InvalidHeaderValue"),
        ({}, packed(DATA), "MissingRequiredHeader"),
        ({"x-ms-structured-body": "XSM/2.0; properties=crc64"}, packed(DATA), "InvalidHeaderValue"),
        ({"x-ms-structured-content-length": "9", "x-ms-version": "2024-11-04"}, packed(DATA), "InvalidHeaderValue"),
        ({"x-ms-structured-body": ABSENT, "x-ms-content-crc64": "AAAA"}, DATA, "InvalidHeaderValue"),
        ({"x-ms-structured-body": ABSENT, "x-ms-content-crc64": "%"}, DATA, "InvalidHeaderValue"),
    ],
)
def test_a_body_that_is_not_as_told_is_refused(raw: Raw, headers: dict[str, str], body: bytes, refusal: str) -> None:
    """And the file stays as it was."""
    before = raw("GET", "share/f").content
    answer = raw("PUT", "share/f?comp=range", {**UPDATE, **FORM, **headers}, body)
    assert code(answer) == (400, refusal)
    assert raw("GET", "share/f").content == before


@pytest.mark.operation("Put Range from URL")
def test_a_range_is_taken_from_another_file(share: ShareClient) -> None:
    """By a signature of its own; any part of the source to any place."""
    share.create_directory("dir one")
    data = os.urandom(5000)
    share.get_file_client("dir one/source").upload_file(data)
    target = share.get_file_client("target")
    target.create_file(6000)
    answer = target.upload_range_from_url(signed(share, "dir one/source"), 100, 3000, 1000)
    assert target.download_file().readall() == bytes(100) + data[1000:4000] + bytes(2900)
    assert bytes(answer["content_crc64"]) == structured.crc64_bytes(data[1000:4000])


@pytest.mark.operation("Put Range from URL")
def test_a_source_is_read_by_a_token(share: ShareClient, raw: Raw) -> None:
    """One for the source's account; nothing is read by another scheme or by one that is not good."""
    share.get_file_client("source").upload_file(DATA)
    share.get_file_client("target").create_file(9)
    headers = {**UPDATE, "x-ms-source-range": "bytes=0-8", "x-ms-copy-source": f"{share.url.partition('?')[0]}/source"}
    claims = {"aud": "https://storage.azure.com", "exp": int(time.time()) + 60}
    token = jwt.encode(claims, base64.b64decode(KEY), algorithm="HS256")
    path = f"{share.share_name}/target?comp=range"
    for given in (f"Bearer {token}x", f"Basic {token}"):
        answer = raw("PUT", path, {**headers, "x-ms-copy-source-authorization": given})
        assert code(answer) == (401, "CannotVerifyCopySource")
    assert share.get_file_client("target").download_file().readall() == bytes(9)
    answer = raw("PUT", path, {**headers, "x-ms-copy-source-authorization": f"Bearer {token}"})
    assert answer.status_code == 201
    assert share.get_file_client("target").download_file().readall() == DATA


@pytest.mark.operation("Put Range from URL")
def test_a_source_that_may_not_be_read_is_refused(share: ShareClient) -> None:
    """With what the source said."""
    share.get_file_client("source").upload_file(DATA)
    target = share.get_file_client("target")
    target.create_file(9)
    unsigned = f"{share.url.partition('?')[0]}/source"
    for url, status, why in (
        (unsigned, 401, "NoAuthenticationInformation"),
        (signed(share, "source", read=False), 403, "AuthorizationPermissionMismatch"),
        (signed(share, "source")[:-4], 403, "AuthenticationFailed"),
        (signed(share, "nothing"), 404, "ResourceNotFound"),
        ("https://elsewhere.example/share/source?sig=a", 404, "ResourceNotFound"),
    ):
        with pytest.raises(HttpResponseError) as caught:
            target.upload_range_from_url(url, 0, 9, 0)
        answer = caught.value.response
        assert answer is not None
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (status, "CannotVerifyCopySource")
        assert answer.headers["x-ms-copy-source-status-code"] == str(status)
        assert answer.headers["x-ms-copy-source-error-code"] == why
    assert target.download_file().readall() == bytes(9)


@pytest.mark.operation("Put Range from URL")
@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({"x-ms-write": "clear"}, (400, "InvalidHeaderValue")),
        ({"x-ms-source-range": ABSENT}, (400, "MissingRequiredHeader")),
        ({"x-ms-source-range": "bytes=0-7"}, (400, "InvalidHeaderValue")),
        ({"x-ms-source-range": "bytes=5-13"}, (416, "CannotVerifyCopySource")),
        ({"x-ms-range": ABSENT}, (400, "MissingRequiredHeader")),
        ({"x-ms-range": "bytes=0-4194304", "x-ms-source-range": "bytes=0-4194304"}, (413, "RequestBodyTooLarge")),
        ({"x-ms-range": "bytes=95-103"}, (416, "InvalidRange")),
        ({"x-ms-source-if-match-crc64": base64.b64encode(bytes(8)).decode()}, (412, "ConditionNotMet")),
        (
            {"x-ms-source-if-none-match-crc64": base64.b64encode(structured.crc64_bytes(DATA)).decode()},
            (412, "ConditionNotMet"),
        ),
        ({"x-ms-source-content-crc64": base64.b64encode(bytes(8)).decode()}, (400, "Crc64Mismatch")),
        ({"x-ms-source-content-crc64": "short"}, (400, "InvalidHeaderValue")),
        ({"x-ms-lease-id": "00000000-1111-2222-3333-444444444444"}, (412, "LeaseNotPresentWithFileOperation")),
    ],
)
def test_a_range_from_elsewhere_that_is_not_as_told_is_refused(
    share: ShareClient, raw: Raw, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    """And the file stays as it was."""
    share.get_file_client("source").upload_file(DATA)
    before = raw("GET", "share/f").content
    usual = {**UPDATE, "x-ms-source-range": "bytes=0-8", "x-ms-copy-source": signed(share, "source")}
    assert code(raw("PUT", "share/f?comp=range", {**usual, **headers})) == refusal
    assert raw("GET", "share/f").content == before


def test_md5_is_told_only_where_one_was_sent_if_so_set(tmp_path: Path) -> None:
    """`--files-md5 asked` spares the work: what is sent is checked and told as ever."""
    with running_server(files_md5="asked") as server:
        raw = Raw(FileService(server.files, tmp_path))
        raw("PUT", "share?restype=share")
        raw("PUT", "share/f", {"x-ms-type": "file", "x-ms-content-length": "5"})
        put = {"x-ms-write": "update", "x-ms-range": "bytes=0-4"}
        plain = raw("PUT", "share/f?comp=range", put, b"plain")
        assert (plain.status_code, plain.headers.get("content-md5")) == (201, None)
        wrong, right = (base64.b64encode(hashlib.md5(text).digest()).decode() for text in (b"other", b"right"))
        refused = raw("PUT", "share/f?comp=range", {**put, "Content-MD5": wrong}, b"right")
        assert (refused.status_code, refused.headers["x-ms-error-code"]) == (400, "Md5Mismatch")
        assert raw("GET", "share/f").content == b"plain"
        told = raw("PUT", "share/f?comp=range", {**put, "Content-MD5": right}, b"right")
        assert (told.status_code, told.headers["content-md5"]) == (201, right)
