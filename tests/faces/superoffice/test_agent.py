"""The Batch agent's methods (Swagger-v1-BatchAgent, NOTES section 3)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.faces.superoffice.site import Site

from linarite.engine.model import TaskSpec
from linarite.faces.superoffice.agent import ARGUMENTS


def call(site: Site, method: str, arguments: object = None, query: str = "") -> Any:
    answer = site.call("POST", f"/api/v1/Agents/Batch/{method}{query}", json=arguments)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_get_batch_task_info_answers_null_for_no_task(site: Site) -> None:
    """What is not there is null, in XML an empty element that says so."""
    assert call(site, "GetBatchTaskInfo", {"Id": 999999}) is None
    path = "/api/v1/Agents/Batch/GetBatchTaskInfo"
    assert 'nil="true"' in site.call("POST", path, json={"id": 999999}, headers={"Accept": "text/xml"}).text


def test_get_batch_task_info_reads_arguments_in_any_case(site: Site) -> None:
    """Arguments come in any case, or in the query of a call without a body."""
    id = site.start()
    site.running(id)
    assert call(site, "GetBatchTaskInfo", {"id": id})["Id"] == id
    assert call(site, "GetBatchTaskInfo", {"ID": str(id)}) == site.info(id)
    assert call(site, "getbatchtaskinfo", query=f"?Id={id}")["Id"] == id


def test_get_batch_task_info_selects_properties(site: Site) -> None:
    """$select names the properties to answer."""
    id = site.start()
    site.running(id)
    assert call(site, "GetBatchTaskInfo", {"Id": id}, "?$select=id,STATE") == {
        "Id": id,
        "State": site.info(id)["State"],
    }


@pytest.fixture
def many(fresh: Site) -> tuple[Site, dict[str, int]]:
    """One task each: done and running of the user, and one of the system that waits."""
    ids = {"done": fresh.start(), "running": fresh.start("slow")}
    fresh.finish(ids["done"])
    fresh.running(ids["running"])
    spec = TaskSpec(id="t", command="true")
    [ids["system"]] = fresh.foreign("later", spec, display_name="slow", not_before=2**60)
    return fresh, ids


CASES = [
    ("GetBatchTaskInfosByState", {"State": "All"}, {"done", "running"}),
    ("GetBatchTaskInfosByState", {"State": 99999}, {"done", "running"}),
    ("GetBatchTaskInfosByState", {"State": "succeeded"}, {"done"}),
    ("GetBatchTaskInfosByAssociates", {"AssociateIds": []}, {"done", "running", "system"}),
    ("GetBatchTaskInfosByAssociates", {}, {"done", "running", "system"}),
    ("GetBatchTaskInfosByAssociates", {"AssociateIds": [0]}, {"system"}),
    ("GetBatchTaskInfosByAssociates", {"AssociateIds": [-1]}, {"done", "running"}),
    ("GetBatchTaskInfosByAssociates", {"AssociateIds": [4711]}, set()),
    ("GetBatchTaskInfosByAssociatesAndState", {"AssociateIds": [-1], "State": "Started"}, {"running"}),
    ("GetBatchTaskInfosByAssociatesAndState", {"AssociateIds": [0], "State": "New"}, {"system"}),
    ("GetBatchTaskInfosByNameAndState", {"Name": "slow", "State": "All"}, {"running"}),
    ("GetBatchTaskInfosByNameAndState", {"Name": "SLOW", "State": "Failed"}, set()),
    ("GetBatchTaskInfosByNameAndAssociates", {"Name": "slow", "AssociateIds": []}, {"running", "system"}),
    ("GetAllBatchTaskInfosByName", {"TaskName": "slow"}, {"running", "system"}),
    ("GetAllBatchTaskInfosByName", {"TaskName": None}, {"done", "running", "system"}),
    ("GetAllBatchTaskInfosByName", {"TaskName": " "}, {"done", "running", "system"}),
    ("GetAllBatchTaskInfosByNameAndState", {"TaskName": "", "State": "New"}, {"system"}),
    ("GetSystemBatchTaskInfosByName", {"TaskName": "slow"}, {"system"}),
    ("GetSystemBatchTaskInfosByNameAndState", {"TaskName": "slow", "State": "Started"}, set()),
]


def test_lists_answer_what_is_asked_for(many: tuple[Site, dict[str, int]]) -> None:
    """By associate, name and state: users' tasks, the system's, or both."""
    site, ids = many
    for method, arguments, expected in CASES:
        found = [info["Id"] for info in call(site, method, arguments)]
        assert found == sorted(ids[name] for name in expected), (method, arguments)
    assert {method for method, _, _ in CASES} == {name for name in ARGUMENTS if "Infos" in name}


def test_start_update_stop_and_delete(site: Site) -> None:
    """The life of a task by the agent alone."""
    id = call(site, "StartBatchJob", {"batchTaskInfo": {"name": "slow", "request": "week=40"}})
    site.running(id)
    change = {"id": id, "description": "by agent", "state": "Started", "tableRight": {"mask": 11}}
    assert call(site, "UpdateBatchTask", {"batchTaskInfo": change})["Description"] == "by agent"
    assert call(site, "StopBatchJob", {"id": id}) is True
    site.until(id, "Failed")
    assert call(site, "StopBatchJob", {"id": id}) is False
    path = "/api/v1/Agents/Batch/DeleteBatchTask"
    assert site.call("POST", path, json={"BatchTaskId": id}).status_code == 204
    assert call(site, "GetBatchTaskInfo", {"Id": id}) is None


def test_what_is_not_there_is_no_error(site: Site) -> None:
    """Stop gives false, update null, delete nothing."""
    assert call(site, "StopBatchJob", {"Id": 999999}) is False
    assert call(site, "UpdateBatchTask", {"BatchTaskInfo": {"Id": 999999, "Response": "r"}}) is None
    path = "/api/v1/Agents/Batch/DeleteBatchTask"
    assert site.call("POST", path, json={"BatchTaskId": 999999}).status_code == 204


def test_delete_batch_tasks_deletes_those_that_are_there(site: Site) -> None:
    """Several at once, each once; missing ones are passed over."""
    ids = [site.start(), site.start()]
    body = {"BatchTaskIds": [ids[0], 999999, ids[1], ids[0]]}
    assert site.call("POST", "/api/v1/Agents/Batch/DeleteBatchTasks", json=body).status_code == 204
    assert [call(site, "GetBatchTaskInfo", {"Id": id}) for id in ids] == [None, None]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("GetBatchTaskInfo", {}),
        ("GetBatchTaskInfo", {"Id": "x"}),
        ("GetBatchTaskInfo", {"Id": 2**31}),
        ("GetBatchTaskInfo", {"Id": True}),
        ("GetBatchTaskInfosByState", {}),
        ("GetBatchTaskInfosByState", {"State": "Sleeping"}),
        ("GetBatchTaskInfosByAssociates", {"AssociateIds": 1}),
        ("GetBatchTaskInfosByAssociates", {"AssociateIds": ["x"]}),
        ("GetAllBatchTaskInfosByName", {"TaskName": []}),
        ("StartBatchJob", {}),
        ("StartBatchJob", {"BatchTaskInfo": []}),
        ("StartBatchJob", {"BatchTaskInfo": {"Name": "unknown"}}),
        ("StopBatchJob", {}),
        ("UpdateBatchTask", {"BatchTaskInfo": {"Response": "r"}}),
        ("DeleteBatchTask", {}),
        ("DeleteBatchTasks", {"BatchTaskIds": None}),
        ("DeleteBatchTasks", {"BatchTaskIds": [1, "x"]}),
    ],
)
def test_arguments_that_are_missing_or_wrong_are_400(site: Site, method: str, arguments: object) -> None:
    """Each is refused, and nothing changes."""
    site.start()
    before = len(site.tasks())
    answer = site.call("POST", f"/api/v1/Agents/Batch/{method}", json=arguments)
    assert answer.status_code == 400, answer.text
    assert len(site.tasks()) == before


def test_get_on_a_method_describes_it_and_calls_nothing(site: Site) -> None:
    """GET tells the verb and the arguments."""
    before = len(site.tasks())
    answer = site.call("GET", "/api/v1/Agents/Batch/DeleteBatchTasks")
    assert answer.json() == {"Method": "POST", "Name": "DeleteBatchTasks", "Arguments": "BatchTaskIds"}
    assert set(site.call("GET", "/api/v1/agents/batch").json()) == set(ARGUMENTS)
    assert len(site.tasks()) == before
