"""The classic surface, operation by operation where no other test is about it: names, nodes, groups, versions, errors.

Answers are held against section 4 of the notes: namespaces, the order of elements, empty values.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from tests.faces.hpc_pack.site import COMMON, SERIALIZATION, Site, body, pairs, rows

from linarite.engine.model import Role

ARRAYS = "{http://schemas.microsoft.com/2003/10/Serialization/Arrays}"
CLUSTER = "LINARITE/"


def texts(site: Site, path: str, prefix: str = "") -> list[str]:
    """The strings of an ArrayOfstring."""
    answer = site.get(prefix + path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml; charset=utf-8")
    root = ET.fromstring(answer.content)
    assert root.tag == f"{ARRAYS}ArrayOfstring"
    return [item.text or "" for item in root]


def text(site: Site, path: str, prefix: str = "") -> str:
    root = ET.fromstring(site.get(prefix + path).content)
    assert root.tag == f"{SERIALIZATION}string"
    return root.text or ""


@pytest.fixture(params=["", CLUSTER, "head.EXAMPLE/"], ids=["2016", "before", "any name"])
def prefix(request: pytest.FixtureRequest) -> str:
    """With and without the cluster segment."""
    return str(request.param)


@pytest.mark.operation("Get Job Custom Properties", "Set Job Custom Properties")
@pytest.mark.operation("Get Task Custom Properties", "Set Task Custom Properties")
@pytest.mark.parametrize("thing", ["Job/{}", "Job/{}/Task/1"])
def test_custom_properties(site: Site, prefix: str, thing: str):
    """Set, read all and by name, changed, removed by an empty value; a name that is not set is empty."""
    job = site.create()
    site.task(job, "true")
    path = f"{prefix}{thing.format(job)}/CustomProperties"
    assert pairs(site.get(path)) == []
    assert site.post(path, body(Ticket="<7>", Other="x")).content == b""
    assert site.post(path, body(ticket="8", Other="")).status_code == 200
    assert pairs(site.get(path)) == [("ticket", "8")]
    assert pairs(site.get(path, params={"Names": "Nobody,TICKET"})) == [("Nobody", ""), ("TICKET", "8")]
    assert site.post(path, body(a="x" * 129)).status_code == 400


@pytest.mark.operation("Get Job Environment Variables", "Set Job Environment Variables")
@pytest.mark.operation("Get Task Environment Variables", "Set Task Environment Variables")
@pytest.mark.parametrize("thing", ["Job/{}", "Job/{}/Task/1"])
def test_environment_variables(site: Site, prefix: str, thing: str):
    """They reach the task's process; the task's own win over the job's; custom properties do not."""
    job = site.create()
    site.task(job, "echo $A-$B-$C")
    site.post(f"Job/{job}/EnvVariables", body(A="job", B="job"))
    site.post(f"Job/{job}/CustomProperties", body(C="custom"))
    path = f"{prefix}{thing.format(job)}/EnvVariables"
    assert site.post(path, body(B="mine")).content == b""
    assert pairs(site.get(path, params={"Names": "b,d"})) == [("b", "mine"), ("d", "")]
    assert site.post(path, body(**{"A=B": "x"})).status_code == 400
    assert site.post(path, body(A="x" * 2050)).status_code == 400
    site.submit(job)
    site.until_job(job, "Finished")
    assert site.of_task(job, 1, "Output")["Output"] == "job-mine-\n"


def test_set_task_custom_properties_at_the_address_of_its_page(site: Site):
    """The page prints /MicrosoftHPC/, with and without a cluster."""
    job = site.create()
    site.task(job, "true")
    for start in ("/MicrosoftHPC/", "/MicrosoftHPC/HEAD1/"):
        answer = site.call("POST", f"{start}Job/{job}/Task/1/CustomProperties", data=body(a=start))
        assert answer.status_code == 200
        assert pairs(site.get(f"Job/{job}/Task/1/CustomProperties")) == [("a", start)]


def test_get_job_templates(site: Site, prefix: str):
    """There is one."""
    assert texts(site, "JobTemplates", prefix) == ["Default"]


def test_get_version(site: Site, prefix: str):
    """Four numbers."""
    assert len([int(part) for part in text(site, "Version", prefix).split(".")]) == 4


def test_get_active_head_node(site: Site, prefix: str):
    """A name."""
    assert text(site, "ActiveHeadnode", prefix)


def test_get_clusters(site: Site):
    """The one that is served, never below a cluster."""
    assert rows(site.get("Clusters")) == [{"Name": "LINARITE"}]
    assert site.get("LINARITE/Clusters").status_code == 404


def test_get_node(site: Site, prefix: str):
    """All of its properties, in the order of the table, by its name in any case."""
    name = site.until(lambda: texts(site, "NodeGroup/main"))[0]
    found = pairs(site.get(f"{prefix}Node/{name.upper()}"))
    assert [key for key, _ in found][:4] == ["Availability", "AzureServiceName", "CpuSpeed", "DnsSuffix"]
    node = dict(found)
    assert {key: node[key] for key in ("Name", "NumCores", "NumSockets", "Reachable", "JobType", "DnsSuffix")} == {
        "Name": name, "NumCores": "4", "NumSockets": "1", "Reachable": "True", "JobType": "Batch", "DnsSuffix": "",
    }  # fmt: skip
    assert node["NodeGroups"].split(",")[:2] == ["ComputeNodes", "LinuxNodes"]
    assert "-2147220978" in site.get("Node/nobody").text


