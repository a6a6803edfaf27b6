"""XML on the wire: read with every trick refused, written as strings with escapes.

A document type, an entity or a reference to another file is refused before anything is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree

DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'

_not_xml = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_special = re.compile(r"[&<>\r]|[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]").search
_in_text = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_in_attribute = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
)


class XmlRefused(ValueError):
    """The bytes are no XML that is read here: malformed, or with a document type or entities of its own."""


def parse(data: bytes) -> Element:
    """The root element. XmlRefused says in a sentence what is wrong; nothing outside `data` is ever read."""
    try:
        root: Element = ElementTree.fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise XmlRefused("The XML has a document type or entities, which are not accepted.") from error
    except (ParseError, ValueError, LookupError) as error:
        raise XmlRefused(f"The XML is malformed: {error}.") from error
    return root


def local_name(element: Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: Element, name: str) -> Iterator[Element]:
    """The direct children of that local name, of whatever namespace."""
    return (child for child in element if local_name(child) == name)


def child(element: Element, name: str) -> Element | None:
    """The first direct child of that local name, of whatever namespace."""
    return next(children(element, name), None)


def escape(text: str) -> str:
    """Text for an element's content; what no XML document may hold becomes U+FFFD."""
    return _not_xml.sub("\ufffd", text).translate(_in_text) if _special(text) else text


def quote(text: str) -> str:
    """Text for an attribute's value, with its quotes."""
    clean = _not_xml.sub("\ufffd", text)
    return f'"{clean.translate(_in_attribute)}"'


__all__ = ["DECLARATION", "Element", "XmlRefused", "child", "children", "escape", "local_name", "parse", "quote"]
