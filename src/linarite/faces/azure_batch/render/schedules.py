"""A job schedule as the protocol shows it. Source: BatchJobSchedule of 2025-06-01, Batch NOTES section 7."""

from __future__ import annotations

from typing import Any

from linarite.engine.recurrence.records import JobSchedule, Timetable
from linarite.faces.azure_batch.render.failures import pairs
from linarite.faces.azure_batch.render.jobs import job_url, specification
from linarite.faces.azure_batch.render.scalars import duration, etag, moment
from linarite.faces.azure_batch.render.tasks import FACE


def schedule_json(schedule: JobSchedule, base: str) -> dict[str, Any]:
    """The whole job schedule."""
    spec = schedule.spec
    shown: dict[str, Any] = {
        "id": spec.id,
        "url": f"{base}/jobschedules/{spec.id}",
        "eTag": etag(schedule.modified_at),
        "creationTime": moment(schedule.created_at),
        "lastModified": moment(schedule.modified_at),
        "state": schedule.state.value,
        "stateTransitionTime": moment(schedule.state_at),
        "jobSpecification": specification(spec.template.spec, spec.template.facts.get(FACE, {})),
        "executionInfo": _execution_info(schedule, base),
    }
    if spec.display_name is not None:
        shown["displayName"] = spec.display_name
    if schedule.previous_state is not None and schedule.previous_state_at is not None:
        shown["previousState"] = schedule.previous_state.value
        shown["previousStateTransitionTime"] = moment(schedule.previous_state_at)
    if spec.timetable is not None:
        shown["schedule"] = _timetable(spec.timetable)
    if spec.metadata:
        shown["metadata"] = pairs(spec.metadata)
    return shown


def _timetable(given: Timetable) -> dict[str, str]:
    """What limits the making of jobs; what is without limit is not shown."""
    moments = {"doNotRunUntil": given.not_before, "doNotRunAfter": given.not_after}
    lengths = {"startWindow": given.window, "recurrenceInterval": given.interval}
    shown = {name: moment(value) for name, value in moments.items() if value is not None}
    return shown | {name: duration(value) for name, value in lengths.items() if value is not None}


def _execution_info(schedule: JobSchedule, base: str) -> dict[str, Any]:
    info: dict[str, Any] = {}
    if schedule.next_run_at is not None:
        info["nextRunTime"] = moment(schedule.next_run_at)
    if schedule.recent_job is not None:
        info["recentJob"] = {"id": schedule.recent_job, "url": job_url(base, schedule.recent_job)}
    if schedule.ended_at is not None:
        info["endTime"] = moment(schedule.ended_at)
    return info
