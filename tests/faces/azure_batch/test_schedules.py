"""Job schedules on the wire: add, change, hold, end, delete, list, and what each shows."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.faces.azure_batch.raw import MACHINE, STUBBORN, Answer, RawBatch
from tests.support.server import RunningServer

UNLIMITED = "P10675199DT2H48M5.4775807S"
LATER, LATEST = "2990-01-01T00:00:00Z", "2990-01-02T00:00:00Z"
ON_POOL = {"poolInfo": {"poolId": "nowhere"}}
EVERY_HOUR = {"recurrenceInterval": "PT1H"}
MANAGER = {"id": "manager", "commandLine": "/bin/sh -c 'echo managed'"}


def add(batch: RawBatch, name: str = "s", schedule: Any = EVERY_HOUR, specification: Any = ON_POOL, **more: Any) -> Any:
    """The body's elements, of which None is left out."""
    given = {"id": name, "schedule": schedule, "jobSpecification": specification, **more}
    return batch.call(
        "POST", "/jobschedules", {name: value for name, value in given.items() if value is not None}
    )  # fmt: skip


def made(batch: RawBatch, name: str = "s", **options: Any) -> Any:
    answer = add(batch, name, **options)
    assert answer.status == 201, answer.body
    return shown(batch, name)


def shown(batch: RawBatch, name: str = "s") -> Any:
    return batch.call("GET", f"/jobschedules/{name}").json


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.rstrip("Z")[:26]).replace(tzinfo=UTC)


