"""Job XML as clients post it, read leniently: any namespace, any letter case, names of older products.

What the server alone decides (ids, states, owners, times) is left aside, and so is what no version knows.
Source: Create Job From XML, Job Schema; NOTES 8.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from linarite.faces.hpc_pack.answers import Pairs
from linarite.faces.hpc_pack.errors import NO_CODE, OUT_OF_RANGE, bad
from linarite.faces.hpc_pack.properties.jobs import EXCLUDED_NODES, JOBS
from linarite.faces.hpc_pack.properties.table import Property, Table
from linarite.faces.hpc_pack.properties.tasks import TASKS
from linarite.faces.hpc_pack.reading import xml
from linarite.faces.hpc_pack.values import boolean
from linarite.http.xml import Element, child, children, local_name

JOB_NAMES = {
    "minimumnumberofprocessors": "MinCores", "maximumnumberofprocessors": "MaxCores", "runtime": "Runtime",
    "requirednodes": "RequestedNodes", "askednodes": "RequestedNodes",
}  # fmt: skip
TASK_NAMES = {
    "minimumnumberofprocessors": "MinCores", "maximumnumberofprocessors": "MaxCores", "runtime": "Runtime",
    "depend": "DependsOn", "stdout": "StdOutFilePath", "stderr": "StdErrFilePath", "stdin": "StdInFilePath",
}  # fmt: skip
UNITS = {"Core": "Cores", "Socket": "Sockets", "Node": "Nodes", "Gpu": "Cores"}
_EXPANDED = re.compile(r"\s*(\w+?)\s*([+-]\s*\d+)?\s*")

Wanted = list[tuple[Property[Any, Any], Any]]


class TaskFile(NamedTuple):
    """One task: what it sets, its variables and custom properties, and the group that it is in."""

    wanted: Wanted
    variables: Pairs
    custom: Pairs
    terms: Pairs
    group: int | None


class JobFile(NamedTuple):
    """A job: what it sets, and its tasks. `dependencies` are groups of tasks, the one that goes first and the other."""

    wanted: Wanted
    variables: Pairs
    custom: Pairs
    terms: Pairs
    dependencies: list[tuple[int, int]]
    tasks: list[TaskFile]


def parse(data: bytes) -> JobFile:
    """The job of a file: its XML, or that as the text of a `<string>`. Refusal."""
    root = xml(data)
    if local_name(root) == "string":
        root = xml((root.text or "").strip().encode())
    if local_name(root) != "Job":
        raise bad(NO_CODE, f"The job file must hold a Job, not {local_name(root)!r}.")
    wanted = _read(JOBS, root, JOB_NAMES)
    tasks = child(root, "Tasks")
    return JobFile(
        [*_calculated(wanted), *wanted, *_excluded(root)],
        _pairs(root, "EnvironmentVariables"), _pairs(root, "CustomProperties"),
        _pairs(root, "ExtendedTerms"), _dependencies(root),
        [_task(element) for element in children(tasks, "Task")] if tasks is not None else [],
    )  # fmt: skip


def _task(element: Element) -> TaskFile:
    wanted = _read(TASKS, element, TASK_NAMES)
    given = {name.lower(): text for name, text in element.items()}
    if "type" not in given and _is_true(given.get("isparametric", "")):
        wanted += TASKS.read([("Type", "ParametricSweep")])
    group = given.get("groupid")
    return TaskFile(
        wanted, _pairs(element, "EnvironmentVariables"), _pairs(element, "CustomProperties"),
        _pairs(element, "ExtendedTerms"), None if group is None else _number(group),
    )  # fmt: skip


def _is_true(text: str) -> bool:
    try:
        return boolean(text)
    except ValueError:
        return False


def _read(table: Table[Any, Any], element: Element, other_names: dict[str, str]) -> Wanted:
    """What the attributes set; a property that cannot be set, and an unknown name, sets nothing."""
    pairs = []
    for attribute, given in element.items():
        own = attribute.rpartition("}")[2].lower()
        name, text = _translated(other_names.get(own, own), given)
        item = table.known(name)
        if item is not None and item.put is not None:
            pairs.append((item.name, text))
    return table.read(pairs)


def _translated(name: str, text: str) -> tuple[str, str]:
    convert = _TEXTS.get(name.lower())
    return (name, text) if convert is None else convert(text)


def _runtime(text: str) -> tuple[str, str]:
    """`[[dd:]hh:]mm`, or Infinite."""
    if text.strip().lower() == "infinite":
        return "RuntimeSeconds", "0"
    parts = [part.strip() for part in text.split(":")]
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts):
        raise bad(OUT_OF_RANGE, f"Runtime must be dd:hh:mm or Infinite, not {text[:32]!r}.")
    minutes = sum(int(part) * size for part, size in zip(reversed(parts), (1, 60, 1440), strict=False))
    return "RuntimeSeconds", str(60 * minutes)


def _priority(text: str) -> tuple[str, str]:
    """A name, a name with a distance (`Normal+5`), or an expanded number."""
    found = _EXPANDED.fullmatch(text)
    if text.strip().isdigit():
        return "ExpandedPriority", text
    if found is None or found[2] is None:
        return "Priority", text
    base = JOBS.find("Priority").parse(found[1])
    return "ExpandedPriority", str(base + int(found[2].replace(" ", "")))


_TEXTS: dict[str, Callable[[str], tuple[str, str]]] = {"runtime": _runtime, "priority": _priority}


def _calculated(wanted: Wanted) -> Wanted:
    """AutoCalculateMin and AutoCalculateMax: when absent, false where the bound of the job's unit is given."""
    given = {item.name: value for item, value in wanted}
    unit = UNITS[given.get("UnitType") or "Core"]
    absent = [bound for bound in ("Min", "Max") if f"AutoCalculate{bound}" not in given]
    return JOBS.read([(f"AutoCalculate{bound}", str(f"{bound}{unit}" not in given)) for bound in absent])


