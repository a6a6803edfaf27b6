"""The cluster of the 2019 surface: nodes, node groups, operations and metrics."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.faces.hpc_pack.site import Site
from tests.faces.hpc_pack.test_json import call, given

from linarite.engine.model import Role


def node_of(site: Site, pool: str) -> str:
    """The name of the pool's node, once it serves."""

    def found() -> Any:
        nodes = given(call(site, "GET", "cluster/nodes", params={"group": pool, "state": "online"}))
        return nodes and nodes[0]["Name"]

    return site.until(found)


def test_cluster_nodes(site: Site):
    """All of them or those that names, group, state, health and jobs pick."""
    name = node_of(site, "main")
    node = given(call(site, "GET", f"cluster/nodes/{name.upper()}"))
    assert {key: node[key] for key in ("Name", "State", "Health", "Cores", "Template", "OnAzure")} == {
        "Name": name, "State": "Online", "Health": "OK", "Cores": 4, "Template": "main", "OnAzure": False,
    }  # fmt: skip
    assert {"ComputeNodes", "LinuxNodes", "main"} <= set(node["Groups"])
    job = site.run_job("true")

    def names(**query: str) -> list[str]:
        return [item["Name"] for item in given(call(site, "GET", "cluster/nodes", params=query))]

    assert name in names()
    assert names(names=f"nobody,{name}") == [name]
    assert names(jobs=f"{job},99999999") == [name]
    assert names(jobs=str(site.create())) == []
    assert names(names=name, health="Error") == []
    assert names(names=name, state="Offline") == []
    stats = given(call(site, "GET", "cluster/nodes/stats/state"))
    assert {"Name": "Online", "Value": len(names(state="Online"))} in stats
    assert {item["Name"] for item in given(call(site, "GET", "cluster/nodes/stats/health"))} == {"OK"}


def test_node_metrics(site: Site):
    """Of a node the cores in use are measured; other known names have no number."""
    name = node_of(site, "main")
    job = site.create()
    site.task(job, "sleep 60", MinCores="3")
    site.submit(job)
    site.until_task(job, 1, "Running")
    metrics = {item["NodeName"]: item["Metrics"] for item in given(call(site, "GET", "cluster/nodes/metrics"))}
    assert metrics[name] == {"HPCCoresInUse": 3.0}
    query = {"metricNames": "HPCNetwork"}
    assert all(not item["Metrics"] for item in given(call(site, "GET", "cluster/nodes/metrics", params=query)))
    given(call(site, "GET", "cluster/nodes/metrics", params={"metricNames": "Nonsense"}), 400)
    site.post(f"Job/{job}/Cancel", params={"Forced": "true"})
    site.until_job(job, "Canceled")


def test_node_is_operated(site: Site):
    """Offline it takes no tasks; online it does; rebooted, stopped and started; the log tells who did it."""
    site.make_pool("operated")
    name = node_of(site, "operated")
    path = f"cluster/nodes/{name}"

    def operate(operation: str) -> None:
        answer = call(site, "POST", f"{path}/operations/{operation}")
        assert (answer.status_code, answer.content) == (202, b"")

    def until(state: str) -> None:
        site.until(lambda: given(call(site, "GET", path))["State"] == state)

    job = site.create(Pool="operated")
    site.task(job, "true")
    operate("takeOffline")
    until("Offline")
    site.submit(job)
    assert site.job(job, "State") == {"State": "Queued"}
    operate("takeOffline")
    operate("bringOnline")
    assert site.until_job(job, "Finished", "Failed") == "Finished"
    for operation, state in (("reboot", "Online"), ("stop", "NotDeployed"), ("start", "Online")):
        operate(operation)
        until(state)
    log = given(call(site, "GET", "cluster/operations", params={"nodeNames": name, "withDetail": "true"}))
    assert [item["Name"] for item in log] == [
        "Start node", "Stop node", "Reboot node", "Bring node online", "Take node offline", "Take node offline",
    ]  # fmt: skip
    assert (log[0]["Operator"], log[0]["State"], log[0]["Entries"][0]["Severity"]) == (
        "dev",
        "Committed",
        "Information",
    )
    assert given(call(site, "GET", f"cluster/operations/{log[0]['Id']}")) == log[0]
    query = {"nodeNames": name}
    assert given(call(site, "GET", "cluster/operations/first", params=query))["Name"] == "Take node offline"
    short = given(call(site, "GET", "cluster/operations", params={**query, "limit": "2"}))
    assert [("Entries" in item) for item in short] == [False, False]
    later = {**query, "fromTime": "2036-01-01T00:00:00Z"}
    assert given(call(site, "GET", "cluster/operations", params=later)) == []
    given(call(site, "GET", "cluster/operations/first", params=later), 404)


