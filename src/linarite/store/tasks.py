"""Tasks: inserted and updated a hundred at a time, claimed from a queue, listed by key."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from sqlalchemy import (
    BindParameter,
    Connection,
    bindparam,
    case,
    delete,
    false,
    func,
    literal_column,
    select,
    true,
    update,
)

from linarite.engine.filtering import Expression, Listed, Search
from linarite.engine.model import Task, TaskState
from linarite.engine.usage import Running
from linarite.store import dependencies, searches
from linarite.store.counters import take
from linarite.store.listing import Listing
from linarite.store.statements import Query, Statement, unique
from linarite.store.task_table import (
    ENDED,
    HELD,
    IDS,
    IN_RUN,
    KEYS,
    LIMITED,
    ON_NODE,
    PROPERTIES,
    QUEUED,
    ROUTES,
    TO_CLEAN,
    insert_rows,
    rows,
    tasks,
    update_spec,
    update_state,
)  # fmt: skip

_delete = Statement(delete(tasks).where(tasks.c.key == bindparam("of_key")), ["of_key"])
_LESS = case((tasks.c.waiting > bindparam("count"), tasks.c.waiting - bindparam("less")), else_=literal_column("0"))
_wait_less = Statement(
    update(tasks).where(tasks.c.key == bindparam("of_key")).values(waiting=_LESS), ["count", "less", "of_key"]
)
_satisfy = Statement(
    update(tasks)
    .where(tasks.c.job_key == bindparam("of_job"), tasks.c.id_key == bindparam("of_id"))
    .values(satisfied=true()),
    ["of_job", "of_id"],
)

_KEYS: BindParameter[list[int]] = bindparam("keys", expanding=True)
_LIMIT: BindParameter[int] = bindparam("limit")
_OF_JOB = rows.select.where(tasks.c.job_key == bindparam("job_key"))
_BY_ID = Query(_OF_JOB.where(tasks.c.id_key == bindparam("id")))
_OF_ALIAS = _OF_JOB.where(tasks.c.alias == bindparam("alias"))
_BY_ALIAS = Query(_OF_ALIAS.where(tasks.c.index == bindparam("index")))
_OF_SWEEP = Query(_OF_ALIAS.where(tasks.c.index > bindparam("after")).order_by(tasks.c.index).limit(_LIMIT))
_BY_KEY = Query(rows.select.where(tasks.c.key == bindparam("key")))
_OF_KEYS = rows.select.where(tasks.c.key.in_(_KEYS)).order_by(tasks.c.key)
_BY_KEYS = Query(_OF_KEYS)
_OF_ACCOUNT = rows.select.where(tasks.c.account == bindparam("account"))
_BY_ACCOUNT_ALIAS = Query(_OF_ACCOUNT.where(tasks.c.account_alias == bindparam("alias")))
_OF_ACCOUNT_AFTER = (
    _OF_ACCOUNT.where(tasks.c.account_alias > bindparam("after")).order_by(tasks.c.account_alias).limit(_LIMIT)
)
_ACCOUNT_PAGE = Query(_OF_ACCOUNT_AFTER)
_ACCOUNT_STATES = Query(_OF_ACCOUNT_AFTER.where(tasks.c.state.in_(bindparam("states", expanding=True))))
_EXISTING = Query(
    select(tasks.c.id_key).where(
        tasks.c.job_key == bindparam("job_key"), tasks.c.id_key.in_(bindparam("ids", expanding=True))
    )
)
_PAGE = _OF_JOB.where(tasks.c.key > bindparam("after")).order_by(tasks.c.key).limit(_LIMIT)
_QUEUE = Query(
    QUEUED.answers(_OF_JOB)
    .where(tasks.c.slots <= bindparam("max_slots"), tasks.c.instances <= bindparam("max_instances"))
    .order_by(tasks.c.key)
    .limit(_LIMIT)
)
_RUNNING_OF_JOB = Query(IN_RUN.answers(_PAGE))
_IN_RUN_OF_ACCOUNT = Query(
    IN_RUN.answers(rows.select).where(tasks.c.account == bindparam("account")).order_by(tasks.c.job_key, tasks.c.key)
)
_RUNNING_ON_NODE = Query(
    ON_NODE.answers(rows.select).where(tasks.c.node_key == bindparam("node_key")).order_by(tasks.c.key)
)
_HELD = Query(HELD.answers(rows.select).where(tasks.c.held_by == bindparam("node_task")).order_by(tasks.c.key))
_RUNNING_SINCE = Query(
    IN_RUN.answers(select(tasks.c.job_key, func.count(), func.sum(tasks.c.started_at)))
    .where(tasks.c.job_key.in_(bindparam("jobs", expanding=True)), tasks.c.started_at.is_not(None))
    .group_by(tasks.c.job_key)
)
_RUNNING = Query(
    IN_RUN.answers(select(tasks.c.account, func.count(), func.sum(tasks.c.started_at)))
    .where(tasks.c.account == bindparam("account"), tasks.c.started_at.is_not(None))
    .group_by(tasks.c.account)
)
_UNFINISHED_RUNS = Query(IN_RUN.answers(rows.select).order_by(tasks.c.job_key, tasks.c.key))
_READY = Query(_OF_KEYS.where(tasks.c.waiting == 0))
_DUE = Query(
    LIMITED.answers(rows.select).where(tasks.c.deadline <= bindparam("now")).order_by(tasks.c.deadline).limit(_LIMIT)
)
_TO_CLEAN = Query(
    TO_CLEAN.answers(rows.select)
    .where(tasks.c.cleanup_at <= bindparam("now"))
    .order_by(tasks.c.cleanup_at)
    .limit(_LIMIT)
)
_NEXT_DEADLINE = Query(LIMITED.answers(select(func.min(tasks.c.deadline))))
_NEXT_CLEAN_UP = Query(TO_CLEAN.answers(select(func.min(tasks.c.cleanup_at))))
_ENDED_ON_NODE = Query(
    ENDED.answers(rows.select)
    .where(tasks.c.node_key == bindparam("node_key"))
    .order_by(tasks.c.ended_at.desc())
    .limit(_LIMIT)
)

_KEPT_ON_NODE = Query(
    ENDED.answers(select(tasks.c.key))
    .where(tasks.c.node_key == bindparam("node_key"), tasks.c.cleanup_at.is_not(None))
    .order_by(tasks.c.ended_at.desc())
    .limit(1)
)
_listing = Listing(rows, PROPERTIES, tasks.c.job_key, keys=KEYS, ids=IDS, routes=ROUTES)


class SqlTasks:
    """Implements `engine.ports.Tasks`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, job_key: int, task: str) -> Task | None:
        return rows.one(self._connection, _BY_ID, job_key=job_key, id=task.lower())

    def by_key(self, key: int) -> Task | None:
        return rows.one(self._connection, _BY_KEY, key=key)

    def by_keys(self, keys: Sequence[int]) -> list[Task]:
        return self._of_keys(_BY_KEYS, keys)

    def by_alias(self, job_key: int, alias: int, index: int = 0) -> Task | None:
        return rows.one(self._connection, _BY_ALIAS, job_key=job_key, alias=alias, index=index)

    def of_sweep(self, job_key: int, alias: int, after: int, limit: int) -> list[Task]:
        return rows.many(self._connection, _OF_SWEEP, job_key=job_key, alias=alias, after=after, limit=limit)

    def unqueue(self, job_key: int, alias: int) -> int:
        where = tasks.c.job_key == job_key, tasks.c.alias == alias, tasks.c.index > 0, tasks.c.queued
        return self._connection.execute(update(tasks).where(*where).values(queued=false())).rowcount

    def by_account_alias(self, account: str, alias: int) -> Task | None:
        return rows.one(self._connection, _BY_ACCOUNT_ALIAS, account=account, alias=alias)

    def existing(self, job_key: int, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for names in dependencies.chunks([id.lower() for id in ids]):
            found.update(id for (id,) in _EXISTING.rows(self._connection, job_key=job_key, ids=names))
        return found

    def insert(self, tasks: Sequence[Task]) -> None:
        if not tasks:
            return
        key = take(self._connection, "tasks", len(tasks))
        for place, task in enumerate(tasks):
            task.key = key + place
        self._number_in_accounts(tasks)
        with unique("task", tasks[0].spec.id if len(tasks) == 1 else ""):
            insert_rows(self._connection, tasks)
        dependencies.add(self._connection, [task for task in tasks if task.waiting])

    def update(self, tasks: Sequence[Task]) -> None:
        update_state(self._connection, tasks)

    def rewrite(self, tasks: Sequence[Task]) -> None:
        update_spec(self._connection, tasks)

    def delete(self, keys: Sequence[int]) -> None:
        _delete(self._connection, [(key,) for key in keys])
        dependencies.remove(self._connection, keys)

    def page(self, job_key: int, where: Expression | None, after: int, limit: int) -> list[Task]:
        return _listing.page(self._connection, job_key, where, after, limit)

    def listed(self, job_key: int, where: Expression | None, position: str, limit: int) -> Listed[Task]:
        return _listing.listed(self._connection, job_key, where, position, limit)

    def of_account(self, account: str, after: int, limit: int, states: Sequence[TaskState] = ()) -> list[Task]:
        """Tasks after the account alias `after`, in the order of account aliases."""
        if not states:
            return rows.many(self._connection, _ACCOUNT_PAGE, account=account, after=after, limit=limit)
        words = [state.value for state in states]
        return rows.many(self._connection, _ACCOUNT_STATES, account=account, after=after, limit=limit, states=words)

    def queue(self, job_key: int, max_slots: int, max_instances: int, limit: int) -> list[Task]:
        values = {"max_slots": max_slots, "max_instances": max_instances, "limit": limit}
        return rows.many(self._connection, _QUEUE, job_key=job_key, **values)

    def running_of_job(self, job_key: int, after: int = 0, limit: int = 10_000) -> list[Task]:
        return rows.many(self._connection, _RUNNING_OF_JOB, job_key=job_key, after=after, limit=limit)

    def search(self, account: str, search: Search) -> list[Task]:
        return rows.listed(self._connection, searches.statement(account, search))

    def in_run_of_account(self, account: str) -> list[Task]:
        return rows.many(self._connection, _IN_RUN_OF_ACCOUNT, account=account)

    def running_on_node(self, node_key: int) -> list[Task]:
        return rows.many(self._connection, _RUNNING_ON_NODE, node_key=node_key)

    def running_since(self, jobs: Sequence[int]) -> dict[int, Running]:
        found = _RUNNING_SINCE.rows(self._connection, jobs=jobs)
        return {job: Running(number, int(started)) for job, number, started in found}

    def running(self, account: str) -> Running:
        found = _RUNNING.rows(self._connection, account=account)
        return Running(*map(int, found[0][1:])) if found else Running()

    def unfinished_runs(self) -> list[Task]:
        return rows.many(self._connection, _UNFINISHED_RUNS)

    def dependents(self, job_key: int, ids: Sequence[str]) -> dict[int, int]:
        return dependencies.dependents(self._connection, job_key, ids)

    def satisfy(self, job_key: int, ids: Sequence[str]) -> dict[int, int]:
        counts = self.dependents(job_key, ids)
        _satisfy(self._connection, [(job_key, id.lower()) for id in ids])
        return counts

    def satisfied_count(self, job_key: int, ids: Sequence[str], ranges: Sequence[tuple[int, int]]) -> int:
        return dependencies.satisfied_count(self._connection, job_key, ids, ranges)

    def wait_less(self, counts: dict[int, int]) -> list[Task]:
        """Lower `waiting`; the tasks that came to 0 wait for nothing more, and their dependency rows go.

        One that was terminated while it waited waits less too, for it may be reactivated, but is not given back.
        """
        _wait_less(self._connection, [(count, count, key) for key, count in counts.items()])
        ready = self._of_keys(_READY, sorted(counts))
        dependencies.remove(self._connection, [task.key for task in ready])
        return [task for task in ready if task.state is TaskState.ACTIVE]

    def due(self, now: int, limit: int) -> list[Task]:
        return rows.many(self._connection, _DUE, now=now, limit=limit)

    def to_clean(self, now: int, limit: int) -> list[Task]:
        return rows.many(self._connection, _TO_CLEAN, now=now, limit=limit)

    def next_moment(self) -> int | None:
        deadline = _NEXT_DEADLINE.value(self._connection)
        clean_up = _NEXT_CLEAN_UP.value(self._connection)
        return min((moment for moment in (deadline, clean_up) if moment is not None), default=None)

    def recent_on_node(self, node_key: int, limit: int) -> list[Task]:
        """What runs there and what ended there last, the last started first."""
        ended = rows.many(self._connection, _ENDED_ON_NODE, node_key=node_key, limit=limit)
        begun = [task for task in (*self.running_on_node(node_key), *ended) if task.started_at is not None]
        return sorted(begun, key=lambda task: task.started_at or 0, reverse=True)[:limit]

    def kept_on_node(self, node_key: int) -> bool:
        return _KEPT_ON_NODE.value(self._connection, node_key=node_key) is not None

    def held_by(self, node_task: int) -> list[Task]:
        return rows.many(self._connection, _HELD, node_task=node_task)

    def _number_in_accounts(self, tasks: Sequence[Task]) -> None:
        for account, group in groupby(tasks, attrgetter("account")):
            members = list(group)
            first = take(self._connection, f"tasks of {account}", len(members))
            for place, task in enumerate(members):
                task.account_alias = first + place

    def _of_keys(self, query: Query, keys: Sequence[int]) -> list[Task]:
        return [task for some in dependencies.chunks(keys) for task in rows.many(self._connection, query, keys=some)]
