"""Seed 001, "Get File": paths that lead out, links, and values that are none."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.seeds.get_file import FILE, MIB, get, refused
from tests.support.azure_files import Raw
from tests.support.server import RunningServer

pytestmark = pytest.mark.operation("Get File")


CLIMBING = [
    "myshare/..%2f..%2f..%2fserver%2flinarite.db", "myshare/%2e%2e/%2e%2e/server/linarite.db", "myshare/%2e%2e",
    "myshare/%2e/plain", "myshare/mydirectorypath/%2e%2e/plain", "myshare/plain%00", "myshare/%00",
    "myshare/..%5c..%5cserver%5clinarite.db", "myshare/C:%5cwindows", "myshare/a%5cb", "myshare/C:",
    "myshare/mydirectorypath%2f..%2f..%2f..%2fx", "myshare/" + "a" * 256, "myshare/" + "a/" * 251 + "a",
    "myshare/" + "%C3%A9" * 256, "myshare/a%0d%0ab", "myshare/a*", "myshare/a?".replace("?", "%3f"), "myshare/a%22",
]  # fmt: skip
LINKS = ["passwd", "database", "folder", "folder/linarite.db", "relative"]


def digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT"])
@pytest.mark.parametrize("path", [*CLIMBING, *(f"myshare/{name}" for name in LINKS)])
def test_bad_input_path_that_climbs_out(shared: Raw, method: str, path: str):
    """By dots, NUL, backslashes, length or a link that somebody planted: refused, and nothing goes or comes."""
    before = state(shared), digest(Path("/etc/passwd"))
    new = {"x-ms-type": "file", "x-ms-content-length": "1"} if method == "PUT" else {}
    answer = shared(method, path, new)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "InvalidResourceName")
    assert b"root:" not in answer.content
    assert (state(shared), digest(Path("/etc/passwd"))) == before


@pytest.mark.parametrize("name", ["pipe", "loop", "gone"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_bad_input_path_of_what_is_no_file(shared: Raw, method: str, name: str):
    """A pipe, a circle of links and a link to nothing are no files, and nobody waits for them."""
    answer = shared(method, f"myshare/{name}")
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (404, "ResourceNotFound")
    assert shared.service.path("myshare", name, shared.account).lstat()


@pytest.mark.parametrize("path", ["myshare//etc/passwd", "myshare/%2fetc%2fpasswd", "myshare/%252e%252e/x"])
def test_bad_input_absolute_path(shared: Raw, path: str):
    """Empty segments mean nothing: the path stands below the share all the same, and there is none such."""
    refused(get(shared, path), 404, "ParentNotFound")


@pytest.mark.parametrize("path", ["myshare/%ff", "myshare/%c0%ae%c0%ae/x", "myshare/%ed%a0%80", "%ff/x"])
def test_bad_input_path_that_is_no_utf_8(shared: Raw, path: str):
    """A name is UTF-8."""
    refused(get(shared, path), 400, "InvalidUri")


@pytest.mark.parametrize("query", ["sharesnapshot=../../x", "sharesnapshot=%00", "sharesnapshot=2020-01-01"])
def test_bad_input_snapshot_that_climbs_out(shared: Raw, query: str):
    """A snapshot is one that the share has."""
    refused(get(shared, f"{FILE}?{query}"), 404, "ShareSnapshotNotFound")


@pytest.mark.parametrize("link", ["passwd", "database", "relative"])
def test_bad_input_copy_of_a_link(shared: Raw, link: str):
    """What a link shows outside of the share cannot be copied or renamed into it either."""
    before = state(shared)
    url = f"{shared.service.url}/{shared.account}/myshare/{link}"
    assert shared("PUT", "myshare/taken", {"x-ms-copy-source": url}).status_code in {400, 404}
    assert shared("PUT", "myshare/taken?comp=rename", {"x-ms-file-rename-source": url}).status_code in {400, 404}
    assert state(shared) == before


def test_bad_input_links_are_not_listed(shared: Raw):
    """A list shows no link that leads out, no pipe and no loop."""
    names = re.findall("<Name>(.*?)</Name>", shared("GET", "myshare?restype=directory&comp=list").text)
    assert names == ["empty", "hole", "inside", "leased", "mydirectorypath", "plain"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "code"),
    [
        ("GET", "myshare?restype=directory&comp=list&maxresults=" + "9" * 5000, {}, "InvalidQueryParameterValue"),
        ("GET", "myshare?restype=directory&comp=list&maxresults=--5", {}, "InvalidQueryParameterValue"),
        (
            "GET", f"{FILE}?comp=rangelist&marker=" + "9" * 5000, {"x-ms-version": "2026-10-06"},
            "InvalidQueryParameterValue",
        ),
        ("PUT", "myshare/n", {"x-ms-type": "file", "x-ms-content-length": "9" * 5000}, "InvalidHeaderValue"),
        ("PUT", "myshare/n", {"x-ms-type": "file", "x-ms-content-length": "--1"}, "InvalidHeaderValue"),
        ("GET", f"{FILE}?comp=nonsense", {}, "InvalidQueryParameterValue"),
        ("GET", f"{FILE}?restype=nonsense", {}, "InvalidQueryParameterValue"),
    ],
)  # fmt: skip
def test_bad_input_value(shared: Raw, method: str, path: str, headers: dict[str, str], code: str):
    """A number of endless digits, or a word of no operation, is refused and changes nothing."""
    before = state(shared)
    refused(shared(method, path, headers), 400, code)
    assert state(shared) == before


def test_bad_input_body_over_4_mib(shared: Raw):
    """A range has at most 4 MiB."""
    write = {"x-ms-write": "update", "x-ms-range": f"bytes=0-{4 * MIB}"}
    answer = shared("PUT", "myshare/hole?comp=range", write, bytes(4 * MIB + 1))
    refused(answer, 413, "RequestBodyTooLarge")


@pytest.mark.parametrize(
    "body", [b"<Signed", b"", b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", b"<a>" * 20_000]
)
def test_bad_input_malformed_xml(shared: Raw, body: bytes):
    """A document that is none, or that brings entities, is refused."""
    answer = shared("PUT", "myshare?restype=share&comp=acl", {}, body)
    if body:
        refused(answer, 400, "InvalidXmlDocument")
    assert "root:" not in answer.text


@pytest.mark.root
def test_bad_input_a_task_cannot_enter_the_shares(server: RunningServer, shared: Raw, tenant: str):
    """A task of the same account plants nothing in a share: only the server enters the folder."""
    batch = RawBatch(server.batch, tenant)
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    folder = shared.service.path("myshare", "", tenant)
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": f"/bin/ln -s /etc/passwd {folder}/planted"})
    assert batch.wait_task("j", "t")["executionInfo"]["exitCode"] != 0
    refused(get(shared, "myshare/planted"), 404, "ResourceNotFound")


def state(files: Raw) -> list[str]:
    """All that can be seen of the share."""
    listing = files("GET", "myshare?restype=directory&comp=list&include=Etag").text
    return [listing, files("GET", "myshare?restype=share").headers["etag"], files("GET", FILE).headers["etag"]]
