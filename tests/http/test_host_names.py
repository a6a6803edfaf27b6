"""By which names a server of well-known secrets may be called: by none that leads here from the internet."""

from __future__ import annotations

import pytest
import requests
from tests.faces.azure_batch.raw import RawBatch
from tests.support.server import FACES, RunningServer

from linarite.http.host_names import HostNames

SAFE = (
    "127.0.0.1", "127.0.0.1:10010", "[::1]:10010", "::1", "10.1.2.3:80", "localhost", "LOCALHOST:1", "linarite", "",
    "linarite:10010", "devaccount.file.localhost:10004", "box.local", "devaccount.file.core.windows.net",
    "devaccount.westeurope.batch.azure.com", "devaccount.westeurope.batch.azure.com.", "my.own.name:9",
)  # fmt: skip
FOREIGN = (
    "evil.example.org", "evil.com:10010", "devaccount.westeurope.batch.evil.com", "azure.com.evil.com", "notazure.com",
    "127.0.0.1.evil.com", "localhost.evil.com", "1.2.3",
)  # fmt: skip


@pytest.mark.parametrize("host", SAFE)
def test_safe_name(host: str) -> None:
    assert HostNames(["My.Own.Name"])(host)


@pytest.mark.parametrize("host", FOREIGN)
def test_name_that_somebody_may_own(host: str) -> None:
    assert not HostNames(["my.own.name"])(host)


@pytest.mark.parametrize("face", FACES)
def test_every_port_refuses_a_name_that_was_led_here(server: RunningServer, face: str) -> None:
    answer = requests.get(f"{server.urls[face]}/healthz", headers={"Host": "evil.com"}, timeout=10)
    assert answer.status_code == 421
    assert "--host-names" in answer.text


def test_well_signed_request_by_a_foreign_name_changes_nothing(batch: RawBatch) -> None:
    job = {"id": "j", "poolInfo": {"poolId": "p"}}
    assert batch.call("POST", "/jobs", job, host="evil.com").status == 421
    assert batch.call("GET", "/jobs").json["value"] == []


@pytest.fixture
def batch(server: RunningServer, account: str) -> RawBatch:
    return RawBatch(server.batch, account)
