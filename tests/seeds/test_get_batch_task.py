"""Seed 003, "GET BatchTask/{id}", line by line against a running server. Where they disagree, SuperOffice NOTES win."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests
from tests.faces.azure_batch.raw import RawBatch
from tests.seeds.conftest import Person
from tests.support.server import RunningServer

pytestmark = pytest.mark.operation("v1Batch_GetBatchTaskInfo")
PATH = "/api/v1/BatchTask"
NAMES_TEXT = (
    "Id Name AssociateId DetailsTable DetailsRecord IsSystemTask IsInternalTask ParameterObject LastStarted Created "
    "StartCount DatabaseSerialNumber Context Result State Description Response Request ProgressDescription "
    "ProgressPercent FileName TableRight FieldProperties"
)
NAMES = NAMES_TEXT.split()
UNSET = "0001-01-01T00:00:00"
LANGUAGES = 'NO:"Ukentlig";US:"Weekly";GE:"Woche"'
PARAMETERS = [{"name": "SO_PARAM_ParameterObject1", "value": "veniam"}, {"name": "OTHER", "value": "no parameter"}]


class Tasks:
    """An account whose tasks came by Azure Batch, and its user."""

    def __init__(self, server: RunningServer, account: str) -> None:
        self.server, self.account = server, account
        self.person, self.batch = Person(server, account), RawBatch(server.batch, account)
        self.batch.make_pool("p", targetDedicatedNodes=1)
        self.done = self.add("done", "/bin/echo voluptatibus", displayName="Stand-alone incremental matrix")
        self.failed = self.add("failed", "/bin/false")
        self.waiting = self.add("waiting", "/bin/true", pool="nowhere")

    def add(self, name: str, command: str, pool: str = "p", **task: Any) -> int:
        """A job of one task; waits for its end where it can come to one; gives the task's number."""
        self.batch.make_job(name, pool, displayName=f"Hane Group {name}", commonEnvironmentSettings=PARAMETERS)
        answer = self.batch.call("POST", f"/jobs/{name}/tasks", {"id": "t", "commandLine": command, **task})
        assert answer.status == 201, answer.body
        if pool == "p":
            self.batch.wait_task(name, "t")
        found = self.agent("GetAllBatchTaskInfosByName", {"TaskName": f"Hane Group {name}"})
        return int(found[0]["Id"])

    def agent(self, method: str, body: dict[str, Any]) -> Any:
        url = f"{self.server.superoffice}/api/v1/Agents/Batch/{method}"
        return requests.post(url, json=body, auth=self.person.basic, timeout=30).json()

    def get(self, id: object, auth: Any = (), **headers: str) -> requests.Response:
        """GET BatchTask/{id}; a header's `_` is a hyphen, an empty tuple is the user's own password."""
        named = {name.replace("_", "-"): value.encode("latin-1") for name, value in headers.items()}
        url = f"{self.server.superoffice}{PATH}/{id}"
        return requests.get(url, auth=self.person.basic if auth == () else auth, headers=named, timeout=30)

    def info(self, id: int, **headers: str) -> dict[str, Any]:
        answer = self.get(id, **headers)
        assert answer.status_code == 200, answer.text
        value: dict[str, Any] = answer.json()
        return value

    def put(self, id: int, **info: Any) -> dict[str, Any]:
        url = f"{self.server.superoffice}{PATH}/{id}"
        answer = requests.put(url, json=info, auth=self.person.basic, timeout=30)
        assert answer.status_code == 200, answer.text
        value: dict[str, Any] = answer.json()
        return value


@pytest.fixture(scope="module")
def tasks(server: RunningServer, tenant: str) -> Tasks:
    return Tasks(server, tenant)


def refused(answer: requests.Response, status: int, type: str) -> str:
    """Check a refusal's status and shape; gives its sentence."""
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert found.keys() == {"Error", "ErrorType", "ErrorMessage", "ErrorSource"}
    assert (found["Error"], found["ErrorType"]) == (True, type)
    return str(found["ErrorMessage"])


def unreadable(answer: requests.Response, status: int = 400) -> str:
    """Check the shape of a request that cannot be read; gives its detail."""
    assert (answer.status_code, answer.json().keys()) == (status, {"Message", "MessageDetail"}), answer.text
    return str(answer.json()["MessageDetail"])


