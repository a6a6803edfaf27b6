"""A job schedule as a record. Times are microseconds since the epoch, UTC; durations are microseconds."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from linarite.engine.model import Facts, Named
from linarite.engine.templates import JobTemplate


class ScheduleState(StrEnum):
    """The life of a job schedule."""

    ACTIVE = "active"
    DISABLED = "disabled"
    TERMINATING = "terminating"
    COMPLETED = "completed"
    DELETING = "deleting"


class Timetable(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When jobs are made: from `not_before` to `not_after`, every `interval`, at most `window` late; None: no limit.

    Without an interval there is one job alone.
    """

    not_before: int | None = None
    not_after: int | None = None
    window: int | None = None
    interval: int | None = None


class ScheduleSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user asks of a job schedule. `timetable` None: nothing was said, which is one job at once."""

    id: str
    template: JobTemplate
    display_name: str | None = None
    timetable: Timetable | None = None
    metadata: tuple[Named, ...] = ()


class JobSchedule(msgspec.Struct, kw_only=True):
    """A job schedule as it is.

    `next_run_at` is the next time of the timetable, `opened_at` the last one, as long as it waits for its job. `runs`
    counts the jobs ever made; `job_key` and `recent_job` are the number and the id of the last one. `due_at` is when
    the schedule has something to do. `pool` is the id of the pool made for all its jobs.
    """

    key: int = 0
    account: str
    spec: ScheduleSpec
    created_at: int
    modified_at: int
    state: ScheduleState = ScheduleState.ACTIVE
    state_at: int
    previous_state: ScheduleState | None = None
    previous_state_at: int | None = None
    next_run_at: int | None = None
    opened_at: int | None = None
    last_run_at: int | None = None
    ended_at: int | None = None
    due_at: int | None = None
    runs: int = 0
    job_key: int | None = None
    recent_job: str | None = None
    pool: str | None = None
    facts: Facts = {}
