"""The face's tables: every engine error has an answer, every operation a row; and single values on the wire."""

from __future__ import annotations

from typing import Any

import pytest

from linarite.engine import access, errors
from linarite.engine.sharing.leases import Reason
from linarite.faces.azure_files import values, xml
from linarite.faces.azure_files.address import parse, read_address
from linarite.faces.azure_files.dispatch import TABLE
from linarite.faces.azure_files.errors import _LEASES, CODES, Refused, translate
from linarite.http.messages import BodyTooLarge, Request
from linarite.http.storage_auth import by_byte, by_weight


def family(root: type[Exception]) -> list[type[Exception]]:
    return [each for child in root.__subclasses__() for each in (child, *family(child))]


SAMPLES: dict[type[Exception], tuple[Any, ...]] = {
    errors.NotFound: ("file", "f"),
    errors.AlreadyExists: ("file", "f"),
    errors.WrongState: ("file", "odd", "act"),
    errors.InvalidValue: ("name", "value", "reason"),
    errors.MissingValue: ("name",),
}


@pytest.mark.parametrize(
    "kind", [each for each in family(errors.EngineError) if each.__module__.startswith("linarite.engine")]
)
def test_every_engine_error_has_an_answer(kind: type[Exception]) -> None:
    """None of them is a 500."""
    answer = translate(kind(*SAMPLES.get(kind, ("why",))), "File")
    assert answer.code in CODES
    assert answer.status < 500 or kind in {errors.Unavailable, errors.TooSoon}


def test_every_reason_of_a_lease_has_a_code() -> None:
    """In the words for files and in those for shares."""
    assert {reason for _, reason in _LEASES} == {reason.value for reason in Reason}
    for kind in ("File", "Share"):
        for action, reason in _LEASES:
            assert "{" not in translate(errors.WrongState("lease", reason, action), kind).message


def test_what_is_no_refusal_is_an_internal_error() -> None:
    """And a body that is too large has its own."""
    assert translate(ZeroDivisionError(), "File").code == "InternalError"
    assert translate(BodyTooLarge(5), "File").status == 413


def test_an_unknown_caller_is_403() -> None:
    assert translate(access.Unauthenticated("no"), "File").status == 403


def test_every_code_has_a_status_and_a_sentence() -> None:
    assert all(400 <= status <= 503 and text.endswith(".") for status, text in CODES.values())
    assert Refused("LeaseIdMissing").status == 412


def test_operations_are_told_apart() -> None:
    """No two rows bear one name."""
    names = [operation.name for methods in TABLE.values() for operation in methods.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("nanoseconds", "tag", "text"),
    [
        (0, '"0x89F7FF5F7B58000"', "1970-01-01T00:00:00.0000000Z"),
        (1_639_469_895_262_257_200, '"0x8D9BEDA46FAC1EC"', "2021-12-14T08:18:15.2622572Z"),
    ],
)
def test_tags_and_times(nanoseconds: int, tag: str, text: str) -> None:
    assert (values.tag(nanoseconds), values.time_text(nanoseconds)) == (tag, text)
    assert values.parse_time(text) == nanoseconds


def test_a_recorded_tag_is_its_time() -> None:
    """The tag 0x8D702793E285839 came with Sun, 07 Jul 2019 01:20:05 GMT (recorded-examples.json)."""
    moment = values.parse_time("2019-07-07T01:20:05Z")
    assert moment is not None
    assert values.tag(moment)[:9] == '"0x8D702793E285839"'[:9]


@pytest.mark.parametrize("text", ["", "soon", "2021-13-01T00:00:00Z", "2021-01-01", "2021-01-01T00:00:00.12345678901Z"])
def test_what_is_no_time(text: str) -> None:
    assert values.parse_time(text) is None


def test_attributes_stand_in_their_order() -> None:
    assert values.parse_attributes("archive|ReadOnly | hidden") == ("ReadOnly", "Hidden", "Archive")
    assert values.attributes_text(("Archive", "ReadOnly")) == "ReadOnly | Archive"
    assert (values.parse_attributes("None"), values.attributes_text(())) == ((), "None")
    assert values.parse_attributes("Blue") is None


def test_header_names_sort_by_weight_as_the_service_does() -> None:
    """Punctuation before digits before letters, hyphens only between equals."""
    names = ["x-ms-meta-a1", "x-ms-meta-a_b", "x-ms-meta-ab", "x-ms-meta", "x-ms-meta-a-b"]
    assert sorted(names, key=by_weight)[:3] == ["x-ms-meta", "x-ms-meta-a_b", "x-ms-meta-a1"]  # type: ignore[arg-type]
    assert sorted(names, key=by_byte)[:3] == ["x-ms-meta", "x-ms-meta-a-b", "x-ms-meta-a1"]  # type: ignore[arg-type]


