"""Add a task: each element of its table is checked by the table's rules, stored, and shown as given (seed 002)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.support.server import RunningServer

TASK = {"id": "t", "commandLine": "/bin/true"}
FILE = {"httpUrl": "http://127.0.0.1:1/a", "filePath": "a/b.txt"}
OUTPUT = {
    "filePattern": "../std*.txt",
    "destination": {"container": {"containerUrl": "https://x.blob.core.windows.net/c?sig=1", "path": "p"}},
    "uploadOptions": {"uploadCondition": "taskcompletion"},
}


@pytest.fixture
def job(batch: RawBatch) -> RawBatch:
    """A job `j` that uses dependencies and lets exit options act."""
    batch.make_job("j", usesTaskDependencies=True, onTaskFailure="performexitoptionsjobaction")
    return batch


def add(batch: RawBatch, **elements: Any) -> Any:
    return batch.call("POST", "/jobs/j/tasks", {**TASK, **elements})


def test_add_task_answers_201_with_tag_and_address(job: RawBatch):
    answer = add(job)
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["location"].endswith("/jobs/j/tasks/t")
    assert answer.headers["dataserviceid"] == answer.headers["location"]
    shown = job.call("GET", "/jobs/j/tasks/t")
    assert shown.headers["etag"] == answer.headers["etag"] == shown.json["eTag"]
    assert answer.headers["etag"].startswith("0x8D")
    assert shown.headers["last-modified"] == answer.headers["last-modified"]


def test_add_task_fills_in_the_defaults(job: RawBatch):
    add(job)
    shown = job.call("GET", "/jobs/j/tasks/t").json
    assert shown["state"] == "active"
    assert "previousState" not in shown
    assert shown["constraints"] == {
        "maxWallClockTime": "P10675199DT2H48M5.4775807S", "retentionTime": "P7D", "maxTaskRetryCount": 0,
    }  # fmt: skip
    assert shown["requiredSlots"] == 1
    assert shown["userIdentity"] == {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}
    assert shown["executionInfo"] == {"retryCount": 0, "requeueCount": 0}


ELEMENTS: dict[str, Any] = {
    "displayName": "Ünïcode ✓ " + "x" * 1000,
    "resourceFiles": [{**FILE, "fileMode": "0755"}, FILE],
    "environmentSettings": [{"name": "A", "value": "b c"}, {"name": "NONE"}, {"name": "EMPTY", "value": ""}],
    "affinityInfo": {"affinityId": "TVM:some-node"},
    "constraints": {"maxWallClockTime": "PT1H", "retentionTime": "PT1H", "maxTaskRetryCount": -1},
    "requiredSlots": 3,
    "userIdentity": {"autoUser": {"scope": "task", "elevationLevel": "admin"}},
    "dependsOn": {"taskIds": ["a", "b"], "taskIdRanges": [{"start": 9, "end": 12}]},
    "exitConditions": {
        "exitCodes": [{"code": 3, "exitOptions": {"jobAction": "terminate", "dependencyAction": "satisfy"}}],
        "exitCodeRanges": [{"start": 5, "end": 9, "exitOptions": {"jobAction": "disable"}}],
        "preProcessingError": {"dependencyAction": "block"},
        "fileUploadError": {"jobAction": "none"},
        "default": {"jobAction": "none", "dependencyAction": "satisfy"},
    },
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_add_task_stores_and_shows_an_element(job: RawBatch, name: str):
    assert add(job, **{name: ELEMENTS[name]}).status == 201
    assert job.call("GET", "/jobs/j/tasks/t").json[name] == ELEMENTS[name]


def test_add_task_stores_all_elements_together(job: RawBatch):
    assert add(job, **ELEMENTS).status == 201
    shown = job.call("GET", "/jobs/j/tasks/t").json
    assert {name: shown[name] for name in ELEMENTS} == ELEMENTS


def test_add_task_takes_named_users(job: RawBatch):
    add(job, userIdentity={"username": "task-user"})
    assert job.call("GET", "/jobs/j/tasks/t").json["userIdentity"] == {"username": "task-user"}


def test_add_task_is_lenient_with_words_and_numbers(job: RawBatch):
    """Texts for numbers as `az batch` sends them, words in any letter case as the seed writes them."""
    lenient = {
        "requiredSlots": "2",
        "constraints": {"maxTaskRetryCount": "3", "maxWallClockTime": "PT01M00S"},
        "userIdentity": {"autoUser": {"scope": "Task", "elevationLevel": "nonAdmin"}},
        "odata.metadata": "https://myaccount.myregion.batch.core.windows.net/$metadata#tasks/@Element",
    }
    assert add(job, **lenient).status == 201
    shown = job.call("GET", "/jobs/j/tasks/t").json
    assert shown["requiredSlots"] == 2
    assert shown["constraints"] == {"maxWallClockTime": "PT1M", "retentionTime": "P7D", "maxTaskRetryCount": 3}
    assert shown["userIdentity"] == {"autoUser": {"scope": "task", "elevationLevel": "nonadmin"}}


def test_add_task_with_token_settings_is_of_older_versions(server: RunningServer, account: str):
    """They exist through 2024-07-01.20.0, and are refused at 2025-06-01."""
    settings = {"authenticationTokenSettings": {"access": ["job"]}}
    new, old = RawBatch(server.batch, account), RawBatch(server.batch, account, "2024-07-01.20.0")
    new.make_job("j")
    answer = add(new, **settings)
    assert (answer.status, answer.code) == (400, "InvalidRequestBody")
    assert add(old, authenticationTokenSettings={"access": ["Job"]}).status == 201
    shown = old.call("GET", "/jobs/j/tasks/t").json
    assert (shown["authenticationTokenSettings"], shown["state"]) == ({"access": ["job"]}, "active")


def test_add_task_with_blob_source_is_of_older_versions(server: RunningServer, account: str):
    """`blobSource` became `httpUrl` with 2018-12-01.8.0: each version reads and shows its own name."""
    new, old = RawBatch(server.batch, account), RawBatch(server.batch, account, "2017-01-01.4.0")
    new.make_job("j")
    file = {"blobSource": "http://127.0.0.1:1/a", "filePath": "a.txt"}
    assert add(new, resourceFiles=[file]).code == "InvalidRequestBody"
    assert add(old, resourceFiles=[FILE]).code == "InvalidRequestBody"
    assert add(old, resourceFiles=[file]).status == 201
    assert old.call("GET", "/jobs/j/tasks/t").json["resourceFiles"] == [file]
    shown = new.call("GET", "/jobs/j/tasks/t").json["resourceFiles"]
    assert shown == [{"httpUrl": "http://127.0.0.1:1/a", "filePath": "a.txt"}]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"id": None}, "MissingRequiredProperty", "id"),
    ({"commandLine": None}, "MissingRequiredProperty", "commandLine"),
    ({"id": "x" * 65}, "InvalidPropertyValue", "id"),
    ({"id": "a b"}, "InvalidPropertyValue", "id"),
    ({"id": "../x"}, "InvalidPropertyValue", "id"),
    ({"id": ""}, "InvalidPropertyValue", "id"),
    ({"commandLine": "  "}, "InvalidPropertyValue", "commandLine"),
    ({"commandLine": "a\0b"}, "InvalidPropertyValue", "commandLine"),
    ({"displayName": "x" * 1025}, "InvalidPropertyValue", "displayName"),
    ({"resourceFiles": [{"filePath": "a"}]}, "InvalidPropertyValue", "resourceFiles"),
    ({"resourceFiles": [{**FILE, "storageContainerUrl": "https://x"}]}, "InvalidPropertyValue", "resourceFiles"),
    ({"resourceFiles": [{"httpUrl": "http://x"}]}, "MissingRequiredProperty", "resourceFiles.filePath"),
    ({"resourceFiles": [{**FILE, "filePath": "../../etc/passwd"}]}, "InvalidPropertyValue", "filePath"),
    ({"resourceFiles": [{**FILE, "filePath": "a\\..\\..\\b"}]}, "InvalidPropertyValue", "filePath"),
    ({"resourceFiles": [{**FILE, "filePath": "/etc/passwd"}]}, "InvalidPropertyValue", "filePath"),
    ({"resourceFiles": [{**FILE, "fileMode": "rwx"}]}, "InvalidPropertyValue", "fileMode"),
    ({"outputFiles": [{**OUTPUT, "filePattern": None}]}, "MissingRequiredProperty", "outputFiles.filePattern"),
    ({"outputFiles": [{**OUTPUT, "destination": {"container": {"containerUrl": "http://x", "uploadHeaders": [
        {"name": "a", "value": "b\r\nc: d"}]}}}]}, "InvalidPropertyValue", "uploadHeaders"),
    ({"outputFiles": [{**OUTPUT, "destination": {"container": {"containerUrl": "http://x", "uploadHeaders": [{}]}}}]},
     "MissingRequiredProperty", "outputFiles.destination.container.uploadHeaders.name"),
    ({"outputFiles": [{**OUTPUT, "destination": {}}]}, "MissingRequiredProperty", "outputFiles.destination.container"),
    ({"outputFiles": [{**OUTPUT, "uploadOptions": None}]}, "MissingRequiredProperty", "outputFiles.uploadOptions"),
    ({"outputFiles": [{**OUTPUT, "uploadOptions": {"uploadCondition": "x"}}]}, "InvalidPropertyValue",
     "uploadCondition"),
    ({"applicationPackageReferences": [{}]}, "MissingRequiredProperty", "applicationPackageReferences.applicationId"),
    ({"environmentSettings": [{"value": "b"}]}, "MissingRequiredProperty", "environmentSettings.name"),
    ({"environmentSettings": [{"name": "A=B"}]}, "InvalidPropertyValue", "environmentSettings"),
    ({"affinityInfo": {}}, "MissingRequiredProperty", "affinityInfo.affinityId"),
    ({"constraints": {"maxTaskRetryCount": -2}}, "InvalidPropertyValue", "maxTaskRetryCount"),
    ({"constraints": {"maxWallClockTime": "soon"}}, "InvalidPropertyValue", "maxWallClockTime"),
    ({"constraints": {"retentionTime": "1 day"}}, "InvalidPropertyValue", "retentionTime"),
    ({"requiredSlots": 0}, "InvalidPropertyValue", "requiredSlots"),
    ({"requiredSlots": 257}, "InvalidPropertyValue", "requiredSlots"),
    ({"userIdentity": {}}, "InvalidPropertyValue", "userIdentity"),
    ({"userIdentity": {"username": "u", "autoUser": {}}}, "InvalidPropertyValue", "userIdentity"),
    ({"userIdentity": {"autoUser": {"scope": "planet"}}}, "InvalidPropertyValue", "scope"),
    ({"userIdentity": {"autoUser": {"elevationLevel": "root"}}}, "InvalidPropertyValue", "elevationLevel"),
    ({"multiInstanceSettings": {"numberOfInstances": 2}}, "MissingRequiredProperty", "coordinationCommandLine"),
    ({"multiInstanceSettings": {"coordinationCommandLine": "x\0"}}, "InvalidPropertyValue",
     "multiInstanceSettings.coordinationCommandLine"),
    ({"multiInstanceSettings": {"coordinationCommandLine": "x", "commonResourceFiles": [{"filePath": "a"}]}},
     "InvalidPropertyValue", "commonResourceFiles"),
    ({"multiInstanceSettings": {"coordinationCommandLine": "x",
      "commonResourceFiles": [{**FILE, "filePath": "../wd/a"}]}}, "InvalidPropertyValue", "filePath"),
    ({"multiInstanceSettings": {"numberOfInstances": 0, "coordinationCommandLine": "x"}}, "InvalidPropertyValue",
     "numberOfInstances"),
    ({"multiInstanceSettings": {"numberOfInstances": 2, "coordinationCommandLine": "x"}, "requiredSlots": 2},
     "InvalidPropertyValue", "requiredSlots"),
    ({"dependsOn": {"taskIdRanges": [{"start": 1}]}}, "MissingRequiredProperty", "taskIdRanges.end"),
    ({"dependsOn": {"taskIdRanges": [{"start": 5, "end": 1}]}}, "InvalidPropertyValue", "taskIdRanges"),
    ({"exitConditions": {"exitCodes": [{"exitOptions": {}}]}}, "MissingRequiredProperty", "exitCodes.code"),
    ({"exitConditions": {"exitCodes": [{"code": 1}]}}, "MissingRequiredProperty", "exitCodes.exitOptions"),
    ({"exitConditions": {"exitCodeRanges": [{"start": 2, "end": 1, "exitOptions": {}}]}}, "InvalidPropertyValue",
     "exitCodeRanges"),
    ({"exitConditions": {"default": {"jobAction": "explode"}}}, "InvalidPropertyValue", "jobAction"),
    ({"exitConditions": {"default": {"dependencyAction": "explode"}}}, "InvalidPropertyValue", "dependencyAction"),
    ({"containerSettings": {}}, "MissingRequiredProperty", "containerSettings.imageName"),
    ({"containerSettings": {"imageName": "i", "containerRunOptions": "'"}}, "InvalidPropertyValue",
     "containerRunOptions"),
    ({"containerSettings": {"imageName": "i", "workingDirectory": "x"}}, "InvalidPropertyValue", "workingDirectory"),
    ({"containerSettings": {"imageName": "i", "containerHostBatchBindMounts": [{"source": "x"}]}},
     "InvalidPropertyValue", "source"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("elements", "code", "name"), BAD, ids=[f"{name}-{place}" for place, (_, _, name) in enumerate(BAD)]
)
def test_add_task_with_a_bad_element_is_refused(job: RawBatch, elements: dict[str, Any], code: str, name: str):
    """By code and by the name of the property; the job has no task afterwards."""
    answer = add(job, **elements)
    assert (answer.status, answer.code) == (400, code)
    assert answer.values["PropertyName"] == name
    if code == "InvalidPropertyValue":
        assert {"PropertyValue", "Reason"} <= answer.values.keys()
    assert job.call("GET", "/jobs/j/taskcounts").json["taskCounts"]["active"] == 0


@pytest.mark.parametrize(
    "elements",
    [
        {"requiredSlots": "many"}, {"resourceFiles": {}}, {"environmentSettings": ["A=B"]}, {"constraints": []},
        {"exitConditions": {"exitCodes": [{"code": 2**31, "exitOptions": {}}]}}, {"dependsOn": {"taskIds": "a"}},
        {"dependsOn": {"taskIdRanges": [{"start": 1.5, "end": 2}]}}, {"displayName": 5}, {"colour": "blue"},
        {"constraints": {"maxTaskRetries": 1}},
    ],
)  # fmt: skip
def test_add_task_with_a_wrong_type_is_refused(job: RawBatch, elements: dict[str, Any]):
    answer = add(job, **elements)
    assert (answer.status, answer.code) == (400, "InvalidRequestBody")
    assert "$." in answer.values["Reason"] or "colour" in answer.values["Reason"]


def test_add_task_that_is_there_is_refused_whatever_its_letter_case(job: RawBatch):
    assert add(job).status == 201
    answer = add(job, id="T")
    assert (answer.status, answer.code) == (409, "TaskExists")


def test_add_task_to_a_job_that_is_not_there_is_refused(batch: RawBatch):
    assert (add(batch).status, add(batch).code) == (404, "JobNotFound")


def test_add_task_to_a_job_that_is_over_is_refused(job: RawBatch):
    assert job.call("POST", "/jobs/j/terminate").status == 202
    assert (add(job).status, add(job).code) == (409, "JobCompleted")


@pytest.mark.parametrize("depends_on", [{}, {"taskIds": ["a"]}, {"taskIdRanges": [{"start": 1, "end": 2}]}])
def test_add_task_with_dependencies_that_its_job_does_not_use_is_refused(batch: RawBatch, depends_on: dict[str, Any]):
    batch.make_job("j")
    answer = add(batch, dependsOn=depends_on)
    assert (answer.status, answer.code) == (400, "TaskDependenciesNotSpecifiedOnJob")


def test_add_task_with_64000_characters_of_dependencies_is_the_limit(job: RawBatch):
    ids = [f"{number:064}" for number in range(1000)]
    assert add(job, dependsOn={"taskIds": ids}).status == 201
    answer = add(job, id="t2", dependsOn={"taskIds": [*ids, "a"]})
    assert (answer.status, answer.code) == (400, "TaskDependencyListTooLong")


@pytest.mark.parametrize("options", [{"jobAction": "terminate"}, {"dependencyAction": "satisfy"}])
def test_add_task_with_exit_options_that_its_job_does_not_allow_is_refused(batch: RawBatch, options: dict[str, str]):
    """jobAction wants onTaskFailure, dependencyAction wants usesTaskDependencies."""
    batch.make_job("j")
    answer = add(batch, exitConditions={"default": options})
    assert (answer.status, answer.code) == (400, "InvalidPropertyValue")
    assert answer.values["PropertyName"] == next(iter(options))


def test_add_task_inherits_the_retries_of_its_job(batch: RawBatch):
    batch.make_job("j", constraints={"maxTaskRetryCount": 4})
    add(batch)
    assert batch.call("GET", "/jobs/j/tasks/t").json["constraints"]["maxTaskRetryCount"] == 4


def test_add_task_hides_the_password_of_a_registry(batch: RawBatch):
    batch.make_job("j")
    registry = {"username": "u", "password": "secret", "registryServer": "r"}
    add(batch, containerSettings={"imageName": "i", "registry": registry})
    shown = batch.call("GET", "/jobs/j/tasks/t").json
    assert shown["containerSettings"]["registry"] == {"username": "u", "registryServer": "r"}
    assert "secret" not in json.dumps(shown)


# Collections.


def test_add_collection_answers_for_each_task(batch: RawBatch):
    """A bad one among good ones keeps none of them out."""
    batch.make_job("j")
    add(batch, id="there")
    tasks = [{**TASK, "id": "a"}, {"id": "b"}, {**TASK, "id": "there"}, {**TASK, "id": "a"}, {**TASK, "id": "bad id"}]
    answer = batch.call("POST", "/jobs/j/addtaskcollection", {"value": tasks})
    assert answer.status == 200
    results = answer.json["value"]
    assert [result["status"] for result in results] == ["success", *["clienterror"] * 4]
    assert [result["taskId"] for result in results] == ["a", "b", "there", "a", "bad id"]
    assert results[0]["location"].endswith("/jobs/j/tasks/a")
    assert results[0]["eTag"] == batch.call("GET", "/jobs/j/tasks/a").headers["etag"]
    assert [result["error"]["code"] for result in results[1:]] == [
        "MissingRequiredProperty", "TaskExists", "TaskExists", "InvalidPropertyValue",
    ]  # fmt: skip
    assert results[1]["error"]["message"]["value"].startswith("A required property")
    assert batch.call("GET", "/jobs/j/taskcounts").json["taskCounts"]["active"] == 2


def test_add_collection_of_100_is_the_limit(batch: RawBatch):
    batch.make_job("j")
    tasks = [{**TASK, "id": str(number)} for number in range(101)]
    answer = batch.call("POST", "/jobs/j/addtaskcollection", {"value": tasks})
    assert answer.status == 400
    assert batch.call("GET", "/jobs/j/tasks").json["value"] == []
    answer = batch.call("POST", "/jobs/j/addtaskcollection", {"value": tasks[:100]})
    assert [result["status"] for result in answer.json["value"]] == ["success"] * 100


@pytest.mark.parametrize(
    "body", [{}, {"value": None}, {"value": {}}, {"value": [5]}, [], {"value": [{**TASK, "colour": 1}]}]
)
def test_add_collection_that_is_none_is_refused(batch: RawBatch, body: Any):
    batch.make_job("j")
    assert batch.call("POST", "/jobs/j/addtaskcollection", body).status == 400


def test_add_collection_to_a_job_that_is_not_there_is_refused(batch: RawBatch):
    answer = batch.call("POST", "/jobs/none/addtaskcollection", {"value": [TASK]})
    assert (answer.status, answer.code) == (404, "JobNotFound")


@pytest.mark.parametrize(
    ("version", "task"),
    [
        ("2025-06-01", {"multiInstanceSettings": {"numberOfInstances": 2}}),
        ("2018-08-01.7.0", {"resourceFiles": [{"filePath": "f"}]}),
    ],
    ids=["coordinationCommandLine", "blobSource"],
)
def test_task_that_lacks_what_the_version_requires_keeps_no_other_out(
    batch: RawBatch, server: RunningServer, version: str, task: dict[str, Any]
):
    """What a task says is answered task by task, also where only some versions want it."""
    batch.make_pool("p")
    batch.make_job("j", "p")
    other = RawBatch(server.batch, batch.account, version)
    bad = {"id": "bad", "commandLine": "x", **task}
    body = {"value": [bad, {"id": "good", "commandLine": "x"}]}
    refused, added = other.call("POST", "/jobs/j/addtaskcollection", body).json["value"]
    assert (refused["status"], refused["error"]["code"]) == ("clienterror", "MissingRequiredProperty")
    assert (added["status"], added["taskId"]) == ("success", "good")
    alone = other.call("POST", "/jobs/j/tasks", bad)
    assert (alone.status, alone.code) == (400, "MissingRequiredProperty")
    assert [item["id"] for item in batch.call("GET", "/jobs/j/tasks").json["value"]] == ["good"]


@pytest.mark.parametrize("odd", [{"requiredSlots": 1}, {"commandLine": ["x"]}], ids=["not in the version", "type"])
def test_collection_that_cannot_be_read_adds_nothing(batch: RawBatch, server: RunningServer, odd: dict[str, Any]):
    """What a body is made of is looked at as a whole: the service reads it before it knows of tasks."""
    batch.make_pool("p")
    batch.make_job("j", "p")
    older = RawBatch(server.batch, batch.account, "2020-03-01.11.0")
    body = {"value": [{"id": "good", "commandLine": "x"}, {"id": "odd", "commandLine": "x", **odd}]}
    answer = older.call("POST", "/jobs/j/addtaskcollection", body)
    assert (answer.status, answer.code) == (400, "InvalidRequestBody")
    assert batch.call("GET", "/jobs/j/tasks").json["value"] == []
