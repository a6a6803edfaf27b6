"""Every api-version: one scenario in its own words, each answer held against its description; and each reads all."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from tests.faces.azure_batch.raw import MACHINE, Answer, RawBatch
from tests.support.server import RunningServer

from linarite.faces.azure_batch import versions

ALL = sorted(versions.KNOWN)
OLDEST, NEWEST = ALL[0], ALL[-1]
SECURITY = {"securityType": "trustedLaunch", "encryptionAtHost": False, "uefiSettings": {"secureBootEnabled": True}}
SERVICE = {"cloudServiceConfiguration": {"osFamily": "4"}}


@pytest.fixture(params=ALL)
def old(request: pytest.FixtureRequest, server: RunningServer, account: str) -> RawBatch:
    """The account, spoken to in one of the versions."""
    return RawBatch(server.batch, account, request.param)


def pool_of(version: str) -> dict[str, Any]:
    """A pool of two slots in the words of a version."""
    slots = "taskSlotsPerNode" if version >= versions.TASK_SLOTS else "maxTasksPerNode"
    nodes = "targetDedicatedNodes" if version >= versions.TWO_KINDS_OF_NODES else "targetDedicated"
    return {"id": "p", "vmSize": "standard_d2_v3", "virtualMachineConfiguration": MACHINE, slots: 2, nodes: 1}


def wait(batch: RawBatch, target: str, name: str, value: str) -> Any:
    deadline = time.monotonic() + 30
    while (found := batch.call("GET", target).json)[name] != value:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def test_scenario_in_the_words_of_the_version(old: RawBatch):
    """Pool, job, tasks, counts, nodes, files: all by the version's own names."""
    version, given = old.version, pool_of(old.version)
    assert old.call("POST", "/pools", given).status == 201
    pool = wait(old, "/pools/p", "allocationState", "steady")
    assert {name: pool[name] for name in given if name != "virtualMachineConfiguration"} == {
        name: value for name, value in given.items() if name != "virtualMachineConfiguration"
    }
    job = {"id": "j", "poolInfo": {"poolId": "p"}, "usesTaskDependencies": True}
    assert old.call("POST", "/jobs", job).status == 201
    source = "httpUrl" if version >= versions.HTTP_URLS else "blobSource"
    before = "preProcessingError" if version >= versions.TWO_KINDS_OF_NODES else "schedulingError"
    lost = {
        "id": "lost", "commandLine": "/bin/true", "resourceFiles": [{source: "http://127.0.0.1:1/f", "filePath": "f"}],
        "exitConditions": {before: {"dependencyAction": "satisfy"}},
    }  # fmt: skip
    fails = {"id": "fails", "commandLine": "/bin/sh -c 'echo out; exit 3'"}
    nothing = {"id": "nothing", "commandLine": "/no/such/program", "exitConditions": lost["exitConditions"]}
    then = {"id": "then", "commandLine": "/bin/true", "dependsOn": {"taskIds": ["nothing"]}}
    assert old.call("POST", "/jobs/j/tasks", fails).status == 201
    added = old.call(
        "POST", "/jobs/j/addtaskcollection", {"value": [nothing, then, {"id": "fails", "commandLine": "x"}]}
    )
    assert sorted(one["status"] for one in added.json["value"]) == ["clienterror", "success", "success"]
    done = wait(old, "/jobs/j/tasks/fails", "state", "completed")
    failure = wait(old, "/jobs/j/tasks/nothing", "state", "completed")["executionInfo"]
    wait(old, "/jobs/j/tasks/then", "state", "completed")
    if version >= versions.TWO_KINDS_OF_NODES:
        assert (done["executionInfo"]["result"], failure["failureInfo"]["code"]) == (
            "failure",
            "CommandProgramNotFound",
        )
    else:
        assert "schedulingError" not in done["executionInfo"], "the command line ran"
        assert failure["schedulingError"]["code"] == "CommandProgramNotFound"
    assert len(old.call("GET", "/jobs/j/tasks").json["value"]) == 3
    counts(old)
    nodes(old)
    files(old)
    lists(old)


