"""Get Job (seed 004): both addresses, every property, Properties, Render, versions and refusals."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.faces.hpc_pack.site import BASIC, VERSION, Site, body, pairs, rows

from linarite.engine.launching import NodeRef
from linarite.engine.layout import task_directory
from linarite.engine.model import TaskSpec

SEED_TEXT = """
Id Name Owner UserName Project RuntimeSeconds SubmitTime CreateTime EndTime StartTime ChangeTime State
PreviousState MinCores MaxCores MinNodes MaxNodes MinSockets MaxSockets UnitType RequestedNodes IsExclusive
RunUntilCanceled NodeGroups FailOnTaskFailure AutoCalculateMax AutoCalculateMin CanGrow CanShrink Preemptable
ErrorMessage HasRuntime RequeueCount MinMemory MaxMemory MinCoresPerNode MaxCoresPerNode EndpointReference
SoftwareLicense OrderBy ClientSource Progress ProgressMessage TargetResourceCount ExpandedPriority ServiceName
JobTemplate HoldUntil NotifyOnStart NotifyOnCompletion ExcludedNodes EmailAddress Priority AllocatedNodes Pool
JobValidExitCodes ParentJobIds FailDependentTasks NodeGroupOp SingleNode ChildJobIds EstimatedProcessMemory
"""
SEED = SEED_TEXT.split()
DATE = re.compile(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d [AP]M")
JOB = "{http://schemas.microsoft.com/HPCS2008R2/scheduler/}"


def test_get_job_without_properties(site: Site):
    """All properties of the page's table come, in its order."""
    job = site.create(Name="all")
    assert [name for name, _ in pairs(site.get(f"Job/{job}"))] == SEED


def test_get_job_of_a_draft(site: Site):
    """A new job has the documented defaults."""
    job = site.create()
    found = site.job(job)
    assert DATE.fullmatch(found.pop("CreateTime"))
    assert DATE.fullmatch(found.pop("ChangeTime"))
    assert found == {
        "Id": str(job), "Name": "", "Owner": "LINARITE\\dev", "UserName": "LINARITE\\dev", "Project": "",
        "RuntimeSeconds": "0", "SubmitTime": "", "EndTime": "", "StartTime": "", "State": "Configuring",
        "PreviousState": "Configuring", "MinCores": "1", "MaxCores": "1", "MinNodes": "1", "MaxNodes": "1",
        "MinSockets": "1", "MaxSockets": "1", "UnitType": "Core", "RequestedNodes": "", "IsExclusive": "False",
        "RunUntilCanceled": "False", "NodeGroups": "main", "FailOnTaskFailure": "False", "AutoCalculateMax": "True",
        "AutoCalculateMin": "True", "CanGrow": "True", "CanShrink": "True", "Preemptable": "False", "ErrorMessage": "",
        "HasRuntime": "False", "RequeueCount": "0", "MinMemory": "1", "MaxMemory": "2147483647", "MinCoresPerNode": "1",
        "MaxCoresPerNode": "2147483647", "EndpointReference": "", "SoftwareLicense": "", "OrderBy": "",
        "ClientSource": "python-requests", "Progress": "0", "ProgressMessage": "", "TargetResourceCount": "0",
        "ExpandedPriority": "2000", "ServiceName": "", "JobTemplate": "Default", "HoldUntil": "",
        "NotifyOnStart": "False", "NotifyOnCompletion": "False", "ExcludedNodes": "", "EmailAddress": "",
        "Priority": "Normal", "AllocatedNodes": "", "Pool": "main", "JobValidExitCodes": "", "ParentJobIds": "",
        "FailDependentTasks": "False", "NodeGroupOp": "Intersect", "SingleNode": "False", "ChildJobIds": "",
        "EstimatedProcessMemory": "",
    }  # fmt: skip


