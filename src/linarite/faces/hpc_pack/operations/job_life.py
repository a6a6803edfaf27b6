"""The life of a job: Submit, Cancel, Requeue, and Finish on the JSON surface. Source: the page of each; NOTES 7."""

from __future__ import annotations

from linarite.engine import jobs
from linarite.engine.ledger import Ledger
from linarite.engine.model import Ending, Job, Task
from linarite.faces.hpc_pack import states
from linarite.faces.hpc_pack.answers import Answer, Nothing
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import CANCEL_JOB_STATE, JOB_STATE, MISSING_COMMAND, NO_CODE, NOT_CONFIGURING, bad
from linarite.faces.hpc_pack.operations import node_tasks
from linarite.faces.hpc_pack.operations.finding import the_job
from linarite.faces.hpc_pack.operations.jobs import Wanted, apply
from linarite.faces.hpc_pack.properties.job_wanted import of_job
from linarite.faces.hpc_pack.properties.jobs import JOBS

GRACE = 15.0
WITHOUT_COMMAND = "WithoutCommand"


def grace(call: Call) -> float:
    """Seconds between asking a process to end and killing it: none when forced."""
    return 0.0 if call.flag("forced") else GRACE


async def submit_job(call: Call) -> Answer:
    """Submit Job: its tasks may run from now on. The body may set properties, and name whom to run as."""
    wanted = JOBS.read(await call.properties())
    await call.engine.do(_submit, call, wanted, who=call.caller.name)
    return Nothing()


def _submit(u: Ledger, call: Call, wanted: Wanted) -> None:
    job = the_job(u.tx, call)
    call.caller.may_change(job)
    state = states.job_state(job)
    if state != "Configuring":
        raise bad(NOT_CONFIGURING, f"Job {job.alias} is {state}; only a Configuring job can be submitted.")

    def change(job: Job) -> Job:
        new = of_job(u.tx, job, call.service.default_pool)
        apply(new, wanted)
        if new.facts.get(WITHOUT_COMMAND):
            raise bad(MISSING_COMMAND, f"Task {job.alias}.{new.facts[WITHOUT_COMMAND][0]} has no command line.")
        return new.onto(job)

    jobs.submit(u, call.account, job.spec.id, change)


async def cancel_job(call: Call) -> Answer:
    """Cancel Job: what waits is canceled, what runs is ended and failed."""
    message = await call.message()
    await call.engine.do(_cancel, call, message, grace(call), who=call.caller.name)
    return Nothing()


def _cancel(u: Ledger, call: Call, message: str, wait: float) -> None:
    job = the_job(u.tx, call)
    call.caller.may_change(job)
    state = states.job_state(job)
    if state not in {"Configuring", "Queued", "Running"}:
        raise bad(CANCEL_JOB_STATE, f"Jobs in the {state} state cannot be canceled.")
    if not wait:
        u.put_job(node_tasks.without_release(u.known(job)))
    jobs.terminate(u, call.account, job.spec.id, states.CANCEL + message, grace=wait)


async def finish_job(call: Call) -> Answer:
    """Finish: like a cancel, but the job and what runs end as finished."""
    message = await call.message()
    await call.engine.do(_finish, call, message, who=call.caller.name)
    return Nothing()


def _finish(u: Ledger, call: Call, message: str) -> None:
    job = the_job(u.tx, call)
    call.caller.may_change(job)
    state = states.job_state(job)
    if state not in {"Queued", "Running"}:
        raise bad(JOB_STATE, f"A job that is {state} can not be finished.")
    jobs.terminate(u, call.account, job.spec.id, states.FINISH + message, ending=Ending.FINISHED, grace=GRACE)


async def requeue_job(call: Call) -> Answer:
    """Requeue Job: what did not finish runs again, but for tasks that were canceled one by one."""
    await call.properties()
    await call.engine.do(_requeue, call, who=call.caller.name)
    return Nothing()


def _requeue(u: Ledger, call: Call) -> None:
    job = the_job(u.tx, call)
    call.caller.may_change(job)
    state = states.job_state(job)
    if state not in {"Canceled", "Failed"}:
        raise bad(
            NO_CODE,
            f"Only Canceled or Failed jobs can be requeued, and job {job.alias} is {state}. To run a copy, get the job"
            " with Render=HpcJobXml and post that to Jobs/JobFile.",
        )
    u.put_job(node_tasks.with_release(u.known(job)))
    jobs.requeue(u, call.account, job.spec.id, again=_runs_again)


def _runs_again(task: Task) -> bool:
    """Tell whether a failed task runs again: not one that a user canceled by itself."""
    return not (task.failure is not None and task.failure.code == "ended" and task.ending_reason is not None)
