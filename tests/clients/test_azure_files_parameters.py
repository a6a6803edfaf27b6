"""Every described parameter of every operation with a value that it cannot have: refused, and nothing is done.

The operations are those of `test_azure_files_described.py`, in its order: each has to succeed after all of its
refusals. The description stands beside the specifications (LINARITE_SPECS).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.clients.test_azure_files_described import DESCRIPTIONS, NEWEST, STORIES, Account, Case
from tests.support.azure_files import FileService, file_service

BAD = "!bad!"
FREE = {
    **dict.fromkeys(
        (
            "x-ms-cache-control", "x-ms-content-disposition", "x-ms-content-encoding", "x-ms-content-language",
            "x-ms-content-type", "x-ms-link-text", "prefix", "x-ms-meta",
        ), "any text will do",
    ),
    "restype": "it says which operation it is", "comp": "the same", "x-ms-version": "test_azure_files_rights.py",
    "x-ms-client-request-id": "it is told back",
    "x-ms-file-request-intent": "passed over beside a signature, as clients send it there; with a token it is checked",
    "content-length": "HTTP's own",
}  # fmt: skip
"""Parameters that are not judged, and why."""
PASSED_OVER = {
    ("File_Create", "content-md5"): "of no body",
    ("File_UploadRange", "content-md5"): "a clear has no body",
    ("File_Create", "x-ms-structured-content-length"): "without x-ms-structured-body it is of nothing",
    ("File_UploadRange", "x-ms-structured-content-length"): "the same",
    ("File_UploadRangeFromURL", "x-ms-copy-source-authorization"): "the source's own signature goes before",
    ("File_BreakLease", "x-ms-lease-id"): "who breaks a lease need not know its id",
    ("Share_BreakLease", "x-ms-lease-id"): "the same",
}
"""Parameters that an operation has no use for as it is asked here."""


@cache
def parameters(version: str = NEWEST) -> dict[str, list[tuple[str, str]]]:
    """Operation to its parameters: where they stand, and their names."""
    document = json.loads((Path(os.environ["LINARITE_SPECS"]) / "azure-files" / DESCRIPTIONS[version]).read_text())

    def resolved(given: dict[str, Any]) -> dict[str, Any]:
        return document["parameters"][given["$ref"].rpartition("/")[2]] if "$ref" in given else given

    found: dict[str, list[tuple[str, str]]] = {}
    for path in (*document["paths"].values(), *document["x-ms-paths"].values()):
        for method, operation in path.items():
            if method != "parameters":
                every = [resolved(each) for each in (*path.get("parameters", []), *operation.get("parameters", []))]
                found[operation["operationId"]] = [
                    (each["in"], each["name"]) for each in every if each["in"] in {"header", "query"}
                ]
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


def spoilt(case: Case, where: str, name: str) -> Case:
    """The same request with a bad value for one parameter."""
    if where == "query":
        return Case(
            "", case.method, f"{case.path}{'&' if '?' in case.path else '?'}{name}={BAD}", case.headers, case.body
        )
    headers = {each: value for each, value in case.headers.items() if each.lower() != name.lower()}
    return Case("", case.method, case.path, {**headers, name: BAD}, case.body)


@pytest.mark.specs
@pytest.mark.parametrize("story", STORIES)
def test_a_bad_value_is_refused_whatever_the_parameter(service: FileService, story: str) -> None:
    """By a status of the client's mistakes, with a code; and the request without it is then done."""
    account, taken = Account(service, NEWEST), list[tuple[str, str]]()
    account.raw.account = f"{account.raw.account}{story}"
    account.url = f"{service.url}/{account.raw.account}"
    account.known |= {"url": account.url, "sas": account._sas()}
    account.prepare()
    for case in STORIES[story]:
        for where, name in parameters()[case.operation]:
            if name.lower() in FREE or (case.operation, name.lower()) in PASSED_OVER:
                continue
            answer = account.send(spoilt(case, where, name))
            if not (400 <= answer.status_code < 500 and answer.headers.get("x-ms-error-code")):
                taken.append((case.operation, name))
        answer = account.send(case)
        assert answer.status_code < 300, (case.operation, answer.text)
    assert not taken
