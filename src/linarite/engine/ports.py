"""What the engine needs of its neighbours, as protocols: a store and a clock. Nodes: `engine.launching`.

A unit of work is a plain function of a transaction. The store runs written units one after another, so that a rule sees
the truth and nobody else changes it meanwhile; when `write` returns, the work is on disk. A unit that raises
changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from linarite.engine.autoscale.records import PoolSample
from linarite.engine.filtering import Expression, Listed, Search
from linarite.engine.model import (
    Account,
    Counts,
    Event,
    Job,
    Node,
    NodeTask,
    NodeTaskKind,
    Pool,
    Sweep,
    Task,
    TaskState,
)  # fmt: skip
from linarite.engine.recurrence.records import JobSchedule
from linarite.engine.usage import NodeSpan, Owner, Running, Totals

T = TypeVar("T")
Prepared = tuple[NodeTask, NodeTask | None]
"""A job's preparation task on a node, and its release task there once there is one."""


class Accounts(Protocol):
    """Accounts and the people who may use them."""

    def get(self, name: str) -> Account | None: ...
    def take_number(self) -> int:
        """A number that neither an account nor a user of a pool has or will have."""
        ...

    def insert(self, account: Account) -> None: ...
    def update(self, account: Account) -> None: ...
    def all(self) -> list[Account]: ...


class Pools(Protocol):
    """Pools; ids are unique in an account without regard to case."""

    def get(self, account: str, pool: str) -> Pool | None: ...
    def by_key(self, key: int) -> Pool | None: ...
    def insert(self, pool: Pool) -> None: ...
    def update(self, pool: Pool) -> None: ...
    def delete(self, key: int) -> None: ...
    def page(self, account: str, where: Expression | None, after: int, limit: int) -> list[Pool]: ...
    def listed(self, account: str, where: Expression | None, position: str, limit: int) -> Listed[Pool]: ...
    def all(self) -> list[Pool]: ...
    def due(self, now: int) -> list[Pool]:
        """Pools whose resize has run out of time."""
        ...

    def next_moment(self) -> int | None:
        """When the first resize runs out of time; microseconds since the epoch."""
        ...

    def ticking(self, now: int, limit: int) -> list[Pool]:
        """Pools of which a sample or an evaluation is due, the longest overdue first."""
        ...

    def next_tick(self) -> int | None:
        """When the first of them is due; microseconds since the epoch."""
        ...


class Samples(Protocol):
    """What pools were like, for the formulas that look back."""

    def add(self, sample: PoolSample) -> None:
        """Keep a sample; one that the pool has of that slot already stays."""
        ...

    def measured(self, sample: PoolSample) -> None:
        """Add what nodes used to the sample of this pool and slot, if it is kept."""
        ...

    def of_pool(self, pool_key: int) -> list[PoolSample]:
        """All of a pool, the oldest first."""
        ...

    def prune(self, pool_key: int, before: int) -> None:
        """Forget a pool's samples of the slots before `before`."""
        ...


class NodeRecords(Protocol):
    """Nodes of pools."""

    def get(self, pool_key: int, node: str) -> Node | None: ...
    def by_key(self, key: int) -> Node | None: ...
    def of_pool(self, pool_key: int) -> list[Node]: ...
    def of_account(self, account: str) -> list[Node]: ...
    def insert(self, nodes: Sequence[Node]) -> None: ...
    def update(self, nodes: Sequence[Node]) -> None: ...
    def delete(self, keys: Sequence[int]) -> None: ...
    def page(self, pool_key: int, where: Expression | None, after: int, limit: int) -> list[Node]: ...
    def listed(self, pool_key: int, where: Expression | None, position: str, limit: int) -> Listed[Node]: ...
    def all(self) -> list[Node]: ...
    def changing(self) -> list[Node]:
        """Nodes that are about to go or to begin anew: `on_running` is set."""
        ...


