"""The REST resource BatchTask (Swagger-v1-BatchTask, seed 003)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.faces.superoffice.site import Site

from linarite.engine import jobs
from linarite.engine.model import Named, OnRunning, Role, TaskSpec
from linarite.identity.accounts import of_development

PROPERTIES = {
    "Id": int, "Name": str, "AssociateId": int, "DetailsTable": int, "DetailsRecord": int, "IsSystemTask": bool,
    "IsInternalTask": bool, "ParameterObject": dict, "LastStarted": str, "Created": str, "StartCount": int,
    "DatabaseSerialNumber": str, "Context": str, "Result": str, "State": str, "Description": str, "Response": str,
    "Request": str, "ProgressDescription": str, "ProgressPercent": int, "FileName": str, "TableRight": dict,
    "FieldProperties": dict, "CancellationBehaviour": str,
}  # fmt: skip


def test_get_batch_task_info_has_every_property_with_its_type(site: Site) -> None:
    """The answer holds each property of the seed's table, and CancellationBehaviour, each of its type."""
    info = site.info(site.start())
    assert {name: type(value) for name, value in info.items()} == PROPERTIES


def test_get_batch_task_info_tells_what_was_asked_at_the_start(site: Site) -> None:
    """What may be given at the start stands in the answer."""
    id = site.start(
        Description="Export of the week", Request="week=40", ParameterObject={"format": "csv", "Line Ends": "\n"},
        DetailsTable=113, DetailsRecord=822, Context="night", FileName="out.csv",
    )  # fmt: skip
    info = site.info(id)
    assert (info["Id"], info["Name"], info["Description"]) == (id, "nightly-export", "Export of the week")
    assert (info["Request"], info["Context"], info["FileName"]) == ("week=40", "night", "out.csv")
    assert (info["DetailsTable"], info["DetailsRecord"]) == (113, 822)
    assert info["ParameterObject"] == {"format": "csv", "Line Ends": "\n"}
    assert (info["AssociateId"] > 0, info["IsSystemTask"], info["CancellationBehaviour"]) == (True, False, "CanCancel")


def test_get_batch_task_info_follows_a_task_that_succeeds(site: Site) -> None:
    """A task is Started while it runs, then Succeeded with what it printed as Response."""
    id = site.start()
    site.running(id)
    started = site.info(id)
    assert (started["State"], started["StartCount"], started["ProgressPercent"]) == ("Started", 1, 0)
    assert started["LastStarted"][:4] == str(datetime.now(UTC).year)
    site.finish(id, stdout="exported 12 rows\x1b\n" + "x" * 500)
    done = site.info(id)
    assert (done["State"], done["Result"], done["ProgressPercent"]) == ("Succeeded", "success", 100)
    assert done["Response"].startswith("exported 12 rows")
    assert len(done["Response"]) == 254


def test_get_batch_task_info_follows_a_task_that_fails(site: Site) -> None:
    """A failed task tells its exit code, and the engine's reason as Response."""
    id = site.start()
    site.finish(id, code=3)
    info = site.info(id)
    assert (info["State"], info["Result"]) == ("Failed", "failure (exit 3)")
    assert "exit code" in info["Response"]


def test_get_batch_task_info_of_a_task_made_through_another_protocol(site: Site) -> None:
    """Any task of the account is there: named by its job, a system task unless a user owns its job."""
    environment = (Named("SO_PARAM_Format", "csv"), Named("HOME", "/"))
    spec = TaskSpec(id="t", command="true", display_name="Counts", environment=environment)
    [id] = site.foreign("foreign-1", spec, display_name="Counting")
    info = site.info(id)
    assert (info["Name"], info["Description"], info["IsSystemTask"], info["AssociateId"]) == (
        "Counting", "Counts", True, 0,
    )  # fmt: skip
    assert info["ParameterObject"] == {"Format": "csv"}
    [owned] = site.foreign("foreign-2", TaskSpec(id="t", command="true"), owner="dev")
    assert site.info(owned)["Name"] == "foreign-2"
    assert site.info(owned)["AssociateId"] > 0


