"""Get Job List, Get Task List, Get Node List: properties, filters, sorting, paging by QueryId and by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.faces.hpc_pack.site import Site, body, rows
from tests.faces.hpc_pack.test_jobs import code

from linarite.engine.model import Role

MORE = "x-ms-continuation-QueryId"


def numbers(answer) -> list[int]:
    return [int(row["Id"]) for row in rows(answer)]


def mine(site: Site, count: int, name: str = "alice", **properties: str) -> list[int]:
    auth = site.user(name, Role.WRITE)
    return [site.create(auth=auth, **properties) for _ in range(count)]


def test_get_jobs_with_defaults(site: Site):
    """Id, Owner, Name, State, Priority, in this order, ten rows at most."""
    mine(site, 11, name="defaults")
    answer = site.get("Jobs")
    assert list(rows(answer)[0]) == ["Id", "Owner", "Name", "State", "Priority"]
    assert len(rows(answer)) == 10
    assert answer.headers[MORE]


def test_get_jobs_of_an_owner(site: Site):
    """The owner is compared without regard to case, with or without a domain."""
    jobs = mine(site, 2, name="olga")
    for owner in ("olga", "OLGA", "LINARITE\\Olga"):
        assert numbers(site.get("Jobs", params={"Owner": owner})) == jobs
    assert rows(site.get("Jobs", params={"Owner": "nobody"})) == []


def test_get_jobs_page_by_page(site: Site):
    """A QueryId goes on where the last answer stopped, with the same columns, and is absent at the end."""
    jobs = mine(site, 5, name="paul")
    first = site.get("Jobs", params={"Owner": "paul", "RowsPerRead": "2", "Properties": "Id,Name"})
    assert numbers(first) == jobs[:2]
    query = {"RowsPerRead": "2", "QueryId": first.headers[MORE]}
    second = site.get("Jobs", params=query)
    assert rows(second) == [{"Id": str(job), "Name": ""} for job in jobs[2:4]]
    last = site.get("Jobs", params={**query, "QueryId": second.headers[MORE]})
    assert numbers(last) == jobs[4:]
    assert MORE not in last.headers
    assert code(site.get("Jobs", params=query)) == (400, "-2147220935")


def test_get_jobs_when_the_last_page_is_full(site: Site):
    """No QueryId follows a page that ends the list."""
    jobs = mine(site, 2, name="quentin")
    answer = site.get("Jobs", params={"Owner": "quentin", "RowsPerRead": "2"})
    assert numbers(answer) == jobs
    assert MORE not in answer.headers


def test_get_jobs_by_a_stale_or_foreign_query(site: Site):
    """A QueryId belongs to one user and to one list."""
    mine(site, 3, name="rita")
    query = site.get("Jobs", params={"Owner": "rita", "RowsPerRead": "1"}).headers[MORE]
    other = site.user("sam", Role.WRITE)
    assert code(site.get("Jobs", params={"QueryId": query}, auth=other)) == (400, "-2147220935")
    assert code(site.get("Nodes", params={"QueryId": query})) == (400, "-2147220935")
    assert code(site.get("Jobs", params={"QueryId": "nonsense"})) == (400, "-2147220935")


def test_get_jobs_sorted(site: Site):
    """By any property; an unknown name sorts by Id, without an error; sorted lists have pages too."""
    auth = site.user("tina", Role.WRITE)
    b, a, c = (site.create(auth=auth, Name=name) for name in "bac")
    query = {"Owner": "tina", "SortJobsBy": "name"}
    assert numbers(site.get("Jobs", params=query)) == [a, b, c]
    assert numbers(site.get("Jobs", params={**query, "SortJobsBy": "nonsense"})) == [b, a, c]
    first = site.get("Jobs", params={**query, "RowsPerRead": "2"})
    second = site.get("Jobs", params={"RowsPerRead": "2", "QueryId": first.headers[MORE]})
    assert numbers(first) + numbers(second) == [a, b, c]


def test_get_jobs_filtered(site: Site):
    """JobState and ChangeTimeFrom, joined by and; the value of a date holds blanks and colons."""
    auth = site.user("uma", Role.WRITE)
    draft, gone = (site.create(auth=auth) for _ in range(2))
    site.post(f"Job/{gone}/Cancel").raise_for_status()
    query = {"Owner": "uma"}

    def found(text: str) -> list[int]:
        return numbers(site.get("Jobs", params={**query, "$filter": text}))

    assert found("JobState eq Canceled") == [gone]
    assert found("JobState eq 1") == [draft]
    assert found("jobstate EQ all") == [draft, gone]
    past, future = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))
    assert found(f"ChangeTimeFrom eq {past:%m/%d/%Y %H:%M:%S} and JobState eq Configuring") == [draft]
    assert found(f"ChangeTimeFrom eq {future:%m/%d/%Y %I:%M:%S %p}") == []


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({"$filter": "Nonsense eq 1"}, "-2147220925"), ({"$filter": "JobState gt 1"}, "-2147220925"),
        ({"$filter": "JobState eq Nonsense"}, "-2147220925"), ({"$filter": "ChangeTimeFrom eq soon"}, "-2147220925"),
        ({"$filter": "JobState eq Queued or JobState eq Running"}, "-2147220925"),
        ({"Properties": "Nonsense"}, "-2147220962"), ({"RowsPerRead": "0"}, "-2147220987"),
        ({"RowsPerRead": "x"}, "-2147220987"), ({"Render": "HpcJobXml"}, "-2147220895"),
    ],
)  # fmt: skip
def test_get_jobs_refused(site: Site, query: dict[str, str], number: str):
    """Bad parameters have their code, and the old shape too."""
    assert code(site.get("Jobs", params=query)) == (400, number)
    old = site.get("Jobs", params=query, headers={"CCP_Version": "1"})
    assert (old.status_code, old.text[:7]) == (400, "<string")


@pytest.mark.parametrize("version", [None, "2011-11-01", "2012-03-31.3.4"])
def test_get_jobs_filtered_in_an_old_version(site: Site, version: str | None):
    """$filter came with 2012-11-01."""
    answer = site.get("Jobs", params={"$filter": "JobState eq Queued"}, headers={"api-version": version})
    assert answer.status_code == 400


def test_get_tasks(site: Site):
    """Rows by number, with the documented columns; filter and pages as for jobs."""
    job = site.create()
    for command in ("true", "exit 1", "true", "no-such-program"):
        site.task(job, command)
    site.submit(job)
    site.until_job(job, "Failed")
    found = rows(site.get(f"Job/{job}/Tasks"))
    columns = ["TaskId", "Name", "State", "CommandLine", "ExitCode", "ParentJobId", "JobTaskId", "InstanceId"]
    assert [list(row) for row in found] == [columns] * 4
    assert [row["TaskId"] for row in found] == [f"{job}.{number}" for number in (1, 2, 3, 4)]

    def states(text: str) -> list[str]:
        query = {"$filter": f"TaskState eq {text}", "Properties": "JobTaskId"}
        return [row["JobTaskId"] for row in rows(site.get(f"Job/{job}/Tasks", params=query))]

    assert (states("Failed"), states("Finished"), states("Queued")) == (["2", "4"], ["1", "3"], [])
    first = site.get(f"Job/{job}/Tasks", params={"RowsPerRead": "3", "Properties": "JobTaskId"})
    second = site.get(f"Job/{job}/Tasks", params={"QueryId": first.headers[MORE]})
    assert rows(second) == [{"JobTaskId": "4"}]


def test_get_nodes(site: Site):
    """The nodes of the account's pools, and one of them by name; its groups and their members."""
    [row] = rows(site.get("Nodes", params={"Properties": "name,Id,State", "$filter": "NodeState eq Online"}))
    assert list(row) == ["Name", "Id", "State"]
    assert row["State"] == "Online"
    assert rows(site.get("Nodes", params={"$filter": "NodeState eq Offline"})) == []
    groups = [group["Name"] for group in rows(site.get("NodeGroups"))]
    assert groups == ["ComputeNodes", "LinuxNodes", "HeadNodes", "main"]
    for group in ("ComputeNodes", "computenodes", "main", "LinuxNodes"):
        answer = site.get(f"NodeGroup/{group}")
        assert answer.text == (
            '<ArrayOfstring xmlns="http://schemas.microsoft.com/2003/10/Serialization/Arrays"'
            f' xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><string>{row["Name"]}</string></ArrayOfstring>'
        )
    assert code(site.get("NodeGroup/nowhere")) == (404, "-2147220937")
    assert code(site.get("Node/nowhere")) == (404, "-2147220978")


