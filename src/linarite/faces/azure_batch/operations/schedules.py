"""Job schedules: add, get, list, patch, update, delete, disable, enable, terminate, and the jobs of one."""

from __future__ import annotations

from linarite.engine.filtering import Listed
from linarite.engine.finding import find_schedule
from linarite.engine.model import Job
from linarite.engine.ports import Transaction
from linarite.engine.recurrence import schedules
from linarite.engine.recurrence.records import JobSchedule
from linarite.faces.azure_batch import certificates, filters
from linarite.faces.azure_batch.call import Call, tag_headers
from linarite.faces.azure_batch.operations.lists import Where, ask_page
from linarite.faces.azure_batch.operations.statistics import (
    Gathered,
    Stats,
    stats_of_jobs,
    stats_of_schedules,
    up_to_now,
)  # fmt: skip
from linarite.faces.azure_batch.render.jobs import job_json
from linarite.faces.azure_batch.render.schedules import schedule_json
from linarite.faces.azure_batch.wire.schedules import (
    ScheduleAdd,
    ScheduleChange,
    SchedulePut,
    patched,
    replaced,
    schedule_of,
)  # fmt: skip
from linarite.http.messages import Response


async def add_job_schedule(call: Call) -> Response:
    """JobSchedules_CreateJobSchedule: the schedule, and its first job unless that is to come later."""
    spec = schedule_of(await call.body(ScheduleAdd))
    references = certificates.of_auto_pool(spec.template.spec)
    schedule = await call.do(certificates.referring, references, schedules.add, spec, {})
    return call.done(201, schedule, "jobschedules", spec.id, created=True)


async def _schedule(call: Call, *, expands: bool = False) -> tuple[JobSchedule, Stats]:
    name = call.parameters["jobScheduleId"]

    def one(tx: Transaction) -> tuple[JobSchedule, Gathered]:
        schedule = find_schedule(tx, call.account, name)
        return schedule, stats_of_schedules(tx, call, [schedule] if expands else [])

    schedule, gathered = await call.engine.ask(one)
    call.check_read(schedule)
    return schedule, await up_to_now(call, gathered)


async def get_job_schedule(call: Call) -> Response:
    """JobSchedules_GetJobSchedule."""
    schedule, stats = await _schedule(call, expands=call.expands("jobschedules"))
    shown = {**schedule_json(schedule, call.base), **stats.get(schedule.key, {})}
    return call.one("jobschedules", shown, schedule)


async def job_schedule_exists(call: Call) -> Response:
    """JobSchedules_JobScheduleExists."""
    return Response(200, b"", tag_headers((await _schedule(call))[0]))


async def list_job_schedules(call: Call) -> Response:
    """JobSchedules_ListJobSchedules."""
    expands = call.expands("jobschedules")

    def page(tx: Transaction, where: Where, start: str, limit: int) -> tuple[Gathered, Listed[JobSchedule]]:
        found = tx.schedules.listed(call.account, where, start, limit)
        return stats_of_schedules(tx, call, found.records if expands else []), found

    gathered, found, link = await ask_page(call, filters.JOB_SCHEDULES, page)
    stats = await up_to_now(call, gathered)
    shown = [{**schedule_json(one, call.base), **stats.get(one.key, {})} for one in found]
    return call.many("jobschedules", shown, link)


async def list_jobs_of_schedule(call: Call) -> Response:
    """Jobs_ListJobsFromSchedule."""
    expands = call.expands("jobs")

    def page(tx: Transaction, where: Where, start: str, limit: int) -> tuple[Gathered, Listed[Job]]:
        schedule = find_schedule(tx, call.account, call.parameters["jobScheduleId"])
        found = tx.jobs.listed_of_schedule(schedule.key, where, start, limit)
        return stats_of_jobs(tx, call, found.records if expands else []), found

    gathered, found, link = await ask_page(call, filters.JOBS_OF_SCHEDULE, page)
    stats = await up_to_now(call, gathered)
    shown = [{**job_json(job, call.base), **stats.get(job.key, {})} for job in found]
    return call.many("jobs", shown, link)


async def patch_job_schedule(call: Call) -> Response:
    """JobSchedules_UpdateJobSchedule."""
    change, name = await call.body(ScheduleChange), call.parameters["jobScheduleId"]
    schedule = await call.do(
        certificates.update_schedule, name, lambda schedule: patched(schedule, change), check=call.check()
    )  # fmt: skip
    return call.done(200, schedule, "jobschedules", name)


async def update_job_schedule(call: Call) -> Response:
    """JobSchedules_ReplaceJobSchedule."""
    body, name = await call.body(SchedulePut), call.parameters["jobScheduleId"]
    schedule = await call.do(
        certificates.update_schedule, name, lambda schedule: replaced(schedule, body), check=call.check()
    )  # fmt: skip
    return call.done(200, schedule, "jobschedules", name)


async def delete_job_schedule(call: Call) -> Response:
    """JobSchedules_DeleteJobSchedule."""
    await call.do(schedules.delete, call.parameters["jobScheduleId"], forced=call.flag("force"), check=call.check())
    return Response(202)


async def disable_job_schedule(call: Call) -> Response:
    """JobSchedules_DisableJobSchedule."""
    name = call.parameters["jobScheduleId"]
    schedule = await call.do(schedules.disable, name, check=call.check())
    return call.done(204, schedule, "jobschedules", name, "disable")


async def enable_job_schedule(call: Call) -> Response:
    """JobSchedules_EnableJobSchedule."""
    name = call.parameters["jobScheduleId"]
    schedule = await call.do(schedules.enable, name, check=call.check())
    return call.done(204, schedule, "jobschedules", name, "enable")


async def terminate_job_schedule(call: Call) -> Response:
    """JobSchedules_TerminateJobSchedule."""
    forced, name = call.flag("force"), call.parameters["jobScheduleId"]
    schedule = await call.do(schedules.terminate, name, forced=forced, check=call.check())
    return call.done(202, schedule, "jobschedules", name, "terminate")
