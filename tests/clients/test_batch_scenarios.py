"""The same scenarios through every client of Azure Batch: what their users do all day, and what they are told."""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jwt
import pytest
from tests.clients.drivers import CLIENTS, Driver, Refused, driver
from tests.support.left_out import leave_out
from tests.support.proxy import checking
from tests.support.server import DEVELOPMENT_KEY, RunningServer

pytestmark = pytest.mark.timeout(900)  # a client may have to be installed first

MACHINE = {
    "imageReference": {"publisher": "canonical", "offer": "ubuntu", "sku": "22_04-lts", "version": "latest"},
    "nodeAgentSKUId": "batch.node.ubuntu 22.04",
}
HELLO = "/bin/sh -c 'echo hello from $AZ_BATCH_TASK_ID; echo beside >&2; echo kept > kept.txt'"


CLIENTS_BY_VERSION = {"@azure/batch 10": "2022-10-01.16.0", "azure-batch 15": "2025-06-01"}
"""What each speaks; the others 2024-02-01.19.0."""


@contextmanager
def checked(name: str, url: str, account: str, home: Path, **options: str) -> Iterator[Driver]:
    """A client whose every answer is held against the description of the api-version that it speaks."""
    if name.startswith("@") and not shutil.which("npm"):
        leave_out("the JavaScript client needs npm and node")
    with checking(url) as proxy, driver(name, proxy.url, account, home, **options) as client:
        yield client
        proxy.check()
        assert proxy.versions == {CLIENTS_BY_VERSION.get(name.removesuffix(" async"), "2024-02-01.19.0")}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, server: RunningServer, account: str, tmp_path: Path) -> Iterator[Driver]:
    with checked(request.param, server.batch, account, tmp_path) as client:
        yield client


