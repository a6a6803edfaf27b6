"""Finding a record by the ids that a user knows it by; NotFound names what is missing."""

from __future__ import annotations

from linarite.engine.errors import NotFound
from linarite.engine.filtering import Compare
from linarite.engine.model import Ending, Job, Node, Pool, PoolState, Task
from linarite.engine.ports import Transaction
from linarite.engine.recurrence.records import JobSchedule


def find_pool(tx: Transaction, account: str, pool: str) -> Pool:
    """The pool by its id."""
    found = tx.pools.get(account, pool)
    if found is None:
        raise NotFound("pool", pool)
    return found


def first_pool(tx: Transaction, account: str) -> Pool | None:
    """The account's oldest active pool, None when there is none."""
    active = Compare(name="state", operator="eq", value=PoolState.ACTIVE.value)
    return next(iter(tx.pools.page(account, active, 0, 1)), None)


def find_node(tx: Transaction, account: str, pool: str, node: str) -> tuple[Pool, Node]:
    """The pool and its node."""
    home = find_pool(tx, account, pool)
    found = tx.nodes.get(home.key, node)
    if found is None:
        raise NotFound("node", node)
    return home, found


def find_job(tx: Transaction, account: str, job: str) -> Job:
    """The job by its id."""
    found = tx.jobs.get(account, job)
    if found is None:
        raise NotFound("job", job)
    return found


def find_schedule(tx: Transaction, account: str, schedule: str) -> JobSchedule:
    """The job schedule by its id."""
    found = tx.schedules.get(account, schedule)
    if found is None:
        raise NotFound("job schedule", schedule)
    return found


def find_task(tx: Transaction, account: str, job: str, task: str) -> tuple[Job, Task]:
    """The job and its task."""
    home = find_job(tx, account, job)
    found = tx.tasks.get(home.key, task)
    if found is None or found.ending is Ending.DELETED:
        raise NotFound("task", task)
    return home, found