def counts(old: RawBatch) -> None:
    answer = old.call("GET", "/jobs/j/taskcounts")
    if old.version < versions.TASK_COUNTS:
        assert answer.status == 404
        return
    numbers = answer.json["taskCounts"] if old.version >= versions.TASK_SLOTS else answer.json
    assert (numbers["completed"], numbers["failed"], numbers["succeeded"]) == (3, 2, 1)
    has_validation = versions.TASK_COUNTS <= old.version < versions.NODE_AGENT
    assert answer.json.get("validationStatus") == ("validated" if has_validation else None)
    if old.version >= versions.NODE_COUNTS:
        assert old.call("GET", "/nodecounts").json["value"][0]["dedicated"]["total"] == 1


def nodes(old: RawBatch) -> None:
    (node,) = old.call("GET", "/pools/p/nodes").json["value"]
    assert ("isDedicated" in node) is (old.version >= versions.TWO_KINDS_OF_NODES)
    place = f"/pools/p/nodes/{node['id']}"
    assert old.call("GET", place).json["recentTasks"]
    assert old.call("POST", f"{place}/disablescheduling", {}).status == 200
    assert old.call("POST", f"{place}/enablescheduling").status == 200
    assert old.call("GET", f"{place}/files").json["value"]
    rdp = old.call("GET", f"{place}/rdp")
    known = old.version < versions.LONG_AS_TEXT
    assert (rdp.status, rdp.code) == ((409, "OperationNotValidOnNode") if known else (404, "ResourceNotFound"))


def files(old: RawBatch) -> None:
    (file,) = [one for one in old.call("GET", "/jobs/j/tasks/fails/files").json["value"] if one["name"] == "stdout.txt"]
    assert file["properties"]["contentLength"] == ("4" if old.version >= versions.LONG_AS_TEXT else 4)
    assert old.call("GET", "/jobs/j/tasks/fails/files/stdout.txt").body == b"out\n"


def lists(old: RawBatch) -> None:
    """Images, or what came before them; $select by the version's own names."""
    name, other = "supportedimages", "nodeagentskus"
    if old.version < versions.SUPPORTED_IMAGES:
        name, other = other, name
    assert old.call("GET", f"/{name}").json["value"]
    assert old.call("GET", f"/{other}").status == 404
    slots = "taskSlotsPerNode" if old.version >= versions.TASK_SLOTS else "maxTasksPerNode"
    (pool,) = old.call("GET", f"/pools?$select=id,{slots}").json["value"]
    assert pool == {"id": "p", slots: 2}


