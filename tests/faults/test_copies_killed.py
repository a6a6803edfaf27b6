"""A copy between accounts is in the middle when the server is killed: it goes on, whatever opened its source."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from xml.etree import ElementTree as ET

import httpx
import pytest
from azure.storage.fileshare import FileSasPermissions, ShareServiceClient, UserDelegationKey, generate_file_sas
from tests.support.azure_files import FileService, Raw
from tests.support.copies import ended
from tests.support.server import DEVELOPMENT_KEY, RunningServer, running_server

SIZE, SEED = 768 * 1024 * 1024, os.urandom(1024 * 1024)
VERSION, PROGRESS = "2026-02-06", "x-ms-copy-progress"
RESOURCE = "https://storage.azure.com"


def service(server: RunningServer, account: str) -> ShareServiceClient:
    return ShareServiceClient(f"{server.files}/{account}", credential=DEVELOPMENT_KEY, retry_total=0)


def token_of(server: RunningServer) -> str:
    """As a program's DefaultAzureCredential gets it."""
    endpoint, secret = (server.identity[f"IDENTITY_{name}"] for name in ("ENDPOINT", "HEADER"))
    query, headers = {"api-version": "2019-08-01", "resource": RESOURCE}, {"X-IDENTITY-HEADER": secret}
    token: str = httpx.get(endpoint, params=query, headers=headers, trust_env=False).json()["access_token"]
    return token


def by_token(server: RunningServer, source: str) -> tuple[dict[str, str], str]:
    """The headers that open a source, and the secret in them."""
    token = token_of(server)
    return {"x-ms-copy-source": source, "x-ms-copy-source-authorization": f"Bearer {token}"}, token


def by_delegation(server: RunningServer, source: str) -> tuple[dict[str, str], str]:
    end = datetime.now(UTC) + timedelta(hours=1)
    fields = {
        "x-ms-version": VERSION,
        "x-ms-date": formatdate(usegmt=True),
        "Authorization": f"Bearer {token_of(server)}",
    }
    asked = f"<KeyInfo><Expiry>{end:%Y-%m-%dT%H:%M:%SZ}</Expiry></KeyInfo>".encode()
    address = f"{server.files}/devaccount/?restype=service&comp=userdelegationkey"
    answer = httpx.post(address, headers=fields, content=asked, trust_env=False)
    assert answer.status_code == 200, answer.text
    key = UserDelegationKey()
    for element, name in (
        ("SignedOid", "signed_oid"), ("SignedTid", "signed_tid"), ("SignedStart", "signed_start"),
        ("SignedExpiry", "signed_expiry"), ("SignedService", "signed_service"), ("SignedVersion", "signed_version"),
        ("Value", "value"),
    ):  # fmt: skip
        setattr(key, name, ET.fromstring(answer.text).findtext(element))
    query = generate_file_sas(
        "devaccount", "share", ["from"], user_delegation_key=key, permission=FileSasPermissions(read=True), expiry=end
    )
    return {"x-ms-copy-source": f"{source}?{query}"}, query.rpartition("sig=")[2]


@pytest.mark.timeout(240)
@pytest.mark.operation("Copy File")
@pytest.mark.parametrize("opened", [by_token, by_delegation])
def test_a_copy_whose_source_a_token_opened_goes_on_after_sigkill(
    opened: Callable[[RunningServer, str], tuple[dict[str, str], str]],
) -> None:
    """What opens it is looked at once and stored nowhere; the copy is whole in the end."""
    with running_server() as server:
        for account in ("devaccount", "devsecond"):
            service(server, account).create_share("share")
        service(server, "devaccount").get_share_client("share").get_file_client("from").create_file(SIZE)
        with (server.data / "shares/devaccount/share/from").open("r+b") as file:
            for _ in range(SIZE // len(SEED)):
                file.write(SEED)
        source = f"{server.files}/devaccount/share/from"
        headers, secret = opened(server, source)
        raw = Raw(FileService(server.files, server.data / "shares"), "devsecond")
        unopened = raw("PUT", "share/to", {"x-ms-copy-source": source})
        assert (unopened.status_code, unopened.headers["x-ms-error-code"]) == (401, "CannotVerifyCopySource")
        begun = raw("PUT", "share/to", {**headers, "x-ms-version": VERSION})
        assert (begun.status_code, begun.headers["x-ms-copy-status"]) == (202, "pending"), begun.text
        deadline = time.monotonic() + 60
        while (done := int(raw("HEAD", "share/to").headers[PROGRESS].partition("/")[0])) == 0:
            assert time.monotonic() < deadline
        server.kill9()
        assert done < SIZE
        kept = b"".join(path.read_bytes() for path in (server.data / "server").glob("linarite.db*"))
        assert (secret.encode() in kept, secret in server.log) == (False, False)
        server.start()
        target = service(server, "devsecond").get_share_client("share").get_file_client("to")
        found = ended(target).get_file_properties().copy
        assert (found.id, found.status, found.progress) == (begun.headers["x-ms-copy-id"], "success", f"{SIZE}/{SIZE}")
        with (server.data / "shares/devsecond/share/to").open("rb") as file:
            assert all(file.read(len(SEED)) == SEED for _ in range(SIZE // len(SEED)))
            assert file.read() == b""
