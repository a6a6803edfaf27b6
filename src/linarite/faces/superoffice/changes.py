"""Units of work on batch tasks: stop, change, delete. A client's word on a state never overrules the engine's own.

Source: SuperOffice NOTES section 13, 'PUT and UpdateBatchTask of State'.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from linarite.engine import jobs, tasks
from linarite.engine.errors import NotFound, WrongState
from linarite.engine.ledger import Ledger
from linarite.engine.model import Ending, Job, JobState, Task, TaskState
from linarite.engine.ports import Transaction
from linarite.faces.superoffice.states import FACE, BatchTaskState, Cancellation, own_facts, state_of

State = BatchTaskState


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What an update takes over; None leaves it as it is; `associate` is who changes it."""

    state: BatchTaskState | None = None
    description: str | None = None
    response: str | None = None
    request: str | None = None
    associate: int = 0


def pair(tx: Transaction, account: str, id: int) -> tuple[Job, Task]:
    """The task of that number and its job. NotFound."""
    task = _there(tx, account, id)
    job = None if task is None else tx.jobs.by_key(task.job_key)
    if task is None or job is None:
        raise NotFound("BatchTask", str(id))
    return job, task


def _there(tx: Transaction, account: str, id: int) -> Task | None:
    """The task of that number, None when it is gone or going."""
    task = tx.tasks.by_account_alias(account, id)
    return None if task is None or task.ending is Ending.DELETED else task


def pairs(tx: Transaction, account: str, ids: Sequence[int], *, all_there: bool) -> list[tuple[Job, Task]]:
    """The tasks of these numbers, each once. NotFound when `all_there` is asked for and one is not."""
    numbers = list(dict.fromkeys(ids))
    return [pair(tx, account, id) for id in numbers if all_there or _there(tx, account, id) is not None]


def stop(u: Ledger, account: str, id: int) -> bool:
    """Terminate a task; False when it has ended. WrongState when it cannot be cancelled."""
    job, task = pair(u.tx, account, id)
    if task.state is TaskState.COMPLETED:
        return False
    _end(u, job, task, Ending.TERMINATED)
    return True


def _may_end(job: Job, task: Task) -> None:
    if own_facts(task).get("cancellation") == Cancellation.CannotCancel.name:
        raise WrongState("BatchTask", state_of(job, task).name, "stop", "The task cannot be cancelled.")


def _end(u: Ledger, job: Job, task: Task, ending: Ending) -> None:
    _may_end(job, task)
    tasks.terminate(u, job.account, job.spec.id, task.spec.id, ending=ending)


def delete(u: Ledger, account: str, ids: Sequence[int], *, all_there: bool) -> None:
    """Delete tasks with their files, all or none. NotFound when `all_there` is asked for and one is not.

    WrongState for one that is not over and cannot be cancelled.
    """
    found = pairs(u.tx, account, ids, all_there=all_there)
    for job, task in found:
        if task.state is not TaskState.COMPLETED:
            _may_end(job, task)
    for job, task in found:
        tasks.delete(u, account, job.spec.id, task.spec.id)


def update(u: Ledger, account: str, id: int, change: Change) -> None:
    """Take over what a client may set. WrongState for a state that cannot be set."""
    job, task = pair(u.tx, account, id)
    facts: dict[str, object] = {}
    if change.state is not None and change.state is not state_of(job, task):
        facts["cleanup"] = _set_state(u, job, task, change.state)
    for name in ("description", "response", "request"):
        if (value := getattr(change, name)) is not None:
            facts[name] = value
    if facts:
        facts["updated_by"] = change.associate
        tasks.write_facts(u, account, job.spec.id, task.spec.id, lambda task: _with(task, facts))


def _with(task: Task, facts: dict[str, object]) -> Task:
    return replace(task, facts=task.facts | {FACE: own_facts(task) | facts})


def _set_state(u: Ledger, job: Job, task: Task, state: BatchTaskState) -> bool:
    """Bring a task into a state; returns whether it is to be cleaned up by hand."""
    done = task.state is TaskState.COMPLETED
    own = state_of(job, _with(task, {"cleanup": False}))
    if done and state is State.SucceededManualCleanup:
        return True
    if done and state is own:
        return False
    if not done and state in {State.Failed, State.Succeeded}:
        _end(u, job, task, Ending.TERMINATED if state is State.Failed else Ending.FINISHED)
        return False
    if own is State.Failed and state is State.New:
        _again(u, job, task)
        return False
    raise WrongState("BatchTask", own.name, f"set State to {state.name}")


def _again(u: Ledger, job: Job, task: Task) -> None:
    if job.state is JobState.COMPLETED:
        jobs.requeue(u, job.account, job.spec.id)
    else:
        tasks.reactivate(u, job.account, job.spec.id, task.spec.id)