class Jobs(Protocol):
    """Jobs; ids and aliases are unique in an account."""

    def get(self, account: str, job: str) -> Job | None: ...
    def by_key(self, key: int) -> Job | None: ...
    def by_alias(self, account: str, alias: int) -> Job | None: ...
    def insert(self, job: Job) -> None: ...
    def update(self, job: Job) -> None: ...
    def delete(self, key: int) -> None: ...
    def page(self, account: str, where: Expression | None, after: int, limit: int) -> list[Job]: ...
    def listed(self, account: str, where: Expression | None, position: str, limit: int) -> Listed[Job]: ...
    def runnable(self, account: str, pool: str, now: int) -> list[Job]:
        """Active jobs with queued tasks whose not-before has passed: higher priority first, then the older."""
        ...

    def preemptible(self, account: str, pool: str) -> list[Job]:
        """Active jobs of the pool whose running tasks may be taken back."""
        ...

    def restarting(self, account: str, pool: str, now: int) -> list[Job]:
        """Those of the runnable jobs whose own task, which manages them, is to start again; in the same order."""
        ...

    def waiting_pools(self, now: int) -> list[tuple[str, str]]:
        """Account and pool, in lower case, of the jobs that `runnable` would give."""
        ...

    def task_counts(self, account: str, pool: str, now: int) -> Counts:
        """The counters of a pool's jobs together; `active` has those tasks alone that could start at `now`."""
        ...

    def of_schedule(self, schedule_key: int, where: Expression | None, after: int, limit: int) -> list[Job]: ...
    def listed_of_schedule(
        self, schedule_key: int, where: Expression | None, position: str, limit: int
    ) -> Listed[Job]: ...
    def children(self, account: str, job: str) -> list[Job]:
        """Jobs that name `job` among their parents."""
        ...

    def ended_before(self, moment: int, limit: int) -> list[Job]:
        """Completed jobs that ended before `moment`, the oldest first."""
        ...

    def in_states(self, states: Sequence[str]) -> list[Job]: ...
    def due(self, now: int) -> list[Job]:
        """Jobs whose deadline has passed."""
        ...

    def next_moment(self, now: int) -> int | None:
        """The earliest deadline or coming not-before of a job that is not over; microseconds since the epoch."""
        ...


class JobSchedules(Protocol):
    """Job schedules; ids are unique in an account."""

    def get(self, account: str, schedule: str) -> JobSchedule | None: ...
    def insert(self, schedule: JobSchedule) -> None: ...
    def update(self, schedule: JobSchedule) -> None: ...
    def delete(self, key: int) -> None: ...
    def page(self, account: str, where: Expression | None, after: int, limit: int) -> list[JobSchedule]: ...
    def listed(self, account: str, where: Expression | None, position: str, limit: int) -> Listed[JobSchedule]: ...
    def due(self, now: int, limit: int) -> list[JobSchedule]:
        """Schedules that have something to do, the longest due first."""
        ...

    def remind(self, key: int, moment: int) -> None:
        """Set the moment when a schedule has something to do; nothing when it is gone."""
        ...

    def next_moment(self) -> int | None:
        """The earliest moment when a schedule has something to do; microseconds since the epoch."""
        ...


class Tasks(Protocol):
    """Tasks; ids are unique in a job without regard to case; aliases by job and by account."""

    def get(self, job_key: int, task: str) -> Task | None: ...
    def by_key(self, key: int) -> Task | None: ...
    def by_keys(self, keys: Sequence[int]) -> list[Task]: ...
    def by_alias(self, job_key: int, alias: int, index: int = 0) -> Task | None: ...
    def of_sweep(self, job_key: int, alias: int, after: int, limit: int) -> list[Task]:
        """The tasks of a sweep whose index is greater than `after`, in their order."""
        ...

    def unqueue(self, job_key: int, alias: int) -> int:
        """Let no queued task of a sweep start; tells how many there were."""
        ...

    def by_account_alias(self, account: str, alias: int) -> Task | None: ...
    def existing(self, job_key: int, ids: Sequence[str]) -> set[str]:
        """The ids among `ids`, in lower case, that the job has already."""
        ...

    def insert(self, tasks: Sequence[Task]) -> None:
        """Store new tasks: sets key and account_alias of each, and their dependency rows."""
        ...

    def update(self, tasks: Sequence[Task]) -> None:
        """Write all but `spec`, `facts` and `waiting`, which only `wait_less` changes."""
        ...

    def rewrite(self, tasks: Sequence[Task]) -> None:
        """Write `spec` and `facts`."""
        ...

    def delete(self, keys: Sequence[int]) -> None: ...
    def page(self, job_key: int, where: Expression | None, after: int, limit: int) -> list[Task]: ...
    def listed(self, job_key: int, where: Expression | None, position: str, limit: int) -> Listed[Task]:
        """At most `limit` of the job's tasks for which `where` holds, from a position on ("": from the start).

        The work is bounded whatever the job holds, hence a page may be short. A task that was there all the time comes
        once. InvalidValue for a condition that no list has, and for a position that is none.
        """
        ...

    def of_account(self, account: str, after: int, limit: int, states: Sequence[TaskState] = ()) -> list[Task]:
        """Tasks after the account alias `after`, in the order of account aliases."""
        ...

    def queue(self, job_key: int, max_slots: int, max_instances: int, limit: int) -> list[Task]:
        """Queued tasks of a job that need at most `max_slots` and `max_instances`, the oldest first."""
        ...

    def running_of_job(self, job_key: int, after: int = 0, limit: int = 10_000) -> list[Task]: ...
    def search(self, account: str, search: Search) -> list[Task]:
        """Tasks of an account but those that are being deleted. Its time grows with the account: nothing else asks so.

        InvalidValue for a condition that no search has.
        """
        ...

    def in_run_of_account(self, account: str) -> list[Task]: ...
    def running_on_node(self, node_key: int) -> list[Task]: ...
    def running_since(self, jobs: Sequence[int]) -> dict[int, Running]:
        """What runs of each of these jobs, if anything does."""
        ...

    def running(self, account: str) -> Running:
        """What runs of the account."""
        ...

    def unfinished_runs(self) -> list[Task]:
        """Every task that is preparing or running, of all accounts."""
        ...

    def dependents(self, job_key: int, ids: Sequence[str]) -> dict[int, int]:
        """How many dependency rows of which waiting task the `ids` satisfy that are about to: task key to count.

        An integer satisfies a range once: not if another task of that number (`1`, `01`) is satisfied in the store.
        """
        ...

    def satisfy(self, job_key: int, ids: Sequence[str]) -> dict[int, int]:
        """`dependents`, and notes at once that these tasks are satisfied, so that the unit's next call knows."""
        ...

    def satisfied_count(self, job_key: int, ids: Sequence[str], ranges: Sequence[tuple[int, int]]) -> int:
        """How many of these ids, and of the integers in these ranges, are satisfied already."""
        ...

    def wait_less(self, counts: dict[int, int]) -> list[Task]:
        """Lower `waiting` of each task by its count; returns those that came to 0 and are active."""
        ...

    def due(self, now: int, limit: int) -> list[Task]:
        """Running tasks whose deadline has passed."""
        ...

    def to_clean(self, now: int, limit: int) -> list[Task]:
        """Completed tasks whose directory may go."""
        ...

    def next_moment(self) -> int | None:
        """The earliest deadline or clean-up of a task; microseconds since the epoch."""
        ...

    def recent_on_node(self, node_key: int, limit: int) -> list[Task]: ...
    def kept_on_node(self, node_key: int) -> bool:
        """Tell whether the files of a task that ended there are to be kept for some time yet."""
        ...

    def held_by(self, node_task: int) -> list[Task]:
        """Preparing tasks that wait for this node task."""
        ...


