"""What the service runs on nodes by itself: start, preparation, release and coordination tasks, as runs with retries.

What their ends mean for nodes, jobs and tasks is decided in `node_runs` and `coordination`. Source: Batch NOTES
sections 6, 7 and 8.
"""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine import exits, usage
from linarite.engine.failures import LOST, LOST_OFTEN, MOST_LOSSES, ended_failure, exit_failure, told_failure
from linarite.engine.launches import node_task_launch
from linarite.engine.launching import Report, RunExited, RunFailed, RunLost, RunReturned, RunStarted
from linarite.engine.ledger import Ledger
from linarite.engine.model import (
    Ending,
    Failure,
    Job,
    Node,
    NodeCommand,
    NodeState,
    NodeTask,
    NodeTaskKind,
    TaskResult,
    TaskState,
)  # fmt: skip
from linarite.engine.starting import beginning

GRACE = 5.0


def begin(
    u: Ledger, kind: NodeTaskKind, node: Node, command: NodeCommand, directory: str, job: Job | None = None
) -> NodeTask:
    """Start a command on a node."""
    own = NodeTask(
        account=node.account, kind=kind, node_key=node.key, node=node.id, pool=node.pool, command=command,
        job_key=None if job is None else job.key, directory=directory, created_at=u.now, state_at=u.now,
    )  # fmt: skip
    own = u.add_node_task(_under_way(u, own))
    u.effects.launch.append(node_task_launch(u, own, node))
    return own


def _under_way(u: Ledger, own: NodeTask) -> NodeTask:
    """The same at the begin of a run."""
    begins = beginning(u, own.command.max_wall_clock, brings=own.command.brings)
    return replace(
        own, state=begins.state, state_at=u.now, started_at=begins.started_at, deadline=begins.deadline, container=None
    )


def apply(u: Ledger, own: NodeTask, report: Report) -> NodeTask:
    """Bring a report of its current run into the record; it is completed when no run follows.

    One whose command has returned and that goes on has its exit code from then on.
    """
    if not isinstance(report, RunLost) and report.container is not None:
        own = replace(own, container=report.container)
    match report:
        case RunStarted():
            return _started(u, own, report.at)
        case RunReturned():
            own = _started(u, own, report.at)  # of which nobody may have told
            return u.put_node_task(own, replace(own, exit_code=0))
        case RunExited():
            usage.own_run_ended(u, own, report.started_at, report.at, report.usage)
            return _exited(u, own, report)
        case RunFailed():
            if own.ending is not None or report.code == "ended":
                return _ended(u, own, None, report.at)
            return complete(u, own, failure=told_failure(report), at=report.at)
        case RunLost():
            return _lost(u, own, report)


def _lost(u: Ledger, own: NodeTask, report: RunLost) -> NodeTask:
    at = report.at
    if own.ending is not None:
        return _ended(u, own, None, at)
    if own.task_key is not None:
        return complete(u, own, failure=LOST, at=at)  # the task that it belongs to is taken back, or not
    node = u.node(own.node_key)
    if own.kind is NodeTaskKind.RELEASE and node is not None and node.state is NodeState.UNUSABLE:
        return complete(u, own, failure=LOST, at=at)  # its job does not wait for the machine
    own = replace(own, losses=0 if report.with_machine else own.losses + 1)
    return _again(u, own) if own.losses < MOST_LOSSES else complete(u, own, failure=LOST_OFTEN, at=at)


def _started(u: Ledger, own: NodeTask, at: int) -> NodeTask:
    if own.state is not TaskState.PREPARING:
        return own
    limit = own.command.max_wall_clock
    deadline = None if limit is None else at + limit
    return u.put_node_task(
        own, replace(own, state=TaskState.RUNNING, state_at=at, started_at=at, deadline=deadline)
    )  # fmt: skip


def _exited(u: Ledger, own: NodeTask, report: RunExited) -> NodeTask:
    if report.overdue and own.ending is None:
        own = replace(own, ending=Ending.TIMEOUT)
    if own.ending is not None:
        began = report.started_at if own.started_at is None else own.started_at
        return _ended(u, replace(own, started_at=began), report.code, report.at)
    own = replace(own, started_at=report.started_at)
    if not _is_valid(u, own, report.code) and (own.command.max_retries < 0 or own.retries < own.command.max_retries):
        return _again(u, replace(own, retries=own.retries + 1, retried_at=u.now, losses=0))
    return complete(u, own, code=report.code, at=report.at)


def _is_valid(u: Ledger, own: NodeTask, code: int) -> bool:
    """Tell whether an exit code is a success: one of its own valid codes, else of its job's, else 0."""
    valid = own.command.valid_exit_codes
    if valid is None and own.job_key is not None:
        valid = u.job(own.job_key).spec.valid_exit_codes
    return exits.is_valid(valid, code)


def _ended(u: Ledger, own: NodeTask, code: int | None, at: int) -> NodeTask:
    if own.exit_code is not None:
        return complete(u, own, code=own.exit_code, at=at)
    failure = ended_failure(own.ending or Ending.TERMINATED, None)
    return complete(u, own, code=code, failure=failure, at=at)


def _again(u: Ledger, own: NodeTask) -> NodeTask:
    """Begin the next run on the same node."""
    node = u.node(own.node_key)
    if node is None:
        return _ended(u, own, None, u.now)
    new = u.put_node_task(own, _under_way(u, replace(own, attempt=own.attempt + 1)))
    u.effects.launch.append(node_task_launch(u, new, node))
    return new


def complete(
    u: Ledger, own: NodeTask, *, code: int | None = None, failure: Failure | None = None, at: int | None = None
) -> NodeTask:
    """Complete it: a failure given wins over the exit code."""
    if failure is None and code is not None and not _is_valid(u, own, code):
        failure = exit_failure(code)
    ended, kept = at or u.now, own.command.retention
    new = replace(
        own, state=TaskState.COMPLETED, state_at=ended, ended_at=ended, exit_code=code, failure=failure,
        result=TaskResult.SUCCESS if failure is None else TaskResult.FAILURE, deadline=None, ending=None,
        cleanup_at=None if kept is None or own.kind is NodeTaskKind.START else ended + kept,
    )  # fmt: skip
    return u.put_node_task(own, new, failure.code if failure else "")


def end(u: Ledger, own: NodeTask, ending: Ending, grace: float = GRACE) -> NodeTask:
    """Ask a running one to end; its end comes as a report."""
    own = u.node_task(own)
    if own.state is TaskState.COMPLETED or own.ending is not None:
        return own
    if not own.attempt:
        return complete(u, own, failure=ended_failure(ending, None))
    new = u.put_node_task(own, replace(own, ending=ending))
    u.end_node_task(new, grace)
    return new


def succeeded(own: NodeTask) -> bool:
    """Tell whether it is through, and well."""
    return own.result is TaskResult.SUCCESS


def remove(u: Ledger, own: NodeTask) -> None:
    """Forget one that is completed, and its directory."""
    u.drop_node_task(own)
