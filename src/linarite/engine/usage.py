"""What was used: by the runs of tasks, and of nodes' time. Added up with each change, never by looking at all of it.

A run is charged when it ends, to its task, its job, the job's schedule, the pool and the account; what still runs is
added by those who ask, from its start. A node counts as many cores as it has task slots: an engine knows no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from linarite.engine.launching import Usage

if TYPE_CHECKING:
    from linarite.engine.ledger import Ledger
    from linarite.engine.model import Job, Node, NodeTask, Task

BLOCK = 512
"""Bytes of one operation on a disk, as Linux counts them."""


class Spent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What runs used: microseconds of processors and of the clock, operations on disks, the most bytes of memory.

    `memory` adds up the most of each run by its length: KiB for milliseconds.
    """

    user_time: int = 0
    kernel_time: int = 0
    wall_time: int = 0
    reads: int = 0
    writes: int = 0
    memory: int = 0
    peak: int = 0

    @staticmethod
    def of_run(usage: Usage, started: int | None, ended: int) -> Spent:
        """What a run used that lasted from `started` to `ended`; None for one that never began."""
        wall = 0 if started is None else max(0, ended - started)
        return Spent(
            user_time=round(usage.user_seconds * 1_000_000),
            kernel_time=round(usage.kernel_seconds * 1_000_000),
            wall_time=wall,
            reads=usage.read_operations,
            writes=usage.write_operations,
            memory=usage.peak_bytes // 1024 * (wall // 1000),
            peak=usage.peak_bytes,
        )

    def plus(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(
            user_time=self.user_time + other.user_time,
            kernel_time=self.kernel_time + other.kernel_time,
            wall_time=self.wall_time + other.wall_time,
            reads=self.reads + other.reads,
            writes=self.writes + other.writes,
            memory=self.memory + other.memory,
            peak=max(self.peak, other.peak),
        )


NOTHING = Spent()


class Totals(msgspec.Struct, kw_only=True):
    """What was used by all that belongs to one thing, and how its tasks ended; microseconds.

    `wait_time` is what tasks that ended had waited for their last start. `dedicated` and `low_priority` are the time of
    the cores of nodes.
    """

    user_time: int = 0
    kernel_time: int = 0
    wall_time: int = 0
    reads: int = 0
    writes: int = 0
    memory: int = 0
    peak: int = 0
    wait_time: int = 0
    succeeded: int = 0
    failed: int = 0
    retries: int = 0
    dedicated: int = 0
    low_priority: int = 0

    def add(self, run: Spent) -> None:
        """Add what a run used. Written out: this is done for each run."""
        self.user_time += run.user_time
        self.kernel_time += run.kernel_time
        self.wall_time += run.wall_time
        self.reads += run.reads
        self.writes += run.writes
        self.memory += run.memory
        self.peak = max(self.peak, run.peak)


class Owner(NamedTuple):
    """Whose totals: a `job`, `schedule` or `pool` by its number, the `jobs` or `pools` of an account by its name."""

    kind: str
    name: str


class NodeSpan(msgspec.Struct, kw_only=True):
    """A time in which a node was there for its pool: until it left, was deallocated, or still is."""

    node_key: int
    account: str
    pool_key: int
    pool: str
    size: str
    dedicated: bool
    cores: int
    started_at: int
    ended_at: int | None = None

    def within(self, start: int, end: int) -> int:
        """Microseconds of its cores between two moments."""
        until = end if self.ended_at is None else min(self.ended_at, end)
        return max(0, until - max(self.started_at, start)) * self.cores


class PoolUsage(NamedTuple):
    """Microseconds of cores that a pool had in an interval from `start`."""

    start: int
    pool_key: int
    pool: str
    size: str
    core_time: int


def by_interval(spans: Iterable[NodeSpan], start: int, end: int, step: int) -> list[PoolUsage]:
    """What each pool had in each of the intervals of `step` from `start` to `end`, in the order of time."""
    time: dict[tuple[int, int], int] = {}
    pools: dict[int, tuple[str, str]] = {}
    for span in spans:
        pools[span.pool_key] = span.pool, span.size
        first = start + max(0, span.started_at - start) // step * step
        for at in range(first, min(end, end if span.ended_at is None else span.ended_at), step):
            key = at, span.pool_key
            time[key] = time.get(key, 0) + span.within(at, at + step)
    return [PoolUsage(at, pool_key, *pools[pool_key], time[at, pool_key]) for at, pool_key in sorted(time)]


class Running(NamedTuple):
    """How many runs go on, and the sum of the moments at which they began."""

    number: int = 0
    started: int = 0

    def wall(self, now: int) -> int:
        """Microseconds that they have lasted together."""
        return max(0, self.number * now - self.started)


class Charges:
    """What a unit of work adds to totals, gathered until its end."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._jobs: dict[int, tuple[Job, Totals]] = {}
        self._pools: dict[int, tuple[str, Totals]] = {}
        self._gone: set[Owner] = set()

    def __iter__(self) -> Iterator[tuple[Owner, Totals]]:
        """Each owner that is still there with what is added to it; one may come more than once."""
        return ((owner, totals) for owner, totals in self._all() if owner not in self._gone)

    def _all(self) -> Iterator[tuple[Owner, Totals]]:
        for key, (job, totals) in self._jobs.items():
            yield Owner("job", str(key)), totals
            yield Owner("jobs", job.account), totals
            if job.schedule_key is not None:
                yield Owner("schedule", str(job.schedule_key)), totals
        for key, (account, totals) in self._pools.items():
            yield Owner("pool", str(key)), totals
            yield Owner("pools", account), totals

    def forget(self, owner: Owner) -> None:
        """Add nothing to the totals of one that goes."""
        self._gone.add(owner)

    def job(self, job: Job) -> Totals:
        """What is added to a job, its schedule and its account, to be added to."""
        found = self._jobs.get(job.key)
        if found is None:
            found = self._jobs[job.key] = job, Totals()
        return found[1]

    def pool(self, account: str, pool_key: int) -> Totals:
        """The same for a pool and its account."""
        found = self._pools.get(pool_key)
        if found is None:
            found = self._pools[pool_key] = account, Totals()
        return found[1]


def run_ended(u: Ledger, task: Task, started: int | None, at: int, usage: Usage) -> Task:
    """The task with a run that ended and began at `started`, charged to all that it belongs to."""
    run = Spent.of_run(usage, started, at)
    u.charges.job(u.job(task.job_key)).add(run)
    node = u.node(task.node_key) if task.node_key is not None else None
    if node is not None:
        u.charges.pool(node.account, node.pool_key).add(run)
    return replace(task, started_at=started, usage=run if task.usage is None else task.usage.plus(run))


def own_run_ended(u: Ledger, own: NodeTask, started: int | None, at: int, usage: Usage) -> None:
    """Charge a run of the service's own to the pool whose node it ran on; that of an instance to its task as well.

    A task's statistics sum up processors and disks over all of its nodes, says their page (BatchTaskStatistics); its
    time is its own, from the coordination on, and so is that on its first node.
    """
    run = Spent.of_run(usage, started, at)
    besides = replace(run, wall_time=0, memory=0)
    node = u.node(own.node_key)
    if node is not None:
        counts = own.task_key is None or own.is_subtask
        u.charges.pool(node.account, node.pool_key).add(run if counts else besides)
    task = None if own.task_key is None else u.tx.tasks.by_key(own.task_key)
    if task is not None:
        task = u.task(task)
        u.charges.job(u.job(task.job_key)).add(besides)
        u.put_task(task, replace(task, usage=besides if task.usage is None else task.usage.plus(besides)))


def task_ended(u: Ledger, job: Job, task: Task, *, well: bool) -> None:
    """Count a task that completed, and how long it had waited for its last start."""
    totals = u.charges.job(job)
    if well:
        totals.succeeded += 1
    else:
        totals.failed += 1
    if task.started_at is not None:
        totals.wait_time += max(0, task.started_at - task.created_at)


def task_retried(u: Ledger, job: Job) -> None:
    """Count one try more."""
    u.charges.job(job).retries += 1


def node_comes(u: Ledger, node: Node) -> None:
    """Note that a node is there for its pool from now on."""
    pool = u.tx.pools.by_key(node.pool_key)
    span = NodeSpan(
        node_key=node.key, account=node.account, pool_key=node.pool_key, pool=node.pool,
        size="" if pool is None else pool.spec.size,
        dedicated=node.dedicated, cores=node.slots, started_at=u.now,
    )  # fmt: skip
    u.tx.usage.open(span)


def node_goes(u: Ledger, node: Node) -> None:
    """Note that it is not any more, and charge its time."""
    span = u.tx.usage.close(node.key, u.now)
    if span is None:
        return
    totals = u.charges.pool(node.account, node.pool_key)
    time = span.within(span.started_at, u.now)
    if span.dedicated:
        totals.dedicated += time
    else:
        totals.low_priority += time