def test_get_job_returns_what_was_set(site: Site):
    """Every settable property comes back as it was set."""
    parent = site.create(Name="parent")
    node = dict(pairs(site.get(f"Node/{_node(site)}")))["Name"]
    wanted = {
        "Name": "R&D <1>", "UserName": "CORP\\alice", "Project": "Film", "RuntimeSeconds": "3600",
        "MinCores": "2", "MaxCores": "4", "MinNodes": "1", "MaxNodes": "2", "MinSockets": "1", "MaxSockets": "3",
        "UnitType": "Node", "RequestedNodes": node, "IsExclusive": "True", "RunUntilCanceled": "True",
        "NodeGroups": "ComputeNodes,main", "FailOnTaskFailure": "True", "AutoCalculateMax": "False",
        "AutoCalculateMin": "False", "Preemptable": "True", "MinMemory": "16", "MaxMemory": "1024",
        "MinCoresPerNode": "1", "MaxCoresPerNode": "8", "SoftwareLicense": "maya:1", "OrderBy": "Cores,-Memory",
        "ClientSource": "tests", "Progress": "7", "ProgressMessage": "warming up", "TargetResourceCount": "2",
        "ExpandedPriority": "2501", "ServiceName": "svc", "JobTemplate": "Default", "NotifyOnStart": "True",
        "NotifyOnCompletion": "True", "EmailAddress": "a@b.example", "Pool": "main", "JobValidExitCodes": "0..3,9",
        "ParentJobIds": str(parent), "FailDependentTasks": "True", "NodeGroupOp": "Union", "SingleNode": "True",
        "EstimatedProcessMemory": "64", "HoldUntil": "9/30/2036 10:15:02 AM",
    }  # fmt: skip
    job = site.create(**wanted)
    assert site.job(job, *wanted) == wanted
    assert site.job(job, "Priority", "HasRuntime") == {"Priority": "Normal", "HasRuntime": "True"}
    assert site.job(parent, "ChildJobIds") == {"ChildJobIds": str(job)}


def _node(site: Site) -> str:
    return site.until(lambda: site.run(site.engine.ask(lambda tx: tx.nodes.of_account("devaccount"))))[0].id


def test_get_job_with_properties(site: Site):
    """Exactly the properties asked for come, in the order asked for, in their proper case."""
    job = site.create(Name="asked")
    answer = site.get(f"Job/{job}", params={"Properties": "state, ID,name,Id"})
    assert pairs(answer) == [("State", "Configuring"), ("Id", str(job)), ("Name", "asked"), ("Id", str(job))]


@pytest.mark.parametrize("name", ["PlannedCoreCount", "TaskExecutionFailureRetryLimit"])
def test_get_job_with_a_later_property(site: Site, name: str):
    """Properties of 2019 are known by name, and not among all."""
    assert site.job(site.create(), name)[name] in {"-1", "0"}


@pytest.mark.parametrize(
    "path", ["/WindowsHPC/Job/{}", "/WindowsHPC/HEAD1/Job/{}", "/windowshpc/job/{}", "/WindowsHpc/my%20cluster/JOB/{}"]
)
def test_get_job_at_each_address(site: Site, path: str):
    """The cluster segment may be there or not, and letter case does not matter."""
    job = site.create(Name="addressed")
    answer = site.call("GET", path.format(job), params={"Properties": "Name"})
    assert pairs(answer) == [("Name", "addressed")]
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    assert "x-ms-hpc-authoritychain" not in answer.headers


def test_get_job_text(site: Site):
    """The answer is written as the page shows it: Name then Value, an unset value as an empty element."""
    job = site.create()
    answer = site.get(f"Job/{job}", params={"Properties": "Id,EndTime"})
    assert answer.text == (
        '<ArrayOfProperty xmlns="http://schemas.microsoft.com/HPCS2008R2/common"'
        ' xmlns:i="http://www.w3.org/2001/XMLSchema-instance">'
        f"<Property><Name>Id</Name><Value>{job}</Value></Property>"
        "<Property><Name>EndTime</Name><Value/></Property></ArrayOfProperty>"
    )


def test_get_job_follows_a_life(site: Site):
    """From Configuring to Finished: states, times, progress, nodes."""
    job = site.create(Name="life")
    site.task(job, "true")
    site.task(job, "true")
    assert site.job(job, "State", "MaxCores") == {"State": "Configuring", "MaxCores": "2"}
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Finished"
    found = site.job(job)
    assert found["Progress"] == "100"
    assert found["ErrorMessage"] == ""
    assert found["PreviousState"] in {"Finishing", "Running"}
    assert found["AllocatedNodes"] == _node(site)
    for name in ("SubmitTime", "CreateTime", "StartTime", "EndTime", "ChangeTime"):
        assert DATE.fullmatch(found[name]), name


def test_get_job_of_a_failed_one(site: Site):
    """A failed task fails the job, whose ErrorMessage names the task."""
    job = site.run_job("true", "exit 3")
    found = site.job(job, "State", "ErrorMessage", "Progress")
    assert found == {"State": "Failed", "ErrorMessage": f"Task {job}.2 failed.", "Progress": "100"}


