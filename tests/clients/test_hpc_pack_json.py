"""bravado from the published descriptions of the JSON API: every operation of both, answers checked against them.

It stands on the specifications (LINARITE_SPECS).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from tests.clients.drivers import HERE
from tests.clients.drivers.lines import Refused
from tests.support.batch import make_pool
from tests.support.installed import pip_packages
from tests.support.provider import Provider
from tests.support.server import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, RunningServer

pytestmark = pytest.mark.specs
POOL = "bravado"


def until(done: Callable[[], Any]) -> Any:
    """Poll a thing until it is true, with a deadline; gives it."""
    deadline = time.monotonic() + 30
    while not (found := done()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
    return found


def pairs(**values: object) -> list[dict[str, str]]:
    return [{"Name": name, "Value": str(value)} for name, value in values.items()]


def plain(found: list[dict[str, str]]) -> dict[str, str]:
    return {item["Name"]: item["Value"] for item in found}


class Client:
    """Operations of a description by their names; `called` are those that were answered."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.called: set[str] = set()
        self.headers: dict[str, str] = {}

    def _ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, f"bravado ended at {request}"
        answer = json.loads(line)
        if "refused" in answer:
            raise Refused(answer["refused"]["status"], answer["refused"]["code"])
        return answer["value"]

    def names(self) -> set[str]:
        return set(self._ask(op="names"))

    def __call__(self, operation: str, /, **arguments: Any) -> Any:
        answer = self._ask(op="call", operation=operation, arguments=arguments)
        self.called.add(operation)
        self.headers = {name.lower(): value for name, value in answer["headers"].items()}
        return answer["value"]

    def state(self, job: int, task: int = 0, subtask: int = 0) -> str:
        where: dict[str, Any] = {"jobId": job, "properties": "State"}
        if subtask:
            return plain(self("getSubtask", **where, taskId=task, subtaskId=subtask))["State"]
        return plain(self("getTask", **where, taskId=task) if task else self("getJob", **where))["State"]


