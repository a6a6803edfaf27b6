"""The $filter of lists: its grammar, and the properties that each list may be filtered by. Compiled for the store.

Source: Batch NOTES section 5. A property that a list does not have is refused: nothing is filtered in memory.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from lark import Lark, Token, Transformer, Tree, UnexpectedInput
from lark.exceptions import VisitError

from linarite.engine.filtering import Both, Compare, Either, Expression
from linarite.engine.model import JobState
from linarite.faces.azure_batch.errors import Refusal, invalid_query

LONGEST = 4096
DEEPEST = 64
"""Parentheses in each other, at most: the store walks the expression by recursion."""

GRAMMAR = r"""
?start: either
?either: both ("or" both)*
?both: single ("and" single)*
?single: comparison | call | "(" either ")"
comparison: NAME OPERATOR value | value OPERATOR NAME -> turned
call: "startswith" "(" NAME "," STRING ")"
?value: "DateTime"i STRING -> moment
      | MOMENT
      | STRING
      | NUMBER
      | TRUE
      | FALSE
OPERATOR.3: /(eq|ne|gt|ge|lt|le)\b/
TRUE.3: /true\b/
FALSE.3: /false\b/
MOMENT.2: /\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|[+-]\d{2}:\d{2})?/
NUMBER: /-?\d+/
STRING: /'(?:[^']|'')*'/
NAME: /[A-Za-z_][A-Za-z0-9_]*(?:\/[A-Za-z_][A-Za-z0-9_]*)*/
%ignore /\s+/
"""
_TURNED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
ORDERED = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
EQUAL = frozenset({"eq", "ne"})
TEXT = ORDERED | {"startswith"}


class Property(NamedTuple):
    """How a property may be compared; `name` is the engine's.

    `kind` is text, word (in lower case), number, flag (true or false) or moment; a job's or a node's state.
    """

    kind: str
    operators: frozenset[str]
    name: str | None = None


_ID, _STATE, _MOMENT = Property("text", TEXT), Property("word", EQUAL), Property("moment", ORDERED)
_RECORD = {"state": _STATE, "stateTransitionTime": _MOMENT, "creationTime": _MOMENT}
_MODIFIED = {"lastModified": _MOMENT, "lastModifiedTime": Property("moment", ORDERED, "lastModified")}

TASKS = {
    "id": _ID, **_RECORD, **_MODIFIED, "executionInfo/startTime": _MOMENT, "executionInfo/endTime": _MOMENT,
    "executionInfo/exitCode": Property("number", ORDERED), "executionInfo/result": _STATE,
}  # fmt: skip
JOBS = {
    "id": _ID, **_RECORD, **_MODIFIED, "state": Property("job state", EQUAL), "executionInfo/startTime": _MOMENT,
    "executionInfo/endTime": _MOMENT, "executionInfo/poolId": _ID,
}  # fmt: skip
JOBS_OF_SCHEDULE = {name: JOBS[name] for name in JOBS if name != "id"}
JOB_SCHEDULES = {
    "id": _ID, **_RECORD, **_MODIFIED, "executionInfo/endTime": _MOMENT, "schedule/doNotRunUntil": _MOMENT,
    "schedule/doNotRunAfter": _MOMENT,
}  # fmt: skip
POOLS = {
    "id": _ID, **_RECORD, **_MODIFIED, "allocationState": _STATE, "allocationStateTransitionTime": _MOMENT,
    "vmSize": Property("text", EQUAL), "enableInterNodeCommunication": Property("flag", EQUAL),
    "enableAutoScale": Property("flag", EQUAL),
}  # fmt: skip
_OUTCOME = {
    "state": _STATE, "startTime": _MOMENT, "endTime": _MOMENT, "result": _STATE,
    "exitCode": Property("number", ORDERED),
}  # fmt: skip
NODES = {
    "state": _STATE, "stateTransitionTime": _MOMENT, "lastBootTime": _MOMENT,
    "allocationTime": _MOMENT, **{f"startTaskInfo/{name}": item for name, item in _OUTCOME.items()},
}  # fmt: skip
PREPARED = {
    "poolId": _ID, "nodeId": _ID,
    **{f"jobPreparationTaskExecutionInfo/{name}": item for name, item in _OUTCOME.items()},
    **{f"jobReleaseTaskExecutionInfo/{name}": item for name, item in _OUTCOME.items()},
}  # fmt: skip
POOL_USAGE = {"poolId": _ID}
NODE_COUNTS = {"poolId": Property("text", frozenset({"eq"}), "id")}
FILES = {"name": Property("text", frozenset({"startswith"}))}
AGENTS = {"osType": _STATE}
CERTIFICATES = {"state": _STATE, "stateTransitionTime": _MOMENT}
IMAGES = {"osType": _STATE, "verificationType": _STATE, "nodeAgentSKUId": Property("text", EQUAL)}

Properties = Mapping[str, Property]


class _Build(Transformer[Token, Any]):
    """From the tree to comparisons of names and raw values."""

    def STRING(self, token: Token) -> str:  # noqa: N802 - lark calls it by the terminal's name
        return str(token)[1:-1].replace("''", "'")

    def NUMBER(self, token: Token) -> int:  # noqa: N802
        return int(token)

    def TRUE(self, _: Token) -> bool:  # noqa: N802
        return True

    def FALSE(self, _: Token) -> bool:  # noqa: N802
        return False

    def MOMENT(self, token: Token) -> int:  # noqa: N802
        return moment(str(token))

    def moment(self, parts: list[str]) -> int:
        return moment(parts[0])

    def comparison(self, parts: list[Any]) -> Compare:
        name, operator, value = parts
        return Compare(str(name), str(operator), value)

    def turned(self, parts: list[Any]) -> Compare:
        value, operator, name = parts
        return Compare(str(name), _TURNED[operator], value)

    def call(self, parts: list[Any]) -> Compare:
        return Compare(str(parts[0]), "startswith", parts[1])

    def both(self, parts: list[Expression]) -> Expression:
        return _joined(Both, parts)

    def either(self, parts: list[Expression]) -> Expression:
        return _joined(Either, parts)


def _joined(join: type[Both | Either], parts: list[Expression]) -> Expression:
    """A long chain as a balanced tree, so that it is not a deep one."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return join(_joined(join, parts[:half]), _joined(join, parts[half:]))


