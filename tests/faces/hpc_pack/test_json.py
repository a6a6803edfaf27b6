"""The same operations under /hpc, as JSON."""

from __future__ import annotations

from typing import Any

import pytest
from tests.faces.hpc_pack.site import Site, rows

from linarite.engine.model import Role


def call(site: Site, method: str, path: str, json: Any = None, **options: Any) -> Any:
    headers = {"api-version": None, **options.pop("headers", {})}
    return site.call(method, f"/hpc/{path}", json=json, headers=headers, **options)


def given(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def properties(**values: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]


def create(site: Site, **values: str) -> int:
    return given(call(site, "POST", "jobs", properties(**values)))


def read(site: Site, path: str, *names: str) -> dict[str, str]:
    query = {"properties": ",".join(names)} if names else {}
    return {item["Name"]: item["Value"] for item in given(call(site, "GET", path, params=query))}


def until(site: Site, path: str, *states: str) -> str:
    return site.until(lambda: (state := read(site, path, "State")["State"]) in states and state)


def test_json_job_from_begin_to_end(site: Site):
    """Create, add tasks, submit, read; void actions answer 204 without a body."""
    job = create(site, Name="TestJob")
    assert read(site, f"jobs/{job}", "state", "Name") == {"State": "Configuring", "Name": "TestJob"}
    assert given(call(site, "POST", f"jobs/{job}/Tasks", properties(CommandLine="echo hi"))) == 1
    answer = call(site, "POST", f"jobs/{job}/Submit", {})
    assert (answer.status_code, answer.content) == (204, b"")
    assert until(site, f"jobs/{job}", "Finished", "Failed") == "Finished"
    assert read(site, f"jobs/{job}/tasks/1", "Output", "State") == {"Output": "hi\n", "State": "Finished"}


@pytest.mark.parametrize("sent", [{}, [], None, [{"name": "Name", "value": "x"}], [{"NAME": "Name", "VALUE": None}]])
def test_json_create_job_body_forms(site: Site, sent: Any):
    """`{}`, nothing and keys in any case are taken."""
    assert given(call(site, "POST", "jobs", sent)) > 0


def test_json_create_job_sent_as_xml(site: Site):
    """A body whose Content-Type says XML is read as XML, an answer for Accept: application/xml is XML."""
    data = "<ArrayOfProperty><Property><Name>Name</Name><Value>x</Value></Property></ArrayOfProperty>"
    answer = site.call("POST", "/hpc/jobs", data=data, headers={"Content-Type": "application/xml"})
    job = given(answer)
    answer = call(site, "GET", f"jobs/{job}", headers={"Accept": "application/xml"}, params={"properties": "Name"})
    assert "<Name>Name</Name><Value>x</Value>" in answer.text
    assert call(site, "GET", "jobs/999999999", headers={"Accept": "application/xml"}).text.startswith("<HpcWebServiceF")


@pytest.mark.parametrize("action", ["cancel", "finish"])
def test_json_job_ended_by_request(site: Site, action: str):
    """Cancel ends as Canceled with the words, finish as Finished without any."""
    job = create(site, RunUntilCanceled="true")
    given(call(site, "POST", f"jobs/{job}/tasks", properties(CommandLine="sleep 60")))
    given(call(site, "POST", f"jobs/{job}/submit"), 204)
    until(site, f"jobs/{job}/tasks/1", "Running")
    given(call(site, "POST", f"jobs/{job}/{action}", "in my own words"), 204)
    state = "Canceled" if action == "cancel" else "Finished"
    assert until(site, f"jobs/{job}", "Canceled", "Finished", "Failed") == state
    message = read(site, f"jobs/{job}", "ErrorMessage")["ErrorMessage"]
    assert ("in my own words" in message) is (action == "cancel")
    assert read(site, f"jobs/{job}/tasks/1", "State")["State"] == ("Failed" if action == "cancel" else "Finished")
    if action == "cancel":
        given(call(site, "POST", f"jobs/{job}/requeue"), 204)
        assert until(site, f"jobs/{job}", "Queued", "Running")
        given(call(site, "POST", f"jobs/{job}/cancel", params={"forced": "true"}), 204)


@pytest.mark.parametrize("action", ["cancel", "finish"])
def test_json_task_ended_by_request(site: Site, action: str):
    """A task finished by request is Finished and keeps the words, as a canceled one that failed does."""
    job = create(site)
    given(call(site, "POST", f"jobs/{job}/tasks", properties(CommandLine="sleep 60")))
    given(call(site, "POST", f"jobs/{job}/submit"), 204)
    until(site, f"jobs/{job}/tasks/1", "Running")
    given(call(site, "POST", f"jobs/{job}/tasks/1/{action}", "enough of it"), 204)
    state = "Failed" if action == "cancel" else "Finished"
    assert until(site, f"jobs/{job}/tasks/1", "Failed", "Finished") == state
    assert "enough of it" in read(site, f"jobs/{job}/tasks/1", "ErrorMessage")["ErrorMessage"]
    assert until(site, f"jobs/{job}", "Failed", "Finished") == state


def test_json_jobs_in_rows(site: Site):
    """With startRow the whole count comes in a header and no QueryId; past the end there is nothing."""
    auth = site.user("json", Role.WRITE)
    jobs = [given(call(site, "POST", "jobs", [], auth=auth)) for _ in range(3)]
    query = {"owner": "json", "rowsPerRead": "2", "properties": "Id"}

    def page(**more: str) -> tuple[list[int], Any]:
        answer = call(site, "GET", "jobs", params={**query, **more})
        found = [int(row["Properties"][0]["Value"]) for row in given(answer)]
        return found, (answer.headers.get("x-ms-row-count"), "x-ms-continuation-QueryId" in answer.headers)

    assert page() == (jobs[:2], (None, True))
    assert page(startRow="0") == (jobs[:2], ("3", False))
    assert page(startRow="2") == (jobs[2:], ("3", False))
    assert page(startRow="3") == ([], ("3", False))
    assert page(startRow="0", asc="False") == (jobs[:0:-1], ("3", False))
    assert page(asc="false", sortJobsBy="id")[0] == jobs[:0:-1]


def test_json_cluster(site: Site):
    """Version, head node, date format, roles, templates, nodes and groups."""
    assert given(call(site, "GET", "cluster/version")).count(".") == 3
    assert given(call(site, "GET", "cluster/activeHeadNode")) == "LINARITE"
    assert given(call(site, "GET", "cluster/info/dateTimeFormat")) == "M/d/yyyy h:mm:ss tt"
    assert given(call(site, "GET", "cluster/userRoles")) == ["User", "Administrator"]
    assert given(call(site, "GET", "jobs/templates")) == ["Default"]
    [node] = given(call(site, "GET", "nodes", params={"properties": "id,name"}))
    assert [item["Name"] for item in node["Properties"]] == ["Id", "Name"]
    name = node["Properties"][1]["Value"]
    assert read(site, f"nodes/{name}")["Name"] == name
    assert given(call(site, "GET", "nodes/groups/ComputeNodes")) == [name]


def test_json_as_another_user(site: Site):
    """An administrator acts as another user; who is none may not, and an unknown user is refused."""
    bob = site.user("bob", Role.WRITE)
    other = {"x-ms-as-user": "LINARITE\\bob"}
    job = given(call(site, "POST", "jobs", [], headers=other))
    assert read(site, f"jobs/{job}", "Owner") == {"Owner": "LINARITE\\bob"}
    mine = create(site)
    assert given(call(site, "POST", f"jobs/{mine}/cancel", headers=other), 403)["Code"] == -2147220981
    given(call(site, "POST", "jobs", [], auth=bob, headers={"x-ms-as-user": "dev"}), 403)
    given(call(site, "POST", "jobs", [], headers={"x-ms-as-user": "nobody"}), 403)
    classic = site.get(f"Job/{mine}", headers=other, params={"Properties": "Id"})
    assert classic.status_code == 200
    assert len(rows(site.get("Jobs", params={"Owner": "bob"}))) == 1


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "number"),
    [
        ("GET", "jobs/999999999", None, 404, -2147220986), ("GET", "jobs/x", None, 404, -2147220986),
        ("GET", "nowhere", None, 404, 267386880), ("DELETE", "jobs", None, 405, 267386880),
        ("GET", "jobs?properties=Nonsense", None, 400, -2147220962),
        ("GET", "jobs?startRow=-1", None, 400, -2147220987), ("GET", "jobs?asc=perhaps", None, 400, 267386880),
        ("POST", "jobs", [1], 400, 267386880), ("POST", "jobs", "text", 400, 267386880),
        ("POST", "jobs", [{"Value": "x"}], 400, 267386880),
        ("POST", "jobs", [{"Name": "Name", "Value": ["x"]}], 400, 267386880),
        ("POST", "jobs", [{"Name": "Nonsense", "Value": "x"}], 400, -2147220962),
        ("POST", "jobs/1/cancel", 5, 400, 267386880), ("POST", "jobs/1/cancel", "x" * 129, 400, -2147220781),
        ("POST", "jobs/jobFile", "<Task/>", 400, 267386880),
    ],
)  # fmt: skip
def test_json_refused(site: Site, method: str, path: str, sent: Any, status: int, number: int):
    """Refusals are JSON objects with Code, Message and Values."""
    answer = given(call(site, method, path, sent), status)
    assert (list(answer), answer["Code"], answer["Values"]) == (["Code", "Message", "Values"], number, None)
    assert answer["Message"]


@pytest.mark.parametrize("data", ["{", "[1", "\xff", '[{"Name":"Name","Value":"\\ud800"}]', "[" * 100_000])
def test_json_malformed(site: Site, data: str):
    """Malformed JSON is the caller's fault."""
    answer = site.call("POST", "/hpc/jobs", data=data.encode("latin-1"), headers={"Content-Type": "application/json"})
    assert given(answer, 400)["Code"] == 267386880


def test_json_challenge(site: Site):
    """Without credentials the JSON surface challenges too."""
    answer = call(site, "GET", "jobs", auth=None)
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert given(answer, 401)["Code"] == -2147220980