def test_node_group_is_made_filled_and_deleted(site: Site):
    """A job that names it runs on its nodes alone; renamed it keeps them."""
    name = node_of(site, "main")
    made = given(call(site, "POST", "cluster/nodeGroups", {"Name": "Fast", "Description": "quick ones"}))
    assert made == {"Name": "Fast", "Description": "quick ones", "Managed": False}
    sent = {"GroupName": "fast", "Operation": "add", "NodeNames": [name, name.upper()]}
    assert given(call(site, "PATCH", "cluster/nodeGroups/fast/nodes", sent)) == [name]
    assert given(call(site, "GET", "cluster/nodeGroups/FAST/nodes")) == [name]
    assert "Fast" in given(call(site, "GET", f"cluster/nodes/{name}"))["Groups"]
    assert "Fast" in [row["Properties"][0]["Value"] for row in given(call(site, "GET", "nodes/groups"))]
    new = given(call(site, "PUT", "cluster/nodeGroups/fast", {"Name": "Faster", "Description": "x"}))
    assert new == given(call(site, "GET", "cluster/nodeGroups/faster"))
    assert given(call(site, "GET", "cluster/nodeGroups/Faster/nodes")) == [name]
    sent["Operation"], sent["GroupName"] = "remove", "Faster"
    assert given(call(site, "PATCH", "cluster/nodeGroups/Faster/nodes", sent)) == []
    given(call(site, "DELETE", "cluster/nodeGroups/Faster"), 204)
    given(call(site, "GET", "cluster/nodeGroups/Faster"), 404)
    assert "ComputeNodes" in [group["Name"] for group in given(call(site, "GET", "cluster/nodeGroups"))]


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "number"),
    [
        ("GET", "cluster/nodes/nobody", None, 404, -2147220978),
        ("GET", "cluster/nodes?state=Nonsense", None, 400, -2147220987),
        ("GET", "cluster/nodes?health=Nonsense", None, 400, -2147220987),
        ("POST", "cluster/nodes/nobody/operations/start", None, 404, -2147220978),
        ("POST", "cluster/nodes/nobody/operations/dance", None, 404, 267386880),
        ("POST", "cluster/nodeGroups", {"Name": "ComputeNodes"}, 400, 267386880),
        ("POST", "cluster/nodeGroups", {"Name": ""}, 400, -2147220987),
        ("POST", "cluster/nodeGroups", {"Name": "a,b"}, 400, -2147220987),
        ("POST", "cluster/nodeGroups", {"Name": "x" * 65}, 400, -2147220987),
        ("POST", "cluster/nodeGroups", {"Name": 5}, 400, -2147220987),
        ("POST", "cluster/nodeGroups", [], 400, 267386880),
        ("DELETE", "cluster/nodeGroups/main", None, 400, 267386880),
        ("PUT", "cluster/nodeGroups/nobody", {"Name": "a"}, 404, -2147220937),
        ("PATCH", "cluster/nodeGroups/main/nodes", {"Operation": "add", "NodeNames": []}, 400, 267386880),
        ("PATCH", "cluster/nodeGroups/main/nodes", {"Operation": "mix", "NodeNames": []}, 400, -2147220987),
        ("GET", "cluster/nodeGroups/nobody/nodes", None, 404, -2147220937),
        ("GET", "cluster/operations/nothing", None, 404, 267386880),
        ("GET", "cluster/operations?limit=x", None, 400, -2147220987),
        ("GET", "cluster/operations?withDetail=x", None, 400, -2147220987),
        ("GET", "cluster/metrics/history/nothing", None, 404, 267386880),
        ("GET", "cluster/metrics/history/HPCClusterNodes?fromTime=soon", None, 400, -2147220987),
        ("GET", "cluster/metrics/history/HPCClusterNodes?fromTime=2036-01-01", None, 400, -2147220987),
    ],
)  # fmt: skip
def test_cluster_refused(site: Site, method: str, path: str, sent: Any, status: int, number: int):
    """Each with its status and its code."""
    assert given(call(site, method, path, sent), status)["Code"] == number


def test_only_administrators_operate_the_cluster(site: Site):
    """Others read it."""
    auth = site.user("eve", Role.WRITE)
    name = node_of(site, "main")
    for method, path, sent in (
        ("POST", f"cluster/nodes/{name}/operations/reboot", None), ("POST", "cluster/nodeGroups", {"Name": "x"}),
        ("PUT", "cluster/nodeGroups/x", {}), ("DELETE", "cluster/nodeGroups/x", None),
        ("PATCH", "cluster/nodeGroups/x/nodes", {}),
    ):  # fmt: skip
        assert given(call(site, method, path, sent, auth=auth), 403)["Code"] == -2147220981
    assert given(call(site, "GET", "cluster/nodes", auth=auth))
    assert given(call(site, "GET", "cluster/nodeGroups", auth=auth))


