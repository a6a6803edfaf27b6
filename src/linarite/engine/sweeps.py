"""Parametric sweeps: one pattern of a task, run once for each of many values.

A sweep is no task: it holds the pattern, and makes its tasks piece by piece once its job was submitted, so that a
hundred thousand of them keep nobody waiting. Its counters tell how it stands; what depends on it waits for the last.
Source: HPC Pack SDK, TaskType.ParametricSweep; the limit is the product's own.
"""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine.endings import GRACE, end_sweep, end_task, let_go, reset, settle
from linarite.engine.errors import EngineError, InvalidValue, WrongState
from linarite.engine.finding import find_job
from linarite.engine.ledger import Ledger
from linarite.engine.model import (
    Counts,
    Ending,
    Facts,
    Job,
    JobState,
    Named,
    Sweep,
    SweepSpec,
    Task,
    TaskResult,
    TaskSpec,
    TaskState,
)  # fmt: skip
from linarite.engine.tasks import new_task, refusal

MOST = 100_000
PIECE = 500
"""Tasks that are made at once."""
AT_ONCE = 10
_OVER = {JobState.TERMINATING, JobState.COMPLETED, JobState.DELETING}


def add(u: Ledger, account: str, job_id: str, spec: SweepSpec, facts: Facts) -> Sweep:
    """Add a sweep to a job; in one that is submitted already its tasks are made at once.

    NotFound for the job, WrongState when it takes no tasks any more, InvalidValue, and what a task's pattern refuses.
    """
    job = u.known(find_job(u.tx, account, job_id))
    if job.state in _OVER:
        raise WrongState("job", job.state.value, "add task")
    _check(u, job, spec)
    sweep = Sweep(
        job_key=job.key, account=account, alias=job.next_task, spec=spec, created_at=u.now, modified_at=u.now,
        counts=Counts(), facts=facts,
    )  # fmt: skip
    job.next_task += 1
    u.put_job(job)
    sweep = u.add_sweep(sweep)
    return _begin(u, job, sweep) if job.state is not JobState.DRAFT else sweep


def _check(u: Ledger, job: Job, spec: SweepSpec, other_than: int = 0) -> None:
    if spec.step < 1:
        raise InvalidValue("IncrementValue", spec.step, "must be at least 1.")
    if spec.last < spec.first:
        raise InvalidValue("EndValue", spec.last, "must not be less than StartValue.")
    if spec.total > MOST:
        raise InvalidValue("EndValue", spec.last, f"a sweep has {MOST} tasks at most, not {spec.total}.")
    others = {each.spec.task.id.lower() for each in u.sweeps_of(job.key).values() if each.alias != other_than}
    refused: EngineError | None = refusal(job.spec, spec.task, others)
    if refused is not None:
        raise refused


def change(u: Ledger, sweep: Sweep, spec: SweepSpec, facts: Facts) -> Sweep:
    """Change a sweep of which no task was made yet. WrongState, and what adding it would refuse."""
    if sweep.made or sweep.growing:
        raise WrongState("sweep", "begun", "update")
    _check(u, u.job(sweep.job_key), spec, sweep.alias)
    return u.put_sweep(replace(sweep, spec=spec, facts=facts, modified_at=max(u.now, sweep.modified_at + 1)))


def write_facts(u: Ledger, sweep: Sweep, facts: Facts) -> Sweep:
    """Change what one face alone knows of a sweep, in any state."""
    return u.put_sweep(replace(sweep, facts=facts))


def grow_all(u: Ledger, job: Job) -> Job:
    """Begin, or go on, to make the tasks of all sweeps of a job that were not stopped."""
    for sweep in list(u.sweeps_of(job.key).values()):
        if sweep.ending is None and not sweep.growing and sweep.made < sweep.spec.total:
            _begin(u, job, sweep)
    return u.job(job.key)


def _begin(u: Ledger, job: Job, sweep: Sweep) -> Sweep:
    job.growing += 1
    u.put_job(job)
    return _grow(u, u.put_sweep(replace(sweep, growing=True)))


def tend(u: Ledger) -> None:
    """Make the next tasks of sweeps that are growing; called again until none is."""
    for sweep in u.tx.sweeps.growing(AT_ONCE):
        job = u.job(sweep.job_key)
        _grow(u, u.sweeps_of(sweep.job_key)[sweep.alias])
        settle(u, u.job(job.key))


