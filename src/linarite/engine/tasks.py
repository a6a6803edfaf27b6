"""Tasks: adding them, reading their life forward, ending, reactivating, changing and deleting them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from linarite.engine.counting import BUSY
from linarite.engine.endings import GRACE, end_task, remove, reset, settle
from linarite.engine.errors import (
    AlreadyExists,
    DependenciesNotEnabled,
    DependencyListTooLong,
    DependencyRangesTooLong,
    EngineError,
    InvalidValue,
    WrongState,
)  # fmt: skip
from linarite.engine.finding import find_job, find_task
from linarite.engine.ledger import Ledger
from linarite.engine.model import (
    Dependencies,
    Ending,
    Facts,
    Job,
    JobSpec,
    JobState,
    OnTaskFailure,
    Task,
    TaskResult,
    TaskSpec,
    TaskState,
)  # fmt: skip

MAX_DEPENDENCY_CHARACTERS = 64_000
Check = Callable[[Task], None]


def add(u: Ledger, account: str, job_id: str, specs: Sequence[tuple[TaskSpec, Facts]]) -> list[Task | EngineError]:
    """Add tasks to a job: each gives its record, or the refusal that keeps it out; the others are added all the same.

    Raises NotFound for the job, WrongState when the job takes no tasks any more.
    """
    job = u.known(find_job(u.tx, account, job_id))
    if job.state in {JobState.COMPLETED, JobState.TERMINATING, JobState.DELETING}:
        raise WrongState("job", job.state.value, "add task")
    taken = u.tx.tasks.existing(job.key, [spec.id for spec, _ in specs])
    answers: list[Task | EngineError] = []
    tasks: list[Task] = []
    for spec, facts in specs:
        refused = refusal(job.spec, spec, taken)
        if refused is not None:
            answers.append(refused)
            continue
        taken.add(spec.id.lower())
        task = new_task(u, job, spec, facts)
        answers.append(task)
        tasks.append(task)
    if tasks:
        u.add_tasks(job, tasks)
    return answers


def refusal(job: JobSpec, spec: TaskSpec, taken: Collection[str] = ()) -> EngineError | None:
    """What keeps a task out of a job whose tasks have the ids `taken`, in lower case; None: nothing."""
    if spec.id.lower() in taken:
        return AlreadyExists("task", spec.id)
    for kind, own in (("preparation", job.preparation), ("release", job.release)):
        if own is not None and own.id.lower() == spec.id.lower():
            return AlreadyExists(f"job {kind} task", spec.id)
    if spec.dependencies is not None and not job.uses_dependencies:
        return DependenciesNotEnabled("The job does not use task dependencies.")
    refused = None if spec.dependencies is None else _dependencies_refusal(spec.dependencies)
    return refused or _exit_conditions_refusal(job, spec)


def _dependencies_refusal(dependencies: Dependencies) -> EngineError | None:
    if sum(map(len, dependencies.ids)) > MAX_DEPENDENCY_CHARACTERS:
        return DependencyListTooLong("The task ids of the dependencies are too long together.")
    if sum(len(f"{first}-{last},") for first, last in dependencies.ranges) > MAX_DEPENDENCY_CHARACTERS:
        return DependencyRangesTooLong("The dependencies name too many ranges.")
    for first, last in dependencies.ranges:
        if first > last or first < 0:
            return InvalidValue("taskIdRanges", f"{first}-{last}", "start must be at most end, and neither negative.")
    return None


def _exit_conditions_refusal(job: JobSpec, spec: TaskSpec) -> EngineError | None:
    conditions = spec.exit_conditions
    if conditions is None:
        return None
    every = [entry.options for entry in (*conditions.codes, *conditions.ranges)]
    every += [o for o in (conditions.pre_processing_error, conditions.file_upload_error, conditions.default) if o]
    if job.on_task_failure is OnTaskFailure.NO_ACTION:
        for chosen in every:
            if chosen.job_action is not None:
                return InvalidValue("jobAction", chosen.job_action.value, "the job's onTaskFailure is noaction.")
    if not job.uses_dependencies:
        for chosen in every:
            if chosen.dependency_action is not None:
                reason = "the job does not use task dependencies."
                return InvalidValue("dependencyAction", chosen.dependency_action.value, reason)
    return None


def new_task(u: Ledger, job: Job, spec: TaskSpec, facts: Facts, sweep: int = 0, index: int = 0) -> Task:
    """A task with the job's next number, or one of a sweep, with that one's; not in the store yet."""
    waiting = _waiting(u, job, spec.dependencies)
    number = sweep or job.next_task
    job.next_task += not sweep
    return Task(
        job_key=job.key, account=job.account, alias=number, index=index, spec=spec, created_at=u.now,
        modified_at=u.now, state_at=u.now, waiting=waiting, queued=waiting == 0, facts=facts,
    )  # fmt: skip


def _waiting(u: Ledger, job: Job, dependencies: Dependencies | None) -> int:
    if dependencies is None:
        return 0
    ids = {name.lower() for name in dependencies.ids}
    total = len(ids) + sum(last - first + 1 for first, last in dependencies.ranges)
    if not total:
        return 0
    sweeps = u.sweeps_of(job.key).values() if ids else ()
    over = sum(sweep.satisfied and sweep.spec.task.id.lower() in ids for sweep in sweeps)
    return total - over - u.tx.tasks.satisfied_count(job.key, sorted(ids), dependencies.ranges)


def terminate(
    u: Ledger, account: str, job_id: str, task_id: str, *, ending: Ending = Ending.TERMINATED,
    reason: str | None = None, grace: float = GRACE, check: Check | None = None,
) -> Task:  # fmt: skip
    """Terminate a task (`ending` FINISHED lets it count as a success). WrongState when it is completed."""
    job, task = find_task(u.tx, account, job_id, task_id)
    u.known(job)
    if check:
        check(task)
    if task.state is TaskState.COMPLETED:
        raise WrongState("task", task.state.value, "terminate")
    return end_task(u, task, ending, reason, grace)


def reactivate(u: Ledger, account: str, job_id: str, task_id: str, *, check: Check | None = None) -> Task:
    """Run a failed task again with all its retries. WrongState when not completed or when it succeeded."""
    job, task = find_task(u.tx, account, job_id, task_id)
    job = u.known(job)
    if check:
        check(task)
    if task.state is not TaskState.COMPLETED:
        raise WrongState("task", task.state.value, "reactivate")
    if task.result is TaskResult.SUCCESS:
        raise WrongState("task", "succeeded", "reactivate")
    if job.state not in {JobState.ACTIVE, JobState.DISABLED, JobState.DISABLING, JobState.ENABLING}:
        raise WrongState("job", job.state.value, "reactivate task")
    modified = max(u.now, task.modified_at + 1)
    new = u.put_task(task, reset(u, task, retries=0, modified_at=modified), "reactivated")
    u.effects.wake = True
    return new


def update(
    u: Ledger, account: str, job_id: str, task_id: str, change: Callable[[Job, Task], Task], *,
    check: Check | None = None,
) -> Task:  # fmt: skip
    """Change a task's spec or facts by a face's function; WrongState when it is completed."""
    job, task = find_task(u.tx, account, job_id, task_id)
    u.known(job)
    if check:
        check(task)
    if task.state is TaskState.COMPLETED:
        raise WrongState("task", task.state.value, "update")
    new = replace(change(job, task), modified_at=max(u.now, task.modified_at + 1))
    return u.put_task(task, new, rewrite=True)


def write_facts(u: Ledger, account: str, job_id: str, task_id: str, change: Callable[[Task], Task]) -> Task:
    """Change what one face alone knows of a task, in any state; the task's tag and state stay."""
    job, found = find_task(u.tx, account, job_id, task_id)
    u.known(job)
    task = u.task(found)
    return u.put_task(task, change(task), rewrite=True)


def delete(u: Ledger, account: str, job_id: str, task_id: str, *, check: Check | None = None) -> None:
    """Delete a task with its files; a running one is not found any more, and goes once its run has ended."""
    job, task = find_task(u.tx, account, job_id, task_id)
    u.known(job)
    if check:
        check(task)
    if task.state in BUSY:
        end_task(u, task, Ending.DELETED, None, 0)
        return
    remove(u, job, task)
    settle(u, u.job(job.key))
