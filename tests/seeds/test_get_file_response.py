"""Seed 001, "Get File", line by line against a running server: what is answered, and what a share is on disk."""

from __future__ import annotations

import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from tests.seeds.get_file import (
    DATA,
    FILE,
    MIB,
    TEXT,
    get,
    in_an_hour,
    md5,
    put,
    signed_query,
    slow,
)
from tests.support.azure_files import Raw
from tests.support.server import RunningServer

from linarite.http import storage_auth

pytestmark = pytest.mark.operation("Get File")


# -- response ----------------------------------------------------------------------------------------------------------


def test_status_code_200(shared: Raw):
    """A successful operation is 200 [NOTES: 206 with a range]."""
    assert (get(shared).status_code, get(shared, x_ms_range="bytes=0-").status_code) == (200, 206)


def test_response_header_last_modified(files: Raw):
    """A date of RFC 1123 that any change of the file or its properties moves on."""
    files("PUT", "myshare?restype=share")
    put(files, "myshare/f", TEXT)
    first = get(files, "myshare/f").headers
    time.sleep(1.1 - time.time() % 1)  # dates have whole seconds
    files("PUT", "myshare/f?comp=metadata", {"x-ms-meta-a": "1"}).raise_for_status()
    second = get(files, "myshare/f").headers
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", first["last-modified"])
    assert parsedate_to_datetime(first["last-modified"]) < parsedate_to_datetime(second["last-modified"])
    assert first["etag"] != second["etag"]


def test_response_header_x_ms_meta(shared: Raw):
    """Each pair of the metadata is a header, its name as it was given."""
    answer = get(shared)
    assert (answer.headers["x-ms-meta-m1"], answer.headers["x-ms-meta-second"]) == ("v1", "v 2")
    assert b"x-ms-meta-Second" in [name for name, _ in answer.headers.raw]


def test_response_header_content_length(shared: Raw):
    """The number of bytes in the body, of the file or of the range."""
    assert get(shared).headers["content-length"] == str(len(DATA))
    assert get(shared, x_ms_range="bytes=0-9").headers["content-length"] == "10"


def test_response_header_content_type(shared: Raw):
    """The type given for the file, application/octet-stream when none was."""
    assert get(shared).headers["content-type"] == "text/plain"
    assert get(shared, "myshare/plain").headers["content-type"] == "application/octet-stream"


def test_response_header_content_range(shared: Raw):
    """The range that came and the file's size, if a range was asked for."""
    assert get(shared, Range="bytes=10-19").headers["content-range"] == f"bytes 10-19/{len(DATA)}"
    assert "content-range" not in get(shared).headers


def test_response_header_etag(shared: Raw):
    """A value in quotation marks, the same as long as the file is."""
    tag = get(shared).headers["etag"]
    assert re.fullmatch(r'"0x[0-9A-F]+"', tag)
    assert shared("HEAD", FILE).headers["etag"] == tag


def test_response_header_content_md5(shared: Raw):
    """Of the full file if it has one, of the range if asked for, otherwise none."""
    assert get(shared).headers["content-md5"] == md5(DATA)
    assert "content-md5" not in get(shared, "myshare/plain").headers
    assert "content-md5" not in get(shared, x_ms_range="bytes=0-9").headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-encoding", "identity"), ("content-language", "en"), ("cache-control", "no-cache"),
        ("content-disposition", "attachment"),
    ],
)  # fmt: skip
def test_response_header_of_the_content(shared: Raw, name: str, value: str):
    """Content-Encoding, -Language, -Disposition and Cache-Control come as given, and not when none was."""
    assert shared("HEAD", FILE).headers[name] == value
    assert name not in get(shared, "myshare/plain").headers


def test_response_header_x_ms_request_id(shared: Raw):
    """Each request has an id of its own, a refused one too."""
    answers = [get(shared), get(shared), get(shared, "myshare/none")]
    assert len({uuid.UUID(answer.headers["x-ms-request-id"]) for answer in answers}) == 3


def test_response_header_accept_ranges(shared: Raw):
    """Partial requests are supported."""
    assert get(shared).headers["accept-ranges"] == "bytes"


def test_response_header_date(shared: Raw):
    """The server's time."""
    moment = parsedate_to_datetime(get(shared).headers["date"])
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.fixture
def copied(files: Raw) -> Raw:
    """A file that is a copy of another."""
    files("PUT", "myshare?restype=share")
    put(files, "myshare/source", TEXT)
    url = f"{files.service.url}/{files.account}/myshare/source"
    files("PUT", "myshare/copy", {"x-ms-copy-source": url}).raise_for_status()
    return files


def test_response_header_x_ms_copy_completion_time(copied: Raw):
    """When the copy was over."""
    moment = parsedate_to_datetime(get(copied, "myshare/copy").headers["x-ms-copy-completion-time"])
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=1)


def test_response_header_x_ms_copy_status_description(copied: Raw):
    """It appears only when a copy is pending or failed."""
    assert "x-ms-copy-status-description" not in get(copied, "myshare/copy").headers


