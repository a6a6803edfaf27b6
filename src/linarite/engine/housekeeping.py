"""What time brings: deadlines, pools that come to rest, deleted jobs that go, old files and old records."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from linarite.engine import layout, runs, scaling, sweeps
from linarite.engine.effects import node_ref
from linarite.engine.endings import end_job
from linarite.engine.jobs import purge
from linarite.engine.ledger import Ledger
from linarite.engine.model import JobState, OnRunning, PoolState
from linarite.engine.pools import settle_pool, time_out
from linarite.engine.ports import Transaction
from linarite.engine.recurrence import schedules

LONGEST_SLEEP = 3_600_000_000
FORGOTTEN, PRUNED = 10, 1000
"""So many jobs and events go in one pass at most; when there were about as many, another pass follows."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long history is kept, in microseconds; None is for ever."""

    events: int | None = None
    finished_jobs: int | None = None


def next_moment(now: int) -> Callable[[Transaction], int]:
    """The question when the next pass is due, even if nothing happens."""

    def ask(tx: Transaction) -> int:
        moments = (
            tx.jobs.next_moment(now), tx.schedules.next_moment(), tx.tasks.next_moment(), tx.node_tasks.next_moment(),
            tx.pools.next_moment(), tx.pools.next_tick(),
        )  # fmt: skip
        return min([*(moment for moment in moments if moment is not None), now + LONGEST_SLEEP])

    return ask


def tend(u: Ledger, retention: Retention) -> None:
    """One pass. Each part does a bounded piece of work and is called again when more is left."""
    scaling.tick(u)
    runs.expire(u)
    for job in u.tx.jobs.due(u.now):
        end_job(u, replace(u.known(job), deadline=None), "MaxWallClockTimeExpiry")
    schedules.tend(u)
    sweeps.tend(u)
    for job in u.tx.jobs.in_states([JobState.DELETING.value]):
        purge(u, u.known(job))
    if retention.finished_jobs is not None:
        _forget(u, u.now - retention.finished_jobs)
    _settle_pools(u)
    _clean(u)
    _prune(u, retention)


def _forget(u: Ledger, before: int) -> None:
    """Delete the jobs that ended long ago."""
    old = u.tx.jobs.ended_before(before, FORGOTTEN)
    u.effects.tend |= len(old) == FORGOTTEN
    for job in old:
        purge(u, u.move_job(u.known(job), JobState.DELETING, "retention"))


def _settle_pools(u: Ledger) -> None:
    for pool in u.tx.pools.due(u.now):
        time_out(u, pool)
    changing = {node.pool_key for node in u.tx.nodes.changing()}
    for pool in u.tx.pools.all():
        if pool.key in changing or pool.lacking or pool.state is PoolState.DELETING:
            settle_pool(u, pool)


def _clean(u: Ledger) -> None:
    for task in u.tx.tasks.to_clean(u.now, 100):
        node = u.node(task.node_key) if task.node_key is not None else None
        if node is not None:
            job = u.job(task.job_key)
            u.effects.remove.append((node_ref(node), layout.task_directory(job.spec.id, task.spec.id)))
            u.effects.tend |= node.on_running is OnRunning.RETAIN
        u.put_task(task, replace(task, cleanup_at=None))
    for own in u.tx.node_tasks.to_clean(u.now, 100):
        node = u.node(own.node_key)
        if node is not None:
            u.effects.remove.append((node_ref(node), own.removable))
            u.effects.tend |= node.on_running is OnRunning.RETAIN
        u.put_node_task(own, replace(own, cleanup_at=None))


def _prune(u: Ledger, retention: Retention) -> None:
    u.tx.documents.prune(u.now)
    if retention.events is not None:
        before = u.now - retention.events
        pruned = max(u.tx.events.prune(before, PRUNED), u.tx.usage.prune(before, PRUNED))
        u.effects.tend |= pruned > PRUNED // 2
