"""Job schedules: adding, changing, holding, ending and deleting them, and making their jobs when these are due.

A schedule is looked at when its time has come and when its last job is over: the store holds the moment (`due_at`), so
that a crash forgets nothing. A schedule and its job are changed in one unit.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from linarite.engine import jobs, pools, tasks
from linarite.engine.endings import end_job
from linarite.engine.errors import AlreadyExists, WrongState
from linarite.engine.filtering import Compare
from linarite.engine.finding import find_schedule
from linarite.engine.ledger import Ledger
from linarite.engine.model import AutoPool, Ending, Facts, Job, JobState
from linarite.engine.recurrence import timetable
from linarite.engine.recurrence.records import JobSchedule, ScheduleSpec, ScheduleState
from linarite.engine.templates import JobTemplate
from linarite.engine.usage import Owner

Check = Callable[[JobSchedule], None]
REASON = "TerminateJobSchedule"
PIECE = 50
"""So many schedules are looked at, and so many jobs of one are deleted, in one pass at most."""


def add(u: Ledger, account: str, spec: ScheduleSpec, facts: Facts) -> JobSchedule:
    """Add a schedule, and its first job when it is due at once.

    AlreadyExists (jobs and schedules share their ids), and what adding the first tasks of a job refuses.
    """
    if u.tx.schedules.get(account, spec.id) is not None:
        raise AlreadyExists("job schedule", spec.id)
    if u.tx.jobs.get(account, spec.id) is not None:
        raise AlreadyExists("job", spec.id, wanted="job schedule")
    _check_tasks(spec.template)
    schedule = JobSchedule(
        account=account, spec=spec, created_at=u.now, modified_at=u.now, state_at=u.now, facts=facts
    )  # fmt: skip
    schedule = timetable.begun(schedule, u.now)
    u.tx.schedules.insert(schedule)
    u.event(account, "job schedule", schedule.key, "created")
    return _advance(u, schedule)


def _check_tasks(template: JobTemplate) -> None:
    """Refuse now what would be refused when nobody listens: once a job is due."""
    for spec, _ in template.first_tasks:
        refused = tasks.refusal(template.spec, spec)
        if refused is not None:
            raise refused


def _checked(
    u: Ledger, account: str, name: str, action: str, check: Check | None, *, but: ScheduleState | None = None
) -> JobSchedule:
    """The schedule, which is not over, `but` maybe in that state. NotFound, WrongState."""
    schedule = find_schedule(u.tx, account, name)
    if check:
        check(schedule)
    if timetable.is_over(schedule) and schedule.state is not but:
        raise WrongState("job schedule", schedule.state.value, action)
    return schedule


def _touched(u: Ledger, schedule: JobSchedule) -> JobSchedule:
    return replace(schedule, modified_at=max(u.now, schedule.modified_at + 1))


def _move(u: Ledger, schedule: JobSchedule, state: ScheduleState) -> JobSchedule:
    u.event(schedule.account, "job schedule", schedule.key, state.value)
    return replace(
        schedule, state=state, state_at=u.now, previous_state=schedule.state, previous_state_at=schedule.state_at
    )


def _kept(u: Ledger, schedule: JobSchedule) -> JobSchedule:
    u.tx.schedules.update(schedule)
    u.effects.remind(schedule.due_at)
    return schedule


def _last_job(u: Ledger, schedule: JobSchedule) -> Job | None:
    """The schedule's last job as long as it is not over."""
    job = u.tx.jobs.by_key(schedule.job_key) if schedule.job_key is not None else None
    job = u.known(job) if job is not None else None
    return job if job is not None and job.state is not JobState.COMPLETED else None


def update(
    u: Ledger, account: str, name: str, change: Callable[[JobSchedule], JobSchedule], *, check: Check | None = None
) -> JobSchedule:
    """Change a schedule by a face's function; its active job goes on as it was made. WrongState when it is over."""
    schedule = _checked(u, account, name, "update", check)
    new = _touched(u, change(schedule))
    _check_tasks(new.spec.template)
    if new.spec.timetable != schedule.spec.timetable:
        new = timetable.begun(new, u.now)
    if not _same_pool(new.spec.template.spec.auto_pool, schedule.spec.template.spec.auto_pool):
        new = _without_pool(u, new, schedule)
    return _advance(u, new)


def disable(u: Ledger, account: str, name: str, *, check: Check | None = None) -> JobSchedule:
    """Make no more jobs until it is enabled; the active one goes on. WrongState when it is held already or over."""
    schedule = _checked(u, account, name, "disable", check)
    if schedule.state is ScheduleState.DISABLED:
        raise WrongState("job schedule", schedule.state.value, "disable")
    return _kept(u, timetable.asleep(_move(u, _touched(u, schedule), ScheduleState.DISABLED)))


def enable(u: Ledger, account: str, name: str, *, check: Check | None = None) -> JobSchedule:
    """Make jobs again, the one whose window is still open at once. WrongState unless it is held."""
    schedule = _checked(u, account, name, "enable", check)
    if schedule.state is not ScheduleState.DISABLED:
        raise WrongState("job schedule", schedule.state.value, "enable")
    return _advance(u, _move(u, _touched(u, schedule), ScheduleState.ACTIVE))


def terminate(
    u: Ledger, account: str, name: str, *, forced: bool = False, check: Check | None = None
) -> JobSchedule:  # fmt: skip
    """End a schedule and its active job; `forced` waits for no node. WrongState when it is over.

    One that is being terminated can still be forced to its end.
    """
    hurried = ScheduleState.TERMINATING if forced else None
    schedule = _touched(u, _checked(u, account, name, "terminate", check, but=hurried))
    if schedule.state is not ScheduleState.TERMINATING:
        schedule = _move(u, schedule, ScheduleState.TERMINATING)
    schedule = replace(timetable.asleep(schedule), next_run_at=None, opened_at=None)
    job = _last_job(u, schedule)
    if job is not None and (job.state not in jobs.OVER or (forced and job.state is JobState.TERMINATING)):
        end_job(u, job, REASON, Ending.TERMINATED, forced=forced)
    return _settled(u, schedule)


