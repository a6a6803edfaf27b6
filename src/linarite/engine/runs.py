"""What the nodes report, brought into the records: runs that started, exited, failed or were lost; nodes."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from linarite.engine import exits, node_life, node_runs, usage
from linarite.engine.endings import complete, end_task, remove, reset, settle
from linarite.engine.failures import ended_failure, told_failure
from linarite.engine.launches import task_launch
from linarite.engine.launching import (
    NodeFreed,
    NodeReport,
    NodeUnusable,
    Report,
    RunExited,
    RunFailed,
    RunLost,
    RunStarted,
    Usage,
)
from linarite.engine.ledger import BUSY, NODE_RUN, Ledger, run_name
from linarite.engine.model import (
    AllocationState,
    Ending,
    Failure,
    FailureCategory,
    JobState,
    Node,
    NodeState,
    Task,
    TaskState,
)  # fmt: skip
from linarite.engine.pools import settle_pool

ENDED = 143


def take(u: Ledger, reports: Sequence[Report]) -> None:
    """Apply a batch of reports in their order. A report of a run that is not the task's any more changes nothing."""
    of_tasks = [report for report in reports if not report.run.startswith(NODE_RUN)]
    if len(of_tasks) < len(reports):
        node_runs.take(u, [report for report in reports if report.run.startswith(NODE_RUN)])
    tasks = {task.key: task for task in u.tx.tasks.by_keys(sorted(set(map(_task_key, of_tasks))))}
    for report in of_tasks:
        task = tasks.get(_task_key(report))
        if task is None:
            continue
        task = u.task(task)
        if task.state in BUSY and run_name(task) == report.run:
            _apply(u, task, report)


def _task_key(report: Report) -> int:
    return int(report.run.partition(".")[0])


def _apply(u: Ledger, task: Task, report: Report) -> None:
    match report:
        case RunStarted():
            _started(u, task, report.at)
        case RunExited():
            charged = usage.run_ended(u, task, report.started_at, report.at, report.usage)
            _exited(u, replace(charged, started_at=report.started_at), report)
        case RunFailed():
            _failed(u, task, report)
        case RunLost():
            _lost(u, usage.run_ended(u, task, task.started_at, report.at, Usage()), report.at)


def _started(u: Ledger, task: Task, at: int) -> None:
    if task.state is not TaskState.PREPARING:
        return
    limit = task.spec.max_wall_clock
    u.put_task(
        task,
        replace(
            task, state=TaskState.RUNNING, state_at=at, previous_state=task.state, previous_state_at=task.state_at,
            started_at=at, deadline=None if limit is None else at + limit,
        ),
    )  # fmt: skip


def _exited(u: Ledger, task: Task, report: RunExited) -> None:
    if task.ending is not None:
        _finish_ending(u, task, report.code, report.at)
        return
    if report.upload is not None:
        complete(u, task, code=report.code, failure=told_failure(report.upload), upload=True, at=report.at)
        return
    well = exits.succeeds(task.spec, u.job(task.job_key).spec, report.code)
    if not well and _may_retry(u, task):
        why = f"exit code {report.code}"
        usage.task_retried(u, u.job(task.job_key))
        u.put_task(task, reset(u, task, retries=task.retries + 1, retried_at=u.now), why)
        settle(u, u.job(task.job_key))
        return
    complete(u, task, code=report.code, at=report.at)
    if well:
        node = u.node(task.node_key) if task.node_key is not None else None
        if node is not None:
            node.succeeded_tasks += 1


def _may_retry(u: Ledger, task: Task) -> bool:
    job = u.job(task.job_key)
    limit = job.spec.max_retries if task.spec.max_retries is None else task.spec.max_retries
    over = job.state in {JobState.TERMINATING, JobState.COMPLETED, JobState.DELETING}
    return not over and (limit < 0 or task.retries < limit)


def _finish_ending(u: Ledger, task: Task, code: int | None, at: int) -> None:
    if task.ending is Ending.REQUEUED:
        _requeue(u, task, "requeued")
    elif task.ending is Ending.DELETED:
        remove(u, u.job(task.job_key), task)
        settle(u, u.job(task.job_key))
    elif task.ending is Ending.FINISHED:
        complete(u, task, code=code, at=at, success=True)
    else:
        failure = ended_failure(task.ending or Ending.TERMINATED, task.ending_reason)
        complete(u, task, code=ENDED if code is None else code, failure=failure, at=at)


def _failed(u: Ledger, task: Task, report: RunFailed) -> None:
    if task.ending is not None or report.code == "ended":
        _finish_ending(u, task, None, report.at)
        return
    complete(u, task, failure=told_failure(report), before_start=True, at=report.at)


def _lost(u: Ledger, task: Task, at: int) -> None:
    if task.ending is not None and task.ending is not Ending.REQUEUED:
        _finish_ending(u, task, None, at)
        return
    _requeue(u, task, "its node host was lost")


def _requeue(u: Ledger, task: Task, why: str) -> None:
    u.put_task(task, reset(u, task, requeues=task.requeues + 1, requeued_at=u.now), why)
    u.effects.wake = True
    settle(u, u.job(task.job_key))


def take_nodes(u: Ledger, reports: Sequence[NodeReport]) -> None:
    """Nodes that became ready or unusable, or were freed."""
    for report in reports:
        node = u.node(report.node.key)
        if node is None or not _awaits(node):
            continue
        pool = u.tx.pools.by_key(node.pool_key)
        if isinstance(report, NodeUnusable):
            failure = Failure(category=FailureCategory.SERVER, code="node-unusable", message=report.message)
            broken = replace(node, failure=failure, on_running=None, told=False)
            u.move_node(broken, NodeState.UNUSABLE, report.message)
        elif isinstance(report, NodeFreed):
            node_life.freed(u, node)
        elif pool is not None:
            node_runs.boot(u, node, pool)
        if pool is not None and pool.allocation is not AllocationState.STEADY:
            settle_pool(u, pool)


def _awaits(node: Node) -> bool:
    """Tell whether where the node stands was asked for something, and has not answered."""
    return node.told or node.state in {NodeState.CREATING, NodeState.STARTING}


def resume(u: Ledger) -> None:
    """After a start: launch again what should run (a run that is known is not started twice), end what should end."""
    for task in u.tx.tasks.unfinished_runs():
        node = u.node(task.node_key) if task.node_key is not None else None
        if node is None:
            _requeue(u, task, "its node is gone")
        elif task.ending is not None:
            u.end(task, 0)
        elif task.held_by is None:
            u.effects.launch.append(task_launch(u, u.job(task.job_key), task, node))
    for own in u.tx.node_tasks.unfinished():
        node_runs.resume(u, own)
    for node in u.tx.nodes.all():
        if _awaits(node):
            node_life.tell(u, node)


def expire(u: Ledger) -> None:
    """End what has run out of time."""
    for task in u.tx.tasks.due(u.now, 100):
        end_task(u, replace(task, deadline=None), Ending.TIMEOUT)
    node_runs.expire(u)
