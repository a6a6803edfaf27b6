"""Job manager tasks through the real client: their second start, and low-priority nodes.

Source: BatchJobManagerTask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.batch import BatchClient, models
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.server import RunningServer

LONG = "sleep 600"


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account, retries=0) as client:
        yield client


def managed(client: BatchClient, **options: Any) -> None:
    """A job with a manager task that runs for long."""
    manager = models.BatchJobManagerTask(id="manager", command_line=LONG, **options)
    pool = models.BatchPoolInfo(pool_id="p")
    client.create_job(models.BatchJobCreateOptions(id="m", pool_info=pool, job_manager_task=manager))


def test_manager_whose_node_goes_starts_again_in_the_place_of_a_running_task(client: BatchClient):
    make_pool(client, "p", nodes=2)
    managed(client)
    node = wait_task(client, "m", "manager", "running").node_info.node_id
    client.create_job(models.BatchJobCreateOptions(id="o", pool_info=models.BatchPoolInfo(pool_id="p")))
    client.create_task("o", models.BatchTaskCreateOptions(id="t", command_line=LONG))
    other = wait_task(client, "o", "t", "running").node_info.node_id
    assert node != other

    client.begin_remove_nodes("p", models.BatchNodeRemoveOptions(node_ids=[node])).result()
    displaced = wait_task(client, "o", "t", "active")
    assert displaced.execution_info.requeue_count == 1
    manager = wait_task(client, "m", "manager", "running")
    assert manager.node_info.node_id == other
    assert (manager.execution_info.requeue_count, manager.execution_info.retry_count) == (1, 0)
    client.terminate_task("m", "manager")
    assert wait_task(client, "o", "t", "running").node_info.node_id == other
    client.terminate_task("o", "t")


def test_manager_that_may_not_run_on_a_low_priority_node_holds_nobody(client: BatchClient):
    make_pool(client, "p", nodes=0, target_low_priority_nodes=1)
    managed(client, allow_low_priority_node=False)
    client.create_task("m", models.BatchTaskCreateOptions(id="t", command_line="/bin/true"))
    assert wait_task(client, "m", "t").execution_info.exit_code == 0
    assert client.get_task("m", "manager").state == "active"
