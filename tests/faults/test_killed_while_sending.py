"""The server or a host dies while a task's files are on their way to a real Azurite."""

from __future__ import annotations

import os
import signal

import pytest
from azure.batch import models
from tests.clients.test_azure_batch_output_files import add, output
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.blobs import Azurite
from tests.support.gate import gate
from tests.support.server import host_processes, running_server

JOB = models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool"))


@pytest.mark.timeout(180)
def test_server_killed_while_files_go(azurite: Azurite):
    """They go on without it; started again, it hears how that ended."""
    container = azurite.container()
    with gate(azurite.url) as way, running_server() as server:
        with batch_client(server) as client:
            make_pool(client, "pool")
            client.create_job(JOB)
            add(client, "echo x >> f; exit 3", output("f", way.through(container.url("rw"), azurite.url)))
            assert way.knocked.wait(60)
        server.kill9()
        server.restart()
        with batch_client(server) as client:
            assert client.get_task("job", "task").state == "running"
            way.open()
            info = wait_task(client, "job", "task").execution_info
            assert (info.exit_code, info.requeue_count, info.failure_info.code) == (3, 0, "FailureExitCode")
    assert container.read("f") == b"x\n"


@pytest.mark.timeout(180)
def test_files_gone_while_the_server_is_away(azurite: Azurite):
    """The host that sent them waits for the server with the exit code."""
    container = azurite.container()
    with gate(azurite.url) as way, running_server() as server:
        with batch_client(server) as client:
            make_pool(client, "pool")
            client.create_job(JOB)
            add(client, "echo x >> f", output("f", way.through(container.url("rw"), azurite.url)))
            assert way.knocked.wait(60)
        server.kill9()
        way.open()
        server.restart()
        with batch_client(server) as client:
            assert wait_task(client, "job", "task").execution_info.exit_code == 0
    assert container.read("f") == b"x\n"


@pytest.mark.timeout(180)
def test_host_killed_while_files_go(azurite: Azurite):
    """Nobody knows what went: the task runs again, and its files go again."""
    container = azurite.container()
    with gate(azurite.url) as way, running_server() as server, batch_client(server) as client:
        make_pool(client, "pool")
        client.create_job(JOB)
        add(client, "echo x >> f", output("f", way.through(container.url("rw"), azurite.url)))
        assert way.knocked.wait(60)
        way.open()
        [host] = host_processes(server.data)
        os.kill(host, signal.SIGKILL)
        info = wait_task(client, "job", "task").execution_info
        assert info.exit_code == 0
        assert info.requeue_count in {0, 1}
        assert container.read("f") == b"x\n" * (info.requeue_count + 1)
