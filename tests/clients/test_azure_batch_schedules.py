"""Job schedules through the real azure-batch client, and their jobs as the other protocols see them."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from azure.batch import BatchClient, models
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from tests.clients.test_four_faces import DEV, VERSION, _hpc_jobs, _properties
from tests.support.batch import MACHINE, batch_client, make_pool, wait_task
from tests.support.server import RunningServer

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account, retries=0) as client:
        yield client


def specification(pool: str = "nowhere", **options: Any) -> models.BatchJobSpecification:
    return models.BatchJobSpecification(pool_info=models.BatchPoolInfo(pool_id=pool), **options)


def manager(command: str = "/bin/sh -c 'echo managed'", **options: Any) -> models.BatchJobManagerTask:
    return models.BatchJobManagerTask(id="manager", command_line=command, **options)


def create(client: BatchClient, name: str = "s", spec: Any = None, **timetable: Any) -> None:
    client.create_job_schedule(
        models.BatchJobScheduleCreateOptions(
            id=name,
            schedule=models.BatchJobScheduleConfiguration(**timetable),
            job_specification=spec or specification(),
        )
    )


def wait_schedule(client: BatchClient, state: str, name: str = "s", seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while (found := client.get_job_schedule(name)).state != state:
        assert time.monotonic() < deadline, f"the schedule is {found.state}"
        time.sleep(0.02)
    return found


def test_schedule_runs_its_job_manager_on_a_pool_of_its_own(client: BatchClient):
    """The way of most schedules: an auto pool, a job manager task that ends the job, its output read afterwards."""
    automatic = models.BatchAutoPoolSpecification(
        pool_lifetime_option="jobschedule", auto_pool_id_prefix="mine", keep_alive=True,
        pool=models.BatchPoolSpecification(
            vm_size="standard_d1", virtual_machine_configuration=MACHINE, target_dedicated_nodes=1
        ),
    )  # fmt: skip
    spec = models.BatchJobSpecification(
        pool_info=models.BatchPoolInfo(auto_pool_specification=automatic), job_manager_task=manager(), priority=5
    )
    create(client, spec=spec)
    found = wait_schedule(client, "completed")
    assert found.execution_info.recent_job.id == "s:job-1"
    assert found.execution_info.end_time is not None
    (job,) = client.list_jobs_from_schedule("s")
    assert (job.id, job.priority, job.execution_info.termination_reason) == ("s:job-1", 5, "JMComplete")
    assert job.execution_info.pool_id.startswith("mine_")
    assert client.get_task(job.id, "manager").node_info.task_root_directory == "workitems/s/job-1/manager"
    assert b"".join(client.download_task_file(job.id, "manager", "stdout.txt")) == b"managed\n"
    node = client.get_task(job.id, "manager").node_info.node_id
    names = {file.name for file in client.list_node_files(job.execution_info.pool_id, node, recursive=True)}
    assert "workitems/s/job-1/manager/stdout.txt" in names


def test_schedule_is_changed_held_and_ended(client: BatchClient):
    """All that a program does with one, by the client's own methods and pollers."""
    create(client, recurrence_interval=HOUR, start_window=dt.timedelta(minutes=5))
    assert client.job_schedule_exists("s")
    found = client.get_job_schedule("s")
    assert (found.schedule.recurrence_interval, found.schedule.start_window) == (HOUR, dt.timedelta(minutes=5))
    assert found.execution_info.next_run_time - found.creation_time == HOUR
    client.disable_job_schedule("s")
    assert client.get_job_schedule("s").state == "disabled"
    client.enable_job_schedule("s")
    client.update_job_schedule(
        "s",
        models.BatchJobScheduleUpdateOptions(
            schedule=models.BatchJobScheduleConfiguration(recurrence_interval=2 * HOUR),
            metadata=[models.BatchMetadataItem(name="a", value="b")],
        ),
        etag=client.get_job_schedule("s")["eTag"],
        match_condition=MatchConditions.IfNotModified,
    )
    found = client.get_job_schedule("s")
    assert (found.schedule.recurrence_interval, found.metadata[0].value) == (2 * HOUR, "b")
    with pytest.raises(ResourceModifiedError):
        client.disable_job_schedule("s", etag="0x1", match_condition=MatchConditions.IfNotModified)
    client.replace_job_schedule("s", found)
    assert client.get_job_schedule("s").metadata[0].value == "b"
    client.replace_job_schedule("s", models.BatchJobSchedule(job_specification=specification("other")))
    found = client.get_job_schedule("s")
    assert (found.schedule, found.job_specification.pool_info.pool_id) == (None, "other")
    client.begin_terminate_job_schedule("s", polling_interval=0.05).result()
    assert client.get_job_schedule("s").state == "completed"
    assert client.get_job("s:job-1").execution_info.termination_reason == "TerminateJobSchedule"
    client.begin_delete_job_schedule("s", polling_interval=0.05).result()
    with pytest.raises(ResourceNotFoundError):
        client.get_job_schedule("s")
    assert list(client.list_jobs()) == []


