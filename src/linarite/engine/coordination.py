"""Multi-instance tasks: their nodes are taken together, coordinated, used by one command line, and let go together.

Each instance is a node task that runs the coordination command. The task is held by instance 0, on its own node, until
all of these have returned; then its command line starts there. When that is over, or will never start, what it came to
is kept with instance 0 until no process of any instance is left, and only then decides what becomes of the task: a
coordination command that failed fails it, a node that was lost sends it back. Source: Batch NOTES section 8.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from linarite.engine import exits, instances, layout, machines, node_tasks, outcomes
from linarite.engine.effects import run_name
from linarite.engine.endings import GRACE, end_task, reset
from linarite.engine.failures import LOST, OVERDUE, ended_failure
from linarite.engine.launches import node_task_launch, task_launch
from linarite.engine.launching import Ended, RunExited, RunLost
from linarite.engine.ledger import Ledger
from linarite.engine.model import (
    Ending,
    Failure,
    Job,
    Node,
    NodeCommand,
    NodeTask,
    NodeTaskKind,
    Task,
    TaskState,
)  # fmt: skip
from linarite.engine.preparation import prepare
from linarite.engine.starting import Beginning, beginning, go_on, started

NO_COMMAND = "/bin/sh -c :"


def begin(u: Ledger, job: Job, task: Task, nodes: Sequence[Node]) -> Task:
    """Give a task its nodes, the first its own. They coordinate at once, or when all are prepared for the job."""
    instances.forget_last_try(u, task, {node.key for node in nodes})
    nodes = machines.in_order(u, nodes)
    waits = [prepare(u, job, node) is not None for node in nodes]
    ready = not any(waits)
    begins = beginning(u, task.spec.max_wall_clock if ready else None, brings=not ready)
    members = [_member(u, job, task, node, at, begins if ready else None) for at, node in enumerate(nodes)]
    first = nodes[0]
    new = replace(
        task, state=begins.state, state_at=u.now, previous_state=task.state,
        previous_state_at=task.state_at, queued=False, attempt=task.attempt + 1, node_key=first.key, node=first.id,
        pool=first.pool, held_by=members[0].key, started_at=begins.started_at, deadline=begins.deadline,
    )  # fmt: skip
    u.put_task(task, new)
    u.began(job)
    job.last_task_at = u.now
    for node in nodes:
        node.total_tasks += 1
    if ready:
        _launch(u, members)
    return new


def _member(u: Ledger, job: Job, task: Task, node: Node, number: int, begins: Beginning | None) -> NodeTask:
    """An instance, which begins so; None: when all nodes are prepared."""
    settings = task.spec.multi_instance
    assert settings is not None, "see `scheduling.gather`"
    command = NodeCommand(
        id=task.spec.id, command=settings.coordination or NO_COMMAND,
        retention=task.spec.retention if number else None,
    )  # fmt: skip
    return u.add_node_task(
        NodeTask(
            account=task.account, kind=NodeTaskKind.COORDINATION, node_key=node.key, node=node.id, pool=node.pool,
            task_key=task.key, instance=number, command=command, created_at=u.now, state_at=u.now,
            directory=layout.instance_directory(job.spec.id, task.spec.id, number), attempt=1 if begins else 0,
            state=begins.state if begins else TaskState.PREPARING, started_at=begins.started_at if begins else None,
        )
    )  # fmt: skip


def _launch(u: Ledger, members: Sequence[NodeTask]) -> None:
    for own in members:
        node = u.node(own.node_key)
        if node is not None:
            u.effects.launch.append(node_task_launch(u, own, node))


def after_preparation(u: Ledger, prepared: NodeTask) -> None:
    """A node was prepared for a job, or could not be: the task that waits for it with several goes on, or back."""
    for own in u.tx.node_tasks.under_way(prepared.node_key):
        if own.task_key is None or u.node_task(own).attempt:
            continue
        task = _task(u, own)
        if task is not None and task.job_key == prepared.job_key and task.ending is None:
            _go_on(u, task, failed=not node_tasks.succeeded(prepared))


def _task(u: Ledger, own: NodeTask) -> Task | None:
    assert own.task_key is not None, "it is an instance of a task"
    task = u.tx.tasks.by_key(own.task_key)
    return None if task is None else u.task(task)


def _go_on(u: Ledger, task: Task, *, failed: bool) -> None:
    members = instances.of_task(u, task)
    if failed:
        for own in members:
            u.drop_node_task(
                node_tasks.complete(u, own, failure=ended_failure(Ending.TERMINATED, None)), with_directory=False
            )
        u.put_task(task, reset(u, task), "a node could not be prepared")
        return
    job, nodes = u.job(task.job_key), [u.node(own.node_key) for own in members]
    if any(node is not None and prepare(u, job, node) is not None for node in nodes):
        return
    go_on(u, task, task.held_by, brings=False)
    begins = beginning(u, None, brings=False)
    begun = {"state": begins.state, "state_at": u.now, "started_at": begins.started_at, "attempt": 1}
    _launch(u, [u.put_node_task(own, replace(own, **begun)) for own in members])


def follow(u: Ledger, own: NodeTask) -> None:
    """Do what the report on an instance brings its task, once it is in the records."""
    task = _task(u, own)
    if task is None:
        return
    if task.state is TaskState.PREPARING and own.started_at is not None:
        task = started(u, task, own.started_at)
    if own.state is TaskState.COMPLETED and own.is_subtask and node_tasks.succeeded(own):
        node = u.node(own.node_key)
        if node is not None:
            node.succeeded_tasks += 1
    members = instances.of_task(u, task)
    if members[0].held_report is not None:
        _conclude(u, task, members)
    elif _is_overdue(own) and task.ending is None:
        end_task(u, task, Ending.TIMEOUT)
    elif _cause([own]) is not None:
        u.end(task, 0)
    elif task.held_by is not None and task.ending is None and all(map(_has_returned, members)):
        _start(u, _held(u, task, None))


def _has_returned(own: NodeTask) -> bool:
    return own.exit_code == 0 and own.state is not TaskState.COMPLETED


def _is_overdue(own: NodeTask) -> bool:
    return own.failure is not None and own.failure.code == OVERDUE


def _held(u: Ledger, task: Task, by: int | None) -> Task:
    """The task, held by an instance or let go."""
    return u.put_task(task, replace(task, held_by=by))


def _start(u: Ledger, task: Task) -> None:
    node = u.node(task.node_key) if task.node_key is not None else None
    assert node is not None, "a node stays while a task is on it"
    u.effects.launch.append(task_launch(u, u.job(task.job_key), task, node))


def take(u: Ledger, task: Task, report: Ended) -> None:
    """The task's own run is over, or will never be: end what is left of all instances."""
    members = instances.of_task(u, task)
    if members[0].held_report is not None:
        return
    gently = task.held_by is not None and task.ending not in {None, Ending.DELETED}
    task = _held(u, task, members[0].key)
    members[0] = u.put_node_task(members[0], replace(members[0], held_report=report))
    members = [node_tasks.end(u, own, task.ending or Ending.FINISHED, GRACE if gently else 0) for own in members]
    _conclude(u, task, members)