def test_response_header_x_ms_copy_id(copied: Raw):
    """The id that Copy File gave."""
    assert uuid.UUID(get(copied, "myshare/copy").headers["x-ms-copy-id"])


def test_response_header_x_ms_copy_progress(copied: Raw):
    """Bytes copied of bytes in all."""
    assert get(copied, "myshare/copy").headers["x-ms-copy-progress"] == "11/11"


def test_response_header_x_ms_copy_source(copied: Raw):
    """The URL that was copied from."""
    expected = f"{copied.service.url}/{copied.account}/myshare/source"
    assert get(copied, "myshare/copy").headers["x-ms-copy-source"] == expected


def test_response_header_x_ms_copy_source_without_its_signature(server: RunningServer, copied: Raw, account: str):
    """Whoever may read the copy is not handed the signature that opened the source."""
    fields = {"sv": "2025-01-05", "sr": "f", "sp": "r", "se": in_an_hour()}
    query = signed_query(fields, storage_auth.service_sas_text(fields, f"/file/{account}/myshare/source"))
    url = f"{copied.service.url}/{account}/myshare/source?{query}"
    copied("PUT", "myshare/by-sas", {"x-ms-copy-source": url}).raise_for_status()
    shown = get(copied, "myshare/by-sas").headers["x-ms-copy-source"]
    assert shown == url.partition("&sig=")[0]
    assert query.partition("&sig=")[2] not in server.log


def test_response_header_x_ms_copy_status(copied: Raw):
    """The copy was completed."""
    assert get(copied, "myshare/copy").headers["x-ms-copy-status"] == "success"


@pytest.mark.parametrize("change", ["never", "properties", "create"])
def test_response_headers_x_ms_copy_do_not_appear(copied: Raw, change: str):
    """For a file that was never copied to, or since Set File Properties or Create File."""
    path = "myshare/source" if change == "never" else "myshare/copy"
    if change == "properties":
        copied("PUT", f"{path}?comp=properties", {"x-ms-content-type": "text/plain"}).raise_for_status()
    elif change == "create":
        put(copied, path, TEXT)
    assert not [name for name in get(copied, path).headers if name.startswith("x-ms-copy-")]


def test_response_headers_x_ms_copy_survive_writing(copied: Raw):
    """A written range is no change of that kind."""
    write = {"x-ms-write": "update", "x-ms-range": "bytes=0-0"}
    copied("PUT", "myshare/copy?comp=range", write, b"H").raise_for_status()
    assert get(copied, "myshare/copy").headers["x-ms-copy-status"] == "success"


def test_response_header_x_ms_content_md5(shared: Raw):
    """The whole file's MD5, if a range was asked for and the file has one."""
    assert get(shared, x_ms_range="bytes=0-9").headers["x-ms-content-md5"] == md5(DATA)
    assert "x-ms-content-md5" not in get(shared).headers
    assert "x-ms-content-md5" not in get(shared, "myshare/plain", x_ms_range="bytes=0-9").headers


def test_response_header_x_ms_server_encrypted(shared: Raw):
    """It is there, as one of its two words."""
    assert get(shared).headers["x-ms-server-encrypted"] in {"true", "false"}


def test_response_header_x_ms_file_permission_key(shared: Raw):
    """The key is one of the share's permissions."""
    key = get(shared).headers["x-ms-file-permission-key"]
    answer = shared("GET", "myshare?restype=share&comp=filepermission", {"x-ms-file-permission-key": key})
    assert "O:" in answer.json()["permission"]


def test_response_header_x_ms_file_attributes(shared: Raw):
    """A new file has the attribute Archive."""
    assert get(shared).headers["x-ms-file-attributes"] == "Archive"


