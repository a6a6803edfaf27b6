"""What the service runs on nodes: start, preparation, release and coordination tasks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BindParameter, Column, Connection, Index, Table, bindparam, delete, func, select

from linarite.engine.containers import ContainerInfo
from linarite.engine.filtering import Expression
from linarite.engine.launching import Ended
from linarite.engine.model import Ending, Failure, NodeCommand, NodeTask, NodeTaskKind, TaskResult, TaskState
from linarite.engine.ports import Prepared
from linarite.store.counters import take
from linarite.store.filters import Property, checked, condition
from linarite.store.rows import Rows, pack, pack_or_null, unpacked, word
from linarite.store.schema import TEXT, Partial, key_column, metadata, number, packed, text
from linarite.store.statements import Query

node_tasks = Table(
    "node_tasks",
    metadata,
    key_column(),
    text("account"),
    text("kind"),
    number("node_key"),
    text("node"),
    text("pool"),
    number("job_key", null=True),
    number("task_key", null=True),
    number("instance"),
    text("directory"),
    number("created_at"),
    text("state"),
    number("state_at"),
    text("previous_state", null=True),
    number("previous_state_at", null=True),
    number("attempt"),
    number("retries"),
    number("losses"),
    number("retried_at", null=True),
    number("started_at", null=True),
    number("ended_at", null=True),
    number("exit_code", null=True),
    text("result", null=True),
    text("ending", null=True),
    number("deadline", null=True),
    number("cleanup_at", null=True),
    packed("failure", null=True),
    packed("held_report", null=True),
    packed("container", null=True),
    packed("command"),
    Index(None, "node_key", "kind", "key"),
    Index(None, "job_key", "key"),
)
_UNDER_WAY = "state <> 'completed'"
_OF_TASK = "task_key IS NOT NULL"
OF_TASK = Partial("ix_node_tasks_of_task", _OF_TASK, node_tasks.c.task_key, node_tasks.c.instance)
SUBTASKS = Partial("ix_node_tasks_subtasks", f"{_OF_TASK} AND instance > 0", node_tasks.c.node_key, node_tasks.c.key)
UNDER_WAY = Partial("ix_node_tasks_under_way", _UNDER_WAY, node_tasks.c.node_key, node_tasks.c.key)
UNFINISHED = Partial("ix_node_tasks_unfinished", _UNDER_WAY, node_tasks.c.key)
LIMITED = Partial("ix_node_tasks_limited", f"deadline IS NOT NULL AND {_UNDER_WAY}", node_tasks.c.deadline)
TO_CLEAN = Partial("ix_node_tasks_to_clean", "cleanup_at IS NOT NULL", node_tasks.c.cleanup_at)

_rows = Rows(
    NodeTask,
    node_tasks,
    paths={},
    write={"failure": pack_or_null, "held_report": pack_or_null, "container": pack_or_null, "command": pack},
    read={
        "kind": word(NodeTaskKind),
        "state": word(TaskState),
        "previous_state": word(TaskState),
        "result": word(TaskResult),
        "ending": word(Ending),
        "failure": unpacked(Failure),
        "held_report": unpacked(Ended),
        "container": unpacked(ContainerInfo),
        "command": unpacked(NodeCommand),
    },
)
_insert = _rows.inserter()
_FIXED = (
    "account", "kind", "node_key", "node", "pool", "job_key", "task_key", "instance", "directory", "created_at",
    "command",
)  # fmt: skip
_update = _rows.updater(_rows.names_but(*_FIXED))
_KEYS: BindParameter[list[int]] = bindparam("keys", expanding=True)
_LIMIT: BindParameter[int] = bindparam("limit")
_BY_KEYS = Query(_rows.select.where(node_tasks.c.key.in_(_KEYS)).order_by(node_tasks.c.key))
_ON_NODE = _rows.select.where(node_tasks.c.node_key == bindparam("node_key"))
_OF_KIND = _ON_NODE.where(node_tasks.c.kind == bindparam("kind"))
_OF_NODE = Query(_ON_NODE.order_by(node_tasks.c.key))
_OF_NODE_AND_KIND = Query(_OF_KIND.order_by(node_tasks.c.key))
_UNDER_WAY_ON_NODE = Query(UNDER_WAY.answers(_ON_NODE).order_by(node_tasks.c.key))
_RECENT_SUBTASKS = Query(SUBTASKS.answers(_ON_NODE).order_by(node_tasks.c.key.desc()).limit(_LIMIT))
_KEPT_ON_NODE = Query(
    SUBTASKS.answers(select(node_tasks.c.key))
    .where(node_tasks.c.node_key == bindparam("node_key"), node_tasks.c.cleanup_at.is_not(None))
    .order_by(node_tasks.c.key.desc())
    .limit(1)
)
_INSTANCES = Query(
    OF_TASK.answers(_rows.select).where(node_tasks.c.task_key == bindparam("task_key")).order_by(node_tasks.c.instance)
)
_LATEST_ON_NODE = _OF_KIND.order_by(node_tasks.c.key.desc()).limit(1)
_LATEST = Query(_LATEST_ON_NODE.where(node_tasks.c.job_key.is_(None)))
_LATEST_OF_JOB = Query(_LATEST_ON_NODE.where(node_tasks.c.job_key == bindparam("job_key")))
_START_TASKS = Query(
    _rows.select.where(node_tasks.c.node_key.in_(_KEYS), node_tasks.c.kind == NodeTaskKind.START.value).order_by(
        node_tasks.c.key
    )
)
_OF_JOB = Query(_rows.select.where(node_tasks.c.job_key == bindparam("job_key")).order_by(node_tasks.c.key))
_UNFINISHED = Query(UNFINISHED.answers(_rows.select).order_by(node_tasks.c.key))
_DUE = Query(
    LIMITED.answers(_rows.select)
    .where(node_tasks.c.deadline <= bindparam("now"))
    .order_by(node_tasks.c.deadline)
    .limit(_LIMIT)
)
_TO_CLEAN = Query(
    TO_CLEAN.answers(_rows.select)
    .where(node_tasks.c.cleanup_at <= bindparam("now"))
    .order_by(node_tasks.c.cleanup_at)
    .limit(_LIMIT)
)
_NEXT_DEADLINE = Query(LIMITED.answers(select(func.min(node_tasks.c.deadline))))
_NEXT_CLEAN_UP = Query(TO_CLEAN.answers(select(func.min(node_tasks.c.cleanup_at))))

_released = node_tasks.alias("released")
_later = node_tasks.alias("later")
_RELEASED = _released.c.key == (
    select(func.max(_later.c.key))
    .where(
        _later.c.job_key == node_tasks.c.job_key,
        _later.c.node_key == node_tasks.c.node_key,
        _later.c.kind == NodeTaskKind.RELEASE.value,
    )
    .scalar_subquery()
)
_PREPARED = (
    select(node_tasks.c.key, _released.c.key)
    .select_from(node_tasks.outerjoin(_released, _RELEASED))
    .where(
        node_tasks.c.job_key == bindparam("of_job"),
        node_tasks.c.kind == NodeTaskKind.PREPARATION.value,
        node_tasks.c.key > bindparam("after"),
    )
    .order_by(node_tasks.c.key)
    .limit(_LIMIT)
)
_PREFIXES = {"jobPreparationTaskExecutionInfo": node_tasks, "jobReleaseTaskExecutionInfo": _released}
_FACTS = {
    "state": "state", "startTime": "started_at", "endTime": "ended_at", "exitCode": "exit_code", "result": "result",
}  # fmt: skip
PROPERTIES = {
    "poolId": Property(func.lower(node_tasks.c.pool, type_=TEXT), folded=True),
    "nodeId": Property(func.lower(node_tasks.c.node, type_=TEXT), folded=True),
    **{
        f"{prefix}/{name}": Property(table.c[column])
        for prefix, table in _PREFIXES.items()
        for name, column in _FACTS.items()
    },
}


def of_start(column: str, node_key: Column[int]) -> Property:
    """A fact of a node's last start task, for lists of nodes."""
    latest = (
        select(node_tasks.c[column])
        .where(node_tasks.c.node_key == node_key, node_tasks.c.kind == NodeTaskKind.START.value)
        .order_by(node_tasks.c.key.desc())
        .limit(1)
    )
    return Property(latest.scalar_subquery())


