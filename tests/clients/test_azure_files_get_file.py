"""Get File header by header, over raw signed requests. Source: the page "Get File"."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from tests.support.azure_files import FileService, Raw, file_service

DATA = bytes(range(256)) * 40
MIB = 1024 * 1024
LEASE = "00000000-1111-2222-3333-444444444444"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture(scope="module")
def raw(service: FileService) -> Raw:
    """A share with a small file that has everything, a leased one, and a large one that is a hole."""
    send = Raw(service)
    send("PUT", "share?restype=share").raise_for_status()
    settings = {
        "x-ms-content-type": "text/plain", "x-ms-content-encoding": "identity", "x-ms-content-language": "en",
        "x-ms-cache-control": "no-cache", "x-ms-content-disposition": "attachment", "x-ms-meta-m1": "v1",
        "x-ms-content-md5": base64.b64encode(hashlib.md5(DATA).digest()).decode(),
    }  # fmt: skip
    for name, size, more in (("f", len(DATA), settings), ("leased", 10, {}), ("big", 10 * MIB, {}), ("empty", 0, {})):
        headers = {"x-ms-type": "file", "x-ms-content-length": str(size), **more}
        send("PUT", f"share/{name}", headers).raise_for_status()
    put = {"x-ms-write": "update", "x-ms-range": f"bytes=0-{len(DATA) - 1}"}
    send("PUT", "share/f?comp=range", put, DATA).raise_for_status()
    acquire = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1", "x-ms-proposed-lease-id": LEASE}
    send("PUT", "share/leased?comp=lease", acquire).raise_for_status()
    return send


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check a refusal's status, code and shape; returns the elements of its body."""
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (status, code), answer.text
    root = ET.fromstring(answer.text)
    found = {child.tag: child.text for child in root}
    assert (root.tag, found["Code"]) == ("Error", code)
    assert f"RequestId:{answer.headers['x-ms-request-id']}" in (found["Message"] or "")
    return found


def test_get_file_without_range_is_200_with_every_header(raw: Raw) -> None:
    """The whole file, its stored headers and MD5, and the SMB and lease properties."""
    answer = raw("GET", "share/f")
    assert (answer.status_code, answer.content) == (200, DATA)
    expected = {
        "content-type": "text/plain", "content-encoding": "identity", "content-language": "en",
        "cache-control": "no-cache", "content-disposition": "attachment", "content-length": str(len(DATA)),
        "content-md5": base64.b64encode(hashlib.md5(DATA).digest()).decode(), "accept-ranges": "bytes",
        "x-ms-meta-m1": "v1", "x-ms-type": "File", "x-ms-server-encrypted": "true", "x-ms-version": "2025-01-05",
        "x-ms-lease-state": "available", "x-ms-lease-status": "unlocked", "x-ms-file-attributes": "Archive",
        "x-ms-file-parent-id": "0", "server": "Windows-Azure-File/1.0 Microsoft-HTTPAPI/2.0",
    }  # fmt: skip
    assert expected.items() <= dict(answer.headers).items()
    for name in ("creation-time", "last-write-time", "change-time", "permission-key", "id"):
        assert answer.headers[f"x-ms-file-{name}"]
    assert answer.headers["etag"].startswith('"0x')
    assert answer.headers["last-modified"].endswith(" GMT")
    for name in ("content-range", "x-ms-content-md5", "x-ms-copy-id", "x-ms-lease-duration"):
        assert name not in answer.headers
    for name in ("date", "server", "x-ms-request-id"):
        assert len(answer.headers.get_list(name)) == 1


@pytest.mark.parametrize(
    ("headers", "start", "end"),
    [
        ({"Range": "bytes=10-19"}, 10, 19),
        ({"x-ms-range": "bytes=10-19"}, 10, 19),
        ({"Range": "bytes=0-1", "x-ms-range": "bytes=10-19"}, 10, 19),
        ({"x-ms-range": "bytes=10000-"}, 10000, len(DATA) - 1),
        ({"x-ms-range": "bytes=10000-99999999"}, 10000, len(DATA) - 1),
    ],
)
def test_get_file_with_a_range_is_206(raw: Raw, headers: dict[str, str], start: int, end: int) -> None:
    """x-ms-range goes before Range; the end is cut to the file's; the whole file's MD5 has its own header."""
    answer = raw("GET", "share/f", headers)
    assert (answer.status_code, answer.content) == (206, DATA[start : end + 1])
    assert answer.headers["content-range"] == f"bytes {start}-{end}/{len(DATA)}"
    assert answer.headers["x-ms-content-md5"] == base64.b64encode(hashlib.md5(DATA).digest()).decode()
    assert "content-md5" not in answer.headers