def until(what: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def test_add_job_schedule_makes_its_first_job_and_fills_in_the_defaults(batch: RawBatch):
    """As the service shows one: the specification whole, the last job by its id, the next time."""
    answer = add(batch, displayName="S", metadata=[{"name": "a", "value": "b"}])
    assert answer.status == 201
    assert answer.headers["location"].endswith("/jobschedules/s")
    assert answer.headers["dataserviceid"] == answer.headers["location"]
    found = shown(batch)
    assert (found["id"], found["state"], found["displayName"]) == ("s", "active", "S")
    assert found["url"] == answer.headers["location"]
    assert found["eTag"] == answer.headers["etag"]
    assert "previousState" not in found
    assert found["schedule"] == EVERY_HOUR
    assert found["metadata"] == [{"name": "a", "value": "b"}]
    assert found["jobSpecification"] == {
        "priority": 0, "maxParallelTasks": -1, "allowTaskPreemption": False, "usesTaskDependencies": False,
        "onAllTasksComplete": "noaction", "onTaskFailure": "noaction",
        "constraints": {"maxWallClockTime": UNLIMITED, "maxTaskRetryCount": 0}, **ON_POOL,
    }  # fmt: skip
    job = batch.call("GET", "/jobs/s:job-1").json
    assert found["executionInfo"]["recentJob"] == {"id": "s:job-1", "url": job["url"]}
    assert moment(found["executionInfo"]["nextRunTime"]) - moment(job["creationTime"]) == timedelta(hours=1)
    assert "endTime" not in found["executionInfo"]


def test_job_of_a_schedule_has_all_that_its_specification_says(batch: RawBatch):
    """It is a job like any other, under its id in every path, escaped or not."""
    specification = {
        "priority": 3, "displayName": "J", "usesTaskDependencies": True, "onTaskFailure": "performexitoptionsjobaction",
        "constraints": {"maxWallClockTime": "PT2H", "maxTaskRetryCount": 2},
        "commonEnvironmentSettings": [{"name": "A", "value": "B"}], "metadata": [{"name": "c", "value": "d"}],
        "poolInfo": {"poolId": "p"}, "jobManagerTask": {**MANAGER, "killJobOnCompletion": False},
    }  # fmt: skip
    batch.make_pool("p", targetDedicatedNodes=1)
    found = made(batch, specification=specification)["jobSpecification"]
    job = batch.call("GET", "/jobs/s%3Ajob-1").json
    assert {name: job[name] for name in found} == found
    assert {name: found[name] for name in specification if name != "jobManagerTask"} == {
        name: value for name, value in specification.items() if name != "jobManagerTask"
    }
    assert (found["jobManagerTask"]["id"], found["jobManagerTask"]["runExclusive"]) == ("manager", True)
    task = batch.wait_task("s:job-1", "manager")
    assert task["nodeInfo"]["taskRootDirectory"] == "workitems/s/job-1/manager"
    assert batch.call("GET", "/jobs/s:job-1/tasks/manager/files/stdout.txt").body == b"managed\n"
    url = task["nodeInfo"]["taskRootDirectoryUrl"]
    assert batch.call("GET", f"{url[url.index('/pools') :]}/stdout.txt").body == b"managed\n"
    assert batch.call("POST", "/jobs/s:job-1/tasks", {"id": "t", "commandLine": "/bin/true"}).status == 201
    batch.wait_task("s:job-1", "t")
    assert batch.call("GET", "/jobs/S%3AJOB-1/taskcounts").json["taskCounts"]["succeeded"] == 2


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"name": None}, "MissingRequiredProperty", "id"),
    ({"name": "a:b"}, "InvalidPropertyValue", "id"),
    ({"schedule": None}, "MissingRequiredProperty", "schedule"),
    ({"specification": None}, "MissingRequiredProperty", "jobSpecification"),
    ({"specification": {}}, "MissingRequiredProperty", "poolInfo"),
    ({"specification": {**ON_POOL, "priority": 1001}}, "InvalidPropertyValue", "priority"),
    ({"specification": {**ON_POOL, "jobManagerTask": {"id": "m"}}}, "MissingRequiredProperty", "commandLine"),
    ({"schedule": {"recurrenceInterval": "PT59S"}}, "InvalidPropertyValue", "recurrenceInterval"),
    ({"schedule": {"recurrenceInterval": "hourly"}}, "InvalidPropertyValue", "recurrenceInterval"),
    ({"schedule": {"startWindow": "PT59S"}}, "InvalidPropertyValue", "startWindow"),
    ({"schedule": {"doNotRunUntil": "tomorrow"}}, "InvalidPropertyValue", "doNotRunUntil"),
    ({"schedule": {"doNotRunUntil": LATEST, "doNotRunAfter": LATER}}, "InvalidPropertyValue", "doNotRunAfter"),
    ({"metadata": [{"name": "a"}]}, "MissingRequiredProperty", "metadata.value"),
    ({"displayName": "x" * 1025}, "InvalidPropertyValue", "displayName"),
]


@pytest.mark.parametrize(
    ("elements", "code", "name"), BAD, ids=[f"{name}-{place}" for place, (_, _, name) in enumerate(BAD)]
)
def test_add_job_schedule_with_a_bad_element_is_refused(
    batch: RawBatch, elements: dict[str, Any], code: str, name: str
):  # fmt: skip
    """Nothing is made: neither the schedule nor a job."""
    answer = add(batch, **elements)
    assert (answer.status, answer.code, answer.values["PropertyName"]) == (400, code, name)
    assert batch.call("GET", "/jobschedules").json["value"] == []
    assert batch.call("GET", "/jobs").json["value"] == []


@pytest.mark.parametrize("place", ["body", "schedule"])
def test_add_job_schedule_with_an_unknown_element_is_refused(batch: RawBatch, place: str):
    more = {"schedule": {"every": "day"}} if place == "schedule" else {"every": "day"}
    assert add(batch, **more).code == "InvalidRequestBody"


def test_job_that_could_not_be_made_is_refused_before_it_is_due(batch: RawBatch):
    """A job manager task may not have the preparation task's id: told when it is asked for, not when nobody listens."""
    twice = {**ON_POOL, "jobManagerTask": MANAGER, "jobPreparationTask": {"id": "Manager", "commandLine": "/bin/true"}}
    later = {"doNotRunUntil": LATER}
    answer = add(batch, schedule=later, specification=twice)
    assert (answer.status, answer.code) == (409, "TaskIdSameAsJobPreparationTask")
    assert batch.call("GET", "/jobschedules/s").status == 404
    before = made(batch, schedule=later)
    answer = batch.call("PATCH", "/jobschedules/s", {"jobSpecification": twice})
    assert (answer.status, answer.code) == (409, "TaskIdSameAsJobPreparationTask")
    assert shown(batch) == before


