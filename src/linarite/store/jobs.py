"""Jobs, and which jobs are the parents of which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    Table,
    UniqueConstraint,
    bindparam,
    case,
    delete,
    func,
    select,
)

from linarite.engine.filtering import Expression, Listed
from linarite.engine.model import Counts, Job, JobSpec, JobState, OnRunning
from linarite.store.counters import take
from linarite.store.filters import Property
from linarite.store.listing import Listing
from linarite.store.rows import Rows, pack, pack_or_null, unpack_facts, unpacked, word
from linarite.store.schema import Partial, Whole, key_column, metadata, number, packed, text
from linarite.store.statements import Query, inserting, unique

_COUNTS = {f"{name}_count": f"counts.{name}" for name in msgspec.structs.asdict(Counts())}

jobs = Table(
    "jobs",
    metadata,
    key_column(),
    text("account"),
    number("alias"),
    text("id_key"),
    text("pool_id_key"),
    text("owner_key"),
    number("priority"),
    Column("preemptible", Boolean, nullable=False),
    number("not_before", null=True),
    number("created_at"),
    number("modified_at"),
    text("state"),
    number("state_at"),
    text("previous_state", null=True),
    number("previous_state_at", null=True),
    number("submitted_at", null=True),
    number("started_at", null=True),
    number("first_task_at", null=True),
    number("last_task_at", null=True),
    number("ended_at", null=True),
    text("terminate_reason", null=True),
    text("on_running", null=True),
    Column("then_requeue", Boolean, nullable=False),
    Column("forced", Boolean, nullable=False),
    *(number(name) for name in _COUNTS),
    number("queued"),
    number("queued_instances"),
    number("restarting"),
    number("next_task"),
    number("requeues"),
    number("deadline", null=True),
    number("schedule_key", null=True),
    number("growing"),
    packed("spec"),
    packed("facts", null=True),
    UniqueConstraint("account", "alias"),
)
KEYS = Whole("ix_jobs_keys", jobs.c.account, jobs.c.key)
IDS = Whole("ix_jobs_ids", jobs.c.account, jobs.c.id_key, unique=True)
OF_POOL = Whole("ix_jobs_of_pool", jobs.c.account, jobs.c.pool_id_key)
RUNNABLE = Partial(
    "ix_jobs_runnable",
    "queued > 0 AND state = 'active'",
    jobs.c.account,
    jobs.c.pool_id_key,
    jobs.c.priority.desc(),
    jobs.c.key,
)
_GOING = "state NOT IN ('terminating', 'completed', 'deleting')"
LIMITED = Partial("ix_jobs_limited", f"deadline IS NOT NULL AND {_GOING}", jobs.c.deadline)
COMING = Partial("ix_jobs_coming", f"not_before IS NOT NULL AND {_GOING}", jobs.c.not_before)
OPEN = Partial("ix_jobs_open", "state <> 'completed'", jobs.c.state, jobs.c.key)
ENDED = Partial("ix_jobs_ended", "ended_at IS NOT NULL AND state = 'completed'", jobs.c.ended_at)
PREEMPTIBLE = Partial("ix_jobs_preemptible", "preemptible AND state = 'active'", jobs.c.account, jobs.c.pool_id_key)
RESTARTING = Partial(
    "ix_jobs_restarting",
    "restarting > 0 AND state = 'active'",
    jobs.c.account,
    jobs.c.pool_id_key,
    jobs.c.priority.desc(),
    jobs.c.key,
)
SCHEDULED = Partial("ix_jobs_scheduled", "schedule_key IS NOT NULL", jobs.c.schedule_key, jobs.c.key)

parents = Table(
    "job_parents",
    metadata,
    Column("job_key", jobs.c.key.type, primary_key=True, autoincrement=False),
    Column("id_key", jobs.c.id_key.type, primary_key=True),
    Index(None, "id_key"),
)


def _job(**values: Any) -> Job:  # noqa: ANN401 - a value for each column
    """A job of a row's values, its counters put together."""
    counts = Counts(**{path.removeprefix("counts."): values.pop(name) for name, path in _COUNTS.items()})
    return Job(counts=counts, **values)


