"""What a signature must not lead to by a way around: sources, overwriting, mixed styles, fields that are read twice.

Each is tried with bytes of its own on the wire, as no client would write them; nothing changes by any of them.
"""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote, urlencode

import httpx
import jwt
import pytest
from tests.support.azure_files import KEY, Raw, file_service

from linarite.http import storage_auth

SECRET = base64.b64decode(KEY)
FILE = {"x-ms-type": "file", "x-ms-content-length": "4"}
RANGE = {"x-ms-write": "update", "x-ms-range": "bytes=0-3"}
BAD = (403, "AuthenticationFailed")
PERMISSION = (403, "AuthorizationPermissionMismatch")
HOST = "devaccount.file.core.windows.net"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    """Two shares: `open` with a file and a directory, `closed` with a secret."""
    with file_service(tmp_path_factory.mktemp("files")) as service:
        send = Raw(service)
        for share in ("open", "closed"):
            send("PUT", f"{share}?restype=share").raise_for_status()
            for name in ("f", "secret"):
                send("PUT", f"{share}/{name}", FILE).raise_for_status()
                send("PUT", f"{share}/{name}?comp=range", RANGE, name.encode()[:1] * 4).raise_for_status()
        send("PUT", "open/d?restype=directory").raise_for_status()
        yield send


def later(hours: float = 1) -> str:
    return f"{datetime.now(UTC) + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


def service_sas(resource: str, **fields: str) -> str:
    """A signature for `share` or `share/file`; `fields` are further or other ones, "" is none."""
    kind = "f" if "/" in resource else "s"
    named = {"sv": "2025-01-05", "sr": kind, "sp": "r", "se": later(), **fields}
    named = {name: value for name, value in named.items() if value}
    text = storage_auth.service_sas_text(named, f"/file/devaccount/{resource}")
    return query({**named, "sig": base64.b64encode(storage_auth.sign(SECRET, text)).decode()})


def account_sas(**fields: str) -> str:
    named = {"sv": "2025-01-05", "ss": "f", "srt": "o", "sp": "r", "se": later(), **fields}
    named = {name: value for name, value in named.items() if value}
    text = storage_auth.account_sas_text(named, "devaccount")
    return query({**named, "sig": base64.b64encode(storage_auth.sign(SECRET, text)).decode()})


def query(fields: dict[str, str]) -> str:
    return urlencode(fields, quote_via=quote)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers.get("x-ms-error-code", "")


def state(raw: Raw) -> list[object]:
    """All that is in the two shares, and what the secrets hold."""
    listed = [raw("GET", f"{share}?restype=directory&comp=list&include=Etag").text for share in ("open", "closed")]
    return [
        *listed,
        *(raw("GET", f"{share}/{name}").content for share in ("open", "closed") for name in ("f", "secret")),
    ]


def on_wire(raw: Raw, method: str, target: str, host: str, **headers: str) -> tuple[int, bytes]:
    """Status and body of a request whose target is sent byte for byte."""
    with socket.create_connection(("127.0.0.1", raw.service.port), timeout=10) as connection:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "x-ms-version: 2025-01-05", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


