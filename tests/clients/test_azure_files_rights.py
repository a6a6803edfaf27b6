"""What each letter of a signature allows and what it does not, with its own code; and which names and versions are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from azure.storage.fileshare import (
    AccountSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_file_sas,
    generate_share_sas,
)
from tests.support.azure_files import ABSENT, KEY, FileService, Raw, file_service

FILE = {"x-ms-type": "file", "x-ms-content-length": "5"}
CLEAR = {"x-ms-write": "clear", "x-ms-range": "bytes=0-1"}
LATER, EARLIER = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, -1))
ALL = ResourceTypes(service=True, container=True, object=True)
PERMISSION, TYPE, BAD, FAILURE = (
    "AuthorizationPermissionMismatch",
    "AuthorizationResourceTypeMismatch",
    "AuthenticationFailed",
    "AuthorizationFailure",
)
ACL = (
    b"<SignedIdentifiers><SignedIdentifier><Id>p</Id><AccessPolicy><Expiry>2099-01-01T00:00:00Z</Expiry>"
    b"<Permission>r</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"
)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    with file_service(tmp_path_factory.mktemp("files")) as service:
        yield _filled(service)


def _filled(service: FileService) -> Raw:
    send = Raw(service)
    send("PUT", "share?restype=share").raise_for_status()
    send("PUT", "share?restype=share&comp=acl", {}, ACL).raise_for_status()
    send("PUT", "share/f", FILE).raise_for_status()
    send("PUT", "share/d?restype=directory").raise_for_status()
    return send


def share_sas(letters: str | None, **terms: object) -> str:
    return generate_share_sas("devaccount", "share", KEY, letters, terms.pop("expiry", LATER), **terms)  # type: ignore[arg-type]


def file_sas(letters: str, **terms: object) -> str:
    return generate_file_sas("devaccount", "share", ["f"], KEY, letters, LATER, **terms)  # type: ignore[arg-type]


def account_sas(letters: str = "r", types: ResourceTypes = ALL, **terms: object) -> str:
    permission = AccountSasPermissions.from_string(letters)
    return generate_account_sas("devaccount", KEY, types, permission, terms.pop("expiry", LATER), **terms)  # type: ignore[arg-type]


def code(answer: httpx.Response) -> str:
    return answer.headers.get("x-ms-error-code", "") if answer.status_code >= 400 else ""


@pytest.mark.parametrize(
    ("token", "method", "path", "headers", "wanted"),
    [
        (share_sas("r"), "GET", "share/f", {}, ""),
        (share_sas("r"), "PUT", "share/n", FILE, PERMISSION),
        (share_sas("c"), "PUT", "share/f?comp=metadata", {}, PERMISSION),
        (share_sas("c"), "PUT", "share/f?comp=range", CLEAR, PERMISSION),
        (share_sas("w"), "PUT", "share/f?comp=range", CLEAR, ""),
        (share_sas("w"), "DELETE", "share/f", {}, PERMISSION),
        (share_sas("w"), "GET", "share/f", {}, PERMISSION),
        (share_sas("r"), "GET", "share?restype=directory&comp=list", {}, PERMISSION),
        (share_sas("l"), "GET", "share?restype=directory&comp=list", {}, ""),
        (share_sas("rwdl"), "GET", "share?restype=share", {}, FAILURE),
        (share_sas("rwdl"), "PUT", "share?restype=share&comp=acl", {}, FAILURE),
        (share_sas("rwdl"), "GET", "share?restype=share&comp=stats", {}, FAILURE),
        (share_sas("l"), "GET", "?comp=list", {}, BAD),
        (share_sas("r"), "GET", "other/f", {}, BAD),
        (share_sas("r", expiry=EARLIER), "GET", "share/f", {}, BAD),
        (share_sas("r", start=LATER, expiry=LATER + timedelta(hours=1)), "GET", "share/f", {}, BAD),
        (share_sas("r", protocol="https"), "GET", "share/f", {}, "AuthorizationProtocolMismatch"),
        (share_sas("r", ip="10.0.0.1"), "GET", "share/f", {}, "AuthorizationSourceIPMismatch"),
        (share_sas("r", ip="127.0.0.1-127.0.0.9"), "GET", "share/f", {}, ""),
        (share_sas(None, expiry=None, policy_id="p"), "GET", "share/f", {}, ""),
        (share_sas(None, expiry=None, policy_id="p"), "DELETE", "share/f", {}, PERMISSION),
        (share_sas(None, expiry=None, policy_id="none"), "GET", "share/f", {}, BAD),
        (share_sas("r", expiry=None, policy_id="p"), "GET", "share/f", {}, BAD),
        (file_sas("r"), "GET", "share/f", {}, ""),
        (file_sas("r"), "GET", "share/g", {}, BAD),
        (file_sas("r"), "PUT", "share/f?comp=range", CLEAR, PERMISSION),
        (file_sas("r", protocol="https"), "GET", "share/f", {}, "AuthorizationProtocolMismatch"),
        (account_sas("r"), "GET", "share/f", {}, ""),
        (account_sas("r"), "DELETE", "share/f", {}, PERMISSION),
        (account_sas("r"), "GET", "?comp=list", {}, PERMISSION),
        (account_sas("l"), "GET", "?comp=list", {}, ""),
        (account_sas("r", ResourceTypes(service=True)), "GET", "share/f", {}, TYPE),
        (account_sas("l", ResourceTypes(object=True)), "GET", "?comp=list", {}, TYPE),
        (account_sas("r", ResourceTypes(object=True)), "GET", "share?restype=share", {}, TYPE),
        (account_sas("l", ResourceTypes(container=True)), "GET", "share?restype=directory&comp=list", {}, ""),
        (account_sas("l", ResourceTypes(object=True)), "GET", "share?restype=directory&comp=list", {}, TYPE),
        (account_sas("rw"), "GET", "share?restype=share&comp=acl", {}, FAILURE),
        (account_sas("rw"), "PUT", "share?restype=share&comp=acl", {}, FAILURE),
        (account_sas("r"), "GET", "share?restype=share&comp=stats", {}, ""),
        (account_sas("r", expiry=EARLIER), "GET", "share/f", {}, BAD),
        (account_sas("r", protocol="https"), "GET", "share/f", {}, "AuthorizationProtocolMismatch"),
        (account_sas("r", ip="10.0.0.1"), "GET", "share/f", {}, "AuthorizationSourceIPMismatch"),
        (account_sas("r")[:-3], "GET", "share/f", {}, BAD),
        ("", "GET", "share/f", {}, "NoAuthenticationInformation"),
    ],
)
def test_a_signature_allows_what_it_says(
    raw: Raw, token: str, method: str, path: str, headers: dict[str, str], wanted: str
) -> None:
    """And no more; what is refused changes nothing."""
    before = raw("GET", "share/f").headers["etag"]
    answer = raw(method, f"{path}{'&' if '?' in path else '?'}{token}", headers, sign=False)
    assert code(answer) == wanted
    assert wanted == "" or raw("GET", "share/f").headers["etag"] == before


EMOJI = "%F0%9F%98%80"  # two units of UTF-16 each


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("share/" + "a" * 255, ""),
        ("share/" + "a" * 256, "InvalidResourceName"),
        ("share/" + EMOJI * 127, ""),
        ("share/" + EMOJI * 128, "InvalidResourceName"),
        ("share/" + "/".join(["a" * 200] * 11), "InvalidResourceName"),
        ("share/" + "/".join(["d"] * 251), "InvalidResourceName"),
        ("share/" + "/".join(["d"] * 250), "ParentNotFound"),
        ("share/a%22b", "InvalidResourceName"),
        ("share/a%5Cb", "InvalidResourceName"),
        ("share/a%01b", "InvalidResourceName"),
        ("share/%2E%2E", "InvalidResourceName"),
        ("share/...", "InvalidUri"),
        ("share/a%FF", "InvalidUri"),
        ("share%2Fd%2Fa", ""),
        ("share/d//a/", ""),
        ("share/d/a.", ""),
        ("share/f/a", "ParentNotFound"),
        ("share/d", "ResourceTypeMismatch"),
    ],
)
def test_which_names_a_file_may_have(raw: Raw, path: str, wanted: str) -> None:
    """Lengths are counted in UTF-16; separators may be encoded, repeated, and stand at the end."""
    assert code(raw("PUT", path, FILE)) == wanted


@pytest.mark.parametrize("version", ["2018-11-09", "2019-03-03", "2030-01-01", "x", ABSENT])
def test_an_unknown_version_is_refused(raw: Raw, version: str) -> None:
    """By the header's name; a request without any names none."""
    answer = raw("GET", "share/f", {"x-ms-version": version})
    assert answer.status_code == 400
    assert code(answer) == ("MissingRequiredHeader" if version == ABSENT else "InvalidHeaderValue")
    assert "<HeaderName>x-ms-version</HeaderName>" in answer.text


def test_no_timeout_is_one(raw: Raw) -> None:
    """Zero seconds are allowed, as the description says; what is no number is not."""
    assert raw("GET", "share/f?timeout=0").status_code == 200
    for text in ("x", "-1", "1.5"):
        assert code(raw("GET", f"share/f?timeout={text}")) == "InvalidQueryParameterValue"