def test_get_batch_task_info_tells_that_a_task_is_held(site: Site) -> None:
    """A task whose job is disabled is New, and its Description says why it waits."""
    [id] = site.foreign("held", TaskSpec(id="t", command="true", display_name="Later"), not_before=2**60)
    site.do(jobs.disable, "held", OnRunning.REQUEUE)
    info = site.info(id)
    assert (info["State"], info["Description"], info["StartCount"]) == ("New", "Later (held: its job is disabled)", 0)
    assert info["LastStarted"] == "0001-01-01T00:00:00"


@pytest.mark.parametrize("id", ["987654", "0", "abc", "-1", "1.5", "%31x", "Nightly"])
def test_get_batch_task_info_of_no_task_is_404(site: Site, id: str) -> None:
    """A number that no task has, and what is neither number nor state, are not found."""
    answer = site.call("GET", f"/api/v1/BatchTask/{id}")
    body = answer.json()
    assert answer.status_code == 404
    assert (body["Error"], body["ErrorType"]) == (True, "SoNotFoundException")
    assert body["ErrorMessage"].startswith("BatchTask id ")
    assert set(body) == {"Error", "ErrorType", "ErrorMessage", "ErrorSource"}


def test_get_batch_task_info_of_a_number_beyond_int32_is_400(site: Site) -> None:
    """A number of more than 32 bits is no valid request."""
    answer = site.call("GET", "/api/v1/BatchTask/2147483648")
    assert (answer.status_code, answer.json()["Message"]) == (400, "The request is invalid.")


def test_get_batch_task_info_of_another_account_is_404(site: Site) -> None:
    """Tasks of one account are not there for the users of another."""
    id = site.start()
    site.run(site.store.write(lambda tx: of_development(tx, "other", 0)))
    stranger = site.user("stranger", Role.ADMIN, "other")
    assert site.call("GET", f"/api/v1/BatchTask/{id}", auth=stranger).status_code == 404


def test_get_batch_task_infos_by_state_lists_the_users_tasks(fresh: Site) -> None:
    """A state's name in place of the number gives the tasks of users in that state, All those in any."""
    done, waiting = fresh.start(), fresh.start("slow")
    fresh.finish(done)
    fresh.running(waiting)
    fresh.foreign("system", TaskSpec(id="t", command="true"))
    assert [info["Id"] for info in fresh.call("GET", "/api/v1/BatchTask/succeeded").json()] == [done]
    assert [info["Id"] for info in fresh.call("GET", "/api/v1/batchtask/STARTED").json()] == [waiting]
    assert [info["Id"] for info in fresh.call("GET", "/api/v1/BatchTask/All").json()] == [done, waiting]
    assert fresh.call("GET", "/api/v1/BatchTask/Failed").json() == []


def test_start_batch_job_runs_the_definition(site: Site) -> None:
    """The command line of the definition runs, the parameters and the request in its environment."""
    launch = site.running(site.start(Request="week=40", ParameterObject={"format": "csv", "line-ends": "lf"}))
    assert (launch.command, launch.shell) == ("echo exported", True)
    assert launch.environment == {"SO_PARAM_FORMAT": "csv", "SO_PARAM_LINE_ENDS": "lf", "SO_REQUEST": "week=40"}


def test_start_batch_job_takes_the_limits_of_the_definition(site: Site) -> None:
    """Time limit, restarts and cancellation are the definition's."""
    id = site.start("SLOW")
    spec = site.task(id).spec
    assert (spec.max_wall_clock, spec.max_retries) == (30_000_000, 2)
    assert site.info(id)["Name"] == "slow"
    assert site.info(id)["CancellationBehaviour"] == "CancelWithWarning"


