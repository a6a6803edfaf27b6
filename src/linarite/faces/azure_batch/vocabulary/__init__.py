"""The words of one api-version: bodies come in and answers go out by them, all between speaks the newest version's.

No rule of the service is here: which properties there are, and what they are called.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from linarite.faces.azure_batch.errors import Refusal, missing_property
from linarite.faces.azure_batch.versions import LATEST, LONG_AS_TEXT
from linarite.faces.azure_batch.vocabulary.elements import ELEMENTS

SHOWN = {
    "pools": "pool", "jobs": "job", "tasks": "task", "nodes": "node", "jobschedules": "jobSchedule", "files": "file",
    "subtasks": "outcome", "jobpreparationandreleasetaskstatuslist": "preparationStatus",
    "poolnodecounts": "poolNodeCounts", "remoteloginsettings": "remoteLogin",
}  # fmt: skip
"""The elements of answers, by the names of their kinds."""
FAILURE = "failureInfo"
"""The oldest version tells of failures before the command line started alone."""


class Form(NamedTuple):
    """What is particular about an element in one version. `demands` are the parts in which something is required."""

    absent: frozenset[str]
    once: dict[str, str]
    longs: tuple[str, ...]
    parts: dict[str, Form]
    required: tuple[str, ...]
    demands: tuple[str, ...]
    whole: bool
    words: dict[str, tuple[str, str]]


def has(name: str, element: str, version: str) -> bool:
    """Whether an element has a property in a version, as far as the table tells."""
    spans = ELEMENTS[element].spans.get(name)
    return spans is None or _is_in(version, spans)


def _is_in(version: str, spans: str) -> bool:
    for span in spans.split():
        since, until = span.split("..")
        if since <= version and (not until or version < until):
            return True
    return False


@cache
def form(element: str, version: str) -> Form | None:
    """What is particular about an element in a version, None when nothing is, in its parts neither."""
    given = ELEMENTS[element]
    absent = frozenset(name for name in given.spans if not has(name, element, version))
    once = {new: old for new, old in given.once.items() if new in absent and old not in absent}
    longs = given.longs if version < LONG_AS_TEXT else ()
    found = {name: form(part, version) for name, part in given.parts.items() if name not in absent}
    parts = {name: part for name, part in found.items() if part is not None}
    required = tuple(name for name, spans in given.required.items() if _is_in(version, spans))
    words = {name: (new, old) for name, (new, old, since) in given.words.items() if version < since}
    demands = tuple(name for name, part in parts.items() if part.required or part.demands)
    made = Form(absent, once, longs, parts, required, demands, given.whole and bool(required), words)
    return made if absent or longs or parts or required or words else None


def shown(kind: str, value: dict[str, Any], version: str) -> dict[str, Any]:
    """A thing of a kind (pools, jobs ...) in the words of a version; what the version does not have is left out."""
    element = SHOWN.get(kind)
    particular = form(element, version) if element is not None else None
    if particular is not None:
        value = _shown(value, particular)
    return value


def _shown(value: Any, particular: Form) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_shown(item, particular) for item in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for name, item in value.items():
        if name in particular.parts:
            if not _lacks(item, particular.parts[name]):
                made[name] = _shown(item, particular.parts[name])
        elif name in particular.longs:
            made[name] = int(item)
        elif name in particular.words and item == particular.words[name][0]:
            made[name] = particular.words[name][1]
        elif name not in particular.absent:
            made[name] = item
        elif name in particular.once and not (name == FAILURE and "exitCode" in value):
            made[particular.once[name]] = item
    return made


def _lacks(value: Any, particular: Form) -> bool:  # noqa: ANN401 - JSON
    """Whether an element of a newer version lacks what is never absent in this one."""
    return particular.whole and not all(name in value for name in particular.required)


def read(element: str, value: Any, version: str) -> Any:  # noqa: ANN401 - JSON
    """A body by a version's words as one of the newest. InvalidRequestBody names a property that it does not have."""
    particular = form(element, version)
    return value if particular is None else _read(value, particular, version)


def _read(value: Any, particular: Form, version: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_read(item, particular, version) for item in value]
    if not isinstance(value, dict):
        return value
    now = {old: new for new, old in particular.once.items()}
    made: dict[str, Any] = {}
    for name, given in value.items():
        item = given
        if name in particular.absent and item is not None:
            raise unknown(name, version)
        if name in particular.words and isinstance(item, str) and item.lower() == particular.words[name][1].lower():
            item = particular.words[name][0]
        today: str = now.get(name) or name
        part = particular.parts.get(name)
        made[today] = item if part is None else _read(item, part, version)
    return made


def check(element: str, value: Any, version: str) -> None:  # noqa: ANN401 - a struct
    """Refuse what a version does not have of a body that was read already. InvalidRequestBody."""
    particular = form(element, version)
    if particular is not None:
        _check(value, particular, version)


def _check(value: Any, particular: Form, version: str) -> None:  # noqa: ANN401 - a struct, or JSON
    if value is None or isinstance(value, str | int | float):
        return
    if isinstance(value, list):
        for item in value:
            _check(item, particular, version)
        return
    for name in particular.absent:
        if _get(value, name) is not None:
            raise unknown(name, version)
    for name, part in particular.parts.items():
        _check(_get(value, name), part, version)


def require(element: str, value: Any, version: str) -> None:  # noqa: ANN401 - a struct
    """Refuse a body, read already, that lacks what a version wants of it. MissingRequiredProperty."""
    particular = form(element, version)
    if particular is not None:
        _require(value, particular)


def _require(value: Any, particular: Form) -> None:  # noqa: ANN401 - a struct, or JSON
    if value is None or isinstance(value, str | int | float):
        return
    if isinstance(value, list):
        for item in value:
            _require(item, particular)
        return
    for name in particular.required:
        today = next((new for new, old in particular.once.items() if old == name), name)
        if _get(value, today) is None:
            raise missing_property(name)
    for name in particular.demands:
        _require(_get(value, name), particular.parts[name])


def _get(value: Any, name: str) -> Any:  # noqa: ANN401 - a struct, or JSON
    kind: Any = type(value)
    return value.get(name) if kind is dict else getattr(value, _fields(kind).get(name, name), None)


@cache
def _fields(kind: Any) -> dict[str, str]:  # noqa: ANN401 - a struct's type, which no cache takes
    """The fields of a struct by their names on the wire."""
    return dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))


def in_words(refusal: Refusal, version: str) -> Refusal:
    """A refusal with the property that it names called as in a version."""
    name = refusal.values.get("PropertyName")
    if isinstance(name, str) and version < LATEST:
        once = _once(version)
        refusal.values["PropertyName"] = ".".join(once.get(part, part) for part in name.split("."))
    return refusal


@cache
def _once(version: str) -> dict[str, str]:
    forms = (form(element, version) for element in ELEMENTS)
    return {new: old for found in forms if found is not None for new, old in found.once.items()}


def unknown(name: str, version: str) -> Refusal:
    """The refusal of a property that there is in other versions."""
    return Refusal("InvalidRequestBody", Reason=f"The property '{name}' does not exist in api-version {version}.")