def test_jobs_and_schedules_share_their_ids(batch: RawBatch):
    batch.make_job("j")
    made(batch)
    for answer, code in (
        (add(batch, "J"), "JobWithSameIdExists"),
        (add(batch, "S"), "JobScheduleExists"),
        (batch.call("POST", "/jobs", {"id": "S", **ON_POOL}), "JobScheduleWithSameIdExists"),
    ):
        assert (answer.status, answer.code) == (409, code)


def test_schedule_that_begins_later_has_no_job_yet(batch: RawBatch):
    """Dates and lengths come back as the service writes them; what is without limit is left out."""
    given = {
        "doNotRunUntil": "2990-01-01T01:00:00.5+01:00", "doNotRunAfter": LATEST, "startWindow": "PT90S",
        "recurrenceInterval": "P1Y",
    }  # fmt: skip
    found = made(batch, schedule=given)
    assert found["schedule"] == {
        "doNotRunUntil": "2990-01-01T00:00:00.5000000Z", "doNotRunAfter": LATEST, "startWindow": "PT1M30S",
        "recurrenceInterval": "P365D",
    }  # fmt: skip
    assert found["executionInfo"] == {"nextRunTime": "2990-01-01T00:00:00.5000000Z"}
    assert batch.call("GET", "/jobschedules/s/jobs").json["value"] == []
    endless = made(batch, "t", schedule={"startWindow": UNLIMITED, "recurrenceInterval": UNLIMITED})
    assert endless["schedule"] == {}


def test_schedule_with_one_job_is_completed_with_it(batch: RawBatch):
    """Its job manager task is the whole of it."""
    batch.make_pool("p", targetDedicatedNodes=1)
    made(batch, schedule={}, specification={"poolInfo": {"poolId": "p"}, "jobManagerTask": MANAGER})
    until(lambda: shown(batch)["state"] == "completed")
    found = shown(batch)
    assert (found["previousState"], found["executionInfo"].keys()) == ("active", {"recentJob", "endTime"})
    assert batch.call("GET", "/jobs/s:job-1").json["executionInfo"]["terminateReason"] == "JMComplete"


def test_patch_job_schedule_replaces_what_it_names_as_a_whole(batch: RawBatch):
    before = made(batch, schedule={**EVERY_HOUR, "startWindow": "PT5M"}, metadata=[{"name": "a", "value": "b"}])
    answer = batch.call("PATCH", "/jobschedules/s", {"schedule": {"recurrenceInterval": "PT2H"}})
    assert answer.status == 200
    after = shown(batch)
    assert answer.headers["etag"] == after["eTag"] != before["eTag"]
    assert after["schedule"] == {"recurrenceInterval": "PT2H"}
    assert (after["metadata"], after["jobSpecification"]) == (before["metadata"], before["jobSpecification"])
    batch.call("PATCH", "/jobschedules/s", {"jobSpecification": {**ON_POOL, "priority": 9}, "metadata": []})
    after = shown(batch)
    assert (after["jobSpecification"]["priority"], after["schedule"]) == (9, {"recurrenceInterval": "PT2H"})
    assert "metadata" not in after
    assert batch.call("GET", "/jobs/s:job-1").json["priority"] == 0


