"""User delegation: keys by a token, signatures made with them by the real client, and what they do not allow."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from xml.etree import ElementTree as ET

import httpx
import jwt
import pytest
from azure.storage.fileshare import (
    FileSasPermissions,
    ShareSasPermissions,
    ShareServiceClient,
    UserDelegationKey,
    generate_file_sas,
    generate_share_sas,
)  # fmt: skip
from tests.support.azure_files import KEY, SECOND_KEY, FileService, Raw, file_service

OID, TENANT = "0a0a0a0a-1111-2222-3333-444444444444", "0b0b0b0b-1111-2222-3333-444444444444"
ADDRESS = "?restype=service&comp=userdelegationkey"
VERSION = "2026-10-06"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture(scope="module")
def raw(service: FileService) -> Raw:
    owner = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0)
    owner.create_share("share").get_file_client("f").upload_file(b"text")
    return Raw(service)


def token(**claims: object) -> str:
    now = int(time.time())
    usual = {"aud": "https://storage.azure.com", "exp": now + 600, "nbf": now - 60, "oid": OID, "tid": TENANT}
    return jwt.encode({**usual, **claims}, base64.b64decode(KEY), algorithm="HS256")


def moment(seconds: float) -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def ask(raw: Raw, start: str | None, expiry: str | None, bearer: str | None = None, **more: str) -> httpx.Response:
    parts = (("Start", start), ("Expiry", expiry), ("DelegatedUserTid", more.pop("tid", None)))
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in parts if value is not None)
    fields = {
        "x-ms-version": VERSION, "x-ms-date": formatdate(usegmt=True),
        "Authorization": f"Bearer {bearer or token()}", **more,
    }  # fmt: skip
    return raw.http.post(f"/{raw.account}/{ADDRESS}", headers=fields, content=f"<KeyInfo>{inner}</KeyInfo>".encode())


def key_of(answer: httpx.Response) -> UserDelegationKey:
    """As the client makes it of the answer."""
    answer.raise_for_status()
    found, key = {each.tag: each.text for each in ET.fromstring(answer.text)}, UserDelegationKey()
    key.signed_oid, key.signed_tid, key.signed_start = found["SignedOid"], found["SignedTid"], found["SignedStart"]
    key.signed_expiry, key.signed_service = found["SignedExpiry"], found["SignedService"]
    key.signed_version, key.value = found["SignedVersion"], found["Value"]
    key.signed_delegated_user_tid = found.get("SignedDelegatedUserTid")
    return key


def share_sas(key: UserDelegationKey, *, write: bool = False, user: str | None = None) -> str:
    return generate_share_sas(
        "devaccount", "share", permission=ShareSasPermissions(read=True, list=True, write=write),
        expiry=datetime.now(UTC) + timedelta(hours=1), user_delegation_key=key, user_delegation_oid=user,
    )  # fmt: skip


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers.get("x-ms-error-code", "")


@pytest.mark.operation("Get User Delegation Key")
def test_a_key_is_its_owners_and_the_same_for_the_same_times(raw: Raw) -> None:
    start, expiry = moment(-60), moment(3600)
    first, second = key_of(ask(raw, start, expiry)), key_of(ask(raw, start, expiry))
    assert (first.signed_oid, first.signed_tid, first.signed_service) == (OID, TENANT, "f")
    assert (first.signed_start, first.signed_expiry, first.signed_version) == (start, expiry, VERSION)
    assert first.value == second.value
    others = [ask(raw, start, moment(3601)), ask(raw, start, expiry, token(oid="another"))]
    assert first.value not in {key_of(each).value for each in others}


def test_a_signature_by_such_a_key_is_good(raw: Raw) -> None:
    """On a share and on a file, for what it allows."""
    key = key_of(ask(raw, None, moment(3600)))
    listing = f"share?restype=directory&comp=list&{share_sas(key)}"
    assert raw("GET", listing, sign=False).status_code == 200
    assert raw("GET", f"share/f?{share_sas(key)}", sign=False).content == b"text"
    file = generate_file_sas(
        "devaccount", "share", ["f"], permission=FileSasPermissions(read=True), user_delegation_key=key,
        expiry=datetime.now(UTC) + timedelta(hours=1), content_type="text/plain",
    )  # fmt: skip
    answer = raw("GET", f"share/f?{file}", sign=False)
    assert (answer.content, answer.headers["content-type"]) == (b"text", "text/plain")
    assert code(raw("DELETE", f"share/f?{file}", sign=False)) == (403, "AuthorizationPermissionMismatch")
    assert code(raw("GET", f"share?restype=share&{share_sas(key)}", sign=False))[0] == 403


def test_a_signature_allows_no_more_than_its_keys_owner_may(raw: Raw) -> None:
    """A reader's key does not write, whatever its signature says."""
    key = key_of(ask(raw, None, moment(3600), token(roles=["read"])))
    signature = share_sas(key, write=True)
    assert raw("GET", f"share/f?{signature}", sign=False).content == b"text"
    answer = raw("PUT", f"share/f?comp=metadata&{signature}", {"x-ms-meta-a": "b"}, sign=False)
    assert code(answer) == (403, "AuthorizationPermissionMismatch")