def test_names_that_xml_cannot_hold_are_encoded() -> None:
    assert xml.named("Name", "a\ufffeb") == '<Name Encoded="true">a%EF%BF%BEb</Name>'
    assert xml.named("Name", "a&b") == "<Name>a&amp;b</Name>"


@pytest.mark.parametrize(
    ("host", "path", "found"),
    [
        ("127.0.0.1:1", "/acc/share/a/b", ("acc", "share", "a/b")),
        ("ACC.file.core.windows.net", "/share/a%2Fb/", ("acc", "share", "a/b")),
        ("acc.file.localhost:10004", "//share//a.//b..", ("acc", "share", "a/b")),
        ("localhost", "/acc", ("acc", "", "")),
        ("localhost", "/acc/share/a%252Fb", ("acc", "share", "a%2Fb")),
    ],
)
def test_addresses(host: str, path: str, found: tuple[str, str, str]) -> None:
    address = parse(host, path)
    assert (address.account, address.share, address.path) == found


@pytest.mark.parametrize(
    ("path", "source", "found"),
    [
        ("/share/new", "http://127.0.0.1:1/acc/share/old", ("acc", "share", "new")),
        ("/share/d/new", "http://127.0.0.1:1/acc/share%2Fd%2Fold?sv=1", ("acc", "share", "d/new")),
        ("/acc/share/new", "http://127.0.0.1:1/acc/share/old", ("acc", "share", "new")),
        ("/share/share/new", "http://127.0.0.1:1/share/share/old", ("share", "share", "new")),
        ("/acc/share/new", "http://[/acc", ("acc", "share", "new")),
    ],
)
def test_account_that_a_client_left_out_of_a_rename(path: str, source: str, found: tuple[str, str, str]) -> None:
    """@azure/storage-file-share does so in path style; the source tells whose share it is."""
    scope = {
        "type": "http", "method": "PUT", "path": path, "raw_path": path.encode(), "query_string": b"comp=rename",
        "headers": [(b"host", b"127.0.0.1:1"), (b"x-ms-file-rename-source", source.encode())],
    }  # fmt: skip
    address = read_address(Request(scope, receive=None, id="1", now=0))  # type: ignore[arg-type]
    assert (address.account, address.share, address.path) == found


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("pending", "PendingCopyOperation"), ("another", "CopyIdMismatch"), ("none pending", "NoPendingCopyOperation"),
    ],
)  # fmt: skip
def test_what_a_copy_refuses(state: str, code: str) -> None:
    """How copies come to these: tests/shares/test_copying.py."""
    refused = translate(errors.WrongState("copy", state, "change"), "File")
    assert (refused.status, refused.code) == (409, code)


RIGHTS = {
    "s l": "List Shares",
    "s r": "Get File Service Properties",
    "s w": "Set File Service Properties",
    "c r": "Get Share Stats, Get Share Properties, Get Share Metadata",
    "c cw": "Create Share, Snapshot Share",
    "c w": "Set Share Properties, Set Share Metadata",
    "c d": "Delete Share",
    "c l": "List Directories and Files",
    "o cw": "Create Directory, Create File",
    "o r": "Get Directory Properties, Get Directory Metadata, Get File, Get File Properties, Get File Metadata,"
    " List Ranges",
    "o w": "Set Directory Metadata, Set File Metadata, Put Range, Abort Copy File",
    "o d": "Delete Directory, Delete File",
}
"""Resource type and permissions of an account SAS, by the page "Create an account SAS"; `cw` is either of them."""


def test_what_an_account_signature_needs_is_as_the_page_says() -> None:
    """For each operation that the page names. (Copy File takes `c` too, for a new file: the page on service SAS.)"""
    rows = {row.name: f"{row.kind} {row.letters}" for methods in TABLE.values() for row in methods.values()}
    named = {name: right for right, names in RIGHTS.items() for name in names.split(", ")}
    assert {name: rows[name] for name in named} == named


def test_what_is_the_owners_alone() -> None:
    """No service signature opens what is about the account or a share itself, and none at all its policies."""
    rows = [row for methods in TABLE.values() for row in methods.values()]
    assert {row.name for row in rows if "account-sas" in row.owner} == {"Get Share ACL", "Set Share ACL"}
    within = {"List Directories and Files"}
    assert all("service-sas" in row.owner for row in rows if row.kind in "sc" and row.name not in within)
    assert not any(row.owner for row in rows if row.kind == "o")