class Sweeps(Protocol):
    """Parametric sweeps; their keys and aliases are among those of tasks."""

    def by_alias(self, job_key: int, alias: int) -> Sweep | None: ...
    def of_job(self, job_key: int, after: int = 0) -> list[Sweep]:
        """Those of a job whose key is greater than `after`, in the order of their keys."""
        ...

    def growing(self, limit: int) -> list[Sweep]:
        """Those whose tasks are still being made, the oldest first."""
        ...

    def insert(self, sweep: Sweep) -> None:
        """Store a new one: sets its key."""
        ...

    def update(self, sweeps: Sequence[Sweep]) -> None: ...
    def delete_of_job(self, job_key: int) -> None: ...


class NodeTasks(Protocol):
    """What the service runs on nodes: start, preparation, release and coordination tasks."""

    def by_keys(self, keys: Sequence[int]) -> list[NodeTask]: ...
    def latest(self, node_key: int, kind: NodeTaskKind, job_key: int | None = None) -> NodeTask | None:
        """The last one of a kind on a node (of a job)."""
        ...

    def of_node(self, node_key: int, kind: NodeTaskKind | None = None) -> list[NodeTask]:
        """All on a node, or all of a kind there, the oldest first."""
        ...

    def under_way(self, node_key: int) -> list[NodeTask]:
        """All on a node that are not completed."""
        ...

    def recent_subtasks(self, node_key: int, limit: int) -> list[NodeTask]:
        """The last subtasks on a node, the newest first."""
        ...

    def kept_on_node(self, node_key: int) -> bool:
        """Tell whether the files of a subtask that ended there are to be kept for some time yet."""
        ...

    def of_task(self, task_key: int) -> list[NodeTask]:
        """The instances of a multi-instance task, in the order of their numbers."""
        ...

    def of_job(self, job_key: int) -> list[NodeTask]:
        """All of a job, the oldest first."""
        ...

    def start_tasks(self, node_keys: Sequence[int]) -> dict[int, NodeTask]:
        """The last start task of each of these nodes that has any, by the node's key."""
        ...

    def page(self, job_key: int, where: Expression | None, after: int, limit: int) -> list[Prepared]:
        """The nodes that a job was prepared on, in the order of the preparation tasks' keys."""
        ...

    def insert(self, tasks: Sequence[NodeTask]) -> None:
        """Store new ones: sets the key of each."""
        ...

    def update(self, tasks: Sequence[NodeTask]) -> None: ...
    def delete(self, keys: Sequence[int]) -> None: ...
    def unfinished(self) -> list[NodeTask]:
        """All that are not completed, of all accounts."""
        ...

    def due(self, now: int, limit: int) -> list[NodeTask]:
        """Running ones whose deadline has passed."""
        ...

    def to_clean(self, now: int, limit: int) -> list[NodeTask]:
        """Completed ones whose directory may go."""
        ...

    def next_moment(self) -> int | None:
        """The earliest deadline or clean-up; microseconds since the epoch."""
        ...


