"""Seed 004, "Get Job", line by line against a running server. Where they disagree, the HPC Pack NOTES win."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
import requests
from tests.faces.azure_batch.raw import RawBatch
from tests.faces.hpc_pack.site import COMMON, SERIALIZATION, VERSION, body, pairs
from tests.seeds.conftest import Person
from tests.support.server import RunningServer

pytestmark = pytest.mark.operation("Get Job")
JOB = "{http://schemas.microsoft.com/HPCS2008R2/scheduler/}"
INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
DATE = re.compile(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d [AP]M")
NO_JOB = -2147220986
NO_PROPERTY = -2147220962
NO_CODE = 267386880

# The page's table, in its order; the value in a job that was only just made, and one that can be set. `...`: see below.
TABLE: dict[str, tuple[Any, str | None]] = {
    "Id": (..., None), "Name": ("", "R&D <1>"), "Owner": (..., None), "UserName": (..., "CORP\\alice"),
    "Project": ("", "Film"), "RuntimeSeconds": ("0", "3600"), "SubmitTime": ("", None), "CreateTime": (DATE, None),
    "EndTime": ("", None), "StartTime": ("", None), "ChangeTime": (DATE, None), "State": ("Configuring", None),
    "PreviousState": ("Configuring", None), "MinCores": ("1", "2"), "MaxCores": ("1", "4"), "MinNodes": ("1", "1"),
    "MaxNodes": ("1", "2"), "MinSockets": ("1", "1"), "MaxSockets": ("1", "3"), "UnitType": ("Core", "Node"),
    "RequestedNodes": ("", ...), "IsExclusive": ("False", "True"), "RunUntilCanceled": ("False", "True"),
    "NodeGroups": ("main", "ComputeNodes,main"), "FailOnTaskFailure": ("False", "True"),
    "AutoCalculateMax": ("True", "False"), "AutoCalculateMin": ("True", "False"), "CanGrow": ("True", None),
    "CanShrink": ("True", None), "Preemptable": ("False", "True"), "ErrorMessage": ("", None),
    "HasRuntime": ("False", None), "RequeueCount": ("0", None), "MinMemory": ("1", "16"),
    "MaxMemory": ("2147483647", "1024"), "MinCoresPerNode": ("1", "1"), "MaxCoresPerNode": ("2147483647", "8"),
    "EndpointReference": ("", None), "SoftwareLicense": ("", "maya:1"), "OrderBy": ("", "Cores,-Memory"),
    "ClientSource": ("python-requests", "tests"), "Progress": ("0", "7"), "ProgressMessage": ("", "warming up"),
    "TargetResourceCount": ("0", "2"), "ExpandedPriority": ("2000", "2501"), "ServiceName": ("", "svc"),
    "JobTemplate": ("Default", "Default"), "HoldUntil": ("", "9/30/2036 10:15:02 AM"),
    "NotifyOnStart": ("False", "True"),
    "NotifyOnCompletion": ("False", "True"), "ExcludedNodes": ("", None), "EmailAddress": ("", "a@b.example"),
    "Priority": ("Normal", None), "AllocatedNodes": ("", None), "Pool": ("main", "main"),
    "JobValidExitCodes": ("", "0..3,9"), "ParentJobIds": ("", ...), "FailDependentTasks": ("False", "True"),
    "NodeGroupOp": ("Intersect", "Union"), "SingleNode": ("False", "True"), "ChildJobIds": ("", None),
    "EstimatedProcessMemory": ("", "64"),
}  # fmt: skip


class Cluster:
    """An account of a running server as its user's cluster: a draft, a job that has everything, two that are over."""

    def __init__(self, server: RunningServer, account: str) -> None:
        self.server, self.account = server, account
        self.person, self.batch = Person(server, account), RawBatch(server.batch, account)
        self.batch.make_pool("main", targetDedicatedNodes=1, taskSlotsPerNode=4)
        self.node = self.batch.call("GET", "/pools/main/nodes").json["value"][0]["id"]
        self.parent, self.draft = self.create(Name="parent"), self.create()
        self.given = {name: value for name, (_, value) in TABLE.items() if isinstance(value, str)}
        self.given |= {"ParentJobIds": str(self.parent), "RequestedNodes": self.node}
        self.full = self.create(**self.given)
        self.finished = self.run("true", "true", Name="finished")
        self.failed = self.run("true", "exit 3", Name="failed")

    def call(self, method: str, path: str, auth: Any = (), headers: Any = VERSION, **options: Any) -> requests.Response:
        """A request below /WindowsHPC/, or anywhere when the path begins with a slash."""
        url = self.server.hpc + (path if path.startswith("/") else f"/WindowsHPC/{path}")
        auth = self.person.basic if auth == () else auth
        return requests.request(method, url, auth=auth, headers=headers, timeout=30, **options)

    def get(self, job: object, headers: Any = VERSION, auth: Any = (), **query: str) -> requests.Response:
        """Get Job; a parameter's `_` is a hyphen."""
        text = "&".join(f"{name.replace('_', '-')}={quote(value)}" for name, value in query.items())
        return self.call("GET", f"Job/{job}{'?' if text else ''}{text}", headers=headers, auth=auth)

    def values(self, job: int, *names: str) -> dict[str, str]:
        return dict(pairs(self.get(job, Properties=",".join(names)) if names else self.get(job)))

    def create(self, **properties: str) -> int:
        answer = self.call("POST", "Jobs", data=body(**properties))
        assert answer.status_code == 200, answer.text
        return int(ET.fromstring(answer.content).text or "")

    def run(self, *commands: str, **properties: str) -> int:
        job = self.create(**properties)
        for command in commands:
            self.call("POST", f"Job/{job}/Tasks", data=body(CommandLine=command)).raise_for_status()
        self.call("POST", f"Job/{job}/Submit").raise_for_status()
        deadline = time.monotonic() + 30
        while self.values(job, "State")["State"] not in {"Finished", "Failed"}:
            assert time.monotonic() < deadline, "the job does not end"
            time.sleep(0.05)
        return job


