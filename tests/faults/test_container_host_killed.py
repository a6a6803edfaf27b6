"""The process that runs a container's task dies: nothing is left of the container before the task runs again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.batch import BatchClient, models
from tests.support import image
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.contained import (
    containers,
    containing_server,
    machine,
    output,
    processes,
    settings,
    wait_output,
)
from tests.support.server import RunningServer, host_processes


@pytest.fixture
def contained(podman: Path) -> Iterator[RunningServer]:
    with containing_server(podman) as server:
        yield server


@pytest.fixture
def client(contained: RunningServer) -> Iterator[BatchClient]:
    with batch_client(contained) as client:
        make_pool(client, "pool", virtual_machine_configuration=machine())
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        yield client


SCRIPT = (
    "n=$(cat $AZ_BATCH_NODE_SHARED_DIR/n 2>/dev/null); echo x$n > $AZ_BATCH_NODE_SHARED_DIR/n; echo run x$n;"
    " while ! test -e $AZ_BATCH_NODE_SHARED_DIR/go; do sleep {0}; done"
)


def _kill_host(server: RunningServer) -> None:
    hosts = host_processes(server.data)
    assert hosts
    for host in hosts:
        os.kill(host, signal.SIGKILL)


def _add(client: BatchClient, podman: Path, seconds: int) -> None:
    task = models.BatchTaskCreateOptions(
        id="task",
        command_line=f"/bin/sh -c '{SCRIPT.format(seconds)}'",
        container_settings=settings(image.make_image(podman)),
    )
    client.create_task("job", task)


def _second_run(client: BatchClient) -> None:
    """Wait until the task runs for the second time."""
    deadline = time.monotonic() + 60
    while client.get_task("job", "task").execution_info.requeue_count == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    wait_output(client, "run xx")


@pytest.mark.timeout(240)
def test_container_of_a_killed_host_is_gone_before_its_task_runs_again(
    client: BatchClient, contained: RunningServer, podman: Path
):
    """Requeued once; one container and one process are there, and they are the second run's."""
    _add(client, podman, 4341)
    wait_output(client, "run x")
    [first], info = processes("4341"), client.get_task("job", "task").execution_info
    _kill_host(contained)
    _second_run(client)
    assert first not in processes("4341")
    assert len(processes("4341")) == len(containers(contained)) == 1
    again = client.get_task("job", "task").execution_info
    assert (again.requeue_count, again.retry_count) == (1, 0)
    assert again.container_info.container_id != info.container_info.container_id
    client.terminate_task("job", "task")
    done = wait_task(client, "job", "task").execution_info
    assert (done.container_info.state, done.requeue_count) == ("exited", 1)
    assert not containers(contained)
    assert not processes("4341")


@pytest.mark.timeout(240)
def test_container_outlives_the_server_and_its_host_s_end_is_noticed(
    client: BatchClient, contained: RunningServer, podman: Path
):
    """A server that is killed finds the container running; a host that dies without a server is cleaned up after."""
    _add(client, podman, 4342)
    wait_output(client, "run x")
    container = client.get_task("job", "task").execution_info.container_info.container_id
    contained.kill9()
    [first] = processes("4342")
    contained.start()
    with batch_client(contained) as again:
        info = wait_task(again, "job", "task", "running").execution_info
        assert (info.container_info.container_id, info.requeue_count) == (container, 0)
        assert processes("4342") == [first]
        assert output(again) == ["run x"]
        contained.kill9()
        _kill_host(contained)
        contained.start()
    with batch_client(contained) as last:
        _second_run(last)
        assert first not in processes("4342")
        assert len(containers(contained)) == 1
        last.terminate_task("job", "task")
        wait_task(last, "job", "task")
        assert not containers(contained)