_rows = Rows(
    Job,
    jobs,
    paths={
        "id_key": "spec.id",
        "pool_id_key": "spec.pool",
        "owner_key": "spec.owner",
        "priority": "spec.priority",
        "preemptible": "spec.preemptible",
        "not_before": "spec.not_before",
        **_COUNTS,
    },
    write={"id_key": str.lower, "pool_id_key": str.lower, "owner_key": str.lower, "spec": pack, "facts": pack_or_null},
    read={
        "state": word(JobState),
        "previous_state": word(JobState),
        "on_running": word(OnRunning),
        "spec": unpacked(JobSpec),
        "facts": unpack_facts,
    },
    build=_job,
    also_read=list(_COUNTS),
)
_insert = _rows.inserter()
_update = _rows.updater(_rows.names_but("account", "alias", "id_key"))
_insert_parents = inserting(parents, ["job_key", "id_key"])
_OF_ACCOUNT = _rows.select.where(jobs.c.account == bindparam("account"))
_BY_ID = Query(_OF_ACCOUNT.where(jobs.c.id_key == bindparam("id")))
_BY_ALIAS = Query(_OF_ACCOUNT.where(jobs.c.alias == bindparam("alias")))
_BY_KEY = Query(_rows.select.where(jobs.c.key == bindparam("key")))
_MAY_START = jobs.c.not_before.is_(None) | (jobs.c.not_before <= bindparam("now"))
_RUNNABLE = Query(
    RUNNABLE.answers(_OF_ACCOUNT)
    .where(jobs.c.pool_id_key == bindparam("pool"), _MAY_START)
    .order_by(jobs.c.priority.desc(), jobs.c.key)
)
_WAITING_POOLS = Query(RUNNABLE.answers(select(jobs.c.account, jobs.c.pool_id_key)).where(_MAY_START).distinct())
_PREEMPTIBLE = Query(
    PREEMPTIBLE.answers(_OF_ACCOUNT).where(jobs.c.pool_id_key == bindparam("pool"))
)  # fmt: skip
_RESTARTING = Query(
    RESTARTING.answers(_OF_ACCOUNT)
    .where(jobs.c.pool_id_key == bindparam("pool"), _MAY_START)
    .order_by(jobs.c.priority.desc(), jobs.c.key)
)
_STARTS = case(((jobs.c.state == JobState.ACTIVE.value) & _MAY_START, jobs.c.queued_instances), else_=0)
_SUMS = (
    func.sum(_STARTS), func.sum(jobs.c.running_count), func.sum(jobs.c.succeeded_count), func.sum(jobs.c.failed_count),
)  # fmt: skip
_TASK_COUNTS = Query(
    OF_POOL.answers(select(*_SUMS)).where(
        jobs.c.account == bindparam("account"), jobs.c.pool_id_key == bindparam("pool")
    )
)
_CHILDREN = Query(
    _OF_ACCOUNT.join(parents, parents.c.job_key == jobs.c.key)
    .where(parents.c.id_key == bindparam("parent"))
    .order_by(jobs.c.key)
)
_NEXT_DEADLINE = Query(LIMITED.answers(select(func.min(jobs.c.deadline))))
_NEXT_START = Query(COMING.answers(select(func.min(jobs.c.not_before))).where(jobs.c.not_before > bindparam("now")))
_DUE = Query(LIMITED.answers(_rows.select).where(jobs.c.deadline <= bindparam("now")).order_by(jobs.c.deadline))
_STATES = _rows.select.where(jobs.c.state.in_(bindparam("states", expanding=True))).order_by(jobs.c.key)
_IN_STATES = Query(_STATES)
_OPEN_IN_STATES = Query(OPEN.answers(_STATES))
_ENDED = Query(
    ENDED.answers(_rows.select)
    .where(jobs.c.ended_at < bindparam("moment"))
    .order_by(jobs.c.ended_at)
    .limit(bindparam("limit"))
)

PROPERTIES = {
    "id": Property(jobs.c.id_key, folded=True),
    "alias": Property(jobs.c.alias),
    "owner": Property(jobs.c.owner_key, folded=True),
    "priority": Property(jobs.c.priority),
    "state": Property(jobs.c.state),
    "stateTransitionTime": Property(jobs.c.state_at),
    "creationTime": Property(jobs.c.created_at),
    "lastModified": Property(jobs.c.modified_at),
    "submitTime": Property(jobs.c.submitted_at),
    "executionInfo/startTime": Property(jobs.c.started_at),
    "executionInfo/endTime": Property(jobs.c.ended_at),
    "executionInfo/poolId": Property(jobs.c.pool_id_key, folded=True),
}