def test_get_job_of_another_protocol(site: Site):
    """A job that HPC Pack did not make is read all the same, by its number in the account."""
    job = site.foreign("from-elsewhere", TaskSpec(id="one", command="true"), display_name="Elsewhere", priority=-1000)
    site.until_task(job, 1, "Finished")
    found = site.job(job, "Name", "Owner", "State", "Priority", "ExpandedPriority", "RunUntilCanceled", "Pool")
    assert found == {
        "Name": "Elsewhere", "Owner": "LINARITE\\devaccount", "State": "Running", "Priority": "Lowest",
        "ExpandedPriority": "0", "RunUntilCanceled": "True", "Pool": "main",
    }  # fmt: skip
    site.post(f"Job/{job}/Cancel").raise_for_status()
    assert site.job(job, "RunUntilCanceled", "State") == {"RunUntilCanceled": "False", "State": "Canceled"}


@pytest.mark.parametrize("case", ["HpcJobXml", "hpcjobxml"])
def test_get_job_as_job_xml_with_properties(site: Site, case: str):
    """Job XML with properties named is one element with just these attributes."""
    job = site.create(Name="xml")
    answer = site.get(f"Job/{job}", params={"Render": case, "Properties": "Id,CreateTime,State,EndTime"})
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    root = ET.fromstring(answer.content)
    assert root.tag == f"{JOB}Job"
    assert len(root) == 0
    assert list(root.attrib) == ["Version", "Id", "CreateTime", "State"]
    assert (root.get("Version"), root.get("Id"), root.get("State")) == ("3.000", str(job), "Configuring")
    assert re.fullmatch(r"\d{4}/\d{1,2}/\d{1,2} \d\d:\d\d:\d\d", root.get("CreateTime") or "")


def test_get_job_as_job_xml_whole(site: Site):
    """Job XML without properties holds custom properties, dependencies and tasks besides."""
    job = site.create(Name="whole", UnitType="Node", RunUntilCanceled="true")
    site.task(job, "echo <a> && true", Name="first")
    site.task(job, "true", Name="second", DependsOn="first")
    site.post(f"Job/{job}/CustomProperties", body(Ticket="OPS-17")).raise_for_status()
    site.post(f"Job/{job}/Task/1/EnvVariables", body(QUALITY="high")).raise_for_status()
    root = ET.fromstring(site.get(f"Job/{job}", params={"Render": "HpcJobXml"}).content)
    assert [child.tag.removeprefix(JOB) for child in root] == ["CustomProperties", "Dependencies", "Tasks"]
    assert (root.get("RunUntilCanceled"), root.get("UnitType")) == ("true", "Node")
    assert root.get("MaxNodes") == "1"
    assert root.get("MaxCores") is None
    assert [item.text for item in root[0].iter()][2:] == ["Ticket", "OPS-17"]
    first, second = root[2]
    assert (first.get("CommandLine"), first.get("Id"), first.get("Type")) == ("echo <a> && true", "1", "Basic")
    assert [item.text for item in first.iter(f"{JOB}Value")] == ["high"]
    assert second.get("DependsOn") == "first"


@pytest.mark.parametrize(
    ("header", "query"),
    [
        ("2012-11-01.4.0", None), ("2012-03-31.3.4", None), ("2011-11-01", None), ("2016-11-01.5.0", None),
        (None, "2011-11-01"), (None, None), ("2011-11-01", "nonsense"),
    ],
)  # fmt: skip
def test_get_job_in_each_version(site: Site, header: str | None, query: str | None):
    """Every known version is served, and the header beats the query."""
    job = site.create()
    params = {"Properties": "Id", **({"api-version": query} if query else {})}
    assert pairs(site.get(f"Job/{job}", headers={"api-version": header}, params=params)) == [("Id", str(job))]


STRING = {"api-version": None}
OLD = {"CCP_Version": "3.1"}
REFUSALS = [
    ("Job/999999999", {}, 404, -2147220986, "No job with id 999999999."),
    ("Job/abc", {}, 404, -2147220986, "No job with id abc."),
    ("Job/{}", {"Properties": "Id,Nonsense"}, 400, -2147220962, "'Nonsense' is not a property of a job."),
    ("Job/{}", {"Render": "Yaml"}, 400, 267386880, "Render must be RestPropRender or HpcJobXml, not 'yaml'."),
    ("Job/{}/Nowhere", {}, 404, 267386880, "There is nothing at this address."),
]


@pytest.mark.parametrize(("path", "params", "status", "code", "message"), REFUSALS)
@pytest.mark.parametrize("version", [VERSION, {"api-version": "2011-11-01"}])
def test_get_job_refused_as_fault(site: Site, path, params, status, code, message, version):
    """Since api-version 2011-11-01 a refusal is an HpcWebServiceFault: Code, Message, Values."""
    job = site.create()
    answer = site.get(path.format(job), params=params, headers=version)
    assert answer.status_code == status
    assert answer.text == (
        '<HpcWebServiceFault xmlns="http://schemas.microsoft.com/HPCS2008R2/common"'
        f' xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><Code>{code}</Code><Message>{message}</Message>'
        '<Values i:nil="true" xmlns:a="http://schemas.datacontract.org/2004/07/System.Collections.Generic"/>'
        "</HpcWebServiceFault>"
    )


