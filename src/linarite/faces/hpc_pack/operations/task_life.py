"""The life of a task: Cancel, Requeue, and Finish on the JSON surface. Source: the page of each; NOTES 7."""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine import sweeps, tasks
from linarite.engine.counting import BUSY
from linarite.engine.endings import end_task
from linarite.engine.ledger import Ledger
from linarite.engine.model import Ending, Facts, Job, Sweep, Task
from linarite.faces.hpc_pack.answers import Answer, Nothing
from linarite.faces.hpc_pack.callers import FACE
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import CANCEL_TASK_STATE, NOT_RERUNNABLE, TASK_STATE, bad
from linarite.faces.hpc_pack.operations.finding import the_task
from linarite.faces.hpc_pack.operations.job_life import GRACE, grace
from linarite.faces.hpc_pack.properties.node_task_view import OnNodes
from linarite.faces.hpc_pack.properties.views import Target, state_of


async def cancel_task(call: Call) -> Answer:
    """Cancel Task, Cancel Subtask: a running one is ended and failed, a waiting one canceled; a sweep as a whole."""
    message = await call.message()
    await call.engine.do(_cancel, call, message, grace(call), who=call.caller.name)
    return Nothing()


def _cancel(u: Ledger, call: Call, message: str, wait: float) -> None:
    job, found = the_task(u.tx, call)
    call.caller.may_change(job)
    state = state_of(job, found)
    if state not in {"Configuring", "Queued", "Dispatching", "Running"}:
        raise bad(CANCEL_TASK_STATE, f"A task that is {state} can not be canceled.")
    _end(u, job, found, Ending.TERMINATED, message, wait)


def _end(u: Ledger, job: Job, found: Target, ending: Ending, message: str, wait: float) -> None:
    found = _not_on_nodes(found)
    if isinstance(found, Sweep):
        sweeps.stop(u, found, message, ending=ending, grace=wait)
    else:
        tasks.terminate(u, job.account, job.spec.id, found.spec.id, ending=ending, reason=message, grace=wait)


def _not_on_nodes(found: Target) -> Task | Sweep:
    if isinstance(found, OnNodes):
        raise bad(TASK_STATE, f"A task of type {found.type} begins and ends with its job.")
    return found


async def finish_task(call: Call) -> Answer:
    """Finish: a running task is ended, and counts as finished; a sweep with all of its subtasks."""
    message = await call.message()
    await call.engine.do(_finish, call, message, who=call.caller.name)
    return Nothing()


def _finish(u: Ledger, call: Call, message: str) -> None:
    job, found = the_task(u.tx, call)
    call.caller.may_change(job)
    state = state_of(job, found)
    if state != "Running":
        raise bad(TASK_STATE, f"A task that is {state} can not be finished.")
    _end(u, job, found, Ending.FINISHED, message, GRACE)


async def requeue_task(call: Call) -> Answer:
    """Requeue Task, Requeue Subtask: a failed or canceled one runs again; a running one is ended first."""
    await call.properties()
    await call.engine.do(_requeue, call, who=call.caller.name)
    return Nothing()


def _requeue(u: Ledger, call: Call) -> None:
    job, found = the_task(u.tx, call)
    job = u.known(job)
    call.caller.may_change(job)
    found = _not_on_nodes(found)
    if not found.facts.get(FACE, {}).get("IsRerunnable", True):
        raise bad(NOT_RERUNNABLE, f"Task {job.alias}.{found.alias} is not rerunnable.")
    state = state_of(job, found)
    if state not in {"Running", "Dispatching", "Failed", "Canceled"}:
        raise bad(TASK_STATE, f"A task that is {state} can not be requeued.")
    if isinstance(found, Sweep):
        again = sweeps.requeue(u, found)
        sweeps.write_facts(u, again, _counted(again.facts))
        return
    if found.state in BUSY:
        new = end_task(u, found, Ending.REQUEUED, None, GRACE)
    else:
        new = tasks.reactivate(u, call.account, job.spec.id, found.spec.id)
    u.put_task(new, replace(new, facts=_counted(new.facts)), rewrite=True)


def _counted(facts: Facts) -> Facts:
    own = facts.get(FACE, {})
    return {**facts, FACE: {**own, "RequeueCount": own.get("RequeueCount", 0) + 1}}
