"""$expand=stats, $select and the lifetime statistics of old versions: what is asked for, and true."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.support.server import RunningServer

from linarite.faces.azure_batch.selecting import SELECTABLE

BUSY = "/bin/sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'"
BIG = "/bin/sh -c 'head -c 150000000 /dev/zero | tail -c 140000000 >/dev/null'"
TASK = {
    "url", "startTime", "lastUpdateTime", "userCPUTime", "kernelCPUTime", "wallClockTime", "readIOps", "writeIOps",
    "readIOGiB", "writeIOGiB", "waitTime",
}  # fmt: skip
JOB = TASK | {"numSucceededTasks", "numFailedTasks", "numTaskRetries"}
RESOURCES = {
    "startTime", "lastUpdateTime", "avgCPUPercentage", "avgMemoryGiB", "peakMemoryGiB", "avgDiskGiB", "peakDiskGiB",
    "diskReadIOps", "diskWriteIOps", "diskReadGiB", "diskWriteGiB", "networkReadGiB", "networkWriteGiB",
}  # fmt: skip


def seconds(text: str) -> float:
    """A duration of hours, minutes and seconds."""
    found = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?", text)
    assert found is not None, text
    hours, minutes, rest = found.groups()
    return timedelta(hours=int(hours or 0), minutes=int(minutes or 0), seconds=float(rest or 0)).total_seconds()


@pytest.fixture
def worked(batch: RawBatch) -> RawBatch:
    """A pool of one node and a job of three tasks: one that was busy, one that failed twice, one that waits."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    fails = {"id": "fails", "commandLine": "/bin/sh -c 'exit 3'", "constraints": {"maxTaskRetryCount": 1}}
    batch.call("POST", "/jobs/j/tasks", {"id": "busy", "commandLine": BUSY})
    batch.call("POST", "/jobs/j/tasks", fails)
    batch.wait_task("j", "busy")
    batch.wait_task("j", "fails")
    return batch


def stats(batch: RawBatch, target: str) -> Any:
    return batch.call("GET", f"{target}?$expand=stats").json["stats"]


def test_get_task_tells_what_its_run_used(worked: RawBatch):
    found = stats(worked, "/jobs/j/tasks/busy")
    assert set(found) == TASK
    assert found["url"] == worked.call("GET", "/jobs/j/tasks/busy").json["url"]
    assert 0.01 < seconds(found["userCPUTime"]) <= seconds(found["wallClockTime"]) * 1.1
    assert seconds(found["waitTime"]) < 30
    assert found["readIOps"].isdigit()


def test_get_job_adds_its_tasks_up(worked: RawBatch):
    found, tasks = stats(worked, "/jobs/j"), [stats(worked, f"/jobs/j/tasks/{name}") for name in ("busy", "fails")]
    assert set(found) == JOB
    assert [found[f"num{name}"] for name in ("SucceededTasks", "FailedTasks", "TaskRetries")] == ["1", "1", "1"]
    for name in ("userCPUTime", "kernelCPUTime", "wallClockTime"):
        assert seconds(found[name]) == pytest.approx(sum(seconds(one[name]) for one in tasks))
    assert found["waitTime"] == "PT0S"


def test_get_pool_tells_the_time_of_its_nodes(worked: RawBatch):
    worked.call("POST", "/jobs/j/tasks", {"id": "big", "commandLine": BIG})
    worked.wait_task("j", "big")
    found = stats(worked, "/pools/p")
    assert set(found) == {"url", "startTime", "lastUpdateTime", "usageStats", "resourceStats"}
    assert set(found["resourceStats"]) == RESOURCES
    wall = sum(seconds(stats(worked, f"/jobs/j/tasks/{name}")["wallClockTime"]) for name in ("busy", "fails", "big"))
    assert wall < seconds(found["usageStats"]["dedicatedCoreTime"]) < 600
    assert 0 < found["resourceStats"]["avgCPUPercentage"] <= 100
    assert 0 < found["resourceStats"]["avgMemoryGiB"] <= found["resourceStats"]["peakMemoryGiB"]
    assert 0.1 < found["resourceStats"]["peakMemoryGiB"] < 1
    worked.call("DELETE", "/jobs/j")
    assert stats(worked, "/pools/p")["resourceStats"]["peakMemoryGiB"] == found["resourceStats"]["peakMemoryGiB"]


