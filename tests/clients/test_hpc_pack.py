"""Microsoft's own Python sample client, unchanged, over TLS. It stands beside the specifications (LINARITE_SPECS)."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.dom import minidom

import pytest
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from tests.support.batch import held, make_pool
from tests.support.provider import Provider
from tests.support.server import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, RunningServer

pytestmark = pytest.mark.specs


def until(done: Callable[[], bool]) -> None:
    """Poll a thing until it is true, with a deadline."""
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def library() -> Any:
    path = Path(os.environ["LINARITE_SPECS"]) / "hpc-pack" / "clients" / "winhpclib_3x.py"
    spec = importlib.util.spec_from_file_location("winhpclib", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def served(provider: Provider) -> Iterator[RunningServer]:
    """A server with a certificate of its own authority, which the client does not ask for, and a pool."""
    with provider.server(tls=True) as running:
        credential = AzureNamedKeyCredential(DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY)
        with BatchClient(running.urls["batch"], credential, connection_verify=str(running.ca), **held()) as client:
            make_pool(client, "sample", slots=4)
        yield running


@pytest.fixture
def server(served: RunningServer, library: Any) -> Any:
    return library.Server("127.0.0.1", "CLUSTER\\dev", "linarite", urlsplit(served.hpc).port)


def refreshed(thing: Any) -> dict[str, str]:
    thing.refresh_properties()
    return thing.properties


def test_client_runs_a_job(server: Any, library: Any):
    """Create, add a task, submit with credentials, refresh until it is over."""
    job = library.Job(server)
    job.properties = {"Name": "from the sample", "MinCores": 1, "MaxCores": 1, "UnitType": "Core"}
    job.create()
    task = job.create_task()
    task.properties = {"CommandLine": "echo Hello from Windows HPC", "Name": "first"}
    task.create()
    assert task.task_id == 1
    job.submit("CLUSTER\\dev", "linarite")
    until(lambda: refreshed(job)["State"] in {"Finished", "Failed"})
    assert refreshed(job)["State"] == "Finished"
    assert refreshed(task)["Output"] == "Hello from Windows HPC\n"
    assert task.properties["ExitCode"] == "0"


def test_client_reads_chosen_properties(server: Any, library: Any):
    """Only what was asked for is refreshed; an empty value reads as None."""
    job = library.Job(server)
    job.create()
    job.refresh_properties("State", "EndTime")
    assert job.properties == {"State": "Configuring", "EndTime": None}


def test_client_changes_a_job(server: Any, library: Any):
    """Saved properties come back."""
    job = library.Job(server)
    job.create()
    job.properties = {"Name": "renamed", "Priority": "Highest"}
    job.save_properties("Name", "Priority")
    again = library.Job(server, job.id)
    again.refresh_properties("Name", "ExpandedPriority")
    assert again.properties == {"Name": "renamed", "ExpandedPriority": "4000"}


def test_client_cancels_a_job(server: Any, library: Any):
    """With a message, at once; the second time it is told why not."""
    job = library.Job(server)
    job.create()
    task = job.create_task()
    task.properties = {"CommandLine": "sleep 60"}
    task.create()
    job.submit()
    until(lambda: refreshed(task)["State"] == "Running")
    job.cancel("no longer wanted", forceful=True)
    until(lambda: refreshed(job)["State"] == "Canceled")
    assert "no longer wanted" in job.properties["ErrorMessage"]
    with pytest.raises(library.Error) as caught:
        job.cancel()
    assert caught.value.status == 400
    assert caught.value.details == "Jobs in the Canceled state cannot be canceled."


def test_client_is_told_what_is_wrong(served: RunningServer, server: Any, library: Any):
    """An unknown job and a wrong password raise the client's own error, with our words."""
    with pytest.raises(library.Error, match="404") as caught:
        library.Job(server, 999_999_999).refresh_properties()
    assert caught.value.details == "No job with id 999999999."
    stranger = library.Server("127.0.0.1", "dev", "wrong", urlsplit(served.hpc).port)
    with pytest.raises(library.Error, match="401"):
        library.Job(stranger, 1).refresh_properties()