def _conclude(u: Ledger, task: Task, members: Sequence[NodeTask]) -> None:
    """Let the task end as it shall when the last instance is over."""
    report, cause = members[0].held_report, _cause(members)
    if report is None or any(own.state is not TaskState.COMPLETED for own in members):
        return
    if members[0].container is not None:
        task = replace(task, container=members[0].container)  # the command has entered the one of its instance
    if task.ending is not None or cause is None or _went_well(u, task, report):
        outcomes.take(u, task, report)
    else:
        _fail(u, outcomes.charged(u, task, report), cause)


def _fail(u: Ledger, task: Task, cause: NodeTask) -> None:
    """Let an instance that failed by itself decide."""
    assert cause.failure is not None, "see `_cause`"
    if cause.failure == LOST:
        outcomes.lost(u, task, "the node host of an instance was lost", cause.state_at)
    elif cause.exit_code is not None:
        outcomes.exited(u, task, cause.exit_code, cause.state_at)
    else:
        outcomes.not_started(u, task, _as_given(task, cause), cause.state_at)


def _as_given(task: Task, cause: NodeTask) -> Failure:
    """Its failure, with a file of the task's own named by its path below the working directory."""
    failure = cause.failure
    assert failure is not None, "see `_cause`"
    own = {f"wd/{file.path}": file.path for file in task.spec.resource_files} if not cause.instance else {}
    details = [replace(item, value=own.get(item.value, item.value)) for item in failure.details]
    return replace(failure, details=tuple(details))


def _cause(members: Sequence[NodeTask]) -> NodeTask | None:
    """The first instance that failed by itself."""
    return next((own for own in members if own.failure is not None and not own.failure.code.startswith("ended")), None)


def _went_well(u: Ledger, task: Task, report: Ended) -> bool:
    return isinstance(report, RunExited) and exits.succeeds(task.spec, u.job(task.job_key).spec, report.code)


def resume(u: Ledger, task: Task) -> None:
    """After a start: launch its command line again if it should run, end it if it should end."""
    members = instances.of_task(u, task)
    if members[0].held_report is not None:
        return
    if task.node_key is None or u.node(task.node_key) is None:
        take(u, task, RunLost(run=run_name(task), at=u.now))
    elif task.ending is not None or _cause(members) is not None:
        u.end(task, 0)
    elif task.held_by is None:
        _start(u, task)
