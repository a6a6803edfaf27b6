"""Shared access signatures: which kind, whether it is good now, and what it allows. Source: NOTES 4, "SAS"."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from linarite.engine.sharing import Share
from linarite.faces.azure_files.address import Address
from linarite.faces.azure_files.call import Caller
from linarite.faces.azure_files.errors import Refused
from linarite.http import storage_auth
from linarite.http.messages import Request

_FORMS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S.%fZ")
SECOND = 1_000_000


def failed(why: str) -> Refused:
    """The signature is not good; `why` says so to the client."""
    return Refused("AuthenticationFailed", AuthenticationErrorDetail=why)


def fields_of(request: Request) -> dict[str, str]:
    """The query's parameters as they were signed."""
    return {name: values[0] for name, values in storage_auth.parse_query(request.query.raw).items()}


def check_account(request: Request, fields: dict[str, str], address: Address, keys: Sequence[bytes]) -> Caller:
    """An account SAS."""
    text = storage_auth.account_sas_text(fields, address.account)
    _check_signature(fields, keys, [text])
    if not fields.get("sp") or not fields.get("se"):
        raise failed("sp and se are mandatory in an account SAS.")
    check_use(request, fields)
    if "f" not in fields["ss"]:
        raise Refused("AuthorizationServiceMismatch")
    return Caller(kind="account-sas", permissions=fields["sp"], types=fields.get("srt", ""), fields=fields)


def check_service(
    request: Request, fields: dict[str, str], address: Address, keys: Sequence[bytes], share: Share | None
) -> Caller:
    """A SAS of a share (sr=s) or of a file (sr=f); `share` is there for the stored policy that it may name."""
    text = storage_auth.service_sas_text(fields, resource(fields, address))
    _check_signature(fields, keys, [text])
    terms = _with_policy(fields, share)
    if not terms.get("sp") or not terms.get("se"):
        raise failed("sp and se are mandatory: in the signature, or in the stored access policy that it names.")
    check_use(request, terms)
    return Caller(kind="service-sas", permissions=terms["sp"], types="o", fields=terms)


def resource(fields: dict[str, str], address: Address) -> str:
    """What a SAS of a share (sr=s) or of a file (sr=f) signs as its resource."""
    if fields.get("sr") not in {"s", "f"}:
        raise failed("sr is neither s nor f.")
    return address.resource if fields["sr"] == "s" else f"{address.resource}/{address.sent}"


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
    start, expiry = moment(fields.get("st")), moment(fields["se"])
    if (start is not None and request.now < start) or expiry is None or request.now >= expiry:
        raise failed(f"Signature not valid in the specified time frame: {fields.get('st', '')} to {fields['se']}.")
    protocols = fields.get("spr", "").split(",")
    if protocols != [""] and request.scheme not in protocols:
        raise Refused("AuthorizationProtocolMismatch")
    if fields.get("sip") and not _is_within(request.client, fields["sip"]):
        raise Refused("AuthorizationSourceIPMismatch", SourceIP=request.client)


@lru_cache(256)
def moment(text: str | None) -> int | None:
    """A time of a signature in microseconds since the epoch; None when there is none."""
    if not text:
        return None
    for form in _FORMS:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()) * SECOND
        except ValueError:
            continue
    raise failed(f"{text} is no time.")


def _is_within(client: str, allowed: str) -> bool:
    first, _, last = allowed.partition("-")
    try:
        address = ipaddress.ip_address(client)
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last or first)
    except ValueError:
        return False
    return address.version == low.version == high.version and int(low) <= int(address) <= int(high)