def test_get_file_range_with_md5_is_that_of_the_range(raw: Raw) -> None:
    """Content-MD5 is the range's, x-ms-content-md5 the file's."""
    answer = raw("GET", "share/f", {"x-ms-range": "bytes=5-9", "x-ms-range-get-content-md5": "True"})
    assert answer.headers["content-md5"] == base64.b64encode(hashlib.md5(DATA[5:10]).digest()).decode()
    assert answer.headers["x-ms-content-md5"] != answer.headers["content-md5"]


def test_get_file_with_md5_of_exactly_4_mib_is_answered(raw: Raw) -> None:
    """4 MiB is the limit, not over it; a hole's MD5 is that of zeros."""
    headers = {"x-ms-range": f"bytes=1-{4 * MIB}", "x-ms-range-get-content-md5": "true"}
    answer = raw("GET", "share/big", headers)
    assert answer.headers["content-md5"] == base64.b64encode(hashlib.md5(bytes(4 * MIB)).digest()).decode()


@pytest.mark.parametrize("wanted", [f"bytes=0-{4 * MIB}", "bytes=0-"])
def test_get_file_with_md5_over_4_mib_is_refused(raw: Raw, wanted: str) -> None:
    """Whether the end is named or not."""
    answer = raw("GET", "share/big", {"x-ms-range": wanted, "x-ms-range-get-content-md5": "true"})
    refused(answer, 400, "OutOfRangeInput")


def test_get_file_with_md5_and_no_range_is_refused(raw: Raw) -> None:
    """The header means nothing by itself; `false` asks for nothing, another word is no value."""
    found = refused(raw("GET", "share/f", {"x-ms-range-get-content-md5": "true"}), 400, "InvalidHeaderValue")
    assert found["HeaderName"] == "x-ms-range-get-content-md5"
    assert raw("GET", "share/f", {"x-ms-range-get-content-md5": "false"}).status_code == 200
    refused(raw("GET", "share/f", {"x-ms-range-get-content-md5": "maybe"}), 400, "InvalidHeaderValue")


@pytest.mark.parametrize(("name", "wanted"), [("f", f"bytes={len(DATA)}-"), ("empty", "bytes=0-0")])
def test_get_file_with_a_range_past_the_end_is_416(raw: Raw, name: str, wanted: str) -> None:
    """Any range of an empty file is past its end."""
    refused(raw("GET", f"share/{name}", {"x-ms-range": wanted}), 416, "InvalidRange")


@pytest.mark.parametrize("wanted", ["bytes=-5", "bytes=9-5", "bytes=0-1,4-5", "items=0-1", "bytes=a-b"])
def test_get_file_with_a_malformed_range_is_refused(raw: Raw, wanted: str) -> None:
    """Two forms are known."""
    refused(raw("GET", "share/f", {"x-ms-range": wanted}), 400, "InvalidHeaderValue")


def test_get_file_of_a_hole_is_zeros(raw: Raw) -> None:
    """Bytes that were never written are 0."""
    assert raw("GET", "share/big").content == bytes(10 * MIB)


def test_get_file_of_a_leased_file_tells_so(raw: Raw) -> None:
    """Reading needs no lease; its headers tell of it."""
    for headers in ({}, {"x-ms-lease-id": LEASE.upper()}):
        answer = raw("GET", "share/leased", headers)
        assert answer.status_code == 200
        found = [answer.headers[f"x-ms-lease-{name}"] for name in ("state", "status", "duration")]
        assert found == ["leased", "locked", "infinite"]


@pytest.mark.parametrize(
    ("name", "code"), [("leased", "LeaseIdMismatchWithFileOperation"), ("f", "LeaseNotPresentWithFileOperation")]
)
def test_get_file_with_another_lease_is_412(raw: Raw, name: str, code: str) -> None:
    """A lease that is named must be the active one."""
    refused(raw("GET", f"share/{name}", {"x-ms-lease-id": LEASE.replace("4", "5")}), 412, code)


