"""What callers send: JSON, XML or a form, with names in any case, brought into plain typed values.

Source: SuperOffice NOTES sections 1, 3 and 4: clients send camelCase, the descriptions say PascalCase; both are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from linarite.engine.errors import EngineError, InvalidValue, MissingValue
from linarite.faces.superoffice.presentation import JSON, JSON_TYPES, XML_TYPES
from linarite.http.messages import Request

MAX_BODY = 1024 * 1024
FORM = "application/x-www-form-urlencoded"
INT32 = range(-(2**31), 2**31)


class Malformed(EngineError):
    """The request cannot be read at all."""


class InvalidColumn(EngineError):
    """An archive has no such column, or the column is not tested or ordered in that way."""


class MediaTypeNotSupported(EngineError):
    """The body is of a type that this protocol does not take."""


class Given:
    """The named values of a request, looked up without regard to case; a value that is null counts as absent."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = {name.lower(): value for name, value in values.items()}

    def __contains__(self, name: str) -> bool:
        return self.values.get(name.lower()) is not None

    def raw(self, name: str) -> object:
        """The value as it was sent. MissingValue."""
        if name not in self:
            raise MissingValue(name)
        return self.values[name.lower()]

    def integer(self, name: str, default: int | None = None) -> int:
        """A 32-bit number, or the digits of one."""
        if default is not None and name not in self:
            return default
        return as_integer(name, self.raw(name))

    def integers(self, name: str, *, required: bool = False) -> list[int]:
        """A list of numbers; empty when it is absent and not required."""
        if name not in self and not required:
            return []
        value = self.raw(name)
        if not isinstance(value, list):
            raise InvalidValue(name, value, "must be a list of numbers.")
        return [as_integer(name, item) for item in value]

    def text(self, name: str, limit: int) -> str | None:
        """A text of at most `limit` characters, None when it is absent."""
        return as_text(name, self.raw(name), limit) if name in self else None

    def texts(self, name: str) -> dict[str, str]:
        """A map of texts; its own keys keep their case."""
        if name not in self:
            return {}
        value = self.values[name.lower()]
        if not isinstance(value, dict):
            raise InvalidValue(name, value, "must be an object of texts.")
        return {key: "" if item is None else as_text(key, item, MAX_BODY) for key, item in value.items()}

    def object(self, name: str) -> Given:
        """An object in the request, its names in any case."""
        value = self.raw(name)
        if not isinstance(value, dict):
            raise InvalidValue(name, value, "must be an object.")
        return Given(value)


def as_integer(name: str, value: object) -> int:
    """A 32-bit number, or the digits of one. InvalidValue."""
    number = value if type(value) is int else None
    if isinstance(value, str) and value.isascii() and value.strip().removeprefix("-").isdigit():
        number = int(value) if len(value) < 20 else None
    if number is None or number not in INT32:
        raise InvalidValue(name, value, "must be a 32-bit integer.")
    return number


def as_text(name: str, value: object, limit: int) -> str:
    """A text of at most `limit` characters; a number counts as its digits. InvalidValue."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidValue(name, value, "must be a text.")
    if len(str(value)) > limit:
        raise InvalidValue(name, value, f"must not have more than {limit} characters.")
    return str(value)


async def given(request: Request, *, with_query: bool = False) -> Given:
    """The body of a request; an empty one is an empty object, or the query where that is taken."""
    kind = (request.headers.get("content-type") or JSON).partition(";")[0].strip().lower()
    body = (await request.body(MAX_BODY)).removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        return Given({name: values[0] for name, values in request.query.items()} if with_query else {})
    if kind in XML_TYPES:
        return Given(_read_xml(body))
    if kind == FORM:
        return Given(dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)))
    if kind not in JSON_TYPES:
        raise MediaTypeNotSupported(f"The media type {kind!r} is not supported for this resource.")
    return Given(_read_json(body))


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"The body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed("The body must be a JSON object.")
    return value


def _read_xml(body: bytes) -> dict[str, Any]:
    try:
        value = _xml_value(fromstring(body, forbid_dtd=True))
    except (ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        raise Malformed(f"The body is not valid XML: {error}") from None
    return value if isinstance(value, dict) else {}


def _xml_value(element: Element) -> object:
    """An element's content: a map of Items with keys, a list of equal names, an object, or text; None when empty."""
    children = list(element)
    if not children:
        return element.text or None
    names = [_local(child.tag) for child in children]
    if all("Key" in child.attrib for child in children):
        return {child.attrib["Key"]: child.text or "" for child in children}
    if set(names) <= {"int", "Item", "string"}:
        return [_xml_value(child) for child in children]
    return {name: _xml_value(child) for name, child in zip(names, children, strict=True)}


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