@pytest.fixture(scope="module")
def whole(server: RunningServer) -> str:
    """An account with everything that any version can say."""
    account = f"w{uuid.uuid4().hex[:20]}"
    new, middle, first = (RawBatch(server.batch, account, version) for version in (NEWEST, "2024-02-01.19.0", OLDEST))
    source = [{"httpUrl": "http://127.0.0.1:1/f", "filePath": "f", "identityReference": {"resourceId": "x"}}]
    container = {
        "imageName": "i",
        "workingDirectory": "taskWorkingDirectory",
        "registry": {"registryServer": "r", "username": "u"},
    }
    start = {"commandLine": "/bin/true", "resourceFiles": source, "waitForSuccess": False}
    machine = {
        **MACHINE, "dataDisks": [{"lun": 0, "diskSizeGB": 1}],
        "nodePlacementConfiguration": {"policy": "regional"}, "securityProfile": SECURITY,
    }  # fmt: skip
    many = {
        "id": "new", "virtualMachineConfiguration": machine, "startTask": start, "upgradePolicy": {"mode": "manual"},
        "taskSchedulingPolicy": {"nodeFillType": "spread", "jobDefaultOrder": "none"}, "taskSlotsPerNode": 2,
    }  # fmt: skip
    ok(new.call("POST", "/pools", {"vmSize": "x", **many}))
    tags = {"resourceTags": {"a": "b"}, "targetNodeCommunicationMode": "Classic"}
    ok(middle.call("POST", "/pools", {"vmSize": "x", "id": "tagged", "virtualMachineConfiguration": MACHINE, **tags}))
    ok(first.call("POST", "/pools", {"vmSize": "x", "id": "service", "maxTasksPerNode": 2, **SERVICE}))
    token = {"authenticationTokenSettings": {"access": ["job"]}}
    old_source = [{"blobSource": "http://127.0.0.1:1/f", "filePath": "f"}]
    manager = {"id": "m", "commandLine": "x", "resourceFiles": old_source, **token}
    pool = {"vmSize": "x", "targetDedicated": 0, "maxTasksPerNode": 2, **SERVICE}
    automatic = {"poolLifetimeOption": "job", "pool": pool}
    prepared = {"jobPreparationTask": {"commandLine": "x", "resourceFiles": old_source}, "jobManagerTask": manager}
    ok(first.call("POST", "/jobs", {"id": "first", "poolInfo": {"autoPoolSpecification": automatic}, **prepared}))
    to = {"containerUrl": "http://127.0.0.1:1/c", "uploadHeaders": [{"name": "x-ms-a", "value": "b"}]}
    upload = {"uploadOptions": {"uploadCondition": "taskfailure"}, "destination": {"container": to}}
    parallel = {"maxParallelTasks": 3, "allowTaskPreemption": True, "usesTaskDependencies": True}
    ok(new.call("POST", "/jobs", {"id": "new", "poolInfo": {"poolId": "none"}, **parallel}))
    satisfied = {"dependencyAction": "satisfy"}
    task = {
        "id": "t", "commandLine": "x", "containerSettings": container, "resourceFiles": source, "requiredSlots": 2,
        "outputFiles": [{"filePattern": "*", **upload}],
        "exitConditions": {"preProcessingError": satisfied, "fileUploadError": satisfied},
    }  # fmt: skip
    ok(new.call("POST", "/jobs/new/tasks", task))
    ok(first.call("POST", "/jobs/new/tasks", {"id": "u", "commandLine": "x", "resourceFiles": old_source, **token}))
    shared = {"autoPoolSpecification": {**automatic, "poolLifetimeOption": "jobschedule"}}
    jobs = {"jobSpecification": {"poolInfo": shared, "jobManagerTask": manager}}
    ok(first.call("POST", "/jobschedules", {"id": "s", "schedule": {"doNotRunUntil": "2990-01-01T00:00:00Z"}, **jobs}))
    return account


def ok(answer: Answer) -> None:
    assert answer.status == 201, answer.body


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("target", ["/pools", "/jobs", "/jobs/new/tasks", "/jobs/first/tasks", "/jobschedules"])
def test_each_version_reads_what_any_other_wrote(whole: str, server: RunningServer, version: str, target: str):
    """In its own words, without what it does not have; the raw client holds each answer against the description."""
    batch = RawBatch(server.batch, whole, version)
    found = batch.call("GET", target).json["value"]
    assert found
    for one in found:
        assert batch.call("GET", f"{target}/{one['id']}").json["id"] == one["id"]


def test_cloud_service_is_shown_by_each_version_in_its_way(whole: str, server: RunningServer):
    def service(version: str) -> Any:
        return (
            RawBatch(server.batch, whole, version).call("GET", "/pools/service").json.get("cloudServiceConfiguration")
        )

    assert service(OLDEST) == {"osFamily": "4", "targetOSVersion": "*", "currentOSVersion": "*"}
    assert service("2018-12-01.8.0") == {"osFamily": "4", "osVersion": "*"}
    assert service("2024-07-01.20.0") is None