def test_client_runs_a_sweep_with_its_nodes_prepared(server: Any, library: Any):
    """A sweep between a preparation and a release task; its subtasks are read by the client's own way to read."""
    job = library.Job(server)
    job.properties = {"Name": "sweep", "Priority": 0, "UnitType": 0}
    job.create()
    for properties in (
        {"Type": "NodePrep", "CommandLine": "true"},
        {"Type": 1, "StartValue": 1, "EndValue": 3, "CommandLine": "echo frame *", "Name": "frames"},
        {"Type": "NodeRelease", "CommandLine": "true"},
        {"CommandLine": "true", "DependsOn": "frames"},
    ):
        task = job.create_task()
        task.properties = properties
        task.create()
    assert task.task_id == 4
    job.submit()
    until(lambda: refreshed(job)["State"] in {"Finished", "Failed"})
    assert job.properties["State"] == "Finished"
    paths = [f"Job/{job.id}/Task/2/SubTask/{number}?Properties=Output" for number in (1, 2, 3)]
    assert [server.get_properties(path)["Output"] for path in paths] == ["frame 1\n", "frame 2\n", "frame 3\n"]
    assert {refreshed(library.Task(job, number))["State"] for number in (1, 2, 3, 4)} == {"Finished"}


def test_client_reaches_every_operation(server: Any, library: Any):
    """What the library has no class for, by the requests that its classes are made of."""
    job = library.Job(server)
    job.create()
    task = job.create_task()
    task.properties = {"CommandLine": "echo $A", "Name": "one"}
    task.create()
    for path in (f"Job/{job.id}", f"Job/{job.id}/Task/1"):
        assert server.send_properties("POST", f"{path}/CustomProperties", {"ticket": 7}) == b""
        assert server.get_properties(f"{path}/CustomProperties") == {"ticket": "7"}
        server.send_properties("POST", f"{path}/EnvVariables", {"A": path})
        assert server.get_properties(f"{path}/EnvVariables?Names=A,B") == {"A": path, "B": None}
    sweep = '<Task Type="ParametricSweep" CommandLine="sleep 60"/>'
    file = f'<Job Name="by file" RunUntilCanceled="true"><Tasks>{sweep}</Tasks></Job>'
    answer = server.send_xml("POST", "Jobs/JobFile", file)
    made = library.Job(server, int(answer.partition(b">")[2].partition(b"<")[0]))
    made.submit()
    subtask = f"Job/{made.id}/Task/1/SubTask/1"
    until(lambda: server.get_properties(f"{subtask}?Properties=State")["State"] == "Running")
    server.send_xml("POST", f"{subtask}/Cancel?Forced=true", '<string xmlns="a">no</string>')
    until(lambda: server.get_properties(f"{subtask}?Properties=State")["State"] == "Failed")
    server.send_properties("POST", f"{subtask}/Requeue", {})
    until(lambda: server.get_properties(f"{subtask}?Properties=State")["State"] == "Running")
    server.send_properties("POST", f"Job/{made.id}/Task/1/Requeue", {})
    server.send_xml("POST", f"Job/{made.id}/Task/1/Cancel?Forced=true", "")
    made.cancel("over", forceful=True)
    until(lambda: refreshed(made)["State"] == "Canceled")
    server.send_properties("POST", f"Job/{made.id}/Requeue", {})
    made.cancel("over", forceful=True)
    for path, tag in (
        ("Jobs?RowsPerRead=2", "Object"), (f"Job/{job.id}/Tasks", "Object"), ("Nodes", "Object"),
        ("NodeGroups", "Object"),
        ("NodeGroup/sample", "string"), ("JobTemplates", "string"), ("Version", "string"), ("ActiveHeadnode", "string"),
        ("Clusters", "Object"),
    ):  # fmt: skip
        server._connection.request("GET", server._base_url + path, None, server._default_headers)
        response = server._connection.getresponse()
        server.check_successful_response(response)
        assert minidom.parse(response).getElementsByTagName(tag), path
    node = server.get_properties("Nodes?Properties=Name")["Name"]
    assert server.get_properties(f"Node/{node}")["State"] == "Online"