# -- the path ------------------------------------------------------------------------------------------------------


def test_path_part_id(tasks: Tasks):
    """The number of the task in the account."""
    assert tasks.info(tasks.done)["Id"] == tasks.done


def test_path_has_no_letter_case(tasks: Tasks):
    """The address is matched without regard to it."""
    url = f"{tasks.server.superoffice}/API/V1/batchtask/{tasks.done}"
    assert requests.get(url, auth=tasks.person.basic, timeout=30).json()["Id"] == tasks.done


def test_path_part_id_is_the_accounts_own(tasks: Tasks, server: RunningServer, account: str):
    """Another account has no task of that number."""
    stranger = Person(server, account)
    refused(tasks.get(tasks.done, stranger.basic), 404, "SoNotFoundException")


@pytest.mark.parametrize("id", ["2147483648", "99999999999999999999", "9" * 5000])
def test_path_part_id_is_an_int32(tasks: Tasks, id: str):
    """A larger number cannot be read."""
    assert "32-bit" in unreadable(tasks.get(id))


# -- request headers -----------------------------------------------------------------------------------------------


def test_request_header_authorization_basic(tasks: Tasks):
    """Basic with the user's name and password."""
    assert tasks.get(tasks.done, tasks.person.basic).status_code == 200


@pytest.fixture(scope="module")
def sessions(tasks: Tasks) -> dict[str, dict[str, str]]:
    """The headers of a ticket, of a token and of a cookie, as the command line hands them out."""
    given = {}
    for kind, scheme in (("ticket", "SoTicket"), ("bearer", "Bearer"), ("cookie", "")):
        done = tasks.server.command("token", "--superoffice", kind, "--user", tasks.person.name)
        assert done.returncode == 0, done.stderr
        text = done.stdout.strip()
        lines = [f"Authorization: {scheme} {text}"] if scheme else text.splitlines()
        given[kind] = dict(line.split(": ", 1) for line in lines)
    return given


