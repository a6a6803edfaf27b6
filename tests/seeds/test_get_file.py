"""Seed 001, "Get File", line by line against a running server: what is asked. Where they disagree, the NOTES win."""

from __future__ import annotations

import base64
import time
import uuid
from email.utils import formatdate
from typing import Any

import httpx
import pytest
from azure.core import exceptions
from azure.core.credentials import AccessToken
from azure.storage.fileshare import ShareFileClient, ShareServiceClient
from tests.seeds.get_file import (
    DATA,
    FILE,
    LEASE,
    MIB,
    TEXT,
    get,
    in_an_hour,
    md5,
    put,
    refused,
    signed_query,
    slow,
    token,
)
from tests.support.azure_files import ABSENT, Raw
from tests.support.server import DEVELOPMENT_KEY, RunningServer, running_server

from linarite.http import storage_auth

pytestmark = pytest.mark.operation("Get File")


# -- request -----------------------------------------------------------------------------------------------------------


def test_request_http_version_is_1_1(shared: Raw):
    """The answer is of the version that the page names."""
    answer = get(shared)
    assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")


def test_request_by_nfs_is_not_available(shared: Raw):
    """A share for NFS is made and told apart; the page's operation is for SMB."""
    assert shared("GET", "myshare?restype=share").headers["x-ms-enabled-protocols"] == "SMB"


def test_path_component_myaccount(shared: Raw, tenant: str):
    """In the host name as on the page, or as the first segment; an account has nothing of another's."""
    assert shared("GET", FILE, host=f"{tenant}.file.core.windows.net").content == DATA
    assert shared("GET", FILE).content == DATA
    refused(Raw(shared.service, f"{tenant}b")("GET", FILE), 404, "ShareNotFound")


@pytest.mark.parametrize("share", ["absent", "myshare2", "x" * 64, "a--b", "%2e%2e", "..%2f..", "a%00b", "%24logs"])
def test_path_component_myshare(shared: Raw, share: str):
    """A share that is not there, or that no share could be called, is refused in the protocol's words."""
    answer = shared("GET", f"{share}/myfile")
    assert (answer.status_code, answer.headers["x-ms-error-code"]) in {
        (404, "ShareNotFound"), (400, "InvalidResourceName"), (404, "ParentNotFound"),
    }  # fmt: skip


def test_path_component_mydirectorypath_is_optional(shared: Raw):
    """A file stands in the share's root or below it; a missing directory is told from a missing file."""
    assert get(shared, "myshare/plain").content == TEXT
    refused(get(shared, "myshare/none/myfile"), 404, "ParentNotFound")


def test_path_component_myfile(shared: Raw):
    """A missing file is ResourceNotFound, a directory is no file."""
    refused(get(shared, "myshare/none"), 404, "ResourceNotFound")
    refused(get(shared, "myshare/mydirectorypath"), 409, "ResourceTypeMismatch")


@pytest.mark.parametrize("path", ["MYSHARE", "myshare/MyDirectoryPath/MYFILE", "myshare%2Fmydirectorypath%2Fmyfile"])
def test_path_component_letter_case(shared: Raw, path: str):
    """Directories and files have no letter case, and a separator may be encoded; a share's name has lower case."""
    answer = get(shared, path if "/" in path or "%" in path else f"{path}/plain")
    assert answer.content == DATA if path != "MYSHARE" else answer.status_code in {400, 404}


# -- URI parameters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["timeout=0", "timeout=30", "timeout=1", "TimeOut=86400", "timeout=2147483648"])
def test_uri_parameter_timeout(shared: Raw, query: str):
    """A number of seconds is taken, however the parameter's name is written."""
    assert get(shared, f"{FILE}?{query}").content == DATA


@pytest.mark.parametrize("value", ["-1", "abc", "1.5", "", "%D9%A3", "9" * 5000])
def test_uri_parameter_timeout_that_is_none(shared: Raw, value: str):
    """What is no number of seconds is refused by the parameter's name."""
    found = refused(get(shared, f"{FILE}?timeout={value}"), 400, "InvalidQueryParameterValue")
    assert found["QueryParameterName"] == "timeout"


