"""Shared access signatures: which kind, whether it is good now, and what it allows. Source: NOTES 4, "SAS".

The words of the details are those of the service, as its users have reported them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from linarite.engine.sharing import Share
from linarite.faces.azure_files.address import Address
from linarite.faces.azure_files.call import Caller
from linarite.faces.azure_files.errors import Refused, bad_query
from linarite.faces.azure_files.versions import SIGNED
from linarite.http import storage_auth
from linarite.http.dates import http_date
from linarite.http.messages import Request

_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,7})?)?(?:Z|[+-]\d{2}:\d{2}))?", re.ASCII
)  # fmt: skip
_ORDER = "racwdxltmeop"
"""Letters stand in this order, each once. Source: "Create a service SAS", "Specify permissions"."""
_FIELDS = {
    "ss", "srt", "ses", "sr", "sp", "st", "se", "si", "sip", "spr", "sv", "sig", "rscc", "rscd", "rsce", "rscl", "rsct",
    "skoid", "sktid", "skt", "ske", "sks", "skv", "skdutid", "sduoid",
}  # fmt: skip
_PROTOCOLS = {"": {"http", "https"}, "https": {"https"}, "https,http": {"http", "https"}}
SECOND = 1_000_000


def failed(why: str) -> Refused:
    """The signature is not good; `why` says so to the client."""
    return Refused("AuthenticationFailed", AuthenticationErrorDetail=why)


def fields_of(query: str) -> dict[str, str]:
    """A query's parameters as they were signed. One that stands there twice could be read in two ways: refused."""
    found = storage_auth.parse_query(query)
    if any(len(values) > 1 for name, values in found.items() if name in _FIELDS):
        raise failed("Signature fields not well formed.")
    return {name: values[0] for name, values in found.items()}


def check_version(fields: dict[str, str]) -> None:
    """The version by which it is signed; what is done may be of another."""
    version = fields.get("sv")
    if not version:
        raise failed("sv is mandatory. Cannot be empty.")
    if version not in SIGNED:
        raise bad_query("sv", version, "Not a version of this service.")


def check_account(request: Request, fields: dict[str, str], address: Address, keys: Sequence[bytes]) -> Caller:
    """An account SAS."""
    text = storage_auth.account_sas_text(fields, address.account)
    _check_signature(fields, keys, [text])
    for name in ("sp", "se", "ss", "srt"):
        _require(fields, name)
    check_use(request, fields)
    if "f" not in fields["ss"]:
        raise Refused("AuthorizationServiceMismatch")
    return Caller(kind="account-sas", permissions=fields["sp"], types=fields["srt"], fields=fields)


def check_service(
    request: Request, fields: dict[str, str], address: Address, keys: Sequence[bytes], share: Share | None
) -> Caller:
    """A SAS of a share (sr=s) or of a file (sr=f); `share` is there for the stored policy that it may name."""
    text = storage_auth.service_sas_text(fields, resource(fields, address))
    _check_signature(fields, keys, [text])
    check_letters(fields)
    return allowed(request, _with_policy(fields, share))


def allowed(request: Request, terms: dict[str, str]) -> Caller:
    """Who comes with the terms of a signature that is good for one share or file."""
    _require(terms, "sp")
    _require(terms, "se")
    check_use(request, terms)
    return Caller(kind="service-sas", permissions=terms["sp"], types="co", fields=terms)


def check_letters(fields: dict[str, str]) -> None:
    """The permissions that a signature has itself: known ones, in their order."""
    letters = fields.get("sp", "")
    if list(letters) != sorted(set(letters), key=_ORDER.find) or not set(letters) <= set(_ORDER):
        raise failed("Signature fields not well formed.")


def resource(fields: dict[str, str], address: Address) -> str:
    """What a SAS of a share (sr=s) or of a file (sr=f) signs as its resource."""
    if fields.get("sr") not in {"s", "f"}:
        raise failed("sr is neither s nor f.")
    return address.resource if fields["sr"] == "s" else f"{address.resource}/{address.sent}"


def _require(fields: dict[str, str], name: str) -> None:
    if not fields.get(name):
        raise failed(f"{name} is mandatory. Cannot be empty.")


def _with_policy(fields: dict[str, str], share: Share | None) -> dict[str, str]:
    name = fields.get("si")
    if not name:
        return fields
    policy = next((each for each in (share.policies if share else ()) if each.id == name), None)
    if policy is None:
        raise failed("The stored access policy that the signature names does not exist.")
    terms = dict(fields)
    for key, value in (("st", policy.start), ("se", policy.expiry), ("sp", policy.permission)):
        if value and fields.get(key):
            raise failed(f"{key} stands both in the signature and in the stored access policy.")
        if value:
            terms[key] = value
    return terms


def _check_signature(fields: dict[str, str], keys: Sequence[bytes], texts: list[str]) -> None:
    if not storage_auth.is_signed(fields.get("sig", ""), keys, texts):
        raise failed(f"Signature did not match. String to sign used was {texts[0]}")


def check_use(request: Request, fields: dict[str, str]) -> None:
    """Times, protocol and address."""
    _check_times(moment(fields.get("st")), moment(fields["se"]), request.now)
    protocols = _PROTOCOLS.get(fields.get("spr", ""))
    if protocols is None:
        raise failed("Signature fields not well formed.")
    if request.scheme not in protocols:
        raise Refused("AuthorizationProtocolMismatch")
    if fields.get("sip") and not _is_within(request.client, fields["sip"]):
        raise Refused("AuthorizationSourceIPMismatch", SourceIP=request.client)


def _check_times(start: int | None, expiry: int | None, now: int) -> None:
    """Without a start it begins now."""
    begins, ends = now if start is None else start, expiry or 0
    if ends <= begins:
        raise failed(
            f"Signed expiry time [{http_date(ends)}] must be after signed start time [{http_date(begins)}]"
        )  # fmt: skip
    if not begins <= now < ends:
        raise failed(
            f"Signature not valid in the specified time frame: Start [{http_date(begins)}] -"
            f" Expiry [{http_date(ends)}] - Current [{http_date(now)}]"
        )  # fmt: skip


@lru_cache(256)
def moment(text: str | None) -> int | None:
    """A time of a signature in microseconds since the epoch; None when there is none."""
    if not text:
        return None
    found = parse_moment(text)
    if found is None:
        raise failed(f"{text} is no time.")
    return found


def parse_moment(text: str) -> int | None:
    """A time as signatures and stored policies have it: a day, or to the minute, the second, or seven decimals."""
    if not _TIME.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # of the last day of all, west of Greenwich
        return None
    return int(found.timestamp()) * SECOND


def _is_within(client: str, allowed: str) -> bool:
    first, _, last = allowed.partition("-")
    try:
        address = ipaddress.ip_address(client)
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last or first)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address  # of a server that listens on IPv6 and IPv4 at once
    return address.version == low.version == high.version and int(low) <= int(address) <= int(high)