@pytest.fixture(scope="module")
def cluster(server: RunningServer, tenant: str) -> Cluster:
    return Cluster(server, tenant)


def fault(answer: requests.Response, status: int, code: int) -> str:
    """Check a refusal in the later shape; gives its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    root = ET.fromstring(answer.content)
    assert [child.tag for child in root] == [f"{COMMON}{name}" for name in ("Code", "Message", "Values")]
    assert (root.tag, root[0].text) == (f"{COMMON}HpcWebServiceFault", str(code))
    return root[1].text or ""


def string(answer: requests.Response, status: int) -> str:
    """Check a refusal in the older shape; gives its message."""
    assert answer.status_code == status, answer.text
    root = ET.fromstring(answer.content)
    assert (root.tag, len(root)) == (f"{SERIALIZATION}string", 0)
    return root.text or ""


# -- request -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/WindowsHPC/HEAD1/Job/{}", "/WindowsHPC/LINARITE/Job/{}", "/windowshpc/my%20one/job/{}"]
)
def test_request_uri_before_hpc_pack_2016(cluster: Cluster, path: str):
    """The cluster's name stands before Job."""
    answer = cluster.call("GET", path.format(cluster.draft) + "?Properties=Id")
    assert pairs(answer) == [("Id", str(cluster.draft))]


@pytest.mark.parametrize("path", ["/WindowsHPC/Job/{}", "/windowshpc/job/{}", "/WindowsHpc/JOB/{}/"])
def test_request_uri_of_hpc_pack_2016(cluster: Cluster, path: str):
    """Without the cluster's name; letter case does not matter."""
    answer = cluster.call("GET", path.format(cluster.draft) + "?Properties=Id")
    assert pairs(answer) == [("Id", str(cluster.draft))]


def test_request_uri_with_the_name_of_get_clusters(cluster: Cluster):
    """The name that Get Clusters gives is one to use."""
    root = ET.fromstring(cluster.call("GET", "Clusters").content)
    name = next(item.text for item in root.iter(f"{COMMON}Value"))
    assert pairs(cluster.call("GET", f"{name}/Job/{cluster.draft}?Properties=Id"))


@pytest.mark.parametrize(
    "job", ["999999999", "0", "-1", "abc", "1.0", "9" * 18, "9" * 5000, "%00", "%FF", "..%2F..", "x" * 65]
)
def test_request_uri_job_identifier(cluster: Cluster, job: str):
    """A job that is not there, or that is no number, is refused."""
    assert fault(cluster.get(job), 404, NO_JOB).startswith("No job with id ")


def test_request_uri_job_identifier_is_the_accounts_own(cluster: Cluster, server: RunningServer, account: str):
    """Another account has no job of that number."""
    stranger = Person(server, account)
    fault(cluster.get(cluster.full, auth=stranger.basic), 404, NO_JOB)