def test_start_batch_job_reads_names_in_any_case_and_ignores_the_rest(site: Site) -> None:
    """Names of properties are read in any case; what a start does not take is ignored."""
    body = {"name": "nightly-export", "description": "d", "id": 4711, "state": "Failed", "TableRight": {"mask": 11}}
    id = site.call("POST", "/API/V1/batchtask", json=body).json()
    assert id != 4711
    assert site.info(id)["Description"] == "d"


def test_start_batch_job_opens_another_job_when_the_first_was_ended(site: Site) -> None:
    """A definition's job that somebody ended does not stop the next start."""
    first = site.task(site.start("slow"))
    job = site.run(site.engine.ask(lambda tx: tx.jobs.by_key(first.job_key)))
    assert job is not None
    site.do(jobs.terminate, job.spec.id, "by hand")
    assert site.task(site.start("slow")).job_key != first.job_key


def test_start_batch_job_reads_xml(site: Site) -> None:
    """A body of XML says the same."""
    body = (
        "<BatchTaskInfo><Name>nightly-export</Name><DetailsTable>7</DetailsTable><Request/>"
        '<ParameterObject><Item Key="format">csv</Item></ParameterObject></BatchTaskInfo>'
    )
    id = site.call("POST", "/api/v1/BatchTask", data=body, headers={"Content-Type": "text/xml"}).json()
    info = site.info(id)
    assert (info["DetailsTable"], info["ParameterObject"], info["Request"]) == (7, {"format": "csv"}, "")


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ({"Name": "unknown"}, "ErrorType"),
        ({"Name": "nowhere"}, "ErrorType"),
        ({}, "Message"),
        ({"Name": None}, "Message"),
        ({"Name": ["nightly-export"]}, "Message"),
        ({"Name": "nightly-export", "Description": "x" * 255}, "Message"),
        ({"Name": "nightly-export", "DetailsTable": "many"}, "Message"),
        ({"Name": "nightly-export", "DetailsTable": 2**31}, "Message"),
        ({"Name": "nightly-export", "DetailsTable": 1.5}, "Message"),
        ({"Name": "nightly-export", "ParameterObject": [1]}, "Message"),
        ({"Name": "nightly-export", "ParameterObject": {"a": {}}}, "Message"),
        ({"Name": "nightly-export", "ParameterObject": {"a-b": "1", "A_B": "2"}}, "Message"),
        ({"Name": "nightly-export", "ParameterObject": {"a": "\0"}}, "Message"),
    ],
)
def test_start_batch_job_refuses_what_it_cannot_start(site: Site, body: object, shape: str) -> None:
    """Each refusal is a 400 in one of the two shapes, and starts nothing."""
    before = len(site.tasks())
    answer = site.call("POST", "/api/v1/BatchTask", json=body)
    assert (answer.status_code, shape in answer.json()) == (400, True), answer.text
    assert len(site.tasks()) == before


def test_update_batch_task_takes_over_four_properties(site: Site) -> None:
    """Description, Response and Request are taken over, of a finished task too; other properties are ignored."""
    id = site.start()
    site.finish(id, stdout="printed")
    body = {"Description": "d", "response": "stopped by hand", "Request": "r", "Name": "slow", "StartCount": 9}
    answer = site.call("PUT", f"/api/v1/BatchTask/{id}", json=body)
    info = answer.json()
    assert answer.status_code == 200
    assert (info["Description"], info["Response"], info["Request"]) == ("d", "stopped by hand", "r")
    assert (info["Name"], info["StartCount"], info["State"]) == ("nightly-export", 1, "Succeeded")
    assert site.info(id) == info


def test_update_batch_task_with_what_was_read_changes_nothing(site: Site) -> None:
    """A task that is written back as it was read stays as it is."""
    id = site.start()
    site.finish(id, stdout="printed")
    info = site.info(id)
    assert site.call("PUT", f"/api/v1/BatchTask/{id}", json=info).json() == info


