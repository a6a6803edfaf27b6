"""Which task starts where, now: `schedule` applies the rules of `eligibility` to one pool inside a unit of work.

Higher job priority first; then the older job or, as the pool says, each job of that priority alike; then the older
task. A task that does not fit now keeps its turn: smaller ones of its job wait, and the node that has most room for it
is kept from the jobs behind, so that it cannot starve. One that no node suits, were it empty, holds nothing. For one
that takes several nodes all empty ones are kept, if the pool has as many as it needs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from msgspec.structs import replace

from linarite.engine import coordination
from linarite.engine.eligibility import (
    allowed,
    empty,
    free_slots,
    gather,
    has_enough,
    is_open,
    may_start,
    most_instances,
    startable,
    suitable,
    suits,
)  # fmt: skip
from linarite.engine.finding import first_pool
from linarite.engine.launches import task_launch
from linarite.engine.ledger import Ledger
from linarite.engine.model import Job, JobOrder, Node, Pool, PoolState, Task, TaskState
from linarite.engine.preemption import make_way, preempt
from linarite.engine.preparation import prepare, refuses
from linarite.engine.starting import beginning


def schedule(u: Ledger, pool: Pool) -> int:
    """Start what can start on a pool; returns how many tasks."""
    if pool.state is not PoolState.ACTIVE:
        return 0
    nodes = [node for node in u.nodes_of(pool) if free_slots(node)]
    runnable = u.tx.jobs.runnable(pool.account, pool.spec.id, u.now) if nodes else []
    started = 0
    for _, equals in groupby(map(u.known, runnable), attrgetter("spec.priority")):
        jobs = list(equals)
        started += _restart(u, pool, jobs, nodes)
        share = _share if pool.spec.job_order is JobOrder.UNIFORM else _in_turn
        started += share(u, pool, jobs, nodes)
        if not any(map(free_slots, nodes)):
            break
    return started


def _restart(u: Ledger, pool: Pool, equals: Iterable[Job], nodes: list[Node]) -> int:
    """Start tasks again that manage their jobs before all else of their priority."""
    return sum(_schedule_job(u, pool, job, nodes, 1) for job in equals if job.restarting and may_start(u, job))


def _in_turn(u: Ledger, pool: Pool, equals: Iterable[Job], nodes: list[Node]) -> int:
    """Give jobs of one priority room in their order."""
    started = 0
    for job in equals:
        if may_start(u, job):
            started += _schedule_job(u, pool, job, nodes)
            if not any(map(free_slots, nodes)):
                break
    return started


def _share(u: Ledger, pool: Pool, equals: Iterable[Job], nodes: list[Node]) -> int:
    """Give jobs of one priority room so that each has as many tasks running as the others, as long as it has some.

    Of those that have as many, the one that has waited longest since it last got something is first: none starves.
    """
    ready = [job for job in equals if may_start(u, job)]
    started = 0
    while ready and (room := sum(map(free_slots, nodes))):
        ready.sort(key=lambda job: (job.counts.running, job.last_task_at or job.created_at, job.key))
        level = (room + sum(job.counts.running for job in ready)) // len(ready)
        going_on = []
        for job in ready:
            wanted = max(1, level - job.counts.running)
            begun = _schedule_job(u, pool, job, nodes, wanted)
            started += begun
            if begun == wanted:
                going_on.append(job)
        ready = going_on
    return started


def schedule_all(u: Ledger) -> None:
    """Start what can start anywhere, and make room where a job may take it from others."""
    for account, name in u.tx.jobs.waiting_pools(u.now):
        pool = u.tx.pools.get(account, name) if name else _house(u, account)
        if pool is not None:
            schedule(u, pool)
            preempt(u, pool)
            make_way(u, pool)


def _house(u: Ledger, account: str) -> Pool | None:
    """Give the jobs that name no pool the account's first active one, for good."""
    pool = first_pool(u.tx, account)
    if pool is not None:
        for job in map(u.known, u.tx.jobs.runnable(account, "", u.now)):
            u.tx.jobs.update(u.put_job(replace(job, spec=replace(job.spec, pool=pool.spec.id))))
    return pool