@pytest.mark.parametrize("name", ["creation-time", "last-write-time", "change-time"])
def test_response_header_of_a_time(shared: Raw, name: str):
    """UTC with seven decimals."""
    text = get(shared).headers[f"x-ms-file-{name}"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", text)
    assert abs(datetime.fromisoformat(text[:26] + "+00:00") - datetime.now(UTC)) < timedelta(minutes=5)


def test_response_header_x_ms_file_id(shared: Raw):
    """A number, the same by every way to the file [NOTES: not x-ms-file-file-id]."""
    answer = get(shared)
    assert answer.headers["x-ms-file-id"].isdigit()
    assert (
        answer.headers["x-ms-file-id"]
        == get(shared, FILE.upper().replace("MYSHARE", "myshare")).headers["x-ms-file-id"]
    )
    assert "x-ms-file-file-id" not in answer.headers


def test_response_header_x_ms_file_parent_id(shared: Raw):
    """The id of the directory; the root's is 0."""
    directory = shared("GET", "myshare/mydirectorypath?restype=directory").headers["x-ms-file-id"]
    assert get(shared).headers["x-ms-file-parent-id"] == directory
    assert get(shared, "myshare/plain").headers["x-ms-file-parent-id"] == "0"


def test_response_header_x_ms_lease_duration(shared: Raw):
    """A leased file's lease has no end; without a lease there is no such header."""
    assert get(shared, "myshare/leased").headers["x-ms-lease-duration"] == "infinite"
    assert "x-ms-lease-duration" not in get(shared).headers


def test_response_header_x_ms_lease_state(shared: Raw):
    """Leased or available."""
    states = [get(shared, path).headers["x-ms-lease-state"] for path in ("myshare/leased", FILE)]
    assert states == ["leased", "available"]


def test_response_header_x_ms_lease_status(shared: Raw):
    """Locked or unlocked."""
    found = [get(shared, path).headers["x-ms-lease-status"] for path in ("myshare/leased", FILE)]
    assert found == ["locked", "unlocked"]


@pytest.mark.parametrize(
    ("given", "echoed"),
    [("a-b_c~!", True), ("x" * 1024, True), ("x" * 1025, False), ("two words", False), ("tab\tbed", False)],
)
@pytest.mark.parametrize("path", [FILE, "myshare/none"])
def test_response_header_x_ms_client_request_id(shared: Raw, path: str, given: str, echoed: bool):
    """It comes back if it has no more than 1,024 visible ASCII characters, in a refusal as well."""
    found = get(shared, path, x_ms_client_request_id=given).headers.get("x-ms-client-request-id")
    assert found == (given if echoed else None)


def test_response_header_x_ms_client_request_id_of_none(shared: Raw):
    """Without one in the request there is none in the answer."""
    assert "x-ms-client-request-id" not in get(shared).headers


def test_sample_response(files: Raw):
    """Every header of the sample, with its value where it is not a moment."""
    files("PUT", "myshare?restype=share")
    put(
        files,
        "myshare/source",
        TEXT,
        x_ms_content_type="text/plain; charset=UTF-8",
        x_ms_meta_m1="v1",
        x_ms_meta_m2="v2",
    )
    source = f"{files.service.url}/{files.account}/myshare/source"
    files("PUT", "myshare/myfile", {"x-ms-copy-source": source}).raise_for_status()
    acquire = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"}
    files("PUT", "myshare/myfile?comp=lease", acquire).raise_for_status()
    answer = get(files, "myshare/myfile", x_ms_version="2019-02-02")
    assert (answer.status_code, answer.reason_phrase, answer.content) == (200, "OK", TEXT)
    expected = {
        "x-ms-type": "File", "x-ms-meta-m1": "v1", "x-ms-meta-m2": "v2", "content-length": "11",
        "content-type": "text/plain; charset=UTF-8", "x-ms-version": "2019-02-02",
        "server": "Windows-Azure-File/1.0 Microsoft-HTTPAPI/2.0", "x-ms-copy-source": source,
        "x-ms-copy-status": "success", "x-ms-copy-progress": "11/11", "x-ms-lease-duration": "infinite",
        "x-ms-lease-state": "leased", "x-ms-lease-status": "locked",
    }  # fmt: skip
    assert expected.items() <= dict(answer.headers).items()
    assert {"date", "etag", "last-modified", "x-ms-copy-id", "x-ms-copy-completion-time"} <= answer.headers.keys()


# -- remarks -----------------------------------------------------------------------------------------------------------


def test_remark_a_range_without_content_is_zeros(shared: Raw):
    """A range that was never written."""
    assert get(shared, "myshare/hole", x_ms_range="bytes=70000-79999").content == bytes(10000)


def test_remark_a_range_that_was_cleared_is_zeros(files: Raw):
    """A range that was cleared, not a whole page of it either."""
    files("PUT", "myshare?restype=share")
    put(files, "myshare/f", b"x" * 2000)
    files("PUT", "myshare/f?comp=range", {"x-ms-write": "clear", "x-ms-range": "bytes=100-1499"}).raise_for_status()
    assert get(files, "myshare/f").content == b"x" * 100 + bytes(1400) + b"x" * 500


def test_remark_without_range_all_bytes_up_to_the_content_length(files: Raw):
    """The file is as long as x-ms-content-length says, what lacks content is zeros."""
    files("PUT", "myshare?restype=share")
    put(files, "myshare/f", b"begin", 1000)
    assert get(files, "myshare/f").content == b"begin".ljust(1000, b"\0")


def test_remark_two_minutes_a_mebibyte(shared: Raw, server: RunningServer):
    """A read that waits, but not that long, comes whole."""
    with slow(shared, server, "myshare/hole") as pieces:
        total = len(next(pieces))
        time.sleep(1.5)  # longer than the timeout of the other test
        assert total + sum(map(len, pieces)) == 128 * MIB


# -- the share is a folder ---------------------------------------------------------------------------------------------


def test_a_file_put_there_by_cp_is_served(files: Raw):
    """A share is an ordinary directory: what another program writes there is a file of the share."""
    files("PUT", "myshare?restype=share")
    folder = files.service.path("myshare", "sub", files.account)
    folder.mkdir()
    (folder / "cp.txt").write_bytes(TEXT)
    answer = get(files, "myshare/sub/cp.txt")
    assert (answer.status_code, answer.content, answer.headers["x-ms-type"]) == (200, TEXT, "File")


def test_an_uploaded_file_is_there_for_cat(shared: Raw):
    """And what is uploaded is an ordinary file."""
    assert shared.service.path("myshare", "mydirectorypath/myfile", shared.account).read_bytes() == DATA
