"""The table of properties and versions says what the descriptions of all versions say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import specification

from linarite.faces.azure_batch import versions, vocabulary
from linarite.faces.azure_batch.errors import Refusal
from linarite.faces.azure_batch.vocabulary.elements import ELEMENTS

POOL, NODE, JOB = "/pools/{poolId}", "/pools/{poolId}/nodes/{nodeId}", "/jobs/{jobId}"
TASK, SCHEDULE = "/jobs/{jobId}/tasks/{taskId}", "/jobschedules/{jobScheduleId}"
ANSWERS = [
    ("pool", POOL), ("node", NODE), ("job", JOB), ("task", TASK), ("jobSchedule", SCHEDULE),
    ("remoteLogin", f"{NODE}/remoteloginsettings"), ("poolNodeCounts", "/nodecounts"), ("file", f"{TASK}/files"),
    ("outcome", f"{TASK}/subtasksinfo"), ("preparationStatus", f"{JOB}/jobpreparationandreleasetaskstatus"),
]  # fmt: skip
BODIES = [
    ("pool", "POST", "/pools"), ("poolPatch", "PATCH", POOL), ("poolReplace", "POST", f"{POOL}/updateproperties"),
    ("poolResize", "POST", f"{POOL}/resize"), ("job", "POST", "/jobs"), ("jobPatch", "PATCH", JOB),
    ("jobPut", "PUT", JOB), ("task", "POST", f"{JOB}/tasks"), ("taskPut", "PUT", TASK),
    ("jobSchedule", "POST", "/jobschedules"), ("task", "POST", f"{JOB}/addtaskcollection"),
]  # fmt: skip


class Schema:
    """A schema of one version with its definitions."""

    def __init__(self, schema: Any, definitions: Any) -> None:
        for part in schema.get("allOf", [schema] if "$ref" in schema else []):
            schema = definitions[part["$ref"].rpartition("/")[2]]
        if schema.get("type") == "array":
            schema = Schema(schema["items"], definitions).schema
        self.schema, self.definitions = schema, definitions

    def item(self) -> Schema:
        """What a list is of; the schema itself when it is no list."""
        listed = self.part("value")
        return self if listed is None or not listed.names else listed

    @property
    def names(self) -> set[str]:
        return set(self.schema.get("properties", {}))

    def part(self, name: str) -> Schema | None:
        found = self.schema.get("properties", {}).get(name)
        return None if found is None else Schema(found, self.definitions)


Schemas = dict[str, Schema]


def disagreements(element: str | None, schemas: Schemas, where: str) -> Iterator[str]:
    """Where the table and the descriptions of these versions differ; without an element there may be no difference."""
    for name in sorted(set().union(*(schema.names for schema in schemas.values()))):
        place = f"{where}.{name}"
        there = {version for version, schema in schemas.items() if name in schema.names}
        told = {v for v in schemas if vocabulary.has(name, element, v)} if element else set(schemas)
        if there != told:
            yield f"{place}: in {sorted(there ^ told)} otherwise than told"
            continue
        parts = {v: part for v in there if (part := schemas[v].part(name)) is not None and part.names}
        if parts and place.count(".") < 12:
            yield from disagreements(ELEMENTS[element].parts.get(name) if element else None, parts, place)


def schemas_of(find: Any) -> Schemas:
    found: Schemas = {}
    for version in specification.versions():
        description = specification.describe(version)
        schema = find(description)
        if schema is not None:
            found[version] = Schema(schema, description.definitions).item()
    return found


def operation(description: Any, method: str, template: str) -> Any:
    return description.operation(method, template.replace("{", "").replace("}", ""))


@pytest.mark.specs
@pytest.mark.parametrize(("element", "template"), ANSWERS)
def test_table_says_what_answers_have(element: str, template: str):
    def find(description: Any) -> Any:
        found = operation(description, "GET", template)
        return found and found["responses"]["200"]["schema"]

    assert list(disagreements(element, schemas_of(find), element)) == []


@pytest.mark.specs
@pytest.mark.parametrize(("element", "method", "template"), BODIES)
def test_table_says_what_bodies_have(element: str, method: str, template: str):
    def find(description: Any) -> Any:
        found = operation(description, method, template)
        return found and next((p["schema"] for p in found["parameters"] if p["in"] == "body"), None)

    assert list(disagreements(element, schemas_of(find), element)) == []


SOURCE = {"httpUrl": "https://example.org/f", "filePath": "f"}
OLD_SOURCE = {"blobSource": "https://example.org/f", "filePath": "f"}
OLDEST, NEWEST = "2017-01-01.4.0", versions.LATEST


def test_answer_is_told_in_the_words_of_its_version():
    pool = {
        "id": "p", "taskSlotsPerNode": 4, "targetDedicatedNodes": 1, "targetLowPriorityNodes": 2, "upgradePolicy": {},
        "startTask": {"commandLine": "x", "resourceFiles": [SOURCE], "containerSettings": {"imageName": "i"}},
        "certificateReferences": [], "resizeError": {}, "resizeErrors": [{}],
    }  # fmt: skip
    start = {"commandLine": "x", "resourceFiles": [OLD_SOURCE]}
    assert vocabulary.shown("pools", pool, OLDEST) == {
        "id": "p", "maxTasksPerNode": 4, "targetDedicated": 1, "startTask": start, "certificateReferences": [],
        "resizeError": {},
    }  # fmt: skip
    newest = vocabulary.shown("pools", pool, NEWEST)
    assert newest == {
        name: value for name, value in pool.items() if name not in {"certificateReferences", "resizeError"}
    }
    assert "certificateReferences" in pool, "what is told is another object"


def test_disk_without_what_an_old_version_requires_is_not_shown_there():
    """Versions before 2017-09 know disks of the system made of one's own images alone (`imageUris` is required)."""
    disk = {"caching": "readonly", "diskSizeGB": 30}
    pool = {"id": "p", "virtualMachineConfiguration": {"nodeAgentSKUId": "a", "osDisk": disk}}
    shown = {
        version: vocabulary.shown("pools", pool, version)["virtualMachineConfiguration"].get("osDisk")
        for version in ("2017-01-01.4.0", "2017-06-01.5.1", "2017-09-01.6.0", "2025-06-01")
    }
    assert shown == {
        "2017-01-01.4.0": None, "2017-06-01.5.1": None, "2017-09-01.6.0": {"caching": "readonly"}, "2025-06-01": disk,
    }  # fmt: skip
    own = {"imageUris": ["https://x/vhds/d.vhd"], "caching": "readonly"}
    pool["virtualMachineConfiguration"] = {"nodeAgentSKUId": "a", "osDisk": own}
    assert vocabulary.shown("pools", pool, "2017-01-01.4.0")["virtualMachineConfiguration"]["osDisk"] == own


