"""The process that runs the tasks dies: its successor ends what is left of them before they run again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from azure.batch import models
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.server import host_processes, running_server


@pytest.mark.timeout(120)
def test_task_of_a_killed_host_is_requeued_and_never_runs_twice_at_once():
    """Host killed: the old process is gone before the task starts again; requeueCount tells of it."""
    line = "/bin/sh -c 'echo $$ >> $AZ_BATCH_NODE_SHARED_DIR/pids; sleep 600'"
    with running_server() as server, batch_client(server) as client:
        make_pool(client, "pool")
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        client.create_task("job", models.BatchTaskCreateOptions(id="task", command_line=line))
        wait_task(client, "job", "task", "running")
        [first] = _pids(client, 1)
        [host] = host_processes(server.data)
        os.kill(host, signal.SIGKILL)
        second = _pids(client, 2)[1]
        assert not _runs(first), "what was left of the first run has been ended"
        task = client.get_task("job", "task")
        assert (task.execution_info.requeue_count, task.execution_info.retry_count) == (1, 0)
        os.kill(second, signal.SIGKILL)
        done = wait_task(client, "job", "task")
        assert done.execution_info.exit_code == 137


def _runs(pid: int) -> bool:
    """Tell whether a process can still do something: one that nobody has reaped yet cannot."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def _pids(client, number: int) -> list[int]:
    """The process ids that the task's runs have noted, once there are `number` of them."""
    node = next(iter(client.list_nodes("pool"))).id
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        names = [file.name for file in client.list_node_files("pool", node, recursive=True)]
        if "shared/pids" in names:
            found = b"".join(client.download_node_file("pool", node, "shared/pids")).split()
            if len(found) >= number:
                return [int(pid) for pid in found]
        time.sleep(0.02)
    raise AssertionError(f"{number} runs did not begin")