def _schedule_job(u: Ledger, pool: Pool, job: Job, nodes: list[Node], most: int | None = None) -> int:
    """Start tasks of a job, `most` at most; a node that is kept for one that does not fit goes out of `nodes`."""
    placement = job.spec.placement
    usable = [node for node in nodes if allowed(placement, node) and not refuses(u, job, node)]
    if placement.single_node:
        usable = _single(u, job, usable)
    if not has_enough(job, usable):
        return _keep_whole(u, pool, job, usable, nodes)
    room = min(startable(job, sum(map(free_slots, usable))), most or sys.maxsize)
    started = 0
    for task in u.queue(job, pool.spec.slots_per_node, most_instances(u, pool, job), room + 1) if room > 0 else ():
        if started == room or _has_most(job, task):
            break
        chosen = gather(task, placement, pool.spec.fill, usable)
        if not chosen and not suitable(u, pool, task):
            continue
        if not chosen:
            _keep_for(task, usable, nodes)
            break
        if task.spec.multi_instance is None:
            start(u, job, task, chosen[0])
        else:
            coordination.begin(u, job, task, chosen)
        started += 1
        if placement.single_node:
            usable = chosen
    return started


def _has_most(job: Job, task: Task) -> bool:
    """Tell whether one more task would be more than its job may have at once; a single one always may run."""
    most, running = job.spec.placement.max_slots, job.counts.running_slots
    return most >= 0 and running > 0 and running + task.spec.required_slots > most


def _keep_whole(u: Ledger, pool: Pool, job: Job, usable: Sequence[Node], nodes: list[Node]) -> int:
    """Keep the nodes of a job that begins with many from the jobs behind, if the pool has as many; starts nothing."""
    open_ = [node for node in u.nodes_of(pool) if is_open(node) and allowed(job.spec.placement, node)]
    placement = job.spec.placement
    if sum(node.slots for node in open_) >= placement.min_slots and len(open_) >= placement.min_nodes:
        for node in usable:
            nodes.remove(node)
    return 0


def _keep_for(task: Task, usable: Iterable[Node], nodes: list[Node]) -> None:
    """Keep the node with most room from the jobs behind, or all that are empty for a task that takes several."""
    fit = [node for node in usable if suits(task, node)]
    if task.spec.multi_instance is not None:
        for node in empty(task, fit):
            nodes.remove(node)
    elif fit:
        nodes.remove(max(fit, key=free_slots))


def _single(u: Ledger, job: Job, nodes: list[Node]) -> list[Node]:
    used = {task.node_key for task in u.tx.tasks.running_of_job(job.key)} if job.counts.running else set()
    return [node for node in nodes if node.key in used] if used else nodes


def start(u: Ledger, job: Job, task: Task, node: Node) -> Task:
    """Give a task its node and its next run; the launch follows once this is on disk, or once the node is prepared."""
    first = prepare(u, job, node)
    begins = beginning(u, task.spec.max_wall_clock if first is None else None, brings=task.spec.brings)
    new = replace(
        task, state=begins.state if first is None else TaskState.PREPARING, state_at=u.now, previous_state=task.state,
        previous_state_at=task.state_at, queued=False, attempt=task.attempt + 1, node_key=node.key, node=node.id,
        pool=node.pool, held_by=None if first is None else first.key, started_at=begins.started_at,
        deadline=begins.deadline,
    )  # fmt: skip
    node.total_tasks += 1
    u.effects.wake |= begins.deadline is not None
    u.put_task(task, new)
    u.began(job)
    job.last_task_at = u.now
    if first is None:
        u.effects.launch.append(task_launch(u, job, new, node))
    return new
