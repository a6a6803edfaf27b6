"""The Batch form of SharedKey: the text that is signed, and its signature. Pure; who may call is decided elsewhere.

Source: Batch NOTES section 2 (recomputed on the wire for five clients).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote_plus

from linarite.http.messages import Headers, Query

_BEFORE_LENGTH = ("content-encoding", "content-language")
_AFTER_LENGTH = (
    "content-md5", "content-type", "date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since",
    "range",
)  # fmt: skip


def string_to_sign(method: str, raw_path: str, query: Query, headers: Headers, account: str, length: str) -> str:
    """The text that a client signs; `length` is Content-Length as it stands in the text."""
    return _head(method, headers, length) + _resource(raw_path, _by_lower_name(query), account)


def _head(method: str, headers: Headers, length: str) -> str:
    """The lines before the resource. When `ocp-date` is there, Date is an empty line, whoever added one on the way."""
    get = headers.get
    dated = "ocp-date" in headers
    lines = [method, *(get(name) or "" for name in _BEFORE_LENGTH), length]
    lines += ["" if dated and name == "date" else get(name) or "" for name in _AFTER_LENGTH]
    lines += [f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith("ocp-")]
    return "\n".join(lines) + "\n"


def _resource(raw_path: str, parameters: list[tuple[str, str]], account: str) -> str:
    lines = [f"/{account}{raw_path}", *(f"{name}:{value}" for name, value in parameters if value)]
    return "\n".join(lines)


def _by_lower_name(query: Query) -> list[tuple[str, str]]:
    """The documented form: names in lower case, several values sorted and joined."""
    return [(name, ",".join(sorted(values))) for name, values in sorted(query.items())]


def _by_own_name(query: Query) -> list[tuple[str, str]]:
    """The form of azure-batch for Python: names in their own letter case, the first value alone."""
    parameters: dict[str, str] = {}
    for part in query.raw.split("&"):
        name, _, value = part.partition("=")
        parameters.setdefault(unquote_plus(name), unquote_plus(value))
    return sorted(parameters.items())


def texts_to_sign(
    method: str, raw_path: str, query: Query, headers: Headers, account: str, *, empty_body: bool
) -> Iterator[str]:
    """The texts that a client may have signed, the documented one first.

    A length of 0 stands as `0` or as nothing, whatever was sent; parameter names stand in lower case or in their own;
    the path as it was sent, or with all escaped that may be.
    """
    sent = headers.get("content-length") or ""
    lengths = dict.fromkeys([sent, "", "0"]) if empty_body else [sent]
    for path in dict.fromkeys([raw_path, _escaped(raw_path)]):
        for parameters in (_by_lower_name, _by_own_name):
            resource = _resource(path, parameters(query), account)
            for length in lengths:
                yield _head(method, headers, length) + resource


def _escaped(raw_path: str) -> str:
    """The path as azure-batch for Python escapes it and signs it; its async kind sends `job%3A1` as `job:1` then."""
    return quote(raw_path, safe="/%", errors="surrogateescape")


def signature(key: bytes, text: str) -> bytes:
    """HMAC-SHA256 of the text."""
    return hmac.digest(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256)


def is_signed(given: str, keys: Iterable[bytes], texts: Iterable[str]) -> bool:
    """Tell whether the base64 `given` is the signature of one of the texts by one of the keys."""
    try:
        wanted = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    both = tuple(keys)
    return any(hmac.compare_digest(wanted, signature(key, text)) for text in texts for key in both)
