"""Signatures of storage requests: the texts that are signed, and their check. Pure; who may do what is elsewhere.

Sources: NOTES 4 of Azure Files (recomputed from what seven clients sent) and "Authorize with Shared Key", "Create an
account SAS", "Create a service SAS".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import unquote

from linarite.http.messages import Headers, parsed

_SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip
_LITE = ("content-md5", "content-type", "date")
_WEIGHTS = {each: weight for weight, each in enumerate("!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxyz", start=1)}
_BLANKS = re.compile(r"[ \t]+")
_ACCOUNT_SAS = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv")
_SERVICE_SAS = ("si", "sip", "spr", "sv", "rscc", "rscd", "rsce", "rscl", "rsct")
_DELEGATION = ("skoid", "sktid", "skt", "ske", "sks", "skv", "skdutid", "sduoid")
_DELEGATION_REST = ("sip", "spr", "sv", "rscc", "rscd", "rsce", "rscl", "rsct")
SES_SINCE = "2020-12-06"


def by_byte(name: str) -> object:
    """The documented order of header names: byte by byte."""
    return name


def by_weight(name: str) -> object:
    """The order that the service itself uses: punctuation, digits, letters; hyphens count only between equals."""
    return [_WEIGHTS[each] for each in name if each in _WEIGHTS], [2 if each == "-" else each == "'" for each in name]


def parse_query(raw: str) -> Mapping[str, Sequence[str]]:
    """Query parameters by lower-case name, percent-decoded ("+" is no space in what is signed)."""
    return parsed(raw, unquote)


def shared_key_texts(method: str, raw_path: str, raw_query: str, headers: Headers, account: str) -> Iterator[str]:
    """The texts that a SharedKey signature may be of: one for each way in which clients write headers."""
    values = {name: headers.get(name) or "" for name in _SIGNED}
    if values["content-length"] == "0":
        values["content-length"] = ""
    if "x-ms-date" in headers:
        values["date"] = ""
    resource = f"/{account}{raw_path}" + "".join(
        f"\n{name}:{','.join(sorted(found))}" for name, found in sorted(parse_query(raw_query).items())
    )
    start = "\n".join([method, *values.values()])
    yield from (f"{start}\n{own}{resource}" for own in _own_headers(headers))


def shared_key_lite_texts(method: str, raw_path: str, raw_query: str, headers: Headers, account: str) -> Iterator[str]:
    """The texts that a SharedKeyLite signature may be of."""
    values = {name: headers.get(name) or "" for name in _LITE}
    if "x-ms-date" in headers:
        values["date"] = ""
    comp = parse_query(raw_query).get("comp")
    resource = f"/{account}{raw_path}" + (f"?comp={comp[0]}" if comp else "")
    start = "\n".join([method, *values.values()])
    yield from (f"{start}\n{own}{resource}" for own in _own_headers(headers))


def account_sas_text(fields: Mapping[str, str], account: str) -> str:
    """What an account SAS signs; `fields` are its parameters."""
    lines = [account, *(fields.get(name, "") for name in _ACCOUNT_SAS)]
    if fields.get("sv", "") >= SES_SINCE:
        lines.append(fields.get("ses", ""))
    return "".join(f"{line}\n" for line in lines)


def service_sas_text(fields: Mapping[str, str], resource: str) -> str:
    """What a service SAS signs; `resource` is `/file/<account>/<share>[/<path>]`, decoded."""
    return "\n".join([*_times(fields), resource, *(fields.get(name, "") for name in _SERVICE_SAS)])


def delegation_sas_text(fields: Mapping[str, str], resource: str) -> str:
    """What a user delegation SAS signs."""
    names = (*_DELEGATION, *_DELEGATION_REST)
    return "\n".join([*_times(fields), resource, *(fields.get(name, "") for name in names)])


def sign(key: bytes, text: str) -> bytes:
    """The signature of a text."""
    return hmac.digest(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256)


def is_signed(given: str, keys: Sequence[bytes], texts: Iterable[str]) -> bool:
    """Whether `given` (base64) signs one of the texts by one of the keys; takes the same time either way."""
    try:
        wanted = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    found = False
    for text in texts:
        for key in keys:
            found |= hmac.compare_digest(wanted, sign(key, text))
    return found


def _times(fields: Mapping[str, str]) -> list[str]:
    return [fields.get(name, "") for name in ("sp", "st", "se")]


def _own_headers(headers: Headers) -> Iterator[str]:
    """CanonicalizedHeaders as clients make them: in either order, runs of blanks as they are or, as documented, one."""
    plain = {name: value.strip() for name, value in headers.items() if name.startswith("x-ms-")}
    squeezed = {name: _BLANKS.sub(" ", value) for name, value in plain.items()}
    for named in (plain,) if squeezed == plain else (plain, squeezed):
        for order in (by_weight, by_byte):
            yield "".join(f"{name}:{named[name]}\n" for name in sorted(named, key=order))  # type: ignore[arg-type]
