"""Answers held against the specification's own JSON, of the version that the request named.

On where LINARITE_SPECS names the folder; else `faults` finds none. Whatever speaks to the Batch face can ask it: the
raw client does for every answer, `tests.support.batch` for the real client, `tests.support.proxy` for any other.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

METHODS = ("get", "put", "post", "patch", "delete", "head")
NEWEST = "2025-06-01"
EXACT = "2019"
"""From here on the descriptions have the words as they are sent."""
JSON = "application/json;odata=minimalmetadata"
SECRETS = {"password", "accountKey", "sasKey", "data"}
"""Required of those who send it; the service gives none back. `data` is a certificate with its key."""
COMMON = {
    "request-id": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "dataserviceversion": re.compile(r"3\.0"),
    "x-content-type-options": re.compile("nosniff"), "server": re.compile(".+"), "date": re.compile(".+ GMT"),
    "strict-transport-security": re.compile("max-age=.+"),
}  # fmt: skip
"""Headers of every answer, refusals too. Source: Batch NOTES section 1."""
ALSO = {"InvalidAuthenticationInfo": 401, "AuthenticationFailed": 401}
"""Where a challenge goes with the refusal, as clients with tokens want it. Source: Batch NOTES section 2."""
TAGS = {"etag", "last-modified", "dataserviceid"}
"""Headers that an answer about one thing has; the description names them for lists and counts too, which have none."""
UNTAGGED = {
    "applications",
    "nodes",
    "files",
    "taskcounts",
    "addtaskcollection",
    "subtasksinfo",
    "jobpreparationandreleasetaskstatus",
    "evaluateautoscale",
}
MISTAKES = {
    ("2024-07-01.20.0", "BatchPoolSpecification", "resourceTags"): {
        "type": "object", "additionalProperties": {"type": "string"},
    },
}  # fmt: skip
"""What a description says otherwise than Microsoft's own of the versions around it, and what is right.

