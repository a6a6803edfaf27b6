"""The table of tasks: a column for all that queries ask for, the specification packed and last.

A million completed tasks must not slow the claim of the next one: what the scheduler asks for has partial indexes,
which hold only the tasks that wait, run or are to be cleaned.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Boolean, Column, Table, UniqueConstraint

from linarite.engine.containers import ContainerInfo
from linarite.engine.filtering import Compare
from linarite.engine.model import Ending, Failure, Task, TaskResult, TaskSpec, TaskState
from linarite.engine.usage import Spent
from linarite.store.filters import LARGEST, ORDERS, Property
from linarite.store.routes import Routes, Walk
from linarite.store.rows import Rows, pack, pack_or_null, unpack_facts, unpacked, word
from linarite.store.schema import Partial, Whole, key_column, metadata, number, packed, text

tasks = Table(
    "tasks",
    metadata,
    key_column(),
    number("job_key"),
    text("account"),
    number("alias"),
    number("index"),
    number("account_alias"),
    text("id_key"),
    number("number", null=True),
    number("slots"),
    number("instances"),
    number("created_at"),
    number("modified_at"),
    text("state"),
    number("state_at"),
    text("previous_state", null=True),
    number("previous_state_at", null=True),
    Column("queued", Boolean, nullable=False),
    number("waiting"),
    Column("satisfied", Boolean, nullable=False),
    number("attempt"),
    number("retries"),
    number("requeues"),
    number("losses"),
    number("retried_at", null=True),
    number("requeued_at", null=True),
    number("started_at", null=True),
    number("ended_at", null=True),
    number("exit_code", null=True),
    text("result", null=True),
    text("ending", null=True),
    text("ending_reason", null=True),
    number("node_key", null=True),
    text("node", null=True),
    text("pool", null=True),
    number("held_by", null=True),
    number("deadline", null=True),
    number("cleanup_at", null=True),
    number("percent", null=True),
    text("stage", null=True),
    packed("failure", null=True),
    packed("usage", null=True),
    packed("container", null=True),
    packed("spec"),
    packed("facts", null=True),
    UniqueConstraint("job_key", "alias", "index"),
    UniqueConstraint("account", "account_alias"),
)
KEYS = Whole("ix_tasks_keys", tasks.c.job_key, tasks.c.key)
IDS = Whole("ix_tasks_ids", tasks.c.job_key, tasks.c.id_key, unique=True)
_IN_RUN = "state IN ('preparing', 'running')"
QUEUED = Partial("ix_tasks_queued", "queued", tasks.c.job_key, tasks.c.key, tasks.c.slots, tasks.c.instances)
IN_RUN = Partial("ix_tasks_in_run", _IN_RUN, tasks.c.job_key, tasks.c.key)
ON_NODE = Partial("ix_tasks_on_node", _IN_RUN, tasks.c.node_key, tasks.c.key)
HELD = Partial("ix_tasks_held", f"held_by IS NOT NULL AND {_IN_RUN}", tasks.c.held_by, tasks.c.key)
LIMITED = Partial("ix_tasks_limited", f"deadline IS NOT NULL AND {_IN_RUN}", tasks.c.deadline)
TO_CLEAN = Partial("ix_tasks_to_clean", "cleanup_at IS NOT NULL AND state = 'completed'", tasks.c.cleanup_at)
SATISFIED = Partial("ix_tasks_satisfied", "satisfied AND number IS NOT NULL", tasks.c.job_key, tasks.c.number)
ENDED = Partial("ix_tasks_ended", "state = 'completed' AND node_key IS NOT NULL", tasks.c.node_key, tasks.c.ended_at)

# For lists: the active tasks that are not queued; the completed ones; those that failed, those that exited with another
# code than 0, those that completed without any. For a task that is queued at once and succeeds, one row is written.
_OF_JOB = tasks.c.job_key, tasks.c.key
BLOCKED = Partial("ix_tasks_blocked", "state = 'active' AND NOT queued", *_OF_JOB)
COMPLETED = Partial("ix_tasks_completed", "state = 'completed'", *_OF_JOB)
FAILED = Partial("ix_tasks_failed", "result = 'failure'", *_OF_JOB)
EXITED_ELSE = Partial("ix_tasks_exited_else", "exit_code <> 0", *_OF_JOB, tasks.c.exit_code)
EXITED_NOT = Partial("ix_tasks_exited_not", "state = 'completed' AND exit_code IS NULL", *_OF_JOB)

PROPERTIES = {
    "id": Property(tasks.c.id_key, folded=True),
    "alias": Property(tasks.c.alias),
    "index": Property(tasks.c.index),
    "accountAlias": Property(tasks.c.account_alias),
    "state": Property(tasks.c.state),
    "stateTransitionTime": Property(tasks.c.state_at),
    "creationTime": Property(tasks.c.created_at),
    "lastModifiedTime": Property(tasks.c.modified_at),
    "lastModified": Property(tasks.c.modified_at),
    "executionInfo/startTime": Property(tasks.c.started_at),
    "executionInfo/endTime": Property(tasks.c.ended_at),
    "executionInfo/exitCode": Property(tasks.c.exit_code),
    "executionInfo/result": Property(tasks.c.result),
}

_IN_STATE: dict[str, tuple[Walk, ...]] = {
    TaskState.ACTIVE: (QUEUED, BLOCKED),
    TaskState.PREPARING: (IN_RUN,),
    TaskState.RUNNING: (IN_RUN,),
    TaskState.COMPLETED: (COMPLETED,),
}


def _routes(compare: Compare) -> Sequence[Walk] | None:
    """The indexes that hold all tasks for which a comparison holds, if they are fewer than all."""
    match compare:
        case Compare("state", "eq", str(value)):
            return _IN_STATE.get(value, ())
        case Compare("state", "ne", str(value)) if value in _IN_STATE:
            return tuple({walk: None for state in _IN_STATE if state != value for walk in _IN_STATE[state]})
        case Compare("executionInfo/result", "eq", TaskResult.FAILURE.value):
            return (FAILED,)
        case Compare("executionInfo/exitCode", "ne", 0):
            return (EXITED_ELSE, EXITED_NOT, IN_RUN, BLOCKED, QUEUED)
        case Compare("executionInfo/exitCode", operator, int(value)) if not _allows_zero(operator, value):
            return (EXITED_ELSE,)
    return None


def _allows_zero(operator: str, value: int) -> bool:
    order = ORDERS.get(operator)
    return order is None or bool(order(0, value))


ROUTES = Routes([IN_RUN, EXITED_NOT, FAILED, EXITED_ELSE, BLOCKED, QUEUED, COMPLETED], _routes)


def as_number(id: str) -> int | None:
    """The integer that an id is for ranges of dependencies: digits alone, leading zeros ignored."""
    if not (id.isascii() and id.isdigit()):
        return None
    value = int(id)
    return value if value <= LARGEST else None


rows = Rows(
    Task,
    tasks,
    paths={"id_key": "spec.id", "number": "spec.id", "slots": "spec.required_slots", "instances": "spec.instances"},
    write={
        "id_key": str.lower,
        "number": as_number,
        "failure": pack_or_null,
        "usage": pack_or_null,
        "container": pack_or_null,
        "spec": pack,
        "facts": pack_or_null,
    },
    read={
        "state": word(TaskState),
        "previous_state": word(TaskState),
        "result": word(TaskResult),
        "ending": word(Ending),
        "failure": unpacked(Failure),
        "usage": unpacked(Spent),
        "container": unpacked(ContainerInfo),
        "spec": unpacked(TaskSpec),
        "facts": unpack_facts,
    },
)

_IDENTITY = ("job_key", "account", "alias", "index", "account_alias", "id_key", "number", "created_at")
_ASKED = ("slots", "instances", "spec", "facts")
# `waiting` is lowered by `wait_less` alone: a record read before that must not bring the old count back.
STATE = rows.names_but(*_IDENTITY, *_ASKED, "waiting")
_LATER = (
    "previous_state", "previous_state_at", "retried_at", "requeued_at", "started_at", "ended_at", "exit_code", "result",
    "ending", "ending_reason", "node_key", "node", "pool", "held_by", "deadline", "cleanup_at", "percent", "stage",
    "failure", "usage", "container",
)  # fmt: skip
insert_rows = rows.inserter(later=_LATER)
update_state = rows.updater(STATE)
update_spec = rows.updater(_ASKED)