def test_disk_of_an_old_version_needs_its_images():
    disk = {"virtualMachineConfiguration": {"osDisk": {"caching": "readonly"}}}
    with pytest.raises(Refusal) as caught:
        vocabulary.require("pool", vocabulary.read("pool", disk, "2017-05-01.5.0"), "2017-05-01.5.0")
    assert caught.value.code == "MissingRequiredProperty"
    vocabulary.require("pool", disk, "2017-09-01.6.0")


def test_answer_of_a_kind_without_particulars_is_what_it_was():
    shown = {"id": "x"}
    assert vocabulary.shown("supportedimages", shown, OLDEST) is shown


def test_whole_numbers_are_texts_since_2024():
    file = {"name": "f", "properties": {"contentLength": "5000000000"}}
    assert vocabulary.shown("files", file, "2024-02-01.19.0")["properties"] == {"contentLength": 5_000_000_000}
    assert vocabulary.shown("files", file, "2024-07-01.20.0") is file


def test_oldest_version_tells_of_failures_before_the_start_alone():
    failure = {"category": "usererror", "code": "CommandProgramNotFound"}
    before, after = {"failureInfo": failure}, {"exitCode": 3, "failureInfo": failure, "result": "failure"}
    shown = [vocabulary.shown("subtasks", info, OLDEST) for info in (before, after)]
    assert shown == [{"schedulingError": failure}, {"exitCode": 3}]


def test_body_of_a_version_is_read_as_one_of_the_newest():
    task = {"id": "t", "resourceFiles": [OLD_SOURCE], "exitConditions": {"schedulingError": {"jobAction": "none"}}}
    assert vocabulary.read("task", task, OLDEST) == {
        "id": "t", "resourceFiles": [SOURCE], "exitConditions": {"preProcessingError": {"jobAction": "none"}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("task", "version", "code"),
    [
        ({"resourceFiles": [SOURCE]}, "2018-08-01.7.0", "InvalidRequestBody"),
        ({"resourceFiles": [OLD_SOURCE]}, "2018-12-01.8.0", "InvalidRequestBody"),
        ({"resourceFiles": [{"filePath": "f"}]}, "2018-08-01.7.0", "MissingRequiredProperty"),
        ({"requiredSlots": 1}, "2020-03-01.11.0", "InvalidRequestBody"),
        ({"multiInstanceSettings": {"coordinationCommandLine": "x"}}, OLDEST, "MissingRequiredProperty"),
        ({"authenticationTokenSettings": {"access": ["job"]}}, NEWEST, "InvalidRequestBody"),
    ],
    ids=str,
)  # fmt: skip
def test_body_with_what_its_version_does_not_have_is_refused(task: Any, version: str, code: str):
    with pytest.raises(Refusal) as refused:
        vocabulary.require("task", vocabulary.read("task", task, version), version)
    assert refused.value.code == code


def test_null_and_other_things_where_an_element_should_be_are_left_to_the_reader():
    for odd in ({"resourceFiles": None}, {"resourceFiles": 7}, {"resourceFiles": ["x"]}, [], "x", None):
        assert vocabulary.read("task", odd, OLDEST) == odd
    assert vocabulary.read("task", {"requiredSlots": None}, OLDEST) == {"requiredSlots": None}


def test_refusal_names_a_property_as_the_version_does():
    def told(version: str) -> object:
        refusal = Refusal("InvalidPropertyValue", PropertyName="resourceFiles.httpUrl", PropertyValue="x")
        return vocabulary.in_words(refusal, version).values["PropertyName"]

    assert (told(OLDEST), told(NEWEST)) == ("resourceFiles.blobSource", "resourceFiles.httpUrl")
