"""Answers held against the specification: every property known, of its type, none that is required left out."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.support.server import RunningServer

pytestmark = pytest.mark.specs

SECRETS = {"password"}  # required of those who send it; the service gives none back
TASK = {
    "id": "t", "commandLine": "/bin/sh -c 'exit 3'", "displayName": "T",
    "resourceFiles": [{"httpUrl": "http://127.0.0.1:1/a", "filePath": "a", "fileMode": "0755"}],
    "environmentSettings": [{"name": "A", "value": "B"}], "affinityInfo": {"affinityId": "TVM:x"},
    "constraints": {"maxWallClockTime": "PT1H", "maxTaskRetryCount": 1},
    "userIdentity": {"autoUser": {"scope": "task"}}, "dependsOn": {"taskIds": [], "taskIdRanges": []},
    "exitConditions": {"exitCodes": [{"code": 3, "exitOptions": {"dependencyAction": "satisfy"}}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def definitions() -> Any:
    path = Path(os.environ["LINARITE_SPECS"]) / "azure-batch/BatchService-2025-06-01.derived.json"
    return json.loads(path.read_text())["definitions"]


def faults(shown: Any, schema: dict[str, Any], definitions: Any, where: str) -> Iterator[str]:
    """What does not agree, by its place."""
    for part in schema.get("allOf", [{"$ref": schema["$ref"]}] if "$ref" in schema else []):
        yield from faults(shown, definitions[part["$ref"].rpartition("/")[2]], definitions, where)
        return
    kind = schema.get("type", "object")
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float)}
    if not isinstance(shown, kinds[kind]):
        yield f"{where}: {shown!r} is no {kind}"
    elif "enum" in schema and shown not in schema["enum"]:
        yield f"{where}: {shown!r} is none of {schema['enum']}"
    elif kind == "array":
        for item in shown:
            yield from faults(item, schema["items"], definitions, f"{where}[]")
    elif kind == "object" and "properties" in schema:
        yield from (
            f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in {*shown, *SECRETS}
        )
        for name, value in shown.items():
            if name in schema["properties"]:
                yield from faults(value, schema["properties"][name], definitions, f"{where}.{name}")
            elif not name.startswith("odata."):
                yield f"{where}.{name} is unknown"


def check(batch: RawBatch, target: str, name: str, definitions: Any) -> None:
    answer = batch.call("GET", target)
    assert answer.status == 200
    shown = answer.json
    if name.startswith("list of "):
        assert shown["value"]
        found = [
            fault for item in shown["value"] for fault in faults(item, definitions[name[8:]], definitions, name[8:])
        ]
    else:
        found = list(faults(shown, definitions[name], definitions, name))
    assert found == []


@pytest.fixture(scope="module")
def busy(server: RunningServer) -> RawBatch:
    """A pool with a node, a job with everything, tasks that failed, that wait and that were refused."""
    batch = RawBatch(server.batch, f"s{uuid.uuid4().hex[:20]}")
    batch.make_pool(
        "p", targetDedicatedNodes=1, displayName="P", metadata=[{"name": "a", "value": "b"}],
        taskSchedulingPolicy={"nodeFillType": "pack", "jobDefaultOrder": "none"},
        networkConfiguration={"dynamicVNetAssignmentScope": "none"},
        userAccounts=[{"name": "u", "password": "x"}],
    )  # fmt: skip
    batch.make_pool("q", targetDedicatedNodes=1, startTask={"commandLine": "/bin/true"})
    batch.make_job(
        "j", "p", usesTaskDependencies=True, displayName="J", commonEnvironmentSettings=[{"name": "A", "value": "B"}],
        metadata=[{"name": "a", "value": "b"}],
    )  # fmt: skip
    prepared = {"jobPreparationTask": {"commandLine": "/bin/true"}, "jobReleaseTask": {"commandLine": "x"}}
    batch.make_job("k", "p", jobManagerTask={"id": "m", "commandLine": "/bin/true"}, **prepared)
    batch.wait_task("k", "m")
    specification = {"poolInfo": {"poolId": "p"}, "jobManagerTask": {"id": "m", "commandLine": "/bin/true"}, **prepared}
    whole = {"doNotRunUntil": "2020-01-01T00:00:00Z", "doNotRunAfter": "2990-01-01T00:00:00Z", "startWindow": "PT1M"}
    for name, schedule in (("every", {**whole, "recurrenceInterval": "PT1H"}), ("once", {})):
        batch.call("POST", "/jobschedules", {"id": name, "schedule": schedule, "jobSpecification": specification})
    batch.call("POST", "/jobschedules/once/terminate")
    batch.call("POST", "/jobs/j/tasks", {"id": "plain", "commandLine": "/bin/sh -c 'exit 3'"})
    batch.wait_task("j", "plain")
    batch.call("POST", "/jobs/j/tasks", TASK)
    batch.call("POST", "/jobs/j/tasks", {"id": "waits", "commandLine": "x", "dependsOn": {"taskIds": ["none"]}})
    return batch


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/pools", "list of BatchPool"), ("/pools/p", "BatchPool"), ("/pools/p/nodes", "list of BatchNode"),
        ("/pools/q/nodes", "list of BatchNode"), ("/jobs", "list of BatchJob"), ("/jobs/k", "BatchJob"),
        ("/jobs/j/tasks", "list of BatchTask"), ("/jobs/j/tasks/plain", "BatchTask"),
        ("/jobs/k/jobpreparationandreleasetaskstatus", "list of BatchJobPreparationAndReleaseTaskStatus"),
        ("/jobs/j/taskcounts", "BatchTaskCountsResult"), ("/nodecounts", "list of BatchPoolNodeCounts"),
        ("/jobschedules", "list of BatchJobSchedule"), ("/jobschedules/every", "BatchJobSchedule"),
        ("/jobschedules/once", "BatchJobSchedule"), ("/jobschedules/every/jobs", "list of BatchJob"),
        ("/supportedimages", "list of BatchSupportedImage"),
        ("/jobs/j/tasks/plain/files?recursive=true", "list of BatchNodeFile"),
    ],
)  # fmt: skip
def test_answer_agrees_with_the_specification(busy: RawBatch, definitions: Any, target: str, name: str):
    check(busy, target, name, definitions)


def test_result_of_a_collection_agrees_with_the_specification(busy: RawBatch, definitions: Any):
    tasks = [{"id": "new", "commandLine": "x"}, {"id": "plain", "commandLine": "x"}, {}]
    answer = busy.call("POST", "/jobs/j/addtaskcollection", {"value": tasks}).json
    assert list(faults(answer, definitions["BatchCreateTaskCollectionResult"], definitions, "result")) == []


def test_refusal_agrees_with_the_specification(batch: RawBatch, definitions: Any):
    answer = batch.call("GET", "/pools?maxresults=0").json
    assert list(faults(answer, definitions["BatchError"], definitions, "error")) == []
