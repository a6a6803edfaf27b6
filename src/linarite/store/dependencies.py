"""What waiting tasks wait for: a row for each id and for each range of integer ids, as long as the task waits.

An id satisfies rows that name it, without regard to case. An id that is an integer satisfies also each range that holds
it, leading zeros ignored: only the first task of that number does (`1` and `01` are one number).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Column, Connection, Index, Integer, Table, bindparam, delete, func, select

from linarite.engine.model import Task
from linarite.store.schema import NUMBER, metadata, number, text
from linarite.store.statements import Query, Statement, Values, inserting
from linarite.store.task_table import SATISFIED, as_number, tasks

T = TypeVar("T")

# A statement takes 32,766 values in SQLite and 65,535 in PostgreSQL.
CHUNK = 10_000

dependencies = Table(
    "task_dependencies",
    metadata,
    Column("task_key", NUMBER, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    number("job_key"),
    text("id_key", null=True),
    number("first_number", null=True),
    number("last_number", null=True),
    Index(None, "job_key", "id_key"),
    Index(None, "job_key", "first_number", "last_number"),
    sqlite_with_rowid=False,
)

_insert = inserting(dependencies, ["task_key", "place", "job_key", "id_key", "first_number", "last_number"])
_delete = Statement(delete(dependencies).where(dependencies.c.task_key == bindparam("of_key")), ["of_key"])
_NAMING = Query(
    select(dependencies.c.task_key)
    .where(dependencies.c.job_key == bindparam("job_key"))
    .where(dependencies.c.id_key.in_(bindparam("ids", expanding=True)))
)
_OVERLAPPING = Query(
    select(dependencies.c.task_key, dependencies.c.first_number, dependencies.c.last_number).where(
        dependencies.c.job_key == bindparam("job_key"),
        dependencies.c.first_number <= bindparam("last"),
        dependencies.c.last_number >= bindparam("first"),
    )
)
_SATISFIED_NUMBERS = Query(
    SATISFIED.answers(select(tasks.c.number)).where(
        tasks.c.job_key == bindparam("job_key"), tasks.c.number.in_(bindparam("numbers", expanding=True))
    )
)
_COUNT_IDS = Query(
    select(func.count()).where(
        tasks.c.job_key == bindparam("job_key"), tasks.c.id_key.in_(bindparam("ids", expanding=True)), tasks.c.satisfied
    )
)
_COUNT_RANGE = Query(
    SATISFIED.answers(select(func.count(tasks.c.number.distinct()))).where(
        tasks.c.job_key == bindparam("job_key"),
        tasks.c.number.between(bindparam("first"), bindparam("last")),
    )
)


def add(connection: Connection, waiting: Sequence[Task]) -> None:
    """Write what these tasks wait for."""
    _insert(connection, [row for task in waiting for row in _rows_of(task)])


def remove(connection: Connection, task_keys: Sequence[int]) -> None:
    """Forget what these tasks wait for."""
    _delete(connection, [(key,) for key in task_keys])


def dependents(connection: Connection, job_key: int, ids: Sequence[str]) -> Counter[int]:
    """How many rows of which task the ids satisfy that just became satisfied, their tasks not yet told so."""
    counts: Counter[int] = Counter()
    for names in chunks(sorted({id.lower() for id in ids})):
        counts.update(key for (key,) in _NAMING.rows(connection, job_key=job_key, ids=names))
    numbers = sorted({number for number in map(as_number, ids) if number is not None})
    counts.update(_in_ranges(connection, job_key, numbers))
    return counts


def satisfied_count(connection: Connection, job_key: int, ids: Sequence[str], ranges: Sequence[tuple[int, int]]) -> int:
    """How many of these ids, and of the integers of each of these ranges, are satisfied already."""
    found = 0
    for names in chunks(sorted({id.lower() for id in ids})):
        found += _COUNT_IDS.value(connection, job_key=job_key, ids=names) or 0
    for first, last in ranges:
        found += _COUNT_RANGE.value(connection, job_key=job_key, first=first, last=last) or 0
    return found


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in pieces that one statement takes."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _rows_of(task: Task) -> Iterator[Values]:
    wanted = task.spec.dependencies
    if wanted is None:
        return
    names = dict.fromkeys(id.lower() for id in wanted.ids)
    for place, name in enumerate(names):
        yield task.key, place, task.job_key, name, None, None
    for place, (first, last) in enumerate(wanted.ranges, start=len(names)):
        yield task.key, place, task.job_key, None, first, last


def _in_ranges(connection: Connection, job_key: int, numbers: Sequence[int]) -> Counter[int]:
    """How many of these sorted numbers, satisfied for the first time, each task's ranges hold."""
    counts: Counter[int] = Counter()
    if not numbers:
        return counts
    overlapping = _OVERLAPPING.rows(connection, job_key=job_key, first=numbers[0], last=numbers[-1])
    if not overlapping:
        return counts
    new = _not_yet_satisfied(connection, job_key, numbers)
    for task_key, first, last in overlapping:
        counts[task_key] += bisect_right(new, last) - bisect_left(new, first)
    return +counts


def _not_yet_satisfied(connection: Connection, job_key: int, numbers: Sequence[int]) -> list[int]:
    before: set[int] = set()
    for some in chunks(numbers):
        before.update(number for (number,) in _SATISFIED_NUMBERS.rows(connection, job_key=job_key, numbers=some))
    return [number for number in numbers if number not in before]