# -- URI parameters ------------------------------------------------------------------------------------------------


def test_uri_parameter_properties(cluster: Cluster):
    """A comma-separated list: these come, in the order asked for, in their proper case."""
    answer = cluster.get(cluster.draft, Properties="state, ID,Name")
    assert pairs(answer) == [("State", "Configuring"), ("Id", str(cluster.draft)), ("Name", "")]


def test_uri_parameter_properties_absent(cluster: Cluster):
    """Without it all of the table's properties come, in its order."""
    assert [name for name, _ in pairs(cluster.get(cluster.draft))] == list(TABLE)


@pytest.mark.parametrize("name", ["Nonsense", "Id,Nonsense", "%00", "x" * 5000])
def test_uri_parameter_properties_with_an_unknown_name(cluster: Cluster, name: str):
    """A property that there is not is an error."""
    assert "is not a property of a job" in fault(cluster.get(cluster.draft, Properties=name), 400, NO_PROPERTY)


@pytest.mark.parametrize("render", [None, "RestPropRender", "restproprender"])
def test_uri_parameter_render_rest_prop_render(cluster: Cluster, render: str | None):
    """Name and value pairs, which is the default."""
    query = {} if render is None else {"Render": render}
    assert ET.fromstring(cluster.get(cluster.draft, **query).content).tag == f"{COMMON}ArrayOfProperty"


@pytest.mark.parametrize("render", ["HpcJobXml", "hpcjobxml"])
def test_uri_parameter_render_hpc_job_xml(cluster: Cluster, render: str):
    """XML as Create Job From XML takes it."""
    answer = cluster.get(cluster.draft, Render=render)
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    assert ET.fromstring(answer.content).tag == f"{JOB}Job"


@pytest.mark.parametrize("render", ["Yaml", "%00", "x" * 5000])
def test_uri_parameter_render_of_another_schema(cluster: Cluster, render: str):
    """There are two."""
    assert "Render must be" in fault(cluster.get(cluster.draft, Render=render), 400, NO_CODE)


@pytest.mark.parametrize("version", ["2011-11-01", "2012-03-31.3.4", "2012-11-01.4.0"])
def test_uri_parameter_api_version(cluster: Cluster, version: str):
    """It chooses the version, and with it the shape of a refusal."""
    assert pairs(cluster.get(cluster.draft, headers={}, api_version=version, Properties="Id"))
    fault(cluster.get(999_999_999, headers={}, api_version=version), 404, NO_JOB)


@pytest.mark.parametrize("version", ["2010-01-01", "latest", "x" * 5000])
def test_uri_parameter_api_version_that_is_none(cluster: Cluster, version: str):
    """A version that never was is refused."""
    assert "is not known" in fault(cluster.get(cluster.draft, headers={}, api_version=version), 400, NO_CODE)


def test_uri_parameter_api_version_is_ignored_beside_the_header(cluster: Cluster):
    """The header decides when both are there."""
    assert pairs(cluster.get(cluster.draft, api_version="nonsense", Properties="Id"))


# -- request headers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2011-11-01", "2012-03-31.3.4", "2012-11-01.4.0", "2016-11-01.5.0"])
def test_request_header_api_version(cluster: Cluster, version: str):
    """It chooses the version, whatever the parameter says."""
    headers = {"api-version": version}
    assert pairs(cluster.get(cluster.draft, headers=headers, Properties="Id"))
    fault(cluster.get(999_999_999, headers=headers, api_version="nonsense"), 404, NO_JOB)


@pytest.mark.parametrize("version", ["2010-01-01", "latest", "", "\xff"])
def test_request_header_api_version_that_is_none(cluster: Cluster, version: str):
    """A version that never was is refused."""
    fault(cluster.get(cluster.draft, headers={"api-version": version.encode("latin-1")}), 400, NO_CODE)


def test_request_header_ccp_version(cluster: Cluster):
    """It asks for the oldest version: the answer is the same, a refusal has the older shape."""
    headers = {"CCP_Version": "3.1", **VERSION}
    assert pairs(cluster.get(cluster.draft, headers=headers, Properties="Id"))
    assert string(cluster.get(999_999_999, headers=headers), 404) == "No job with id 999999999."


