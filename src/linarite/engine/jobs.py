"""Jobs: adding them, ending, holding and deleting them, and what they do when no task is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from linarite.engine import pools, preparation, sweeps, tasks
from linarite.engine.endings import GRACE, end_job, end_running, hold_job, remove, reset, settle
from linarite.engine.errors import AlreadyExists, EngineError, WrongState
from linarite.engine.finding import find_job
from linarite.engine.ledger import Ledger
from linarite.engine.model import (
    Counts,
    Ending,
    Facts,
    Job,
    JobSpec,
    JobState,
    OnRunning,
    Task,
    TaskResult,
    TaskSpec,
)  # fmt: skip

Check = Callable[[Job], None]
OVER = {JobState.COMPLETED, JobState.TERMINATING, JobState.DELETING}
PURGE = 200


def _checked(u: Ledger, account: str, job_id: str, check: Check | None) -> Job:
    job = u.known(find_job(u.tx, account, job_id))
    if check:
        check(job)
    return job


def touched(u: Ledger, job: Job) -> int:
    """The next modification time of a job: later than every earlier one, so that its tag changes."""
    return max(u.now, job.modified_at + 1)


def add(
    u: Ledger, account: str, spec: JobSpec, facts: Facts, *, draft: bool = False,
    first_tasks: Sequence[tuple[TaskSpec, Facts]] = (), schedule_key: int | None = None,
) -> Job:  # fmt: skip
    """Add a job, with a pool made for it and with its first tasks; a draft runs nothing until it is submitted.

    AlreadyExists (jobs and job schedules share their ids), and what adding the pool and the tasks refuses. A pool that
    is named need not be there yet.
    """
    if u.tx.jobs.get(account, spec.id) is not None:
        raise AlreadyExists("job", spec.id)
    if u.tx.schedules.get(account, spec.id) is not None:
        raise AlreadyExists("job schedule", spec.id, wanted="job")
    if spec.auto_pool is not None and not spec.pool:
        spec = replace(spec, pool=pools.add_auto(u, account, spec.auto_pool).spec.id)
    started = None if draft else u.now
    job = Job(
        account=account, spec=spec, created_at=u.now, modified_at=u.now, state_at=u.now, counts=Counts(), facts=facts,
        state=JobState.DRAFT if draft else JobState.ACTIVE, submitted_at=started, started_at=started,
        deadline=None if draft else _deadline(spec, u.now), schedule_key=schedule_key,
    )  # fmt: skip
    _insert(u, job)
    for answer in tasks.add(u, account, spec.id, first_tasks) if first_tasks else ():
        if isinstance(answer, EngineError):
            raise answer
    return u.job(job.key)


def _insert(u: Ledger, job: Job) -> None:
    u.tx.jobs.insert(job)
    u.event(job.account, "job", job.key, "created")
    u.effects.wake = True
    u.put_job(job)


def _deadline(spec: JobSpec, started: int) -> int | None:
    return None if spec.max_wall_clock is None else started + spec.max_wall_clock


def submit(
    u: Ledger, account: str, job_id: str, change: Callable[[Job], Job] | None = None, *, check: Check | None = None
) -> Job:
    """Let a draft run. WrongState when it is none."""
    job = _checked(u, account, job_id, check)
    if job.state is not JobState.DRAFT:
        raise WrongState("job", job.state.value, "submit")
    job = change(job) if change else job
    job = replace(
        job, submitted_at=u.now, started_at=u.now, modified_at=touched(u, job), deadline=_deadline(job.spec, u.now)
    )
    job = sweeps.grow_all(u, u.move_job(job, JobState.ACTIVE, "submitted"))
    return settle(u, job)


def update(u: Ledger, account: str, job_id: str, change: Callable[[Job], Job], *, check: Check | None = None) -> Job:
    """Change a job's spec or facts by a face's function; WrongState when it is over."""
    job = _checked(u, account, job_id, check)
    if job.state in OVER:
        raise WrongState("job", job.state.value, "update")
    new = replace(change(job), modified_at=touched(u, job))
    if job.spec.owns_pool and new.spec.pool.lower() != job.spec.pool.lower():
        u.orphans.append((job.account, job.spec.pool))
    if new.started_at is not None:
        new = replace(new, deadline=_deadline(new.spec, new.started_at))
    u.effects.wake = True
    return settle(u, u.put_job(new))


def write_facts(u: Ledger, account: str, job_id: str, change: Callable[[Job], Job]) -> Job:
    """Change what one face alone knows of a job, in any state; the job's tag and state stay."""
    return u.put_job(change(_checked(u, account, job_id, None)))