def test_uri_parameter_timeout_ends_a_slow_read(shared: Raw, server: RunningServer):
    """Who does not read for longer than the timeout does not get the rest."""
    with slow(shared, server, "myshare/hole?timeout=1") as pieces:
        total = len(next(pieces))
        time.sleep(1.5)  # longer than the timeout: it is the waiting that is tested
        with pytest.raises(httpx.RemoteProtocolError):
            total += sum(map(len, pieces))
    assert total < 128 * MIB


# -- request headers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["SharedKey", "SharedKeyLite"])
def test_request_header_authorization(shared: Raw, scheme: str):
    """A signature by the account's key opens the file."""
    assert shared("GET", FILE, scheme=scheme).content == DATA


def test_request_header_authorization_is_required(shared: Raw):
    """Without one the caller is told how to sign in."""
    answer = shared("GET", FILE, sign=False)
    refused(answer, 401, "NoAuthenticationInformation")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_request_header_authorization_by_another_key(shared: Raw):
    """A signature that does not match is refused with the text that should have been signed."""
    answer = Raw(shared.service, shared.account, base64.b64encode(b"another").decode())("GET", FILE)
    assert "string to sign" in (refused(answer, 403, "AuthenticationFailed")["AuthenticationErrorDetail"] or "")


def test_request_header_authorization_of_another_file(shared: Raw):
    """What was signed for one file opens no other."""
    signed = shared("GET", "myshare/plain").request.headers
    kept = {name: signed[name] for name in ("authorization", "x-ms-date", "x-ms-version")}
    refused(shared.http.get(f"/{shared.account}/{FILE}", headers=kept), 403, "AuthenticationFailed")


@pytest.mark.parametrize("value", ["SharedKey", "SharedKey x", "Digest x:y", "Basic ZGV2OmRldg=="])
def test_request_header_authorization_that_is_malformed(shared: Raw, value: str):
    """A scheme or a form that this service has not is refused."""
    refused(shared("GET", FILE, {"Authorization": value}, sign=False), 400, "InvalidAuthenticationInfo")


def test_request_header_date(shared: Raw):
    """Date serves as well as x-ms-date."""
    assert shared("GET", FILE, {"x-ms-date": ABSENT, "Date": formatdate(usegmt=True)}).content == DATA


def test_request_header_date_is_required(shared: Raw):
    """One of the two must be there."""
    refused(shared("GET", FILE, {"x-ms-date": ABSENT}), 400, "MissingRequiredHeader")


@pytest.mark.parametrize(("minutes", "status"), [(-14, 200), (14, 200), (-16, 403), (16, 403)])
def test_request_header_date_is_15_minutes_off_at_most(shared: Raw, minutes: int, status: int):
    """A little earlier or later is fine, more is not."""
    answer = shared("GET", FILE, date=formatdate(time.time() + 60 * minutes, usegmt=True))
    assert answer.status_code == status
    if status == 403:
        refused(answer, 403, "AuthenticationFailed")


@pytest.mark.parametrize("date", ["now", "2026-01-01T00:00:00Z", "Mon, 01 Jan 0001 00:00:00 +1400", "x" * 500])
def test_request_header_date_that_is_none(shared: Raw, date: str):
    """What is no date is refused."""
    refused(shared("GET", FILE, date=date), 403, "AuthenticationFailed")


@pytest.mark.parametrize("version", ["2019-02-02", "2021-12-02", "2025-01-05", "2026-10-06", "2027-03-07"])
def test_request_header_x_ms_version(shared: Raw, version: str):
    """The version asked for is the one used, and is told."""
    assert get(shared, x_ms_version=version).headers["x-ms-version"] == version


@pytest.mark.parametrize("version", ["2018-11-09", "2025-01-06", "latest", "2025-1-5"])
def test_request_header_x_ms_version_that_is_none(shared: Raw, version: str):
    """A date that is no version is refused by the header's name."""
    found = refused(get(shared, x_ms_version=version), 400, "InvalidHeaderValue")
    assert (found["HeaderName"], found["HeaderValue"]) == ("x-ms-version", version)


def test_request_header_x_ms_version_is_required(shared: Raw):
    """A signed request has one."""
    refused(get(shared, x_ms_version=ABSENT), 400, "MissingRequiredHeader")


def test_request_header_range(shared: Raw):
    """Only the bytes of the range come [NOTES: with 206]."""
    answer = get(shared, Range="bytes=10-19")
    assert (answer.status_code, answer.content) == (206, DATA[10:20])