Tags of a pool that is made for a job: an object in 2023-11 and 2024-02 and beside, a string in the beta client alone
of which this version's description is derived.
"""
KINDS = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float)}
DURATION = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d{1,7})?S)?)?")


class Exchange(NamedTuple):
    """A request and its answer; header names in lower case, `target` with the query."""

    method: str
    target: str
    status: int
    headers: dict[str, str]
    body: bytes


def is_on() -> bool:
    """Whether there is a specification to hold answers against."""
    return bool(os.environ.get("LINARITE_SPECS"))


def faults(exchange: Exchange) -> list[str]:
    """What does not agree, by its place."""
    if not is_on():
        return []
    path, _, query = exchange.target.partition("?")
    given = {name.lower(): values[0] for name, values in parse_qs(query).items()}
    version = given.get("api-version", NEWEST)
    description = describe(version if version in versions() else NEWEST)
    found = list(description.faults(exchange, path, whole="$select" not in given))
    return [f"{exchange.method} {exchange.target} {exchange.status}: {fault}" for fault in found]


def check(exchange: Exchange) -> None:
    """Fail where the answer does not agree."""
    found = faults(exchange)
    assert not found, "\n".join(found)


@cache
def _files() -> dict[str, Path]:
    folder = Path(os.environ["LINARITE_SPECS"]) / "azure-batch"
    return {
        re.sub(r"\.derived$", "", path.stem.removeprefix("BatchService-")): path
        for path in (*folder.glob("original/BatchService-*.json"), *folder.glob("BatchService-*.derived.json"))
        if "typespec" not in path.name
    }


def versions() -> list[str]:
    """Every version that is described, the oldest first."""
    return sorted(_files())


@cache
def describe(version: str) -> Description:
    """The description of a version, without the mistakes that are known of it."""
    spec = json.loads(_files()[version].read_text(), object_hook=_any_case if version < EXACT else None)
    for (found, definition, name), right in MISTAKES.items():
        if found == version:
            spec["definitions"][definition]["properties"][name] = right
    return Description(spec)


class AnyCase(list[str]):
    """Words without regard to case."""

    def __contains__(self, word: object) -> bool:
        return str(word).lower() in map(str.lower, self)


def _any_case(item: dict[str, Any]) -> dict[str, Any]:
    """The oldest descriptions spell words as their libraries do: what is sent was lower case then, as it is now."""
    if isinstance(item.get("enum"), list):
        item["enum"] = AnyCase(item["enum"])
    return item


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", template.partition("?")[0])
    return re.compile("".join(
        (".+" if part == "{filePath}" else "[^/]+") if part.startswith("{") else re.escape(part) for part in parts
    ))  # fmt: skip


class Description:
    """One version's JSON."""

    def __init__(self, spec: Any) -> None:
        self.definitions = spec["definitions"]
        self.paths = [
            (method.upper(), template.partition("?")[0])
            for template, methods in spec["paths"].items()
            for method in methods
            if method in METHODS
        ]
        self.operations = [
            (method.upper(), _pattern(template), operation)
            for template, methods in spec["paths"].items()
            for method, operation in methods.items()
            if method in METHODS
        ]
        self.operations.sort(key=lambda row: row[1].pattern.count("[^/]+") + 10 * row[1].pattern.count(".+"))

    def operation(self, method: str, path: str) -> Any | None:
        """The operation of a request, None when this version has none."""
        return next((o for m, pattern, o in self.operations if m == method and pattern.fullmatch(path)), None)

    def faults(self, exchange: Exchange, path: str, *, whole: bool) -> Iterator[str]:
        """`whole` is False when `$select` may leave out what is required."""
        yield from _common_faults(exchange.headers)
        operation = self.operation(exchange.method, path)
        answer = operation["responses"].get(str(exchange.status)) if operation else None
        if exchange.status == 304 and exchange.method in {"GET", "HEAD"}:
            yield from ["304 has a body"] if exchange.body else []
        elif answer is not None and exchange.status < 400:
            yield from self._answer(exchange, answer, whole=whole)
        elif exchange.status < 400:
            expected = list(operation["responses"]) if operation else "refusal: there is no such operation"
            yield f"expected {expected}"
        elif exchange.method != "HEAD":
            yield from self._body(exchange, {"$ref": "#/definitions/BatchError"}, whole=True)
            yield from _code_faults(exchange)
        elif exchange.body:
            yield "a refused HEAD has a body"

    def _answer(self, exchange: Exchange, answer: Any, *, whole: bool) -> Iterator[str]:
        for name, header in answer.get("headers", {}).items():
            value = exchange.headers.get(name.lower())
            if value is not None:
                yield from _text_faults(value, header, f"header {name}")
            elif name.lower() == "request-id" or (name.lower() in TAGS and _is_tagged(exchange)):
                yield f"header {name} is missing"
        schema = answer.get("schema")
        if schema is None and exchange.body:
            yield f"a body where there is none: {exchange.body[:80]!r}"
        elif schema is not None and not _is_file(schema) and exchange.method != "HEAD":
            yield from self._body(exchange, schema, whole=whole)

    def _body(self, exchange: Exchange, schema: Any, *, whole: bool) -> Iterator[str]:
        if exchange.headers.get("content-type") != JSON:
            yield f"content-type is {exchange.headers.get('content-type')}"
        try:
            shown = json.loads(exchange.body)
        except ValueError:
            yield f"no JSON: {exchange.body[:80]!r}"
            return
        if isinstance(shown, dict) and not str(shown.get("odata.metadata", "")).partition("/$metadata#")[2]:
            yield "odata.metadata is missing"
        yield from self.value(shown, self._listed(shown, schema), "", whole=whole)

    def _listed(self, shown: Any, schema: Any) -> Any:
        """The schema of a list; the derived description of one version has that of its items in its place."""
        item = self.definitions.get(schema.get("$ref", "").rpartition("/")[2], {})
        if (
            isinstance(shown, dict)
            and isinstance(shown.get("value"), list)
            and "value" not in item.get("properties", {"value": None})
        ):
            return {"type": "object", "properties": {"value": {"type": "array", "items": schema}}}
        return schema

    def value(self, shown: Any, schema: Any, where: str, *, whole: bool = True) -> Iterator[str]:
        """What of a value does not agree with its schema."""
        if shown is None and schema.get("x-nullable"):
            return
        for part in schema.get("allOf", [{"$ref": schema["$ref"]}] if "$ref" in schema else []):
            yield from self.value(shown, self.definitions[part["$ref"].rpartition("/")[2]], where, whole=whole)
            return
        kind = schema.get("type", "object")
        if not isinstance(shown, KINDS[kind]) or (kind == "integer" and isinstance(shown, bool)):
            yield f"{where}: {shown!r} is no {kind}"
        elif kind == "array":
            for item in shown:
                yield from self.value(item, schema["items"], f"{where}[]", whole=whole)
        elif kind == "object" and "properties" in schema:
            yield from self._properties(shown, schema, where, whole=whole)
        elif kind != "object":
            yield from _text_faults(shown, schema, where)

    def _properties(self, shown: Any, schema: Any, where: str, *, whole: bool) -> Iterator[str]:
        for name in schema.get("required", ()) if whole else ():
            if name not in {*shown, *SECRETS}:
                yield f"{where}.{name} is missing"
        for name, value in shown.items():
            # `$select` leaves out properties of the thing itself: of one, or of each in a list.
            selected = not where and name == "value" and not whole
            if name in schema["properties"]:
                yield from self.value(value, schema["properties"][name], f"{where}.{name}", whole=not selected)
            elif not name.startswith("odata."):
                yield f"{where}.{name} is unknown"


