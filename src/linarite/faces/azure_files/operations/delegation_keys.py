"""Get User Delegation Key. Source: NOTES 4."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from linarite.engine.model import Role
from linarite.faces.azure_files import delegation, xml
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused
from linarite.faces.azure_files.values import parse_time
from linarite.http.messages import Response
from linarite.http.xml import Element, XmlRefused, child, local_name, parse

MAX_XML = 16 * 1024
_NAMES = {
    "SignedOid": "skoid", "SignedTid": "sktid", "SignedStart": "skt", "SignedExpiry": "ske", "SignedService": "sks",
    "SignedVersion": "skv", "SignedDelegatedUserTid": "skdutid",
}  # fmt: skip


async def get_user_delegation_key(call: Call) -> Response:
    """A key for who has a token; the same for the same times."""
    if call.caller.kind != "bearer":
        raise Refused(
            "AuthenticationFailed", AuthenticationErrorDetail="Only authentication scheme Bearer is supported"
        )
    root = _document(await call.request.body(MAX_XML))
    start, expiry = _times(call, root)
    caller = call.caller.fields
    fields = {
        "skoid": caller["oid"], "sktid": caller["tid"], "skt": _text(start), "ske": _text(expiry),
        "sks": delegation.SERVICE, "skv": call.version, "skdutid": _value(root, "DelegatedUserTid") or "",
    }  # fmt: skip
    account_key = (await call.account_keys())[0]
    value = base64.b64encode(delegation.key(account_key, fields, Role(caller["role"]))).decode()
    parts = [xml.element(name, fields[field] or None) for name, field in _NAMES.items()]
    return xml.answer(xml.parent("UserDelegationKey", [*parts, xml.element("Value", value)]))


def _document(body: bytes) -> Element:
    try:
        root = parse(body)
    except XmlRefused as error:
        raise Refused("InvalidXmlDocument", str(error)) from error
    if local_name(root) != "KeyInfo":
        raise Refused("InvalidXmlDocument")
    return root


def _times(call: Call, root: Element) -> tuple[int, int]:
    """Start and expiry in whole seconds: at most seven days of validity, and some of it left."""
    given, text = _value(root, "Start"), _value(root, "Expiry")
    if not text:
        raise Refused("MissingRequiredXmlNode", XmlNodeName="Expiry")
    start = call.now // 1_000_000 if not given else _seconds("Start", given)
    expiry = _seconds("Expiry", text)
    if not max(start, call.now // 1_000_000) < expiry <= start + delegation.MAX_LIFE // 1_000_000:
        raise Refused("InvalidXmlNodeValue", XmlNodeName="Expiry", XmlNodeValue=text)
    return start, expiry


def _value(root: Element, name: str) -> str | None:
    found = child(root, name)
    return None if found is None else (found.text or "").strip()


def _seconds(name: str, text: str) -> int:
    found = parse_time(text)
    if found is None:
        raise Refused("InvalidXmlNodeValue", XmlNodeName=name, XmlNodeValue=text)
    return found // 1_000_000_000


def _text(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
