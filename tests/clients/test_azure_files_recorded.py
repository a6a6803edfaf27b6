"""What the real service was recorded to answer, by an old version: status, names of headers, and the shape of bodies.

Each row is one recorded exchange (recorded-examples.json): a request like it is sent, and has to be answered so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.support.azure_files import FileService, Raw, file_service

OLD = {"x-ms-version": "2019-02-02"}
TAGS = ("etag", "last-modified")
ALWAYS = ("date", "server", "x-ms-request-id", "x-ms-version")
NOTED = (*TAGS, "x-ms-request-server-encrypted")
SMB = tuple(
    f"x-ms-file-{name}"
    for name in (
        "attributes", "change-time", "creation-time", "id", "last-write-time", "parent-id", "permission-key",
    )
)  # fmt: skip
READ = ("accept-ranges", "content-length", "content-type", *TAGS, "x-ms-server-encrypted", "x-ms-type")
META = {"x-ms-meta-hello": "world", "x-ms-meta-number": "42"}
SOME = {
    "x-ms-file-attributes": "none", "x-ms-file-creation-time": "preserve", "x-ms-file-last-write-time": "preserve",
    "x-ms-file-permission": "preserve",
}  # fmt: skip
NEW = {
    "x-ms-file-attributes": "none", "x-ms-file-creation-time": "now", "x-ms-file-last-write-time": "now",
    "x-ms-file-permission": "inherit",
}  # fmt: skip
SDDL = "O:S-1-5-21-1-2-3-4G:S-1-5-21-1-2-3-4D:(A;;FA;;;SY)"
PERMISSION = f'{{"permission":"{SDDL}"}}'.encode()
PROPERTIES = (
    b"<StorageServiceProperties><HourMetrics><Version>1.0</Version><Enabled>false</Enabled><RetentionPolicy>"
    b"<Enabled>false</Enabled></RetentionPolicy></HourMetrics></StorageServiceProperties>"
)
FILE = {"x-ms-type": "file", "x-ms-content-length": "2048"}
RANGE = {"x-ms-write": "update", "x-ms-range": "bytes=0-511"}


LIST = '<EnumerationResults ServiceEndpoint="URL" ShareName="share" DirectoryPath="'
ONE_FILE = "<File><Name>{}</Name><Properties><Content-Length>#</Content-Length></Properties></File></Entries>"
SHAPES = {
    "share/f?comp=rangelist": (
        "<Ranges><Range><Start>0</Start><End>511</End></Range><Range><Start>1024</Start><End>1535</End></Range></Ranges>"
    ),
    "share?restype=share&comp=acl": "<SignedIdentifiers />",
    "share?restype=share&comp=stats": "<ShareStats><ShareUsageBytes>#</ShareUsageBytes></ShareStats>",
    "share?restype=directory&comp=list": (
        f'{LIST}"><Entries><Directory><Name>d</Name><Properties /></Directory>'
        f"<Directory><Name>e</Name><Properties /></Directory>{ONE_FILE.format('f')}<NextMarker /></EnumerationResults>"
    ),
    "share/d?restype=directory&comp=list&maxresults=2": (
        f'{LIST}d"><MaxResults>#</MaxResults><Entries>{ONE_FILE.format("g")}<NextMarker /></EnumerationResults>'
    ),
    "share?comp=listhandles": "<EnumerationResults><Entries /><NextMarker /></EnumerationResults>",
}


@pytest.fixture
def raw(service: FileService, request: pytest.FixtureRequest) -> Raw:
    """An account with a share that has a file `f` of two ranges, a directory `d` with metadata and a file in it."""
    send = Raw(service, f"r{abs(hash(request.node.name)):x}"[:20])
    for method, path, headers, body in (
        ("PUT", "share?restype=share", META, b""),
        ("PUT", "share/f", {**FILE, **META}, b""),
        ("PUT", "share/f?comp=range", RANGE, bytes([1]) * 512),
        ("PUT", "share/f?comp=range", {**RANGE, "x-ms-range": "bytes=1024-1535"}, bytes([1]) * 512),
        ("PUT", "share/d?restype=directory", META, b""),
        ("PUT", "share/e?restype=directory", {}, b""),
        ("PUT", "share/d/g", {**FILE, "x-ms-content-length": "1024"}, b""),
    ):
        assert send(method, path, headers, body).status_code == 201
    return send


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.mark.operation(
    "Get Share Metadata", "Set Share Metadata", "Get Share ACL", "Get Directory Metadata", "Set Directory Metadata",
    "List Handles", "Force Close Handles", "Get File Metadata", "Set File Metadata",
)  # fmt: skip
@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "names"),
    [
        ("PUT", "share/new?restype=directory", NEW, b"", 201, NOTED),
        ("GET", "share/d?restype=directory&comp=metadata", {}, b"", 200, (*TAGS, *META)),
        ("DELETE", "share/e?restype=directory", {}, b"", 202, ("content-length",)),
        ("GET", "share/d?restype=directory", {}, b"", 200, (*TAGS, "x-ms-server-encrypted")),
        ("PUT", "share?restype=share&comp=snapshot", {}, b"", 201, (*TAGS, "x-ms-snapshot")),
        ("PUT", "share/d?restype=directory&comp=metadata", META, b"", 200, NOTED),
        ("PUT", "share/d?restype=directory&comp=properties", SOME, b"", 200, (*NOTED, *SMB)),
        ("PUT", "share/new", FILE, b"", 201, NOTED),
        ("PUT", "share/f?comp=range", RANGE, bytes(512), 201, (*NOTED, "content-md5")),
        ("GET", "share/f", {"x-ms-range": "bytes=0-9"}, b"", 206, (*READ, "content-range")),
        ("HEAD", "share/f", {}, b"", 200, ("content-length", "content-type", *TAGS, *SMB, "x-ms-lease-state",
         "x-ms-lease-status", "x-ms-server-encrypted", "x-ms-type")),
        ("GET", "share/f?comp=metadata", {}, b"", 200, (*TAGS, *META)),
        ("DELETE", "share/f", {}, b"", 202, ("content-length",)),
        ("PUT", "share/f?comp=metadata", META, b"", 200, NOTED),
        ("GET", "share/f?comp=rangelist", {}, b"", 200, (*TAGS, "content-type", "x-ms-content-length")),
        ("PUT", "share/f?comp=properties", SOME, b"", 200, NOTED),
        ("GET", "share/f", {}, b"", 200, READ),
        ("GET", "share?comp=listhandles", {}, b"", 200, ("content-type",)),
        ("PUT", "share?comp=forceclosehandles", {"x-ms-handle-id": "*", "x-ms-recursive": "true"}, b"", 200,
         ("x-ms-number-of-handles-closed",)),
        ("GET", "share/d?comp=listhandles", {}, b"", 200, ("content-type",)),
        ("PUT", "?restype=service&comp=properties", {}, PROPERTIES, 202, ("content-length",)),
        ("GET", "?restype=service&comp=properties", {}, b"", 200, ("content-type",)),
        ("PUT", "more?restype=share", {}, b"", 201, TAGS),
        ("PUT", "share?restype=share&comp=filepermission", {}, PERMISSION, 201, ("x-ms-file-permission-key",)),
        ("GET", "share?restype=share&comp=metadata", {}, b"", 200, (*TAGS, *META)),
        ("GET", "share?restype=share", {}, b"", 200, (*TAGS, "x-ms-has-immutability-policy", "x-ms-has-legal-hold",
         "x-ms-share-quota")),
        ("DELETE", "share?restype=share", {}, b"", 202, ("content-length",)),
        ("PUT", "share?restype=share&comp=metadata", META, b"", 200, TAGS),
        ("GET", "share?restype=share&comp=stats", {}, b"", 200, ("content-type",)),
        ("GET", "share?restype=directory&comp=list", {}, b"", 200, ("content-type",)),
        ("GET", "share/d?restype=directory&comp=list&maxresults=2", {}, b"", 200, ("content-type",)),
        ("GET", "?comp=list", {}, b"", 200, ("content-type",)),
        ("PUT", "share?restype=share&comp=acl", {}, b"", 200, TAGS),
        ("GET", "share?restype=share&comp=acl", {}, b"", 200, (*TAGS, "content-type")),
        ("PUT", "share?restype=share&comp=properties", {"x-ms-share-quota": "1"}, b"", 200, TAGS),
    ],
)  # fmt: skip
def test_an_answer_has_what_was_recorded(
    raw: Raw, method: str, path: str, headers: dict[str, str], body: bytes, status: int, names: tuple[str, ...]
) -> None:
    """Its status and every header, those of every answer too; no body where there was none."""
    answer = raw(method, path, {**OLD, **headers}, body)
    assert answer.status_code == status, answer.text
    assert not [name for name in (*ALWAYS, *names) if name not in answer.headers]
    assert answer.headers["server"] == "Windows-Azure-File/1.0 Microsoft-HTTPAPI/2.0"
    assert answer.headers["x-ms-version"] == OLD["x-ms-version"]
    if "content-type" not in names:
        assert answer.content == b""
        assert answer.headers["content-length"] == "0"
    elif "xml" in answer.headers["content-type"]:
        assert answer.content.startswith(b'<?xml version="1.0" encoding="utf-8"?><')


@pytest.mark.parametrize(("path", "wanted"), SHAPES.items())
def test_a_body_has_the_recorded_shape(raw: Raw, path: str, wanted: str) -> None:
    """Element for element, numbers and addresses apart."""
    text = raw("GET", path, OLD).text.partition("?>")[2]
    found = re.sub(r'ServiceEndpoint="[^"]+"', 'ServiceEndpoint="URL"', text)
    if "#" in wanted:
        found = re.sub(r">\d+<", ">#<", found)
    assert found == wanted


def test_a_permission_comes_back_as_recorded(raw: Raw) -> None:
    """JSON, by the key that was told."""
    key = raw("PUT", "share?restype=share&comp=filepermission", OLD, PERMISSION).headers["x-ms-file-permission-key"]
    assert re.fullmatch(r"\d+\*\d+", key)
    answer = raw("GET", "share?restype=share&comp=filepermission", {**OLD, "x-ms-file-permission-key": key})
    assert answer.json()["permission"].startswith(SDDL)
    assert "content-length" in answer.headers


def test_a_copy_answers_as_recorded(raw: Raw) -> None:
    """Within the account it is done at once."""
    source = f"{raw.service.url}/{raw.account}/share/f"
    answer = raw("PUT", "share/copy", {**OLD, "x-ms-copy-source": source})
    assert (answer.status_code, answer.headers["x-ms-copy-status"]) == (202, "success")
    assert not [name for name in (*ALWAYS, *TAGS, "x-ms-copy-id") if name not in answer.headers]


@pytest.mark.operation("List Ranges")
def test_pages_of_ranges_are_of_newer_versions(raw: Raw) -> None:
    """An older one is told all, without a marker; a newer one as many as it asks for, and the rest by the marker."""
    path, new = "share/f?comp=rangelist&maxresults=1", {"x-ms-version": "2026-10-06"}
    assert raw("GET", path, OLD).text.partition("?>")[2] == SHAPES["share/f?comp=rangelist"]
    first = raw("GET", path, new).text
    assert first.count("<Range>") == 1
    marker = first.partition("<NextMarker>")[2].partition("<")[0]
    rest = raw("GET", f"{path}&marker={marker}", new).text
    assert "<Start>1024</Start><End>1535</End></Range><NextMarker /></Ranges>" in rest
