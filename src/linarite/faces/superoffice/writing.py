"""Values to bytes: JSON, or XML without a namespace. Source: SuperOffice NOTES section 9.

An answer is plain data: objects, lists, text, numbers. XML names the root after the value's type; the items of a list
are named after what the root says they are (`ArrayOfBatchTaskInfo`), those of ParameterObject are `<Item Key="...">`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

import msgspec

from linarite.faces.superoffice.presentation import Presentation
from linarite.http.messages import Response

MAPS = frozenset({"ParameterObject", "FieldProperties"})
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NIL = ' xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"'


def answer(shown: Presentation, value: object, root: str, status: int = 200) -> Response:
    """The answer in the form asked for; `root` is the name of the XML root element."""
    body = xml(value, root) if shown.xml else msgspec.json.encode(value)
    return Response(status, body, {"Content-Type": f"{shown.media}; charset=utf-8"})


def xml(value: object, root: str) -> bytes:
    """A whole XML document."""
    attributes = _NIL if value is None else ""
    parts = ['<?xml version="1.0" encoding="utf-8"?>', f"<{root}{attributes}>"]
    _content(value, root.removeprefix("ArrayOf"), parts)
    parts.append(f"</{root}>")
    return "".join(parts).encode()


def _content(value: object, item: str, parts: list[str]) -> None:
    """The inside of an element; `item` names the items of a list."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _element(name, inner, parts)
    elif isinstance(value, list | tuple):
        for inner in value:
            _element(item, inner, parts)
    else:
        parts.append(_text(value))


def _element(name: str, value: object, parts: list[str]) -> None:
    tag = re.sub(r"[^\w.-]", "_", name)
    parts.append(f"<{tag}>")
    if name in MAPS and isinstance(value, Mapping):
        for key, inner in value.items():
            parts.append(f"<Item Key={quoteattr(_NO_XML.sub('�', key))}>")
            _content(inner, "Item", parts)
            parts.append("</Item>")
    else:
        _content(value, "Item", parts)
    parts.append(f"</{tag}>")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(_NO_XML.sub("�", str(value)))
