"""The plug is pulled again and again under a job of 500 tasks: each completes once, with its true exit code."""

from __future__ import annotations

import itertools
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http import HTTPStatus

import pytest
from azure.batch import models
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from tests.support import postgres
from tests.support.batch import batch_client, make_pool
from tests.support.left_out import leave_out
from tests.support.server import running_server

TASKS, KILLS, WIDTH = 500, 20, 8
PATIENCE = 240


def _task(number: int) -> models.BatchTaskCreateOptions:
    """A task that notes each of its runs in a file of its node, works a while and exits with a code of its own."""
    note = f"echo {number} >> $AZ_BATCH_NODE_SHARED_DIR/runs"
    return models.BatchTaskCreateOptions(
        id=str(number), command_line=f"/bin/sh -c '{note}; sleep 0.05; exit {number % 7}'"
    )


def add_all(server, number: int, added: set[int], over: threading.Event) -> None:
    """Add so many tasks in small collections, again and again until each was acknowledged once."""
    for first in range(0, number, 20):
        tasks = [_task(number) for number in range(first, first + 20)]
        while not over.is_set():
            try:
                with batch_client(server, retries=0) as client:
                    answer = client.create_task_collection("job", models.BatchTaskGroup(task_values=tasks))
            except AzureError:
                over.wait(0.02)  # the server is being started again
                continue
            for result in answer.result_values or []:
                assert result.error is None or result.error.code == "TaskExists", result
                added.add(int(result.task_id))
            break


def completed(server) -> int:
    """How many tasks are completed; fewer than there are while the store cannot be asked."""
    try:
        with batch_client(server, retries=0) as client:
            return client.get_job_task_counts("job").task_counts.completed
    except HttpResponseError as error:
        if error.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return -1


@pytest.mark.timeout(400)
def test_server_killed_at_20_moments_completes_every_task_once():
    """SIGKILL at random moments of adding and running: nothing that was acknowledged is lost, nothing runs twice."""
    with running_server() as server:

        def kill() -> None:
            server.kill9()
            server.restart()

        _run_job(server, TASKS, [kill] * KILLS)


@pytest.mark.timeout(400)
def test_server_and_postgresql_killed_in_turn_completes_every_task_once():
    """The same where the store is PostgreSQL, which loses its power as often as the server is killed."""
    if (reason := postgres.missing()) is not None:
        leave_out(reason)
    with (
        postgres.running_postgres(durable=True) as database,
        running_server(store_url=database.url(database.new_database())) as server,
    ):

        def kill() -> None:
            server.kill9()
            server.restart()

        def cut() -> None:
            database.stop(signal.SIGKILL)
            database.start()

        _run_job(server, 200, [kill, cut] * 3)


def _run_job(server, number: int, faults: Sequence[Callable[[], None]]) -> None:
    """Run a job of so many tasks with a fault at as many random moments, and look what came of it."""
    chance = random.Random(20)
    with batch_client(server) as client:
        make_pool(client, "pool", nodes=2, slots=WIDTH // 2)
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
    added: set[int] = set()
    over = threading.Event()
    adding = threading.Thread(target=add_all, args=(server, number, added, over), daemon=True)
    adding.start()
    try:
        for turn, fault in enumerate(faults):
            wait_until(server, (number - 60) * turn // len(faults))
            time.sleep(chance.uniform(0, 0.12))  # not a wait for something: the moment itself is what is tried
            fault()
        wait_until(server, number)
    finally:
        over.set()
        adding.join(30)
    assert added == set(range(number))
    check(server, number)


def wait_until(server, number: int) -> None:
    """Wait until so many tasks are completed."""
    deadline = time.monotonic() + PATIENCE
    while (now := completed(server)) < number:
        assert time.monotonic() < deadline, f"{now} of {number} tasks completed"
        time.sleep(0.02)


def check(server, number: int) -> None:
    with batch_client(server) as client:
        tasks = list(client.list_tasks("job"))
        nodes = [node.id for node in client.list_nodes("pool")]
        noted = [b"".join(client.download_node_file("pool", node, "shared/runs")).split() for node in nodes]
    runs = Counter(int(line) for line in itertools.chain.from_iterable(noted))
    assert runs == Counter(dict.fromkeys(range(number), 1)), "every task ran once"
    codes = {int(task.id): task.execution_info.exit_code for task in tasks}
    assert codes == {task: task % 7 for task in range(number)}
    assert all(task.execution_info.requeue_count == 0 for task in tasks)


@pytest.mark.timeout(120)
def test_create_tasks_again_after_a_kill_is_told_that_they_exist():
    """What was acknowledged before the kill is there after it."""
    with running_server() as server:
        with batch_client(server) as client:
            client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="none")))
            client.create_task("job", _task(1))
        server.kill9()
        server.restart()
        with batch_client(server) as client, pytest.raises(ResourceExistsError, match="TaskExists"):
            client.create_task("job", _task(1))
