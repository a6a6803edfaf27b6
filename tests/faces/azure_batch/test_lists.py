"""Lists: pages and their links, $filter, $select."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import pytest
from tests.faces.azure_batch.raw import RawBatch

from linarite.faces.azure_batch import filters


@pytest.fixture
def job(batch: RawBatch) -> RawBatch:
    """A job with the tasks task-0 to task-4 and other."""
    batch.make_job("j")
    tasks = [{"id": name, "commandLine": "/bin/true"} for name in [*(f"task-{n}" for n in range(5)), "other"]]
    batch.call("POST", "/jobs/j/addtaskcollection", {"value": tasks})
    return batch


def names(batch: RawBatch, target: str) -> list[str]:
    """The ids of all pages, each link followed as it stands."""
    found: list[str] = []
    while target:
        page = batch.call("GET", target)
        assert page.status == 200, page.body
        found += [item["id"] for item in page.json["value"]]
        link = page.json.get("odata.nextLink", "")
        target = f"{urlsplit(link).path}?{urlsplit(link).query}" if link else ""
    return found


def filtered(path: str, condition: str) -> str:
    return f"{path}?$filter={quote(condition)}"


def test_list_goes_on_where_the_page_before_ended(job: RawBatch):
    everything = names(job, "/jobs/j/tasks")
    assert everything == ["task-0", "task-1", "task-2", "task-3", "task-4", "other"]
    assert names(job, "/jobs/j/tasks?maxresults=1") == everything
    assert names(job, "/jobs/j/tasks?maxresults=4") == everything
    assert "odata.nextLink" not in job.call("GET", "/jobs/j/tasks?maxresults=6").json


def test_next_link_stays_right_while_tasks_are_added_and_deleted(job: RawBatch):
    first = job.call("GET", "/jobs/j/tasks?maxresults=2").json
    job.call("DELETE", "/jobs/j/tasks/task-1")
    job.call("POST", "/jobs/j/tasks", {"id": "new", "commandLine": "/bin/true"})
    link = urlsplit(first["odata.nextLink"])
    assert names(job, f"{link.path}?{link.query}") == ["task-2", "task-3", "task-4", "other", "new"]


def test_links_go_on_right_while_others_add_tasks(job: RawBatch):
    """Whoever follows them meets each task once; those that were there when they began, all of them."""

    def add() -> None:
        for first in range(0, 600, 20):
            tasks = [{"id": f"new-{n:03}", "commandLine": "/bin/true"} for n in range(first, first + 20)]
            assert job.call("POST", "/jobs/j/addtaskcollection", {"value": tasks}).status == 200

    with ThreadPoolExecutor() as pool:
        adding, before = pool.submit(add), set[str]()
        while len(before) < 606:
            found = names(job, "/jobs/j/tasks?maxresults=7")
            assert len(found) == len(set(found))
            assert before <= set(found)
            before = set(found)
            if adding.done():
                adding.result()


def test_next_link_bears_the_host_that_the_client_used(job: RawBatch):
    link = job.call("GET", "/jobs/j/tasks?maxresults=1").json["odata.nextLink"]
    assert link.startswith(f"http://{job._address.netloc}/jobs/j/tasks?$skiptoken=")
    assert "api-version=2025-06-01" in link
    assert "maxresults=1" in link


@pytest.mark.parametrize("text", ["0", "-5", "1001", "many", "", "1.5"])
def test_maxresults_out_of_bounds_is_refused(job: RawBatch, text: str):
    answer = job.call("GET", f"/jobs/j/tasks?maxresults={text}")
    assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue")
    assert answer.values["QueryParameterName"] == "maxresults"


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("startswith(id,'task-')", 5), ("id eq 'OTHER'", 1), ("id ge 'task-3'", 2), ("state eq 'active'", 6),
        ("state eq 'completed'", 0), ("executionInfo/exitCode eq 3", 0), ("creationTime gt 2001-01-01T00:00:00Z", 6),
        ("creationTime lt DateTime'2001-01-01T00:00:00Z'", 0), ("startswith(id,'task-') and id ne 'task-1'", 4),
        ("id eq 'other' or (startswith(id,'task') and id lt 'task-1')", 2), ("executionInfo/result eq 'failure'", 0),
    ],
)  # fmt: skip
def test_filter_picks_tasks(job: RawBatch, condition: str, found: int):
    assert len(names(job, f"/jobs/j/tasks?maxresults=2&$filter={quote(condition)}")) == found


@pytest.mark.parametrize(
    "condition", ["colour eq 'x'", "id eq", "state gt 'x'", "executionInfo/exitCode eq 99999999999999999999"]
)
@pytest.mark.parametrize("path", ["/jobs/j/tasks", "/jobs", "/pools", "/pools/p/nodes", "/nodecounts"])
def test_filter_that_is_none_is_refused(job: RawBatch, path: str, condition: str):
    job.make_pool("p")
    answer = job.call("GET", f"{path}?$filter={quote(condition)}")
    assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue")


def test_filter_of_hundreds_of_ids_is_answered(job: RawBatch):
    condition = " or ".join(f"id eq 'x{number}'" for number in range(200)) + " or id eq 'other'"
    assert names(job, f"/jobs/j/tasks?$filter={quote(condition)}") == ["other"]


def test_select_leaves_the_rest_out(job: RawBatch):
    page = job.call("GET", "/jobs/j/tasks?$select=id,%20state&maxresults=1").json
    assert page["value"] == [{"id": "task-0", "state": "active"}]
    one = job.call("GET", "/jobs/j?$select=id&$expand=stats").json
    assert one == {"odata.metadata": one["odata.metadata"], "id": "j"}


def test_lists_of_jobs_and_pools_are_filtered(batch: RawBatch):
    for name in ("a", "b"):
        batch.make_pool(name)
        batch.make_job(name, name)
    assert names(batch, filtered("/jobs", "executionInfo/poolId eq 'a'")) == ["a"]
    assert names(batch, filtered("/pools", "id eq 'b' and state eq 'active'")) == ["b"]
    assert names(batch, filtered("/pools", "allocationState eq 'steady'")) == ["a", "b"]
    assert names(batch, "/jobs?maxresults=1") == ["a", "b"]


def test_bad_skiptoken_is_refused(batch: RawBatch):
    for token in ("x", "-1", "9" * 30):
        assert batch.call("GET", f"/jobs?$skiptoken={token}").code == "InvalidQueryParameterValue"


def test_token_goes_on_with_its_own_list_and_filter_alone(job: RawBatch):
    """Another page size or choice of properties may go on; another job, filter, account or kind of list may not."""
    job.make_job("k")
    link = urlsplit(
        job.call("GET", filtered("/jobs/j/tasks", "startswith(id,'task')") + "&maxresults=2").json["odata.nextLink"]
    )
    token = next(part for part in link.query.split("&") if part.startswith("$skiptoken="))
    same = filtered("/jobs/j/tasks", "startswith(id,'task')")
    assert names(job, f"{same}&{token}&maxresults=1&$select=id") == ["task-2", "task-3", "task-4"]
    for other in (
        "/jobs/j/tasks?", filtered("/jobs/j/tasks", "startswith(id,'t')") + "&", "/jobs/k/tasks?", "/jobs?", "/pools?",
        filtered("/jobs/k/tasks", "startswith(id,'task')") + "&",
    ):  # fmt: skip
        answer = job.call("GET", f"{other}{'' if other.endswith(('?', '&')) else '&'}{token}")
        assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue"), other
        assert answer.values["QueryParameterName"] == "$skiptoken"


def test_pools_are_filtered_by_inter_node_communication(batch: RawBatch):
    batch.make_pool("together", enableInterNodeCommunication=True)
    batch.make_pool("apart")
    assert names(batch, filtered("/pools", "enableInterNodeCommunication eq true")) == ["together"]
    assert names(batch, filtered("/pools", "enableInterNodeCommunication ne true")) == ["apart"]
    batch.call("PATCH", "/pools/apart", {"enableInterNodeCommunication": True})
    assert names(batch, filtered("/pools", "true eq enableInterNodeCommunication")) == ["together", "apart"]
    answer = batch.call("GET", filtered("/pools", "enableInterNodeCommunication eq 'true'"))
    assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue")


def test_nodes_are_filtered_by_the_state_that_they_show(batch: RawBatch):
    """A node that takes no tasks is offline, not idle, whatever the engine calls it."""
    batch.make_pool("p", targetDedicatedNodes=2)
    one, other = (node["id"] for node in batch.call("GET", "/pools/p/nodes").json["value"])
    assert batch.call("POST", f"/pools/p/nodes/{one}/disablescheduling", {}).status == 200
    for condition, found in (
        ("state eq 'offline'", [one]), ("state eq 'idle'", [other]), ("state ne 'Offline'", [other]),
        ("state ne 'idle'", [one]), ("state eq 'running'", []), ("state ne 'running'", [one, other]),
        ("state eq 'offline' or state eq 'idle'", [one, other]), ("allocationTime lt 2001-01-01T00:00:00Z", []),
        ("lastBootTime gt 2001-01-01T00:00:00Z and stateTransitionTime gt 2001-01-01T00:00:00Z", [one, other]),
    ):  # fmt: skip
        assert names(batch, filtered("/pools/p/nodes", condition)) == found, condition


VALUES = {
    "text": "'x'", "word": "'active'", "job state": "'disabled'", "node state": "'offline'", "number": "-3",
    "flag": "false", "moment": "DateTime'2020-01-01T00:00:00Z'",
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "properties"),
    [
        ("/jobs/j/tasks", filters.TASKS), ("/jobs", filters.JOBS), ("/jobschedules", filters.JOB_SCHEDULES),
        ("/jobschedules/s/jobs", filters.JOBS_OF_SCHEDULE), ("/pools", filters.POOLS),
        ("/pools/p/nodes", filters.NODES), ("/nodecounts", filters.NODE_COUNTS), ("/supportedimages", filters.IMAGES),
        ("/poolusagemetrics", filters.POOL_USAGE),
        ("/jobs/prepared/jobpreparationandreleasetaskstatus", filters.PREPARED),
    ],
)  # fmt: skip
def test_every_property_is_compared_by_every_operator_that_it_has(
    job: RawBatch, path: str, properties: filters.Properties
):
    """From the text to the database, each of them alone and all of them together."""
    job.make_pool("p", targetDedicatedNodes=1)
    job.make_job("prepared", jobPreparationTask={"commandLine": "/bin/true"})
    specification = {"poolInfo": {"poolId": "p"}}
    job.call("POST", "/jobschedules", {"id": "s", "schedule": {}, "jobSpecification": specification})
    every = []
    for name, found in properties.items():
        for operator in sorted(found.operators):
            value = VALUES[found.kind]
            every.append(f"startswith({name},{value})" if operator == "startswith" else f"{name} {operator} {value}")
    for condition in every:
        assert job.call("GET", filtered(path, condition)).status == 200, condition
    for join in (" or ", " and "):
        assert job.call("GET", filtered(path, join.join(every[:40]))).status == 200


def test_jobs_are_filtered_by_the_beginning_of_their_pool(batch: RawBatch):
    for name in ("a-1", "a-2", "b"):
        batch.make_job(f"of-{name}", name)
    assert names(batch, filtered("/jobs", "startswith(executionInfo/poolId,'a')")) == ["of-a-1", "of-a-2"]
    assert names(batch, filtered("/jobs", "startswith(executionInfo/poolId,'a') and id gt 'of-a-1'")) == ["of-a-2"]
    assert names(batch, filtered("/jobs", "executionInfo/poolId ge 'a-2'")) == ["of-a-2", "of-b"]


def test_node_counts_are_filtered_by_pool_and_come_ten_to_a_page(batch: RawBatch):
    for n in range(12):
        batch.make_pool(f"p{n}")
    assert [item["poolId"] for item in batch.call("GET", filtered("/nodecounts", "poolId eq 'p7'")).json["value"]] == [
        "p7"
    ]
    page = batch.call("GET", "/nodecounts").json
    assert len(page["value"]) == 10
    link = urlsplit(page["odata.nextLink"])
    rest = batch.call("GET", f"{link.path}?{link.query}").json
    assert [item["poolId"] for item in rest["value"]] == ["p10", "p11"]
    assert "odata.nextLink" not in rest


def test_supported_images_are_filtered(batch: RawBatch):
    page = batch.call("GET", filtered("/supportedimages", "osType eq 'linux'") + "&maxresults=2").json
    assert len(page["value"]) == 2
    assert page["value"][0]["nodeAgentSKUId"].startswith("batch.node.")
    assert "odata.nextLink" in page
    assert batch.call("GET", filtered("/supportedimages", "osType eq 'Windows'")).json["value"] == []
    debian = "verificationType eq 'verified' and nodeAgentSKUId eq 'batch.node.debian 12' and osType ne 'windows'"
    assert len(batch.call("GET", filtered("/supportedimages", debian)).json["value"]) == 1
