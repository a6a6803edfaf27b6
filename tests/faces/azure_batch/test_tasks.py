"""Tasks as they run: what each way of ending shows, terminating, reactivating, changing and deleting them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.faces.azure_batch.raw import RawBatch


@pytest.fixture
def job(batch: RawBatch) -> RawBatch:
    """A job `j` on a pool of one node."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    return batch


def run(batch: RawBatch, command: str, name: str = "t", state: str = "completed", **elements: Any) -> Any:
    assert batch.call("POST", "/jobs/j/tasks", {"id": name, "commandLine": command, **elements}).status == 201
    return batch.wait_task("j", name, state)


def test_task_that_succeeds_shows_where_and_when(job: RawBatch):
    shown = run(job, "/bin/sh -c 'exit 0'")
    info = shown["executionInfo"]
    assert (info["exitCode"], info["result"]) == (0, "success")
    assert info["startTime"] <= info["endTime"]
    assert "failureInfo" not in info
    assert (shown["previousState"], shown["executionInfo"]["retryCount"]) == ("running", 0)
    node = shown["nodeInfo"]
    assert node["taskRootDirectory"] == "workitems/j/job-1/t"
    assert node["affinityId"] == f"TVM:{node['nodeId']}"
    assert node["nodeUrl"].endswith(f"/pools/p/nodes/{node['nodeId']}")
    assert node["taskRootDirectoryUrl"] == f"{node['nodeUrl']}/files/workitems/j/job-1/t"


def test_task_keeps_its_tag_while_it_runs(job: RawBatch):
    """State transitions alone do not change it."""
    job.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true"})
    tag = job.call("GET", "/jobs/j/tasks/t").headers["etag"]
    assert job.wait_task("j", "t")["eTag"] == tag


def test_task_that_exits_nonzero_shows_failure_exit_code(job: RawBatch):
    info = run(job, "/bin/sh -c 'exit 3'", constraints={"maxTaskRetryCount": 1})["executionInfo"]
    assert (info["exitCode"], info["result"], info["retryCount"]) == (3, "failure", 1)
    assert "lastRetryTime" in info
    assert info["failureInfo"] == {
        "category": "usererror",
        "code": "FailureExitCode",
        "message": "The task exited with an exit code representing a failure",
        "details": [
            {"name": "Message", "value": "The task process exited with an unexpected exit code"},
            {"name": "AdditionalErrorCode", "value": "FailureExitCode"},
        ],
    }


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ({"commandLine": "no-such-program --x"}, "CommandProgramNotFound"),
        ({"commandLine": 'cmd /c "echo hello world"'}, "CommandProgramNotFound"),
        ({"commandLine": "/bin/sh -c 'unclosed"}, "CommandLaunchFailed"),
        (
            {"commandLine": "/bin/true", "resourceFiles": [{"httpUrl": "ftp://x/a", "filePath": "a"}]},
            "BlobDownloadMiscError",
        ),
    ],
)
def test_task_that_never_ran_shows_why(job: RawBatch, task: dict[str, Any], code: str):
    """No exit code, and no retry."""
    job.call("POST", "/jobs/j/tasks", {"id": "t", "constraints": {"maxTaskRetryCount": 3}, **task})
    info = job.wait_task("j", "t")["executionInfo"]
    assert info["failureInfo"]["code"] == code
    assert (info["result"], info["retryCount"]) == ("failure", 0)
    assert "exitCode" not in info


def test_task_whose_file_is_not_there_shows_blob_not_found(job: RawBatch):
    """The file is asked for from this server's own Batch port, which has none there."""
    url = f"http://{job._address.netloc}/healthz/none"
    job.call("POST", "/jobs/j/tasks", {
        "id": "t", "commandLine": "/bin/true", "resourceFiles": [{"httpUrl": url, "filePath": "a"}],
    })  # fmt: skip
    failure = job.wait_task("j", "t")["executionInfo"]["failureInfo"]
    assert failure["code"] in {"BlobNotFound", "BlobAccessDenied"}
    assert {"name": "FilePath", "value": "a"} in failure["details"]


def test_terminate_running_task_ends_it(job: RawBatch):
    run(job, "/bin/sleep 60", state="running")
    answer = job.call("POST", "/jobs/j/tasks/t/terminate")
    assert answer.status == 204
    assert answer.headers["dataserviceid"].endswith("/jobs/j/tasks/t/terminate")
    failure = job.wait_task("j", "t")["executionInfo"]["failureInfo"]
    assert (failure["code"], failure["category"]) == ("TaskEnded", "usererror")
    assert job.call("POST", "/jobs/j/tasks/t/terminate").code == "TaskCompleted"


def test_task_over_its_time_is_ended_by_the_service(job: RawBatch):
    info = run(job, "/bin/sleep 60", constraints={"maxWallClockTime": "PT0.2S"})["executionInfo"]
    assert (info["failureInfo"]["code"], info["failureInfo"]["category"]) == ("TaskEnded", "servererror")
    assert "exitCode" in info