@pytest.mark.parametrize(
    ("text", "part"), [("bytes=10-19", DATA[10:20]), ("bytes=10000-", DATA[10000:]), ("bytes=9-99999", DATA[9:])]
)
def test_request_header_x_ms_range(shared: Raw, text: str, part: bytes):
    """The same in the service's own header; an end past the file's is the file's."""
    answer = get(shared, x_ms_range=text)
    assert (answer.status_code, answer.content) == (206, part)


def test_request_header_x_ms_range_goes_before_range(shared: Raw):
    """With both, the value of x-ms-range is used; with neither, the whole file comes."""
    assert get(shared, Range="bytes=0-1", x_ms_range="bytes=10-19").content == DATA[10:20]
    assert get(shared).content == DATA


@pytest.mark.parametrize("text", ["bytes=-5", "bytes=9-5", "bytes=0-1,4-5", "items=0-1", "bytes=" + "9" * 5000 + "-"])
@pytest.mark.parametrize("header", ["Range", "x_ms_range"])
def test_request_header_range_of_another_form(shared: Raw, header: str, text: str):
    """A range of another form is refused."""
    refused(get(shared, **{header: text}), 400, "InvalidHeaderValue")


@pytest.mark.parametrize(("path", "text"), [(FILE, f"bytes={len(DATA)}-"), ("myshare/empty", "bytes=0-0")])
def test_request_header_range_past_the_end(shared: Raw, path: str, text: str):
    """A range that has none of the file's bytes is 416."""
    refused(get(shared, path, x_ms_range=text), 416, "InvalidRange")


@pytest.mark.parametrize("header", ["Range", "x_ms_range"])
def test_request_header_x_ms_range_get_content_md5(shared: Raw, header: str):
    """With a range of at most 4 MiB the MD5 of the range comes along."""
    answer = get(shared, x_ms_range_get_content_md5="true", **{header: "bytes=5-9"})
    assert answer.headers["content-md5"] == md5(DATA[5:10])
    large = get(shared, "myshare/hole", x_ms_range_get_content_md5="true", **{header: f"bytes=1-{4 * MIB}"})
    assert large.headers["content-md5"] == md5(bytes(4 * MIB))


def test_request_header_x_ms_range_get_content_md5_without_range(shared: Raw):
    """Without a range it is 400."""
    refused(get(shared, x_ms_range_get_content_md5="true"), 400, "InvalidHeaderValue")


@pytest.mark.parametrize("text", [f"bytes=0-{4 * MIB}", "bytes=0-"])
def test_request_header_x_ms_range_get_content_md5_over_4_mib(shared: Raw, text: str):
    """With a larger range it is 400."""
    answer = get(shared, "myshare/hole", x_ms_range_get_content_md5="true", x_ms_range=text)
    refused(answer, 400, "OutOfRangeInput")


def test_request_header_x_ms_lease_id(shared: Raw):
    """The operation is done if the id is that of the active lease, in any letter case."""
    assert get(shared, "myshare/leased", x_ms_lease_id=LEASE.upper()).content == TEXT


@pytest.mark.parametrize(
    ("path", "code"),
    [("myshare/leased", "LeaseIdMismatchWithFileOperation"), ("myshare/plain", "LeaseNotPresentWithFileOperation")],
)
def test_request_header_x_ms_lease_id_of_no_lease(shared: Raw, path: str, code: str):
    """Otherwise it fails with 412."""
    refused(get(shared, path, x_ms_lease_id=str(uuid.uuid4())), 412, code)


def test_request_header_x_ms_lease_id_of_a_broken_lease(files: Raw):
    """A lease that was broken is not active any more."""
    files("PUT", "myshare?restype=share")
    put(files, "myshare/f", TEXT)
    acquire = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1", "x-ms-proposed-lease-id": LEASE}
    files("PUT", "myshare/f?comp=lease", acquire).raise_for_status()
    files("PUT", "myshare/f?comp=lease", {"x-ms-lease-action": "break"}).raise_for_status()
    assert get(files, "myshare/f", x_ms_lease_id=LEASE).status_code == 412
    assert get(files, "myshare/f").headers["x-ms-lease-state"] == "broken"


def test_request_header_x_ms_client_request_id_is_recorded_in_the_logs(shared: Raw, server: RunningServer):
    """The line of the request bears the client's id beside ours."""
    given = f"mine-{uuid.uuid4()}"
    ours = get(shared, x_ms_client_request_id=given).headers["x-ms-request-id"]
    deadline, lines = time.monotonic() + 10, list[str]()
    while not lines and time.monotonic() < deadline:  # the line is written once the answer is sent
        lines = [line for line in server.log.splitlines() if given in line]
    assert len(lines) == 1
    assert f"id={ours}" in lines[0]


