"""Job schedules in a store: kept whole, found by id and by filter, and given when they are due."""

from __future__ import annotations

import pytest
from tests.contract.records import ACCOUNT, NOW, insert, job, schedule
from tests.contract.test_records import FACTS, FIXED, changed

from linarite.engine.errors import AlreadyExists
from linarite.engine.filtering import Compare
from linarite.engine.model import AutoPool, JobSpec, JobState, Named, PoolSpec, TaskSpec
from linarite.engine.recurrence.records import ScheduleState, Timetable
from linarite.engine.templates import JobTemplate

POOL = AutoPool(spec=PoolSpec(id="", size="small"), facts=FACTS, prefix="p", lasting=True, kept=True)
TEMPLATE = JobTemplate(
    spec=JobSpec(id="", pool="", priority=4, auto_pool=POOL),
    facts=FACTS,
    first_tasks=((TaskSpec(id="manager", command="true"), FACTS),),
)
SPEC = {
    "template": TEMPLATE,
    "display_name": "Größe",
    "timetable": Timetable(not_before=NOW + 1, not_after=NOW + 2, window=60, interval=70),
    "metadata": (Named(name="a", value="b"),),
}
FULL = {
    "state": ScheduleState.TERMINATING, "previous_state": ScheduleState.ACTIVE, "job_key": 77, "recent_job": "s:job-3",
    "pool": "p_1", "facts": FACTS,
}  # fmt: skip


@pytest.mark.parametrize("full", [False, True], ids=["new", "full"])
def test_schedule_comes_back_as_it_was_stored(play, full):
    """To the last field, when it was inserted and when it was updated."""
    record = schedule("S-1", spec=SPEC if full else None)

    async def story(store):
        await insert(store, record)
        assert await store.read(lambda tx: tx.schedules.get(ACCOUNT, "s-1")) == record
        changed(record, FIXED)
        for name, value in FULL.items():
            setattr(record, name, value)
        await store.write(lambda tx: tx.schedules.update(record))
        assert await store.read(lambda tx: tx.schedules.get(ACCOUNT, "S-1")) == record
        await store.write(lambda tx: tx.schedules.delete(record.key))
        assert await store.read(lambda tx: tx.schedules.get(ACCOUNT, "S-1")) is None

    play(story)


def test_schedule_of_an_id_that_differs_by_case_alone_is_refused(play):
    async def story(store):
        await insert(store, schedule("Same"))
        with pytest.raises(AlreadyExists) as caught:
            await insert(store, schedule("sAME"))
        assert (caught.value.kind, caught.value.id) == ("job schedule", "sAME")
        await insert(store, schedule("sAME", account="beta"))

    play(story)


LISTED = [
    schedule("Alpha", modified_at=NOW + 3, spec={"timetable": Timetable(not_before=NOW + 5)}),
    schedule("beta", state=ScheduleState.COMPLETED, ended_at=NOW + 9, state_at=NOW + 9),
    schedule("gamma", created_at=NOW + 1, spec={"timetable": Timetable(not_after=NOW + 7)}),
]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, ["Alpha", "beta", "gamma"]),
        (Compare("id", "startswith", "al"), ["Alpha"]),
        (Compare("state", "eq", "completed"), ["beta"]),
        (Compare("stateTransitionTime", "gt", NOW), ["beta"]),
        (Compare("creationTime", "gt", NOW), ["gamma"]),
        (Compare("lastModified", "gt", NOW), ["Alpha"]),
        (Compare("executionInfo/endTime", "ge", NOW), ["beta"]),
        (Compare("schedule/doNotRunUntil", "eq", NOW + 5), ["Alpha"]),
        (Compare("schedule/doNotRunAfter", "lt", NOW + 8), ["gamma"]),
    ],
)
def test_page_filters_schedules(play, condition, expected):
    async def story(store):
        await insert(store, *LISTED, schedule("elsewhere", account="beta"))
        found = await store.read(lambda tx: tx.schedules.page(ACCOUNT, condition, 0, 10))
        assert [each.spec.id for each in found] == expected

    play(story)


def test_page_of_schedules_continues_after_a_key(play):
    async def story(store):
        records = [schedule(name) for name in "cab"]
        await insert(store, *records)
        found = await store.read(lambda tx: tx.schedules.page(ACCOUNT, None, records[0].key, 1))
        assert [each.spec.id for each in found] == ["a"]

    play(story)


def test_due_schedules_are_those_whose_moment_has_come(play):
    """The longest due first; a reminder moves the moment, of a schedule that is there."""

    async def story(store):
        late, later = schedule("late", due_at=NOW - 1), schedule("later", due_at=NOW - 5, account="beta")
        never, coming = schedule("never"), schedule("coming", due_at=NOW + 5)

        async def due(limit=10):
            return [each.spec.id for each in await store.read(lambda tx: tx.schedules.due(NOW, limit))]

        assert await store.read(lambda tx: tx.schedules.next_moment()) is None
        await insert(store, coming, never)
        assert await store.read(lambda tx: tx.schedules.next_moment()) == NOW + 5
        await insert(store, late, later)
        assert await due() == ["later", "late"]
        assert await due(1) == ["later"]
        await store.write(lambda tx: tx.schedules.remind(never.key, NOW - 9))
        await store.write(lambda tx: tx.schedules.remind(99, NOW))
        assert await due() == ["never", "later", "late"]
        assert await store.read(lambda tx: tx.schedules.next_moment()) == NOW - 9

    play(story)


def test_jobs_of_a_schedule_are_listed_by_its_key(play):
    async def story(store):
        one, other = job("s:job-1", schedule_key=7), job("t:job-1", schedule_key=8)
        two = job("s:job-2", schedule_key=7, state=JobState.COMPLETED)
        await insert(store, one, other, job("plain"), two)

        async def ids(where, after, limit):
            return [each.spec.id for each in await store.read(lambda tx: tx.jobs.of_schedule(7, where, after, limit))]

        assert await ids(None, 0, 10) == ["s:job-1", "s:job-2"]
        assert await ids(None, one.key, 10) == ["s:job-2"]
        assert await ids(None, 0, 1) == ["s:job-1"]
        assert await ids(Compare("state", "eq", "completed"), 0, 10) == ["s:job-2"]

    play(story)