@contextmanager
def client_of(server: RunningServer, version: str) -> Iterator[Client]:
    python = pip_packages("bravado", HERE / "locks/bravado.txt")
    description = Path(os.environ["LINARITE_SPECS"]) / "hpc-pack" / f"hpcpack-{version}.json"
    command = [str(python), str(HERE / "bravado_hpc.py"), str(description), server.hpc, "dev", "linarite"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Client(process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def served(provider: Provider) -> Iterator[RunningServer]:
    with provider.server() as running:
        credential = AzureNamedKeyCredential(DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY)
        with BatchClient(running.urls["batch"], credential) as client:
            make_pool(client, POOL, slots=4)
        yield running


def whole_jobs(call: Client) -> None:
    """The life of a job: made, filled, submitted, finished, run again, canceled."""
    assert call("getJobTemplates") == ["Default"]
    job = call("createJob", properties=pairs(Name="by bravado", RunUntilCanceled="true"))
    call("setJobProperties", jobId=job, properties=pairs(Priority="Highest"))
    call("setJobCustomProperties", jobId=job, properties=pairs(ticket="7"))
    assert call("getJobCustomProperties", jobId=job, names="ticket") == pairs(ticket="7")
    call("setJobEnvironmentVariables", jobId=job, properties=pairs(A="a"))
    assert call("getJobEnvironmentVariables", jobId=job) == pairs(A="a")
    task = call("addTask", jobId=job, properties=pairs(CommandLine="echo first"))
    call("setTaskProperties", jobId=job, taskId=task, properties=pairs(CommandLine="echo $A $B; sleep 60"))
    call("setTaskCustomProperties", jobId=job, taskId=task, properties=pairs(k="v"))
    assert call("getTaskCustomProperties", jobId=job, taskId=task) == pairs(k="v")
    call("setTaskEnvironmentVariables", jobId=job, taskId=task, properties=pairs(B="b"))
    assert call("getTaskEnvironmentVariables", jobId=job, taskId=task, names="B,C") == pairs(B="b", C="")
    call("submitJob", jobId=job)
    until(lambda: call.state(job, task) == "Running")
    until(lambda: plain(call("getTask", jobId=job, taskId=task))["Output"] == "a b\n")
    call("requeueTask", jobId=job, taskId=task)
    until(lambda: call.state(job, task) == "Running")
    call("finishTask", jobId=job, taskId=task, message="enough")
    until(lambda: call.state(job, task) == "Finished")
    other = call("addTask", jobId=job, properties=pairs(CommandLine="sleep 60"))
    until(lambda: call.state(job, other) == "Running")
    call("cancelTask", jobId=job, taskId=other, message="not this", forced=True)
    until(lambda: call.state(job, other) == "Failed")
    call("finishJob", jobId=job, message="done")
    until(lambda: call.state(job) == "Finished")
    whole_sweeps(call)


def whole_sweeps(call: Client) -> None:
    """A job of job XML with a sweep, its subtasks one by one; the job canceled and run again."""
    sweep = '<Task CommandLine="sleep 60" Type="ParametricSweep" EndValue="9"/>'
    job = call("createJobFromXml", xml=f'<Job RunUntilCanceled="true"><Tasks>{sweep}</Tasks></Job>')
    call("submitJob", jobId=job, properties=pairs(Priority="Lowest"))
    until(lambda: call.state(job, 1, 1) == "Running")
    call("setSubtaskProperties", jobId=job, taskId=1, subtaskId=9, properties=pairs(Name="the last"))
    call("finishSubtask", jobId=job, taskId=1, subtaskId=1)
    until(lambda: call.state(job, 1, 1) == "Finished")
    call("cancelSubtask", jobId=job, taskId=1, subtaskId=2)
    until(lambda: call.state(job, 1, 2) in {"Failed", "Canceled"})
    call("requeueSubtask", jobId=job, taskId=1, subtaskId=2)
    rows = call("getTasks", jobId=job, properties="TaskId,Name", rowsPerRead=8)
    assert len(rows) == 8
    more = call.headers["x-ms-continuation-queryid"]
    rows = call("getTasks", jobId=job, queryId=more)
    assert [plain(row["Properties"]) for row in rows] == [{"TaskId": f"{job}.1.9", "Name": "the last"}]
    call("cancelJob", jobId=job, forced=True, message="over")
    until(lambda: call.state(job) == "Canceled")
    call("requeueJob", jobId=job)
    until(lambda: call.state(job) == "Running")
    call("cancelJob", jobId=job, forced=True)
    until(lambda: call.state(job) == "Canceled")
    assert len(call("getJobs", properties="Id", rowsPerRead=1, sortJobsBy="Id")) == 1


def whole_cluster(call: Client) -> None:
    """Version, head node, dates: what both descriptions have."""
    assert len(call("getClusterVersion").split(".")) == 4
    assert call("getClusterActiveHeadNode")
    assert call("getClusterDateTimeFormat") == "M/d/yyyy h:mm:ss tt"


def test_every_operation_of_2016(served: RunningServer):
    """Each is answered as the description of 2016 says; bravado itself checks requests and answers."""
    with client_of(served, "2016") as call:
        whole_cluster(call)
        whole_jobs(call)
        node = plain(call("getNodes")[0]["Properties"])["Name"]
        assert plain(call("getNodeByName", name=node))["State"] == "Online"
        groups = [plain(group["Properties"])["Name"] for group in call("getNodeGroups")]
        assert {"ComputeNodes", POOL} <= set(groups)
        assert call("getNodeGroupMembers", name=POOL) == [node]
        assert call.called == call.names()


def test_every_operation_of_2019(served: RunningServer):
    """The same for that of 2019, with nodes, groups, metrics and the operation log."""
    with client_of(served, "2019") as call:
        whole_cluster(call)
        whole_jobs(call)
        rows = call("getJobs", properties="Id", startRow=0, rowsPerRead=1, sortJobsBy="Id", asc=False)
        last = int(plain(rows[0]["Properties"])["Id"])
        assert int(call.headers["x-ms-row-count"]) == last
        rows = call("getTasks", jobId=last, properties="TaskId", startRow=7, rowsPerRead=5)
        assert [plain(row["Properties"])["TaskId"] for row in rows] == [f"{last}.1.8", f"{last}.1.9"]
        assert "Administrator" in call("getUserRoles")
        node = call("getClusterNodes", state="Online")[0]["Name"]
        assert call("getClusterNode", name=node)["Health"] == "OK"
        call("operateClusterNode", name=node, action="takeOffline")
        assert {"Name": "Offline", "Value": 1} in call("getClusterNodeStatOfState")
        call("operateClusterNode", name=node, action="bringOnline")
        assert call("getClusterNodeStatOfHealth") == [{"Name": "OK", "Value": 1}]
        assert call("getClusterNodeMetrics", metricNames="HPCCoresInUse")[0]["NodeName"] == node
        log = call("getClusterOperations", limit=1, withDetail=True)
        assert call("getClusterOperation", id=log[0]["Id"]) == log[0]
        assert call("getClusterFirstOperation")["Name"] == "Take node offline"
        metric = call("getClusterMetricDefintions")[0]["Name"]
        span = {"fromTime": "2026-01-01T00:00:00+00:00", "toTime": "2026-01-02T00:00:00+00:00"}
        assert call("getClusterMetricHistory", name=metric, **span)["MetricName"] == metric
        assert call("getClusterJobMetrics")["Instances"]
        call("createNodeGroup", nodeGroup={"Name": "chosen", "Description": "d"})
        change = {"GroupName": "chosen", "Operation": "add", "NodeNames": [node]}
        assert call("moveNodesOfGroup", name="chosen", action=change) == [node]
        assert call("getNodesOfGroup", name="chosen") == [node]
        call("updateNodeGroup", name="chosen", nodeGroup={"Name": "chosen", "Description": "e"})
        assert call("getNodeGroup", name="chosen")["Description"] == "e"
        call("deleteNodeGroup", name="chosen")
        assert "chosen" not in [group["Name"] for group in call("getNodeGroups")]
        assert call.called == call.names()


def test_refusals_reach_the_client(served: RunningServer):
    """With their status and their code."""
    with client_of(served, "2019") as call:
        for operation, arguments, status, code in (
            ("getJob", {"jobId": 999_999_999}, 404, -2147220986),
            ("getClusterNode", {"name": "nobody"}, 404, -2147220978),
            ("createJob", {"properties": pairs(Nonsense="1")}, 400, -2147220962),
        ):
            with pytest.raises(Refused) as caught:
                call(operation, **arguments)
            assert (caught.value.status, caught.value.code) == (status, code)
