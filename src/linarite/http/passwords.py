"""Passwords, kept as scrypt hashes: `scrypt$<n>$<r>$<p>$<salt>$<hash>`, both parts in base64."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from functools import lru_cache

N, R, P = 2**14, 8, 1
MEMORY = 64 * 1024 * 1024
"""Bytes that one hash may use."""


def hashed(password: str) -> str:
    """The text to keep in place of a password."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, N, R, P)
    return "$".join(["scrypt", str(N), str(R), str(P), _encode(salt), _encode(digest)])


def matches(password: str, kept: str) -> bool:
    """Whether it is the password that `hashed` made `kept` of; takes the same time either way."""
    _, n, r, p, salt, digest = kept.split("$")
    return hmac.compare_digest(_scrypt(password, _decode(salt), int(n), int(r), int(p)), _decode(digest))


@lru_cache(maxsize=1)
def nobody() -> str:
    """The hash of a password that nobody has: what an unknown name is checked against, so that it takes as long."""
    return hashed(secrets.token_hex())


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=MEMORY, dklen=32)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text)