@pytest.mark.parametrize("path", ["Nodes", "Node/x", "NodeGroups", "NodeGroup/x", "ActiveHeadnode", "Clusters"])
def test_node_operations_without_a_version(site: Site, path: str):
    """These operations want an api-version."""
    answer = site.get(path, headers={"api-version": None})
    assert answer.status_code == 400
    assert answer.text.startswith("<string")


def test_cluster(site: Site):
    """Version, head node, clusters and templates."""
    assert site.get("Version").text == (
        '<string xmlns="http://schemas.microsoft.com/2003/10/Serialization/">6.3.0.0</string>'
    )
    assert ">LINARITE<" in site.get("ActiveHeadnode").text
    assert rows(site.get("Clusters")) == [{"Name": "LINARITE"}]
    assert site.get("HEAD1/Clusters").status_code == 404
    assert "<string>Default</string>" in site.get("JobTemplates").text


@pytest.mark.parametrize("thing", ["", "/Task/1"])
@pytest.mark.parametrize("kind", ["CustomProperties", "EnvVariables"])
def test_names_of_jobs_and_tasks(site: Site, thing: str, kind: str):
    """Set, read, read by name, change in another case, take away by an empty value."""
    job = site.create()
    site.task(job)
    path = f"Job/{job}{thing}/{kind}"

    def found(**query: str) -> dict[str, str]:
        answer = site.get(path, params=query)
        return {item[0].text: item[1].text or "" for item in _elements(answer)}

    assert found() == {}
    answer = site.post(path, body(One="1", Two="2"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert found() == {"One": "1", "Two": "2"}
    assert found(Names="two, Three") == {"two": "2", "Three": ""}
    site.post(path, body(ONE="", Two="zwei")).raise_for_status()
    assert found() == {"Two": "zwei"}
    if kind == "CustomProperties":
        assert code(site.post(path, body(Long="x" * 129))) == (400, "-2147220939")
    else:
        assert code(site.post(path, body(**{"a=b": "1"}))) == (400, "-2147220931")
        assert code(site.post(path, body(Long="x" * 2048))) == (400, "-2147220939")
    assert found() == {"Two": "zwei"}
    assert site.call("POST", f"/MicrosoftHPC/Job/{job}/Task/1/CustomProperties", data=body(a="b")).status_code == 200


def _elements(answer):
    from xml.etree import ElementTree as ET

    assert answer.status_code == 200, answer.text
    return ET.fromstring(answer.content)


def test_names_of_a_job_that_is_over(site: Site):
    """What is over is not changed any more."""
    job = site.run_job("true")
    assert code(site.post(f"Job/{job}/CustomProperties", body(a="b"))) == (400, "-2147220961")
    assert code(site.post(f"Job/{job}/Task/1/EnvVariables", body(a="b"))) == (400, "-2147220921")
