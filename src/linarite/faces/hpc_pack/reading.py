"""Request bodies to plain data: lists of properties and messages, from XML or JSON. Source: NOTES 4 and 9.

Read leniently where clients differ (order, letter case of JSON keys, an empty body, `{}`), strictly elsewhere.
"""

from __future__ import annotations

from typing import Any

import msgspec

from linarite.faces.hpc_pack.answers import Pairs
from linarite.faces.hpc_pack.errors import MESSAGE_TOO_LONG, NO_CODE, bad
from linarite.http.xml import Element, XmlRefused, child, children, local_name, parse

MESSAGE_LIMIT = 128


def xml(data: bytes) -> Element:
    """The root of an XML body."""
    try:
        return parse(data)
    except XmlRefused as error:
        raise bad(NO_CODE, str(error)) from error


def _json(data: bytes) -> Any:  # noqa: ANN401 - what JSON holds
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad(NO_CODE, f"The JSON is malformed: {error}.") from error


def properties_xml(data: bytes) -> Pairs:
    """An ArrayOfProperty; an empty body is an empty one."""
    if not data.strip():
        return []
    root = xml(data)
    if local_name(root) != "ArrayOfProperty":
        raise bad(NO_CODE, f"The body must be an ArrayOfProperty, not {local_name(root)!r}.")
    return [_property(element) for element in children(root, "Property")]


def _property(element: Element) -> tuple[str, str]:
    name, value = child(element, "Name"), child(element, "Value")
    if name is None or not (name.text or "").strip():
        raise bad(NO_CODE, "A Property must have a Name.")
    return (name.text or "").strip(), (value.text or "") if value is not None else ""


def properties_json(data: bytes) -> Pairs:
    """A list of {Name, Value}; an empty body and `{}` are empty lists."""
    body = _json(data) if data.strip() else []
    if body in ({}, None):
        return []
    if not isinstance(body, list):
        raise bad(NO_CODE, "The body must be a list of properties.")
    return [_rest_property(item) for item in body]


def _rest_property(item: object) -> tuple[str, str]:
    if not isinstance(item, dict):
        raise bad(NO_CODE, "A property must be an object with Name and Value.")
    found = {str(key).lower(): value for key, value in item.items()}
    name, value = found.get("name"), found.get("value")
    if not isinstance(name, str) or not name.strip():
        raise bad(NO_CODE, "A property must have a Name.")
    if isinstance(value, dict | list):
        raise bad(NO_CODE, f"The value of {name} must be text.")
    return name.strip(), "" if value is None else str(value)


def message_xml(data: bytes) -> str:
    """The words in `<string>`; an empty body, or an empty list of properties, has none."""
    if not data.strip():
        return ""
    root = xml(data)
    if local_name(root) not in {"string", "ArrayOfProperty"}:
        raise bad(NO_CODE, f"The body must be a string, not {local_name(root)!r}.")
    return _short((root.text or "").strip())


def message_json(data: bytes) -> str:
    """A JSON string; an empty body and `{}` have none."""
    body = _json(data) if data.strip() else ""
    if body in ({}, None):
        return ""
    if not isinstance(body, str):
        raise bad(NO_CODE, "The body must be a string.")
    return _short(body)


def object_json(data: bytes) -> dict[str, Any]:
    """A JSON object, its names in lower case. Refusal when it is none."""
    body = _json(data) if data.strip() else None
    if not isinstance(body, dict):
        raise bad(NO_CODE, "The body must be an object.")
    return {str(name).lower(): value for name, value in body.items()}


def text_json(data: bytes) -> str:
    """A JSON string. Refusal when it is none."""
    body = _json(data) if data.strip() else None
    if not isinstance(body, str):
        raise bad(NO_CODE, "The body must be a string.")
    return body


def _short(message: str) -> str:
    if len(message) > MESSAGE_LIMIT:
        raise bad(MESSAGE_TOO_LONG, f"The message is longer than {MESSAGE_LIMIT} characters.")
    return message