@pytest.mark.parametrize(
    "target",
    [
        "/devaccount/closed/f", "/devaccount/open/../closed/f", "/devaccount/open/%2e%2e/closed/f",
        "/devaccount/open%2F..%2Fclosed%2Ff", "/devaccount/closed%2Ff", "//devaccount//closed//f/",
        "/devaccount/open/%252e%252e/closed/f", "/devaccount/open/..%5Cclosed%5Cf", "/devaccount/open/d/../../closed/f",
        "/devaccount/open/./../closed/f", "/devaccount/open/..;/closed/f", "/devaccount/open%00/../closed/f",
        "/devaccount/CLOSED/f", "/devaccount/open/%c0%ae%c0%ae/closed/f", "/devaccount/open/f?x=/devaccount/closed/f#",
    ],
)  # fmt: skip
def test_a_signature_for_one_share_opens_no_other(raw: Raw, target: str) -> None:
    """By dots, encoded or twice encoded separators, doubled slashes and letter case; and none reads another's bytes."""
    before = state(raw)
    for sas in (service_sas("open", sp="rcwdl"), service_sas("open/f", sp="rcwd"), service_sas("open/d", sp="rcwd")):
        joined = target + ("&" if "?" in target else "?") + sas
        status, body = on_wire(raw, "GET", joined, f"127.0.0.1:{raw.service.port}")
        assert status >= 400 or body == b"ffff", body
        assert b"ffff" not in body or "open/f?" in target
        on_wire(raw, "DELETE", joined.replace("open/f?", "closed/f?"), f"127.0.0.1:{raw.service.port}")
    assert state(raw) == before


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("/closed/f", HOST), ("/devaccount/closed/f", "127.0.0.1"), ("/open/closed/f", HOST),
        ("/devaccount/open/f", HOST), ("/open/f", "open.file.core.windows.net"), ("/closed/f", HOST.upper()),
        ("http://127.0.0.1/devaccount/closed/f", HOST), (f"http://{HOST}/closed/f", "127.0.0.1"),
    ],
)  # fmt: skip
def test_styles_of_address_do_not_mix(raw: Raw, target: str, host: str) -> None:
    """A signature for `open` in one style is for nothing else in the other."""
    for sas in (service_sas("open", sp="rcwdl"), service_sas("open/f", sp="rcwd")):
        status, body = on_wire(raw, "GET", f"{target}?{sas}", host)
        assert status >= 400
        assert b"ffff" not in body


def test_a_name_of_the_path_is_not_the_source_of_a_rename(raw: Raw) -> None:
    """The header that tells the account of a renamed file does not make another share's signature good."""
    header = f"http://127.0.0.1:{raw.service.port}/devaccount/closed/f"
    answer = on_wire(
        raw, "GET", f"/closed/f?{service_sas('open', sp='rcwdl')}", "127.0.0.1", x_ms_file_rename_source=header
    )
    assert answer[0] == 403


SOURCES = [
    (service_sas("closed/secret", sp="w"), 403, "AuthorizationPermissionMismatch"),
    (service_sas("closed/f"), 403, "AuthenticationFailed"),
    (service_sas("open"), 403, "AuthenticationFailed"),
    (account_sas(srt="s"), 403, "AuthorizationResourceTypeMismatch"),
    (account_sas(srt="c"), 403, "AuthorizationResourceTypeMismatch"),
    (account_sas(sp="w"), 403, "AuthorizationPermissionMismatch"),
    (account_sas(ss="b"), 403, "AuthorizationServiceMismatch"),
    (account_sas(se=later(-1)), 403, "AuthenticationFailed"),
    (account_sas(sip="10.0.0.1"), 403, "AuthorizationSourceIPMismatch"),
    (account_sas(spr="https"), 403, "AuthorizationProtocolMismatch"),
    (account_sas() + "&sp=rw", 403, "AuthenticationFailed"),
    (service_sas("closed", si="none", sp="", se=""), 403, "AuthenticationFailed"),
    ("sig=AAAA", 403, "AuthenticationFailed"),
    ("", 401, "NoAuthenticationInformation"),
]


@pytest.mark.operation("Copy File", "Put Range from URL")
@pytest.mark.parametrize("row", range(len(SOURCES)))
def test_a_source_is_not_read_by_a_signature_that_does_not_allow_it(raw: Raw, row: int) -> None:
    """Of a caller who may write where the copy would be, and has no other right to the source."""
    sas, status, wanted = SOURCES[row]
    before = state(raw)
    source = f"{raw.service.url}/devaccount/closed/secret{'?' if sas else ''}{sas}"
    own = service_sas("open", sp="rcwdl")
    copied = raw("PUT", f"open/n?{own}", {"x-ms-copy-source": source}, sign=False)
    ranged = raw(
        "PUT", f"open/f?comp=range&{own}",
        {**RANGE, "x-ms-copy-source": source, "x-ms-source-range": "bytes=0-3"}, sign=False,
    )  # fmt: skip
    for answer in (copied, ranged):
        assert code(answer) == (status, "CannotVerifyCopySource")
        assert answer.headers["x-ms-copy-source-error-code"] == wanted
    assert state(raw) == before


