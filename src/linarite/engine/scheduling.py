"""Which task starts where, now. `choose` is pure; `schedule` applies it to one pool inside a unit of work.

Higher job priority first, then the older job, then the older task. A task that does not fit now keeps its turn: smaller
ones of its job wait, and the node that has most room for it is kept from the jobs behind, so that it cannot starve.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from linarite.engine.endings import end_job
from linarite.engine.finding import first_pool
from linarite.engine.launches import task_launch
from linarite.engine.ledger import Ledger
from linarite.engine.model import (
    Job,
    JobState,
    Node,
    NodeFill,
    NodeState,
    Placement,
    Pool,
    PoolState,
    Task,
    TaskState,
)  # fmt: skip
from linarite.engine.preparation import prepare, refuses

ELIGIBLE = {NodeState.IDLE, NodeState.RUNNING}


def free_slots(node: Node) -> int:
    """Slots that a task could use now."""
    open_ = node.scheduling and node.state in ELIGIBLE
    return max(0, node.slots - node.running_slots) if open_ else 0


def allowed(placement: Placement, node: Node) -> bool:
    """Tell whether a job may use the node at all."""
    name = node.id.lower()
    return (not placement.nodes or name in placement.nodes) and name not in placement.excluded


def choose(task: Task, placement: Placement, fill: NodeFill, nodes: Iterable[Node]) -> Node | None:
    """The node for a task, None when it fits on none now. A preferred node wins when it has room."""
    need = task.spec.required_slots
    fit = [node for node in nodes if free_slots(node) >= need and not (placement.exclusive and node.running_tasks)]
    if not fit:
        return None
    for node in fit:
        if node.id == task.spec.preferred_node:
            return node
    pick = min if fill is NodeFill.PACK else max
    return pick(fit, key=free_slots)


def schedule(u: Ledger, pool: Pool) -> int:
    """Start what can start on a pool; returns how many tasks."""
    if pool.state is not PoolState.ACTIVE:
        return 0
    nodes = [node for node in u.nodes_of(pool) if free_slots(node)]
    started = 0
    for job in u.tx.jobs.runnable(pool.account, pool.spec.id, u.now) if nodes else ():
        job = u.known(job)  # noqa: PLW2901 - the unit's own copy of it
        if job.state is not JobState.ACTIVE or not job.queued or not _parents_done(u, job):
            continue
        started += _schedule_job(u, pool, job, nodes)
        if not any(map(free_slots, nodes)):
            break
    return started


def schedule_all(u: Ledger) -> None:
    """Start what can start anywhere."""
    for account, name in u.tx.jobs.waiting_pools(u.now):
        pool = u.tx.pools.get(account, name) if name else _house(u, account)
        if pool is not None:
            schedule(u, pool)


def _house(u: Ledger, account: str) -> Pool | None:
    """Give the jobs that name no pool the account's first active one, for good."""
    pool = first_pool(u.tx, account)
    if pool is not None:
        for job in map(u.known, u.tx.jobs.runnable(account, "", u.now)):
            u.tx.jobs.update(u.put_job(replace(job, spec=replace(job.spec, pool=pool.spec.id))))
    return pool


def _parents_done(u: Ledger, job: Job) -> bool:
    for name in job.spec.parents:
        parent = u.tx.jobs.get(job.account, name)
        if parent is None:
            continue
        parent = u.known(parent)
        if parent.state is not JobState.COMPLETED:
            return False
        if job.spec.fail_with_parents and (parent.counts.failed or parent.counts.active):
            end_job(u, job, "ParentFailed")
            return False
    return True


def _schedule_job(u: Ledger, pool: Pool, job: Job, nodes: list[Node]) -> int:
    placement = job.spec.placement
    usable = [node for node in nodes if allowed(placement, node) and not refuses(u, job, node)]
    if placement.single_node:
        usable = _single(u, job, usable)
    room = sum(map(free_slots, usable))
    if job.spec.max_parallel_tasks >= 0:
        room = min(room, job.spec.max_parallel_tasks - job.counts.running)
    if room <= 0:
        return 0
    started = 0
    for task in u.tx.tasks.queue(job.key, pool.spec.slots_per_node, room):
        node = choose(task, placement, pool.spec.fill, usable)
        if node is None:
            nodes.remove(max(usable, key=free_slots))
            break
        start(u, job, task, node)
        started += 1
        if placement.single_node:
            usable = [node]
    return started


def _single(u: Ledger, job: Job, nodes: list[Node]) -> list[Node]:
    used = {task.node_key for task in u.tx.tasks.running_of_job(job.key)} if job.counts.running else set()
    return [node for node in nodes if node.key in used] if used else nodes


def start(u: Ledger, job: Job, task: Task, node: Node) -> Task:
    """Give a task its node and its next run; the launch follows once this is on disk, or once the node is prepared."""
    first = prepare(u, job, node)
    limit = task.spec.max_wall_clock if first is None else None
    fetching = bool(task.spec.resource_files) or first is not None
    new = replace(
        task, state=TaskState.PREPARING if fetching else TaskState.RUNNING, state_at=u.now, previous_state=task.state,
        previous_state_at=task.state_at, queued=False, attempt=task.attempt + 1, node_key=node.key, node=node.id,
        pool=node.pool, held_by=None if first is None else first.key, started_at=u.now,
        deadline=None if limit is None else u.now + limit,
    )  # fmt: skip
    node.total_tasks += 1
    u.effects.wake |= limit is not None
    u.put_task(task, new)
    if job.first_task_at is None:
        job.first_task_at = u.now
    if first is None:
        u.effects.launch.append(task_launch(u, job, new, node))
    return new
