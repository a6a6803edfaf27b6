"""Jobs on the wire: add, change, hold, end, delete, and what each shows."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.faces.azure_batch.raw import MACHINE, STUBBORN, RawBatch
from tests.support.server import RunningServer

AUTO_POOL = {
    "autoPoolIdPrefix": "auto", "poolLifetimeOption": "job",
    "pool": {"vmSize": "STANDARD_D1", "virtualMachineConfiguration": MACHINE},
}  # fmt: skip


def job_of(batch: RawBatch, name: str = "j") -> Any:
    return batch.call("GET", f"/jobs/{name}").json


def test_add_job_fills_in_the_defaults(batch: RawBatch):
    batch.make_job("j", displayName="J", metadata=[{"name": "a", "value": "b"}])
    shown = job_of(batch)
    assert shown["state"] == "active"
    assert (shown["priority"], shown["maxParallelTasks"]) == (0, -1)
    assert (shown["usesTaskDependencies"], shown["allowTaskPreemption"]) == (False, False)
    assert shown["constraints"] == {"maxWallClockTime": "P10675199DT2H48M5.4775807S", "maxTaskRetryCount": 0}
    assert (shown["onAllTasksComplete"], shown["onTaskFailure"]) == ("noaction", "noaction")
    assert shown["poolInfo"] == {"poolId": "nowhere"}
    assert shown["executionInfo"].keys() == {"startTime", "poolId"}
    assert shown["metadata"] == [{"name": "a", "value": "b"}]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"id": None}, "MissingRequiredProperty", "id"),
    ({"id": "a:b"}, "InvalidPropertyValue", "id"),
    ({"poolInfo": None}, "MissingRequiredProperty", "poolInfo"),
    ({"poolInfo": {}}, "InvalidPropertyValue", "poolInfo"),
    ({"poolInfo": {"poolId": "p", "autoPoolSpecification": AUTO_POOL}}, "InvalidPropertyValue", "poolInfo"),
    ({"poolInfo": {"autoPoolSpecification": {**AUTO_POOL, "autoPoolIdPrefix": "x" * 21}}}, "InvalidPropertyValue",
     "autoPoolIdPrefix"),
    ({"poolInfo": {"autoPoolSpecification": {**AUTO_POOL, "poolLifetimeOption": None}}}, "MissingRequiredProperty",
     "poolLifetimeOption"),
    ({"poolInfo": {"autoPoolSpecification": {**AUTO_POOL, "pool": None}}}, "MissingRequiredProperty",
     "autoPoolSpecification.pool"),
    ({"priority": 1001}, "InvalidPropertyValue", "priority"),
    ({"maxParallelTasks": 0}, "InvalidPropertyValue", "maxParallelTasks"),
    ({"onAllTasksComplete": "explode"}, "InvalidPropertyValue", "onAllTasksComplete"),
    ({"onTaskFailure": "explode"}, "InvalidPropertyValue", "onTaskFailure"),
    ({"metadata": [{"name": "a"}]}, "MissingRequiredProperty", "metadata.value"),
    ({"jobReleaseTask": {"commandLine": "x"}}, "InvalidPropertyValue", "jobReleaseTask"),
    ({"jobPreparationTask": {}}, "MissingRequiredProperty", "jobPreparationTask.commandLine"),
    ({"jobManagerTask": {"id": "m"}}, "MissingRequiredProperty", "commandLine"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("elements", "code", "name"), BAD, ids=[f"{name}-{place}" for place, (_, _, name) in enumerate(BAD)]
)
def test_add_job_with_a_bad_element_is_refused(batch: RawBatch, elements: dict[str, Any], code: str, name: str):
    """Nothing is made: neither the job nor a pool for it."""
    answer = batch.call("POST", "/jobs", {"id": "j", "poolInfo": {"poolId": "p"}, **elements})
    assert (answer.status, answer.code) == (400, code)
    assert answer.values["PropertyName"] == name
    assert batch.call("GET", "/jobs").json["value"] == []
    assert batch.call("GET", "/pools").json["value"] == []


def test_add_job_that_is_there_is_refused(batch: RawBatch):
    batch.make_job("j")
    answer = batch.call("POST", "/jobs", {"id": "J", "poolInfo": {"autoPoolSpecification": AUTO_POOL}})
    assert (answer.status, answer.code) == (409, "JobExists")
    assert batch.call("GET", "/pools").json["value"] == []


def test_add_job_with_an_auto_pool_makes_it_and_takes_it_along(batch: RawBatch):
    """Its id is the prefix and a GUID; it goes when the job is over."""
    batch.call("POST", "/jobs", {"id": "j", "poolInfo": {"autoPoolSpecification": AUTO_POOL}})
    shown = job_of(batch)
    pool = shown["executionInfo"]["poolId"]
    assert pool.startswith("auto_")
    assert len(pool) == len("auto_") + 36
    assert shown["poolInfo"] == {"autoPoolSpecification": AUTO_POOL}
    assert batch.call("GET", f"/pools/{pool}").json["vmSize"] == "standard_d1"
    batch.call("POST", "/jobs/j/terminate")
    assert batch.call("GET", f"/pools/{pool}").status == 404


def test_delete_job_takes_its_auto_pool_along_unless_it_is_kept(batch: RawBatch):
    for name, keep in (("a", True), ("b", False)):
        specification = {**AUTO_POOL, "autoPoolIdPrefix": name, "keepAlive": keep}
        batch.call("POST", "/jobs", {"id": name, "poolInfo": {"autoPoolSpecification": specification}})
        assert batch.call("DELETE", f"/jobs/{name}").status == 202
    left = [pool["id"] for pool in batch.call("GET", "/pools").json["value"]]
    assert len(left) == 1
    assert left[0].startswith("a_")


def test_add_job_with_a_manager_task_adds_it_and_ends_with_it(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p", jobManagerTask={"id": "manager", "commandLine": "/bin/sh -c 'exit 0'"})
    shown = job_of(batch)["jobManagerTask"]
    assert (shown["killJobOnCompletion"], shown["runExclusive"], shown["requiredSlots"]) == (True, True, 1)
    batch.wait_task("j", "manager")
    shown = job_of(batch)
    assert (shown["state"], shown["executionInfo"]["terminateReason"]) == ("completed", "JMComplete")


def test_preparation_and_release_tasks_are_told_with_their_defaults(batch: RawBatch):
    batch.make_job("j", jobPreparationTask={"commandLine": "a"}, jobReleaseTask={"commandLine": "b"})
    shown = job_of(batch)
    assert (shown["jobPreparationTask"]["id"], shown["jobPreparationTask"]["waitForSuccess"]) == (
        "jobpreparation", True,
    )  # fmt: skip
    assert (shown["jobReleaseTask"]["id"], shown["jobReleaseTask"]["maxWallClockTime"]) == ("jobrelease", "PT15M")
    assert batch.call("GET", "/jobs/j/jobpreparationandreleasetaskstatus").json["value"] == []


@pytest.mark.parametrize(
    ("element", "name"),
    [
        ({"jobReleaseTask": {"commandLine": "b"}}, "jobReleaseTask"),
        ({"jobPreparationTask": {}}, "jobPreparationTask.commandLine"),
        ({"jobPreparationTask": {"commandLine": "a", "id": "a b"}}, "jobPreparationTask.id"),
        (
            {"jobPreparationTask": {"commandLine": "a", "id": "x"}, "jobReleaseTask": {"commandLine": "b", "id": "X"}},
            "jobReleaseTask.id",
        ),
        (
            {
                "jobPreparationTask": {"commandLine": "a"},
                "jobReleaseTask": {"commandLine": "b", "maxWallClockTime": "PT16M"},
            },
            "jobReleaseTask.maxWallClockTime",
        ),
    ],
)
def test_bad_preparation_and_release_tasks_are_refused(batch: RawBatch, element: dict[str, Any], name: str):
    answer = batch.call("POST", "/jobs", {"id": "j", "poolInfo": {"poolId": "p"}, **element})
    assert answer.status == 400
    assert answer.values["PropertyName"] == name
    assert batch.call("GET", "/jobs/j").status == 404


@pytest.mark.parametrize(("name", "code"), [("prep", "Preparation"), ("REL", "Release")])
def test_task_with_the_id_of_a_task_of_its_job_is_refused(batch: RawBatch, name: str, code: str):
    batch.make_job(
        "j",
        jobPreparationTask={"commandLine": "a", "id": "prep"},
        jobReleaseTask={"commandLine": "b", "id": "rel"},
    )
    answer = batch.call("POST", "/jobs/j/tasks", {"id": name, "commandLine": "x"})
    assert (answer.status, answer.code) == (409, f"TaskIdSameAsJob{code}Task")


def test_preparation_status_of_a_job_without_is_refused(batch: RawBatch):
    batch.make_job("j")
    answer = batch.call("GET", "/jobs/j/jobpreparationandreleasetaskstatus")
    assert (answer.status, answer.code) == (409, "JobPreparationTaskOrReleaseTaskNotSpecified")


def test_patch_job_replaces_what_it_names_as_a_whole(batch: RawBatch):
    """`constraints` without maxTaskRetryCount sets it back to 0."""
    batch.make_job("j", priority=5, constraints={"maxTaskRetryCount": 3, "maxWallClockTime": "PT1H"})
    before = batch.call("GET", "/jobs/j").headers["etag"]
    answer = batch.call("PATCH", "/jobs/j", {"constraints": {"maxWallClockTime": "PT2H"}})
    assert answer.status == 200
    assert answer.headers["etag"] != before
    assert answer.headers["dataserviceid"].endswith("/jobs/j")
    shown = job_of(batch)
    assert shown["constraints"] == {"maxWallClockTime": "PT2H", "maxTaskRetryCount": 0}
    assert shown["priority"] == 5


def test_put_job_resets_what_it_leaves_out(batch: RawBatch):
    batch.make_job("j", priority=5, maxParallelTasks=2, metadata=[{"name": "a", "value": "b"}], displayName="J")
    shown = job_of(batch)
    assert batch.call("PUT", "/jobs/j", {"poolInfo": {"poolId": "nowhere"}}).status == 200
    after = job_of(batch)
    assert (after["priority"], after["maxParallelTasks"], after["displayName"]) == (0, -1, "J")
    assert "metadata" not in after
    assert batch.call("PUT", "/jobs/j", shown).status == 200
    assert job_of(batch)["metadata"] == shown["metadata"]
    assert batch.call("PUT", "/jobs/j", {"priority": 1}).values["PropertyName"] == "poolInfo"


NETWORK = {"subnetId": "/subscriptions/s/subnets/n"}


def test_patch_job_changes_each_property_that_can_be_changed(batch: RawBatch):
    """Each alone, the others as they were; the network is kept without effect."""
    batch.make_job("j", constraints={"maxTaskRetryCount": 1}, metadata=[{"name": "a", "value": "b"}])
    changes: dict[str, Any] = {
        "priority": -7, "maxParallelTasks": 3, "allowTaskPreemption": True, "onAllTasksComplete": "noaction",
        "constraints": {"maxWallClockTime": "PT9H", "maxTaskRetryCount": -1}, "metadata": [],
        "networkConfiguration": {**NETWORK, "skipWithdrawFromVNet": True}, "poolInfo": {"poolId": "NOWHERE"},
    }  # fmt: skip
    for name, value in changes.items():
        before = job_of(batch)
        assert batch.call("PATCH", "/jobs/j", {name: value}).status == 200
        after = job_of(batch)
        assert after["eTag"] != before["eTag"]
        expected = {**before, name: value, "eTag": after["eTag"], "lastModified": after["lastModified"]}
        if name == "metadata":
            del expected["metadata"]
        if name == "poolInfo":
            expected["poolInfo"] = before["poolInfo"]
        assert after == expected


@pytest.mark.parametrize(
    ("change", "code", "name"),
    [
        ({"priority": 1001}, "InvalidPropertyValue", "priority"),
        ({"maxParallelTasks": 0}, "InvalidPropertyValue", "maxParallelTasks"),
        ({"maxParallelTasks": -2}, "InvalidPropertyValue", "maxParallelTasks"),
        ({"constraints": {"maxTaskRetryCount": -2}}, "InvalidPropertyValue", "maxTaskRetryCount"),
        ({"constraints": {"maxWallClockTime": "1h"}}, "InvalidPropertyValue", "maxWallClockTime"),
        ({"onAllTasksComplete": "explode"}, "InvalidPropertyValue", "onAllTasksComplete"),
        ({"onAllTasksComplete": "noaction"}, "InvalidPropertyValue", "onAllTasksComplete"),
        ({"metadata": [{"name": "a"}]}, "MissingRequiredProperty", "metadata.value"),
        ({"networkConfiguration": {}}, "MissingRequiredProperty", "networkConfiguration.subnetId"),
        ({"poolInfo": {}}, "InvalidPropertyValue", "poolInfo"),
        ({"poolInfo": {"poolId": "a b"}}, "InvalidPropertyValue", "poolInfo.poolId"),
        ({"poolInfo": {"autoPoolSpecification": AUTO_POOL}}, "InvalidPropertyValue", "autoPoolSpecification"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_change_that_a_job_does_not_allow_is_refused(
    batch: RawBatch, method: str, change: Any, code: str, name: str
):  # fmt: skip
    """terminatejob cannot be turned off again; a PUT that leaves it out would do so. Nothing is changed."""
    batch.make_job("j", onAllTasksComplete="terminatejob")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true"})
    before = job_of(batch)
    whole = {"poolInfo": {"poolId": "nowhere"}, "onAllTasksComplete": "terminatejob"} if method == "PUT" else {}
    answer = batch.call(method, "/jobs/j", {**whole, **change})
    assert (answer.status, answer.code, answer.values["PropertyName"]) == (400, code, name)
    assert job_of(batch) == before
    if method == "PUT":
        answer = batch.call(method, "/jobs/j", {"poolInfo": {"poolId": "nowhere"}})
        assert answer.values["PropertyName"] == "onAllTasksComplete"


def test_patch_that_lets_the_job_end_by_itself_ends_it_when_nothing_is_left(batch: RawBatch):
    batch.make_job("j")
    assert batch.call("PATCH", "/jobs/j", {"onAllTasksComplete": "TerminateJob"}).status == 200
    assert job_of(batch)["executionInfo"]["terminateReason"] == "AllTasksComplete"
    for method, body in (("PATCH", {"priority": 1}), ("PUT", {"poolInfo": {"poolId": "nowhere"}})):
        answer = batch.call(method, "/jobs/j", body)
        assert (answer.status, answer.code) == (409, "JobCompleted")


def test_put_job_resets_each_property_that_can_be_changed(batch: RawBatch):
    """What cannot be changed stays: name, variables, dependencies, the job manager task."""
    fixed = {
        "displayName": "J", "usesTaskDependencies": True, "onTaskFailure": "performexitoptionsjobaction",
        "commonEnvironmentSettings": [{"name": "A", "value": "B"}],
        "jobManagerTask": {"id": "m", "commandLine": "x", "killJobOnCompletion": False},
    }  # fmt: skip
    batch.make_job(
        "j", **fixed, priority=5, maxParallelTasks=2, allowTaskPreemption=True, networkConfiguration=NETWORK,
        constraints={"maxWallClockTime": "PT1H", "maxTaskRetryCount": 2}, metadata=[{"name": "a", "value": "b"}],
    )  # fmt: skip
    before = job_of(batch)
    assert batch.call("PUT", "/jobs/j", {"poolInfo": {"poolId": "nowhere"}, "displayName": "other"}).status == 200
    after = job_of(batch)
    unlimited = {"maxWallClockTime": "P10675199DT2H48M5.4775807S", "maxTaskRetryCount": 0}
    reset = {"priority": 0, "maxParallelTasks": -1, "allowTaskPreemption": False, "constraints": unlimited}
    assert {name: after[name] for name in reset} == reset
    assert not {"metadata", "networkConfiguration"} & after.keys()
    fixed["jobManagerTask"] = before["jobManagerTask"] | {
        "constraints": before["jobManagerTask"]["constraints"] | {"maxTaskRetryCount": 0}
    }
    assert {name: after[name] for name in fixed} == fixed


def test_auto_pool_of_a_job_changes_its_keep_alive_alone(batch: RawBatch):
    """Sent as it was read, but for passwords, in any state; whether the pool is kept counts when the job is over."""
    pool = {**AUTO_POOL["pool"], "userAccounts": [{"name": "u", "password": "p"}], "resizeTimeout": "PT15M"}
    batch.make_job("j", poolInfo={"autoPoolSpecification": {**AUTO_POOL, "pool": pool}})
    read = job_of(batch)
    read["poolInfo"]["autoPoolSpecification"]["pool"]["userAccounts"][0]["password"] = "p"
    assert batch.call("PUT", "/jobs/j", read).status == 200
    same = {**read["poolInfo"]["autoPoolSpecification"], "pool": {**pool, "resizeTimeout": "PT15M0S"}}
    assert batch.call("PATCH", "/jobs/j", {"poolInfo": {"autoPoolSpecification": same}}).status == 200
    other = {**same, "pool": {**pool, "vmSize": "other"}}
    answer = batch.call("PATCH", "/jobs/j", {"poolInfo": {"autoPoolSpecification": other}})
    assert (answer.code, answer.values["PropertyName"]) == ("InvalidPropertyValue", "autoPoolSpecification")
    assert "keepAlive" not in job_of(batch)["poolInfo"]["autoPoolSpecification"]
    batch.call("PATCH", "/jobs/j", {"poolInfo": {"autoPoolSpecification": {**same, "keepAlive": True}}})
    assert job_of(batch)["poolInfo"]["autoPoolSpecification"]["keepAlive"] is True
    batch.call("POST", "/jobs/j/terminate")
    assert [found["id"] for found in batch.call("GET", "/pools").json["value"]] == [read["executionInfo"]["poolId"]]


def test_job_that_leaves_its_auto_pool_lets_it_go(batch: RawBatch):
    batch.make_job("j", poolInfo={"autoPoolSpecification": AUTO_POOL})
    assert batch.call("PATCH", "/jobs/j", {"poolInfo": {"poolId": "p"}}).code == "OperationInvalidForCurrentState"
    batch.call("POST", "/jobs/j/disable", {"disableTasks": "wait"})
    assert batch.call("PATCH", "/jobs/j", {"poolInfo": {"poolId": "p"}}).status == 200
    shown = job_of(batch)
    assert (shown["poolInfo"], shown["executionInfo"]["poolId"]) == ({"poolId": "p"}, "p")
    assert batch.call("GET", "/pools").json["value"] == []


@pytest.mark.parametrize(
    ("version", "element", "value"),
    [
        ("2020-09-01.12.0", "maxParallelTasks", 1), ("2021-06-01.14.0", "allowTaskPreemption", True),
        ("2018-08-01.7.0", "networkConfiguration", NETWORK), ("2024-02-01.19.0", "networkConfiguration", NETWORK),
    ],
)  # fmt: skip
def test_element_that_a_version_does_not_have_is_refused(
    server: RunningServer, batch: RawBatch, version: str, element: str, value: Any
):
    """The network cannot be changed before 2024-07-01.20.0, though it can be given since 2018-12-01.8.0."""
    batch.make_job("j", **{element: value})
    old = RawBatch(server.batch, batch.account, version)
    assert (element in old.call("GET", "/jobs/j").json) is (version > "2024")
    assert old.call("PATCH", "/jobs/j", {element: value}).code == "InvalidRequestBody"
    if version < "2024":
        assert old.call("POST", "/jobs", {"id": "k", "poolInfo": {"poolId": "p"}, element: value}).status == 400
    else:
        old.make_job("k", **{element: value})
        assert old.call("GET", "/jobs/k").json[element] == NETWORK
        withdrawing = {**NETWORK, "skipWithdrawFromVNet": True}
        assert old.call("POST", "/jobs", {"id": "l", "poolInfo": {"poolId": "p"}, element: withdrawing}).status == 400
        assert batch.call("GET", "/jobs/k").json[element] == {**NETWORK, "skipWithdrawFromVNet": False}


def test_job_changes_its_pool_while_it_is_disabled(batch: RawBatch):
    batch.make_job("j", "one")
    answer = batch.call("PATCH", "/jobs/j", {"poolInfo": {"poolId": "two"}})
    assert (answer.status, answer.code) == (409, "OperationInvalidForCurrentState")
    batch.call("POST", "/jobs/j/disable", {"disableTasks": "requeue"})
    assert batch.call("PATCH", "/jobs/j", {"poolInfo": {"poolId": "two"}}).status == 200
    assert job_of(batch)["poolInfo"] == {"poolId": "two"}


def test_disable_and_enable_job(batch: RawBatch):
    """One that is held may be held again; one that is active cannot be enabled."""
    batch.make_job("j")
    assert batch.call("POST", "/jobs/j/disable", {"disableTasks": "Wait"}).status == 202
    shown = job_of(batch)
    assert (shown["state"], shown["previousState"]) == ("disabled", "disabling")
    assert batch.call("POST", "/jobs/j/disable", {"disableTasks": "wait"}).status == 202
    assert job_of(batch)["state"] == "disabled"
    assert batch.call("POST", "/jobs/j/enable").status == 202
    assert job_of(batch)["state"] == "active"
    assert batch.call("POST", "/jobs/j/enable").code == "OperationInvalidForCurrentState"
    assert batch.call("POST", "/jobs/j/disable", {}).code == "MissingRequiredProperty"
    assert batch.call("POST", "/jobs/j/disable", {"disableTasks": "x"}).code == "InvalidPropertyValue"


@pytest.mark.parametrize(("option", "state"), [("requeue", "active"), ("terminate", "completed")])
def test_job_that_lets_its_tasks_through_can_still_end_them(batch: RawBatch, option: str, state: str):
    """Disabling, then disabled: the second request's option is the one that counts."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/sleep 600"})
    batch.wait_task("j", "t", "running")
    batch.call("POST", "/jobs/j/disable", {"disableTasks": "wait"})
    assert job_of(batch)["state"] == "disabling"
    assert batch.call("GET", "/jobs/j/tasks/t").json["state"] == "running"
    assert batch.call("POST", "/jobs/j/disable", {"disableTasks": option}).status == 202
    task = batch.wait_task("j", "t", state)
    assert (task["executionInfo"]["requeueCount"], job_of(batch)["state"]) == (int(state == "active"), "disabled")