@pytest.mark.parametrize(
    "auth", [None, ("dev", "wrong"), ("nobody", "linarite"), ("", "")], ids=["none", "wrong", "unknown", "empty"]
)
def test_request_without_credentials(cluster: Cluster, auth: Any):
    """An unknown caller is challenged, and told nothing of the job."""
    answer = cluster.get(cluster.full, auth=auth)
    fault(answer, 401, -2147220980)
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("header", [b"Basic", b"Basic !!!", b"Basic /w==", b"Basic \xff", b"Bearer a.b.c"])
def test_request_with_unreadable_credentials(cluster: Cluster, header: bytes):
    """Credentials that cannot be read are none."""
    headers = {**VERSION, "Authorization": header}
    fault(cluster.get(cluster.full, headers=headers, auth=lambda request: request), 401, -2147220980)


def test_request_body_none(cluster: Cluster):
    """A body that comes all the same changes nothing."""
    answer = cluster.call("GET", f"Job/{cluster.draft}?Properties=Id", data=b"<not read")
    assert pairs(answer) == [("Id", str(cluster.draft))]


# -- response ------------------------------------------------------------------------------------------------------


def test_status_code_200(cluster: Cluster):
    """A successful operation is 200 OK."""
    answer = cluster.get(cluster.draft)
    assert (answer.status_code, answer.reason) == (200, "OK")


REFUSALS = [
    ("999999999", "", 404),
    ("{}", "?Properties=Nonsense", 400),
    ("{}", "?Render=Yaml", 400),
    ("{}/None", "", 404),
]


@pytest.mark.parametrize(("job", "query", "status"), REFUSALS)
@pytest.mark.parametrize("headers", [{}, {"CCP_Version": "3.1"}])
def test_error_response_without_api_version(cluster: Cluster, job: str, query: str, status: int, headers: Any):
    """Without api-version, or with CCP_Version, it is an XML string."""
    assert string(cluster.call("GET", f"Job/{job.format(cluster.draft)}{query}", headers=headers), status)


@pytest.mark.parametrize(("job", "query", "status"), REFUSALS)
@pytest.mark.parametrize("version", ["2011-11-01", "2012-11-01.4.0"])
def test_error_response_since_2011_11_01(cluster: Cluster, job: str, query: str, status: int, version: str):
    """Since that version it has a code, a message and values that are nil."""
    headers = {"api-version": version}
    answer = cluster.call("GET", f"Job/{job.format(cluster.draft)}{query}", headers=headers)
    code = {404: NO_JOB, 400: NO_PROPERTY}[status] if "Render" not in query and "None" not in job else NO_CODE
    assert fault(answer, status, code)
    assert ET.fromstring(answer.content)[2].get(f"{INSTANCE}nil") == "true"


def test_error_response_of_another_method(cluster: Cluster):
    """A verb that the address has not is told the others."""
    answer = cluster.call("DELETE", f"Job/{cluster.draft}")
    fault(answer, 405, NO_CODE)
    assert answer.headers["Allow"] == "GET, PUT"


def test_response_header_x_ms_hpc_authoritychain(cluster: Cluster):
    """A service on premises omits it."""
    assert "x-ms-hpc-authoritychain" not in cluster.get(cluster.draft).headers


@pytest.mark.parametrize("accept", ["text/html, image/gif", "application/json", "*/*"])
def test_response_is_xml_whatever_is_accepted(cluster: Cluster, accept: str):
    """The body is XML [NOTES: whatever Accept says]."""
    answer = cluster.get(cluster.draft, headers={**VERSION, "Accept": accept}, Properties="Id")
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    assert pairs(answer)


def test_response_body_of_rest_prop_render(cluster: Cluster):
    """The page's example, letter by letter but for the blanks between elements."""
    assert cluster.get(cluster.draft, Properties="Id,EndTime").text == (
        '<ArrayOfProperty xmlns="http://schemas.microsoft.com/HPCS2008R2/common"'
        ' xmlns:i="http://www.w3.org/2001/XMLSchema-instance">'
        f"<Property><Name>Id</Name><Value>{cluster.draft}</Value></Property>"
        "<Property><Name>EndTime</Name><Value/></Property></ArrayOfProperty>"
    )


def test_element_array_of_property(cluster: Cluster):
    """It holds the properties asked for, or all."""
    assert len(ET.fromstring(cluster.get(cluster.draft, Properties="Id,Name").content)) == 2
    assert len(ET.fromstring(cluster.get(cluster.draft).content)) == len(TABLE)


def test_element_property(cluster: Cluster):
    """Each is one property: a name, then a value."""
    for item in ET.fromstring(cluster.get(cluster.full).content):
        assert (item.tag, [child.tag for child in item]) == (f"{COMMON}Property", [f"{COMMON}Name", f"{COMMON}Value"])