def test_update_job_schedule_resets_what_it_leaves_out(batch: RawBatch):
    """A schedule as it was read can be sent back; without `schedule` it is one job at once."""
    before = made(batch, metadata=[{"name": "a", "value": "b"}], displayName="S")
    assert batch.call("PUT", "/jobschedules/s", before).status == 200
    again = shown(batch)
    assert {**again, "eTag": "", "lastModified": ""} == {**before, "eTag": "", "lastModified": ""}
    assert batch.call("PUT", "/jobschedules/s", {"jobSpecification": ON_POOL}).status == 200
    after = shown(batch)
    assert not {"schedule", "metadata"} & after.keys()
    assert (after["displayName"], after["state"]) == ("S", "active")
    assert "nextRunTime" not in after["executionInfo"]
    refused = batch.call("PUT", "/jobschedules/s", {"schedule": {}})
    assert (refused.code, refused.values["PropertyName"]) == ("MissingRequiredProperty", "jobSpecification")


def test_disable_and_enable_job_schedule(batch: RawBatch):
    made(batch)
    answer = batch.call("POST", "/jobschedules/s/disable")
    assert (answer.status, answer.body) == (204, b"")
    found = shown(batch)
    assert (found["state"], found["previousState"], found["eTag"]) == ("disabled", "active", answer.headers["etag"])
    assert batch.call("GET", "/jobs/s:job-1").json["state"] == "active"
    again = batch.call("POST", "/jobschedules/s/disable")
    assert (again.status, again.code) == (409, "JobScheduleDisabled")
    assert batch.call("POST", "/jobschedules/s/enable").status == 204
    found = shown(batch)
    assert (found["state"], found["previousState"]) == ("active", "disabled")
    assert batch.call("POST", "/jobschedules/s/enable").code == "OperationInvalidForCurrentState"


@pytest.mark.parametrize("target", ["/jobschedules/s/terminate", "/jobschedules/s/terminate?force=true"])
def test_terminate_job_schedule_ends_its_job(batch: RawBatch, target: str):
    made(batch)
    assert batch.call("POST", target).status == 202
    found = shown(batch)
    assert (found["state"], found["previousState"]) == ("completed", "terminating")
    assert found["executionInfo"].keys() == {"recentJob", "endTime"}
    job = batch.call("GET", "/jobs/s:job-1").json
    assert (job["state"], job["executionInfo"]["terminateReason"]) == ("completed", "TerminateJobSchedule")
    for method, path in (("POST", "terminate"), ("POST", "disable"), ("POST", "enable"), ("PATCH", "")):
        answer = batch.call(method, f"/jobschedules/s/{path}".rstrip("/"), {} if method == "PATCH" else None)
        assert (answer.status, answer.code) == (409, "JobScheduleCompleted")


def test_schedule_whose_job_still_ends_allows_nothing_else(batch: RawBatch):
    """Terminating, then deleting: each says so; the end of what runs on the node brings both to theirs."""
    batch.make_pool("p", targetDedicatedNodes=1)
    preparation = {"commandLine": STUBBORN}
    info = {"poolInfo": {"poolId": "p"}, "jobManagerTask": MANAGER, "jobPreparationTask": preparation}
    made(batch, specification=info)
    batch.wait_stubborn("s:job-1", "manager", "workitems/s/job-1/jobpreparation")
    assert batch.call("POST", "/jobschedules/s/terminate").status == 202
    assert (shown(batch)["state"], shown(batch)["previousState"]) == ("terminating", "active")
    assert batch.call("POST", "/jobschedules/s/terminate").code == "JobScheduleBeingTerminated"
    assert batch.call("PATCH", "/jobschedules/s", {}).code == "JobScheduleBeingTerminated"
    assert batch.call("DELETE", "/jobschedules/s").status == 202
    assert (shown(batch)["state"], shown(batch)["previousState"]) == ("deleting", "terminating")
    for method, path in (("POST", "/disable"), ("POST", "/terminate"), ("DELETE", "")):
        answer = batch.call(method, f"/jobschedules/s{path}")
        assert (answer.status, answer.code) == (409, "JobScheduleBeingDeleted")
    assert batch.call("DELETE", "/jobschedules/s?force=true").status == 202
    assert batch.call("GET", "/jobschedules/s").code == "JobScheduleNotFound"
    assert batch.call("GET", "/jobs/s:job-1").code == "JobNotFound"