def test_terminate_job_keeps_its_active_tasks_active(batch: RawBatch):
    batch.make_job("j")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true"})
    assert batch.call("POST", "/jobs/j/terminate", {"terminateReason": "enough"}).status == 202
    shown = job_of(batch)
    assert (shown["state"], shown["executionInfo"]["terminateReason"]) == ("completed", "enough")
    assert "endTime" in shown["executionInfo"]
    assert batch.call("GET", "/jobs/j/tasks/t").json["state"] == "active"
    assert batch.call("POST", "/jobs/j/terminate").code == "JobCompleted"


@pytest.mark.parametrize("body", [None, {}, {"terminateReason": None}])
def test_terminate_job_without_a_reason_is_the_users(batch: RawBatch, body: Any):
    batch.make_job("j")
    assert batch.call("POST", "/jobs/j/terminate?force=true", body).status == 202
    assert job_of(batch)["executionInfo"]["terminateReason"] == "UserTerminate"


def test_job_over_its_time_is_ended(batch: RawBatch):
    """Counted from its creation; a change of the limit counts from there as well."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/sleep 600"})
    batch.wait_task("j", "t", "running")
    batch.call("PATCH", "/jobs/j", {"constraints": {"maxWallClockTime": "PT0.1S"}})
    info = batch.wait_task("j", "t")["executionInfo"]
    assert (info["result"], info["failureInfo"]["code"]) == ("failure", "TaskEnded")
    shown = job_of(batch)
    assert (shown["state"], shown["executionInfo"]["terminateReason"]) == ("completed", "MaxWallClockTimeExpiry")


def test_forced_end_of_a_job_waits_for_no_node(batch: RawBatch):
    """Terminated and deleted at once, though its task has not ended; a second, forced request hurries a first one."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": STUBBORN})
    batch.wait_stubborn("j", "t", "workitems/j/job-1/t")
    batch.call("POST", "/jobs/j/terminate", {"terminateReason": "enough"})
    shown = job_of(batch)
    assert (shown["state"], shown["executionInfo"].keys()) == ("terminating", {"startTime", "poolId"})
    assert batch.call("POST", "/jobs/j/terminate").code == "JobBeingTerminated"
    assert batch.call("PATCH", "/jobs/j", {"priority": 1}).code == "JobBeingTerminated"
    assert batch.call("POST", "/jobs/j/tasks", {"id": "u", "commandLine": "x"}).code == "JobBeingTerminated"
    assert batch.call("POST", "/jobs/j/terminate?force=true", {"terminateReason": "now"}).status == 202
    shown = job_of(batch)
    assert (shown["state"], shown["executionInfo"]["terminateReason"]) == ("completed", "now")
    batch.wait_task("j", "t")
    assert batch.call("DELETE", "/jobs/j?force=true").status == 202
    assert batch.call("GET", "/jobs/j").code == "JobNotFound"
    assert batch.call("DELETE", "/jobs/j?force=perhaps").code == "InvalidQueryParameterValue"


