"""The table of tasks: a column for all that queries ask for, the specification packed and last.

A million completed tasks must not slow the claim of the next one: what the scheduler asks for has partial indexes,
which hold only the tasks that wait, run or are to be cleaned.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, UniqueConstraint
from sqlalchemy import text as sql

from linarite.engine.model import Ending, Failure, Task, TaskResult, TaskSpec, TaskState
from linarite.store.filters import LARGEST, Property
from linarite.store.rows import Rows, pack, pack_or_null, unpack_facts, unpacked, word
from linarite.store.schema import key_column, metadata, number, packed, text

# The same words stand in the partial indexes and in the queries that are to use them.
QUEUED = sql("queued")
IN_RUN = sql("state IN ('preparing', 'running')")
LIMITED = sql("deadline IS NOT NULL AND state IN ('preparing', 'running')")
TO_CLEAN = sql("cleanup_at IS NOT NULL AND state = 'completed'")
SATISFIED = sql("satisfied AND number IS NOT NULL")
BEGUN = sql("node_key IS NOT NULL AND started_at IS NOT NULL")

tasks = Table(
    "tasks",
    metadata,
    key_column(),
    number("job_key"),
    text("account"),
    number("alias"),
    number("account_alias"),
    text("id_key"),
    number("number", null=True),
    number("slots"),
    number("created_at"),
    number("modified_at"),
    text("state"),
    number("state_at"),
    text("previous_state", null=True),
    number("previous_state_at", null=True),
    Column("queued", Boolean, nullable=False),
    number("waiting"),
    Column("satisfied", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("requeues", Integer, nullable=False),
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
    number("deadline", null=True),
    number("cleanup_at", null=True),
    packed("failure", null=True),
    packed("usage", null=True),
    packed("spec"),
    packed("facts", null=True),
    UniqueConstraint("job_key", "id_key"),
    UniqueConstraint("job_key", "alias"),
    UniqueConstraint("account", "account_alias"),
    Index(None, "job_key", "key"),
)
Index("ix_tasks_queued", tasks.c.job_key, tasks.c.key, tasks.c.slots, sqlite_where=QUEUED, postgresql_where=QUEUED)
Index("ix_tasks_in_run", tasks.c.job_key, tasks.c.key, sqlite_where=IN_RUN, postgresql_where=IN_RUN)
Index("ix_tasks_on_node", tasks.c.node_key, tasks.c.key, sqlite_where=IN_RUN, postgresql_where=IN_RUN)
Index("ix_tasks_limited", tasks.c.deadline, sqlite_where=LIMITED, postgresql_where=LIMITED)
Index("ix_tasks_to_clean", tasks.c.cleanup_at, sqlite_where=TO_CLEAN, postgresql_where=TO_CLEAN)
Index("ix_tasks_satisfied", tasks.c.job_key, tasks.c.number, sqlite_where=SATISFIED, postgresql_where=SATISFIED)
Index("ix_tasks_begun", tasks.c.node_key, tasks.c.started_at, sqlite_where=BEGUN, postgresql_where=BEGUN)

PROPERTIES = {
    "id": Property(tasks.c.id_key, folded=True),
    "alias": Property(tasks.c.alias),
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


def as_number(id: str) -> int | None:
    """The integer that an id is for ranges of dependencies: digits alone, leading zeros ignored."""
    if not (id.isascii() and id.isdigit()):
        return None
    value = int(id)
    return value if value <= LARGEST else None


rows = Rows(
    Task,
    tasks,
    paths={"id_key": "spec.id", "number": "spec.id", "slots": "spec.required_slots"},
    write={
        "id_key": str.lower,
        "number": as_number,
        "failure": pack_or_null,
        "usage": pack_or_null,
        "spec": pack,
        "facts": pack_or_null,
    },
    read={
        "state": word(TaskState),
        "previous_state": word(TaskState),
        "result": word(TaskResult),
        "ending": word(Ending),
        "failure": unpacked(Failure),
        "usage": unpacked(dict[str, float]),
        "spec": unpacked(TaskSpec),
        "facts": unpack_facts,
    },
)

_IDENTITY = ("job_key", "account", "alias", "account_alias", "id_key", "number", "created_at")
insert_rows = rows.inserter()
update_state = rows.updater(rows.names_but(*_IDENTITY, "slots", "spec", "facts"))
update_spec = rows.updater(["slots", "spec", "facts"])