@pytest.mark.parametrize(("path", "params", "status", "code", "message"), REFUSALS)
@pytest.mark.parametrize("version", [STRING, OLD, {**STRING, **OLD}])
def test_get_job_refused_as_string(site: Site, path, params, status, code, message, version):
    """Without api-version, or with CCP_Version, a refusal is a bare string."""
    job = site.create()
    answer = site.get(path.format(job), params=params, headers=version)
    assert answer.status_code == status
    expected = f'<string xmlns="http://schemas.microsoft.com/2003/10/Serialization/">{message}</string>'
    assert answer.text == expected


@pytest.mark.parametrize("version", ["2010-01-01", "nonsense", ""])
def test_get_job_with_a_wrong_version(site: Site, version: str):
    """A version that never was is refused, in the shape that CCP_Version decides."""
    job = site.create()
    fault = site.get(f"Job/{job}", headers={"api-version": version})
    assert fault.status_code == 400
    assert "<HpcWebServiceFault" in fault.text
    old = site.get(f"Job/{job}", headers={"api-version": version, **OLD})
    assert old.status_code == 400
    assert old.text.startswith("<string")
    query = site.get(f"Job/{job}", headers=STRING, params={"api-version": "nonsense"})
    assert query.status_code == 400


@pytest.mark.parametrize(
    "auth", [None, ("dev", "wrong"), ("nobody", "linarite"), ("", "")], ids=["none", "wrong", "unknown", "empty"]
)
@pytest.mark.parametrize("path", ["Job/1", "Nowhere", "Nodes"])
def test_get_job_without_credentials(site: Site, auth, path: str):
    """An unknown caller is challenged, whatever is asked."""
    answer = site.get(path, auth=auth)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="LINARITE", charset="UTF-8"'
    assert "<Code>-2147220980</Code>" in answer.text


@pytest.mark.parametrize("header", ["Basic !!!", "Basic /w==", "Bearer abc", "Basic"])
def test_get_job_with_unreadable_credentials(site: Site, header: str):
    """Credentials that cannot be read are no credentials."""
    answer = site.get("Job/1", auth=lambda request: request, headers={"Authorization": header})
    assert answer.status_code == 401


@pytest.mark.parametrize("name", ["dev", "DEV", "CORP\\dev", "LINARITE\\Dev"])
def test_get_job_by_a_name_with_domain(site: Site, name: str):
    """Names may have a domain, and letter case does not matter."""
    job = site.create()
    assert site.get(f"Job/{job}", auth=(name, BASIC[1])).status_code == 200


def test_get_job_with_a_wrong_method(site: Site):
    """A method that the address does not know is 405 with Allow."""
    answer = site.call("DELETE", "/WindowsHPC/Job/1")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, PUT"


def test_get_job_when_accept_says_otherwise(site: Site):
    """The classic surface answers XML whatever Accept says."""
    job = site.create()
    answer = site.get(f"Job/{job}", headers={"Accept": "text/html, image/gif, application/json"})
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"


def test_get_job_shows_what_its_tasks_tell(site: Site):
    """A running task counts as far as it says it is, and its description is the message; a client's words win."""
    job = site.create(Name="telling")
    told = '{"percent": 50, "description": "half way"}'
    line = f"echo '{told}' > $LINARITE_PROGRESS; while [ ! -e go ]; do sleep 0.05; done"
    site.task(job, "true")
    site.task(job, line)
    site.submit(job)
    wanted = {"Progress": "75", "ProgressMessage": "half way"}
    site.until(lambda: site.job(job, "Progress", "ProgressMessage") == wanted)
    listed = rows(site.get("Jobs", params={"Properties": "Id,Progress,ProgressMessage", "RowsPerRead": "1000"}))
    assert {"Id": str(job), **wanted} in listed
    site.put(f"Job/{job}", body(ProgressMessage="mine")).raise_for_status()
    assert site.job(job, "Progress", "ProgressMessage") == wanted | {"ProgressMessage": "mine"}
    record = site.task_record(job, 2)
    node = NodeRef(account=record.account, pool=record.pool, node=record.node, key=record.node_key)
    root = Path(site.engine.nodes.root(node))
    (root / task_directory(site.record(job).spec.id, record.spec.id) / "wd" / "go").touch()
    site.until_job(job, "Finished")
    assert site.job(job, "Progress") == {"Progress": "100"}
    assert (site.task_record(job, 2).percent, site.task_record(job, 2).stage) == (50, "half way")