def test_job_that_is_being_deleted_allows_nothing_else(batch: RawBatch):
    """Until its last run has ended, and with force at once."""
    batch.make_pool("p", targetDedicatedNodes=1)
    prepared = {"jobPreparationTask": {"commandLine": STUBBORN}}
    batch.make_job("j", "p", **prepared)
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true"})
    batch.wait_stubborn("j", "t", "workitems/j/job-1/jobpreparation")
    batch.call("DELETE", "/jobs/j")
    answers = [
        batch.call(method, f"/jobs/j{path}", body)
        for method, path, body in (
            ("PATCH", "", {"priority": 1}), ("DELETE", "", None), ("POST", "/terminate", {}), ("POST", "/enable", None),
            ("POST", "/disable", {"disableTasks": "wait"}), ("POST", "/tasks", {"id": "u", "commandLine": "x"}),
        )
    ]  # fmt: skip
    assert {(answer.status, answer.code) for answer in answers} == {(409, "JobBeingDeleted")}
    assert (job_of(batch)["state"], job_of(batch)["previousState"]) == ("deleting", "active")
    assert batch.call("DELETE", "/jobs/j?force=true").status == 202
    assert batch.call("GET", "/jobs/j").code == "JobNotFound"


def test_delete_job_is_gone_with_its_tasks(batch: RawBatch):
    batch.make_job("j")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true"})
    answer = batch.call("DELETE", "/jobs/j")
    assert answer.status == 202
    assert not {"etag", "location"} & answer.headers.keys()
    deadline = time.monotonic() + 10
    while batch.call("GET", "/jobs/j").status != 404:
        assert time.monotonic() < deadline
    assert batch.call("GET", "/jobs/j/tasks/t").code == "JobNotFound"
    batch.make_job("j")