def test_a_share_that_is_not_there_is_no_news(raw: Raw) -> None:
    """A source's share is not told to be missing to who has no right to it, whatever policy the signature names."""
    own = service_sas("open", sp="rcwdl")
    for share in ("closed", "none"):
        sas = service_sas(share, si="p", sp="", se="").replace("sig=", "sig=AA")
        source = f"{raw.service.url}/devaccount/{share}/secret?{sas}"
        assert code(raw("PUT", f"open/n?{own}", {"x-ms-copy-source": source}, sign=False)) == (
            403, "CannotVerifyCopySource",
        )  # fmt: skip


def test_what_may_only_be_read_is_not_renamed(raw: Raw) -> None:
    """A rename takes its source away: it wants the right to write there too."""
    before = state(raw)
    address = f"{raw.service.url}/devaccount/open/secret"
    for sas, wanted in (
        (service_sas("open/secret"), "AuthorizationPermissionMismatch"),
        (service_sas("open/f", sp="rcwd"), "AuthenticationFailed"),
        (account_sas(sp="rl"), "AuthorizationPermissionMismatch"),
        (account_sas(sp="rwd", srt="sc"), "AuthorizationResourceTypeMismatch"),
    ):
        answer = raw(
            "PUT", f"open/mine?comp=rename&{service_sas('open/mine', sp='rcwd')}",
            {"x-ms-file-rename-source": f"{address}?{sas}"}, sign=False,
        )  # fmt: skip
        assert code(answer) == (403, "CannotVerifyCopySource")
        assert answer.headers["x-ms-copy-source-error-code"] == wanted
    assert state(raw) == before
    moved = {"x-ms-file-rename-source": f"{address}?{service_sas('open/secret', sp='w')}"}
    target = f"open/mine?comp=rename&{service_sas('open/mine', sp='w')}"
    assert raw("PUT", target, moved, sign=False).status_code == 200
    back = {"x-ms-file-rename-source": address.replace("secret", "mine")}
    assert raw("PUT", "open/secret?comp=rename", back).status_code == 200


def test_a_token_for_reading_renames_nothing(raw: Raw) -> None:
    """Neither does it as the right to a source that somebody brings who may write elsewhere."""
    claims = {"aud": "https://storage.azure.com", "exp": datetime.now(UTC) + timedelta(minutes=5), "roles": ["read"]}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    before = state(raw)
    answer = raw(
        "PUT", f"open/mine?comp=rename&{service_sas('open/mine', sp='rcwd')}",
        {
            "x-ms-file-rename-source": f"{raw.service.url}/devaccount/open/secret",
            "x-ms-copy-source-authorization": f"Bearer {token}",
        }, sign=False,
    )  # fmt: skip
    assert code(answer) == (403, "CannotVerifyCopySource")
    assert state(raw) == before


@pytest.mark.operation("Create File", "Copy File")
def test_who_may_create_does_not_overwrite(raw: Raw) -> None:
    """`c` alone makes what is new; a file that is there wants `w`."""
    before = state(raw)
    source = {"x-ms-copy-source": f"{raw.service.url}/devaccount/open/secret?{service_sas('open/secret')}"}
    for sas in (service_sas("open", sp="c"), account_sas(sp="c"), service_sas("open/f", sp="rcd")):
        assert code(raw("PUT", f"open/f?{sas}", FILE, sign=False)) == PERMISSION
        assert code(raw("PUT", f"open/f?{sas}", source, sign=False)) == PERMISSION
    assert state(raw) == before
    for headers in (FILE, source):
        assert raw("PUT", f"open/n?{service_sas('open', sp='c')}", headers, sign=False).status_code in {201, 202}
        assert raw("DELETE", "open/n").status_code == 202
    assert raw("PUT", f"open/f?{service_sas('open', sp='w')}", FILE, sign=False).status_code == 201
    raw("PUT", "open/f?comp=range", RANGE, b"ffff").raise_for_status()


