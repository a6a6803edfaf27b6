"""Multi-instance tasks on the wire: their element in each version, their subtasks, their nodes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.support.server import RunningServer

OLDEST, BEFORE, SINCE = "2017-01-01.4.0", "2017-06-01.5.1", "2017-09-01.6.0"
SETTINGS = {"numberOfInstances": 3, "coordinationCommandLine": "/bin/echo ready"}


def add(batch: RawBatch, settings: dict[str, Any], **elements: Any) -> Any:
    task = {"id": "t", "commandLine": "/bin/true", "multiInstanceSettings": settings, **elements}
    return batch.call("POST", "/jobs/j/tasks", task)


@pytest.fixture
def done(batch: RawBatch) -> RawBatch:
    """An account with a task `t` that ran on three nodes."""
    batch.make_pool("p", targetDedicatedNodes=3, enableInterNodeCommunication=True)
    batch.make_job("j", "p")
    assert add(batch, SETTINGS).status == 201
    batch.wait_task("j", "t")
    return batch


def test_subtasks_have_the_whole_shape(done: RawBatch):
    task = done.call("GET", "/jobs/j/tasks/t").json
    value = done.call("GET", "/jobs/j/tasks/t/subtasksinfo").json["value"]
    assert [one["id"] for one in value] == [1, 2]
    for one in value:
        node = one["nodeInfo"]
        url = f"{done.call('GET', '/pools/p').json['url']}/nodes/{node['nodeId']}"
        root = f"workitems/j/job-1/t/{one['id']}"
        assert node == {
            "affinityId": f"TVM:{node['nodeId']}", "nodeUrl": url, "poolId": "p", "nodeId": node["nodeId"],
            "taskRootDirectory": root, "taskRootDirectoryUrl": f"{url}/files/{root}",
        }  # fmt: skip
        assert node["nodeId"] != task["nodeInfo"]["nodeId"]
        assert one.keys() == {
            "id", "nodeInfo", "startTime", "endTime", "exitCode", "result", "state", "stateTransitionTime",
            "previousState", "previousStateTransitionTime",
        }  # fmt: skip
        assert (one["state"], one["exitCode"], one["result"], one["previousState"]) == (
            "completed", 0, "success", "running",
        )  # fmt: skip
        assert one["endTime"] == one["stateTransitionTime"] >= one["previousStateTransitionTime"] == one["startTime"]
        assert done.call("GET", f"/pools/p/nodes/{node['nodeId']}/files/{root}/stdout.txt").body == b"ready\n"


def test_subtasks_are_selected_from(done: RawBatch):
    value = done.call("GET", "/jobs/j/tasks/t/subtasksinfo?$select=id,exitCode").json["value"]
    assert value == [{"id": 1, "exitCode": 0}, {"id": 2, "exitCode": 0}]
    answer = done.call("GET", "/jobs/j/tasks/t/subtasksinfo?$select=colour")
    assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue")


def test_subtasks_of_what_is_not_there_are_refused(done: RawBatch):
    assert done.call("GET", "/jobs/j/tasks/none/subtasksinfo").code == "TaskNotFound"
    assert done.call("GET", "/jobs/none/tasks/t/subtasksinfo").code == "JobNotFound"
    assert done.call("DELETE", "/jobs/j/tasks/t").status == 200
    assert done.call("GET", "/jobs/j/tasks/t/subtasksinfo").code == "TaskNotFound"


def test_subtasks_of_the_oldest_version_know_no_result(done: RawBatch, server: RunningServer):
    old = RawBatch(server.batch, done.account, OLDEST)
    first, _ = old.call("GET", "/jobs/j/tasks/t/subtasksinfo").json["value"]
    assert (first["exitCode"], "result" in first) == (0, False)


def test_nodes_tell_which_subtask_ran_there(done: RawBatch):
    own = done.call("GET", "/jobs/j/tasks/t").json["nodeInfo"]["nodeId"]
    nodes = {node["id"]: node for node in done.call("GET", "/pools/p/nodes").json["value"]}
    assert nodes[own]["recentTasks"][0]["subtaskId"] == 0
    others = [node["recentTasks"][0] for name, node in nodes.items() if name != own]
    assert sorted(one["subtaskId"] for one in others) == [1, 2]
    assert {(one["taskId"], one["taskState"], one["executionInfo"]["exitCode"]) for one in others} == {
        ("t", "completed", 0)
    }
    assert all(node["runningTasksCount"] == 0 and node["totalTasksRun"] == 1 for node in nodes.values())


def test_settings_are_shown_as_they_were_given(batch: RawBatch):
    batch.make_job("j")
    container = {"storageContainerUrl": "https://x/c?sig=1", "blobPrefix": "a/", "filePath": "b"}
    file = {"httpUrl": "http://127.0.0.1:1/a", "filePath": "a", "fileMode": "0755"}
    settings = {**SETTINGS, "commonResourceFiles": [file, container]}
    assert add(batch, settings, requiredSlots=1).status == 201
    shown = batch.call("GET", "/jobs/j/tasks/t").json
    assert (shown["multiInstanceSettings"], shown["state"]) == (settings, "active")


def test_number_of_instances_is_one_unless_it_is_said(batch: RawBatch):
    batch.make_job("j")
    add(batch, {"coordinationCommandLine": "/bin/true"})
    shown = batch.call("GET", "/jobs/j/tasks/t").json["multiInstanceSettings"]
    assert shown == {"numberOfInstances": 1, "coordinationCommandLine": "/bin/true"}


@pytest.mark.parametrize(
    ("version", "settings", "missing"),
    [
        (OLDEST, {"coordinationCommandLine": "x"}, "numberOfInstances"),
        (BEFORE, {"coordinationCommandLine": "x"}, "numberOfInstances"),
        (SINCE, {"numberOfInstances": 2}, "coordinationCommandLine"),
    ],
)
def test_what_is_required_changed_with_the_versions(server: RunningServer, account: str, version: str, settings: Any,
                                                    missing: str):  # fmt: skip
    """Source: MultiInstanceSettings in the descriptions of 2017-06-01.5.1 and 2017-09-01.6.0."""
    batch = RawBatch(server.batch, account, version)
    RawBatch(server.batch, account).make_job("j")
    answer = add(batch, settings)
    assert (answer.status, answer.code, answer.values["PropertyName"]) == (400, "MissingRequiredProperty", missing)
    both = {"numberOfInstances": 2, "coordinationCommandLine": "x"}
    assert add(batch, both).status == 201


def test_common_files_have_the_names_of_their_version(server: RunningServer, account: str):
    old, new = RawBatch(server.batch, account, OLDEST), RawBatch(server.batch, account)
    new.make_job("j")
    file = {"blobSource": "http://127.0.0.1:1/a", "filePath": "a"}
    assert add(old, {**SETTINGS, "commonResourceFiles": [file]}).status == 201
    assert old.call("GET", "/jobs/j/tasks/t").json["multiInstanceSettings"]["commonResourceFiles"] == [file]
    shown = new.call("GET", "/jobs/j/tasks/t").json["multiInstanceSettings"]["commonResourceFiles"]
    assert shown == [{"httpUrl": "http://127.0.0.1:1/a", "filePath": "a"}]