def test_task_counts_are_nested_since_2020_and_flat_before(server: RunningServer, batch: RawBatch):
    batch.make_job("j")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true", "requiredSlots": 2})
    numbers = {"active": 1, "running": 0, "completed": 0, "succeeded": 0, "failed": 0}
    shown = batch.call("GET", "/jobs/j/taskcounts").json
    assert shown["taskCounts"] == numbers
    assert shown["taskSlotCounts"] == {**numbers, "active": 2}
    old = RawBatch(server.batch, batch.account, "2019-08-01.10.0").call("GET", "/jobs/j/taskcounts").json
    assert {name: old[name] for name in numbers} == numbers
    assert "taskCounts" not in old


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
def test_job_that_is_not_there_is_404(batch: RawBatch, method: str):
    body = {"poolInfo": {"poolId": "p"}} if method in {"PATCH", "PUT"} else None
    answer = batch.call(method, "/jobs/none", body)
    assert (answer.status, answer.code) == (404, "JobNotFound")


# Conditional requests.


def test_read_with_a_known_tag_is_304(batch: RawBatch):
    batch.make_job("j")
    headers = batch.call("GET", "/jobs/j").headers
    for named in (
        {"if_none_match": headers["etag"]},
        {"if_none_match": f'"{headers["etag"]}"'},
        {"if_none_match": "*"},
    ):
        answer = batch.call("GET", "/jobs/j", **named)
        assert (answer.status, answer.body) == (304, b"")
    assert batch.call("GET", "/jobs/j", if_modified_since=headers["last-modified"]).status == 304
    assert batch.call("GET", "/jobs/j", if_none_match='"0x1"').status == 200
    assert batch.call("GET", "/jobs/j", if_match='"0x1"').status == 412


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/jobs/j", {"priority": 1}), ("PUT", "/jobs/j", {"poolInfo": {"poolId": "nowhere"}}),
        ("DELETE", "/jobs/j", None), ("POST", "/jobs/j/disable", {"disableTasks": "requeue"}),
        ("POST", "/jobs/j/terminate", {}), ("PUT", "/jobs/j/tasks/t", {"constraints": {}}),
        ("DELETE", "/jobs/j/tasks/t", None), ("POST", "/jobs/j/tasks/t/terminate", None),
        ("PATCH", "/pools/p", {"metadata": []}), ("DELETE", "/pools/p", None),
        ("POST", "/pools/p/resize", {"targetDedicatedNodes": 0}),
    ],
)  # fmt: skip
def test_write_with_an_unmet_condition_is_412_and_changes_nothing(batch: RawBatch, method: str, path: str, body: Any):
    batch.make_pool("p")
    batch.make_job("j", "nowhere")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true"})
    resource = "/".join(path.split("/")[: 5 if "/tasks/" in path else 3])
    before = batch.call("GET", resource).json
    for named in ({"if_match": '"0x8D1"'}, {"if_unmodified_since": "Mon, 01 Jan 2001 00:00:00 GMT"}):
        answer = batch.call(method, path, body, **named)
        assert (answer.status, answer.code) == (412, "ConditionNotMet")
    assert batch.call("GET", resource).json == before
    assert batch.call(method, path, body, if_match=before["eTag"]).status in {200, 202, 204}


def test_condition_with_a_date_that_is_none_is_refused(batch: RawBatch):
    batch.make_job("j")
    answer = batch.call("GET", "/jobs/j", if_modified_since="yesterday")
    assert (answer.status, answer.code) == (400, "InvalidHeaderValue")