def terminate(
    u: Ledger, account: str, job_id: str, reason: str, *, ending: Ending = Ending.TERMINATED,
    grace: float = GRACE, forced: bool = False, check: Check | None = None,
) -> Job:  # fmt: skip
    """End a job and its running tasks; its active ones stay active for ever. WrongState when it is over.

    One that is `forced` is completed at once, before its runs have ended.
    """
    job = _checked(u, account, job_id, check)
    if job.state in OVER and not (forced and job.state is JobState.TERMINATING):
        raise WrongState("job", job.state.value, "terminate")
    return end_job(u, replace(job, modified_at=touched(u, job)), reason, ending, grace, forced=forced)


def disable(u: Ledger, account: str, job_id: str, on_running: OnRunning, *, check: Check | None = None) -> Job:
    """Hold a job: disabling until its runs are requeued, terminated or through. WrongState when it is over or a draft.

    One that is held may be held again: runs that were let through can be ended after all.
    """
    job = _checked(u, account, job_id, check)
    if job.state in OVER or job.state is JobState.DRAFT:
        raise WrongState("job", job.state.value, "disable")
    return hold_job(u, replace(job, modified_at=touched(u, job)), on_running, "disabled by user")


def enable(u: Ledger, account: str, job_id: str, *, check: Check | None = None) -> Job:
    """Let a held job run again. WrongState unless disabled or disabling."""
    job = _checked(u, account, job_id, check)
    if job.state not in {JobState.DISABLED, JobState.DISABLING}:
        raise WrongState("job", job.state.value, "enable")
    job = u.move_job(replace(job, modified_at=touched(u, job), on_running=None), JobState.ACTIVE, "enabled")
    return settle(u, job)


def requeue(
    u: Ledger, account: str, job_id: str, *, check: Check | None = None, again: Callable[[Task], bool] | None = None
) -> Job:
    """Run a job that is over again: its failed tasks (of which `again` picks) return. WrongState unless completed."""
    job = _checked(u, account, job_id, check)
    if job.state is not JobState.COMPLETED:
        raise WrongState("job", job.state.value, "requeue")
    job = replace(
        job, requeues=job.requeues + 1, ended_at=None, terminate_reason=None, forced=False, modified_at=touched(u, job),
        deadline=_deadline(job.spec, u.now),
    )  # fmt: skip
    u.move_job(job, JobState.ACTIVE, "requeued")
    after = 0
    while page := u.tx.tasks.page(job.key, None, after, 1000):
        after = page[-1].key
        for task in page:
            if task.result is TaskResult.FAILURE and (again is None or again(task)):
                u.put_task(task, reset(u, task, retries=0), "requeued")
    return settle(u, sweeps.grow_all(u, u.job(job.key)))


def delete(u: Ledger, account: str, job_id: str, *, forced: bool = False, check: Check | None = None) -> None:
    """Delete a job with its tasks and their files, in the background. WrongState when that goes on already.

    One that is `forced` waits for no run to end.
    """
    job = _checked(u, account, job_id, check)
    if job.state is JobState.DELETING and not forced:
        raise WrongState("job", job.state.value, "delete")
    discard(u, job, forced=forced)


def discard(u: Ledger, job: Job, *, forced: bool = False) -> None:
    """Begin to delete a job."""
    job = u.move_job(replace(job, modified_at=touched(u, job), forced=forced), JobState.DELETING)
    end_running(u, job, Ending.DELETED, 0)
    if forced:
        preparation.let_go(u, job)
        for task in u.tx.tasks.running_of_job(job.key):
            remove(u, job, u.task(task))
    purge(u, u.job(job.key))


def purge(u: Ledger, job: Job) -> None:
    """Delete the next tasks of a job that is being deleted, then the job. Called again until it is gone."""
    if not job.forced and (job.counts.running or preparation.release(u, job)):
        return
    page = u.tx.tasks.page(job.key, None, 0, PURGE)
    for task in page:
        remove(u, job, task)
    if len(page) < PURGE:
        preparation.forget(u, job)
        u.drop_job(u.job(job.key))