@pytest.mark.parametrize(("state", "becomes"), [("Failed", "Failed"), (4, "Succeeded"), ("succeeded", "Succeeded")])
def test_update_batch_task_ends_a_running_task(site: Site, state: object, becomes: str) -> None:
    """Failed or Succeeded, by name or number, ends a task that runs, with that result."""
    id = site.start()
    site.running(id)
    site.call("PUT", f"/api/v1/BatchTask/{id}", json={"State": state})
    site.until(id, becomes)


def test_update_batch_task_marks_a_finished_task_for_clean_up(site: Site) -> None:
    """SucceededManualCleanup is kept until the task's own state is set again."""
    id = site.start()
    site.finish(id)
    path = f"/api/v1/BatchTask/{id}"
    assert site.call("PUT", path, json={"State": "SucceededManualCleanup"}).json()["State"] == "SucceededManualCleanup"
    assert id in [info["Id"] for info in site.call("GET", "/api/v1/BatchTask/SucceededManualCleanup").json()]
    assert site.call("PUT", path, json={"State": "Succeeded"}).json()["State"] == "Succeeded"


def test_update_batch_task_runs_a_failed_task_again(site: Site) -> None:
    """New on a failed task runs it again, and StartCount grows."""
    id = site.start()
    site.finish(id, code=1)
    assert site.call("PUT", f"/api/v1/BatchTask/{id}", json={"State": "New", "Response": "again"}).status_code == 200
    site.running(id)
    info = site.info(id)
    assert (info["State"], info["StartCount"], info["Response"]) == ("Started", 2, "again")


@pytest.mark.parametrize(
    "body", [{"State": "Sleeping"}, {"State": 17}, {"State": True}, {"State": "New"}, {"State": 5}]
)
def test_update_batch_task_refuses_a_state_that_cannot_be_set(site: Site, body: dict[str, object]) -> None:
    """No such state, or one that a succeeded task cannot come to: 400, and nothing else of the body is taken over."""
    id = site.start(Description="before")
    site.finish(id)
    assert site.call("PUT", f"/api/v1/BatchTask/{id}", json={"Description": "after", **body}).status_code == 400
    assert site.info(id)["Description"] == "before"


def test_stop_batch_job_ends_a_running_task(site: Site) -> None:
    """Stop answers true when the request was taken, false when there is nothing to stop."""
    id = site.start()
    site.running(id)
    answer = site.call("POST", f"/api/v1/BatchTask/{id}/stop")
    assert (answer.status_code, answer.json()) == (200, True)
    site.until(id, "Failed")
    assert site.call("POST", f"/api/v1/BatchTask/{id}/Stop").json() is False


def test_stop_batch_job_of_a_task_that_cannot_be_cancelled_is_400(site: Site) -> None:
    """CannotCancel refuses: the task goes on, also when its State is set."""
    id = site.start("held fast")
    site.running(id)
    assert site.call("POST", f"/api/v1/BatchTask/{id}/Stop").status_code == 400
    assert site.call("PUT", f"/api/v1/BatchTask/{id}", json={"State": "Failed"}).status_code == 400
    assert site.call("DELETE", f"/api/v1/BatchTask/{id}").status_code == 400
    answer = site.call("POST", "/api/v1/Agents/Batch/DeleteBatchTasks", json={"BatchTaskIds": [id]})
    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "SoIllegalOperationException")
    assert site.info(id)["State"] == "Started"


def test_delete_batch_task_takes_the_task_away(site: Site) -> None:
    """A task is gone, a running one too; a second time there is none."""
    id = site.start()
    site.running(id)
    answer = site.call("DELETE", f"/api/v1/BatchTask/{id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert site.call("GET", f"/api/v1/BatchTask/{id}").status_code == 404
    assert site.call("DELETE", f"/api/v1/BatchTask/{id}").status_code == 404
