"""Statistics through the real client: of tasks that still run, and of tasks that several nodes worked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TypeVar

import pytest
from azure.batch import BatchClient, models
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.server import RunningServer

T = TypeVar("T")
WORK = "/bin/sh -c 'i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done'"


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account, retries=0) as client:
        yield client


def eventually(seen: Callable[[], T]) -> T:
    """What is seen, once it is true."""
    deadline = time.monotonic() + 30
    while not (found := seen()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def processors(client: BatchClient, task: str) -> timedelta:
    return client.get_task("j", task, expand=["stats"]).task_statistics.user_cpu_time


def test_statistics_of_a_running_task_grow_and_stay(client: BatchClient):
    """A shell whose children do the work, which it never comes to wait for: what was told once stays told."""
    make_pool(client, "p")
    client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p")))
    line = "/bin/sh -c '(while :; do :; done) & wait'"
    client.create_task("j", models.BatchTaskCreateOptions(id="t", command_line=line))
    wait_task(client, "j", "t", "running")
    first = eventually(lambda: processors(client, "t"))
    grown = eventually(lambda: (told := processors(client, "t")) > first and told)
    job = client.get_job("j", expand=["stats"]).job_statistics
    assert job.user_cpu_time >= grown
    client.terminate_task("j", "t")
    wait_task(client, "j", "t")
    assert processors(client, "t") >= job.user_cpu_time
    assert client.get_job("j", expand=["stats"]).job_statistics.user_cpu_time == processors(client, "t")


def test_statistics_of_a_multi_instance_task_are_of_all_its_nodes(client: BatchClient):
    make_pool(client, "p", nodes=2, enable_inter_node_communication=True)
    client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p")))
    settings = models.MultiInstanceSettings(number_of_instances=2, coordination_command_line=WORK)
    several = models.BatchTaskCreateOptions(id="several", command_line="/bin/true", multi_instance_settings=settings)
    client.create_task("j", several)
    client.create_task("j", models.BatchTaskCreateOptions(id="one", command_line=WORK))
    for name in ("several", "one"):
        assert wait_task(client, "j", name).execution_info.exit_code == 0
    assert processors(client, "several") > processors(client, "one"), "both nodes did that work"
    job = client.get_job("j", expand=["stats"]).job_statistics
    assert job.user_cpu_time == processors(client, "several") + processors(client, "one")
