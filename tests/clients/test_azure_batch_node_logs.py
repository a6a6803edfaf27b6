"""The logs of a node, sent to a real blob container through the real client."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError
from tests.support.batch import batch_client, make_pool
from tests.support.blobs import Azurite, Container
from tests.support.server import RunningServer

NOW = datetime.now(UTC)


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account, retries=0) as client:
        yield client


def node(client: BatchClient) -> str:
    (found,) = client.list_nodes("p")
    return str(found.id)


def send(client: BatchClient, url: str, start: datetime, end: datetime | None = None) -> Any:
    options = models.UploadBatchServiceLogsOptions(container_url=url, start_time=start, end_time=end)
    return client.upload_node_logs("p", node(client), options)


def arrived(container: Container, number: int) -> list[str]:
    """The blobs, once there are as many as were told of."""
    deadline = time.monotonic() + 60
    while len(found := container.names()) < number:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_history_of_a_node_arrives(account: str, client: BatchClient, azurite: Azurite) -> None:
    """What became of the node, below a folder that the answer names."""
    container = azurite.container()
    make_pool(client, "p", start_task=models.BatchStartTask(command_line="/bin/true"))
    result = send(client, container.url("rwl"), NOW - timedelta(minutes=5))
    assert re.fullmatch(rf"p/{node(client)}/[0-9a-f-]{{36}}", result.virtual_directory_name)
    names = arrived(container, result.number_of_files_uploaded)
    assert all(name.startswith(f"{result.virtual_directory_name}/") for name in names)
    (history,) = [name for name in names if name.endswith("agent-history.log")]
    told = container.read(history).decode()
    assert next(line.split()[3:] for line in told.splitlines() if " node " in line) == ["creating"]
    assert "start task" in told


def test_logs_of_a_nodes_hosts_arrive(
    server: RunningServer, account: str, client: BatchClient, azurite: Azurite
) -> None:
    """What its hosts wrote comes with its history."""
    container = azurite.container()
    make_pool(client, "p", start_task=models.BatchStartTask(command_line="/bin/true"))
    for log in server.data.glob("hosts/*/log"):
        with log.open("a") as file:
            file.write("a line of a host\n")
    result = send(client, container.url("rwl"), NOW - timedelta(minutes=5))
    names = arrived(container, result.number_of_files_uploaded)
    assert {name.rpartition("/")[2].partition("-")[0] for name in names} == {"agent", "host"}
    (host,) = [name for name in names if "agent-history" not in name]
    assert container.read(host).endswith(b"a line of a host\n")


def test_logs_of_another_time_stay(client: BatchClient, azurite: Azurite) -> None:
    container = azurite.container()
    make_pool(client, "p")
    for start, end in ((NOW + timedelta(days=1), None), (NOW - timedelta(days=9), NOW - timedelta(days=8))):
        result = send(client, container.url("rwl"), start, end)
        assert result.number_of_files_uploaded in {0, 1}  # another test's account has no part in its hosts' logs
        assert not any("agent-history" in name for name in container.names())


def test_container_that_is_not_there_is_told_of_in_the_servers_log(server: RunningServer, client: BatchClient) -> None:
    """The answer comes before the files have gone, as the service's does."""
    make_pool(client, "p")
    result = send(client, "http://127.0.0.1:1/container?sig=hidden-signature", NOW - timedelta(minutes=5))
    assert result.number_of_files_uploaded > 0
    deadline = time.monotonic() + 90
    while result.virtual_directory_name not in server.log:
        assert time.monotonic() < deadline, server.log[-2000:]
        time.sleep(0.1)
    assert "node_logs_not_sent" in server.log
    assert "hidden-signature" not in server.log


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"startTime": "2020-01-01T00:00:00Z"}, "MissingRequiredProperty"),
        ({"containerUrl": "https://a/b"}, "MissingRequiredProperty"),
        ({"containerUrl": "file:///etc", "startTime": "2020-01-01T00:00:00Z"}, "InvalidPropertyValue"),
        ({"containerUrl": "https://a/b", "startTime": "then"}, "InvalidPropertyValue"),
        (
            {"containerUrl": "https://a/b", "startTime": "2020-01-02T00:00:00Z", "endTime": "2020-01-01T00:00:00Z"},
            "InvalidPropertyValue",
        ),
        (
            {
                "containerUrl": "https://a/b", "startTime": "2020-01-02T00:00:00Z",
                "identityReference": {"resourceId": "/x"},
            },
            "InvalidPropertyValue",
        ),
    ],
)  # fmt: skip
def test_bad_upload_is_refused(client: BatchClient, body: dict[str, Any], code: str) -> None:
    make_pool(client, "p")
    with pytest.raises(HttpResponseError) as caught:
        client.upload_node_logs("p", node(client), body)
    assert (caught.value.status_code, caught.value.error.code) == (400, code)


def test_node_that_is_away_sends_nothing(client: BatchClient) -> None:
    make_pool(client, "p")
    options = models._models.BatchNodeDeallocateOptions(node_deallocate_option="requeue")
    client.begin_deallocate_node("p", node(client), options, polling_interval=0.05).result()
    with pytest.raises(HttpResponseError) as caught:
        send(client, "https://a/b", NOW)
    assert (caught.value.status_code, caught.value.error.code) == (409, "OperationNotValidOnNode")