def _grow(u: Ledger, sweep: Sweep) -> Sweep:
    """Make a piece of a sweep's tasks."""
    job = u.job(sweep.job_key)
    if job.state in _OVER:
        return _grown(u, sweep)
    if sweep.ending is not None:
        return _wind_up(u, sweep)
    upto = min(sweep.spec.total, sweep.made + PIECE)
    indices = range(sweep.made + 1, upto + 1)
    sweep = u.put_sweep(replace(sweep, made=upto))
    made = [new_task(u, job, spec, sweep.facts, sweep.alias, index) for index, spec in _specs(u, sweep, indices)]
    u.add_tasks(job, made)
    sweep.counts.active += len(made)
    sweep.counts.active_slots += sum(task.spec.required_slots for task in made)
    if upto == sweep.spec.total:
        return _grown(u, sweep)
    u.effects.tend = True
    return sweep


def _grown(u: Ledger, sweep: Sweep) -> Sweep:
    """A sweep makes no more tasks."""
    job = u.job(sweep.job_key)
    job.growing -= sweep.growing
    u.put_job(job)
    return u.put_sweep(replace(sweep, growing=False))


def _specs(u: Ledger, sweep: Sweep, indices: range) -> list[tuple[int, TaskSpec]]:
    names = {index: f"{sweep.spec.task.id}-{index}" for index in indices}
    taken = u.tx.tasks.existing(sweep.job_key, list(names.values()))
    free = {index: f"sweep-{name}" if name.lower() in taken else name for index, name in names.items()}
    return [(index, of_value(sweep.spec, name, index)) for index, name in free.items()]


def of_value(spec: SweepSpec, id: str, index: int) -> TaskSpec:
    """The task of one value: `*` becomes the value."""
    value = str(spec.first + (index - 1) * spec.step)
    task = spec.task
    texts = {
        name: text.replace("*", value)
        for name in ("command", "display_name", "stdin", "stdout", "stderr")
        if (text := getattr(task, name)) is not None
    }
    own = (Named(spec.variable, value),) if spec.variable else ()
    return replace(task, id=id, environment=(*task.environment, *own), **texts)


def stop(
    u: Ledger, sweep: Sweep, reason: str, *, ending: Ending = Ending.TERMINATED, grace: float = GRACE
) -> Sweep:  # fmt: skip
    """End a sweep as a whole: what runs is ended, nothing more starts, and what waits is ended piece by piece.

    WrongState when it is over, or ended already.
    """
    if sweep.over or sweep.ending is not None:
        raise WrongState("sweep", "over", "terminate")
    job = u.job(sweep.job_key)
    job.growing += not sweep.growing
    held = u.tx.tasks.unqueue(sweep.job_key, sweep.alias)
    job.queued -= held
    job.queued_instances -= held * max(1, sweep.spec.task.instances)
    u.put_job(job)
    sweep = u.put_sweep(replace(sweep, ending=ending, ending_reason=reason, wound=0, growing=True))
    for task in u.tx.tasks.running_of_job(sweep.job_key):
        if task.alias == sweep.alias and task.index:
            end_task(u, task, ending, reason, grace)
    sweep = _wind_up(u, u.sweeps_of(sweep.job_key)[sweep.alias])
    settle(u, u.job(sweep.job_key))
    return sweep


def _wind_up(u: Ledger, sweep: Sweep) -> Sweep:
    """End a piece of the waiting tasks of a sweep that was ended."""
    page = u.tx.tasks.of_sweep(sweep.job_key, sweep.alias, sweep.wound, PIECE)
    for task in map(u.task, page):
        if task.state is TaskState.ACTIVE:
            end_task(u, task, sweep.ending or Ending.TERMINATED, sweep.ending_reason)
    sweep = u.sweeps_of(sweep.job_key)[sweep.alias]
    if len(page) < PIECE:
        sweep = _grown(u, sweep)
        let_go(u, end_sweep(u, sweep))
        return u.sweeps_of(sweep.job_key)[sweep.alias]
    u.effects.tend = True
    return u.put_sweep(replace(sweep, wound=page[-1].index))


def requeue(u: Ledger, sweep: Sweep) -> Sweep:
    """Run again what of a sweep failed or was ended, and make what was not made. WrongState while its job is over."""
    job = u.job(sweep.job_key)
    if job.state in _OVER:
        raise WrongState("job", job.state.value, "requeue task")
    if sweep.ending is not None and sweep.growing:
        raise WrongState("sweep", "ending", "requeue task")
    u.put_sweep(replace(sweep, ending=None, ending_reason=None, ended_at=None, wound=0))
    for task in _tasks(u, sweep):
        if task.result is TaskResult.FAILURE:
            u.put_task(task, reset(u, task, retries=0), "requeued")
    u.effects.wake = True
    return u.sweeps_of(grow_all(u, job).key)[sweep.alias]


def _tasks(u: Ledger, sweep: Sweep) -> list[Task]:
    """Every task of a sweep as this unit has it, a page at a time from the store."""
    found: list[Task] = []
    while page := u.tx.tasks.of_sweep(sweep.job_key, sweep.alias, found[-1].index if found else 0, 1000):
        found += page
    return [u.task(task) for task in found]
