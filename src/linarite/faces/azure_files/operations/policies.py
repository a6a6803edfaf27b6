"""Stored access policies of a share: Get Share ACL and Set Share ACL. Source: NOTES 10."""

from __future__ import annotations

from linarite.engine.sharing import Policy
from linarite.faces.azure_files import headers, xml
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused
from linarite.faces.azure_files.sas import parse_moment
from linarite.http.messages import Response
from linarite.http.xml import Element, XmlRefused, child, local_name, parse

LETTERS = "rcwdl"
MAX_POLICIES, MAX_ID, MAX_XML = 5, 64, 64 * 1024
_PARTS = {"Start": "start", "Expiry": "expiry", "Permission": "permission"}


async def get_share_acl(call: Call) -> Response:
    """The policies of a share."""
    share = await call.shares.get(call.place, call.claim)
    return xml.answer(xml.parent("SignedIdentifiers", map(_render, share.policies)), headers.share_tags(share))


async def set_share_acl(call: Call) -> Response:
    """All policies anew; no body is none."""
    body = await call.request.body(MAX_XML)
    share = await call.shares.change(call.place, {"policies": _read(body) if body else ()}, call.claim)
    return Response(200, b"", headers.share_tags(share))


def _render(policy: Policy) -> str:
    parts = [xml.element(name, getattr(policy, field)) for name, field in _PARTS.items()]
    return xml.parent("SignedIdentifier", [xml.element("Id", policy.id), xml.parent("AccessPolicy", parts)])


def _read(body: bytes) -> tuple[Policy, ...]:
    try:
        root = parse(body)
    except XmlRefused as error:
        raise Refused("InvalidXmlDocument", str(error)) from error
    if local_name(root) != "SignedIdentifiers" or len(root) > MAX_POLICIES:
        raise Refused("InvalidXmlDocument")
    policies = tuple(map(_policy, root))
    if len({policy.id for policy in policies}) != len(policies):
        raise Refused("InvalidXmlDocument")
    return policies


def _policy(identifier: Element) -> Policy:
    name, terms = _text(identifier, "Id"), child(identifier, "AccessPolicy")
    if not name or len(name) > MAX_ID:
        raise Refused("InvalidXmlNodeValue", XmlNodeName="Id", XmlNodeValue=name or "")
    values = {} if terms is None else {field: _text(terms, part) for part, field in _PARTS.items()}
    for part, field in _PARTS.items():
        value = values.get(field)
        if value is not None and not _is_good(field, value):
            raise Refused("InvalidXmlNodeValue", XmlNodeName=part, XmlNodeValue=value)
    return Policy(id=name, **values)


def _is_good(field: str, value: str) -> bool:
    """Whether a signature could have it: a time, or letters of what may be done in a share."""
    return set(value) <= set(LETTERS) if field == "permission" else parse_moment(value) is not None


def _text(element: Element, name: str) -> str | None:
    found = child(element, name)
    return None if found is None else (found.text or "").strip() or None
