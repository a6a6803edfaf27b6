"""Answers against the published Swagger files, where LINARITE_SPECS names the folder that holds them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faces.superoffice.site import Site

from linarite.faces.superoffice.columns import COLUMNS
from linarite.faces.superoffice.states import BatchTaskState, Cancellation

pytestmark = pytest.mark.specs
KINDS = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float)}


def spec(name: str) -> Any:
    return json.loads((Path(os.environ["LINARITE_SPECS"]) / "superoffice" / name).read_text())


def faults(schema: dict[str, Any], value: Any, definitions: dict[str, Any], at: str = "") -> Iterator[str]:
    """What of a value a Swagger schema does not allow; the service itself gives null for what is not there."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    kind = schema.get("type")
    if value is None:
        return
    if kind in KINDS and (not isinstance(value, KINDS[kind]) or (kind == "integer" and isinstance(value, bool))):
        yield f"{at}: {value!r} is no {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    for place, item in enumerate(value if kind == "array" else ()):
        yield from faults(schema["items"], item, definitions, f"{at}[{place}]")
    if isinstance(value, dict):
        yield from of_object(schema, value, definitions, at)


def of_object(schema: dict[str, Any], value: dict[str, Any], definitions: dict[str, Any], at: str) -> Iterator[str]:
    """The same of an object's properties. Of flat rows the description says that any value is an object."""
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    yield from (f"{at}.{name} is missing" for name in known if name not in value)
    for name, item in value.items():
        of = known.get(name, others)
        if of is None and known:
            yield f"{at}.{name} is not described"
        elif of not in (None, {"type": "object"}):
            yield from faults(of, item, definitions, f"{at}.{name}")


def described(name: str) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Method, path, operation and definitions of each operation of a file."""
    document = spec(name)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation, document["definitions"]


@pytest.fixture
def ready(fresh: Site) -> tuple[Site, int]:
    """A site with a task that is done and one that runs, whose number it is."""
    fresh.finish(fresh.start(ParameterObject={"format": "csv"}))
    running = fresh.start(ParameterObject={"format": "csv"})
    fresh.tell(running, '{"percent": 40, "description": "loading"}')
    return fresh, running


ARGUMENTS = {
    "Id": None, "BatchTaskId": 999_999, "BatchTaskIds": [999_999], "State": "All", "AssociateIds": [], "Name": "",
    "TaskName": "", "BatchTaskInfo": {"Name": "nightly-export"},
}  # fmt: skip


def test_every_rest_answer_is_as_described(ready: tuple[Site, int]) -> None:
    """All operations of the resource: status, and every property of the body with its type."""
    site, running = ready
    seen = []
    for method, path, operation, definitions in sorted(
        described("Swagger-v1-BatchTask.json"), key=lambda each: each[0] == "DELETE"
    ):
        word = {"{id}": str(running), "{Id}": str(running), "{batchTaskId}": str(running), "{state}": "All"}
        target = path
        for name, value in word.items():
            target = target.replace(name, value)
        body = (
            {"Name": "nightly-export", "Description": "d"} if method in {"POST", "PUT"} and "Stop" not in path else None
        )
        answer = site.call(method, target, json=body)
        assert str(answer.status_code) in operation["responses"], (method, path, answer.text)
        expected = operation["responses"][str(answer.status_code)].get("schema")
        if expected:
            assert list(faults(expected, answer.json(), definitions)) == [], (method, path)
        seen.append(operation["operationId"])
    assert len(seen) == 7


def test_every_agent_answer_is_as_described(ready: tuple[Site, int]) -> None:
    """All methods of the Batch agent, by the arguments of their descriptions."""
    site, running = ready
    count = 0
    for method, path, operation, definitions in described("Swagger-v1-BatchAgent.json"):
        if method != "POST":
            continue
        reference = next(item for item in operation["parameters"] if item["in"] == "body")["schema"]["$ref"]
        names = definitions[reference.rpartition("/")[2]]["properties"]
        body = {name: ARGUMENTS[name] for name in names}
        if "Id" in body:
            body["Id"] = running
        if "UpdateBatchTask" in path:
            body["BatchTaskInfo"] = {"Id": running, "Description": "changed"}
        answer = site.call("POST", path, json=body)
        assert str(answer.status_code) in operation["responses"], (path, answer.text)
        expected = operation["responses"][str(answer.status_code)].get("schema")
        if expected:
            assert list(faults(expected, answer.json(), definitions)) == [], path
        count += 1
    assert count == 15


@pytest.mark.parametrize("name", ["GetArchiveListByColumns", "GetArchiveListByColumns2"])
def test_the_archive_agent_answers_as_described(ready: tuple[Site, int], name: str) -> None:
    """Rows with every property of ArchiveListItem."""
    site, _ = ready
    path = f"/api/v1/Agents/Archive/{name}"
    [found] = [each for each in described("Swagger-v1-ArchiveAgent.json") if each[1] == path and each[0] == "POST"]
    answer = site.call("POST", path, json={"ProviderName": "BatchTasks"})
    assert len(answer.json()) == 2
    assert list(faults(found[2]["responses"]["200"]["schema"], answer.json(), found[3])) == []


def test_words_and_columns_are_those_of_the_service() -> None:
    """States, cancellation and the archive's columns have the published names, numbers and types."""
    enums = spec("enums.json")
    assert {state.name: state.value for state in BatchTaskState} == enums["BatchTaskState"]
    assert {word.name: word.value for word in Cancellation} == enums["BatchTaskCancellationBehaviour"]
    columns = {item["name"]: (item["filterType"], item["sortable"]) for item in enums["archiveBatchTasks"]["columns"]}
    assert {column.name: (column.kind, column.sortable) for column in COLUMNS.values()} == columns