class Events(Protocol):
    """History: append and read."""

    def add(self, events: Iterable[Event]) -> None: ...
    def of(self, kind: str, key: int, limit: int = 1000) -> list[Event]: ...
    def prune(self, before: int, limit: int) -> int: ...


class Documents(Protocol):
    """Small named records with an end of life: sessions, query ids, delegation keys, settings kept by faces.

    `kind` names the family; `value` is plain data (what JSON can hold).
    """

    def get(self, kind: str, name: str, now: int) -> Any | None: ...  # noqa: ANN401 - plain data of the caller's own
    def put(self, kind: str, name: str, value: Any, expires_at: int | None = None) -> None: ...  # noqa: ANN401
    def delete(self, kind: str, name: str) -> None: ...
    def all(self, kind: str, now: int) -> dict[str, Any]: ...
    def prune(self, now: int) -> None: ...


class UsageRecords(Protocol):
    """Totals of what was used, and the times in which nodes were there."""

    def add(self, charges: Iterable[tuple[Owner, Totals]]) -> None:
        """Add to the totals of each owner."""
        ...

    def totals(self, kind: str, names: Sequence[str]) -> dict[str, Totals]:
        """The totals of those owners of a kind that have any, by their names."""
        ...

    def forget(self, owner: Owner) -> None: ...
    def open(self, span: NodeSpan) -> None: ...
    def close(self, node_key: int, moment: int) -> NodeSpan | None:
        """End the node's open span, if it has one, and give it."""
        ...

    def open_spans(self, account: str, pools: Sequence[int] | None = None) -> list[NodeSpan]:
        """The open spans of pools of an account, or of all its pools."""
        ...

    def spans(self, account: str, where: Expression | None, since: int, until: int) -> list[NodeSpan]:
        """The spans of an account that have a part between two moments."""
        ...

    def first_moment(self, account: str, since: int) -> int | None:
        """The first moment from `since` on at which a node was there for the account."""
        ...

    def prune(self, before: int, limit: int) -> int: ...


class Leases(Protocol):
    """Which server schedules, and what the others want of it. One lease; its epoch grows with every new owner."""

    def take(self, owner: str, life: int) -> int | None:
        """Take the lease, or renew one's own, for `life` microseconds; its epoch, None while it is another's."""
        ...

    def held(self, owner: str, epoch: int) -> bool:
        """Tell whether the lease is this owner's and of this epoch: nobody has taken it since."""
        ...

    def let_go(self, owner: str, epoch: int) -> None:
        """Let anybody take it at once."""
        ...

    def order(self, value: bytes) -> None:
        """Leave an order, and tell who listens that there is one."""
        ...

    def take_orders(self, limit: int) -> Sequence[bytes]:
        """Take the oldest orders, in their order."""
        ...


class Transaction(Protocol):
    """The repositories, all over one transaction."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def pools(self) -> Pools: ...
    @property
    def samples(self) -> Samples: ...
    @property
    def nodes(self) -> NodeRecords: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def schedules(self) -> JobSchedules: ...
    @property
    def tasks(self) -> Tasks: ...
    @property
    def sweeps(self) -> Sweeps: ...
    @property
    def node_tasks(self) -> NodeTasks: ...
    @property
    def events(self) -> Events: ...
    @property
    def documents(self) -> Documents: ...
    @property
    def usage(self) -> UsageRecords: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def shares(self) -> Any: ...  # noqa: ANN401 - `engine.sharing` states its own protocol


class Store(Protocol):
    """Durable state."""

    @property
    def shared(self) -> bool:
        """Tell whether other servers may use it at the same time."""
        ...

    def read_now(self, work: Callable[[Transaction], T]) -> T:
        """Read, blocking for some milliseconds: for what cannot wait and is seldom asked."""
        ...

    def listen(self, told: Callable[[], object]) -> Callable[[], None]:
        """Have `told` called, in any thread, whenever another server may have left orders; returns what ends that."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` alone and commit; returns its result once that is on disk. What it raises is raised, undone."""
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on a consistent view, beside the writers."""
        ...


class Clock(Protocol):
    """Time, as the engine is told it."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...
