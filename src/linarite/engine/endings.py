"""How tasks and their jobs come to an end together: results, dependents, exit options, jobs that settle.

A task's end moves its job (counters, exit options, all tasks complete), a job's end ends its tasks: one room for both.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from linarite.engine import exits, instances, layout, preparation, usage
from linarite.engine.counting import BUSY
from linarite.engine.effects import node_ref
from linarite.engine.failures import LOST_OFTEN, ended_failure, exit_failure
from linarite.engine.ledger import Ledger
from linarite.engine.model import (
    Ending,
    Failure,
    Job,
    JobAction,
    JobState,
    OnAllTasksComplete,
    OnRunning,
    OnTaskFailure,
    Sweep,
    Task,
    TaskResult,
    TaskState,
)  # fmt: skip

GRACE = 5.0


def complete(
    u: Ledger, task: Task, *, code: int | None = None, failure: Failure | None = None, before_start: bool = False,
    upload: bool = False, at: int | None = None, success: bool | None = None,
) -> Task:  # fmt: skip
    """Complete a task: its result, its dependents, its job. A failure given wins over the exit code.

    A task that somebody ends before it runs does nothing to its job: exit options act on exit codes and on errors (the
    service's own live tests reactivate such a task in a job that they may end).
    """
    well = success if success is not None else failure is None and _succeeds(u, task, code)
    never_ran = code is None and not (well or before_start or upload or failure is LOST_OFTEN)
    chosen = exits.options(task.spec.exit_conditions, code, before_start=before_start, success=well, upload=upload)
    satisfied = exits.satisfies(chosen, success=well)
    retention = task.spec.retention
    ended = at or u.now
    new = replace(
        task, state=TaskState.COMPLETED, state_at=ended, previous_state=task.state, previous_state_at=task.state_at,
        queued=False, held_by=None, exit_code=code, satisfied=satisfied,
        failure=failure or (None if well else exit_failure(code)),
        result=TaskResult.SUCCESS if well else TaskResult.FAILURE, ended_at=ended, ending=None, deadline=None,
        cleanup_at=None if retention is None or task.node_key is None else ended + retention,
    )  # fmt: skip
    released = _release_dependents(u, task.job_key, task.spec.id) if satisfied and not task.satisfied else []
    new = u.put_task(task, new, new.failure.code if new.failure else "")
    released += end_sweep(u, u.sweep_of(new))
    let_go(u, released)
    job = u.job(task.job_key)
    usage.task_ended(u, job, new, well=well)
    u.effects.wake |= task.node_key is None
    if job.spec.on_task_failure is OnTaskFailure.EXIT_OPTIONS and not never_ran:
        act(u, job, exits.job_action(chosen, success=well))
    elif not well and _fails_job(u, new):
        act(u, job, JobAction.TERMINATE)
    _end_with(u, u.job(task.job_key), task)
    settle(u, u.job(task.job_key))
    return new


def let_go(u: Ledger, released: Iterable[Task]) -> None:
    """Queue tasks that wait for nothing more."""
    for waiting in released:
        if waiting.state is TaskState.ACTIVE and not waiting.queued:
            u.put_task(waiting, replace(waiting, queued=True))


def _end_with(u: Ledger, job: Job, task: Task) -> None:
    """End the job when this was the task that it ends with."""
    over = job.state in {JobState.TERMINATING, JobState.COMPLETED, JobState.DELETING}
    if job.spec.ends_with is not None and job.spec.ends_with.lower() == task.spec.id.lower() and not over:
        end_job(u, job, "JMComplete")


def _succeeds(u: Ledger, task: Task, code: int | None) -> bool:
    return code is not None and exits.succeeds(task.spec, u.job(task.job_key).spec, code)


def _fails_job(u: Ledger, task: Task) -> bool:
    sweep = u.sweep_of(task)
    return task.spec.fails_job and (sweep is None or sweep.counts.failed >= sweep.spec.fails_after)


def end_sweep(u: Ledger, sweep: Sweep | None) -> list[Task]:
    """Note that a sweep is over, if it is; gives the tasks that waited for it, the first time."""
    if sweep is None or not sweep.over:
        return []
    first = not sweep.satisfied
    u.put_sweep(replace(sweep, ended_at=u.now, satisfied=True))
    return _release_dependents(u, sweep.job_key, sweep.spec.task.id) if first else []


def _release_dependents(u: Ledger, job_key: int, id: str) -> list[Task]:
    """What waited for a task, or for a sweep, and waits for nothing more."""
    if not u.job(job_key).spec.uses_dependencies:
        return []
    counts = u.tx.tasks.satisfy(job_key, [id])
    return [u.task(waiting) for waiting in u.tx.tasks.wait_less(counts)] if counts else []


def end_task(u: Ledger, task: Task, ending: Ending, reason: str | None = None, grace: float = GRACE) -> Task:
    """End an active task at once, ask a running one to end; its end comes as a report."""
    task = u.task(task)
    if task.state not in BUSY:
        if ending is Ending.FINISHED:
            return complete(u, replace(task, ending_reason=reason), success=True)
        return complete(u, replace(task, ending_reason=reason), failure=ended_failure(ending, reason))
    if task.ending is not None and ending is Ending.REQUEUED:
        return task
    new = u.put_task(task, replace(task, ending=ending, ending_reason=reason))
    u.end(new, grace)
    return new


def reset(u: Ledger, task: Task, **changes: object) -> Task:
    """Bring a task back to active: what its last try left is cleared, its files stay until the next try."""
    return replace(
        task, state=TaskState.ACTIVE, state_at=u.now, previous_state=task.state, previous_state_at=task.state_at,
        queued=task.waiting == 0, started_at=None, ended_at=None, exit_code=None, result=None, failure=None,
        ending=None, ending_reason=None, node_key=None, node=None, pool=None, held_by=None, deadline=None,
        cleanup_at=None, percent=None, stage=None, container=None, **{"losses": 0, **changes},
    )  # fmt: skip


def remove(u: Ledger, job: Job, task: Task) -> None:
    """Take out a task that does not run, and its directory."""
    node = u.node(task.node_key) if task.node_key is not None else None
    if node is not None:
        u.effects.remove.append((node_ref(node), layout.task_directory(job.spec.id, task.spec.id)))
    instances.forget(u, task)
    u.delete_task(task)
    let_go(u, end_sweep(u, u.sweep_of(task)))


def end_job(
    u: Ledger, job: Job, reason: str, ending: Ending = Ending.TERMINATED, grace: float = GRACE, *, forced: bool = False
) -> Job:
    """Bring a job to its end: terminating until its last run has ended; `forced`: completed though they have not."""
    job = u.move_job(replace(job, terminate_reason=reason, forced=forced), JobState.TERMINATING, reason)
    end_running(u, job, ending, 0 if forced else grace)
    return settle(u, u.job(job.key))


def end_running(u: Ledger, job: Job, ending: Ending, grace: float = GRACE) -> None:
    """End every run of a job."""
    if job.counts.running:
        for task in u.tx.tasks.running_of_job(job.key):
            current = u.task(task)
            if current.state in BUSY:
                end_task(u, current, ending, None, grace)


def hold_job(u: Ledger, job: Job, on_running: OnRunning, why: str) -> Job:
    """Bring a job to rest."""
    job = u.move_job(replace(job, on_running=on_running), JobState.DISABLING, why)
    if on_running is OnRunning.REQUEUE:
        end_running(u, job, Ending.REQUEUED)
    if on_running is OnRunning.TERMINATE:
        end_running(u, job, Ending.TERMINATED)
    return settle(u, u.job(job.key))


def act(u: Ledger, job: Job, action: JobAction) -> None:
    """Do what a task's exit options ask of its job."""
    if job.state is not JobState.ACTIVE:
        return
    if action is JobAction.DISABLE:
        hold_job(u, job, OnRunning.REQUEUE, "TaskFailed")
    if action is JobAction.TERMINATE:
        end_job(u, job, "TaskFailed")


def settle(u: Ledger, job: Job) -> Job:
    """Bring a job forward as far as its counters allow: disabled, completed, or ended because all tasks are."""
    running, active = job.counts.running, job.counts.active
    if job.state is JobState.DISABLING and not running:
        return u.move_job(job, JobState.DISABLED)
    if job.state is JobState.TERMINATING and (job.forced or not running):
        waits = preparation.release(u, job)
        if job.forced or not waits:
            ended = replace(job, ended_at=u.now, deadline=None)
            return u.move_job(ended, JobState.COMPLETED, job.terminate_reason or "")
    idle = not (running or active or job.growing)
    all_done = job.spec.on_all_tasks_complete is OnAllTasksComplete.TERMINATE and idle
    if job.state is JobState.ACTIVE and all_done:
        return end_job(u, job, "AllTasksComplete")
    return job