def test_schedule_that_is_being_terminated_can_be_forced_to_its_end(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    specification = {"poolInfo": {"poolId": "p"}, "jobManagerTask": {"id": "m", "commandLine": STUBBORN}}
    made(batch, specification=specification)
    batch.wait_stubborn("s:job-1", "m", "workitems/s/job-1/m")
    batch.call("POST", "/jobschedules/s/terminate")
    assert shown(batch)["state"] == "terminating"
    assert batch.call("POST", "/jobschedules/s/terminate?force=true").status == 202
    assert (shown(batch)["state"], shown(batch)["previousState"]) == ("completed", "terminating")
    batch.wait_task("s:job-1", "m")


def test_delete_job_schedule_takes_its_jobs_along(batch: RawBatch):
    """Its id is free then, also for a job."""
    made(batch)
    answer = batch.call("DELETE", "/jobschedules/s")
    assert answer.status == 202
    assert not {"etag", "location"} & answer.headers.keys()
    until(lambda: batch.call("GET", "/jobschedules/s").status == 404)
    assert batch.call("GET", "/jobs").json["value"] == []
    batch.make_job("s")


def test_forced_deletion_of_a_schedule_waits_for_no_node(batch: RawBatch):
    """A task that will not end holds neither the job nor the schedule; its node is free again and its files go."""
    batch.make_pool("p", targetDedicatedNodes=1)
    specification = {"poolInfo": {"poolId": "p"}, "jobManagerTask": {"id": "m", "commandLine": STUBBORN}}
    made(batch, specification=specification)
    node = batch.wait_stubborn("s:job-1", "m", "workitems/s/job-1/m")["nodeInfo"]["nodeId"]
    assert batch.call("DELETE", "/jobschedules/s?force=true").status == 202
    assert batch.call("GET", "/jobschedules/s").code == "JobScheduleNotFound"
    assert batch.call("GET", f"/pools/p/nodes/{node}").json["runningTasksCount"] == 0
    until(lambda: batch.call("GET", f"/pools/p/nodes/{node}/files/workitems/s/job-1/m/stdout.txt").status == 404)
    batch.make_job("j", "p")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true"})
    batch.wait_task("j", "t")


def test_list_job_schedules_by_pages_and_by_filter(batch: RawBatch):
    for name in ("a1", "a2", "b1"):
        made(batch, name, schedule={"doNotRunUntil": LATER} if name == "a2" else EVERY_HOUR)
    batch.call("POST", "/jobschedules/b1/terminate")

    def names(query: str) -> list[str]:
        return [found["id"] for found in batch.call("GET", f"/jobschedules?{query}").json["value"]]

    page = batch.call("GET", "/jobschedules?maxresults=2").json
    assert [found["id"] for found in page["value"]] == ["a1", "a2"]
    link = page["odata.nextLink"]
    assert [found["id"] for found in batch.call("GET", link[link.index("/jobschedules") :]).json["value"]] == ["b1"]
    assert names("$filter=startswith(id,'A')") == ["a1", "a2"]
    assert names("$filter=state%20eq%20'completed'") == ["b1"]
    assert names("$filter=state%20ne%20'completed'%20and%20id%20gt%20'a1'") == ["a2"]
    assert names("$filter=schedule/doNotRunUntil%20ge%20DateTime'2990-01-01T00:00:00Z'") == ["a2"]
    assert names("$filter=executionInfo/endTime%20gt%20DateTime'2020-01-01T00:00:00Z'") == ["b1"]
    assert names("$filter=schedule/doNotRunAfter%20lt%20DateTime'2990-01-01T00:00:00Z'") == []
    some = batch.call("GET", "/jobschedules?$select=id,state").json["value"]
    assert [found.keys() for found in some] == [{"id", "state"}] * 3
    assert batch.call("GET", "/jobschedules/a1?$select=id").json.keys() == {"odata.metadata", "id"}
    refused = batch.call("GET", "/jobschedules?$filter=displayName%20eq%20'x'")
    assert (refused.status, refused.code) == (400, "InvalidQueryParameterValue")


def test_list_jobs_of_schedule_by_pages_and_by_filter(batch: RawBatch):
    """As jobs are filtered, but not by their ids."""
    made(batch)
    batch.make_job("other")
    batch.call("POST", "/jobs/s:job-1/terminate")
    batch.call("PATCH", "/jobschedules/s", {"schedule": {"recurrenceInterval": "PT1M"}})
    jobs = batch.call("GET", "/jobschedules/s/jobs").json
    assert [job["id"] for job in jobs["value"]] == ["s:job-1"]
    assert jobs["odata.metadata"].endswith("$metadata#jobs")
    assert batch.call("GET", "/jobschedules/s/jobs?$filter=state%20eq%20'active'").json["value"] == []
    ended = "/jobschedules/s/jobs?$filter=state%20eq%20'completed'%20and%20executionInfo/poolId%20eq%20'nowhere'"
    assert [job["id"] for job in batch.call("GET", ended).json["value"]] == ["s:job-1"]
    assert batch.call("GET", "/jobschedules/s/jobs?$filter=id%20eq%20's'").code == "InvalidQueryParameterValue"
    assert batch.call("GET", "/jobschedules/none/jobs").code == "JobScheduleNotFound"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""), ("PATCH", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/disable"), ("POST", "/enable"),
        ("POST", "/terminate"), ("GET", "/jobs"),
    ],
)  # fmt: skip
def test_schedule_that_is_not_there_is_404(batch: RawBatch, method: str, path: str):
    body = {"jobSpecification": ON_POOL} if method in {"PATCH", "PUT"} else None
    answer = batch.call(method, f"/jobschedules/none{path}", body)
    assert (answer.status, answer.code) == (404, "JobScheduleNotFound")