FIELDS = [
    (service_sas("open") + "&sp=rcwdl", *BAD),
    ("sp=rcwdl&" + service_sas("open"), *BAD),
    (service_sas("open") + "&SP=rcwdl", *BAD),
    (service_sas("open") + f"&se={later(99)}", *BAD),
    (service_sas("open") + "&sig=AAAA", *BAD),
    (service_sas("open", sp="r").replace("sp=r", "sp=r%0A"), *BAD),
    (service_sas("open", sp="wr"), *BAD),
    (service_sas("open", sp="rr"), *BAD),
    (service_sas("open", sp="rz"), *BAD),
    (service_sas("open", sp=""), *BAD),
    (service_sas("open", se=""), *BAD),
    (service_sas("open", sv=""), *BAD),
    (service_sas("open", sv="2014-02-14"), 400, "InvalidQueryParameterValue"),
    (service_sas("open", sv="2099-01-01"), 400, "InvalidQueryParameterValue"),
    (service_sas("open", sv="2018-03-28"), 200, ""),
    (service_sas("open", sv="2027-03-07"), 200, ""),
    (service_sas("open", spr="http"), *BAD),
    (service_sas("open", spr="https,http"), 200, ""),
    (service_sas("open", sip="127.0.0.1"), 200, ""),
    (service_sas("open", sip="127.0.0.0-"), 403, "AuthorizationSourceIPMismatch"),
    (service_sas("open", sip="127.0.0.9-127.0.0.0"), 403, "AuthorizationSourceIPMismatch"),
    (service_sas("open", sip="127.0.0.0/8"), 403, "AuthorizationSourceIPMismatch"),
    (service_sas("open", sip="::1"), 403, "AuthorizationSourceIPMismatch"),
    (service_sas("open", st=later(-1), se=later(1)), 200, ""),
    (service_sas("open", st=later(1), se=later(-1)), *BAD),
    (service_sas("open", st="2020-01-01", se="2099-12-31"), 200, ""),
    (service_sas("open", st="2020-01-01T00:00Z", se="2099-12-31T10:00Z"), 200, ""),
    (service_sas("open", st="2020-01-01T00:00:00.0000000Z", se="2099-12-31T10:00:00+02:00"), 200, ""),
    (service_sas("open", se="2099-13-31"), *BAD),
    (service_sas("open", se="99991231"), *BAD),
    (service_sas("open", st="x"), *BAD),
    (service_sas("open", st="0001-01-01", se="9999-12-31T23:59:59Z"), 200, ""),
    (service_sas("open", se="9999-12-31T23:59:59-23:59"), *BAD),
    (service_sas("open", st="0001-01-01T00:00:00+23:59"), *BAD),
    (service_sas("open", se="0001-01-01"), *BAD),
    (account_sas(ss=""), *BAD),
    (account_sas(srt=""), *BAD),
    (account_sas(sp=""), *BAD),
    (account_sas(sv="2019-02-02"), 200, ""),
    (account_sas(sp="lr"), 200, ""),
    (account_sas() + "&sr=s", *BAD),
    (service_sas("open").replace("sr=s", "sr=f"), *BAD),
    (service_sas("open/f").replace("sr=f", "sr=s"), *BAD),
    (service_sas("open/f"), 200, ""),
    (service_sas("open/F"), *BAD),
]


@pytest.mark.parametrize("row", range(len(FIELDS)))
def test_the_fields_of_a_signature(raw: Raw, row: int) -> None:
    """Each once, each well formed, in a version that signs so; the refusal in the protocol's shape."""
    sas, status, wanted = FIELDS[row]
    answer = raw("GET", f"open/f?{sas}", sign=False)
    assert code(answer) == (status, wanted), answer.text
    if wanted == "AuthenticationFailed":
        assert "<AuthenticationErrorDetail>" in answer.text
    if wanted:
        assert KEY not in answer.text