def bare(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials of the library's own."""
    return request


@pytest.mark.parametrize("kind", ["ticket", "bearer"])
def test_request_header_authorization_by_session(tasks: Tasks, sessions: dict[str, dict[str, str]], kind: str):
    """SoTicket and Bearer sign the same user in."""
    assert tasks.get(tasks.done, bare, **sessions[kind]).json()["Id"] == tasks.done


@pytest.mark.parametrize(
    "header",
    [
        None, "Basic", "Basic !!!", "Basic /w==", "Basic ZGV2", "Digest x", "SoTicket", "SoTicket 7T:none",
        "Bearer 8A:none", "Bearer " + "x" * 9000, "Basic \xff",
    ],
)  # fmt: skip
def test_request_header_authorization_that_is_none(tasks: Tasks, header: str | None):
    """Without good credentials it is 401 with the challenge, and nothing is told of the task."""
    answer = tasks.get(tasks.done, bare, **({"Authorization": header} if header else {}))
    refused(answer, 401, "SoSessionException")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_request_header_authorization_with_a_wrong_password(tasks: Tasks):
    """What was wrong is not told: an unknown name and a wrong password are one."""
    wrong = refused(tasks.get(tasks.done, (tasks.person.name, "wrong")), 401, "SoSessionException")
    assert refused(tasks.get(tasks.done, ("nobody", "wrong")), 401, "SoSessionException") == wrong


def test_request_header_x_xsrf_token(tasks: Tasks, sessions: dict[str, dict[str, str]]):
    """A session's cookie needs the token beside it, the one that the cookie names."""
    headers = sessions["cookie"]
    assert headers.keys() == {"Cookie", "X-XSRF-TOKEN"}
    assert tasks.get(tasks.done, bare, **headers).json()["Id"] == tasks.done
    refused(tasks.get(tasks.done, bare, Cookie=headers["Cookie"]), 401, "SoSessionException")
    other = {**headers, "X-XSRF-TOKEN": "other"}
    refused(tasks.get(tasks.done, bare, **other), 401, "SoSessionException")


def test_request_header_x_xsrf_token_of_another_session(tasks: Tasks, sessions: dict[str, dict[str, str]]):
    """A token that is repeated in a cookie of the caller's own making is not the session's."""
    session = next(part for part in sessions["cookie"]["Cookie"].split("; ") if not part.startswith("XSRF"))
    forged = {"Cookie": f"{session}; XSRF-TOKEN=forged", "X-XSRF-TOKEN": "forged"}
    refused(tasks.get(tasks.done, bare, **forged), 401, "SoSessionException")


@pytest.mark.parametrize(
    "accept", ["application/json", "text/json", "application/json-patch+json", "application/merge-patch+json"]
)
def test_request_header_accept_json(tasks: Tasks, accept: str):
    """Four of the types are JSON."""
    answer = tasks.get(tasks.done, Accept=accept)
    assert answer.headers["Content-Type"] == f"{accept}; charset=utf-8"
    assert answer.json()["Id"] == tasks.done


@pytest.mark.parametrize("accept", ["application/xml", "text/xml"])
def test_request_header_accept_xml(tasks: Tasks, accept: str):
    """Two are XML, which tells the same."""
    answer = tasks.get(tasks.done, Accept=accept)
    assert answer.headers["Content-Type"] == f"{accept}; charset=utf-8"
    root, info = ET.fromstring(answer.content), tasks.info(tasks.done)
    assert (root.tag, [child.tag for child in root]) == ("BatchTaskInfo", list(info))
    assert root.findtext("IsSystemTask") == "true"
    assert [root.findtext(name) for name in ("Id", "Name", "State")] == [str(info["Id"]), info["Name"], info["State"]]


@pytest.mark.parametrize("accept", ["application/xml", "text/xml"])
def test_request_header_accept_of_a_refusal(tasks: Tasks, accept: str):
    """A refusal is in the type asked for, too."""
    answer = tasks.get(2147483647, Accept=accept)
    assert (answer.status_code, ET.fromstring(answer.content).findtext("ErrorType")) == (404, "SoNotFoundException")


@pytest.mark.parametrize("accept", ["*/*", "image/png", "", "x;q=9", ",;,"])
def test_request_header_accept_of_none_of_them(tasks: Tasks, accept: str):
    """JSON is the default."""
    assert tasks.get(tasks.done, Accept=accept).headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.fixture(scope="module")
def weekly(tasks: Tasks) -> int:
    """A task whose description is in several languages."""
    id = tasks.add("weekly", "/bin/true")
    tasks.put(id, Description=LANGUAGES)
    return id


@pytest.mark.parametrize(
    ("language", "text"), [("de", "Woche"), ("en-us", "Weekly"), ("nb", "Ukentlig"), ("*", LANGUAGES)]
)
def test_request_header_accept_language(tasks: Tasks, weekly: int, language: str, text: str):
    """A text of several languages comes in the one asked for; `*` leaves it as it is."""
    assert tasks.info(weekly, Accept_Language=language)["Description"] == text


def test_request_header_so_language(tasks: Tasks, weekly: int):
    """It overrides Accept-Language."""
    assert tasks.info(weekly, Accept_Language="de", SO_Language="no")["Description"] == "Ukentlig"


@pytest.mark.parametrize("language", ["\xff", "a" * 5000, "-", "xx"])
def test_request_header_so_language_that_is_none(tasks: Tasks, weekly: int, language: str):
    """A language that the text has not, or that is none, hurts nobody."""
    assert tasks.info(weekly, SO_Language=language)["Description"] in {"Weekly", LANGUAGES}


@pytest.mark.parametrize("culture", ["no", "en-US", "zz"])
def test_request_header_so_culture(tasks: Tasks, culture: str):
    """Numbers and dates of the answer have no culture: it changes nothing, with a language or without."""
    plain = tasks.info(tasks.done)
    assert tasks.info(tasks.done, SO_Culture=culture) == plain
    assert tasks.info(tasks.done, SO_Culture=culture, SO_Language="en") == plain


@pytest.mark.parametrize(("zone", "hours"), [("BD", 6), ("UTC", 0), ("1", 0), ("50", 6)])
def test_request_header_so_time_zone(tasks: Tasks, zone: str, hours: int):
    """Dates come in the zone of the code or number, those of creation in UTC [NOTES]."""
    plain, there = tasks.info(tasks.done), tasks.info(tasks.done, SO_TimeZone=zone)
    moved = datetime.fromisoformat(there["LastStarted"]) - datetime.fromisoformat(plain["LastStarted"])
    assert (moved, there["Created"]) == (timedelta(hours=hours), plain["Created"])


def test_request_header_so_time_zone_with_offset(tasks: Tasks):
    """With includeTZOffset each date has its offset, and is the same moment."""
    there = tasks.info(tasks.done, SO_TimeZone="BD,includeTZOffset")
    assert there["LastStarted"].endswith("+0600")
    plain = datetime.fromisoformat(tasks.info(tasks.done)["LastStarted"]).replace(tzinfo=UTC)
    assert datetime.fromisoformat(there["LastStarted"][:-2] + ":00") == plain


@pytest.mark.parametrize("zone", ["XX", "99999", "9" * 5000, "../../etc/passwd", "/etc/passwd", "\xff"])
def test_request_header_so_time_zone_that_is_none(tasks: Tasks, zone: str):
    """A zone that there is not is refused."""
    assert "SO-TimeZone" in unreadable(tasks.get(tasks.done, SO_TimeZone=zone))


def test_request_header_so_app_token(tasks: Tasks):
    """Taken, and of no consequence where no partner is registered."""
    assert tasks.info(tasks.done, SO_AppToken="token") == tasks.info(tasks.done)


# -- response ------------------------------------------------------------------------------------------------------


def test_response_200(tasks: Tasks):
    """An object with every property of the page, and one that came later."""
    assert set(tasks.info(tasks.done)) == {*NAMES, "CancellationBehaviour"}


@pytest.mark.parametrize("id", ["0", "2147483647", "-1", "abc", "1.5", "%00", "..%2f..", "%EF%BC%91", "1%20", "x" * 65])
def test_response_404(tasks: Tasks, id: str):
    """No task of that number, or no number at all."""
    assert refused(tasks.get(id), 404, "SoNotFoundException").endswith(" not found")


@pytest.mark.parametrize("method", ["PATCH", "POST", "OPTIONS"])
def test_response_405(tasks: Tasks, method: str):
    """Another verb is told which ones there are."""
    url = f"{tasks.server.superoffice}{PATH}/{tasks.done}"
    answer = requests.request(method, url, auth=tasks.person.basic, timeout=30)
    unreadable(answer, 405)
    assert answer.headers["Allow"] == "GET, PUT, DELETE"


# -- the body ------------------------------------------------------------------------------------------------------


def test_property_id(tasks: Tasks):
    """Each task of the account has its own."""
    numbers = [tasks.done, tasks.failed, tasks.waiting]
    assert numbers == sorted(set(numbers))


def test_property_name(tasks: Tasks):
    """The name of the definition, or of the job that came by another protocol."""
    assert tasks.info(tasks.done)["Name"] == "Hane Group done"


def test_property_associate_id_of_a_system_task(tasks: Tasks):
    """A task that no user started has 0."""
    assert tasks.info(tasks.done)["AssociateId"] == 0


def test_property_associate_id_of_a_user(tasks: Tasks):
    """A job that a user made by HPC Pack is that user's, whose number is above 0."""
    info = tasks.info(_by_hpc_pack(tasks))
    assert info["AssociateId"] > 0
    assert info["IsSystemTask"] is False


def _by_hpc_pack(tasks: Tasks) -> int:
    """The number of a task in a job that the user submits by HPC Pack."""
    base, auth = f"{tasks.server.hpc}/hpc/jobs", tasks.person.basic
    name = f"by hpc {time.time_ns()}"
    job = requests.post(base, json=[{"Name": "Name", "Value": name}], auth=auth, timeout=30).json()
    command = [{"Name": "CommandLine", "Value": "true"}]
    requests.post(f"{base}/{job}/tasks", json=command, auth=auth, timeout=30).raise_for_status()
    requests.post(f"{base}/{job}/submit", json=[], auth=auth, timeout=30).raise_for_status()
    [found] = tasks.agent("GetAllBatchTaskInfosByName", {"TaskName": name})
    return int(found["Id"])


@pytest.mark.parametrize("name", ["DetailsTable", "DetailsRecord"])
def test_property_details(tasks: Tasks, name: str):
    """A task without details has 0."""
    assert tasks.info(tasks.done)[name] == 0


def test_property_is_system_task(tasks: Tasks):
    """A task that was not initiated by an associate."""
    assert tasks.info(tasks.done)["IsSystemTask"] is True


def test_property_is_internal_task(tasks: Tasks):
    """Every task leaves its trace in the database."""
    assert tasks.info(tasks.done)["IsInternalTask"] is False


def test_property_parameter_object(tasks: Tasks):
    """The parameters that the task is given, by name."""
    assert tasks.info(tasks.done)["ParameterObject"] == {"ParameterObject1": "veniam"}


def test_property_last_started(tasks: Tasks):
    """The moment of the newest start; the unset date for a task that has not started."""
    started = tasks.batch.call("GET", "/jobs/done/tasks/t").json["executionInfo"]["startTime"]
    assert tasks.info(tasks.done)["LastStarted"] == started[:19]
    assert tasks.info(tasks.waiting)["LastStarted"] == UNSET


def test_property_created(tasks: Tasks):
    """The task's creation time."""
    created = tasks.batch.call("GET", "/jobs/done/tasks/t").json["creationTime"]
    assert tasks.info(tasks.done)["Created"] == created[:19]


def test_property_start_count(tasks: Tasks):
    """How often it was started, 0 before the first time."""
    assert [tasks.info(id)["StartCount"] for id in (tasks.done, tasks.waiting)] == [1, 0]


def test_property_start_count_with_retries(tasks: Tasks):
    """A retry is a start."""
    id = tasks.add("retried", "/bin/false", constraints={"maxTaskRetryCount": 2})
    assert tasks.info(id)["StartCount"] == 3


def test_property_database_serial_number(tasks: Tasks):
    """The tag of the database: the account."""
    assert tasks.info(tasks.done)["DatabaseSerialNumber"] == tasks.account


def test_property_context(tasks: Tasks):
    """The tenant that the task runs for."""
    assert tasks.info(tasks.done)["Context"] == tasks.account


def test_property_result(tasks: Tasks):
    """What became of it: nothing yet, success, or failure with the exit code."""
    found = [tasks.info(id)["Result"] for id in (tasks.waiting, tasks.done, tasks.failed)]
    assert found == ["", "success", "failure (exit 1)"]


def test_property_state(tasks: Tasks):
    """The name of a BatchTaskState."""
    found = [tasks.info(id)["State"] for id in (tasks.waiting, tasks.done, tasks.failed)]
    assert found == ["New", "Succeeded", "Failed"]


def test_property_state_of_a_running_task(tasks: Tasks):
    """Started, and Failed after it was stopped."""
    tasks.batch.make_job("long", "p", displayName="long")
    tasks.batch.call("POST", "/jobs/long/tasks", {"id": "t", "commandLine": "/bin/sleep 60"})
    tasks.batch.wait_task("long", "t", "running")
    [found] = tasks.agent("GetAllBatchTaskInfosByName", {"TaskName": "long"})
    assert tasks.info(found["Id"])["State"] == "Started"
    stop = f"{tasks.server.superoffice}{PATH}/{found['Id']}/Stop"
    assert requests.post(stop, auth=tasks.person.basic, timeout=30).json() is True
    tasks.batch.wait_task("long", "t")
    assert tasks.info(found["Id"])["State"] == "Failed"


def test_property_description(tasks: Tasks):
    """The task's own name in words, or what was put in its place."""
    assert tasks.info(tasks.done)["Description"] == "Stand-alone incremental matrix"
    assert tasks.put(tasks.failed, Description="by hand")["Description"] == "by hand"
    assert tasks.info(tasks.failed)["Description"] == "by hand"


def test_property_response(tasks: Tasks):
    """What was put there, else the failure, else the beginning of the output."""
    assert tasks.info(tasks.done)["Response"] == "voluptatibus\n"
    assert "exit code" in tasks.info(tasks.failed)["Response"]
    assert tasks.put(tasks.waiting, Response="by hand")["Response"] == "by hand"


def test_property_response_of_a_link_that_leads_out(tasks: Tasks):
    """A task that puts a link in place of its output shows nothing of what it leads to."""
    id = tasks.add("linked", "/bin/sh -c 'rm ../stdout.txt; ln -s /etc/passwd ../stdout.txt'")
    info = tasks.info(id)
    assert (info["State"], info["Response"]) == ("Succeeded", "")


def test_property_request(tasks: Tasks):
    """What is to be done; empty unless given."""
    assert tasks.info(tasks.done)["Request"] == ""
    assert tasks.put(tasks.waiting, Request="fugiat")["Request"] == "fugiat"


def test_property_progress_description(tasks: Tasks):
    """A text, of a task that tells of no stages an empty one."""
    assert tasks.info(tasks.done)["ProgressDescription"] == ""


def test_property_progress_percent(tasks: Tasks):
    """0 at first, 100 once it has succeeded."""
    assert [tasks.info(id)["ProgressPercent"] for id in (tasks.waiting, tasks.done)] == [0, 100]


def test_property_file_name(tasks: Tasks):
    """A text, empty for a task without a file of its own."""
    assert tasks.info(tasks.done)["FileName"] == ""


@pytest.mark.parametrize(("role", "mask"), [("admin", "FULL"), ("write", "Select"), ("read", "Select")])
def test_property_table_right(tasks: Tasks, server: RunningServer, role: str, mask: str):
    """What the caller may do with it: all to an administrator, look at a system task to others."""
    person = tasks.person if role == "admin" else Person(server, tasks.account, role)
    assert tasks.get(tasks.done, person.basic).json()["TableRight"] == {"Mask": mask, "Reason": ""}


def test_property_field_properties(tasks: Tasks):
    """An object, which may be empty."""
    assert tasks.info(tasks.done)["FieldProperties"] == {}


# -- the sample ----------------------------------------------------------------------------------------------------


def test_sample_request(tasks: Tasks):
    """The sample's own headers, and its status line and media type in the answer."""
    name, password = tasks.person.basic
    basic = base64.b64encode(f"{name}:{password}".encode()).decode()
    answer = tasks.get(
        tasks.done, bare, Authorization=f"Basic {basic}", Accept="application/json; charset=utf-8", Accept_Language="*"
    )
    assert (answer.status_code, answer.reason) == (200, "OK")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_sample_response_types(tasks: Tasks):
    """Each value is of the sample's type."""
    kinds = {
        **dict.fromkeys(NAMES, str), "ParameterObject": dict, "TableRight": dict, "FieldProperties": dict,
        "IsSystemTask": bool, "IsInternalTask": bool,
        **dict.fromkeys(
            ("Id", "AssociateId", "DetailsTable", "DetailsRecord", "StartCount", "ProgressPercent"), int
        ),
    }  # fmt: skip
    for id in (tasks.done, tasks.failed, tasks.waiting):
        info = tasks.info(id)
        assert {name: type(info[name]) for name in NAMES} == kinds


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b"[]", 400), (b"nonsense", 400), (b'{"Description": "\xff"}', 400), (b"[" * 100_000, 400),
        (b'{"Description": 5.5.5}', 400), (b'{"Description": "' + b"x" * 1_100_000 + b'"}', 413),
        (b'{"State": "Sleeping"}', 400), (b'{"State": 99}', 400), (b'{"Description": {"a": 1}}', 400),
        (b'{"Description": "' + b"x" * 255 + b'"}', 400),
    ],
    ids=range(11),
)  # fmt: skip
def test_bad_input_body(tasks: Tasks, body: bytes, status: int):
    """A body that cannot be read, is too large or says what cannot be is refused, and the task is as it was."""
    before = tasks.info(tasks.done)
    url = f"{tasks.server.superoffice}{PATH}/{tasks.done}"
    headers = {"Content-Type": "application/json"}
    unreadable(requests.put(url, data=body, auth=tasks.person.basic, headers=headers, timeout=30), status)
    assert tasks.info(tasks.done) == before


def test_bad_input_in_xml(tasks: Tasks):
    """XML that brings entities is refused."""
    body = b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><BatchTaskInfo><Description>&x;</Description></BatchTaskInfo>"
    url = f"{tasks.server.superoffice}{PATH}/{tasks.done}"
    headers = {"Content-Type": "application/xml"}
    answer = requests.put(url, data=body, auth=tasks.person.basic, headers=headers, timeout=30)
    assert "root:" not in unreadable(answer)
