"""Finding jobs, tasks, sweeps and subtasks by the numbers that clients know them by."""

from __future__ import annotations

from linarite.engine.model import Job
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import no_job, no_task
from linarite.faces.hpc_pack.properties import node_task_view
from linarite.faces.hpc_pack.properties.views import Target


def the_job(tx: Transaction, call: Call) -> Job:
    """The job of the path. Refusal."""
    job = tx.jobs.by_alias(call.account, call.job)
    if job is None:
        raise no_job(call.job)
    return job


def the_task(tx: Transaction, call: Call) -> tuple[Job, Target]:
    """Whatever the path calls a task or a subtask, and its job, for its owner and for administrators.

    Refusal, NotAllowed.
    """
    job = the_job(tx, call)
    call.caller.may_see(job)
    number, index = call.task, call.subtask
    found: Target | None = tx.tasks.by_alias(job.key, number, index or 0) if index != 0 else None
    if found is None and index is None:
        found = tx.sweeps.by_alias(job.key, number)
    if found is None:
        found = node_task_view.by_number(tx, job, number, index)
    if found is None:
        raise no_task()
    return job, found
