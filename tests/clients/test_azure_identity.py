"""Unmodified code: DefaultAzureCredential and the real clients, given nothing but two variables of the environment."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.batch.aio import BatchClient as AsyncBatchClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.identity.aio import DefaultAzureCredential as AsyncDefaultAzureCredential
from azure.storage.fileshare import ShareServiceClient
from tests.faces.azure_batch.raw import RawBatch
from tests.support.batch import held
from tests.support.provider import Provider
from tests.support.server import RunningServer

JOB = models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p"))
SCOPE = "https://batch.core.windows.net//.default"
PROGRAM = Path(__file__).parent / "programs" / "job_manager.py"


@pytest.fixture(scope="module")
def secure(provider: Provider) -> Iterator[RunningServer]:
    with provider.server(tls=True, allow_elevated=True) as running:
        yield running


@pytest.fixture(autouse=True)
def _environment(secure: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `linarite serve` told at its start, and its certificate."""
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_TOKEN_CREDENTIALS", "MSI_ENDPOINT", "MSI_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**secure.identity, "REQUESTS_CA_BUNDLE": str(secure.ca)}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def raw(secure: RunningServer, account: str) -> RawBatch:
    return RawBatch(secure.batch, account, ca=secure.ca)


def test_default_credential_opens_azure_batch(secure: RunningServer) -> None:
    """Of the default account: the address names none."""
    with DefaultAzureCredential() as credential, BatchClient(secure.batch, credential, **held()) as client:
        client.create_job(JOB)
        assert [job.id for job in client.list_jobs()] == ["j"]
    assert RawBatch(secure.batch, "devaccount", ca=secure.ca).call("GET", "/jobs/j").status == 200


def test_default_credential_opens_azure_files(secure: RunningServer, account: str) -> None:
    """Of the account that the address names."""
    with DefaultAzureCredential() as credential:
        service = ShareServiceClient(f"{secure.files}/{account}", credential=credential, token_intent="backup")
        share = service.create_share("share")
        share.get_file_client("greeting.txt").upload_file(b"hello")
        assert share.get_file_client("greeting.txt").download_file().readall() == b"hello"
    assert (secure.data / "shares" / account / "share" / "greeting.txt").read_bytes() == b"hello"


def test_default_credential_serves_the_async_client(secure: RunningServer) -> None:
    async def names() -> list[str]:
        async with (
            AsyncDefaultAzureCredential(connection_verify=str(secure.ca)) as credential,
            AsyncBatchClient(secure.batch, credential, connection_verify=str(secure.ca), **held()) as client,
        ):
            return [image.node_agent_sku_id async for image in client.list_supported_images()]

    assert asyncio.run(names())


def test_user_assigned_identity_is_an_account(secure: RunningServer, raw: RawBatch) -> None:
    """By its client id; the token opens that account and no other."""
    with ManagedIdentityCredential(client_id=raw.account) as credential:
        with BatchClient(secure.batch, credential, **held()) as client:
            client.create_job(JOB)
        token = credential.get_token(SCOPE).token
    assert raw.call("GET", "/jobs/j").status == 200
    answer = raw.by_token(token, "GET", "/jobs/j", host="another.local.batch.azure.com")
    assert (answer.status, answer.code) == (403, "InsufficientAccountPermissions")


def test_wrong_identity_header_gives_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "guess")
    with ManagedIdentityCredential() as credential, pytest.raises(ClientAuthenticationError) as refused:
        credential.get_token(SCOPE)
    assert "X-IDENTITY-HEADER" in str(refused.value)


class BadToken:
    """A credential whose tokens do not hold; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append({"scopes": scopes, **options})
        return AccessToken("a.b.c", int(time.time()) + 600)


def test_client_that_follows_challenges_does_not_go_round(secure: RunningServer) -> None:
    """azure-core looks for claims in the challenge of a 401 and finds none; the storage client tries one token more."""
    batch, files = BadToken(), BadToken()
    with BatchClient(secure.batch, batch, **held()) as client, pytest.raises(ClientAuthenticationError) as refused:
        list(client.list_jobs())
    assert refused.value.status_code == 401
    assert len(batch.asked) == 1
    service = ShareServiceClient(f"{secure.files}/devaccount", credential=files, token_intent="backup")
    with pytest.raises(HttpResponseError) as refused_too:
        service.get_share_client("s").get_share_properties()
    assert refused_too.value.status_code == 401
    assert [one.get("tenant_id") for one in files.asked] == [None, "common"]
    assert files.asked[1]["scopes"] == ("https://storage.azure.com/.default",)


def test_task_with_a_token_works_on_its_job_through_the_real_client(secure: RunningServer, raw: RawBatch) -> None:
    """A job manager adds tasks to its job and is refused all else. Elevated: the tests' Python may be root's."""
    raw.version = "2024-07-01.20.0"
    raw.make_pool("p", targetDedicatedNodes=1)
    raw.make_job("other")
    manager = {
        "id": "manager", "commandLine": f"{sys.executable} {PROGRAM} {secure.ca}", "killJobOnCompletion": False,
        "userIdentity": {"autoUser": {"elevationLevel": "admin"}},
        "authenticationTokenSettings": {"access": ["job"]},
    }  # fmt: skip
    raw.make_job("j", "p", jobManagerTask=manager)
    done = raw.wait_task("j", "manager", seconds=60)
    said = raw.call("GET", "/jobs/j/tasks/manager/files/stderr.txt").body.decode()
    assert done["executionInfo"]["exitCode"] == 0, said
    told = json.loads(raw.call("GET", "/jobs/j/tasks/manager/files/stdout.txt").body)
    assert told["tasks"] == ["a", "b", "manager"]
    assert sum(told["counts"].get(name, 0) for name in ("active", "running", "completed")) == 3
    assert told["pools"] == told["jobs"] == told["other"] == [403, "InsufficientAccountPermissions"]
    for name in ("a", "b"):
        assert raw.wait_task("j", name)["executionInfo"]["exitCode"] == 0
