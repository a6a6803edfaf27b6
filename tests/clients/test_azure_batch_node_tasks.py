"""What the service runs on nodes for pools and jobs, through the real client: start, preparation and release tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.provider import Provider
from tests.support.server import RunningServer

PREPARE = "/bin/sh -c 'echo prepared by $AZ_BATCH_TASK_ID > made; echo ready'"
RELEASE = "/bin/sh -c 'cat $AZ_BATCH_JOB_PREP_WORKING_DIR/made > $AZ_BATCH_NODE_SHARED_DIR/left'"


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account, retries=0) as client:
        yield client


def until(seen: Callable[[], Any], wanted: Any, seconds: float = 30) -> Any:
    """What is seen, once it is what is wanted."""
    deadline = time.monotonic() + seconds
    while (found := seen()) != wanted:
        assert time.monotonic() < deadline, f"{found!r} does not become {wanted!r}"
        time.sleep(0.02)
    return found


def state(client: BatchClient) -> models.BatchNodeState | str | None:
    (node,) = client.list_nodes("p")
    return node.state


def content(client: BatchClient, path: str) -> bytes:
    (node,) = client.list_nodes("p")
    return b"".join(client.download_node_file("p", node.id, path))


def task(name: str, command: str = "/bin/true", **options: Any) -> models.BatchTaskCreateOptions:
    return models.BatchTaskCreateOptions(id=name, command_line=command, **options)


def make_job(client: BatchClient, **options: Any) -> None:
    client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p"), **options))


def test_start_task_runs_before_the_nodes_first_task(client: BatchClient) -> None:
    start = models.BatchStartTask(
        command_line="/bin/sh -c 'echo $GREETING > $AZ_BATCH_NODE_SHARED_DIR/greeting; pwd'",
        environment_settings=[models.EnvironmentSetting(name="GREETING", value="hello")],
    )
    make_pool(client, "p", start_task=start)
    make_job(client)
    client.create_task("j", task("t", "/bin/sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/greeting'"))
    wait_task(client, "j", "t")
    assert b"".join(client.download_task_file("j", "t", "stdout.txt")) == b"hello\n"
    (node,) = client.list_nodes("p", filter="startTaskInfo/result eq 'success' and startTaskInfo/exitCode eq 0")
    info = node.start_task_info
    assert (info.state, info.result, info.exit_code, info.retry_count) == ("completed", "success", 0, 0)
    assert info.start_time <= info.end_time
    assert content(client, "startup/stdout.txt").endswith(b"/startup/wd\n")
    assert list(client.list_nodes("p", filter="startTaskInfo/state eq 'running'")) == []


def test_node_whose_start_task_fails_takes_no_task(client: BatchClient) -> None:
    start = models.BatchStartTask(command_line="/bin/sh -c 'exit 7'", max_task_retry_count=2)
    make_pool(client, "p", start_task=start)
    until(lambda: state(client), "starttaskfailed")
    (node,) = client.list_nodes("p")
    info = node.start_task_info
    assert (info.result, info.exit_code, info.retry_count) == ("failure", 7, 2)
    assert (info.failure_info.code, info.failure_info.category) == ("FailureExitCode", "usererror")
    counts = next(iter(client.list_pool_node_counts(filter="poolId eq 'p'")))
    assert (counts.dedicated.start_task_failed, counts.dedicated.total) == (1, 1)
    make_job(client)
    client.create_task("j", task("t"))
    assert client.get_task("j", "t").state == "active"


def test_start_task_whose_program_is_not_there_has_no_exit_code(client: BatchClient) -> None:
    make_pool(client, "p", start_task=models.BatchStartTask(command_line="/no/such/program"))
    until(lambda: state(client), "starttaskfailed")
    (node,) = client.list_nodes("p")
    assert node.start_task_info.failure_info.code == "CommandProgramNotFound"
    assert node.start_task_info.exit_code is None
    with pytest.raises(HttpResponseError) as caught:
        make_pool(client, "q", start_task=models.BatchStartTask(command_line=""))
    assert caught.value.error.code == "InvalidPropertyValue"


def test_start_task_that_may_be_late_keeps_no_task_waiting(client: BatchClient) -> None:
    start = models.BatchStartTask(command_line="/bin/sleep 600", wait_for_success=False)
    make_pool(client, "p", start_task=start)
    make_job(client)
    client.create_task("j", task("t"))
    wait_task(client, "j", "t")
    (node,) = client.list_nodes("p")
    assert node.start_task_info.state == "running"
    client.begin_delete_pool("p", polling_interval=0.05).result()


def test_job_prepares_its_nodes_and_releases_them(client: BatchClient) -> None:
    make_pool(client, "p", slots=2)
    make_job(
        client,
        job_preparation_task=models.BatchJobPreparationTask(command_line=PREPARE),
        job_release_task=models.BatchJobReleaseTask(command_line=RELEASE),
    )
    show = "/bin/sh -c 'cat $AZ_BATCH_JOB_PREP_WORKING_DIR/made'"
    client.create_tasks("j", [task("a", show), task("b", show)])
    for name in "ab":
        wait_task(client, "j", name)
        assert b"".join(client.download_task_file("j", name, "stdout.txt")) == b"prepared by jobpreparation\n"
    assert content(client, "workitems/j/job-1/jobpreparation/stdout.txt") == b"ready\n"
    (status,) = client.list_job_preparation_and_release_task_status("j")
    prepared = status.job_preparation_task_execution_info
    assert (prepared.state, prepared.result, prepared.exit_code, prepared.retry_count) == ("completed", "success", 0, 0)
    assert prepared.task_root_directory == "workitems/j/job-1/jobpreparation"
    assert prepared.task_root_directory_url.endswith(f"/nodes/{status.node_id}/files/workitems/j/job-1/jobpreparation")
    assert status.job_release_task_execution_info is None
    client.begin_terminate_job("j", {"terminateReason": "done"}, polling_interval=0.05).result()
    until(lambda: client.get_job("j").state, "completed")
    (status,) = client.list_job_preparation_and_release_task_status(
        "j", filter="jobReleaseTaskExecutionInfo/result eq 'success'"
    )
    released = status.job_release_task_execution_info
    assert (released.state, released.exit_code) == ("completed", 0)
    assert content(client, "shared/left") == b"prepared by jobpreparation\n"


def test_failed_preparation_leaves_the_task_active(client: BatchClient) -> None:
    make_pool(client, "p")
    preparation = models.BatchJobPreparationTask(
        id="prep", command_line="/bin/sh -c 'exit 3'", constraints=models.BatchTaskConstraints(max_task_retry_count=1)
    )
    make_job(client, job_preparation_task=preparation)
    client.create_task("j", task("t"))

    def outcome() -> list[tuple[Any, Any]]:
        every = client.list_job_preparation_and_release_task_status("j")
        infos = [one.job_preparation_task_execution_info for one in every]
        return [(info.exit_code, info.retry_count) for info in infos if info.state == "completed"]

    until(outcome, [(3, 1)])
    assert client.get_task("j", "t").state == "active"
    with pytest.raises(HttpResponseError) as caught:
        client.create_task("j", task("PREP"))
    assert (caught.value.status_code, caught.value.error.code) == (409, "TaskIdSameAsJobPreparationTask")


def test_what_a_node_starts_with_outlives_the_server(account: str, provider: Provider) -> None:
    """Killed while a start task runs, the server takes it up again: it runs once, and its true exit code counts."""
    start = "/bin/sh -c 'echo once >> ../times; until test -e ../go; do sleep 0.05; done; exit 0'"
    with provider.server() as server, batch_client(server, account) as client:
        make_pool(client, "p", start_task=models.BatchStartTask(command_line=start))
        (node,) = client.list_nodes("p")
        startup = next(server.data.glob(f"nodes/*/p/{node.id}/startup"))
        until((startup / "times").exists, wanted=True)
        server.kill9()
        (startup / "go").touch()
        server.start()
        until(lambda: state(client), "idle")
        assert (startup / "times").read_text() == "once\n"
