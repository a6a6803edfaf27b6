"""A request's header that is newer than the request's version says nothing; from its version on it is judged.

The operations are those of `test_azure_files_described.py`, in its order. The descriptions stand beside the
specifications (LINARITE_SPECS): which headers came between two of them has to be what the table of the face says.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.clients.test_azure_files_described import DESCRIPTIONS, NEWEST, OLD, STORIES, Account, Case
from tests.clients.test_azure_files_parameters import BAD, FREE, PASSED_OVER, parameters, spoilt
from tests.support.azure_files import FileService, Raw, file_service

from linarite.faces.azure_files.newer import ROWS, unknown
from linarite.faces.azure_files.versions import KNOWN, SHARE_LEASES_SINCE

BEFORE = {since: before for before, since in pairwise(KNOWN)}
SINCE = sorted({row.since for row in ROWS if row.since > SHARE_LEASES_SINCE})
TRIED = sorted({*SINCE, *(BEFORE[since] for since in SINCE)})
"""Versions that have leases of shares and files: the stories need them. The older ones have tests of their own."""
NAMES = {
    "File_StartCopy": "Copy File", "File_Rename": "Rename File", "File_UploadRange": "Put Range",
    "File_UploadRangeFromURL": "Put Range from URL",
}  # fmt: skip
"""Operations that came to know a header later than others, as the table calls them."""
UNKNOWN = "Known from version"
ELSEWHERE = {
    "x-ms-file-support-rename": "refused without a snapshot, whatever it says; test_azure_files_differences.py",
    "x-ms-copy-source-authorization": "the source's own signature goes before; test_a_token_... below",
}
"""Headers whose bad value is not seen by these operations as they are asked here, and why."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


def newer(case: Case, version: str) -> list[str]:
    """The described headers of an operation that a version does not know."""
    described = {name.lower() for where, name in parameters()[case.operation] if where == "header"}
    return sorted(described & unknown(version, NAMES.get(case.operation, "")))


@pytest.mark.specs
@pytest.mark.parametrize("version", TRIED)
@pytest.mark.parametrize("story", STORIES)
def test_a_newer_header_says_nothing_and_one_that_is_known_is_judged(
    service: FileService, story: str, version: str
) -> None:
    """Every header that the version does not know has a value that it cannot have, in every request: all are done."""
    account = Account(service, version)
    account.raw.account = f"{account.raw.account}{story}"
    account.url = f"{service.url}/{account.raw.account}"
    account.known |= {"url": account.url, "sas": account._sas()}
    account.prepare()
    judged = {row.since: row.headers.split() for row in ROWS}.get(version, [])
    for case in STORIES[story]:
        for name in judged:
            is_described = ("header", name) in {(where, each.lower()) for where, each in parameters()[case.operation]}
            if is_described and name not in {*FREE, *ELSEWHERE} and (case.operation, name) not in PASSED_OVER:
                answer = account.send(spoilt(case, "header", name))
                assert 400 <= answer.status_code < 500, (case.operation, name)
                assert answer.headers["x-ms-error-code"], (case.operation, name)
        asked = case
        for name in newer(case, version):
            asked = spoilt(asked, "header", name)
        body_is_newer = case.body and case.operation == "File_Create"
        answer = account.send(Case(case.operation, asked.method, asked.path, asked.headers, asked.body))
        if answer.status_code >= 300:
            assert UNKNOWN in answer.text or body_is_newer, (case.operation, newer(case, version), answer.text)
            account.version, known = NEWEST, account.version  # the story goes on
            assert account.send(case).status_code < 300
            account.version = known


@pytest.mark.specs
def test_headers_that_came_between_two_descriptions_are_newer_than_the_first() -> None:
    """And none besides: what the older one has is known to it."""
    old, new = parameters(OLD), parameters(NEWEST)
    came = {
        (operation, name.lower())
        for operation in old.keys() & new.keys()
        for where, name in new[operation]
        if where == "header" and name.lower() not in {each.lower() for _, each in old[operation]}
    }
    said = {
        (operation, name.lower())
        for operation in old.keys() & new.keys()
        for where, name in new[operation]
        if where == "header" and name.lower() in unknown(OLD, NAMES.get(operation, ""))
    }
    bodies = {("File_Create", name) for name in ("content-length", "content-md5")}  # of the body, which is refused
    structured = {("File_Create", f"x-ms-structured-{name}") for name in ("body", "content-length")}  # without a body
    assert came - bodies - structured == said