_parser = Lark(GRAMMAR, parser="lalr")
_build = _Build()
_MOMENT_PARTS = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})?")


def moment(text: str) -> int:
    """A date of ISO 8601 in microseconds; without a zone it is UTC."""
    found = _MOMENT_PARTS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no date")
    date, fraction, zone = found.groups()
    aware = datetime.fromisoformat(date + (zone or "Z"))
    return int(aware.astimezone(UTC).timestamp()) * 1_000_000 + int((fraction or "").ljust(6, "0")[:6])


def compile_filter(text: str | None, properties: Properties) -> Expression | None:
    """The condition of a $filter, None when there is none. InvalidQueryParameterValue."""
    if not text:
        return None
    return _checked(_parsed(text), properties)


def compile_test(text: str | None, properties: Properties) -> Callable[[Mapping[str, Any]], bool]:
    """The condition as a function, for the short lists that stand in no store (images, the files of a directory)."""
    expression = compile_filter(text, properties)
    return lambda item: expression is None or _holds(expression, item)


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip


def _holds(expression: Expression, item: Mapping[str, Any]) -> bool:
    if isinstance(expression, Both):
        return _holds(expression.left, item) and _holds(expression.right, item)
    if isinstance(expression, Either):
        return _holds(expression.left, item) or _holds(expression.right, item)
    if isinstance(expression.value, int):
        return bool(_COMPARISONS[expression.operator](item[expression.name], expression.value))
    value, wanted = str(item.get(expression.name, "")), str(expression.value)
    if expression.operator == "startswith":
        return value.startswith(wanted)
    return (value == wanted) is (expression.operator == "eq")


@lru_cache(maxsize=256)
def _parsed(text: str) -> Expression:
    if len(text) > LONGEST or text.count("(") > DEEPEST:
        raise invalid_query("$filter", text[:200], "It is too long or too deep.")
    try:
        tree: Tree[Token] = _parser.parse(text)
        built: Expression = _build.transform(tree)
    except UnexpectedInput as error:
        reason = f"It is not understood at column {error.column}."
        raise invalid_query("$filter", text, reason) from error
    except VisitError as error:
        raise invalid_query("$filter", text, f"{error.orig_exc}.") from error
    return built


def _checked(expression: Expression, properties: Properties) -> Expression:
    if isinstance(expression, Compare):
        return _comparison(expression, properties)
    left, right = _checked(expression.left, properties), _checked(expression.right, properties)
    return Both(left, right) if isinstance(expression, Both) else Either(left, right)


def _comparison(compare: Compare, properties: Properties) -> Expression:
    found = properties.get(compare.name)
    if found is None:
        raise invalid_query("$filter", compare.name, "The list cannot be filtered by this property.")
    if compare.operator not in found.operators:
        raise _refusal(compare, f"{compare.operator} does not apply to this property.")
    name = found.name or compare.name
    match found.kind:
        case "job state" if isinstance(compare.value, str):
            return _job_state(compare)
        case "flag" if isinstance(compare.value, bool):
            return Compare(name, compare.operator, compare.value)
        case "word" | "text" if isinstance(compare.value, str):
            return Compare(name, compare.operator, compare.value.lower() if found.kind == "word" else compare.value)
        case "number" if type(compare.value) is int:
            return Compare(name, compare.operator, compare.value)
        case "moment":
            return Compare(name, compare.operator, _moment_value(compare))
    raise _refusal(compare, f"The value is no {found.kind}.")


def _moment_value(compare: Compare) -> int:
    if type(compare.value) is int:
        return compare.value
    try:
        return moment(str(compare.value))
    except ValueError as error:
        raise _refusal(compare, "The value is no date of ISO 8601.") from error


def _job_state(compare: Compare) -> Expression:
    """A draft of another protocol is a disabled job here."""
    state = str(compare.value).lower()
    found: Expression = _is("state", state)
    if state == JobState.DISABLED:
        found = Either(found, _is("state", JobState.DRAFT.value))
    return found if compare.operator == "eq" else _negated(found)


def _is(name: str, value: str | float) -> Compare:
    return Compare(name, "eq", value)


def _negated(expression: Expression) -> Expression:
    """The opposite of a condition made of eq and ne alone."""
    if isinstance(expression, Compare):
        return Compare(expression.name, "ne" if expression.operator == "eq" else "eq", expression.value)
    left, right = _negated(expression.left), _negated(expression.right)
    return Either(left, right) if isinstance(expression, Both) else Both(left, right)


def _refusal(compare: Compare, reason: str) -> Refusal:
    return invalid_query("$filter", f"{compare.name} {compare.operator} {compare.value}", reason)