@pytest.mark.parametrize("value", ["backup", "Backup"])
def test_request_header_x_ms_file_request_intent(shared: Raw, value: str):
    """A token needs the word backup beside it."""
    assert by_token(shared, x_ms_file_request_intent=value).content == DATA


def test_request_header_x_ms_file_request_intent_is_required_with_a_token(shared: Raw):
    """Without it, or with another word, a token opens nothing."""
    refused(by_token(shared), 400, "MissingRequiredHeader")
    refused(by_token(shared, x_ms_file_request_intent="restore"), 400, "InvalidHeaderValue")


def test_request_header_x_ms_file_request_intent_before_2022_11_02(shared: Raw):
    """Older versions have no such header, and so no tokens."""
    answer = by_token(shared, x_ms_file_request_intent="backup", x_ms_version="2021-12-02")
    assert refused(answer, 400, "InvalidHeaderValue")["HeaderName"] == "x-ms-version"


@pytest.mark.parametrize("claims", [{"exp": 1}, {"aud": "https://batch.core.windows.net/"}, {"account": 5}], ids=str)
def test_request_header_authorization_with_a_token_that_does_not_hold(shared: Raw, claims: dict[str, Any]):
    """Another time, another audience or an account that is none: 401 with the challenge."""
    answer = by_token(shared, claims, x_ms_file_request_intent="backup")
    refused(answer, 401, "InvalidAuthenticationInfo")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


def by_token(files: Raw, claims: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    bearer = token(**{"account": files.account, **(claims or {})})
    return files("GET", FILE, {"Authorization": f"Bearer {bearer}", **given}, sign=False)


@pytest.mark.parametrize("value", [None, "false", "False"])
def test_request_header_x_ms_allow_trailing_dot_false(shared: Raw, value: str | None):
    """Trailing dots of the URL are trimmed, of each of its components."""
    given = {} if value is None else {"x_ms_allow_trailing_dot": value}
    assert get(shared, "myshare/mydirectorypath../myfile.", **given).content == DATA


def test_request_header_x_ms_allow_trailing_dot_true(files: Raw):
    """Trailing dots are part of the name."""
    files("PUT", "myshare?restype=share")
    kept = {"x_ms_allow_trailing_dot": "true"}
    put(files, "myshare/f.", b"dot", **kept)
    put(files, "myshare/f", b"none")
    assert (get(files, "myshare/f.", **kept).content, get(files, "myshare/f.").content) == (b"dot", b"none")


def test_request_header_x_ms_allow_trailing_dot_before_2022_11_02(shared: Raw):
    """Older versions know no such header, and trim."""
    answer = get(shared, "myshare/plain.", x_ms_allow_trailing_dot="true", x_ms_version="2021-12-02")
    assert answer.content == TEXT


def test_request_header_x_ms_allow_trailing_dot_is_a_boolean(shared: Raw):
    """Another word is refused by the header's name."""
    found = refused(get(shared, x_ms_allow_trailing_dot="maybe"), 400, "InvalidHeaderValue")
    assert found["HeaderName"] == "x-ms-allow-trailing-dot"


def test_request_body_none(shared: Raw):
    """A body that comes all the same changes nothing."""
    assert shared("GET", FILE, {"Content-Length": "3"}, b"abc").content == DATA


# -- authorization -----------------------------------------------------------------------------------------------------


def sas(files: Raw, **changes: str) -> str:
    """A service SAS of the page's file, good for an hour unless changed."""
    fields = {"sv": "2025-01-05", "sr": "f", "sp": "r", "se": in_an_hour(), **changes}
    text = storage_auth.service_sas_text(fields, f"/file/{files.account}/{FILE}")
    return signed_query(fields, text)


def account_sas(files: Raw, **changes: str) -> str:
    fields = {"sv": "2025-01-05", "ss": "f", "srt": "o", "sp": "r", "se": in_an_hour(), **changes}
    return signed_query(fields, storage_auth.account_sas_text(fields, files.account))


def by_sas(files: Raw, query: str) -> httpx.Response:
    return files.http.get(f"/{files.account}/{FILE}?{query}")


@pytest.mark.parametrize("kind", [sas, account_sas])
def test_authorization_by_a_signature_of_the_owner(shared: Raw, kind: Any):
    """A service SAS and an account SAS open the file; the version is the signature's own."""
    answer = by_sas(shared, kind(shared))
    assert (answer.content, answer.headers["x-ms-version"]) == (DATA, "2025-01-05")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"se": "2020-01-01T00:00:00Z"}, "AuthenticationFailed"), ({"st": "2099-01-01"}, "AuthenticationFailed"),
        ({"se": "soon"}, "AuthenticationFailed"), ({"sp": "w"}, "AuthorizationPermissionMismatch"),
        ({"spr": "https"}, "AuthorizationProtocolMismatch"), ({"sip": "10.0.0.1"}, "AuthorizationSourceIPMismatch"),
        ({"sip": "nowhere"}, "AuthorizationSourceIPMismatch"), ({"si": "none"}, "AuthenticationFailed"),
    ],
)  # fmt: skip
def test_authorization_by_a_signature_that_does_not_allow_it(shared: Raw, changes: dict[str, str], code: str):
    """Time, permission, protocol, address and policy are held against the request."""
    refused(by_sas(shared, sas(shared, **changes)), 403, code)