def test_job_schedule_exists_is_told_by_the_status(batch: RawBatch):
    found = made(batch)
    answer = batch.call("HEAD", "/jobschedules/S")
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"", found["eTag"])
    answer = batch.call("HEAD", "/jobschedules/none")
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"metadata": []}), ("PUT", "", {"schedule": EVERY_HOUR, "jobSpecification": ON_POOL}),
        ("DELETE", "", None), ("POST", "/disable", None), ("POST", "/terminate", None), ("POST", "/enable", None),
    ],
)  # fmt: skip
def test_write_of_a_schedule_under_conditions(batch: RawBatch, method: str, path: str, body: Any):
    """412 changes nothing; the tag may stand in quotes or not."""
    before = made(batch)
    if path == "/enable":
        batch.call("POST", "/jobschedules/s/disable")
        before = shown(batch)
    target = f"/jobschedules/s{path}"
    for named in ({"if_match": '"0x8D1"'}, {"if_unmodified_since": "Mon, 01 Jan 2001 00:00:00 GMT"}):
        answer = batch.call(method, target, body, **named)
        assert (answer.status, answer.code) == (412, "ConditionNotMet")
    assert shown(batch) == before
    quoted = f'"{before["eTag"]}"' if method == "PATCH" else before["eTag"]
    assert batch.call(method, target, body, if_match=quoted).status in {200, 202, 204}


def test_read_of_a_schedule_under_conditions(batch: RawBatch):
    made(batch)
    headers = batch.call("GET", "/jobschedules/s").headers
    for method in ("GET", "HEAD"):
        answer = batch.call(method, "/jobschedules/s", if_none_match=headers["etag"])
        assert (answer.status, answer.body) == (304, b"")
        assert batch.call(method, "/jobschedules/s", if_modified_since=headers["last-modified"]).status == 304
        assert batch.call(method, "/jobschedules/s", if_match='"0x1"').status == 412
        assert batch.call(method, "/jobschedules/s", if_match=headers["etag"]).status == 200


