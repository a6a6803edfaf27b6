"""Pools and nodes on the wire."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Any

import pytest
from tests.faces.azure_batch.raw import MACHINE, RawBatch
from tests.support.server import RunningServer


def pool_of(batch: RawBatch, name: str = "p") -> Any:
    return batch.call("GET", f"/pools/{name}").json


def nodes_of(batch: RawBatch, name: str = "p") -> list[Any]:
    return batch.call("GET", f"/pools/{name}/nodes").json["value"]


def wait_steady(batch: RawBatch, name: str = "p") -> Any:
    deadline = time.monotonic() + 30
    while (shown := pool_of(batch, name))["allocationState"] != "steady":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return shown


def test_add_pool_fills_in_the_defaults(batch: RawBatch):
    pool = {"id": "p", "vmSize": "Standard_D2_v3", "virtualMachineConfiguration": MACHINE}
    answer = batch.call("POST", "/pools", pool)
    assert answer.status == 201
    assert answer.headers["location"].endswith("/pools/p")
    shown = pool_of(batch)
    assert (shown["state"], shown["allocationState"]) == ("active", "steady")
    assert shown["vmSize"] == "standard_d2_v3"
    assert (shown["resizeTimeout"], shown["taskSlotsPerNode"]) == ("PT15M", 1)
    assert shown["taskSchedulingPolicy"] == {"nodeFillType": "spread"}
    assert (shown["enableAutoScale"], shown["enableInterNodeCommunication"]) == (False, False)
    assert [shown[f"{which}Nodes"] for which in ("targetDedicated", "targetLowPriority", "currentDedicated")] == [
        0,
        0,
        0,
    ]
    assert shown["virtualMachineConfiguration"]["imageReference"]["version"] == "latest"


def test_add_pool_keeps_what_a_cloud_alone_has(batch: RawBatch):
    """Disks, users without their passwords, scheduling order: shown as given."""
    batch.make_pool(
        "p", displayName="P", metadata=[{"name": "a", "value": "b"}], taskSlotsPerNode="4",
        taskSchedulingPolicy={"nodeFillType": "Pack", "jobDefaultOrder": "creationtime"},
        userAccounts=[{"name": "u", "password": "secret", "elevationLevel": "admin"}],
        virtualMachineConfiguration={**MACHINE, "dataDisks": [{"lun": 1, "diskSizeGB": 50}]},
    )  # fmt: skip
    shown = pool_of(batch)
    assert shown["taskSchedulingPolicy"] == {"nodeFillType": "pack", "jobDefaultOrder": "creationtime"}
    assert shown["userAccounts"] == [{"name": "u", "elevationLevel": "admin"}]
    assert shown["virtualMachineConfiguration"]["dataDisks"] == [{"lun": 1, "diskSizeGB": 50}]
    assert (shown["taskSlotsPerNode"], shown["displayName"]) == (4, "P")


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"id": None}, "MissingRequiredProperty", "id"),
    ({"id": "a b"}, "InvalidPropertyValue", "id"),
    ({"vmSize": None}, "MissingRequiredProperty", "vmSize"),
    ({"targetDedicatedNodes": -1}, "InvalidPropertyValue", "targetDedicatedNodes"),
    ({"taskSlotsPerNode": 257}, "InvalidPropertyValue", "taskSlotsPerNode"),
    ({"resizeTimeout": "PT1M"}, "InvalidPropertyValue", "resizeTimeout"),
    ({"taskSchedulingPolicy": {"nodeFillType": "heap"}}, "InvalidPropertyValue", "nodeFillType"),
    ({"networkConfiguration": {"subnetId": "/subscriptions/0/s"}}, "InvalidPropertyValue", "subnetId"),
    ({"virtualMachineConfiguration": {**MACHINE, "imageReference": {"virtualMachineImageId": "/x"}}},
     "InvalidPropertyValue", "virtualMachineImageId"),
    ({"virtualMachineConfiguration": {}}, "MissingRequiredProperty", "virtualMachineConfiguration.imageReference"),
    ({"startTask": {}}, "MissingRequiredProperty", "startTask.commandLine"),
    ({"upgradePolicy": {}}, "MissingRequiredProperty", "upgradePolicy.mode"),
    ({"upgradePolicy": {"mode": "never"}}, "InvalidPropertyValue", "mode"),
    ({"metadata": [{"value": "b"}]}, "MissingRequiredProperty", "metadata.name"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("elements", "code", "name"), BAD, ids=[f"{name}-{place}" for place, (_, _, name) in enumerate(BAD)]
)
def test_add_pool_with_a_bad_element_is_refused(batch: RawBatch, elements: dict[str, Any], code: str, name: str):
    pool = {"id": "p", "vmSize": "s", "virtualMachineConfiguration": MACHINE, **elements}
    answer = batch.call("POST", "/pools", pool)
    assert (answer.status, answer.code) == (400, code)
    assert answer.values["PropertyName"] == name
    assert batch.call("GET", "/pools").json["value"] == []


def test_add_pool_that_is_there_is_refused(batch: RawBatch):
    batch.make_pool("p")
    answer = batch.call("POST", "/pools", {"id": "P", "vmSize": "s", "virtualMachineConfiguration": MACHINE})
    assert (answer.status, answer.code) == (409, "PoolExists")


def test_pool_exists_is_200_or_404(batch: RawBatch):
    batch.make_pool("p")
    assert batch.call("HEAD", "/pools/p").status == 200
    assert batch.call("HEAD", "/pools/q").status == 404


def test_old_versions_have_their_own_names(server: RunningServer, batch: RawBatch):
    """maxTasksPerNode until 2020, targetDedicated in the oldest."""
    old = RawBatch(server.batch, batch.account, "2017-01-01.4.0")
    pool = {"id": "p", "vmSize": "s", "maxTasksPerNode": 3, "targetDedicated": 0}
    assert old.call("POST", "/pools", pool).status == 201
    assert old.call("GET", "/pools/p").json["maxTasksPerNode"] == 3
    assert old.call("GET", "/pools/p").json["targetDedicated"] == 0
    assert pool_of(batch)["taskSlotsPerNode"] == 3
    assert batch.call("POST", "/pools", {**pool, "id": "q"}).code == "InvalidRequestBody"


def test_patch_pool_replaces_what_it_names(batch: RawBatch):
    batch.make_pool("p", metadata=[{"name": "a", "value": "b"}], displayName="P")
    change = {"metadata": [{"name": "c", "value": "d"}], "taskSlotsPerNode": 2}
    assert batch.call("PATCH", "/pools/p", change).status == 200
    shown = pool_of(batch)
    assert shown["metadata"] == [{"name": "c", "value": "d"}]
    assert (shown["displayName"], shown["taskSlotsPerNode"]) == ("P", 2)


WHILE_EMPTY: dict[str, Any] = {
    "displayName": "Q", "vmSize": "standard_d4_v3", "enableInterNodeCommunication": True,
    "virtualMachineConfiguration": {**MACHINE, "licenseType": "x"}, "taskSlotsPerNode": 2,
    "taskSchedulingPolicy": {"nodeFillType": "pack"}, "networkConfiguration": {"dynamicVNetAssignmentScope": "none"},
    "userAccounts": [{"name": "u", "password": "x"}], "mountConfiguration": [], "upgradePolicy": {"mode": "manual"},
}  # fmt: skip
ALWAYS: dict[str, Any] = {
    "startTask": {"commandLine": "/bin/true"}, "metadata": [{"name": "a", "value": "b"}],
    "applicationPackageReferences": [],
}  # fmt: skip


def test_patch_pool_changes_most_of_a_pool_that_is_empty_alone(batch: RawBatch):
    """Each by itself; what may be changed at any time is changed of a pool with nodes too."""
    batch.make_pool("empty")
    batch.make_pool("p", targetDedicatedNodes=1)
    before = pool_of(batch)
    for name, value in WHILE_EMPTY.items():
        answer = batch.call("PATCH", "/pools/p", {name: value})
        assert (answer.status, answer.code) == (409, "OperationInvalidForCurrentState"), name
        assert name in answer.values["Reason"]
        assert batch.call("PATCH", "/pools/empty", {name: value}).status == 200, name
    assert pool_of(batch) == before
    shown = pool_of(batch, "empty")
    assert {name: shown[name] for name in ("displayName", "vmSize", "taskSlotsPerNode", "upgradePolicy")} == {
        name: WHILE_EMPTY[name] for name in ("displayName", "vmSize", "taskSlotsPerNode", "upgradePolicy")
    }
    for name, value in ALWAYS.items():
        assert batch.call("PATCH", "/pools/p", {name: value}).status == 200, name
    assert pool_of(batch)["eTag"] != before["eTag"]


def test_patch_pool_changes_less_in_older_versions(server: RunningServer, batch: RawBatch):
    batch.make_pool("p")
    old = RawBatch(server.batch, batch.account, "2024-02-01.19.0")
    assert old.call("PATCH", "/pools/p", {"displayName": "Q"}).code == "InvalidRequestBody"
    assert old.call("PATCH", "/pools/p", ALWAYS).status == 200


def test_pool_that_is_deleted_is_not_changed(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/sh -c 'trap \"\" TERM; echo on; sleep 600'"})
    batch.wait_task("j", "t", "running")
    deadline = time.monotonic() + 30
    while batch.call("GET", "/jobs/j/tasks/t/files/stdout.txt").body != b"on\n":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert batch.call("DELETE", "/pools/p").status == 202
    replacement = {"applicationPackageReferences": [], "metadata": []}
    for method, target, body in (
        ("PATCH", "/pools/p", ALWAYS), ("POST", "/pools/p/updateproperties", replacement),
        ("POST", "/pools/p/resize", {"targetDedicatedNodes": 2}), ("POST", "/pools/p/stopresize", None),
        ("DELETE", "/pools/p", None),
    ):  # fmt: skip
        answer = batch.call(method, target, body)
        assert (answer.status, answer.code) == (409, "PoolBeingDeleted"), target


def test_update_properties_removes_a_start_task_that_it_leaves_out(batch: RawBatch):
    batch.make_pool("p", startTask={"commandLine": "/bin/true"})
    assert pool_of(batch)["startTask"]["waitForSuccess"] is True
    body = {"applicationPackageReferences": [], "metadata": []}
    assert batch.call("POST", "/pools/p/updateproperties", body).status == 204
    assert "startTask" not in pool_of(batch)
    assert batch.call("POST", "/pools/p/updateproperties", {"metadata": []}).code == "MissingRequiredProperty"


def test_resize_brings_and_takes_nodes(batch: RawBatch):
    batch.make_pool("p")
    body = {"targetDedicatedNodes": 2, "targetLowPriorityNodes": 1}
    answer = batch.call("POST", "/pools/p/resize", body)
    assert answer.status == 202
    assert answer.headers["dataserviceid"].endswith("/pools/p/resize")
    shown = wait_steady(batch)
    assert (shown["currentDedicatedNodes"], shown["currentLowPriorityNodes"]) == (2, 1)
    counts = batch.call("GET", "/nodecounts").json["value"]
    assert [(one["poolId"], one["dedicated"]["idle"], one["lowPriority"]["total"]) for one in counts] == [("p", 2, 1)]
    batch.call("POST", "/pools/p/resize", {"targetDedicatedNodes": 0, "nodeDeallocationOption": "TaskCompletion"})
    assert wait_steady(batch)["currentDedicatedNodes"] == 0
    assert [node["isDedicated"] for node in nodes_of(batch)] == [False]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MissingRequiredProperty"), ({"targetDedicatedNodes": -1}, "InvalidPropertyValue"),
        ({"targetDedicatedNodes": 0, "nodeDeallocationOption": "x"}, "InvalidPropertyValue"),
        ({"targetDedicatedNodes": "x"}, "InvalidRequestBody"),
    ],
)  # fmt: skip
def test_resize_that_is_none_is_refused(batch: RawBatch, body: Any, code: str):
    batch.make_pool("p")
    answer = batch.call("POST", "/pools/p/resize", body)
    assert (answer.status, answer.code) == (400, code)


def test_remove_nodes_takes_these_and_lowers_the_target(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=3)
    first, second, third = [node["id"] for node in nodes_of(batch)]
    assert batch.call("POST", "/pools/p/removenodes", {"nodeList": [first, third]}).status == 202
    shown = wait_steady(batch)
    assert (shown["targetDedicatedNodes"], shown["currentDedicatedNodes"]) == (1, 1)
    assert [node["id"] for node in nodes_of(batch)] == [second]
    assert batch.call("POST", "/pools/p/removenodes", {"nodeList": [first]}).code == "NodeNotFound"
    assert batch.call("POST", "/pools/p/removenodes", {"nodeList": []}).code == "MissingRequiredProperty"


def test_stop_resize_leaves_a_steady_pool_as_it_is(batch: RawBatch):
    """Nodes of this machine are there so soon that a client that stops a resize may come too late."""
    batch.make_pool("p")
    assert batch.call("POST", "/pools/p/resize", {"targetDedicatedNodes": 1}).status == 202
    assert batch.call("POST", "/pools/p/stopresize").status == 202
    assert wait_steady(batch)["targetDedicatedNodes"] == 1


def test_delete_pool_is_gone_and_its_jobs_stay(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    assert batch.call("DELETE", "/pools/p").status == 202
    deadline = time.monotonic() + 10
    while batch.call("GET", "/pools/p").status != 404:
        assert time.monotonic() < deadline
    assert batch.call("DELETE", "/pools/p").code == "PoolNotFound"
    assert batch.call("GET", "/jobs/j").status == 200


def test_nodes_show_what_they_are(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    (node,) = nodes_of(batch)
    assert batch.call("GET", f"/pools/p/nodes/{node['id']}").json.items() >= node.items()
    assert (node["state"], node["schedulingState"], node["isDedicated"]) == ("idle", "enabled", True)
    assert node["affinityId"] == f"TVM:{node['id']}"
    assert node["nodeAgentInfo"]["version"]
    assert batch.call("GET", "/pools/p/nodes/none").code == "NodeNotFound"
    assert batch.call("GET", "/pools/q/nodes").code == "PoolNotFound"


def test_nodes_have_an_address_each(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=2)
    addresses = [ip_address(node["ipAddress"]) for node in nodes_of(batch)]
    assert len(set(addresses)) == 2
    assert all(each.is_loopback for each in addresses)


def test_node_out_of_scheduling_is_offline(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    (node,) = nodes_of(batch)
    path = f"/pools/p/nodes/{node['id']}"
    assert batch.call("POST", f"{path}/disablescheduling", {"nodeDisableSchedulingOption": "terminate"}).status == 200
    shown = batch.call("GET", path).json
    assert (shown["state"], shown["schedulingState"]) == ("offline", "disabled")
    assert batch.call("GET", "/nodecounts").json["value"][0]["dedicated"]["offline"] == 1
    answer = batch.call("POST", f"{path}/disablescheduling")
    assert (answer.status, answer.code) == (409, "NodeAlreadyInTargetSchedulingState")
    assert batch.call("POST", f"{path}/enablescheduling").status == 200
    assert batch.call("GET", path).json["state"] == "idle"


def test_start_task_in_a_container_on_a_pool_without_containers_fails(batch: RawBatch):
    start = {"commandLine": "/bin/true", "containerSettings": {"imageName": "busybox"}}
    batch.make_pool("p", targetDedicatedNodes=1, startTask=start)
    deadline = time.monotonic() + 30
    while (node := nodes_of(batch)[0])["state"] == "waitingforstarttask":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert node["state"] == "starttaskfailed"
    assert node["startTaskInfo"]["failureInfo"]["code"] == "ContainerPoolNotSupported"


def test_node_shows_its_recent_tasks(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    for name in ("a", "b"):
        batch.call("POST", "/jobs/j/tasks", {"id": name, "commandLine": "/bin/true"})
        batch.wait_task("j", name)
    (node,) = nodes_of(batch)
    assert [task["taskId"] for task in node["recentTasks"]] == ["b", "a"]
    assert node["recentTasks"][0]["executionInfo"]["exitCode"] == 0
    assert (node["totalTasksRun"], node["totalTasksSucceeded"], node["runningTasksCount"]) == (2, 2, 0)
