"""The life of a task: Cancel, Requeue, and Finish on the JSON surface. Source: the page of each; NOTES 7."""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine import tasks
from linarite.engine.endings import end_task
from linarite.engine.ledger import BUSY, Ledger
from linarite.engine.model import Ending, Task
from linarite.faces.hpc_pack import states
from linarite.faces.hpc_pack.answers import Answer, Nothing
from linarite.faces.hpc_pack.callers import FACE
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import CANCEL_TASK_STATE, NOT_RERUNNABLE, TASK_STATE, bad
from linarite.faces.hpc_pack.operations.finding import the_task
from linarite.faces.hpc_pack.operations.job_life import GRACE, grace


async def cancel_task(call: Call) -> Answer:
    """Cancel Task: a running one is ended and failed, a waiting one canceled."""
    message = await call.message()
    await call.engine.do(_cancel, call, message, grace(call), who=call.caller.name)
    return Nothing()


def _cancel(u: Ledger, call: Call, message: str, wait: float) -> None:
    job, task = the_task(u.tx, call)
    call.caller.may_change(job)
    state = states.task_state(job, task)
    if state not in {"Configuring", "Queued", "Dispatching", "Running"}:
        raise bad(CANCEL_TASK_STATE, f"A task that is {state} can not be canceled.")
    tasks.terminate(u, call.account, job.spec.id, task.spec.id, reason=message, grace=wait)


async def finish_task(call: Call) -> Answer:
    """Finish: a running task is ended, and counts as finished."""
    message = await call.message()
    await call.engine.do(_finish, call, message, who=call.caller.name)
    return Nothing()


def _finish(u: Ledger, call: Call, message: str) -> None:
    job, task = the_task(u.tx, call)
    call.caller.may_change(job)
    state = states.task_state(job, task)
    if state != "Running":
        raise bad(TASK_STATE, f"A task that is {state} can not be finished.")
    tasks.terminate(
        u, call.account, job.spec.id, task.spec.id, ending=Ending.FINISHED, reason=message, grace=GRACE
    )  # fmt: skip


async def requeue_task(call: Call) -> Answer:
    """Requeue Task: a failed or canceled one runs again; a running one is ended first."""
    await call.properties()
    await call.engine.do(_requeue, call, who=call.caller.name)
    return Nothing()


def _requeue(u: Ledger, call: Call) -> None:
    job, task = the_task(u.tx, call)
    job = u.known(job)
    call.caller.may_change(job)
    if not task.facts.get(FACE, {}).get("IsRerunnable", True):
        raise bad(NOT_RERUNNABLE, f"Task {job.alias}.{task.alias} is not rerunnable.")
    state = states.task_state(job, task)
    if state not in {"Running", "Dispatching", "Failed", "Canceled"}:
        raise bad(TASK_STATE, f"A task that is {state} can not be requeued.")
    if task.state in BUSY:
        new = end_task(u, task, Ending.REQUEUED, None, GRACE)
    else:
        new = tasks.reactivate(u, call.account, job.spec.id, task.spec.id)
    u.put_task(new, _counted(new), rewrite=True)


def _counted(task: Task) -> Task:
    facts = task.facts.get(FACE, {})
    return replace(task, facts={**task.facts, FACE: {**facts, "RequeueCount": facts.get("RequeueCount", 0) + 1}})
