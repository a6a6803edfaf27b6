"""Jobs: add, get, list, patch, update, delete, disable, enable, terminate, task counts."""

from __future__ import annotations

from linarite.engine import jobs
from linarite.engine.filtering import Listed
from linarite.engine.finding import find_job
from linarite.engine.model import Job
from linarite.engine.ports import Transaction
from linarite.faces.azure_batch import certificates, filters
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.operations.lists import Where, ask_page
from linarite.faces.azure_batch.operations.statistics import Gathered, stats_of_jobs, up_to_now
from linarite.faces.azure_batch.render.jobs import job_json, task_counts
from linarite.faces.azure_batch.wire.job_changes import patched, put, replaced
from linarite.faces.azure_batch.wire.jobs import (
    JobAdd,
    JobChange,
    JobDisable,
    JobPut,
    JobTerminate,
    job_of,
    on_running,
)  # fmt: skip
from linarite.http.messages import Response

TERMINATED = "UserTerminate"


async def add_job(call: Call) -> Response:
    """Jobs_CreateJob: the job, the pool made for it and its job manager task, or none of them."""
    wanted = job_of(await call.body(JobAdd))
    references = certificates.of_auto_pool(wanted.spec)
    job = await call.do(
        certificates.referring, references, jobs.add, wanted.spec, wanted.facts, first_tasks=wanted.first_tasks
    )
    return call.done(201, job, "jobs", job.spec.id, created=True)


async def _job(call: Call) -> Job:
    return await call.engine.ask(lambda tx: find_job(tx, call.account, call.parameters["jobId"]))


async def get_job(call: Call) -> Response:
    """Jobs_GetJob."""
    expands = call.expands("jobs")

    def one(tx: Transaction) -> tuple[Job, Gathered]:
        job = find_job(tx, call.account, call.parameters["jobId"])
        return job, stats_of_jobs(tx, call, [job] if expands else [])

    job, gathered = await call.engine.ask(one)
    call.check_read(job)
    stats = await up_to_now(call, gathered)
    return call.one("jobs", {**job_json(job, call.base), **stats.get(job.key, {})}, job)


async def list_jobs(call: Call) -> Response:
    """Jobs_ListJobs."""
    expands = call.expands("jobs")

    def page(tx: Transaction, where: Where, start: str, limit: int) -> tuple[Gathered, Listed[Job]]:
        found = tx.jobs.listed(call.account, where, start, limit)
        return stats_of_jobs(tx, call, found.records if expands else []), found

    gathered, found, link = await ask_page(call, filters.JOBS, page)
    stats = await up_to_now(call, gathered)
    shown = [{**job_json(job, call.base), **stats.get(job.key, {})} for job in found]
    return call.many("jobs", shown, link)


async def patch_job(call: Call) -> Response:
    """Jobs_UpdateJob."""
    change, name = await call.body(JobChange), call.parameters["jobId"]
    job = await call.do(jobs.update, name, lambda job: patched(job, change), check=call.check())
    return call.done(200, job, "jobs", name)


async def update_job(call: Call) -> Response:
    """Jobs_ReplaceJob."""
    change, name = put(await call.body(JobPut)), call.parameters["jobId"]
    job = await call.do(jobs.update, name, lambda job: replaced(job, change, call.version), check=call.check())
    return call.done(200, job, "jobs", name)


async def delete_job(call: Call) -> Response:
    """Jobs_DeleteJob."""
    await call.do(jobs.delete, call.parameters["jobId"], forced=call.flag("force"), check=call.check())
    return Response(202)


async def disable_job(call: Call) -> Response:
    """Jobs_DisableJob."""
    option, name = on_running(await call.body(JobDisable)), call.parameters["jobId"]
    job = await call.do(jobs.disable, name, option, check=call.check())
    return call.done(202, job, "jobs", name, "disable")


async def enable_job(call: Call) -> Response:
    """Jobs_EnableJob."""
    name = call.parameters["jobId"]
    job = await call.do(jobs.enable, name, check=call.check())
    return call.done(202, job, "jobs", name, "enable")


async def terminate_job(call: Call) -> Response:
    """Jobs_TerminateJob."""
    forced, name = call.flag("force"), call.parameters["jobId"]
    reason = (await call.optional_body(JobTerminate)).terminate_reason or TERMINATED
    job = await call.do(jobs.terminate, name, reason, forced=forced, check=call.check())
    return call.done(202, job, "jobs", name, "terminate")


async def get_task_counts(call: Call) -> Response:
    """Jobs_GetJobTaskCounts."""
    job = await _job(call)
    return call.one("taskcountsresult", task_counts(job.counts, call.version))