def test_communication_mode_is_of_two_years(whole: str, server: RunningServer):
    def modes(pool: str, version: str) -> Any:
        shown = RawBatch(server.batch, whole, version).call("GET", f"/pools/{pool}").json
        return shown.get("targetNodeCommunicationMode"), shown.get("currentNodeCommunicationMode")

    assert modes("tagged", "2022-10-01.16.0") == ("classic", "classic")
    assert modes("new", "2024-07-01.20.0") == ("default", "simplified")
    assert modes("tagged", NEWEST) == modes("tagged", "2022-01-01.15.0") == (None, None)


@pytest.fixture
def oldest(server: RunningServer, account: str) -> RawBatch:
    return RawBatch(server.batch, account, OLDEST)


@pytest.mark.operation("Pool_UpgradeOS")
def test_upgrade_os_of_a_cloud_service(oldest: RawBatch):
    ok(oldest.call("POST", "/pools", {"id": "p", "vmSize": "small", **SERVICE}))
    answer = oldest.call("POST", "/pools/p/upgradeos", {"targetOSVersion": "WA-GUEST-OS-4.45_201708-01"})
    assert answer.status == 202
    shown = oldest.call("GET", "/pools/p").json["cloudServiceConfiguration"]
    assert shown["targetOSVersion"] == shown["currentOSVersion"] == "WA-GUEST-OS-4.45_201708-01"


@pytest.mark.operation("Pool_UpgradeOS")
@pytest.mark.parametrize(
    ("pool", "body", "code"),
    [
        (SERVICE, {}, "MissingRequiredProperty"),
        (SERVICE, {"targetOSVersion": "*"}, "PoolVersionEqualsUpgradeVersion"),
        (SERVICE, {"targetOSVersion": "WA-GUEST-OS-5.1_201708-01"}, "OSVersionNotFound"),
        (SERVICE, {"targetOSVersion": "ubuntu"}, "OSVersionNotFound"),
        ({"virtualMachineConfiguration": MACHINE}, {"targetOSVersion": "*"}, "PoolNotEligibleForOSVersionUpgrade"),
    ],
)
def test_upgrade_os_that_cannot_be(oldest: RawBatch, pool: Any, body: Any, code: str):
    ok(oldest.call("POST", "/pools", {"id": "p", "vmSize": "small", **pool}))
    before = oldest.call("GET", "/pools/p").json
    answer = oldest.call("POST", "/pools/p/upgradeos", body)
    assert (answer.status, answer.code) == (400, code)
    assert oldest.call("GET", "/pools/p").json == before


@pytest.mark.operation("Account_ListNodeAgentSkus")
def test_list_node_agent_skus(oldest: RawBatch):
    found = oldest.call("GET", "/nodeagentskus").json["value"]
    assert len({one["id"] for one in found}) == len(found) > 2
    assert all(one["verifiedImageReferences"] for one in found)
    first = oldest.call("GET", "/nodeagentskus?maxresults=1").json
    assert (first["value"], "odata.nextLink" in first) == (found[:1], True)
    assert oldest.call("GET", "/nodeagentskus?$filter=osType eq 'windows'".replace(" ", "%20")).json["value"] == []


@pytest.mark.operation("ComputeNode_GetRemoteDesktop")
def test_remote_desktop_of_no_node(oldest: RawBatch):
    oldest.make_pool("p")
    answer = oldest.call("GET", "/pools/p/nodes/none/rdp")
    assert (answer.status, answer.code) == (404, "NodeNotFound")


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        ({"cloudServiceConfiguration": {}}, "MissingRequiredProperty"),
        ({**SERVICE, "virtualMachineConfiguration": MACHINE}, "InvalidPropertyValue"),
    ],
)
def test_pool_of_a_cloud_service_that_is_none(oldest: RawBatch, configuration: Any, code: str):
    answer = oldest.call("POST", "/pools", {"id": "p", "vmSize": "small", **configuration})
    assert (answer.status, answer.code) == (400, code)
