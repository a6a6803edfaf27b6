"""Which job of a schedule is due when: pure arithmetic of moments. Source: BatchJobScheduleConfiguration of 2025-06-01.

A time of the timetable *opens*: its job may be made from then on, until its window has passed or the next time comes.
It waits while the job before it is active. A server that was away makes the job of the last time late if it may still
be made, and skips those before it.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from linarite.engine.recurrence.records import JobSchedule, ScheduleState, Timetable

LAST_MOMENT = 253_402_300_799_999_999
"""The end of the year 9999, beyond which no protocol can tell a date."""
ONCE = Timetable()


class Step(NamedTuple):
    """What a look at the clock brings: the schedule, whether a job is to be made, whether there is nothing left."""

    schedule: JobSchedule
    starts: bool = False
    over: bool = False


def timetable(schedule: JobSchedule) -> Timetable:
    """The timetable in force."""
    return schedule.spec.timetable or ONCE


def begun(schedule: JobSchedule, now: int) -> JobSchedule:
    """The schedule at the beginning of its timetable, a new or a changed one.

    The next job comes an interval after the last one, the first one at once; neither before the time that is set.
    """
    given = timetable(schedule)
    earliest = max(now, given.not_before or 0)
    moment: int | None = earliest
    if schedule.last_run_at is not None:
        moment = None if given.interval is None else max(schedule.last_run_at + given.interval, earliest)
    return replace(schedule, next_run_at=_possible(given, moment), opened_at=None)


def advance(schedule: JobSchedule, now: int, *, busy: bool) -> Step:
    """Bring an active schedule to `now`; `busy` tells that its last job is not over."""
    given = timetable(schedule)
    schedule = _opened(schedule, given, now)
    if given.not_after is not None and now > given.not_after:
        schedule = replace(schedule, next_run_at=None, opened_at=None)
    elif schedule.opened_at is not None and not busy:
        served = replace(schedule, opened_at=None, last_run_at=now, runs=schedule.runs + 1)
        return Step(_reminded(served, given, busy=True), starts=True)
    return Step(_reminded(schedule, given, busy=busy), over=not busy and _exhausted(schedule, given, now))


def _opened(schedule: JobSchedule, given: Timetable, now: int) -> JobSchedule:
    """The last time that has come stands open, unless its window has passed."""
    moment, coming = schedule.opened_at, schedule.next_run_at
    if coming is not None and coming <= now:
        passed = 0 if given.interval is None else (now - coming) // given.interval * given.interval
        moment = coming + passed
        coming = None if given.interval is None else moment + given.interval
    if moment is not None and given.window is not None and now >= moment + given.window:
        moment = None
    return replace(schedule, opened_at=moment, next_run_at=_possible(given, coming))


def _possible(given: Timetable, moment: int | None) -> int | None:
    latest = LAST_MOMENT if given.not_after is None else min(given.not_after, LAST_MOMENT)
    return None if moment is None or moment > latest else moment


def _exhausted(schedule: JobSchedule, given: Timetable, now: int) -> bool:
    """A recurring schedule with an end lasts until then, though no time is left in its timetable."""
    if schedule.next_run_at is not None or schedule.opened_at is not None:
        return False
    return given.interval is None or given.not_after is None or now > given.not_after


def _reminded(schedule: JobSchedule, given: Timetable, *, busy: bool) -> JobSchedule:
    """The same with the moment when it has something to do next; the end of a job is told of as it comes."""
    moments = [schedule.next_run_at]
    if not busy and given.not_after is not None:
        moments.append(given.not_after + 1)
    if schedule.opened_at is not None and given.window is not None:
        moments.append(schedule.opened_at + given.window)
    return replace(schedule, due_at=min((moment for moment in moments if moment is not None), default=None))


def asleep(schedule: JobSchedule) -> JobSchedule:
    """The same when time brings it nothing."""
    return replace(schedule, due_at=None)


def is_over(schedule: JobSchedule) -> bool:
    """Tell whether the schedule makes no job any more."""
    return schedule.state in {ScheduleState.TERMINATING, ScheduleState.COMPLETED, ScheduleState.DELETING}
