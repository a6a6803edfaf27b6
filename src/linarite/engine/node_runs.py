"""The reports of what the service runs on nodes: what a start task's end means for its node, a preparation's for a job.

A node whose start task failed takes no tasks; a preparation task that failed sends the tasks that waited for it back.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from linarite.engine import coordination, node_tasks
from linarite.engine.counting import BUSY
from linarite.engine.effects import NODE_RUN, node_run_name
from linarite.engine.endings import reset, settle
from linarite.engine.failures import LOST, ended_failure
from linarite.engine.launches import node_task_launch, task_launch
from linarite.engine.launching import Report
from linarite.engine.ledger import Ledger
from linarite.engine.model import (
    Ending,
    JobState,
    Node,
    NodeState,
    NodeTask,
    NodeTaskKind,
    Pool,
    Task,
    TaskState,
)  # fmt: skip
from linarite.engine.pools import settle_pool
from linarite.engine.starting import go_on

STARTUP = "startup"


def take(u: Ledger, reports: Sequence[Report]) -> None:
    """Apply reports of node tasks' runs, in their order; one of a run that is over changes nothing."""
    known = {own.key: own for own in u.tx.node_tasks.by_keys(sorted(set(map(_key, reports))))}
    for report in reports:
        own = known.get(_key(report))
        if own is None or u.is_gone(report.run):
            continue
        own = u.node_task(own)
        if own.state is not TaskState.COMPLETED and node_run_name(own) == report.run:
            _follow(u, node_tasks.apply(u, own, report))


def _follow(u: Ledger, own: NodeTask) -> None:
    if own.kind is NodeTaskKind.COORDINATION:
        coordination.follow(u, own)
    else:
        ended(u, own)


def _key(report: Report) -> int:
    return int(report.run.removeprefix(NODE_RUN).partition(".")[0])


def ended(u: Ledger, own: NodeTask) -> None:
    """Do what the end of one brings, when it has ended."""
    if own.state is not TaskState.COMPLETED:
        return
    match own.kind:
        case NodeTaskKind.START:
            _after_start(u, own)
        case NodeTaskKind.PREPARATION:
            _after_preparation(u, own)
    if own.job_key is not None:
        job = u.job(own.job_key)
        u.effects.tend |= job.state is JobState.DELETING
        settle(u, job)


def boot(u: Ledger, node: Node, pool: Pool) -> Node:
    """Bring a node whose folders are there into service: at once, or when its start task has succeeded."""
    command = pool.spec.start_task
    facts = {} if node.state is NodeState.REIMAGING else node.facts
    node = replace(node, boot_at=u.now, on_running=None, told=False, failure=None, facts=facts)
    _forget_start_tasks(u, node)
    if command is None:
        return u.move_node(node, node.in_service)
    node = u.move_node(node, NodeState.WAITING_FOR_START_TASK if command.wait_for_success else node.in_service)
    ended(u, node_tasks.begin(u, NodeTaskKind.START, node, command, STARTUP))
    return u.node(node.key) or node


def _forget_start_tasks(u: Ledger, node: Node) -> None:
    """A node tells of the start task of its present life alone."""
    for own in u.tx.node_tasks.of_node(node.key, NodeTaskKind.START):
        u.drop_node_task(own, with_directory=False)


def _after_start(u: Ledger, own: NodeTask) -> None:
    node = u.node(own.node_key)
    if node is None or node.state is not NodeState.WAITING_FOR_START_TASK:
        return
    failed = own.failure is not None
    u.move_node(
        node, NodeState.START_TASK_FAILED if failed else node.in_service, own.failure.code if own.failure else ""
    )
    pool = u.tx.pools.by_key(node.pool_key)
    if pool is not None:
        settle_pool(u, pool)


def _after_preparation(u: Ledger, own: NodeTask) -> None:
    for task in map(u.task, u.tx.tasks.held_by(own.key)):
        if task.state not in BUSY or task.ending is not None:
            continue
        if node_tasks.succeeded(own):
            _let_run(u, task)
        else:
            u.put_task(task, reset(u, task), "the node could not be prepared")
    coordination.after_preparation(u, own)
    u.effects.wake = True


def _let_run(u: Ledger, task: Task) -> None:
    assert task.node_key is not None, "a task is held on a node"
    node = u.node(task.node_key)
    assert node is not None, "a node stays while a task is on it"
    new = go_on(u, task, None, brings=task.spec.brings)
    u.effects.launch.append(task_launch(u, u.job(task.job_key), new, node))


def resume(u: Ledger, own: NodeTask) -> None:
    """After a start: launch again what should run, end what should end."""
    node = u.node(own.node_key)
    if node is None:
        failure = LOST if own.task_key is not None else ended_failure(Ending.TERMINATED, "The node is gone.")
        _follow(u, node_tasks.complete(u, own, failure=failure))
    elif own.ending is not None:
        u.end_node_task(own, 0)
    elif own.attempt:
        u.effects.launch.append(node_task_launch(u, own, node))


def expire(u: Ledger) -> None:
    """End what has run out of time."""
    for own in u.tx.node_tasks.due(u.now, 100):
        node_tasks.end(u, replace(u.node_task(own), deadline=None), Ending.TIMEOUT)
