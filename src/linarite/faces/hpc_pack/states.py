"""The engine's states in the protocol's words. Source: JobState, TaskState and NodeState of the SDK; NOTES 7 and 15.

How a job was ended stands in its terminate reason: `cancel:` or `finish:` before the user's own words.
"""

from __future__ import annotations

from linarite.engine.model import Ending, Job, JobState, Node, NodeState, Sweep, Task, TaskResult, TaskState

CANCEL, FINISH = "cancel:", "finish:"
OUT_OF_TIME, BY_TASK, BY_PARENT = "MaxWallClockTimeExpiry", "TaskFailed", "ParentFailed"
WHY = {
    OUT_OF_TIME: "The job ran longer than its run time.",
    BY_TASK: "Another task of the job failed.",
    BY_PARENT: "A job that the job depends on failed.",
}
OVER = frozenset({"Finished", "Failed", "Canceled"})
ENDED = frozenset({JobState.TERMINATING, JobState.COMPLETED, JobState.DELETING})
ONLINE = {NodeState.IDLE, NodeState.RUNNING, NodeState.LEAVING}


def _canceled(job: Job) -> bool:
    reason = job.terminate_reason or ""
    return reason.startswith(CANCEL) or reason == OUT_OF_TIME


def _begun(job: Job) -> bool:
    counts = job.counts
    return job.first_task_at is not None or bool(counts.running or counts.succeeded or counts.failed)


def _ended(job: Job) -> str:
    reason = job.terminate_reason or ""
    if _canceled(job):
        return "Canceled"
    if reason.startswith(FINISH):
        return "Finished"
    return "Failed" if job.counts.failed or reason in {BY_TASK, BY_PARENT} else "Finished"


def _of(job: Job, state: JobState) -> str:
    match state:
        case JobState.DRAFT:
            return "Configuring"
        case JobState.ACTIVE:
            return "Running" if _begun(job) else "Queued"
        case JobState.DISABLING:
            return "Running"
        case JobState.DISABLED | JobState.ENABLING:
            return "Queued"
        case JobState.TERMINATING:
            return "Canceling" if _canceled(job) else "Finishing"
        case JobState.COMPLETED:
            return _ended(job)
    return "Canceling"


def job_state(job: Job) -> str:
    """The job's state in the protocol's words."""
    return _of(job, job.state)


def previous_job_state(job: Job) -> str:
    """The state before; Configuring when there was none."""
    if job_state(job) == "Running":
        return "Queued"
    if job.previous_state is None:
        return "Configuring"
    return _of(job, job.previous_state)


def task_state(job: Job, task: Task) -> str:
    """The task's state in the protocol's words, which depends on its job's."""
    match task.state:
        case TaskState.ACTIVE:
            return waiting(job)
        case TaskState.PREPARING:
            return "Dispatching"
        case TaskState.RUNNING:
            return _ending(task)
    if task.result is TaskResult.SUCCESS:
        return "Finished"
    return "Canceled" if never_ran(task) else "Failed"


def _ending(task: Task) -> str:
    if task.ending is None:
        return "Running"
    return "Finishing" if task.ending is Ending.FINISHED else "Canceling"


def never_ran(task: Task) -> bool:
    """Tell whether the task was ended by a person before it began."""
    return task.started_at is None and task.failure is not None and task.failure.code == "ended"


def waiting(job: Job) -> str:
    """The state of what has not begun."""
    if job.state is JobState.DRAFT:
        return "Configuring"
    return "Canceled" if job.state in ENDED else "Queued"


def sweep_state(job: Job, sweep: Sweep) -> str:
    """A sweep's state, which is that of its subtasks together. Source: NOTES 15, task states."""
    if job.state is JobState.DRAFT and sweep.ending is None:
        return "Configuring"
    counts = sweep.counts
    if sweep.ending is None and job.state not in ENDED and not sweep.over:
        return "Running" if counts.running or counts.succeeded or counts.failed else "Queued"
    finishes = sweep.ending is Ending.FINISHED
    if counts.running:
        return "Finishing" if finishes else "Canceling"
    if sweep.ending is None and counts.failed:
        return "Failed"
    return "Finished" if finishes or (sweep.ending is None and sweep.over) else "Canceled"


def previous_task_state(job: Job, task: Task) -> str:
    """The state before; Configuring when there was none."""
    state = task_state(job, task)
    if state == "Configuring" or task.previous_state is None:
        return "Configuring"
    if task.state is TaskState.COMPLETED:
        return "Running" if task.started_at is not None else "Queued"
    return "Queued" if task.previous_state is TaskState.ACTIVE else "Running"


def node_state(node: Node) -> str:
    """The node's state in the protocol's words."""
    if node.state not in ONLINE:
        return "Offline"
    if node.takes_tasks and node.state is not NodeState.LEAVING:
        return "Online"
    return "Draining" if node.running_tasks or node.state is NodeState.LEAVING else "Offline"


def cause(job: Job) -> str:
    """Why the job was ended: the user's own words without the mark of how, or a sentence for the engine's reason."""
    reason = job.terminate_reason or ""
    for mark in (CANCEL, FINISH):
        if reason.startswith(mark):
            return reason.removeprefix(mark)
    return WHY.get(reason, reason)


__all__ = [
    "cause", "job_state", "never_ran", "node_state", "previous_job_state", "previous_task_state", "sweep_state",
    "task_state", "waiting",
]  # fmt: skip
