"""The storage that an account has for its own: named by a connection string, reached by signatures that end soon.

Sources: 'Configure Azure Storage connection strings' and 'Create a service SAS' on learn.microsoft.com.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

import msgspec

LIFE = 24 * 60 * 60 * 1_000_000
"""Microseconds for which a signature is good: a run fetches its files at once, but they may be large."""
VERSION = "2021-12-02"


class LinkedStorage(msgspec.Struct, frozen=True):
    """A storage account: the address of its blobs, and either its name and key or a signature for all of it."""

    endpoint: str
    account: str = ""
    key: str = ""
    signature: str = ""

    def container_url(self, container: str, now: int) -> str:
        """Give the container's address with the right to read and list it until `LIFE` after `now`."""
        rights = self.signature or urlencode(self._sign(container, now))
        return f"{self.endpoint}/{quote(container)}?{rights}"

    def _sign(self, container: str, now: int) -> dict[str, str]:
        ends = datetime.fromtimestamp((now + LIFE) // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        signed = ["rl", "", ends, f"/blob/{self.account}/{container}", "", "", "", VERSION, "c"]
        text = "\n".join([*signed, *[""] * 7])
        digest = hmac.digest(base64.b64decode(self.key), text.encode(), hashlib.sha256)
        return {"sp": "rl", "se": ends, "sv": VERSION, "sr": "c", "sig": base64.b64encode(digest).decode()}


def read(connection: str) -> LinkedStorage:
    """Read a connection string. Raises ValueError with the reason."""
    parts = dict(_part(item) for item in connection.strip().split(";") if item.strip())
    account, key, signature = (parts.get(name, "") for name in ("accountname", "accountkey", "sharedaccesssignature"))
    endpoint = (parts.get("blobendpoint") or _usual(parts, account)).rstrip("/")
    url = urlsplit(endpoint)
    if url.scheme not in {"http", "https"} or not url.hostname or url.query:
        raise ValueError("BlobEndpoint is an http or https address")
    if not signature:
        _check_key(account, key)
    return LinkedStorage(endpoint, account, key, signature.lstrip("?"))


def _part(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals:
        raise ValueError("a connection string is a list of Name=value, with semicolons between")
    return name.strip().lower(), value.strip()


def _usual(parts: dict[str, str], account: str) -> str:
    if not account:
        raise ValueError("a connection string has an AccountName or a BlobEndpoint")
    protocol = parts.get("defaultendpointsprotocol", "https")
    return f"{protocol}://{account}.blob.{parts.get('endpointsuffix', 'core.windows.net')}"


def _check_key(account: str, key: str) -> None:
    if not account or not key:
        raise ValueError("a connection string has AccountName and AccountKey, or a SharedAccessSignature")
    try:
        base64.b64decode(key, validate=True)
    except ValueError as error:
        raise ValueError("AccountKey is base64") from error