def _excluded(root: Element) -> Wanted:
    texts = [text for name, text in root.items() if name.lower() == "excludednodes" and text.strip()]
    return [(EXCLUDED_NODES, EXCLUDED_NODES.parse(text)) for text in texts]


def _pairs(element: Element, collection: str) -> Pairs:
    """Names and values of a collection, whatever its items are called."""
    found = child(element, collection)
    return [pair for item in (found if found is not None else ()) if (pair := _pair(item))[0]]


def _pair(item: Element) -> tuple[str, str]:
    name, value = child(item, "Name"), child(item, "Value")
    return (_text(name).strip(), _text(value))


def _text(element: Element | None) -> str:
    return "" if element is None else element.text or ""


def _dependencies(root: Element) -> list[tuple[int, int]]:
    found = child(root, "Dependencies")
    return [
        (_group(parent), _group(after))
        for parent in (children(found, "Parent") if found is not None else ())
        for after in children(parent, "Child")
    ]


def _group(element: Element) -> int:
    return _number(next((text for name, text in element.items() if name.lower() == "groupid"), ""))


def _number(text: str) -> int:
    if not text.strip().lstrip("-").isdigit() or len(text) > 11:
        raise bad(OUT_OF_RANGE, f"GroupId must be a number, not {text[:32]!r}.")
    return int(text)


def before(file: JobFile) -> list[set[int]]:
    """For each task the places of those that go before it: in groups that its own waits for, and named by it.

    Refusal when it names what there is not, or when tasks wait for each other in a circle.
    """
    members = _by(lambda task: () if task.group is None else (task.group,), file.tasks)
    names = _by(lambda task: (dict(_named(task)).get("Name"),), file.tasks)
    waits = []
    for task in file.tasks:
        first = set(_of_groups(task.group, file.dependencies, members, set()))
        for name in dict(_named(task)).get("DependsOn") or ():
            if name not in names:
                raise bad(OUT_OF_RANGE, f"DependsOn: the job file has no task named {name[:80]!r}.")
            first.update(names[name])
        waits.append(first)
    _check_circles(waits)
    return waits


def _named(task: TaskFile) -> Iterable[tuple[str, Any]]:
    return ((item.name, value) for item, value in task.wanted)


def _by(keys: Callable[[TaskFile], Iterable[Any]], tasks: list[TaskFile]) -> dict[Any, list[int]]:
    found: dict[Any, list[int]] = {}
    for place, task in enumerate(tasks):
        for key in keys(task):
            found.setdefault(key, []).append(place)
    return found


def _of_groups(
    group: int | None, dependencies: list[tuple[int, int]], members: dict[int, list[int]], seen: set[int]
) -> Iterable[int]:  # fmt: skip
    """The tasks of the groups that a group waits for; an empty group hands on those that it waits for itself."""
    for parent, after in dependencies:
        if after == group and parent not in seen:
            seen.add(parent)
            yield from members.get(parent) or _of_groups(parent, dependencies, members, seen)


def _check_circles(waits: list[set[int]]) -> None:
    left = [len(first) for first in waits]
    after: dict[int, list[int]] = {}
    for place, first in enumerate(waits):
        for earlier in first:
            after.setdefault(earlier, []).append(place)
    free = [place for place, count in enumerate(left) if not count]
    done = 0
    while free:
        done += 1
        for later in after.get(free.pop(), ()):
            left[later] -= 1
            if not left[later]:
                free.append(later)
    if done < len(waits):
        raise bad(OUT_OF_RANGE, "Dependencies: tasks wait for each other in a circle.")