@cache
def _codes() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (Path(os.environ["LINARITE_SPECS"]) / "azure-batch/error-codes.json").read_text()
    )
    return {code: told["status"] for code, told in found["rest"].items()}


def _code_faults(exchange: Exchange) -> Iterator[str]:
    """A refusal bears one of the protocol's codes, with its status where the list tells it, and its request's id."""
    try:
        told = json.loads(exchange.body)
        code, text = told["code"], told["message"]["value"]
    except (ValueError, KeyError, TypeError):
        return  # told already
    told_statuses = _codes().get(code)
    statuses = told_statuses if isinstance(told_statuses, list) else [told_statuses]
    if code not in _codes():
        yield f"there is no code {code}"
    elif statuses != [None] and exchange.status not in {*statuses, ALSO.get(code)}:
        yield f"{code} is {statuses}"
    if f"\nRequestId:{exchange.headers.get('request-id')}\nTime:" not in text:
        yield f"the message is {text!r}"


def _common_faults(headers: dict[str, str]) -> Iterator[str]:
    for name, pattern in COMMON.items():
        if pattern.fullmatch(headers.get(name, "")) is None:
            yield f"header {name} is {headers.get(name)!r}"


def _is_tagged(exchange: Exchange) -> bool:
    """Whether an answer is about one thing that has a tag. Source: Batch NOTES sections 1 and 4."""
    segments = exchange.target.partition("?")[0].strip("/").split("/")
    is_list = exchange.method == "GET" and len(segments) % 2 == 1
    return not is_list and not UNTAGGED & set(segments)


def _is_file(schema: Any) -> bool:
    return "file" in {schema.get("type"), schema.get("format")}


def _text_faults(value: Any, schema: Any, where: str) -> Iterator[str]:
    """What of a single value does not agree: its words, its range, its form."""
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    test = FORMATS.get(schema.get("format", ""))
    if test is not None:
        try:
            well = test(value)
        except (TypeError, ValueError):
            well = False
        if not well:
            yield f"{where}: {value!r} is no {schema['format']}"


def _is_date_time(value: str) -> bool:
    return value.endswith("Z") and bool(datetime.fromisoformat(value))


FORMATS = {
    "date-time": _is_date_time,
    "date-time-rfc1123": lambda value: value.endswith("GMT") and parsedate_to_datetime(value),
    "date-time-rfc7231": lambda value: value.endswith("GMT") and parsedate_to_datetime(value),
    "duration": DURATION.fullmatch,
    "uuid": uuid.UUID,
    "int32": lambda value: -(2**31) <= int(value) < 2**31,
    "int64": lambda value: -(2**63) <= int(value) < 2**63,
}