def test_get_node_group_list(site: Site, prefix: str):
    """Pools are groups, beside those of every cluster."""
    found = {row["Name"]: row["Description"] for row in rows(site.get(f"{prefix}NodeGroups"))}
    assert {"ComputeNodes", "HeadNodes", "LinuxNodes", "main"} <= found.keys()
    assert all(found.values())


def test_get_node_group_members(site: Site, prefix: str):
    """The names of nodes; of HeadNodes the server."""
    nodes = {row["Name"] for row in rows(site.get("Nodes", params={"Properties": "Name"}))}
    assert set(texts(site, "NodeGroup/computenodes", prefix)) == nodes
    assert set(texts(site, "NodeGroup/main", prefix)) <= nodes
    assert len(texts(site, "NodeGroup/HeadNodes", prefix)) == 1
    answer = site.get(f"{prefix}NodeGroup/nobody")
    assert (answer.status_code, "-2147220937" in answer.text) == (404, True)


@pytest.mark.parametrize("path", ["Nodes", "Node/x", "NodeGroups", "NodeGroup/main", "ActiveHeadnode", "Clusters"])
def test_operations_that_want_a_version(site: Site, path: str):
    """Without one 400, as the bare string of the oldest service."""
    answer = site.get(path, headers={"api-version": None})
    assert answer.status_code == 400
    assert ET.fromstring(answer.content).tag == f"{SERIALIZATION}string"
    assert site.get(path, headers={"api-version": None}, params={"api-version": "2011-11-01"}).status_code in {200, 404}


@pytest.mark.parametrize(
    ("version", "more", "tag"),
    [
        (None, {}, f"{SERIALIZATION}string"), ("2011-11-01", {}, f"{COMMON}HpcWebServiceFault"),
        ("2012-03-31.3.4", {}, f"{COMMON}HpcWebServiceFault"), ("2012-11-01.4.0", {}, f"{COMMON}HpcWebServiceFault"),
        ("2012-11-01.4.0", {"CCP_Version": "1"}, f"{SERIALIZATION}string"),
    ],
)  # fmt: skip
def test_errors_of_each_version(site: Site, prefix: str, version: str | None, more: dict[str, str], tag: str):
    """A bare string without a version or with CCP_Version, else the fault: Code, Message, Values in this order."""
    answer = site.get(f"{prefix}Job/999999999", headers={"api-version": version, **more})
    root = ET.fromstring(answer.content)
    assert (answer.status_code, root.tag) == (404, tag)
    if tag.endswith("Fault"):
        assert [child.tag.removeprefix(COMMON) for child in root] == ["Code", "Message", "Values"]
    assert "x-ms-hpc-authoritychain" not in answer.headers


def test_challenge_comes_first(site: Site):
    """Without credentials 401 and an offer of Basic; the same request with them, body and all, is done."""
    answer = site.post("Jobs", body(Name="challenged"), auth=None)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Basic realm="LINARITE"')
    job = site.number(site.post("Jobs", body(Name="challenged")))
    assert site.job(job, "Name", "Owner") == {"Name": "challenged", "Owner": "LINARITE\\dev"}


def test_owners_and_others(site: Site):
    """Another user sees that a job is there, not its tasks, and changes nothing; one who may only read makes none."""
    owner, other = site.user("ann", Role.WRITE), site.user("bob", Role.WRITE)
    reader = site.user("ro", Role.READ)
    job = site.create(auth=owner, Name="of ann")
    assert site.number(site.post(f"Job/{job}/Tasks", body(CommandLine="true"), auth=owner)) == 1
    assert dict(pairs(site.get(f"Job/{job}", auth=other, params={"Properties": "Owner"})))["Owner"].endswith("ann")
    for method, path, data in (
        ("GET", f"Job/{job}/Tasks", ""), ("GET", f"Job/{job}/Task/1", ""), ("PUT", f"Job/{job}", body(Name="x")),
        ("POST", f"Job/{job}/Submit", ""), ("POST", f"Job/{job}/Cancel", ""),
        ("POST", f"Job/{job}/Tasks", body(CommandLine="true")), ("POST", f"Job/{job}/CustomProperties", body(a="b")),
        ("POST", f"Job/{job}/Task/1/Cancel", ""), ("POST", f"Job/{job}/Task/1/EnvVariables", body(a="b")),
    ):  # fmt: skip
        answer = site.call(method, f"/WindowsHPC/{path}", data=data, auth=other)
        assert (answer.status_code, "-2147220981" in answer.text) == (403, True), path
    assert site.post("Jobs", body(), auth=reader).status_code == 403
    assert site.post("Jobs/JobFile", "<Job/>", auth=reader).status_code == 403
    assert site.record(job).counts.active == 1
    assert site.post(f"Job/{job}/Cancel", auth=owner).status_code == 200


@pytest.mark.parametrize("path", ["Sessions/Create", "Session/1/Attach", "session/1/batch/a/Commit"])
def test_sessions_are_not_there(site: Site, prefix: str, path: str):
    """SOA sessions are of services in the cloud alone: 404 with a fault."""
    answer = site.call("POST", f"/WindowsHPC/{prefix}{path}")
    assert answer.status_code in {404, 405}
    assert ET.fromstring(answer.content).tag == f"{COMMON}HpcWebServiceFault"
