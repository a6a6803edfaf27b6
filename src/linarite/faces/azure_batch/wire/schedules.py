"""Job schedules as clients send them: add, patch, put. Source: 2025-06-01, NOTES 7."""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine.model import MINUTE
from linarite.engine.recurrence.records import JobSchedule, ScheduleSpec, Timetable
from linarite.faces.azure_batch.errors import invalid_property, missing_property
from linarite.faces.azure_batch.wire.decoding import Body, Element, as_read
from linarite.faces.azure_batch.wire.elements import NameValue, metadata
from linarite.faces.azure_batch.wire.jobs import JobSpecification, template_of
from linarite.faces.azure_batch.wire.values import checked_id, display_name, duration, moment


class ScheduleElement(Element):
    """When jobs are made."""

    do_not_run_until: str | None = None
    do_not_run_after: str | None = None
    start_window: str | None = None
    recurrence_interval: str | None = None


class ScheduleChange(Body):
    """The body of Patch Job Schedule."""

    words = "jobSchedule"

    schedule: ScheduleElement | None = None
    job_specification: JobSpecification | None = None
    metadata: list[NameValue] | None = None


class ScheduleAdd(ScheduleChange):
    """The body of Add Job Schedule."""

    id: str | None = None
    display_name: str | None = None


SchedulePut = as_read(ScheduleAdd, "jobSchedule")
"""The body of Update Job Schedule."""


def schedule_of(body: ScheduleAdd) -> ScheduleSpec:
    """The engine's spec of a job schedule."""
    name = checked_id(body.id)
    if body.schedule is None:
        raise missing_property("schedule")
    if body.job_specification is None:
        raise missing_property("jobSpecification")
    return ScheduleSpec(
        id=name,
        display_name=display_name(body.display_name),
        timetable=_timetable(body.schedule),
        template=template_of(body.job_specification, recurring=True),
        metadata=metadata(body.metadata),
    )


def _timetable(element: ScheduleElement) -> Timetable:
    until, after = moment(element.do_not_run_until, "doNotRunUntil"), moment(element.do_not_run_after, "doNotRunAfter")
    if until is not None and after is not None and after < until:
        raise invalid_property("doNotRunAfter", element.do_not_run_after, "It is not before doNotRunUntil.")
    return Timetable(
        not_before=until,
        not_after=after,
        window=duration(element.start_window, "startWindow", MINUTE),
        interval=duration(element.recurrence_interval, "recurrenceInterval", MINUTE),
    )


def patched(schedule: JobSchedule, change: ScheduleChange) -> JobSchedule:
    """The schedule with the properties that `change` gives; each is replaced as a whole."""
    spec = schedule.spec
    if change.schedule is not None:
        spec = replace(spec, timetable=_timetable(change.schedule))
    if change.job_specification is not None:
        spec = replace(spec, template=template_of(change.job_specification, recurring=True))
    if change.metadata is not None:
        spec = replace(spec, metadata=metadata(change.metadata))
    return replace(schedule, spec=spec)


def replaced(schedule: JobSchedule, body: ScheduleAdd) -> JobSchedule:
    """The schedule with all that can be changed set anew; without `schedule` it is one job at once."""
    if body.job_specification is None:
        raise missing_property("jobSpecification")
    bare = replace(schedule, spec=replace(schedule.spec, timetable=None, metadata=()))
    return patched(bare, body)