_listing = Listing(_rows, PROPERTIES, jobs.c.account, keys=KEYS, ids=IDS)
# No list of a schedule's jobs can be filtered by their ids, so that one index serves.
_of_schedule = Listing(_rows, PROPERTIES, jobs.c.schedule_key, keys=SCHEDULED, ids=SCHEDULED)


class SqlJobs:
    """Implements `engine.ports.Jobs`. A job's account, alias and id stay; an update writes the rest."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, account: str, job: str) -> Job | None:
        return _rows.one(self._connection, _BY_ID, account=account, id=job.lower())

    def by_key(self, key: int) -> Job | None:
        return _rows.one(self._connection, _BY_KEY, key=key)

    def by_alias(self, account: str, alias: int) -> Job | None:
        return _rows.one(self._connection, _BY_ALIAS, account=account, alias=alias)

    def insert(self, job: Job) -> None:
        """Store a new job and set its key and its alias."""
        job.key = take(self._connection, "jobs")
        job.alias = take(self._connection, f"jobs of {job.account}")
        with unique("job", job.spec.id):
            _insert(self._connection, [job])
        self._name_parents(job)

    def update(self, job: Job) -> None:
        """Write a job. Parents that are no longer named may leave rows behind, which `children` looks through."""
        _update(self._connection, [job])
        if job.spec.parents:
            self._forget_parents(job.key)
            self._name_parents(job)

    def delete(self, key: int) -> None:
        self._connection.execute(delete(jobs).where(jobs.c.key == key))
        self._forget_parents(key)

    def page(self, account: str, where: Expression | None, after: int, limit: int) -> list[Job]:
        return _listing.page(self._connection, account, where, after, limit)

    def listed(self, account: str, where: Expression | None, position: str, limit: int) -> Listed[Job]:
        return _listing.listed(self._connection, account, where, position, limit)

    def of_schedule(self, schedule_key: int, where: Expression | None, after: int, limit: int) -> list[Job]:
        return _of_schedule.page(self._connection, schedule_key, where, after, limit)

    def listed_of_schedule(
        self, schedule_key: int, where: Expression | None, position: str, limit: int
    ) -> Listed[Job]:  # fmt: skip
        return _of_schedule.listed(self._connection, schedule_key, where, position, limit)

    def runnable(self, account: str, pool: str, now: int) -> list[Job]:
        return _rows.many(self._connection, _RUNNABLE, account=account, pool=pool.lower(), now=now)

    def preemptible(self, account: str, pool: str) -> list[Job]:
        return _rows.many(self._connection, _PREEMPTIBLE, account=account, pool=pool.lower())

    def restarting(self, account: str, pool: str, now: int) -> list[Job]:
        return _rows.many(self._connection, _RESTARTING, account=account, pool=pool.lower(), now=now)

    def waiting_pools(self, now: int) -> list[tuple[str, str]]:
        """Account and pool, in lower case, of the jobs that `runnable` would give."""
        return [(account, pool) for account, pool in _WAITING_POOLS.rows(self._connection, now=now)]

    def task_counts(self, account: str, pool: str, now: int) -> Counts:
        found = _TASK_COUNTS.rows(self._connection, account=account, pool=pool.lower(), now=now)
        active, running, succeeded, failed = (int(count or 0) for count in found[0])
        return Counts(active=active, running=running, succeeded=succeeded, failed=failed)

    def children(self, account: str, job: str) -> list[Job]:
        name = job.lower()
        found = _rows.many(self._connection, _CHILDREN, account=account, parent=name)
        return [child for child in found if name in {parent.lower() for parent in child.spec.parents}]

    def in_states(self, states: Sequence[str]) -> list[Job]:
        statement = _IN_STATES if JobState.COMPLETED in states else _OPEN_IN_STATES
        return _rows.many(self._connection, statement, states=list(states))

    def ended_before(self, moment: int, limit: int) -> list[Job]:
        return _rows.many(self._connection, _ENDED, moment=moment, limit=limit)

    def due(self, now: int) -> list[Job]:
        return _rows.many(self._connection, _DUE, now=now)

    def next_moment(self, now: int) -> int | None:
        deadline = _NEXT_DEADLINE.value(self._connection)
        start = _NEXT_START.value(self._connection, now=now)
        return min((moment for moment in (deadline, start) if moment is not None), default=None)

    def _name_parents(self, job: Job) -> None:
        _insert_parents(self._connection, [(job.key, name) for name in {parent.lower() for parent in job.spec.parents}])

    def _forget_parents(self, key: int) -> None:
        self._connection.execute(delete(parents).where(parents.c.job_key == key))
