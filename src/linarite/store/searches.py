"""Searches among all tasks of an account: columns that a face derives from facts, compiled to SQL, in any order.

Columns are expressions over what stands packed in the rows, so that no face has columns of its own in the tables; a
search goes through the account's tasks, in the database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Select, case, func, literal, null, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import BigInteger, Text

from linarite.engine.errors import InvalidValue
from linarite.engine.filtering import Derived, Numbered, Search
from linarite.engine.model import Ending, JobState, TaskResult, TaskState
from linarite.store.filters import Property, checked, condition
from linarite.store.jobs import jobs
from linarite.store.task_table import PROPERTIES, rows, tasks

_TYPES: dict[str, Any] = {"text": Text(), "number": BigInteger(), "truth": Boolean()}
_CASTS = {"text": "", "number": "::bigint", "truth": "::boolean::int"}
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DONE = case((tasks.c.result == TaskResult.SUCCESS.value, 4), else_=5)
_UNFINISHED = case(
    (tasks.c.state == TaskState.PREPARING.value, 2),
    (tasks.c.state == TaskState.RUNNING.value, 3),
    (tasks.c.state == TaskState.COMPLETED.value, null()),
    (jobs.c.state.in_([JobState.TERMINATING.value, JobState.COMPLETED.value]), 0),
    else_=1,
)
_OWN: dict[str, ColumnElement[Any]] = {
    **{name: found.column for name, found in PROPERTIES.items()},
    "attempt": tasks.c.attempt,
    "unfinished": _UNFINISHED,
    "progression": func.coalesce(_UNFINISHED, _DONE),
    "percent": case((tasks.c.result == TaskResult.SUCCESS.value, 100), else_=func.coalesce(tasks.c.percent, 0)),
    "stage": tasks.c.stage,
    "owner": jobs.c.owner_key,
    "account": tasks.c.account,
}
_PACKED = {
    "spec": tasks.c.spec, "facts": tasks.c.facts, "failure": tasks.c.failure, "job/spec": jobs.c.spec,
    "job/facts": jobs.c.facts,
}  # fmt: skip


class _Packed(FunctionElement[Any]):
    """A value in packed JSON; one that is empty counts as none."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], path: tuple[str, ...], kind: str) -> None:
        super().__init__(column)
        assert all(_NAME.fullmatch(part) for part in path), "paths are a face's own words: they become part of the SQL"
        self.path, self.kind = path, kind
        self.type = BigInteger() if kind == "truth" else _TYPES[kind]


@compiles(_Packed, "sqlite")
def _sqlite(element: _Packed, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own
    column = compiler.process(element.clauses, **options)
    return f"nullif(json_extract(CAST({column} AS TEXT), '$.{'.'.join(element.path)}'), '')"


@compiles(_Packed, "postgresql")
def _postgresql(element: _Packed, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own
    column = compiler.process(element.clauses, **options)
    # PostgreSQL has no text with NUL. Another escape of the same length leaves the JSON whole.
    plain = f"replace(convert_from({column}, 'UTF8'), '\\u0000', '\\ufffd')"
    text = f"{plain}::json #>> '{{{','.join(element.path)}}}'"
    return f"nullif({text}, ''){_CASTS[element.kind]}"


def statement(account: str, search: Search) -> Select[Any]:
    """The tasks that are searched for. InvalidValue."""
    columns = {name: Property(_column(derived), derived.kind == "text") for name, derived in search.columns.items()}
    found = rows.select.select_from(tasks.join(jobs, jobs.c.key == tasks.c.job_key)).where(
        tasks.c.account == account, tasks.c.ending.is_distinct_from(Ending.DELETED.value)
    )
    if search.where is not None:
        found = found.where(condition(checked(search.where), columns))
    for order in search.order:
        column = columns[order.column].column
        found = found.order_by((column.desc() if order.descending else column.asc()).nulls_first())
    return found.order_by(tasks.c.account_alias).limit(search.limit).offset(search.skip)


def _column(derived: Derived) -> ColumnElement[Any]:
    parts = [_part(each, derived.kind) for each in derived.of]
    if derived.default is not None:
        parts.append(literal(derived.default))
    found: ColumnElement[Any] = func.coalesce(*parts) if len(parts) > 1 else parts[0]
    return type_coerce(func.lower(found) if derived.kind == "text" else found, _TYPES[derived.kind])


def _part(path: str | Numbered, kind: str) -> ColumnElement[Any]:
    if isinstance(path, Numbered):
        return _numbered(path.path, path.numbers)
    if path in _OWN:
        return _OWN[path]
    return _packed(path, kind)


def _numbered(path: str, numbers: Mapping[str, int] | Mapping[bool, int]) -> ColumnElement[Any]:
    truths = all(isinstance(key, bool) for key in numbers)
    column = _part(path, "truth" if truths else "text")
    if not numbers:
        return type_coerce(null(), BigInteger())
    return case(*((column == (int(key) if truths else key), number) for key, number in numbers.items()), else_=null())


def _packed(path: str, kind: str) -> ColumnElement[Any]:
    for name, column in _PACKED.items():
        if path.startswith(f"{name}/"):
            return _Packed(column, tuple(path.removeprefix(f"{name}/").split("/")), kind)
    raise InvalidValue("column", path, "no task has it.")