def test_element_name(cluster: Cluster):
    """The name of the property."""
    assert pairs(cluster.get(cluster.full, Properties="name"))[0][0] == "Name"


def test_element_value(cluster: Cluster):
    """The value of the property, what XML would take for its own written so that it is text."""
    answer = cluster.get(cluster.full, Properties="Name")
    assert "<Value>R&amp;D &lt;1&gt;</Value>" in answer.text


def test_example_of_hpc_job_xml_with_properties(cluster: Cluster):
    """The page's example: one element with the version and the attributes asked for, in their order."""
    answer = cluster.get(cluster.draft, Render="HpcJobXml", Properties="Id,CreateTime, State")
    found = re.fullmatch(
        r'<Job xmlns="[^"]+" Version="3.000" Id="(\d+)" CreateTime="([^"]+)" State="(\w+)" ?/>', answer.text
    )
    assert found is not None, answer.text
    assert (found[1], found[3]) == (str(cluster.draft), "Configuring")
    assert re.fullmatch(r"\d{4}/[1-9]\d?/[1-9]\d? \d\d:\d\d:\d\d", found[2])


def test_example_of_hpc_job_xml_without_properties(cluster: Cluster):
    """The job XML has custom properties, dependencies and tasks besides the job's own properties."""
    job = cluster.create(Name="whole")
    cluster.call("POST", f"Job/{job}/Tasks", data=body(CommandLine="echo <a> && true", Name="first"))
    cluster.call("POST", f"Job/{job}/CustomProperties", data=body(Ticket="OPS-17")).raise_for_status()
    root = ET.fromstring(cluster.get(job, Render="HpcJobXml").content)
    assert [child.tag.removeprefix(JOB) for child in root] == ["CustomProperties", "Dependencies", "Tasks"]
    assert (root.get("Name"), root.get("Version"), root.get("State")) == ("whole", "3.000", "Configuring")
    assert [item.text for item in root[0].iter()][2:] == ["Ticket", "OPS-17"]
    assert root[2][0].get("CommandLine") == "echo <a> && true"


# -- remarks: the table of properties ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLE)
def test_property_by_itself(cluster: Cluster, name: str):
    """Each property of the table can be asked for by its name, in any letter case."""
    for text in (name, name.lower()):
        assert [found for found, _ in pairs(cluster.get(cluster.full, Properties=text))] == [name]


@pytest.mark.parametrize("name", [name for name, (value, _) in TABLE.items() if value is not ...])
def test_property_of_a_new_job(cluster: Cluster, name: str):
    """A job that was only just made has the default."""
    found, expected = cluster.values(cluster.draft, name)[name], TABLE[name][0]
    assert found == expected if isinstance(expected, str) else expected.fullmatch(found)


@pytest.mark.parametrize("name", [name for name, (_, value) in TABLE.items() if value is not None])
def test_property_that_was_set(cluster: Cluster, name: str):
    """What was set comes back."""
    assert cluster.values(cluster.full, name)[name] == cluster.given[name]


def test_property_id(cluster: Cluster):
    """The job's number."""
    assert cluster.values(cluster.draft, "Id") == {"Id": str(cluster.draft)}


@pytest.mark.parametrize("name", ["Owner", "UserName"])
def test_property_of_the_user(cluster: Cluster, name: str):
    """Who made the job, and in whose name it runs unless another was given."""
    assert cluster.values(cluster.draft, name)[name].lower() == f"linarite\\{cluster.person.name}".lower()


def test_property_has_runtime(cluster: Cluster):
    """Whether there is a limit to the run time."""
    assert cluster.values(cluster.full, "HasRuntime")["HasRuntime"] == "True"


def test_property_priority(cluster: Cluster):
    """The band of the expanded priority."""
    assert cluster.values(cluster.full, "Priority")["Priority"] == "Normal"


def test_property_child_job_ids(cluster: Cluster):
    """The jobs that wait for this one."""
    assert cluster.values(cluster.parent, "ChildJobIds")["ChildJobIds"] == str(cluster.full)


@pytest.mark.parametrize("name", ["SubmitTime", "CreateTime", "StartTime", "EndTime", "ChangeTime"])
def test_property_of_a_time(cluster: Cluster, name: str):
    """Each moment of a job that is over, in UTC."""
    text = cluster.values(cluster.finished, name)[name]
    assert DATE.fullmatch(text)
    moment = datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p").replace(tzinfo=UTC)
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=5)