def test_authorization_by_a_signature_that_was_changed(shared: Raw):
    """What was not signed is not allowed."""
    refused(by_sas(shared, sas(shared).replace("sp=r", "sp=rw")), 403, "AuthenticationFailed")


@pytest.mark.parametrize("name", ["rsct", "rscd", "rsce", "rscl", "rscc"])
def test_authorization_by_a_signature_cannot_add_headers(shared: Raw, name: str):
    """A header that the signature overrides is one header."""
    answer = by_sas(shared, sas(shared, **{name: "text/html\r\nX-Evil: 1"}))
    assert refused(answer, 400, "InvalidQueryParameterValue")["QueryParameterName"] == name


# -- the real client ---------------------------------------------------------------------------------------------------


def client(files: Raw, path: str) -> ShareFileClient:
    share, _, name = path.partition("/")
    return ShareFileClient(
        f"{files.service.url}/{files.account}", share, name, credential=DEVELOPMENT_KEY, retry_total=0
    )


def test_client_downloads_a_file_and_parts_of_it(shared: Raw):
    """azure-storage-file-share for Python reads a file, a range of it with its MD5 checked, and its properties."""
    file = client(shared, FILE)
    assert file.download_file().readall() == DATA
    assert file.download_file(offset=5, length=10, validate_content=True).readall() == DATA[5:15]
    properties = file.get_file_properties()
    assert (properties.size, properties.metadata["m1"]) == (len(DATA), "v1")
    assert properties.content_settings.content_type == "text/plain"
    assert client(shared, "myshare/empty").download_file().readall() == b""
    assert client(shared, "myshare/leased").download_file(lease=LEASE).readall() == TEXT


@pytest.mark.parametrize(
    ("path", "error", "code"),
    [
        ("myshare/none", exceptions.ResourceNotFoundError, "ResourceNotFound"),
        ("absent/none", exceptions.ResourceNotFoundError, "ShareNotFound"),
        ("myshare/passwd", exceptions.HttpResponseError, "InvalidResourceName"),
    ],
)
def test_client_is_told_what_is_wrong(shared: Raw, path: str, error: type[exceptions.AzureError], code: str):
    """Its own exceptions come, with the service's codes."""
    with pytest.raises(error) as caught:
        client(shared, path).download_file()
    assert caught.value.error_code == code  # type: ignore[attr-defined]


def test_client_signs_in_by_token_over_https():
    """Its own token credential, with the intent that a token needs, over the certificate that the server makes."""

    class Credential:
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            assert scopes == ("https://storage.azure.com/.default",)
            return AccessToken(token("devaccount"), int(time.time()) + 600)

    with running_server(tls=True) as secure:
        options = {"connection_verify": str(secure.ca), "retry_total": 0, "token_intent": "backup"}
        service = ShareServiceClient(f"{secure.files}/devaccount", credential=Credential(), **options)
        file = service.get_share_client("share").get_file_client("none")
        with pytest.raises(exceptions.ResourceNotFoundError) as caught:
            file.download_file()
        assert caught.value.error_code == "ShareNotFound"  # type: ignore[attr-defined]
