"""XML answers, as strings. Source: NOTES 2, 3 and 9."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote as percent

from linarite.http.messages import Response
from linarite.http.xml import DECLARATION, escape, quote

_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def answer(body: str, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    """An XML document as an answer."""
    text = f"{DECLARATION}{body}".encode()
    return Response(status, text, {"Content-Type": "application/xml", **(headers or {})})


def element(name: str, text: str | None, attributes: str = "") -> str:
    """An element with text; None is no element at all, "" an empty one."""
    if text is None:
        return ""
    return f"<{name}{attributes}>{escape(text)}</{name}>" if text else f"<{name}{attributes} />"


def parent(name: str, children: Iterable[str]) -> str:
    """An element around others."""
    inner = "".join(children)
    return f"<{name}>{inner}</{name}>" if inner else f"<{name} />"


def named(name: str, text: str | None) -> str:
    """An element with a file's name: percent-encoded and marked when XML cannot hold it."""
    if text is None or not _ILLEGAL.search(text):
        return element(name, text)
    return element(name, percent(text), ' Encoded="true"')


def attribute(name: str, text: str) -> str:
    """An attribute, with a space before it."""
    return f" {name}={quote(percent(text) if _ILLEGAL.search(text) else text)}"


def is_legal(text: str) -> bool:
    """Whether XML can hold the text as it is."""
    return not _ILLEGAL.search(text)