@pytest.mark.specs
def test_the_versions_that_descriptions_tell_are_those_of_the_table() -> None:
    """Where the text of a header names one. The format of permissions is told from a date on that is no version."""
    text = (Path(os.environ["LINARITE_SPECS"]) / "azure-files" / DESCRIPTIONS[NEWEST]).read_text()
    said = {
        each["name"]: found[1]
        for each in json.loads(text)["parameters"].values()
        if (found := re.search(r"version (\d{4}-\d{2}-\d{2}) and later", each.get("description", "")))
    }
    assert said.pop("x-ms-file-permission-format") not in KNOWN
    since = {header: row.since for row in ROWS if not row.operations for header in row.headers.split()}
    assert said == {name: since[name] for name in said}
    assert len(said) >= 2


OWNED = {"x-ms-lease-id": "6a2e1d2b-3c4d-4e5f-8a9b-0c1d2e3f4a5b"}
FILE = {"x-ms-type": "file", "x-ms-content-length": "4"}


@pytest.mark.operation("Copy File", "Create Share", "Delete Share", "Put Range from URL")
def test_the_oldest_versions_know_neither_leases_nor_properties_of_copies(service: FileService) -> None:
    raw, old, new = Raw(service, "oldest"), {"x-ms-version": "2019-02-02"}, {"x-ms-version": "2019-07-07"}
    odd = {"x-ms-access-tier": BAD, "x-ms-enabled-protocols": BAD, "x-ms-root-squash": BAD}
    assert raw("PUT", "share?restype=share", {**old, **odd}).status_code == 201
    assert raw("HEAD", "share?restype=share").headers["x-ms-enabled-protocols"] == "SMB"
    assert raw("PUT", "share/f", {**FILE, **old, "x-ms-lease-id": BAD}).status_code == 201
    refused = raw("PUT", "share/f", {**FILE, **new, "x-ms-lease-id": BAD})
    assert (refused.status_code, refused.headers["x-ms-error-code"]) == (400, "InvalidHeaderValue")
    copy = {"x-ms-copy-source": f"{service.url}/oldest/share/f", "x-ms-file-attributes": "Hidden"}
    for fields, attributes in ((old, "Archive"), (new, "Hidden")):
        assert raw("PUT", "share/g", {**copy, **fields}).status_code == 202
        assert raw("HEAD", "share/g").headers["x-ms-file-attributes"] == attributes
    assert raw("GET", "share?restype=share", {**new, **OWNED}).status_code == 200
    assert raw("GET", "share?restype=share", {"x-ms-version": SHARE_LEASES_SINCE, **OWNED}).status_code == 412
    assert raw("DELETE", "share?restype=share", {**new, **OWNED}).status_code == 202


@pytest.mark.operation("Put Range from URL")
def test_a_token_for_a_source_is_newer_than_a_signature(service: FileService) -> None:
    raw = Raw(service, "tokens")
    assert raw("PUT", "share?restype=share").status_code == 201
    assert raw("PUT", "share/f", FILE).status_code == 201
    wanted = {
        "x-ms-write": "update", "x-ms-range": "bytes=0-3", "x-ms-source-range": "bytes=0-3",
        "x-ms-copy-source": f"{service.url}/tokens/share/f", "x-ms-copy-source-authorization": "Bearer none",
    }  # fmt: skip
    for version, code in (("2020-08-04", "NoAuthenticationInformation"), ("2020-10-02", "InvalidAuthenticationInfo")):
        told = raw("PUT", "share/f?comp=range", {**wanted, "x-ms-version": version})
        assert (told.status_code, told.headers["x-ms-copy-source-error-code"]) == (401, code)


@pytest.mark.operation("Get File", "Put Range")
def test_checksums_within_bodies_are_newer(service: FileService) -> None:
    """An older version gives plain bytes; what it is sent is not as long as its range."""
    raw, old = (
        Raw(service, "checked"),
        {"x-ms-version": "2024-11-04", "x-ms-structured-body": "XSM/1.0; properties=crc64"},
    )
    assert raw("PUT", "share?restype=share").status_code == 201
    assert raw("PUT", "share/f", FILE).status_code == 201
    assert raw("GET", "share/f", old).content == bytes(4)
    written = {**old, "x-ms-write": "update", "x-ms-range": "bytes=0-3", "x-ms-structured-content-length": "4"}
    refused = raw("PUT", "share/f?comp=range", written, b"longer than four")
    assert (refused.status_code, refused.headers["x-ms-error-code"]) == (400, "InvalidHeaderValue")


def test_each_row_names_a_version_and_its_headers_as_they_are_looked_up() -> None:
    for row in ROWS:
        assert row.since in KNOWN
        assert row.headers == row.headers.lower()