def until(seen: Callable[[], Any], wanted: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while (found := seen()) != wanted:
        assert time.monotonic() < deadline, f"{found!r} does not become {wanted!r}"
        time.sleep(0.05)


def gone(client: Driver, kind: str, id: str) -> bool:
    try:
        client.get(kind, id)
    except Refused as refused:
        return refused.status in {404, None}
    return False


def make_pool(client: Driver, nodes: int = 1, slots: int = 2, **more: Any) -> None:
    client.create(
        "pool",
        {
            "id": "pool", "vmSize": "standard_d2_v3", "virtualMachineConfiguration": MACHINE,
            "targetDedicatedNodes": nodes, "taskSlotsPerNode": slots, **more,
        },
    )  # fmt: skip
    until(lambda: client.get("pool", "pool")["allocationState"], "steady")


def make_job(client: Driver, **more: Any) -> None:
    client.create("job", {"id": "job", "poolInfo": {"poolId": "pool"}, **more})


def add(client: Driver, id: str, command: str = "/bin/true", **more: Any) -> None:
    client.create("task", {"id": id, "commandLine": command, **more}, job="job")


def task(client: Driver, id: str) -> Any:
    return client.get("task", id, job="job")


def completed(client: Driver, id: str) -> Any:
    until(lambda: task(client, id)["state"], "completed")
    return task(client, id)["executionInfo"]


def test_a_job_from_its_pool_to_its_output(client: Driver) -> None:
    """Pool, job, tasks, wait, read what they wrote, clean up."""
    make_pool(client)
    assert client.ids("pool") == ["pool"]
    make_job(client, metadata=[{"name": "of", "value": "scenario"}])
    assert client.get("job", "job")["metadata"] == [{"name": "of", "value": "scenario"}]
    many = [{"id": f"t{number}", "commandLine": HELLO} for number in range(5)]
    assert {status.lower() for status in client.create_many(job="job", tasks=many)} == {"success"}
    for number in range(5):
        info = completed(client, f"t{number}")
        assert (info["exitCode"], info["result"].lower()) == (0, "success")
    assert client.read(job="job", task="t3", path="stdout.txt") == "hello from t3\n"
    assert client.read(job="job", task="t3", path="stderr.txt") == "beside\n"
    assert client.read(job="job", task="t3", path="wd/kept.txt") == "kept\n"
    assert {"stdout.txt", "stderr.txt", "wd/kept.txt"} <= set(client.files(job="job", task="t3"))
    assert client.read(job="job", task="t3", path="stdout.txt", first=6, last=9) == "from"
    counts = client.counts(job="job")
    assert (counts["completed"], counts["succeeded"], counts["active"]) == (5, 5, 0)
    client.act("delete", "job", "job")
    client.act("delete", "pool", "pool")
    until(lambda: gone(client, "job", "job") and gone(client, "pool", "pool"), wanted=True)


def test_failures_retries_and_dependencies(client: Driver) -> None:
    make_pool(client)
    make_job(client, usesTaskDependencies=True)
    add(client, "last", dependsOn={"taskIds": ["good", "bad"]})
    add(client, "good")
    again = {"maxTaskRetryCount": 2}
    satisfy = {"exitCodes": [{"code": 3, "exitOptions": {"dependencyAction": "satisfy"}}]}
    add(client, "bad", "/bin/sh -c 'exit 3'", constraints=again, exitConditions=satisfy)
    info = completed(client, "bad")
    assert (info["exitCode"], info["retryCount"], info["result"].lower()) == (3, 2, "failure")
    assert (info["failureInfo"]["code"], info["failureInfo"]["category"].lower()) == ("FailureExitCode", "usererror")
    assert completed(client, "last")["exitCode"] == 0
    add(client, "none", "/no/such/program")
    info = completed(client, "none")
    assert info["failureInfo"]["code"] == "CommandProgramNotFound"
    assert info.get("exitCode") is None


def test_lists_are_filtered_selected_and_paged(client: Driver) -> None:
    make_pool(client, nodes=0)
    make_job(client)
    many = [{"id": f"{'ab'[number % 2]}{number:03}", "commandLine": "/bin/true"} for number in range(120)]
    client.create_many(job="job", tasks=many[:60])
    client.create_many(job="job", tasks=many[60:])
    where = {"job": "job"}
    assert len(client.ids("task", where)) == 120
    if client.name != "az batch":
        assert len(client.ids("task", where, max_results=50)) == 120, "through all pages"
    only = client.ids("task", where, filter="startswith(id,'a') and state eq 'active'")
    assert sorted(only) == [f"a{number:03}" for number in range(0, 120, 2)]
    shown = client.every("task", where, select="id,state", filter="id eq 'b001'")
    assert [{name for name, value in one.items() if value not in (None, {}, [])} for one in shown] == [{"id", "state"}]
    assert client.ids("task", where, filter="state eq 'running' or executionInfo/exitCode eq 3") == []


def test_the_life_of_a_job(client: Driver) -> None:
    make_pool(client, slots=1)
    make_job(client, priority=10)
    add(client, "long", "/bin/sleep 600")
    until(lambda: task(client, "long")["state"], "running")
    client.act("update", "job", "job", {"priority": 20})
    assert client.get("job", "job")["priority"] == 20
    client.act("disable", "job", "job", {"disableTasks": "requeue"})
    until(lambda: client.get("job", "job")["state"], "disabled")
    assert task(client, "long")["state"] == "active"
    client.act("enable", "job", "job")
    until(lambda: task(client, "long")["state"], "running")
    client.act("terminate", "task", "long", job="job")
    info = completed(client, "long")
    assert (info["failureInfo"]["code"], info["result"].lower()) == ("TaskEnded", "failure")
    client.act("reactivate", "task", "long", job="job")
    until(lambda: task(client, "long")["state"], "running")
    client.act("terminate", "job", "job", {"terminateReason": "enough"})
    until(lambda: client.get("job", "job")["state"], "completed")
    assert client.get("job", "job")["executionInfo"]["terminateReason"] == "enough"
    client.act("delete", "task", "long", job="job")
    assert client.ids("task", {"job": "job"}) == []


def test_refusals_bear_their_codes(client: Driver) -> None:
    make_pool(client, nodes=0)
    make_job(client)
    add(client, "t")

    def code(call: Callable[[], Any]) -> str | None:
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.status in {400, 404, 409, None}
        return caught.value.code

    assert code(lambda: make_job(client)) == "JobExists"
    assert code(lambda: add(client, "t")) == "TaskExists"
    assert code(lambda: client.get("job", "none")) == "JobNotFound"
    assert code(lambda: task(client, "none")) == "TaskNotFound"
    assert code(lambda: client.get("pool", "none")) == "PoolNotFound"
    assert code(lambda: client.ids("task", {"job": "job"}, filter="colour eq 'red'")) == "InvalidQueryParameterValue"
    streamed = code(lambda: client.read(job="job", task="t", path="stdout.txt"))
    assert streamed in {"OperationInvalidForCurrentState", None}, "some clients do not read a refused download's body"


def test_a_pool_grows_and_shrinks(client: Driver) -> None:
    make_pool(client)
    nodes = {"pool": "pool"}
    client.act("resize", "pool", "pool", {"targetDedicatedNodes": 3})
    until(lambda: [node["state"] for node in client.every("node", nodes)], ["idle"] * 3)
    (first, *_) = client.ids("node", nodes)
    assert client.get("node", first, pool="pool")["vmSize"] == "standard_d2_v3"
    until(lambda: client.get("pool", "pool")["allocationState"], "steady")
    client.act("resize", "pool", "pool", {"targetDedicatedNodes": 1})
    until(lambda: len(client.ids("node", nodes)), 1)


def test_nodes_and_jobs_are_prepared(client: Driver) -> None:
    make_pool(
        client,
        startTask={"commandLine": "/bin/sh -c 'echo node > $AZ_BATCH_NODE_SHARED_DIR/a'", "waitForSuccess": True},
    )
    prepared = {
        "commandLine": "/bin/sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/a > b; echo job >> b'",
        "waitForSuccess": True,
    }
    make_job(client, jobPreparationTask=prepared)
    add(client, "t", "/bin/sh -c 'cat $AZ_BATCH_JOB_PREP_WORKING_DIR/b'")
    completed(client, "t")
    assert client.read(job="job", task="t", path="stdout.txt") == "node\njob\n"
    (status,) = client.prepared(job="job")
    told = status["jobPreparationTaskExecutionInfo"]
    assert (status["poolId"], told["state"], told["exitCode"]) == ("pool", "completed", 0)


def test_pool_that_finds_its_own_size(client: Driver) -> None:
    """Made with a formula, evaluated with another, fixed, enabled again with a third."""
    pool = {"id": "pool", "vmSize": "standard_d2_v3", "virtualMachineConfiguration": MACHINE}
    client.create("pool", {**pool, "enableAutoScale": True, "autoScaleFormula": "$TargetDedicatedNodes=1;x=7"})
    until(lambda: client.get("pool", "pool")["currentDedicatedNodes"], 1)
    run = client.get("pool", "pool")["autoScaleRun"]
    assert run["results"] == "$TargetDedicatedNodes=1;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue;x=7"
    seen = client.auto_scale(action="evaluate", pool="pool", formula="$TargetDedicatedNodes=3")
    assert seen["results"] == "$TargetDedicatedNodes=3;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    seen = client.auto_scale(action="evaluate", pool="pool", formula="$something_useless")
    assert seen["results"] == "$TargetDedicatedNodes=1;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    assert seen["error"]["code"] == "AutoScalingFormulaEvaluationError"
    with pytest.raises(Refused) as refused:
        client.act("resize", "pool", "pool", {"targetDedicatedNodes": 3})
    assert (refused.value.status, refused.value.code) in {
        (409, "OperationInvalidForCurrentState"), (None, "OperationInvalidForCurrentState"),
    }  # fmt: skip
    client.auto_scale(action="disable", pool="pool")
    assert client.get("pool", "pool").get("autoScaleFormula") is None
    with pytest.raises(Refused) as refused:
        client.auto_scale(action="enable", pool="pool", formula="$TargetDedicatedNodes=")
    assert refused.value.code == "AutoScalingFormulaSyntaxError"
    client.auto_scale(action="enable", pool="pool", formula="$TargetDedicatedNodes=2", interval="PT6M")
    until(lambda: client.get("pool", "pool")["currentDedicatedNodes"], 2)
    shown = client.get("pool", "pool")
    assert (shown["enableAutoScale"], shown["autoScaleFormula"]) == (True, "$TargetDedicatedNodes=2")


def test_a_schedule_makes_its_jobs(client: Driver) -> None:
    """Its job manager's output is read like any task's; it is held, let go on, ended and deleted with its jobs."""
    make_pool(client)
    specification = {"poolInfo": {"poolId": "pool"}, "jobManagerTask": {"id": "manager", "commandLine": HELLO}}
    hourly = {"recurrenceInterval": "PT1H", "startWindow": "PT5M"}
    client.create("job_schedule", {"id": "hourly", "schedule": hourly, "jobSpecification": specification})
    assert client.ids("job_schedule") == ["hourly"]
    assert client.get("job_schedule", "hourly")["executionInfo"]["recentJob"]["id"] == "hourly:job-1"
    until(lambda: client.get("job", "hourly:job-1")["state"], "completed")
    assert client.get("job", "hourly:job-1")["executionInfo"]["terminateReason"] == "JMComplete"
    assert [job["id"] for job in client.jobs_of(schedule="hourly")] == ["hourly:job-1"]
    assert client.read(job="hourly:job-1", task="manager", path="stdout.txt") == "hello from manager\n"
    for action, state in (("disable", "disabled"), ("enable", "active"), ("terminate", "completed")):
        client.act(action, "job_schedule", "hourly")
        until(lambda: client.get("job_schedule", "hourly")["state"], state)
    client.act("delete", "job_schedule", "hourly")
    until(lambda: gone(client, "job_schedule", "hourly") and gone(client, "job", "hourly:job-1"), wanted=True)


def test_a_task_on_several_nodes(client: Driver) -> None:
    """All coordinate, one computes; a coordination that fails on one node fails the task."""
    make_pool(client, nodes=3, slots=1, enableInterNodeCommunication=True)
    make_job(client)
    coordinate = "/bin/sh -c 'echo coordinated by $AZ_BATCH_IS_CURRENT_NODE_MASTER'"
    settings = {"numberOfInstances": 3, "coordinationCommandLine": coordinate}
    compute = "/bin/sh -c 'echo $AZ_BATCH_HOST_LIST | tr , \"\\n\" | wc -l; echo $CCP_NODES | cut -c1'"
    add(client, "wide", compute, multiInstanceSettings=settings)
    assert completed(client, "wide")["exitCode"] == 0
    assert client.read(job="job", task="wide", path="stdout.txt") == "coordinated by true\n3\n3\n"
    assert task(client, "wide")["multiInstanceSettings"]["numberOfInstances"] == 3
    assert [(one["id"], one["state"]) for one in client.subtasks(job="job", task="wide")] == [
        (1, "completed"), (2, "completed"),
    ]  # fmt: skip
    fails = "/bin/sh -c 'test $AZ_BATCH_IS_CURRENT_NODE_MASTER = true'"
    add(client, "bad", multiInstanceSettings={**settings, "coordinationCommandLine": fails})
    info = completed(client, "bad")
    assert (info["exitCode"], info["result"].lower()) == (1, "failure")


def test_changes_under_conditions(client: Driver) -> None:
    """What was read before is not sent again; what somebody changed meanwhile is not overwritten."""
    make_job(client)
    tag = client.get("job", "job")["eTag"]
    with pytest.raises(Refused) as refused:
        client.job_if(id="job", none_match=tag)
    assert refused.value.status in {304, None}
    client.change_priority(job="job", priority=5, match=tag)
    changed = client.job_if(id="job", none_match=tag)
    assert (changed["priority"], changed["eTag"] != tag) == (5, True)
    with pytest.raises(Refused) as refused:
        client.change_priority(job="job", priority=6, match=tag)
    assert (refused.value.status, refused.value.code) in {(412, "ConditionNotMet"), (None, "ConditionNotMet")}
    assert client.get("job", "job")["priority"] == 5


def test_files_of_tasks_and_nodes(client: Driver) -> None:
    """Their properties, parts of them, those below a folder, on the node too; one is deleted."""
    make_pool(client)
    make_job(client)
    add(client, "t", "/bin/sh -c 'mkdir a; echo 0123456789 > a/b.txt; echo out'")
    completed(client, "t")
    found = client.properties(job="job", task="t", path="wd/a/b.txt")
    assert (found["length"], found["directory"]) == (11, False)
    assert unquote(found["url"]).endswith("/jobs/job/tasks/t/files/wd/a/b.txt")
    assert client.properties(job="job", task="t", path="wd/a")["directory"] is True
    assert client.read(job="job", task="t", path="wd/a/b.txt", first=2, last=4) == "234"
    (node,) = client.ids("node", {"pool": "pool"})
    directory = task(client, "t")["nodeInfo"]["taskRootDirectory"]
    below = client.node_files(pool="pool", node=node, filter=f"startswith(name,'{directory}/wd/')")
    assert f"{directory}/wd/a/b.txt" in below
    assert all(name.startswith(f"{directory}/wd/") for name in below)
    assert client.node_read(pool="pool", node=node, path=f"{directory}/stdout.txt") == "out\n"
    client.delete_file(job="job", task="t", path="wd/a/b.txt")
    assert "wd/a/b.txt" not in client.files(job="job", task="t")
    with pytest.raises(Refused) as refused:
        client.properties(job="job", task="t", path="wd/a/b.txt")
    assert refused.value.status in {404, None}


def test_tasks_of_a_collection_fail_each_for_itself(client: Driver) -> None:
    """One of a wrong size, one without a dependency's leave; the others are there."""
    make_job(client)
    tasks = [{"id": f"t{number}", "commandLine": "/bin/true"} for number in range(4)]
    tasks[1]["requiredSlots"] = 1000
    tasks[2]["dependsOn"] = {"taskIds": ["t0"]}
    found = client.outcomes(job="job", tasks=tasks)
    if client.name == "az batch":
        assert found == [None, "told to nobody", "told to nobody", None]
    else:
        assert found == [None, "InvalidPropertyValue", "TaskDependenciesNotSpecifiedOnJob", None]
    assert sorted(client.ids("task", {"job": "job"})) == ["t0", "t3"]


def test_collection_that_is_too_large(client: Driver) -> None:
    """Clients that know of it halve it until each part fits; the others are told."""
    make_job(client)
    long = [{"name": "LONG", "value": "x" * 30_000}]
    tasks = [{"id": f"t{number}", "commandLine": "/bin/true", "environmentSettings": long} for number in range(60)]
    if client.name.startswith("@"):
        with pytest.raises(Refused) as refused:
            client.create_many(job="job", tasks=tasks)
        assert (refused.value.status, refused.value.code) == (413, "RequestBodyTooLarge")
        assert client.ids("task", {"job": "job"}) == []
    else:
        assert len(client.create_many(job="job", tasks=tasks)) == 60
        assert len(client.ids("task", {"job": "job"}, select="id")) == 60


def test_nodes_are_seen_to(client: Driver) -> None:
    """Taken from and given back to the scheduler, rebooted, given users, counted, removed."""
    make_pool(client, nodes=2)
    nodes = {"pool": "pool"}
    until(lambda: {node["state"] for node in client.every("node", nodes)}, {"idle"})
    first, second = client.ids("node", nodes)
    client.scheduling(pool="pool", node=first, allowed=False)
    until(lambda: client.get("node", first, pool="pool")["state"], "offline")
    with pytest.raises(Refused) as refused:
        client.scheduling(pool="pool", node=first, allowed=False)
    assert refused.value.code == "NodeAlreadyInTargetSchedulingState"
    counts = {one["poolId"]: one["dedicated"] for one in client.node_counts()}
    assert (counts["pool"]["idle"], counts["pool"]["offline"], counts["pool"]["total"]) == (1, 1, 2)
    client.scheduling(pool="pool", node=first, allowed=True)
    until(lambda: client.get("node", first, pool="pool")["state"], "idle")
    client.reboot(pool="pool", node=first)
    until(lambda: client.get("node", first, pool="pool")["state"], "idle")
    for action in ("create", "replace", "delete"):
        client.user(action=action, pool="pool", node=first, name="somebody")
    with pytest.raises(Refused) as refused:
        client.user(action="delete", pool="pool", node=first, name="somebody")
    assert refused.value.code == "NodeUserNotFound"
    client.remove_nodes(pool="pool", nodes=[second])
    until(lambda: client.ids("node", nodes), [first])
    until(lambda: client.get("pool", "pool")["allocationState"], "steady")
    client.act("resize", "pool", "pool", {"targetDedicatedNodes": 2})
    client.stop_resize(pool="pool")
    until(lambda: client.get("pool", "pool")["allocationState"], "steady")
    assert client.images() > 2


def test_what_is_changed_of_pools_tasks_and_schedules(client: Driver) -> None:
    make_pool(client, nodes=0)
    client.change_pool(pool="pool", metadata=[{"name": "a", "value": "b"}])
    assert client.get("pool", "pool")["metadata"] == [{"name": "a", "value": "b"}]
    if client.name != "az batch":
        assert client.pool_exists(pool="pool") is True
    make_job(client)
    add(client, "t")
    client.change_task(job="job", task="t", retries=4)
    assert task(client, "t")["constraints"]["maxTaskRetryCount"] == 4
    later = {"doNotRunUntil": "2990-01-01T00:00:00Z", "recurrenceInterval": "PT1H"}
    specification = {"poolInfo": {"poolId": "pool"}}
    client.create("job_schedule", {"id": "later", "schedule": later, "jobSpecification": specification})
    client.change_schedule(schedule="later", body={"schedule": {**later, "recurrenceInterval": "PT2H"}})
    assert client.get("job_schedule", "later")["schedule"]["recurrenceInterval"] in {"PT2H", "2:00:00"}


@pytest.mark.parametrize("name", ["azure-batch 14.2.0", "@azure/batch 10"])
def test_callers_with_a_token(server: RunningServer, account: str, tmp_path: Path, name: str) -> None:
    """One may write, one may read alone; azure-batch 15 wants TLS for it (test_azure_identity), `az` a login."""

    def bearer(*roles: str) -> str:
        claims = {"aud": "https://batch.core.windows.net/", "exp": time.time() + 600, "account": account}
        token = jwt.encode({**claims, "roles": list(roles)}, base64.b64decode(DEVELOPMENT_KEY), "HS256")
        return f"Bearer {token}"

    with checked(name, server.batch, account, tmp_path, secret=bearer("read", "write")) as client:
        make_job(client)
        add(client, "t")
    with checked(name, server.batch, account, tmp_path, secret=bearer("read")) as client:
        assert client.ids("task", {"job": "job"}) == ["t"]
        with pytest.raises(Refused) as refused:
            add(client, "u")
        assert (refused.value.status, refused.value.code) == (403, "InsufficientAccountPermissions")
    with checked(name, server.batch, account, tmp_path, secret="Bearer nothing") as client:
        with pytest.raises(Refused) as refused:
            client.get("job", "job")
        assert refused.value.status == 401
