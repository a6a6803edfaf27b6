"""What is refused: signatures, versions, headers and bodies; each with its status and code, and nothing changes."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from urllib.parse import quote, urlencode

import httpx
import jwt
import pytest
from tests.support.azure_files import ABSENT, KEY, SECOND_KEY, FileService, Raw, file_service

from linarite.http import storage_auth

NEW = {"x-ms-type": "file", "x-ms-content-length": "1"}
UPDATE, CLEAR = {"x-ms-write": "update"}, {"x-ms-write": "clear"}
SECRET = base64.b64decode(KEY)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture(scope="module")
def raw(service: FileService) -> Raw:
    send = Raw(service)
    send("PUT", "share?restype=share").raise_for_status()
    send("PUT", "share/f", {"x-ms-type": "file", "x-ms-content-length": "100"}).raise_for_status()
    return send


def policy(terms: bytes) -> bytes:
    """The body of Set Share ACL with one policy."""
    identifier = b"<SignedIdentifier><Id>p</Id><AccessPolicy>%b</AccessPolicy></SignedIdentifier>" % terms
    return b"<SignedIdentifiers>%b</SignedIdentifiers>" % identifier


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers.get("x-ms-error-code", "")


def test_shared_key_lite_is_accepted(raw: Raw) -> None:
    assert raw("GET", "share/f", scheme="SharedKeyLite").status_code == 200


@pytest.mark.parametrize("scheme", ["SharedKey", "SharedKeyLite"])
@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("COMP=metadata", {}),
        ("Comp=METADATA&&timeout=5", {}),
        ("comp=metadata&timeout=5&timeout=30", {}),
        ("comp=metadata&empty=&x=%C3%A4%2Bb+c", {}),
        ("comp=metadata", {"x-ms-empty": "", "x-ms-note": "a: b"}),
        ("comp=metadata", {"x-ms-a_b": "1", "x-ms-a1": "2", "x-ms-a-b": "3", "x-ms-A": "4"}),
        ("comp=metadata", {"Content-Type": "text/plain", "Content-MD5": "abc", "Content-Length": "0"}),
        ("comp=metadata", {"If-None-Match": '"x"', "Range": "bytes=0-1", "Content-Language": "en"}),
    ],
)
def test_a_signature_of_odd_queries_and_headers_is_good(
    raw: Raw, scheme: str, query: str, headers: dict[str, str]
) -> None:
    """Letter case, values that stand twice, empty ones, blanks around them, parts without a name."""
    assert raw("GET", f"share/f?{query}", headers, scheme=scheme).status_code == 200


def test_runs_of_blanks_are_signed_as_they_are_or_as_one(raw: Raw) -> None:
    """Clients do the one, the page "Authorize with Shared Key" says the other; nothing else passes for it."""
    for signed, wanted in (("a \t b", 200), ("a b", 200), ("ab", 403), ("a  b", 403)):
        fields = {"x-ms-version": "2025-01-05", "x-ms-date": formatdate(usegmt=True), "x-ms-note": signed}
        url = "/devaccount/share/f"
        signature = raw.signature("GET", url, fields, "SharedKey")
        sent = {**fields, "x-ms-note": "a \t b", "Authorization": f"SharedKey devaccount:{signature}"}
        assert raw.http.get(url, headers=sent).status_code == wanted, signed


def test_both_keys_of_an_account_are_good(service: FileService) -> None:
    """Rotation: the other key works meanwhile."""
    for key in (KEY, SECOND_KEY):
        assert Raw(service, "twokeys", key)("GET", "?comp=list").status_code == 200


def test_a_wrong_key_is_refused(service: FileService) -> None:
    assert code(Raw(service, key=SECOND_KEY)("GET", "share/f")) == (403, "AuthenticationFailed")


def test_an_unknown_account_is_refused(service: FileService) -> None:
    assert code(Raw(service, "nobody")("GET", "share/f")) == (403, "AuthenticationFailed")


def test_a_signature_for_another_account_is_refused(raw: Raw, service: FileService) -> None:
    """The account of the signature must be the addressed one, though in development both have one key."""
    other = raw("GET", "share/f").request.headers["authorization"]
    answer = raw.http.get("/elsewhere/share/f", headers={"Authorization": other, "x-ms-version": "2025-01-05",
                                                         "x-ms-date": formatdate(usegmt=True)})  # fmt: skip
    assert code(answer) == (403, "AuthenticationFailed")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_date_over_15_minutes_off_is_refused(raw: Raw, minutes: int) -> None:
    assert code(raw("GET", "share/f", date=formatdate(time.time() + 60 * minutes, usegmt=True)))[0] == 403
    assert raw("GET", "share/f", date=formatdate(time.time() + 14 * minutes / abs(minutes) * 60, usegmt=True))


def test_a_request_without_date_is_refused(raw: Raw) -> None:
    assert code(raw("GET", "share/f", {"x-ms-date": ABSENT})) == (400, "MissingRequiredHeader")


def test_a_request_without_signature_is_challenged(raw: Raw) -> None:
    """It is told how it might sign in."""
    answer = raw("GET", "share/f", sign=False)
    assert code(answer) == (401, "NoAuthenticationInformation")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("value", ["SharedKey", "SharedKey devaccount", "Digest devaccount:abc"])
def test_a_malformed_authorization_is_refused(raw: Raw, value: str) -> None:
    assert code(raw("GET", "share/f", {"Authorization": value}, sign=False)) == (400, "InvalidAuthenticationInfo")


@pytest.mark.parametrize("version", ["2018-11-09", "2099-01-01", "latest", "2025-1-5"])
def test_an_unknown_version_is_refused(raw: Raw, version: str) -> None:
    assert code(raw("GET", "share/f", {"x-ms-version": version})) == (400, "InvalidHeaderValue")


def test_a_request_without_version_is_refused(raw: Raw) -> None:
    assert code(raw("GET", "share/f", {"x-ms-version": ABSENT})) == (400, "MissingRequiredHeader")


def token(**claims: object) -> str:
    now = int(time.time())
    usual = {"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/t/", "exp": now + 60, "nbf": now - 60}
    return jwt.encode({**usual, **claims}, SECRET, algorithm="HS256")


def bearer(raw: Raw, value: str, **headers: str) -> httpx.Response:
    return raw("GET", "share/f", {"Authorization": f"Bearer {value}", **headers}, sign=False)


def test_a_token_with_intent_is_accepted(raw: Raw) -> None:
    assert bearer(raw, token(), **{"x-ms-file-request-intent": "backup"}).status_code == 200


def test_a_token_without_intent_is_refused(raw: Raw) -> None:
    assert code(bearer(raw, token())) == (400, "MissingRequiredHeader")
    assert code(bearer(raw, token(), **{"x-ms-file-request-intent": "restore"})) == (400, "InvalidHeaderValue")


@pytest.mark.parametrize("claims", [{"exp": 1}, {"aud": "https://elsewhere"}])
def test_a_token_that_is_not_good_is_401(raw: Raw, claims: dict[str, object]) -> None:
    answer = bearer(raw, token(**claims), **{"x-ms-file-request-intent": "backup"})
    assert code(answer) == (401, "InvalidAuthenticationInfo")
    assert "www-authenticate" in answer.headers


def test_a_token_for_reading_writes_nothing(raw: Raw) -> None:
    headers = {"Authorization": f"Bearer {token(roles=['read'])}", "x-ms-file-request-intent": "backup"}
    assert raw("GET", "share/f", headers, sign=False).status_code == 200
    assert code(raw("DELETE", "share/f", headers, sign=False)) == (403, "AuthorizationPermissionMismatch")
    assert raw("GET", "share/f").status_code == 200


def sas(path: str = "share/f", **changes: str) -> str:
    """A service SAS of a file, good for an hour unless changed."""
    expiry = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    fields = {"sv": "2025-01-05", "sr": "f", "sp": "r", "se": expiry, **changes}
    text = storage_auth.service_sas_text(fields, f"/file/devaccount/{path}")
    fields["sig"] = base64.b64encode(storage_auth.sign(SECRET, text)).decode()
    return urlencode(fields, quote_via=quote)


def account_sas(**changes: str) -> str:
    expiry = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    fields = {"sv": "2025-01-05", "ss": "f", "srt": "o", "sp": "r", "se": expiry, **changes}
    text = storage_auth.account_sas_text(fields, "devaccount")
    fields["sig"] = base64.b64encode(storage_auth.sign(SECRET, text)).decode()
    return urlencode(fields, quote_via=quote)


def get(raw: Raw, path: str, query: str, method: str = "GET") -> httpx.Response:
    return raw.http.request(method, f"/devaccount/{path}?{query}")


def test_a_signature_overrides_headers_of_the_answer(raw: Raw) -> None:
    """rsct and its like; and the version may come from the signature."""
    answer = get(raw, "share/f", sas(rsct="text/html", rscd="inline", rscc="no-store"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    assert (answer.headers["content-disposition"], answer.headers["x-ms-version"]) == ("inline", "2025-01-05")


@pytest.mark.parametrize(
    ("query", "status", "wanted"),
    [
        (sas(se="2020-01-01T00:00:00Z"), 403, "AuthenticationFailed"),
        (sas(se="nonsense"), 403, "AuthenticationFailed"),
        (sas(st="2099-01-01"), 403, "AuthenticationFailed"),
        (sas(sp="w"), 403, "AuthorizationPermissionMismatch"),
        (sas(sip="10.0.0.1-10.0.0.9"), 403, "AuthorizationSourceIPMismatch"),
        (sas(spr="https"), 403, "AuthorizationProtocolMismatch"),
        (sas(path="share/g"), 403, "AuthenticationFailed"),
        (sas(sr="b"), 403, "AuthenticationFailed"),
        (sas(si="none"), 403, "AuthenticationFailed"),
        (sas(sv="2018-01-01"), 400, "InvalidQueryParameterValue"),
        (sas() + "x", 403, "AuthenticationFailed"),
        (account_sas(ss="b"), 403, "AuthorizationServiceMismatch"),
        (account_sas(srt="sc"), 403, "AuthorizationResourceTypeMismatch"),
        (account_sas(sp="l"), 403, "AuthorizationPermissionMismatch"),
        (account_sas().replace("sp=r", "sp=rw"), 403, "AuthenticationFailed"),
    ],
)
def test_a_signature_that_does_not_allow_it_is_refused(raw: Raw, query: str, status: int, wanted: str) -> None:
    assert code(get(raw, "share/f", query)) == (status, wanted)


def test_a_signature_from_this_address_is_good(raw: Raw) -> None:
    assert get(raw, "share/f", sas(sip="127.0.0.0-127.0.0.9", spr="https,http")).status_code == 200


def test_a_service_signature_cannot_touch_the_share(raw: Raw) -> None:
    """Calls of the account's owner are not for it."""
    query = sas("share", sr="s", sp="rcwdl")
    assert get(raw, "share", f"restype=directory&comp=list&{query}").status_code == 200
    answer = get(raw, "share", f"restype=share&{query}", "DELETE")
    assert code(answer) == (403, "AuthorizationFailure")


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "wanted"),
    [
        ("PUT", "share/g", {}, b"", 400, "MissingRequiredHeader"),
        ("PUT", "share/g", {"x-ms-type": "file"}, b"", 400, "MissingRequiredHeader"),
        ("PUT", "share/g", {"x-ms-type": "blob", "x-ms-content-length": "1"}, b"", 400, "InvalidHeaderValue"),
        ("PUT", "share/g", {"x-ms-type": "file", "x-ms-content-length": "-1"}, b"", 400, "InvalidHeaderValue"),
        ("PUT", "share/g", {"x-ms-type": "file", "x-ms-content-length": str(4 * 1024**4 + 1)}, b"", 400,
         "InvalidHeaderValue"),
        ("PUT", "share/g", {**NEW, "x-ms-file-attributes": "Blue"}, b"", 400,
         "InvalidHeaderValue"),
        ("PUT", "share/g", {**NEW, "x-ms-file-creation-time": "soon"}, b"", 400,
         "InvalidHeaderValue"),
        ("PUT", "share/g", {**NEW, "x-ms-file-permission": "no"}, b"", 400,
         "FileInvalidPermission"),
        ("PUT", "share/g", {**NEW, "x-ms-file-permission-key": "1*2"}, b"", 400,
         "FileInvalidPermissionKey"),
        ("PUT", "share/g", {**NEW, "x-ms-meta-a-b": "1"}, b"", 400,
         "InvalidMetadata"),
        ("PUT", "share/g", {**NEW, "x-ms-meta-": "1"}, b"", 400,
         "EmptyMetadataKey"),
        ("PUT", "share/g", {**NEW, "x-ms-meta-a": "x" * 9000}, b"", 400,
         "MetadataTooLarge"),
        ("PUT", "share/g", {"x-ms-type": "file", "x-ms-content-length": "9"}, b"body", 400, "InvalidHeaderValue"),
        ("PUT", "share/none/g", NEW, b"", 404, "ParentNotFound"),
        ("PUT", "share/g*", NEW, b"", 400, "InvalidResourceName"),
        ("PUT", "share/f?comp=range", {}, b"x", 400, "MissingRequiredHeader"),
        ("PUT", "share/f?comp=range", {"x-ms-write": "update"}, b"x", 400, "MissingRequiredHeader"),
        ("PUT", "share/f?comp=range", {"x-ms-write": "append", "x-ms-range": "bytes=0-0"}, b"x", 400,
         "InvalidHeaderValue"),
        ("PUT", "share/f?comp=range", {**UPDATE, "x-ms-range": "bytes=0-"}, b"x", 400, "InvalidHeaderValue"),
        ("PUT", "share/f?comp=range", {**UPDATE, "x-ms-range": "bytes=0-4"}, b"x", 400,
         "InvalidHeaderValue"),
        ("PUT", "share/f?comp=range", {**UPDATE, "x-ms-range": "bytes=99-100"}, b"xx", 416, "InvalidRange"),
        ("PUT", "share/f?comp=range", {**CLEAR, "x-ms-range": "bytes=99-100"}, b"", 416, "InvalidRange"),
        ("PUT", "share/f?comp=range", {**CLEAR, "x-ms-range": "bytes=0-0"}, b"x", 400, "InvalidHeaderValue"),
        ("PUT", "share/f?comp=range", {**UPDATE, "x-ms-range": f"bytes=0-{4 * 1024**2}"}, b"x", 413,
         "RequestBodyTooLarge"),
        ("PUT", "share/f?comp=range", {**UPDATE, "x-ms-range": "bytes=0-0",
                                       "Content-MD5": base64.b64encode(bytes(16)).decode()}, b"x", 400, "Md5Mismatch"),
        ("PUT", "share/f?comp=range", {**UPDATE, "x-ms-range": "bytes=0-0", "Content-MD5": "abc"}, b"x", 400,
         "InvalidMd5"),
        ("PUT", "share/f?comp=lease", {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "30"}, b"", 400,
         "InvalidHeaderValue"),
        ("PUT", "share/f?comp=lease", {"x-ms-lease-action": "renew", "x-ms-lease-id": "0" * 36}, b"", 400,
         "InvalidHeaderValue"),
        ("PUT", "share/f?comp=lease", {"x-ms-lease-action": "break"}, b"", 409, "LeaseNotPresentWithLeaseOperation"),
        ("PUT", "share/f?comp=copy&copyid=1", {"x-ms-copy-action": "abort"}, b"", 409, "NoPendingCopyOperation"),
        ("PUT", "share/f", {"x-ms-copy-source": "file:///etc/passwd"}, b"", 400, "InvalidHeaderValue"),
        ("PUT", "share/f", {"x-ms-copy-source": "http://example.com/devaccount/share/x"}, b"", 404,
         "CannotVerifyCopySource"),
        ("PUT", "share/f", {"x-ms-copy-source": "http://127.0.0.1/devaccount/share/none"}, b"", 404,
         "CannotVerifyCopySource"),
        ("PUT", "share/f", {"x-ms-copy-source": "http://127.0.0.1/other/share/x"}, b"", 401, "CannotVerifyCopySource"),
        ("PUT", "share?restype=share", {}, b"", 409, "ShareAlreadyExists"),
        ("PUT", "sh?restype=share", {}, b"", 400, "InvalidResourceName"),
        ("PUT", "sh--are?restype=share", {}, b"", 400, "InvalidResourceName"),
        ("PUT", "Share?restype=share", {}, b"", 400, "InvalidResourceName"),
        ("PUT", "more?restype=share", {"x-ms-share-quota": "0"}, b"", 400, "InvalidHeaderValue"),
        ("PUT", "more?restype=share", {"x-ms-access-tier": "Tepid"}, b"", 400, "InvalidHeaderValue"),
        ("PUT", "share/f?restype=directory", {}, b"", 409, "ResourceAlreadyExists"),
        ("PUT", "share?restype=directory", {}, b"", 409, "ResourceAlreadyExists"),
        ("DELETE", "share?restype=directory", {}, b"", 400, "InvalidUri"),
        ("DELETE", "share/f?restype=directory", {}, b"", 409, "ResourceTypeMismatch"),
        ("DELETE", "share/f", {"x-ms-lease-id": "00000000-1111-2222-3333-444444444444"}, b"", 412,
         "LeaseNotPresentWithFileOperation"),
        ("GET", "share?restype=directory&comp=list&maxresults=0", {}, b"", 400, "OutOfRangeQueryParameterValue"),
        ("GET", "share?restype=directory&comp=list&maxresults=x", {}, b"", 400, "InvalidQueryParameterValue"),
        ("GET", "share?restype=directory&comp=list&marker=!!", {}, b"", 400, "InvalidQueryParameterValue"),
        ("PUT", "share?restype=share&comp=acl", {}, b"<!DOCTYPE a><SignedIdentifiers/>", 400, "InvalidXmlDocument"),
        ("PUT", "share?restype=share&comp=acl", {}, b"<Signed", 400, "InvalidXmlDocument"),
        ("PUT", "share?restype=share&comp=acl", {}, policy(b"<Expiry>soon</Expiry>"), 400, "InvalidXmlNodeValue"),
        ("PUT", "share?restype=share&comp=acl", {}, policy(b"<Start>2020-13-01</Start>"), 400, "InvalidXmlNodeValue"),
        ("PUT", "share?restype=share&comp=acl", {}, policy(b"<Permission>rx</Permission>"), 400, "InvalidXmlNodeValue"),
        ("PUT", "share?comp=forceclosehandles", {}, b"", 400, "MissingRequiredHeader"),
        ("PUT", "share?comp=forceclosehandles", {"x-ms-handle-id": "all"}, b"", 400, "InvalidHeaderValue"),
        ("PUT", "share?comp=forceclosehandles", {"x-ms-handle-id": "*", "x-ms-recursive": "yes"}, b"", 400,
         "InvalidHeaderValue"),
        ("GET", "share?comp=listhandles&maxresults=0", {}, b"", 400, "OutOfRangeQueryParameterValue"),
        ("GET", "share?comp=listhandles", {"x-ms-recursive": "1"}, b"", 400, "InvalidHeaderValue"),
        ("PUT", "share?restype=share&comp=filepermission", {}, b"{}", 400, "InvalidInput"),
        ("PUT", "share?restype=share&comp=filepermission", {}, b'{"permission": "x"}', 400, "FileInvalidPermission"),
        ("PUT", "share/f?comp=metadata&sharesnapshot=2020-01-01T00:00:00.0000000Z", {}, b"", 400,
         "InvalidQueryParameterValue"),
        (
            "OPTIONS", "share/f", {"Origin": "http://a", "Access-Control-Request-Method": "GET"}, b"", 403,
            "CorsPreflightFailure",
        ),
        ("POST", "share/f", {}, b"", 405, "UnsupportedHttpVerb"),
        ("GET", "?restype=service&comp=stats", {}, b"", 400, "InvalidUri"),
        ("PUT", "share/l?restype=symboliclink", {}, b"", 400, "InvalidQueryParameterValue"),
    ],
)  # fmt: skip
def test_a_bad_request_is_refused_and_changes_nothing(
    raw: Raw, method: str, path: str, headers: dict[str, str], body: bytes, status: int, wanted: str
) -> None:
    """Each with its status and code; the share is the same afterwards."""
    before = state(raw)
    assert code(raw(method, path, headers, body)) == (status, wanted)
    assert state(raw) == before


def state(raw: Raw) -> list[str]:
    """All that can be seen of the share."""
    listing = raw("GET", "share?restype=directory&comp=list&include=Etag").text
    properties = raw("GET", "share?restype=share").headers["etag"]
    return [listing, properties, raw("GET", "?comp=list").text, raw("GET", "share/f").text]


def test_health_is_a_share_too(raw: Raw) -> None:
    """A share may be called healthz: only an unsigned request without account is about the server."""
    assert raw.http.get("/healthz").text == "ok\n"
    assert raw("PUT", "healthz?restype=share").status_code == 201
    assert raw("GET", "healthz?restype=share").headers["x-ms-share-quota"] == "5120"