def test_property_state_of_a_job_that_is_over(cluster: Cluster):
    """Finished when all went well, Failed when a task did not; before that it was running."""
    found = [cluster.values(job, "State", "PreviousState") for job in (cluster.finished, cluster.failed)]
    assert [item["State"] for item in found] == ["Finished", "Failed"]
    assert {item["PreviousState"] for item in found} <= {"Running", "Finishing"}


def test_property_error_message_of_a_failed_job(cluster: Cluster):
    """The task that failed it is named."""
    values = cluster.values(cluster.failed, "ErrorMessage")
    assert values["ErrorMessage"] == f"Task {cluster.failed}.2 failed."


def test_property_progress_of_a_finished_job(cluster: Cluster):
    """100 once all tasks are done."""
    assert cluster.values(cluster.finished, "Progress")["Progress"] == "100"


def test_property_allocated_nodes_of_a_finished_job(cluster: Cluster):
    """The nodes that its tasks ran on."""
    assert cluster.values(cluster.finished, "AllocatedNodes")["AllocatedNodes"] == cluster.node


def test_property_requeue_count(cluster: Cluster):
    """One more for each time that the job was queued again."""
    job = cluster.run("exit 1", Name="requeued")
    cluster.call("POST", f"Job/{job}/Requeue", data=body()).raise_for_status()
    assert cluster.values(job, "RequeueCount")["RequeueCount"] == "1"


def test_property_excluded_nodes_cannot_be_set(cluster: Cluster):
    """What can only be read is refused by its code, and nothing changes."""
    answer = cluster.call("PUT", f"Job/{cluster.draft}", data=body(ExcludedNodes="n", Name="changed"))
    fault(answer, 400, -2147220989)
    assert cluster.values(cluster.draft, "Name")["Name"] == ""


def test_property_password_never_comes_back(cluster: Cluster, server: RunningServer):
    """A password that came with a job is in no answer and no log."""
    job = cluster.create(Name="secret", UserName="u", Password="sesame-and-more")
    for render in ("RestPropRender", "HpcJobXml"):
        assert "sesame" not in cluster.get(job, Render=render).text
    assert "sesame" not in cluster.get(job, Properties="Password").text
    assert "sesame" not in server.log


# -- one engine ----------------------------------------------------------------------------------------------------


def test_a_job_of_azure_batch_is_read_as_well(cluster: Cluster):
    """The same job by its number in the account: same name, state, priority and pool."""
    cluster.batch.make_job("from-batch", "main", displayName="Elsewhere", priority=-1000)
    root = ET.fromstring(cluster.call("GET", "Jobs?RowsPerRead=1000&Properties=Id,Name").content)
    rows = [[value.text for value in row.iter(f"{COMMON}Value")] for row in root]
    number = next(id for id, name in rows if name == "Elsewhere")
    values = cluster.values(int(number or 0), "Name", "State", "Priority", "ExpandedPriority", "Pool")
    assert values == {
        "Name": "Elsewhere", "State": "Queued", "Priority": "Lowest", "ExpandedPriority": "0", "Pool": "main",
    }  # fmt: skip


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"<a", 400), (b"\xff\xfe", 400), (b"<a>" * 100_000, 400), (b"{}", 400), (b"x" * (17 * 1024 * 1024), 413),
        (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", 400),
        (body(Progress="9" * 5000), 400), (body(Progress="101"), 400), (body(Name="x" * 81), 400),
        (body(Priority="\u00b2"), 400), (body(Nonsense="1"), 400), (body(HoldUntil="soon"), 400),
        (body(MinCores="-1"), 400), (body(OrderBy="Colour"), 400), (body(JobValidExitCodes="a..b"), 400),
        (body(RuntimeSeconds="9" * 30), 400), (body(ExpandedPriority="4001"), 400),
    ],
    ids=range(17),
)  # fmt: skip
def test_bad_input_body(cluster: Cluster, data: bytes | str, status: int):
    """A body that cannot be read, is too large or says what cannot be is refused, and the job is as it was."""
    before = cluster.values(cluster.draft)
    raw = data.encode() if isinstance(data, str) else data
    answer = cluster.call("PUT", f"Job/{cluster.draft}", data=raw)
    assert answer.status_code == status, answer.text
    root = ET.fromstring(answer.content)
    assert root.tag == f"{COMMON}HpcWebServiceFault"
    assert "root:" not in answer.text
    assert cluster.values(cluster.draft) == before
