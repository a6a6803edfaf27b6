"""$filter: terms `name eq value` joined by `and`. Source: Get Job List, Get Task List, Get Node List; NOTES 5.

Values come unquoted, and dates hold blanks and colons: so it is split at ` and `, then at the first ` eq `.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from linarite.faces.hpc_pack.enums import JOB_STATE, NODE_STATE, TASK_STATE
from linarite.faces.hpc_pack.errors import INVALID_FILTER, bad
from linarite.faces.hpc_pack.values import date, enumeration, names


class Filter(NamedTuple):
    """What must hold: `state` in the protocol's words, changed at or after `since` (microseconds), in `group`.

    Of tasks also: in one of `states`, with one of the numbers `ids` in the job, with one of the numbers `instances`.
    """

    state: str | None = None
    since: int | None = None
    group: str | None = None
    states: frozenset[str] | None = None
    ids: frozenset[int] | None = None
    instances: frozenset[int] | None = None

    def admits_task(self, state: str, changed_at: int, number: int, instance: int) -> bool:
        """Tell whether a task passes."""
        if self.states is not None and state not in self.states:
            return False
        if self.ids is not None and number not in self.ids:
            return False
        if self.instances is not None and instance not in self.instances:
            return False
        return self.admits(state, changed_at)

    def admits(self, state: str, changed_at: int, groups: tuple[str, ...] = ()) -> bool:
        """Tell whether a thing of that state, changed then, passes."""
        if self.state is not None and state != self.state:
            return False
        if self.group is not None and self.group.lower() not in {name.lower() for name in groups}:
            return False
        return self.since is None or changed_at >= self.since


def _state(numbers: Mapping[str, int]) -> Callable[[str], str | None]:
    kind = enumeration("State", numbers)

    def parse(text: str) -> str | None:
        return None if text.lower() == "all" else str(kind.parse(text))

    return parse


def _states(text: str) -> frozenset[str]:
    kind = enumeration("State", TASK_STATE)
    return frozenset(str(kind.parse(name)) for name in names(text))


def _numbers(text: str) -> frozenset[int]:
    """Numbers, each also as the last part of a whole id."""
    try:
        return frozenset(int(item.rpartition(".")[2]) for item in names(text))
    except ValueError:
        raise ValueError(f"{text[:64]!r} is no list of numbers.") from None


Terms = Mapping[str, tuple[str, Callable[[str], object]]]
_COMMON: Terms = {"changetimefrom": ("since", date)}
JOBS: Terms = {**_COMMON, "jobstate": ("state", _state(JOB_STATE)), "nodegroup": ("group", str)}
TASKS: Terms = {**_COMMON, "taskstate": ("state", _state(TASK_STATE))}
JSON_TASKS: Terms = {
    **TASKS, "taskstates": ("states", _states), "taskids": ("ids", _numbers),
    "taskinstanceids": ("instances", _numbers),
}  # fmt: skip
NODES: Terms = {**_COMMON, "nodestate": ("state", _state(NODE_STATE))}


def parse(text: str, terms: Terms) -> Filter:
    """The filter of a text, by the terms that the list knows. Refusal."""
    found: dict[str, object] = {}
    for term in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE) if text.strip() else ():
        name, operator, value = (*re.split(r"\s+(eq)\s+", term.strip(), maxsplit=1, flags=re.IGNORECASE), "", "")[:3]
        if not operator or name.lower() not in terms:
            raise bad(INVALID_FILTER, f"$filter: {term[:128]!r} is no term that this list can be filtered by.")
        field, read = terms[name.lower()]
        try:
            found[field] = read(value.strip().strip("'"))
        except ValueError as error:
            raise bad(INVALID_FILTER, f"$filter: {name}: {error}") from error
    return Filter(**found)  # type: ignore[arg-type]
