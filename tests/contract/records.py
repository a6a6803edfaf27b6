"""Records for tests: whatever a test does not say has a plain value."""

from __future__ import annotations

from typing import Any

from linarite.engine.model import (
    Counts,
    Dependencies,
    Event,
    Job,
    JobSpec,
    Node,
    NodeState,
    Pool,
    PoolSpec,
    Task,
    TaskSpec,
    TaskState,
)
from linarite.engine.ports import Transaction
from linarite.engine.recurrence.records import JobSchedule, ScheduleSpec
from linarite.engine.templates import JobTemplate
from linarite.store import SqlStore

ACCOUNT = "alpha"
NOW = 1_700_000_000_000_000


def pool(id: str, account: str = ACCOUNT, size: str = "", **fields: Any) -> Pool:
    times = {"created_at": NOW, "modified_at": NOW, "state_at": NOW, "allocation_at": NOW}
    return Pool(account=account, spec=PoolSpec(id=id, size=size), **{**times, **fields})


def node(id: str, pool_key: int = 1, account: str = ACCOUNT, **fields: Any) -> Node:
    values = {"pool": "pool", "state": NodeState.IDLE, "state_at": NOW, "created_at": NOW, "boot_at": NOW}
    return Node(id=id, pool_key=pool_key, account=account, **{**values, **fields})


def job(id: str, account: str = ACCOUNT, spec: dict[str, Any] | None = None, **fields: Any) -> Job:
    values = {"created_at": NOW, "modified_at": NOW, "state_at": NOW, "counts": Counts()}
    return Job(account=account, spec=JobSpec(id=id, **{"pool": "pool", **(spec or {})}), **{**values, **fields})


def task(id: str, job_key: int = 1, alias: int = 0, spec: dict[str, Any] | None = None, **fields: Any) -> Task:
    """A queued task; without an alias it takes its id's number, or a hash of it."""
    values = {"account": ACCOUNT, "created_at": NOW, "modified_at": NOW, "state_at": NOW, "queued": True}
    alias = alias or (int(id) if id.isdigit() and id[0] != "0" else abs(hash(id)) % 10**12)
    of = TaskSpec(id=id, command="true", **(spec or {}))
    return Task(job_key=job_key, alias=alias, spec=of, **{**values, **fields})


def waiting(id: str, *ids: str, ranges: tuple[tuple[int, int], ...] = (), count: int, **fields: Any) -> Task:
    """A task that waits for `count` others."""
    spec = {"dependencies": Dependencies(ids=ids, ranges=ranges)}
    return task(id, spec=spec, queued=False, waiting=count, **fields)


def running(id: str, **fields: Any) -> Task:
    values = {"state": TaskState.RUNNING, "queued": False, "started_at": NOW, "node_key": 1, "attempt": 1}
    return task(id, **{**values, **fields})


def completed(id: str, **fields: Any) -> Task:
    values = {"state": TaskState.COMPLETED, "queued": False, "satisfied": True, "exit_code": 0, "ended_at": NOW}
    return task(id, **{**values, **fields})


def event(key: int, what: str = "added", at: int = NOW, kind: str = "task") -> Event:
    return Event(account=ACCOUNT, kind=kind, key=key, at=at, what=what, who="tester", why="because", number=3)


def schedule(id: str, account: str = ACCOUNT, spec: dict[str, Any] | None = None, **fields: Any) -> JobSchedule:
    values = {"created_at": NOW, "modified_at": NOW, "state_at": NOW}
    of = ScheduleSpec(id=id, **{"template": JobTemplate(spec=JobSpec(id="", pool="pool")), **(spec or {})})
    return JobSchedule(account=account, spec=of, **{**values, **fields})


async def insert(store: SqlStore, *records: Any) -> None:
    """Insert records of any type, each by its repository, in one unit of work."""

    def work(tx: Transaction) -> None:
        for record in records:
            if isinstance(record, Task):
                tx.tasks.insert([record])
            elif isinstance(record, Node):
                tx.nodes.insert([record])
            elif isinstance(record, Job):
                tx.jobs.insert(record)
            elif isinstance(record, JobSchedule):
                tx.schedules.insert(record)
            else:
                tx.pools.insert(record)

    await store.write(work)
