"""What the tests of seed 001 share: the page's file, a share of odd files, and ways to ask for them."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

import httpx
import jwt
from tests.support.azure_files import Raw
from tests.support.server import DEVELOPMENT_KEY, RunningServer

from linarite.http import storage_auth

MIB = 1024 * 1024
DATA = bytes(range(256)) * 40
TEXT = b"hello world"
LEASE = "36650d67-05c9-4a24-9a7d-a2213e53caf6"
SECRET = base64.b64decode(DEVELOPMENT_KEY)
FILE = "myshare/mydirectorypath/myfile"


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def put(files: Raw, path: str, data: bytes, size: int | None = None, **settings: str) -> None:
    """A file with these bytes at its beginning; a setting's `_` is a hyphen."""
    given = {name.replace("_", "-"): value for name, value in settings.items()}
    length = str(len(data) if size is None else size)
    files("PUT", path, {"x-ms-type": "file", "x-ms-content-length": length, **given}).raise_for_status()
    if data:
        where = {"x-ms-write": "update", "x-ms-range": f"bytes=0-{len(data) - 1}"}
        files("PUT", f"{path}?comp=range", {**given, **where}, data).raise_for_status()


def get(files: Raw, path: str = FILE, **headers: str) -> httpx.Response:
    """Get File; a header's `_` is a hyphen."""
    return files("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, str | None]:
    """Check a refusal's status, code and shape, and that no key is in it; gives the elements of its body."""
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/xml"
    assert DEVELOPMENT_KEY not in answer.text
    root = ET.fromstring(answer.text)
    found = {child.tag: child.text for child in root}
    assert (root.tag, found["Code"]) == ("Error", code)
    assert f"\nRequestId:{answer.headers['x-ms-request-id']}\nTime:" in (found["Message"] or "")
    return found


def make_share(files: Raw, server: RunningServer, tenant: str) -> None:
    """A share with the page's file, a leased one, a large hole, an empty one, and what another program may leave."""
    files("PUT", "myshare?restype=share").raise_for_status()
    files("PUT", "myshare/mydirectorypath?restype=directory").raise_for_status()
    put(
        files, FILE, DATA, x_ms_content_type="text/plain", x_ms_content_encoding="identity", x_ms_content_language="en",
        x_ms_cache_control="no-cache", x_ms_content_disposition="attachment", x_ms_content_md5=md5(DATA),
        x_ms_meta_m1="v1", x_ms_meta_Second="v 2",
    )  # fmt: skip
    put(files, "myshare/plain", TEXT)
    put(files, "myshare/hole", b"", 128 * MIB)
    put(files, "myshare/empty", b"")
    put(files, "myshare/leased", TEXT)
    acquire = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1", "x-ms-proposed-lease-id": LEASE}
    files("PUT", "myshare/leased?comp=lease", acquire).raise_for_status()
    folder, database = files.service.path("myshare", "", tenant), server.data / "server" / "linarite.db"
    links = {
        "passwd": "/etc/passwd", "database": database, "folder": database.parent, "loop": "loop", "gone": "nothing",
        "relative": f"../../../server/{database.name}", "inside": "plain",
    }  # fmt: skip
    for name, target in links.items():
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe")


def token(account: object, **claims: Any) -> str:
    body = {"aud": "https://storage.azure.com", "exp": int(time.time()) + 600, "account": account, **claims}
    return jwt.encode(body, SECRET, "HS256")


@contextmanager
def slow(files: Raw, server: RunningServer, path: str) -> Iterator[Iterator[bytes]]:
    """The pieces of a file, as they are read."""
    url = f"{server.files}/{files.account}/{path}"
    headers = {"Authorization": f"Bearer {token(files.account)}", "x-ms-file-request-intent": "backup"}
    with httpx.stream("GET", url, headers={**headers, "x-ms-version": "2025-01-05"}, timeout=60) as answer:
        assert answer.status_code == 200
        yield answer.iter_raw()


def in_an_hour() -> str:
    return f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"


def signed_query(fields: dict[str, str], text: str) -> str:
    signature = base64.b64encode(storage_auth.sign(SECRET, text)).decode()
    return urlencode({**fields, "sig": signature}, quote_via=quote)
