"""Two servers on one PostgreSQL and one cluster: who stands by goes on when the one that schedules falls silent."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from azure.batch import BatchClient, models
from tests.support import postgres
from tests.support.batch import MACHINE, batch_client, wait_task
from tests.support.left_out import leave_out
from tests.support.server import RunningServer, another_server
from tests.support.slurm import SlurmCluster, eventually
from tests.support.slurm_server import slurm_server

Pair = tuple[SlurmCluster, RunningServer, RunningServer]
PATIENCE = 30.0
"""Seconds within which it must have happened on a busy machine; the lease is taken over within 5."""


@pytest.fixture
def pair(slurm_cluster: Callable[..., SlurmCluster]) -> Iterator[Pair]:
    """The first one schedules."""
    if (reason := postgres.missing()) is not None:
        leave_out(reason)
    with ExitStack() as stack:
        cluster = slurm_cluster(2, 2)
        database = stack.enter_context(postgres.running_postgres())
        first = stack.enter_context(slurm_server(cluster, store_url=database.url(database.new_database())))
        yield cluster, first, stack.enter_context(another_server(first))
        first.process.send_signal(signal.SIGCONT)


def epochs(server: RunningServer) -> list[str]:
    """Those in which a server scheduled."""
    return re.findall(r"this server schedules.*?epoch=(\d+)", server.log)


def add(client: BatchClient, task: str, command: str) -> None:
    line = f"/bin/sh -c 'echo x >> ran; {command}'"
    client.create_task("job", models.BatchTaskCreateOptions(id=task, command_line=line))


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_another_server_takes_over_soon(pair: Pair, fault: signal.Signals) -> None:
    """What runs goes on, what is added meanwhile starts, nothing runs twice; who was frozen comes back to stand by."""
    cluster, first, second = pair
    go = cluster.home() / "go"
    with batch_client(second) as client:
        client.create_pool(
            models.BatchPoolCreateOptions(
                id="pool", vm_size="any", target_dedicated_nodes=2, task_slots_per_node=2,
                virtual_machine_configuration=MACHINE,
            )
        )  # fmt: skip
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        add(client, "goes", f"until [ -e {go} ]; do sleep 0.1; done; exit 3")
        wait_task(client, "job", "goes", "running")
        assert (epochs(first), epochs(second)) == (["1"], [])
        first.process.send_signal(fault)
        silent = time.monotonic()
        add(client, "after", "true")
        eventually(lambda: epochs(second) == ["2"], PATIENCE, "nobody takes over")
        print(f"{fault.name}: scheduling after {time.monotonic() - silent:.2f} s")
        assert wait_task(client, "job", "after").execution_info.exit_code == 0
        print(f"{fault.name}: a task added meanwhile has completed after {time.monotonic() - silent:.2f} s")
        go.touch()
        goes = wait_task(client, "job", "goes").execution_info
        assert (goes.exit_code, goes.requeue_count) == (3, 0)
        if fault is signal.SIGSTOP:
            first.process.send_signal(signal.SIGCONT)
            eventually(lambda: "another server schedules from now on" in first.log, PATIENCE, "it does not step down")
            with batch_client(first) as at_first:
                add(at_first, "last", "true")
            assert wait_task(client, "job", "last").execution_info.exit_code == 0
        for task in client.list_tasks("job"):
            assert b"".join(client.download_task_file("job", str(task.id), "wd/ran")) == b"x\n", task.id
        assert (epochs(first), epochs(second)) == (["1"], ["2"])