def test_a_signature_for_one_user_needs_a_token_of_theirs(raw: Raw) -> None:
    key = key_of(ask(raw, None, moment(3600), tid=TENANT))
    path = f"share/f?{share_sas(key, user=OID)}"
    intent = {"x-ms-file-request-intent": "backup"}
    assert code(raw("GET", path, sign=False)) == (403, "AuthenticationFailed")
    for claims in ({"oid": "another"}, {"tid": "another"}):
        wrong = {**intent, "Authorization": f"Bearer {token(**claims)}"}
        assert code(raw("GET", path, wrong, sign=False)) == (403, "AuthenticationFailed")
    right = {**intent, "Authorization": f"Bearer {token(roles=['read'])}"}
    assert raw("GET", path, right, sign=False).content == b"text"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("skoid=0a", "skoid=0c"), ("sks=f", "sks=b"), ("sp=rl", "sp=rwl"), (f"skv={VERSION}", "skv=2026-06-06"),
        ("sr=s", "sr=f"), ("sr=s", "sr=d"), ("sig=", "sig=A"),
    ],
)  # fmt: skip
def test_a_signature_that_was_changed_is_refused(raw: Raw, old: str, new: str) -> None:
    changed = share_sas(key_of(ask(raw, None, moment(3600)))).replace(old, new)
    assert code(raw("GET", f"share/f?{changed}", sign=False)) == (403, "AuthenticationFailed")


def test_a_key_is_good_in_its_time_and_account_alone(raw: Raw, service: FileService) -> None:
    """Not before, nor for an account whose keys are others."""
    late = share_sas(key_of(ask(raw, moment(600), moment(3600))))
    assert code(raw("GET", f"share/f?{late}", sign=False)) == (403, "AuthenticationFailed")
    other = Raw(service, "twokeys", SECOND_KEY)
    good = share_sas(key_of(ask(raw, None, moment(3600))))
    assert code(other("GET", f"share/f?{good}", sign=False)) == (403, "AuthenticationFailed")


@pytest.mark.operation("Get User Delegation Key")
def test_a_key_that_cannot_be_had_is_refused(raw: Raw) -> None:
    """Times that are none, none left or over seven days; no token; a version that has no such keys."""
    invalid = (400, "InvalidXmlNodeValue")
    assert code(ask(raw, None, None)) == (400, "MissingRequiredXmlNode")
    assert code(ask(raw, None, "soon")) == invalid
    assert code(ask(raw, "now", moment(60))) == invalid
    assert code(ask(raw, None, moment(-60))) == invalid
    assert code(ask(raw, moment(600), moment(300))) == invalid
    assert code(ask(raw, None, moment(8 * 24 * 3600))) == invalid
    assert code(ask(raw, None, moment(60), **{"x-ms-version": "2025-05-05"})) == (400, "InvalidQueryParameterValue")
    assert code(raw("POST", ADDRESS, {"x-ms-version": VERSION, "Content-Length": "0"})) == (403, "AuthenticationFailed")
    headers = {"Authorization": f"Bearer {token()}", "x-ms-file-request-intent": "backup", "x-ms-version": VERSION}
    assert code(raw("POST", ADDRESS, headers, b"<Other />", sign=False)) == (400, "InvalidXmlDocument")
    assert code(raw("POST", ADDRESS, headers, b"<KeyInfo>", sign=False)) == (400, "InvalidXmlDocument")
