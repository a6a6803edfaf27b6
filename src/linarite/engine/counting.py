"""By which counter of its job a task is counted. They move with each change of a task: nothing is ever counted anew."""

from __future__ import annotations

from linarite.engine.model import Counts, Job, Task, TaskResult, TaskState

BUSY = (TaskState.PREPARING, TaskState.RUNNING)


def bucket(task: Task) -> str:
    """The counter of its job that a task is counted in."""
    if task.state is TaskState.COMPLETED:
        return "succeeded" if task.result is TaskResult.SUCCESS else "failed"
    return "running" if task.state in BUSY else "active"


def count(counts: Counts, task: Task, by: int) -> None:
    """Add the task to its counter, or take it away."""
    name, slots = bucket(task), task.spec.required_slots * by
    setattr(counts, name, getattr(counts, name) + by)
    setattr(counts, f"{name}_slots", getattr(counts, f"{name}_slots") + slots)


def count_queued(job: Job, task: Task, by: int) -> None:
    """Add a task that waits for its turn to those of its job, or take it away."""
    job.queued += by
    job.queued_instances += by * max(1, task.spec.instances)
    job.restarting += by * (task.spec.manages and task.attempt > 0)