def test_schedules_are_listed_and_refused_as_jobs_are(client: BatchClient):
    for name in ("a", "b", "c"):
        create(client, name, do_not_run_until=dt.datetime(2990, 1, 1, tzinfo=dt.UTC))
    assert [found.id for found in client.list_job_schedules(max_results=2)] == ["a", "b", "c"]
    (found,) = client.list_job_schedules(filter="id eq 'B'", select=["id", "state"])
    assert (found.id, found.url) == ("b", None)
    assert list(client.list_jobs()) == []
    with pytest.raises(ResourceExistsError, match="JobScheduleExists"):
        create(client, "A")
    with pytest.raises(ResourceExistsError, match="JobScheduleWithSameIdExists"):
        client.create_job(models.BatchJobCreateOptions(id="a", pool_info=models.BatchPoolInfo(pool_id="p")))
    with pytest.raises(ResourceNotFoundError) as caught:
        client.get_job_schedule("none")
    assert caught.value.error.code == "JobScheduleNotFound"


def test_force_ends_a_schedule_before_its_nodes_do(client: BatchClient):
    make_pool(client, "p")
    stubborn = "/bin/sh -c 'trap : TERM; while :; do sleep 0.05; done'"
    create(client, spec=specification("p", job_manager_task=manager(stubborn)))
    wait_task(client, "s:job-1", "manager", "running")
    client.begin_terminate_job_schedule("s", force=True, polling_interval=0.05).result()
    assert client.get_job_schedule("s").state == "completed"
    client.begin_delete_job_schedule("s", polling_interval=0.05).result()  # 15.1.0 fails on a `force` of its own here
    assert list(client.list_job_schedules()) == []


def test_job_of_a_schedule_is_read_by_all(server: RunningServer):
    """An HPC Pack job by its number, a SuperOffice BatchTask for its task."""
    with batch_client(server) as client:
        make_pool(client, "scheduled")
        spec = specification("scheduled", job_manager_task=manager(display_name="Managed"), display_name="By the hour")
        create(client, "scheduled-too", spec, recurrence_interval=HOUR)
        wait_task(client, "scheduled-too:job-1", "manager")
        base = f"{server.urls['hpc']}/WindowsHPC/Job/{_hpc_jobs(server)['By the hour']}"
        job = _properties(requests.get(base, params=VERSION, auth=DEV, timeout=10))
        assert (job["Name"], job["Pool"], job["State"]) == ("By the hour", "scheduled", "Finished")
        task = _properties(requests.get(f"{base}/Task/1", params=VERSION, auth=DEV, timeout=10))
        assert (task["State"], task["Output"], task["Name"]) == ("Finished", "managed\n", "Managed")
        names = {"TaskName": "By the hour", "State": "Succeeded"}
        agent = f"{server.urls['superoffice']}/api/v1/Agents/Batch"
        found = requests.post(
            f"{agent}/GetSystemBatchTaskInfosByNameAndState", json=names, auth=DEV, timeout=10
        ).json()  # fmt: skip
        assert [item["Description"] for item in found] == ["Managed"]
        client.begin_delete_job_schedule("scheduled-too", polling_interval=0.05).result()