class SqlNodeTasks:
    """Implements `engine.ports.NodeTasks`. Where and what one runs stays; an update writes the rest."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def by_keys(self, keys: Sequence[int]) -> list[NodeTask]:
        return _rows.many(self._connection, _BY_KEYS, keys=keys)

    def latest(self, node_key: int, kind: NodeTaskKind, job_key: int | None = None) -> NodeTask | None:
        if job_key is None:
            return _rows.one(self._connection, _LATEST, node_key=node_key, kind=kind.value)
        return _rows.one(self._connection, _LATEST_OF_JOB, node_key=node_key, kind=kind.value, job_key=job_key)

    def of_node(self, node_key: int, kind: NodeTaskKind | None = None) -> list[NodeTask]:
        if kind is None:
            return _rows.many(self._connection, _OF_NODE, node_key=node_key)
        return _rows.many(self._connection, _OF_NODE_AND_KIND, node_key=node_key, kind=kind.value)

    def under_way(self, node_key: int) -> list[NodeTask]:
        return _rows.many(self._connection, _UNDER_WAY_ON_NODE, node_key=node_key)

    def recent_subtasks(self, node_key: int, limit: int) -> list[NodeTask]:
        return _rows.many(self._connection, _RECENT_SUBTASKS, node_key=node_key, limit=limit)

    def kept_on_node(self, node_key: int) -> bool:
        return _KEPT_ON_NODE.value(self._connection, node_key=node_key) is not None

    def of_task(self, task_key: int) -> list[NodeTask]:
        return _rows.many(self._connection, _INSTANCES, task_key=task_key)

    def of_job(self, job_key: int) -> list[NodeTask]:
        return _rows.many(self._connection, _OF_JOB, job_key=job_key)

    def start_tasks(self, node_keys: Sequence[int]) -> dict[int, NodeTask]:
        return {own.node_key: own for own in _rows.many(self._connection, _START_TASKS, keys=node_keys)}

    def page(self, job_key: int, where: Expression | None, after: int, limit: int) -> list[Prepared]:
        statement = _PREPARED if where is None else _PREPARED.where(condition(checked(where), PROPERTIES))
        pairs = list(self._connection.execute(statement, {"of_job": job_key, "after": after, "limit": limit}))
        found = {own.key: own for own in self.by_keys([key for pair in pairs for key in pair if key is not None])}
        return [(found[prepared], found.get(released)) for prepared, released in pairs]

    def insert(self, tasks: Sequence[NodeTask]) -> None:
        """Store new ones and set the key of each."""
        for own in tasks:
            own.key = take(self._connection, "node tasks")
        _insert(self._connection, tasks)

    def update(self, tasks: Sequence[NodeTask]) -> None:
        _update(self._connection, tasks)

    def delete(self, keys: Sequence[int]) -> None:
        if keys:
            self._connection.execute(delete(node_tasks).where(node_tasks.c.key.in_(keys)))

    def unfinished(self) -> list[NodeTask]:
        return _rows.many(self._connection, _UNFINISHED)

    def due(self, now: int, limit: int) -> list[NodeTask]:
        return _rows.many(self._connection, _DUE, now=now, limit=limit)

    def to_clean(self, now: int, limit: int) -> list[NodeTask]:
        return _rows.many(self._connection, _TO_CLEAN, now=now, limit=limit)

    def next_moment(self) -> int | None:
        deadline = _NEXT_DEADLINE.value(self._connection)
        clean_up = _NEXT_CLEAN_UP.value(self._connection)
        return min((moment for moment in (deadline, clean_up) if moment is not None), default=None)