def test_times_are_told_in_the_words_of_the_service(raw: Raw) -> None:
    """Start, expiry and the moment of the request; an end before the beginning; a date that is too old."""
    early = raw("GET", f"open/f?{service_sas('open', st='2098-01-01', se='2099-01-01')}", sign=False).text
    assert "Signature not valid in the specified time frame: Start [Wed, 01 Jan 2098 00:00:00 GMT] - Expiry [" in early
    assert "Signed expiry time [" in raw("GET", f"open/f?{service_sas('open', se='2020-01-01')}", sign=False).text
    old = "Mon, 06 Jan 2020 00:00:00 GMT"
    assert f"Request date header too old: '{old}'" in raw("GET", "open/f", date=old).text


POLICY = "<SignedIdentifier><Id>{}</Id><AccessPolicy>{}</AccessPolicy></SignedIdentifier>"
TERMS = {
    "all": "<Start>2020-01-01T00:00:00.0000000Z</Start><Expiry>2099-01-01T00:00:00.0000000Z</Expiry>"
    "<Permission>rl</Permission>",
    "past": "<Expiry>2020-01-01</Expiry><Permission>r</Permission>", "empty": "",
    "late": "<Start>2098-01-01</Start><Expiry>2099-01-01</Expiry><Permission>r</Permission>",
}  # fmt: skip
BARE = {"sp": "", "se": ""}


@pytest.mark.operation("Set Share ACL", "Get Share ACL")
@pytest.mark.parametrize(
    ("terms", "status"),
    [
        ({"si": "all", **BARE}, 200),
        ({"si": "all", **BARE, "sp": "r"}, 403),
        ({"si": "all", **BARE, "se": "2099-01-01"}, 403),
        ({"si": "all", **BARE, "st": "2020-01-01"}, 403),
        ({"si": "past", **BARE}, 403),
        ({"si": "late", **BARE}, 403),
        ({"si": "empty", **BARE}, 403),
        ({"si": "empty"}, 200),
        ({"si": "empty", "sp": ""}, 403),
        ({"si": "ALL", **BARE}, 403),
        ({"si": "none", **BARE}, 403),
    ],
)
def test_a_stored_policy_gives_the_terms_that_a_signature_leaves_out(
    raw: Raw, terms: dict[str, str], status: int
) -> None:
    """Each from one of the two; gone with the policy, at once."""
    body = "".join(POLICY.format(name, inner) for name, inner in TERMS.items())
    acl, target = "open?restype=share&comp=acl", f"open/f?{service_sas('open', **terms)}"
    raw("PUT", acl, {}, f"<SignedIdentifiers>{body}</SignedIdentifiers>".encode()).raise_for_status()
    assert raw("GET", acl).text.count("0000000Z") == 2
    answer = raw("GET", target, sign=False)
    assert (answer.status_code, answer.headers.get("x-ms-error-code")) == (
        status, None if status == 200 else "AuthenticationFailed",
    )  # fmt: skip
    raw("PUT", acl, {}, b"<SignedIdentifiers />").raise_for_status()
    assert raw("GET", target, sign=False).status_code == 403


def test_nothing_of_a_signature_is_logged(raw: Raw, capfd: pytest.CaptureFixture[str]) -> None:
    """Not of the request's own, nor of its source's, nor of a token, whether they are good or not."""
    own, source = service_sas("open", sp="rcwdl"), service_sas("closed/secret")
    address = f"{raw.service.url}/devaccount/closed/secret?"
    for sas in (source, source.replace("sig=", "sig=AA")):
        raw("PUT", f"open/n?{own}", {"x-ms-copy-source": address + sas}, sign=False)
        raw("PUT", f"open/n?{own}", {"x-ms-copy-source": f"http://elsewhere.example/x?{sas}"}, sign=False)
        raw("GET", f"open/f?{sas}", {"Authorization": "Bearer secrettoken"}, sign=False)
        raw("GET", f"closed/secret?{sas}&timeout=x", sign=False)
    raw("DELETE", "open/n")
    told = "".join(capfd.readouterr())
    assert "/devaccount/open/n" in told
    signatures = [part.partition("=")[2] for sas in (own, source) for part in sas.split("&") if part.startswith("sig=")]
    for secret in (*signatures, *(unquote(each) for each in signatures), "secrettoken", "sig=", KEY):
        assert secret not in told