def test_metric_history(site: Site):
    """Nodes and cores over time, from the records of when nodes were there."""
    node_of(site, "main")
    names = [item["Name"] for item in given(call(site, "GET", "cluster/metrics/definitions"))]
    assert names == ["HPCClusterNodes", "HPCClusterCores"]
    for name in names:
        data = given(call(site, "GET", f"cluster/metrics/history/{name}"))
        values = [point["Value"] for point in data["Instances"][0]["Values"]]
        assert (data["MetricName"], len(values), values[0]) == (name, 96, 0.0)
        assert values[-1] >= (4 if name.endswith("Cores") else 1)


def test_job_metrics(site: Site):
    """How many jobs ended how on each of seven days."""

    def today() -> dict[str, float]:
        data = given(call(site, "GET", "cluster/metrics/jobs"))
        assert data["MetricName"] == "HPCClusterJobs"
        assert all(len(one["Values"]) == 7 for one in data["Instances"])
        return {one["InstanceName"]: one["Values"][-1]["Value"] for one in data["Instances"]}

    before = today()
    site.run_job("true")
    site.run_job("exit 1")
    after = today()
    assert (after["Finished"] - before["Finished"], after["Failed"] - before["Failed"]) == (1, 1)


def test_cluster_as_xml(site: Site):
    """The same by Accept: elements named as the JSON's members."""
    name = node_of(site, "main")
    answer = call(site, "GET", "cluster/nodes", headers={"Accept": "application/xml"}, params={"names": name})
    node = ET.fromstring(answer.content)[0]
    tags = [child.tag.rpartition("}")[2] for child in node]
    assert (node.tag.rpartition("}")[2], tags[:3]) == ("Node", ["Name", "State", "Health"])
    groups = next(child for child in node if child.tag.endswith("Groups"))
    assert [item.text for item in groups][:2] == ["ComputeNodes", "LinuxNodes"]
    answer = call(site, "GET", "cluster/info", headers={"Accept": "application/xml"})
    assert "<Location>OnPremise</Location>" in answer.text


def test_jobs_on_nodes(site: Site):
    """GetJobs with nodeNames: what runs there, whole, whatever else the query says."""
    name = node_of(site, "main")
    job = site.create(Name="there")
    site.task(job, "sleep 60")
    site.submit(job)
    site.until_task(job, 1, "Running")
    query = {"nodeNames": f"nobody,{name}", "rowsPerRead": "0", "properties": "Nonsense"}
    rows = given(call(site, "GET", "jobs", params=query))
    found = [{item["Name"]: item["Value"] for item in row["Properties"]} for row in rows]
    assert [(row["Id"], row["Name"], "MinCores" in row) for row in found] == [(str(job), "there", True)]
    assert given(call(site, "GET", "jobs", params={"nodeNames": "nobody"})) == []
    site.post(f"Job/{job}/Cancel", params={"Forced": "true"})
    site.until_job(job, "Canceled")


def test_filter_of_tasks(site: Site):
    """TaskStates, TaskIds and TaskInstanceIds, joined by and; a bad one is refused."""
    job = site.create()
    site.task(job, "exit $((* % 2))", Type="ParametricSweep", EndValue="3")
    site.task(job, "true")
    site.submit(job)
    site.until_job(job, "Failed")

    def ids(text: str) -> list[str]:
        query = {"$filter": text, "properties": "TaskId"}
        rows = given(call(site, "GET", f"jobs/{job}/tasks", params=query))
        return sorted(row["Properties"][0]["Value"] for row in rows)

    assert ids("TaskStates eq Finished,Canceled") == [f"{job}.1.2", f"{job}.2"]
    assert ids("TaskIds eq 2") == [f"{job}.2"]
    assert ids(f"TaskIds eq {job}.1 and TaskInstanceIds eq 1,3") == [f"{job}.1.1", f"{job}.1.3"]
    assert ids("TaskStates eq Failed and TaskInstanceIds eq 3") == [f"{job}.1.3"]
    for text in ("TaskIds eq x", "TaskStates eq Nonsense"):
        given(call(site, "GET", f"jobs/{job}/tasks", params={"$filter": text}), 400)
    given(call(site, "GET", "jobs", params={"$filter": "TaskIds eq 1"}), 400)


@pytest.mark.operation("GetClusterInfo")
def test_cluster_info(site: Site):
    """Where the cluster is: the one operation that only the draft of 2019 has."""
    expected = {"SubscriptionId": "", "DeploymentId": "LINARITE", "Location": "OnPremise"}
    assert given(call(site, "GET", "cluster/info")) == expected
    assert call(site, "GET", "cluster/info", auth=None).status_code == 401