@pytest.mark.parametrize("version", ["2017-01-01.4.0", "2019-08-01.10.0", "2024-07-01.20.0"])
def test_older_versions_show_and_take_what_they_have(server: RunningServer, batch: RawBatch, version: str):
    old = RawBatch(server.batch, batch.account, version)
    pool = {"vmSize": "small", "virtualMachineConfiguration": MACHINE}
    pool |= {"maxTasksPerNode": 2} if version < "2020" else {"taskSlotsPerNode": 2}
    pool |= {"targetDedicated" if version < "2017-05" else "targetDedicatedNodes": 0}
    info = {"autoPoolSpecification": {"poolLifetimeOption": "jobschedule", "pool": pool}}
    files = [{"blobSource" if version < "2018-12" else "httpUrl": "http://127.0.0.1:1/x", "filePath": "x"}]
    found = made(old, specification={"poolInfo": info, "jobManagerTask": {**MANAGER, "resourceFiles": files}})
    specification = found["jobSpecification"]
    assert ("maxParallelTasks" in specification) is (version > "2021")
    assert specification["poolInfo"] == info
    assert specification["jobManagerTask"]["resourceFiles"] == files
    assert ("requiredSlots" in specification["jobManagerTask"]) is (version > "2020-09")
    assert ("allowLowPriorityNode" in specification["jobManagerTask"]) is (version > "2017-05")
    newest = batch.call("GET", "/jobs/s:job-1").json
    automatic = newest["poolInfo"]["autoPoolSpecification"]["pool"]
    assert (automatic["taskSlotsPerNode"], automatic["targetDedicatedNodes"]) == (2, 0)
    (file,) = newest["jobManagerTask"]["resourceFiles"]
    assert file == {"httpUrl": "http://127.0.0.1:1/x", "filePath": "x"}
    if version < "2021":
        refused = add(old, "t", specification={**ON_POOL, "maxParallelTasks": 1})
        assert refused.code == "InvalidRequestBody"


# Pools made for the jobs of a schedule.


def on_auto_pool(lifetime: str, **options: Any) -> dict[str, Any]:
    pool = {"vmSize": "small", "virtualMachineConfiguration": MACHINE, "targetDedicatedNodes": 1}
    specification = {"poolLifetimeOption": lifetime, "autoPoolIdPrefix": "auto", "pool": pool, **options}
    return {"poolInfo": {"autoPoolSpecification": specification}, "jobManagerTask": MANAGER}


def pool_names(batch: RawBatch) -> list[str]:
    return [pool["id"] for pool in batch.call("GET", "/pools").json["value"] if pool["state"] == "active"]


@pytest.mark.parametrize(("lifetime", "keep"), [("jobschedule", False), ("jobschedule", True), ("job", False)])
def test_auto_pool_lives_as_long_as_it_is_to(batch: RawBatch, lifetime: str, keep: bool):
    """One for all jobs, which goes with the schedule unless it is kept; or one for each, which goes with its job."""
    made(batch, specification=on_auto_pool(lifetime, keepAlive=keep))
    job = batch.call("GET", "/jobs/s:job-1").json
    name = job["executionInfo"]["poolId"]
    assert name.startswith("auto_")
    until(lambda: batch.call("GET", "/jobs/s:job-1").json["state"] == "completed")
    assert batch.call("GET", "/jobs/s:job-1/tasks/manager").json["nodeInfo"]["poolId"] == name
    assert pool_names(batch) == ([] if lifetime == "job" else [name])
    batch.call("POST", "/jobschedules/s/terminate")
    assert pool_names(batch) == ([name] if keep else [])


def test_pool_for_all_jobs_of_a_schedule_is_refused_for_a_job(batch: RawBatch):
    answer: Answer = batch.call("POST", "/jobs", {"id": "j", **on_auto_pool("jobschedule")})
    assert (answer.status, answer.code) == (400, "InvalidPropertyValue")
    assert answer.values["PropertyName"] == "poolLifetimeOption"
    assert pool_names(batch) == []
