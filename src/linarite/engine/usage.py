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
    from linarite.engine.model import Job, Node, Task

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

    def with_run(self, usage: Usage, wall: int) -> Spent:
        """The same and a run of `wall` microseconds."""
        return Spent(
            user_time=self.user_time + round(usage.user_seconds * 1_000_000),
            kernel_time=self.kernel_time + round(usage.kernel_seconds * 1_000_000),
            wall_time=self.wall_time + wall,
            reads=self.reads + usage.read_operations,
            writes=self.writes + usage.write_operations,
            memory=self.memory + usage.peak_bytes // 1024 * (wall // 1000),
            peak=max(self.peak, usage.peak_bytes),
        )


NOTHING = Spent()
_ADDED = [name for name in Spent.__struct_fields__ if name != "peak"]


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
        self._by_owner: dict[Owner, Totals] = {}

    def forget(self, owner: Owner) -> None:
        """Add nothing to the totals of one that goes."""
        self._by_owner.pop(owner, None)

    def __iter__(self) -> Iterator[tuple[Owner, Totals]]:
        """Each owner with what is added to it."""
        return iter(self._by_owner.items())

    def spent(self, owner: Owner, before: Spent, after: Spent) -> None:
        """What came between two states of a task."""
        totals = self.of(owner)
        for name in _ADDED:
            setattr(totals, name, getattr(totals, name) + getattr(after, name) - getattr(before, name))
        totals.peak = max(totals.peak, after.peak)

    def of(self, owner: Owner) -> Totals:
        """What is added to an owner's totals so far, to be added to."""
        return self._by_owner.setdefault(owner, Totals())


def run_ended(u: Ledger, task: Task, started: int | None, at: int, usage: Usage) -> Task:
    """The task with a run that ended, which is charged to all that it belongs to."""
    before = task.usage or NOTHING
    spent = before.with_run(usage, max(0, at - (at if started is None else started)))
    job = u.job(task.job_key)
    node = u.node(task.node_key) if task.node_key is not None else None
    for owner in (*_owners(job), *(_pool_owners(node.account, node.pool_key) if node else ())):
        u.charges.spent(owner, before, spent)
    return replace(task, usage=spent)


def own_run_ended(u: Ledger, node_key: int, started: int | None, at: int, usage: Usage) -> None:
    """Charge a run of the service's own to the pool whose node it ran on."""
    node = u.node(node_key)
    if node is not None:
        spent = NOTHING.with_run(usage, max(0, at - (at if started is None else started)))
        for owner in _pool_owners(node.account, node.pool_key):
            u.charges.spent(owner, NOTHING, spent)


def task_ended(u: Ledger, job: Job, task: Task, *, well: bool) -> None:
    """Count a task that completed, and how long it had waited for its last start."""
    for owner in _owners(job):
        totals = u.charges.of(owner)
        totals.succeeded += well
        totals.failed += not well
        if task.started_at is not None:
            totals.wait_time += max(0, task.started_at - task.created_at)


def task_retried(u: Ledger, job: Job) -> None:
    """Count one try more."""
    for owner in _owners(job):
        u.charges.of(owner).retries += 1


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
    for owner in _pool_owners(node.account, node.pool_key):
        totals = u.charges.of(owner)
        if span.dedicated:
            totals.dedicated += span.within(span.started_at, u.now)
        else:
            totals.low_priority += span.within(span.started_at, u.now)


def _owners(job: Job) -> list[Owner]:
    owners = [Owner("job", str(job.key)), Owner("jobs", job.account)]
    return owners if job.schedule_key is None else [*owners, Owner("schedule", str(job.schedule_key))]


def _pool_owners(account: str, pool_key: int) -> tuple[Owner, Owner]:
    return Owner("pool", str(pool_key)), Owner("pools", account)
