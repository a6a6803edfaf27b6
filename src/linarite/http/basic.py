"""The Basic scheme of RFC 7617: a name and a password in the Authorization field."""

from __future__ import annotations

import base64
import binascii


def credentials(authorization: str | None) -> tuple[str, str] | None:
    """The name and the password of an Authorization field; None when it is of another scheme or malformed."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        raw = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = _text(raw).partition(":")
    return (name, password) if colon else None


def _text(raw: bytes) -> str:
    """UTF-8 as the standard asks, else Latin-1 as older clients send."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
