"""What the nodes report, brought into the records: runs that started, exited, failed or were lost; nodes."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from linarite.engine import cluster, coordination, machines, node_life, node_runs, outcomes
from linarite.engine.counting import BUSY
from linarite.engine.effects import NODE_RUN, run_name
from linarite.engine.endings import end_task
from linarite.engine.failures import told_failure
from linarite.engine.launches import task_launch
from linarite.engine.launching import (
    NodeFreed,
    NodeReady,
    NodeReport,
    NodeUnusable,
    Problem,
    Report,
    RunExited,
    RunReturned,
    RunStarted,
)
from linarite.engine.ledger import SERVING, Ledger
from linarite.engine.model import (
    AllocationState,
    Ending,
    Node,
    NodeState,
    Pool,
    Task,
    TaskState,
)  # fmt: skip
from linarite.engine.pools import settle_pool
from linarite.engine.starting import started


def take(u: Ledger, reports: Sequence[Report]) -> None:
    """Apply a batch of reports in their order. A report of a run that is not the task's any more changes nothing."""
    of_tasks = [report for report in reports if not report.run.startswith(NODE_RUN)]
    if len(of_tasks) < len(reports):
        node_runs.take(u, [report for report in reports if report.run.startswith(NODE_RUN)])
    tasks = {task.key: task for task in u.tx.tasks.by_keys(sorted(set(map(_task_key, of_tasks))))}
    for report in of_tasks:
        task = tasks.get(_task_key(report))
        if task is None or u.is_gone(report.run):
            continue
        task = u.task(task)
        if task.state in BUSY and run_name(task) == report.run:
            _apply(u, task, report)


def _task_key(report: Report) -> int:
    return int(report.run.partition(".")[0])


def _apply(u: Ledger, task: Task, report: Report) -> None:
    if isinstance(report, RunExited) and report.overdue and task.ending is None:
        task = replace(task, ending=Ending.TIMEOUT)
    match report:
        case RunStarted():
            if task.state is TaskState.PREPARING:
                started(u, task, report.at, report.container)
        case RunReturned():
            return  # no task's own run stays
        case _ if task.spec.multi_instance is not None:
            coordination.take(u, task, report)
        case RunExited():
            outcomes.take(u, replace(task, started_at=report.started_at), report)
        case _:
            outcomes.take(u, task, report)


def take_nodes(u: Ledger, reports: Sequence[NodeReport]) -> None:
    """Nodes that became ready or unusable, or were freed."""
    for report in reports:
        node = u.node(report.node.key)
        if node is None or not (_awaits(node) or _gives_way(node, report)):
            continue
        pool = u.tx.pools.by_key(node.pool_key)
        if isinstance(report, NodeUnusable):
            failure = told_failure(
                Problem(code=report.code, message=report.message, user=False, details=report.details)
            )
            broken = replace(node, failure=failure, on_running=None, told=False)
            u.move_node(broken, NodeState.UNUSABLE, report.message)
        elif isinstance(report, NodeFreed):
            node_life.freed(u, node)
        elif pool is not None:
            _make_ready(u, node, report, pool)
        if pool is not None and pool.allocation is not AllocationState.STEADY:
            settle_pool(u, pool)


def _make_ready(u: Ledger, node: Node, report: NodeReady, pool: Pool) -> None:
    memory = node.memory_mb if node.is_machine and node.memory_mb else report.memory_mb  # the cluster knows its own
    node = replace(node, memory_mb=memory, cpu_mhz=report.cpu_mhz)
    failure = machines.failure_of(u, node)
    if failure is None:
        node_runs.boot(u, node, pool)
    else:
        broken = replace(node, failure=failure, on_running=None, told=False)
        u.move_node(broken, NodeState.UNUSABLE, failure.message)


def _awaits(node: Node) -> bool:
    """Tell whether where the node stands was asked for something, and has not answered."""
    return node.told or node.state in {NodeState.CREATING, NodeState.STARTING}


def _gives_way(node: Node, report: NodeReport) -> bool:
    """Tell whether a node that served can serve no more: what runs there goes on, nothing more comes."""
    return isinstance(report, NodeUnusable) and report.standing and node.state in SERVING


def resume(u: Ledger) -> None:
    """After a start: launch again what should run (a run that is known is not started twice), end what should end."""
    for task in u.tx.tasks.unfinished_runs():
        node = u.node(task.node_key) if task.node_key is not None else None
        if task.spec.multi_instance is not None:
            coordination.resume(u, task)
        elif node is None:
            outcomes.requeue(u, task, "its node is gone")
        elif task.ending is not None:
            u.end(task, 0)
        elif task.held_by is None:
            u.effects.launch.append(task_launch(u, u.job(task.job_key), task, node))
    for own in u.tx.node_tasks.unfinished():
        node_runs.resume(u, own)
    cluster.resume(u)
    mounting = {pool.key for pool in u.tx.pools.all() if pool.spec.mounts}
    for node in u.tx.nodes.all():
        if _awaits(node):
            node_life.tell(u, node)
        elif node.pool_key in mounting and node.state in node_life.STANDING:
            u.mount(node)


def expire(u: Ledger) -> None:
    """End what has run out of time."""
    for task in u.tx.tasks.due(u.now, 100):
        end_task(u, replace(task, deadline=None), Ending.TIMEOUT)
    node_runs.expire(u)