def test_running_task_is_told_up_to_now(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/sleep 600"})
    batch.wait_task("j", "t", "running")
    first = seconds(stats(batch, "/jobs/j")["wallClockTime"])
    task = stats(batch, "/jobs/j/tasks/t")
    assert seconds(task["userCPUTime"]) < 0.1
    assert first < seconds(task["wallClockTime"]) < seconds(stats(batch, "/jobs/j")["wallClockTime"])
    batch.call("POST", "/jobs/j/tasks/t/terminate")
    batch.wait_task("j", "t")
    over = stats(batch, "/jobs/j/tasks/t")
    assert over["wallClockTime"] == stats(batch, "/jobs/j/tasks/t")["wallClockTime"]


def test_processors_of_a_running_task_are_told_up_to_now(batch: RawBatch):
    """By the task, its job, the job's list and the pool; when it ends nothing of it is counted twice."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/sh -c 'while :; do :; done'"})
    batch.wait_task("j", "t", "running")
    deadline = time.monotonic() + 30
    while not seconds(stats(batch, "/jobs/j/tasks/t")["userCPUTime"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    task = seconds(stats(batch, "/jobs/j/tasks/t")["userCPUTime"])
    (item,) = batch.call("GET", "/jobs/j/tasks?$expand=stats").json["value"]
    (job,) = batch.call("GET", "/jobs?$expand=stats").json["value"]
    (pool,) = batch.call("GET", "/pools?$expand=stats").json["value"]
    assert task <= seconds(item["stats"]["userCPUTime"]) <= seconds(job["stats"]["userCPUTime"])
    assert pool["stats"]["resourceStats"]["avgCPUPercentage"] > 0
    batch.call("POST", "/jobs/j/tasks/t/terminate")
    batch.wait_task("j", "t")
    ended = seconds(stats(batch, "/jobs/j/tasks/t")["userCPUTime"])
    assert ended >= seconds(job["stats"]["userCPUTime"])
    assert seconds(stats(batch, "/jobs/j")["userCPUTime"]) == ended


@pytest.mark.parametrize("target", ["/jobs", "/jobs/j/tasks", "/pools"])
def test_list_is_expanded_and_is_not(worked: RawBatch, target: str):
    """Each item has the statistics that it has alone; without the parameter none has any."""
    items = worked.call("GET", f"{target}?$expand=stats").json["value"]
    assert all(item["stats"]["url"] == item["url"] for item in items)
    assert all("stats" not in item for item in worked.call("GET", target).json["value"])
    assert "stats" not in worked.call("GET", f"{target}/{items[0]['id']}").json


def test_job_schedule_adds_its_jobs_up(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    manager = {"id": "m", "commandLine": BUSY}
    specification = {"poolInfo": {"poolId": "p"}, "jobManagerTask": manager}
    batch.call("POST", "/jobschedules", {"id": "s", "schedule": {}, "jobSpecification": specification})
    batch.wait_task("s:job-1", "m")
    found = stats(batch, "/jobschedules/s")
    assert set(found) == JOB
    assert (found["numSucceededTasks"], found["numFailedTasks"]) == ("1", "0")
    assert found["userCPUTime"] == stats(batch, "/jobs/s:job-1")["userCPUTime"]
    (item,) = batch.call("GET", "/jobschedules?$expand=stats").json["value"]
    assert item["stats"]["userCPUTime"] == found["userCPUTime"]
    (item,) = batch.call("GET", "/jobschedules/s/jobs?$expand=stats").json["value"]
    assert item["stats"]["numSucceededTasks"] == "1"


def test_select_and_expand_together(worked: RawBatch):
    """What is expanded and not selected is left out, as it is expanded in vain."""
    both = worked.call("GET", "/jobs/j?$select=id,%20stats&$expand=stats").json
    assert set(both) == {"odata.metadata", "id", "stats"}
    assert set(worked.call("GET", "/jobs/j?$select=id&$expand=stats").json) == {"odata.metadata", "id"}
    assert set(worked.call("GET", "/jobs/j?$select=id,stats").json) == {"odata.metadata", "id"}
    assert worked.call("GET", "/jobs/j?$select=*").json == worked.call("GET", "/jobs/j").json


@pytest.mark.parametrize("target", ["/jobs", "/jobs/j", "/jobs/j/tasks", "/jobs/j/tasks/busy", "/pools", "/pools/p"])
def test_expanding_what_cannot_be_is_refused(worked: RawBatch, target: str):
    for text in ("tasks", "stats,tasks", "Stats"):
        answer = worked.call("GET", f"{target}?$expand={text}")
        assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue")
        assert (answer.values["QueryParameterName"], answer.values["QueryParameterValue"]) == ("$expand", text)


@pytest.mark.parametrize(
    "target", ["/jobs", "/jobs/j", "/jobs/j/tasks", "/jobs/j/tasks/busy", "/pools", "/pools/p", "/pools/p/nodes"]
)
def test_selecting_what_is_not_there_is_refused(worked: RawBatch, target: str):
    """Names are told from names in their own letter case."""
    for text in ("colour", "id,colour", "ID"):
        answer = worked.call("GET", f"{target}?$select={text}")
        assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue")
        assert (answer.values["QueryParameterName"], answer.values["QueryParameterValue"]) == ("$select", text)


def test_lifetime_statistics_of_old_versions(worked: RawBatch, server: RunningServer):
    """All jobs and all pools that the account ever had, those that are gone as well; numbers are numbers there."""
    old = RawBatch(server.batch, worked.account, "2022-10-01.16.0")
    worked.call("DELETE", "/jobs/j")
    found = old.call("GET", "/lifetimejobstats").json
    assert found.pop("odata.metadata").endswith("/$metadata#jobstats/@Element")
    assert set(found) == JOB
    assert found["url"].endswith("/lifetimejobstats")
    assert [found[f"num{name}"] for name in ("SucceededTasks", "FailedTasks", "TaskRetries")] == [1, 1, 1]
    assert 0 < seconds(found["waitTime"]) < 60
    pools = old.call("GET", "/lifetimepoolstats").json
    assert pools.pop("odata.metadata").endswith("/$metadata#poolstats/@Element")
    assert set(pools["resourceStats"]) == RESOURCES
    assert seconds(pools["usageStats"]["dedicatedCoreTime"]) > seconds(found["wallClockTime"])


def test_lifetime_statistics_of_an_account_that_did_nothing(batch: RawBatch, server: RunningServer):
    old = RawBatch(server.batch, batch.account, "2017-01-01.4.0")
    found = old.call("GET", "/lifetimejobstats").json
    assert (found["numSucceededTasks"], found["wallClockTime"], found["waitTime"]) == (0, "PT0S", "PT0S")
    assert old.call("GET", "/lifetimepoolstats").json["usageStats"]["dedicatedCoreTime"] == "PT0S"
    assert old.call("GET", "/lifetimepoolstats").json["resourceStats"]["avgCPUPercentage"] == 0


@pytest.mark.parametrize("target", ["/lifetimejobstats", "/lifetimepoolstats"])
@pytest.mark.parametrize("version", ["2023-05-01.17.0", "2025-06-01"])
def test_lifetime_statistics_are_gone_in_new_versions(server: RunningServer, account: str, target: str, version: str):
    answer = RawBatch(server.batch, account, version).call("GET", target)
    assert (answer.status, answer.code) == (404, "ResourceNotFound")


@pytest.mark.specs
def test_names_that_can_be_selected_are_those_of_the_specification():
    """Of all versions together: `id` of the pools of one is that of another."""
    types = {
        "jobs": ("BatchJob", "CloudJob"), "tasks": ("BatchTask", "CloudTask"), "pools": ("BatchPool", "CloudPool"),
        "nodes": ("BatchNode", "ComputeNode"), "jobschedules": ("BatchJobSchedule", "CloudJobSchedule"),
        "subtasks": ("BatchSubtask", "SubtaskInformation"), "extensions": ("BatchNodeVMExtension", "NodeVMExtension"),
        "jobpreparationandreleasetaskstatuslist": (
            "BatchJobPreparationAndReleaseTaskStatus", "JobPreparationAndReleaseTaskExecutionInformation",
        ),
        "certificates": ("Certificate",),
    }  # fmt: skip
    folder = Path(os.environ["LINARITE_SPECS"]) / "azure-batch"
    found: dict[str, set[str]] = {kind: set() for kind in SELECTABLE}
    for path in [*folder.glob("*.derived.json"), *folder.glob("original/*.json")]:
        definitions = json.loads(path.read_text())["definitions"]
        for kind, names in types.items():
            for name in names:
                found[kind] |= set(definitions.get(name, {}).get("properties", {}))
    schedule = found["nodes"] | {"schedulingState"}
    assert found | {"nodes": schedule} == {kind: set(names) for kind, names in SELECTABLE.items()}
