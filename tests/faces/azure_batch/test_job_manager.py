"""The job manager task on real nodes: its node, its limits, its variables, and what its end does to the job."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.support.server import RunningServer

LONG = "/bin/sleep 600"
UNLIMITED = "P10675199DT2H48M5.4775807S"


@pytest.fixture
def sign() -> Iterator[Path]:
    """A file that is not there yet, where a task of whatever user sees it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "sign"


def make(batch: RawBatch, command: str = LONG, *, job: dict[str, Any] | None = None, **manager: Any) -> None:
    task = {"id": "manager", "commandLine": command, **manager}
    batch.make_job("j", "p", **{"jobManagerTask": task, **(job or {})})


def task_of(batch: RawBatch, name: str) -> Any:
    return batch.call("GET", f"/jobs/j/tasks/{name}").json


def add(batch: RawBatch, *names: str, command: str = LONG) -> None:
    for name in names:
        assert batch.call("POST", "/jobs/j/tasks", {"id": name, "commandLine": command}).status == 201


def wait_job(batch: RawBatch, state: str = "completed", seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while (found := batch.call("GET", "/jobs/j").json)["state"] != state:
        assert time.monotonic() < deadline, f"the job is {found['state']}"
        time.sleep(0.02)
    return found


def test_job_manager_shows_the_defaults_that_the_service_fills_in(batch: RawBatch):
    """Of its own limits what it says, else what holds for every task of the job."""
    make(batch, job={"constraints": {"maxTaskRetryCount": 3}})
    assert batch.call("GET", "/jobs/j").json["jobManagerTask"] == {
        "id": "manager", "commandLine": LONG, "killJobOnCompletion": True, "runExclusive": True,
        "allowLowPriorityNode": True, "requiredSlots": 1,
        "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}},
        "constraints": {"maxWallClockTime": UNLIMITED, "retentionTime": "P7D", "maxTaskRetryCount": 3},
    }  # fmt: skip
    shown = task_of(batch, "manager")
    assert (shown["state"], shown["constraints"]["maxTaskRetryCount"]) == ("active", 3)


def test_job_manager_has_its_node_for_itself(batch: RawBatch):
    """Of two nodes with two slots each, the other tasks get one node, until the manager is through."""
    batch.make_pool("p", targetDedicatedNodes=2, taskSlotsPerNode=2)
    make(batch, killJobOnCompletion=False)
    node = batch.wait_task("j", "manager", "running")["nodeInfo"]["nodeId"]
    add(batch, "a", "b", "c")
    others = [batch.wait_task("j", name, "running")["nodeInfo"]["nodeId"] for name in ("a", "b")]
    assert others[0] == others[1] != node
    assert task_of(batch, "c")["state"] == "active"
    assert batch.call("GET", f"/pools/p/nodes/{node}").json["runningTaskSlotsCount"] == 1
    batch.call("POST", "/jobs/j/tasks/manager/terminate")
    assert batch.wait_task("j", "c", "running")["nodeInfo"]["nodeId"] == node


def test_job_manager_that_is_not_exclusive_shares_its_node(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1, taskSlotsPerNode=3)
    make(batch, runExclusive=False, requiredSlots=2)
    batch.wait_task("j", "manager", "running")
    add(batch, "a", "b")
    node = batch.wait_task("j", "a", "running")["nodeInfo"]["nodeId"]
    assert batch.call("GET", f"/pools/p/nodes/{node}").json["runningTaskSlotsCount"] == 3
    assert task_of(batch, "b")["state"] == "active"


def test_job_manager_may_keep_off_low_priority_nodes(batch: RawBatch):
    """It waits for a dedicated one; the job's other tasks do not wait with it, since no node of the pool suits it."""
    batch.make_pool("p", targetLowPriorityNodes=1)
    make(batch, "/bin/sh -c 'echo $AZ_BATCH_NODE_IS_DEDICATED'", allowLowPriorityNode=False, killJobOnCompletion=False)
    add(batch, "a", command="/bin/true")
    batch.wait_task("j", "a")
    assert task_of(batch, "manager")["state"] == "active"
    batch.call("POST", "/pools/p/resize", {"targetDedicatedNodes": 1, "targetLowPriorityNodes": 1})
    batch.wait_task("j", "manager")
    assert batch.call("GET", "/jobs/j/tasks/manager/files/stdout.txt").body == b"true\n"


@pytest.mark.parametrize("code", [0, 3])
def test_end_of_the_job_manager_ends_its_job(batch: RawBatch, sign: Path, code: int):
    """Well or not; what still runs is terminated, what waits stays active."""
    batch.make_pool("p", targetDedicatedNodes=2)
    make(batch, f"/bin/sh -c 'until [ -e {sign} ]; do sleep 0.02; done; exit {code}'")
    batch.wait_task("j", "manager", "running")
    add(batch, "a", "b")
    batch.wait_task("j", "a", "running")
    sign.touch()
    assert wait_job(batch)["executionInfo"]["terminateReason"] == "JMComplete"
    ended = task_of(batch, "a")["executionInfo"]
    assert (ended["result"], ended["failureInfo"]["code"]) == ("failure", "TaskEnded")
    assert task_of(batch, "b")["state"] == "active"
    assert task_of(batch, "manager")["executionInfo"]["exitCode"] == code


def test_failed_job_manager_that_is_not_the_jobs_end_leaves_it_active(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    make(batch, "/bin/sh -c 'exit 3'", killJobOnCompletion=False)
    assert batch.wait_task("j", "manager")["executionInfo"]["exitCode"] == 3
    add(batch, "a", command="/bin/true")
    batch.wait_task("j", "a")
    assert batch.call("GET", "/jobs/j").json["state"] == "active"


def test_job_manager_is_retried_and_limited_as_it_says(batch: RawBatch):
    """Its own limits win over its job's; the last try counts."""
    batch.make_pool("p", targetDedicatedNodes=1)
    limits = {"maxTaskRetryCount": 2, "maxWallClockTime": "PT1H", "retentionTime": "PT2H"}
    make(batch, "/bin/sh -c 'exit 5'", constraints=limits, job={"constraints": {"maxTaskRetryCount": 9}})
    info = batch.wait_task("j", "manager")["executionInfo"]
    assert (info["retryCount"], info["exitCode"]) == (2, 5)
    job = wait_job(batch)
    assert job["jobManagerTask"]["constraints"] == limits
    assert job["executionInfo"]["terminateReason"] == "JMComplete"


def test_job_manager_over_its_time_ends_its_job(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    make(batch, constraints={"maxWallClockTime": "PT0.2S"})
    info = batch.wait_task("j", "manager")["executionInfo"]
    assert (info["failureInfo"]["code"], info["failureInfo"]["category"]) == ("TaskEnded", "servererror")
    assert wait_job(batch)["executionInfo"]["terminateReason"] == "JMComplete"


def test_job_manager_has_the_variables_of_its_job_its_own_and_the_services(batch: RawBatch):
    """Later ones win."""
    batch.make_pool("p", targetDedicatedNodes=1)
    variables = [
        {"name": "A", "value": "job"},
        {"name": "B", "value": "job"},
        {"name": "AZ_BATCH_JOB_ID", "value": "x"},
    ]
    make(
        batch, "/bin/sh -c 'echo $A $B $AZ_BATCH_JOB_ID $AZ_BATCH_TASK_ID'",
        environmentSettings=[{"name": "B", "value": "own"}], job={"commonEnvironmentSettings": variables},
        displayName="The manager",
    )  # fmt: skip
    wait_job(batch)
    assert batch.call("GET", "/jobs/j/tasks/manager/files/stdout.txt").body == b"job own j manager\n"
    assert task_of(batch, "manager")["displayName"] == "The manager"
    assert batch.call("GET", "/jobs/j").json["jobManagerTask"]["displayName"] == "The manager"


@pytest.mark.parametrize(
    ("element", "code", "name"),
    [
        ({"id": None}, "MissingRequiredProperty", "id"), ({"id": "a b"}, "InvalidPropertyValue", "id"),
        ({"commandLine": None}, "MissingRequiredProperty", "commandLine"),
        ({"requiredSlots": 0}, "InvalidPropertyValue", "requiredSlots"),
        ({"constraints": {"maxTaskRetryCount": -2}}, "InvalidPropertyValue", "maxTaskRetryCount"),
        ({"containerSettings": {}}, "MissingRequiredProperty", "containerSettings.imageName"),
        ({"outputFiles": [{}]}, "MissingRequiredProperty", "outputFiles.filePattern"),
        ({"applicationPackageReferences": [{}]}, "MissingRequiredProperty",
         "applicationPackageReferences.applicationId"),
        ({"userIdentity": {}}, "InvalidPropertyValue", "userIdentity"),
    ],
)  # fmt: skip
def test_job_manager_with_a_bad_element_is_refused(batch: RawBatch, element: dict[str, Any], code: str, name: str):
    """Neither the job nor the task is made."""
    task = {"id": "manager", "commandLine": "x", **element}
    answer = batch.call("POST", "/jobs", {"id": "j", "poolInfo": {"poolId": "p"}, "jobManagerTask": task})
    assert (answer.status, answer.code, answer.values["PropertyName"]) == (400, code, name)
    assert batch.call("GET", "/jobs/j").status == 404


@pytest.mark.parametrize(
    ("version", "element"),
    [("2017-01-01.4.0", {"allowLowPriorityNode": True}), ("2020-03-01.11.0", {"requiredSlots": 1})],
)
def test_job_manager_with_an_element_of_later_versions_is_refused(
    server: RunningServer, batch: RawBatch, version: str, element: dict[str, Any]
):
    task = {"id": "manager", "commandLine": "x", **element}
    body = {"id": "j", "poolInfo": {"poolId": "p"}, "jobManagerTask": task}
    answer = RawBatch(server.batch, batch.account, version).call("POST", "/jobs", body)
    assert (answer.status, answer.code) == (400, "InvalidRequestBody")


def test_job_manager_is_shown_as_a_version_has_it(server: RunningServer, batch: RawBatch):
    """A token that an older version asks for is no element of the newest; the oldest knows no output files."""
    older, oldest = (
        RawBatch(server.batch, batch.account, version) for version in ("2024-02-01.19.0", "2017-01-01.4.0")
    )
    destination = {"container": {"containerUrl": "http://127.0.0.1:1/c"}}
    output = {"filePattern": "*", "destination": destination, "uploadOptions": {"uploadCondition": "taskcompletion"}}
    task = {
        "id": "manager", "commandLine": "x", "authenticationTokenSettings": {"access": ["job"]},
        "outputFiles": [output],
    }  # fmt: skip
    older.make_job("j", jobManagerTask=task)
    shown = {one.version: one.call("GET", "/jobs/j").json["jobManagerTask"] for one in (batch, older, oldest)}
    assert "authenticationTokenSettings" not in shown[batch.version]
    assert shown[older.version]["authenticationTokenSettings"] == {"access": ["job"]}
    assert not {"outputFiles", "requiredSlots", "allowLowPriorityNode"} & shown[oldest.version].keys()


# Room among jobs.


def test_task_of_a_preemptible_job_gives_way_and_runs_again(batch: RawBatch):
    """To a job of higher priority, whose task is through before it runs again."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p", allowTaskPreemption=True)
    add(batch, "low")
    batch.wait_task("j", "low", "running")
    batch.make_job("high", "p", priority=1)
    batch.call("POST", "/jobs/high/tasks", {"id": "t", "commandLine": "/bin/true"})
    batch.wait_task("high", "t")
    info = batch.wait_task("j", "low", "running")["executionInfo"]
    assert (info["requeueCount"], info["retryCount"]) == (1, 0)


@pytest.mark.parametrize(("order", "expected"), [(None, [1, 1]), ("none", [1, 1]), ("CreationTime", [2, 0])])
def test_jobs_of_one_priority_get_room_as_their_pool_says(batch: RawBatch, order: str | None, expected: list[int]):
    """Alike, unless the older one is to go first."""
    policy = {"nodeFillType": "spread"} | ({"jobDefaultOrder": order} if order else {})
    batch.make_pool("p", targetDedicatedNodes=1, taskSlotsPerNode=2, taskSchedulingPolicy=policy)
    batch.make_job("block", "p", priority=1)
    for name in ("x", "y"):
        batch.call("POST", "/jobs/block/tasks", {"id": name, "commandLine": LONG})
        batch.wait_task("block", name, "running")
    for job in ("a", "b"):
        batch.make_job(job, "p")
        for name in ("t1", "t2"):
            batch.call("POST", f"/jobs/{job}/tasks", {"id": name, "commandLine": LONG})
    batch.call("POST", "/jobs/block/terminate")
    deadline = time.monotonic() + 30
    while True:
        counts = [batch.call("GET", f"/jobs/{job}/taskcounts").json["taskCounts"]["running"] for job in ("a", "b")]
        if sum(counts) == 2:
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert counts == expected
