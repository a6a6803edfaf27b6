"""What the end of a task's run means for the task: completed, tried again, taken back, or gone."""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine import exits, usage
from linarite.engine.endings import complete, remove, reset, settle
from linarite.engine.failures import LOST_OFTEN, MOST_LOSSES, ended_failure, told_failure
from linarite.engine.launching import Ended, RunExited, RunFailed, RunLost, Usage
from linarite.engine.ledger import Ledger
from linarite.engine.model import Ending, Failure, JobState, Task, TaskState
from linarite.engine.progress import Progress

ENDED = 143


def take(u: Ledger, task: Task, report: Ended) -> None:
    """Bring the end of its current run into a task, which is charged for it."""
    task = charged(u, task, report)
    if isinstance(report, RunExited) and report.progress is not None:
        task = advanced(task, report.progress)
    if not isinstance(report, RunLost) and report.container is not None:
        task = replace(task, container=report.container)
    match report:
        case RunExited():
            _exited(u, task, report)
        case RunFailed():
            _failed(u, task, report)
        case RunLost():
            _lost(u, task, report)


def advanced(task: Task, told: Progress) -> Task:
    """The task with what its run told; what the line does not say stays as it was."""
    percent = task.percent if told.percent is None else told.percent
    stage = task.stage if told.description is None else told.description
    return replace(task, percent=percent, stage=stage)


def charged(u: Ledger, task: Task, report: Ended) -> Task:
    """The task with its current run charged: with several instances, from the beginning of their coordination on."""
    used = report.usage if isinstance(report, RunExited) else Usage()
    never = isinstance(report, RunFailed) and (task.spec.multi_instance is None or task.state is not TaskState.RUNNING)
    return task if never else usage.run_ended(u, task, task.started_at, report.at, used)


def _exited(u: Ledger, task: Task, report: RunExited) -> None:
    if task.ending is not None:
        _finish_ending(u, task, report.code, report.at)
    elif report.upload is not None:
        complete(u, task, code=report.code, failure=told_failure(report.upload), upload=True, at=report.at)
    else:
        exited(u, task, report.code, report.at)


def exited(u: Ledger, task: Task, code: int, at: int) -> None:
    """A command line of it exited by itself: what its code means, or another try."""
    well = exits.succeeds(task.spec, u.job(task.job_key).spec, code)
    if not well and _may_retry(u, task):
        why = f"exit code {code}"
        usage.task_retried(u, u.job(task.job_key))
        u.put_task(task, reset(u, task, retries=task.retries + 1, retried_at=u.now), why)
        settle(u, u.job(task.job_key))
        return
    complete(u, task, code=code, at=at)
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
        requeue(u, task, "requeued")
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
    if task.started_at is None:
        task = replace(task, started_at=report.at)  # it had waited for its turn, and that had come
    not_started(u, task, told_failure(report), report.at)


def not_started(u: Ledger, task: Task, failure: Failure, at: int) -> None:
    """A command line of it could not start: that is not tried again."""
    complete(u, task, failure=failure, before_start=True, at=at)


def _lost(u: Ledger, task: Task, report: RunLost) -> None:
    if task.ending is not None and task.ending is not Ending.REQUEUED:
        _finish_ending(u, task, None, report.at)
    elif task.ending is Ending.REQUEUED or report.with_machine:
        requeue(u, task, "its node host was lost")
    else:
        lost(u, task, "its node host was lost", report.at)


def lost(u: Ledger, task: Task, why: str, at: int) -> None:
    """The host of its run was lost: take the task back, unless that has happened too often in a row.

    Source: the service ends such tasks with MaxInternalRetryCountReached, after a number that it does not tell.
    """
    if task.losses + 1 < MOST_LOSSES:
        requeue(u, task, why, losses=task.losses + 1)
    else:
        complete(u, replace(task, losses=MOST_LOSSES), failure=LOST_OFTEN, at=at)


def requeue(u: Ledger, task: Task, why: str, losses: int = 0) -> None:
    """Take the task back, through no fault of its own."""
    u.put_task(task, reset(u, task, requeues=task.requeues + 1, requeued_at=u.now, losses=losses), why)
    u.effects.wake = True
    settle(u, u.job(task.job_key))