def test_get_file_with_a_malformed_lease_is_refused(raw: Raw) -> None:
    """A lease id is a GUID."""
    refused(raw("GET", "share/f", {"x-ms-lease-id": "mine"}), 400, "InvalidHeaderValue")


def test_head_tells_what_get_tells(raw: Raw) -> None:
    """The same headers, the size, and no body."""
    head, get = raw("HEAD", "share/f"), raw("GET", "share/f")
    changing = {"x-ms-request-id", "date", "accept-ranges"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in get.headers.items() if k not in changing
    }
    assert head.content == b""


def test_head_of_a_missing_file_has_its_code_in_a_header(raw: Raw) -> None:
    """No body comes with HEAD."""
    answer = raw("HEAD", "share/none")
    assert (answer.status_code, answer.headers["x-ms-error-code"], answer.content) == (404, "ResourceNotFound", b"")


@pytest.mark.parametrize(
    ("given", "echoed"),
    [("my id", None), ("x" * 1024, "x" * 1024), ("x" * 1025, None), ("a-b_c~!", "a-b_c~!"), ("tab\there", None)],
)
def test_client_request_id_is_echoed_when_visible_ascii(raw: Raw, given: str, echoed: str | None) -> None:
    """At most 1,024 visible characters; otherwise there is no such header in the answer, also in a refusal."""
    for path in ("share/f", "share/none"):
        assert raw("GET", path, {"x-ms-client-request-id": given}).headers.get("x-ms-client-request-id") == echoed
    assert "x-ms-client-request-id" not in raw("GET", "share/f").headers


def test_get_file_in_every_address_style(raw: Raw) -> None:
    """Host style, an encoded separator, doubled separators, other case: one file."""
    raw("PUT", "share/dir?restype=directory")
    raw("PUT", "share/dir/x", {"x-ms-type": "file", "x-ms-content-length": "3"})
    for path in ("share/dir/x", "share/dir%2Fx", "share//dir//x", "share/DIR/X", "share/dir./x.", "share/%64ir/x"):
        assert raw("GET", path).content == bytes(3), path
        assert raw("GET", path, host="devaccount.file.core.windows.net").content == bytes(3), path
    kept = raw("GET", "share/dir/x.", {"x-ms-allow-trailing-dot": "true"})
    refused(kept, 404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("share/none", 404, "ResourceNotFound"),
        ("share/none/f", 404, "ParentNotFound"),
        ("share/f/f", 404, "ParentNotFound"),
        ("absent/f", 404, "ShareNotFound"),
        ("share/%2e%2e%2fshare%2ff", 400, "InvalidResourceName"),
        ("share/%2e%2e/%2e%2e/store.db", 400, "InvalidResourceName"),
        ("share/a%00b", 400, "InvalidResourceName"),
        ("share/a%5Cb", 400, "InvalidResourceName"),
        ("share/a:b", 400, "InvalidResourceName"),
        ("share/" + "n" * 256, 400, "InvalidResourceName"),
        ("share/%ff%fe", 400, "InvalidUri"),
        ("sh..are/f", 404, "ShareNotFound"),
        ("share", 400, "InvalidUri"),
        ("share/f?timeout=abc", 400, "InvalidQueryParameterValue"),
        ("share/f?comp=nonsense", 400, "InvalidQueryParameterValue"),
        ("share/f?restype=nonsense", 400, "InvalidQueryParameterValue"),
        ("share/f?restype=hardlink", 405, "UnsupportedHttpVerb"),
        ("share/f?sharesnapshot=2020-01-01T00:00:00.0000000Z", 404, "ShareSnapshotNotFound"),
        ("share/f?restype=directory", 409, "ResourceTypeMismatch"),
    ],
)
def test_get_of_what_cannot_be_is_refused(raw: Raw, path: str, status: int, code: str) -> None:
    """Each in the protocol's own words."""
    refused(raw("GET", path), status, code)


def test_get_file_with_a_timeout_is_answered(raw: Raw) -> None:
    """Names of parameters have no case."""
    assert raw("GET", "share/f?TimeOut=30").status_code == 200


def test_a_link_that_leaves_the_share_is_not_followed(raw: Raw, service: FileService) -> None:
    """Whoever put it there: what is outside is not found."""
    service.path("share", "out").symlink_to("/etc/passwd")
    refused(raw("GET", "share/out"), 400, "InvalidResourceName")
    assert "out" not in raw("GET", "share?restype=directory&comp=list").text
