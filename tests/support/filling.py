"""Bodies with everything that a version's description knows, made from the description alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from tests.support.specification import Description

FORMATS = {"duration": "PT1H", "date-time": "2990-01-01T00:00:00Z"}
KINDS: dict[str, Any] = {"boolean": True, "integer": 1, "number": 1, "string": "x"}
UNMAPPED = "unmapped"
"""Stands among the words of the oldest descriptions for those that a library does not know."""


def fill(
    description: Description, schema: Any, values: dict[str, Any], left: Collection[str], where: str, turn: int = 0
) -> Any:
    """A value for a schema: what `values` says for the end of its place, else one of its type.

    `left` are ends of places of properties that are not given: what others exclude. Words come in upper case, and
    another word with each `turn`.
    """
    for part in schema.get("allOf", [{"$ref": schema["$ref"]}] if "$ref" in schema else []):
        named = description.definitions[part["$ref"].rpartition("/")[2]]
        return fill(description, named, values, left, where, turn)
    for end in ends(where):
        if end in values:
            return values[end]
    if schema.get("type") == "array":
        return [fill(description, schema["items"], values, left, where, turn)]
    if schema.get("properties"):
        return {
            name: fill(description, part, values, left, f"{where}.{name}", turn)
            for name, part in schema["properties"].items()
            if not part.get("readOnly") and not set(ends(f"{where}.{name}")) & set(left)
        }
    if "enum" in schema:
        words = [word for word in schema["enum"] if word != UNMAPPED]
        return words[turn % len(words)].upper()
    return FORMATS.get(schema.get("format", ""), KINDS.get(schema.get("type", ""), {}))


def ends(where: str) -> list[str]:
    """`a.b.c` as `a.b.c`, `b.c`, `c`: the most particular first."""
    parts = where.split(".")
    return [".".join(parts[first:]) for first in range(len(parts))]


def changed(body: Any, change: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
    """The body with one change at a time, wherever in it `change` knows one; every other part is the same."""
    yield from change(body)
    if isinstance(body, dict):
        for name, value in body.items():
            for other in changed(value, change):
                yield {**body, name: other}
    elif isinstance(body, list) and body:
        for other in changed(body[0], change):
            yield [other, *body[1:]]