def test_reactivate_failed_task_runs_it_again(job: RawBatch):
    run(job, "/bin/sh -c 'exit 3'")
    assert job.call("POST", "/jobs/j/tasks/t/reactivate").status == 204
    assert job.wait_task("j", "t")["executionInfo"]["exitCode"] == 3


def test_reactivate_is_for_failed_tasks_alone(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    run(batch, "/bin/true", "good")
    assert batch.call("POST", "/jobs/j/tasks/good/reactivate").code == "TaskSucceeded"
    batch.call("POST", "/jobs/j/disable", {"disableTasks": "wait"})
    batch.call("POST", "/jobs/j/tasks", {"id": "waiting", "commandLine": "/bin/true"})
    answer = batch.call("POST", "/jobs/j/tasks/waiting/reactivate")
    assert (answer.status, answer.code) == (409, "TaskNotCompleted")


def test_update_task_sets_its_constraints_anew(batch: RawBatch):
    """What is left out is reset; what cannot be changed is passed over."""
    batch.make_job("j", constraints={"maxTaskRetryCount": 2})
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true", "constraints": {
        "maxWallClockTime": "PT1H", "retentionTime": "PT1H", "maxTaskRetryCount": 7}})  # fmt: skip
    before = batch.call("GET", "/jobs/j/tasks/t")
    answer = batch.call("PUT", "/jobs/j/tasks/t", {**before.json, "constraints": {"maxWallClockTime": "PT2H"}})
    assert answer.status == 200
    assert answer.headers["etag"] != before.headers["etag"]
    shown = batch.call("GET", "/jobs/j/tasks/t").json
    assert shown["constraints"] == {"maxWallClockTime": "PT2H", "retentionTime": "P7D", "maxTaskRetryCount": 2}
    assert (
        batch.call("PUT", "/jobs/j/tasks/t", {"constraints": {"maxTaskRetryCount": -2}}).code == "InvalidPropertyValue"
    )


def test_update_running_task_shortens_its_time(job: RawBatch):
    run(job, "/bin/sleep 60", state="running")
    assert job.call("PUT", "/jobs/j/tasks/t", {"constraints": {"maxWallClockTime": "PT0.1S"}}).status == 200
    assert job.wait_task("j", "t")["executionInfo"]["failureInfo"]["code"] == "TaskEnded"
    assert job.call("PUT", "/jobs/j/tasks/t", {"constraints": {}}).code == "TaskCompleted"


def test_delete_task_ends_its_run_and_forgets_it(job: RawBatch):
    run(job, "/bin/sleep 60", state="running")
    assert job.call("DELETE", "/jobs/j/tasks/t").status == 200
    assert job.call("GET", "/jobs/j/tasks/t").code == "TaskNotFound"
    deadline = time.monotonic() + 10
    while job.call("GET", "/pools/p/nodes").json["value"][0]["runningTasksCount"]:
        assert time.monotonic() < deadline
    assert run(job, "/bin/true")["executionInfo"]["exitCode"] == 0


def test_task_on_one_node_has_no_subtasks(batch: RawBatch):
    batch.make_job("j")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true"})
    assert batch.call("GET", "/jobs/j/tasks/t/subtasksinfo").json["value"] == []
    assert batch.call("GET", "/jobs/j/tasks/x/subtasksinfo").code == "TaskNotFound"


def test_task_runs_with_its_environment_on_its_preferred_node(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=2)
    batch.make_job("j", "p", commonEnvironmentSettings=[{"name": "A", "value": "job"}, {"name": "B", "value": "job"}])
    last = batch.call("GET", "/pools/p/nodes").json["value"][-1]
    own = [{"name": "B", "value": "task"}]
    test = """/bin/sh -c 'test "$A$B$AZ_BATCH_TASK_ID" = jobtaskt'"""
    shown = run(batch, test, environmentSettings=own, affinityInfo={"affinityId": last["affinityId"]})
    assert shown["executionInfo"]["exitCode"] == 0
    assert shown["nodeInfo"]["nodeId"] == last["id"]


def test_dependent_task_waits_for_the_ones_it_names(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p", usesTaskDependencies=True)
    batch.call("POST", "/jobs/j/tasks", {"id": "last", "commandLine": "/bin/true", "dependsOn": {
        "taskIds": ["first"], "taskIdRanges": [{"start": 1, "end": 2}]}})  # fmt: skip
    for name in ("first", "1"):
        run(batch, "/bin/true", name)
    assert batch.call("GET", "/jobs/j/tasks/last").json["state"] == "active"
    run(batch, "/bin/true", "2")
    assert batch.wait_task("j", "last")["executionInfo"]["exitCode"] == 0


def test_exit_options_end_the_job(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p", onTaskFailure="performexitoptionsjobaction")
    mapping = {"code": 4, "exitOptions": {"jobAction": "terminate"}}
    run(batch, "/bin/sh -c 'exit 4'", exitConditions={"exitCodes": [mapping], "default": {"jobAction": "none"}})
    info = batch.call("GET", "/jobs/j").json
    assert (info["state"], info["executionInfo"]["terminateReason"]) == ("completed", "TaskFailed")
