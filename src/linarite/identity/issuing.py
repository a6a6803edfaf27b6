"""The issuer of development mode: a key made once, and tokens signed with it.

Also the credentials that SuperOffice clients carry, kept as documents of kind `superoffice-session`.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from pathlib import Path
from typing import Literal

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from linarite.engine.model import MINUTE, Role
from linarite.engine.ports import Transaction
from linarite.identity.private import kept

ISSUER = "https://linarite.localhost/"
AUDIENCES = {"batch": "https://batch.core.windows.net/", "storage": "https://storage.azure.com"}
SESSION = "superoffice-session"
SESSION_LIFE = 6 * 60 * MINUTE
TENANT = "Cust00001"
COOKIE, XSRF_COOKIE = "SOSESSION", "XSRF-TOKEN"
"""Names of the cookies in which a session and its proof travel."""

SuperOfficeKind = Literal["ticket", "bearer", "cookie"]
SUPEROFFICE_KINDS: tuple[SuperOfficeKind, ...] = ("ticket", "bearer", "cookie")


def signing_key(folder: Path) -> RSAPrivateKey:
    """The issuer's key, made at the first call. Raises OSError."""
    text = kept(folder / "issuer.pem", lambda: _pem(generate_private_key(65537, 2048)))
    key = serialization.load_pem_private_key(text, None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _pem(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def subject(account: str | None, role: Role) -> str:
    """The object id of a caller: the same for the same account and role."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{ISSUER}{account or ''}/{role}"))


def token(key: RSAPrivateKey, audience: str, account: str | None, role: Role, hours: float, now: int) -> str:
    """A token for `account` (None: any), good for `hours` from `now` (seconds since the epoch)."""
    claims = {
        "iss": ISSUER, "aud": audience, "sub": subject(account, role), "oid": subject(account, role),
        "tid": str(uuid.uuid5(uuid.NAMESPACE_URL, ISSUER)),
        "iat": now, "nbf": now, "exp": now + int(hours * 3600), "roles": [role.value],
        **({} if account is None else {"account": account}),
    }  # fmt: skip
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "linarite"})


def superoffice_secret(kind: SuperOfficeKind) -> str:
    """A fresh credential in the form that SuperOffice gives it."""
    random = secrets.token_urlsafe(32)
    return {"ticket": f"7T:{random}", "bearer": f"8A:{TENANT}.{random}", "cookie": random}[kind]


def keep_session(
    tx: Transaction, secret: str, user: str, kind: SuperOfficeKind, xsrf: str | None, now: int
) -> None:  # fmt: skip
    """Let `secret` stand for `user` for six hours; the face lets each use begin them anew."""
    name = hashlib.sha256(secret.encode()).hexdigest()
    tx.documents.put(SESSION, name, {"user": user, "kind": kind, "xsrf": xsrf}, now + SESSION_LIFE)