def delete(u: Ledger, account: str, name: str, *, forced: bool = False, check: Check | None = None) -> None:
    """Delete a schedule with its jobs, in the background. WrongState when that goes on already, and is not `forced`."""
    schedule = find_schedule(u.tx, account, name)
    if check:
        check(schedule)
    if schedule.state is ScheduleState.DELETING and not forced:
        raise WrongState("job schedule", schedule.state.value, "delete")
    if schedule.state is not ScheduleState.DELETING:
        schedule = _move(u, schedule, ScheduleState.DELETING)
    schedule = _kept(u, timetable.asleep(_touched(u, schedule)))
    job = _last_job(u, schedule)
    if job is not None and (forced or job.state is not JobState.DELETING):
        jobs.discard(u, job, forced=forced)
    _purge(u, schedule)


def _purge(u: Ledger, schedule: JobSchedule) -> None:
    """Delete the next jobs of a schedule that is being deleted, then itself."""
    going = Compare("state", "ne", JobState.DELETING.value)
    some = u.tx.jobs.of_schedule(schedule.key, going, 0, PIECE)
    for job in map(u.known, some):
        if job.state is not JobState.DELETING:
            jobs.discard(u, job)
    if len(some) == PIECE:
        u.effects.tend = True
        _kept(u, replace(schedule, due_at=u.now))
    elif not u.tx.jobs.of_schedule(schedule.key, None, 0, 1):
        _leave_pool(u, schedule)
        u.tx.schedules.delete(schedule.key)
        u.forget(Owner("schedule", str(schedule.key)))
        u.event(schedule.account, "job schedule", schedule.key, "deleted")
    else:
        _kept(u, timetable.asleep(schedule))


def tend(u: Ledger) -> None:
    """Look at the schedules whose moment has come."""
    due = u.tx.schedules.due(u.now, PIECE)
    u.effects.tend |= len(due) == PIECE
    for schedule in due:
        match schedule.state:
            case ScheduleState.ACTIVE:
                _advance(u, schedule)
            case ScheduleState.TERMINATING:
                _settled(u, timetable.asleep(schedule))
            case ScheduleState.DELETING:
                _purge(u, schedule)
            case _:
                _kept(u, timetable.asleep(schedule))


def _advance(u: Ledger, schedule: JobSchedule) -> JobSchedule:
    """Make the job that is due, or end a schedule that has nothing left to make; one that is held stays as it is."""
    if schedule.state is not ScheduleState.ACTIVE:
        return _kept(u, timetable.asleep(schedule))
    step = timetable.advance(schedule, u.now, busy=_last_job(u, schedule) is not None)
    if step.starts:
        started = _with_job(u, step.schedule)
        u.effects.tend |= (over := _last_job(u, started) is None)
        return _kept(u, replace(started, due_at=u.now) if over else started)
    return _completed(u, step.schedule) if step.over else _kept(u, step.schedule)


def _settled(u: Ledger, schedule: JobSchedule) -> JobSchedule:
    """A schedule that is being terminated is completed once its job is over."""
    return _kept(u, schedule) if _last_job(u, schedule) is not None else _completed(u, schedule)


def _completed(u: Ledger, schedule: JobSchedule) -> JobSchedule:
    _leave_pool(u, schedule)
    return _kept(u, timetable.asleep(replace(_move(u, schedule, ScheduleState.COMPLETED), ended_at=u.now)))


def _with_job(u: Ledger, schedule: JobSchedule) -> JobSchedule:
    """Make the next job of the schedule, and the pool of all its jobs when that is not there."""
    template = schedule.spec.template
    spec, automatic = template.spec, template.spec.auto_pool
    if automatic is not None and automatic.lasting:
        if schedule.pool is None or u.tx.pools.get(schedule.account, schedule.pool) is None:
            schedule = replace(schedule, pool=pools.add_auto(u, schedule.account, automatic).spec.id)
        spec = replace(spec, pool=schedule.pool or "")
    job = jobs.add(
        u, schedule.account, replace(spec, id=f"{schedule.spec.id}:job-{schedule.runs}"), template.facts,
        first_tasks=template.first_tasks, schedule_key=schedule.key,
    )  # fmt: skip
    return replace(schedule, job_key=job.key, recent_job=job.spec.id)


def _leave_pool(u: Ledger, schedule: JobSchedule) -> None:
    """Let the pool of all jobs go, unless it is to be kept."""
    automatic = schedule.spec.template.spec.auto_pool
    if schedule.pool is not None and (automatic is None or not automatic.kept):
        u.orphans.append((schedule.account, schedule.pool))


def _same_pool(one: AutoPool | None, other: AutoPool | None) -> bool:
    """Tell whether the same pool serves both, kept or not."""
    return one == other or (one is not None and other is not None and replace(one, kept=other.kept) == other)


def _without_pool(u: Ledger, schedule: JobSchedule, before: JobSchedule) -> JobSchedule:
    """The schedule once its pool was asked for otherwise: the pool there is goes, with the job that runs on it."""
    automatic, job = before.spec.template.spec.auto_pool, _last_job(u, before)
    if before.pool is None or automatic is None:
        return schedule
    if not automatic.kept:
        if job is None:
            u.orphans.append((before.account, before.pool))
        else:
            u.put_job(replace(job, spec=replace(job.spec, auto_pool=replace(automatic, lasting=False))))
    return replace(schedule, pool=None)
