"""Job schedules by the engine's rules alone: days of them in milliseconds, on a clock set by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import housekeeping, jobs, pools
from linarite.engine.errors import AlreadyExists, NotFound, WrongState
from linarite.engine.model import AutoPool, JobSpec, JobState, PoolSpec, TaskSpec, TaskState
from linarite.engine.recurrence import schedules, timetable
from linarite.engine.recurrence.records import JobSchedule, ScheduleSpec, ScheduleState, Timetable
from linarite.engine.templates import JobTemplate

MINUTE, HOUR = 60, 3600
ACTIVE, COMPLETED = JobState.ACTIVE, JobState.COMPLETED
ON_POOL = JobTemplate(spec=JobSpec(id="", pool="pool"))
MANAGED = replace(
    ON_POOL, spec=replace(ON_POOL.spec, ends_with="manager"),
    first_tasks=((TaskSpec(id="manager", command="true"), {}),),
)  # fmt: skip


async def finish(world: World, job: str) -> None:
    await world.do(jobs.terminate, ACCOUNT, job, "done")
    await world.later(0)


# When jobs are made.


def test_first_job_is_made_at_once_and_the_next_when_its_time_has_come(tmp_path):
    """Ids count up; the schedule tells of its last job and of the next time."""

    async def story(world: World) -> None:
        began = world.now
        schedule = await world.recurring(interval=HOUR * SECOND)
        assert (schedule.recent_job, schedule.next_run_at) == ("s:job-1", began + HOUR * SECOND)
        await finish(world, "s:job-1")
        await world.later(HOUR - 1)
        assert await world.jobs() == {"s:job-1": COMPLETED}
        await world.later(1)
        assert await world.jobs() == {"s:job-1": COMPLETED, "s:job-2": ACTIVE}
        schedule = await world.the_schedule()
        assert (schedule.recent_job, schedule.next_run_at) == ("s:job-2", began + 2 * HOUR * SECOND)

    play(tmp_path, story)


def test_do_not_run_until_puts_the_first_job_off(tmp_path):
    """The times that follow are counted from there."""

    async def story(world: World) -> None:
        start = world.now + 90 * SECOND
        schedule = await world.recurring(not_before=start, interval=MINUTE * SECOND)
        assert (schedule.runs, schedule.next_run_at, schedule.recent_job) == (0, start, None)
        await world.later(89)
        assert await world.jobs() == {}
        await world.later(1)
        assert await world.jobs() == {"s:job-1": ACTIVE}
        assert (await world.the_schedule()).next_run_at == start + MINUTE * SECOND

    play(tmp_path, story)


def test_schedule_without_recurrence_is_completed_with_its_one_job(tmp_path):
    async def story(world: World) -> None:
        schedule = await world.recurring()
        assert (schedule.state, schedule.next_run_at) == (ScheduleState.ACTIVE, None)
        world.now += 7 * SECOND
        await finish(world, "s:job-1")
        schedule = await world.the_schedule()
        assert (schedule.state, schedule.ended_at) == (ScheduleState.COMPLETED, world.now)
        assert await world.jobs() == {"s:job-1": COMPLETED}

    play(tmp_path, story)


def test_one_job_of_a_schedule_is_active_at_a_time(tmp_path):
    """A time that comes meanwhile waits, and is served as soon as the job is over: once, however many came."""

    async def story(world: World) -> None:
        began = world.now
        await world.recurring(interval=MINUTE * SECOND)
        for _ in range(5):
            await world.later(MINUTE)
            assert await world.jobs() == {"s:job-1": ACTIVE}
        await world.later(30)
        await finish(world, "s:job-1")
        assert await world.jobs() == {"s:job-1": COMPLETED, "s:job-2": ACTIVE}
        await finish(world, "s:job-2")
        assert len(await world.jobs()) == 2
        assert (await world.the_schedule()).next_run_at == began + 6 * MINUTE * SECOND

    play(tmp_path, story)


@pytest.mark.parametrize(("late", "made"), [(119, 2), (120, 1)])
def test_job_that_cannot_be_made_within_its_window_is_not_made(tmp_path, late, made):
    """The opportunity is lost when the job before it is over too late."""

    async def story(world: World) -> None:
        await world.recurring(interval=HOUR * SECOND, window=2 * MINUTE * SECOND)
        await world.later(HOUR + late)
        await finish(world, "s:job-1")
        assert len(await world.jobs()) == made
        await world.later(HOUR)

    play(tmp_path, story)


def test_schedule_with_an_end_lasts_until_then(tmp_path):
    """No job is made after doNotRunAfter; the schedule is completed once that has passed and no job is active."""

    async def story(world: World) -> None:
        end = world.now + 90 * SECOND
        await world.recurring(interval=MINUTE * SECOND, not_after=end)
        await finish(world, "s:job-1")
        await world.later(MINUTE)
        await finish(world, "s:job-2")
        schedule = await world.the_schedule()
        assert (schedule.state, schedule.next_run_at) == (ScheduleState.ACTIVE, None)
        await world.later(31)
        assert (await world.the_schedule()).state is ScheduleState.COMPLETED
        assert len(await world.jobs()) == 2

    play(tmp_path, story)


def test_active_job_outlives_the_end_of_its_schedule(tmp_path):
    async def story(world: World) -> None:
        await world.recurring(interval=MINUTE * SECOND, not_after=world.now + 90 * SECOND)
        await world.later(HOUR)
        assert (await world.the_schedule()).state is ScheduleState.ACTIVE
        assert await world.jobs() == {"s:job-1": ACTIVE}
        await finish(world, "s:job-1")
        assert (await world.the_schedule()).state is ScheduleState.COMPLETED

    play(tmp_path, story)


@pytest.mark.parametrize(("away", "made"), [(2 * HOUR + 5 * MINUTE, 2), (2 * HOUR + 15 * MINUTE, 1)])
def test_missed_runs_once_somebody_looks_again(tmp_path, away, made):
    """The run whose window is still open is made late, one alone; those whose window has passed are skipped."""

    async def story(world: World) -> None:
        began = world.now
        await world.recurring(interval=HOUR * SECOND, window=10 * MINUTE * SECOND)
        await finish(world, "s:job-1")
        await world.later(away)
        assert len(await world.jobs()) == made
        assert (await world.the_schedule()).next_run_at == began + 3 * HOUR * SECOND

    play(tmp_path, story)


def test_engine_knows_when_a_schedule_is_next_due(tmp_path):
    """The loop sleeps until then, not longer."""

    async def story(world: World) -> None:
        await world.recurring(interval=MINUTE * SECOND, not_before=world.now + 10 * SECOND)
        ask = housekeeping.next_moment(world.now)
        assert await world.store.read(ask) == world.now + 10 * SECOND

    play(tmp_path, story)


def test_job_manager_runs_each_job_to_its_end(tmp_path):
    """The whole of it: a job a minute, each ended by its job manager task."""

    async def story(world: World) -> None:
        await world.pool()
        await world.recurring(template=MANAGED, interval=MINUTE * SECOND)
        for number in range(1, 11):
            assert await world.run_all() == ["manager"]
            job = await world.the_job(f"s:job-{number}")
            assert (job.state, job.terminate_reason) == (COMPLETED, "JMComplete")
            assert world.launched[-1].directory == f"workitems/s/job-{number}/manager"
            await world.later(MINUTE)
        assert (await world.the_schedule()).runs == 11

    play(tmp_path, story)


# Holding, ending, deleting.


def test_disabled_schedule_makes_no_job_and_its_active_one_goes_on(tmp_path):
    async def story(world: World) -> None:
        await world.recurring(interval=MINUTE * SECOND, window=MINUTE * SECOND)
        await world.do(schedules.disable, ACCOUNT, "s")
        assert await world.jobs() == {"s:job-1": ACTIVE}
        await finish(world, "s:job-1")
        await world.later(HOUR + 30)
        assert await world.jobs() == {"s:job-1": COMPLETED}
        await world.do(schedules.enable, ACCOUNT, "s")
        assert await world.jobs() == {"s:job-1": COMPLETED, "s:job-2": ACTIVE}
        schedule = await world.the_schedule()
        assert (schedule.state, schedule.previous_state) == (ScheduleState.ACTIVE, ScheduleState.DISABLED)

    play(tmp_path, story)


def test_schedule_whose_only_time_passed_while_it_was_held_is_completed(tmp_path):
    async def story(world: World) -> None:
        await world.recurring(not_before=world.now + 10 * SECOND, window=MINUTE * SECOND)
        await world.do(schedules.disable, ACCOUNT, "s")
        await world.later(HOUR)
        assert (await world.the_schedule()).state is ScheduleState.DISABLED
        schedule = await world.do(schedules.enable, ACCOUNT, "s")
        assert (schedule.state, schedule.runs) == (ScheduleState.COMPLETED, 0)

    play(tmp_path, story)


def test_terminate_schedule_ends_its_active_job(tmp_path):
    """It is terminating until the job's last run has ended."""

    async def story(world: World) -> None:
        await world.pool()
        await world.recurring(template=MANAGED, interval=MINUTE * SECOND)
        [run] = await world.schedule()
        await world.do(schedules.terminate, ACCOUNT, "s")
        schedule = await world.the_schedule()
        assert (schedule.state, schedule.next_run_at) == (ScheduleState.TERMINATING, None)
        await world.exit(run, 143)
        await world.later(0)
        job, schedule = await world.the_job("s:job-1"), await world.the_schedule()
        assert (job.state, job.terminate_reason) == (COMPLETED, "TerminateJobSchedule")
        assert (schedule.state, schedule.previous_state) == (ScheduleState.COMPLETED, ScheduleState.TERMINATING)
        await world.later(HOUR)
        assert len(await world.jobs()) == 1

    play(tmp_path, story)


def test_forced_end_of_a_schedule_waits_for_no_node(tmp_path):
    async def story(world: World) -> None:
        await world.pool()
        await world.recurring(template=MANAGED, interval=MINUTE * SECOND)
        [run] = await world.schedule()
        await world.do(schedules.terminate, ACCOUNT, "s", forced=True)
        assert (await world.the_schedule()).state is ScheduleState.COMPLETED
        assert (await world.task("manager", "s:job-1")).state is TaskState.RUNNING
        await world.exit(run, 137)
        assert (await world.task("manager", "s:job-1")).state is TaskState.COMPLETED

    play(tmp_path, story)


def test_delete_schedule_takes_all_its_jobs_with_it(tmp_path):
    """In pieces, and not before the last run has ended."""

    async def story(world: World) -> None:
        await world.pool()
        await world.recurring(template=MANAGED, interval=MINUTE * SECOND)
        for _ in range(2 * schedules.PIECE):
            await world.run_all()
            await world.later(MINUTE)
        [run] = await world.schedule()
        await world.do(schedules.delete, ACCOUNT, "s")
        await world.later(0)
        assert list(await world.jobs()) == [f"s:job-{2 * schedules.PIECE + 1}"]
        assert (await world.the_schedule()).state is ScheduleState.DELETING
        await world.exit(run, 137)
        await world.later(0)
        assert await world.jobs() == {}
        with pytest.raises(NotFound):
            await world.do(schedules.delete, ACCOUNT, "s")

    play(tmp_path, story)


def test_forced_deletion_of_a_schedule_waits_for_no_node(tmp_path):
    """Its directory is asked away after the end of its run."""

    async def story(world: World) -> None:
        await world.pool()
        await world.recurring(template=MANAGED)
        [run] = await world.schedule()
        await world.do(schedules.delete, ACCOUNT, "s", forced=True)
        assert await world.jobs() == {}
        assert (world.ended, world.removed) == ([run], ["workitems/s/job-1/manager"])
        await world.exit(run, 137)
        assert [node.running_tasks for node in await world.nodes()] == [0]

    play(tmp_path, story)


def test_deleted_job_is_over_for_its_schedule(tmp_path):
    async def story(world: World) -> None:
        await world.recurring(interval=MINUTE * SECOND)
        await world.do(jobs.delete, ACCOUNT, "s:job-1")
        await world.later(MINUTE)
        assert await world.jobs() == {"s:job-2": ACTIVE}

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("state", "refused"),
    [
        (ScheduleState.ACTIVE, ["enable"]), (ScheduleState.DISABLED, ["disable"]),
        (ScheduleState.TERMINATING, ["enable", "disable", "terminate", "update"]),
        (ScheduleState.COMPLETED, ["enable", "disable", "terminate", "update"]),
        (ScheduleState.DELETING, ["enable", "disable", "terminate", "update", "delete"]),
    ],
)  # fmt: skip
def test_operations_that_a_state_does_not_allow(tmp_path, state, refused):
    """They change nothing."""

    async def story(world: World) -> None:
        await world.pool()
        await world.recurring(template=MANAGED, interval=MINUTE * SECOND)
        if state is not ScheduleState.COMPLETED:
            await world.schedule()
        bring = {"disabled": "disable", "terminating": "terminate", "completed": "terminate", "deleting": "delete"}
        if state.value in bring:
            await world.do(getattr(schedules, bring[state.value]), ACCOUNT, "s")
        before = await world.the_schedule()
        assert before.state is state
        for name in refused:
            arguments = [lambda schedule: schedule] if name == "update" else []
            with pytest.raises(WrongState) as caught:
                await world.do(getattr(schedules, name), ACCOUNT, "s", *arguments)
            assert (caught.value.kind, caught.value.state) == ("job schedule", state.value)
        assert await world.the_schedule() == before

    play(tmp_path, story)


def test_jobs_and_schedules_share_their_ids(tmp_path):
    async def story(world: World) -> None:
        await world.job("Taken")
        await world.recurring("mine")
        with pytest.raises(AlreadyExists) as caught:
            await world.recurring("tAKEN")
        assert (caught.value.kind, caught.value.facts) == ("job", {"wanted": "job schedule"})
        with pytest.raises(AlreadyExists) as caught:
            await world.job("MINE")
        assert (caught.value.kind, caught.value.facts) == ("job schedule", {"wanted": "job"})
        with pytest.raises(AlreadyExists) as caught:
            await world.recurring("Mine")
        assert (caught.value.kind, caught.value.facts) == ("job schedule", {})

    play(tmp_path, story)


# Changing.


async def change(world: World, **parts: Any) -> JobSchedule:
    def apply(schedule: JobSchedule) -> JobSchedule:
        return replace(schedule, spec=replace(schedule.spec, **parts))

    return await world.do(schedules.update, ACCOUNT, "s", apply)


def test_changed_timetable_counts_from_the_last_job(tmp_path):
    async def story(world: World) -> None:
        began = world.now
        await world.recurring(interval=24 * HOUR * SECOND)
        await finish(world, "s:job-1")
        await world.later(HOUR)
        schedule = await change(world, timetable=Timetable(interval=5 * HOUR * SECOND))
        assert schedule.next_run_at == began + 5 * HOUR * SECOND
        assert schedule.modified_at == world.now
        schedule = await change(world, timetable=Timetable(interval=MINUTE * SECOND))
        assert schedule.recent_job == "s:job-2"
        await finish(world, "s:job-2")
        schedule = await change(world, timetable=None)
        assert schedule.state is ScheduleState.COMPLETED

    play(tmp_path, story)


def test_changed_specification_is_for_the_jobs_to_come(tmp_path):
    async def story(world: World) -> None:
        await world.recurring(interval=MINUTE * SECOND)
        await change(world, template=replace(ON_POOL, spec=replace(ON_POOL.spec, priority=7)))
        await finish(world, "s:job-1")
        await world.later(MINUTE)
        priorities = [(await world.the_job(f"s:job-{number}")).spec.priority for number in (1, 2)]
        assert priorities == [0, 7]

    play(tmp_path, story)


# Pools made for them.


def on_auto_pool(**options: Any) -> JobTemplate:
    pool = AutoPool(spec=PoolSpec(id="", target_dedicated=1), **options)
    return replace(MANAGED, spec=replace(MANAGED.spec, pool="", auto_pool=pool))


async def pool_names(world: World) -> list[str]:
    return [pool.spec.id for pool in await world.store.read(lambda tx: tx.pools.page(ACCOUNT, None, 0, 100))]


@pytest.mark.parametrize("kept", [False, True])
def test_lasting_pool_serves_all_jobs_and_goes_with_the_schedule(tmp_path, kept):
    async def story(world: World) -> None:
        await world.recurring(template=on_auto_pool(lasting=True, kept=kept, prefix="lake"), interval=MINUTE * SECOND)
        [name] = await pool_names(world)
        assert name.startswith("lake_pool-")
        for _ in range(3):
            assert await world.run_all() == ["manager"]
            await world.later(MINUTE)
        assert {launch.node.pool for launch in world.launched} == {name}
        await world.do(schedules.terminate, ACCOUNT, "s")
        await world.later(0)
        assert await pool_names(world) == ([name] if kept else [])

    play(tmp_path, story)


@pytest.mark.parametrize("kept", [False, True])
def test_pool_for_each_job_goes_with_its_job(tmp_path, kept):
    async def story(world: World) -> None:
        await world.recurring(template=on_auto_pool(kept=kept), interval=MINUTE * SECOND)
        await world.run_all()
        await world.later(MINUTE)
        await world.run_all()
        used = [launch.node.pool for launch in world.launched]
        assert len(set(used)) == 2
        await world.later(0)
        assert await pool_names(world) == (used if kept else [])

    play(tmp_path, story)


def test_lasting_pool_comes_with_the_first_job_and_goes_with_a_deleted_schedule(tmp_path):
    async def story(world: World) -> None:
        template = on_auto_pool(lasting=True)
        await world.recurring(template=template, interval=MINUTE * SECOND, not_before=world.now + 10 * SECOND)
        assert await pool_names(world) == []
        await world.later(10)
        assert len(await pool_names(world)) == 1
        await world.do(schedules.delete, ACCOUNT, "s")
        await world.later(0)
        assert await pool_names(world) == []

    play(tmp_path, story)


def test_lasting_pool_that_somebody_deleted_is_made_again(tmp_path):
    async def story(world: World) -> None:
        await world.recurring(template=on_auto_pool(lasting=True), interval=MINUTE * SECOND)
        [first] = await pool_names(world)
        await world.run_all()
        await world.do(pools.delete, ACCOUNT, first)
        await world.later(MINUTE)
        [second] = await pool_names(world)
        assert second != first
        assert await world.run_all() == ["manager"]

    play(tmp_path, story)


def test_changed_pool_is_for_the_jobs_to_come(tmp_path):
    """The pool there was goes once the job that runs on it is over; one that is only to be kept stays."""

    async def story(world: World) -> None:
        await world.recurring(template=on_auto_pool(lasting=True), interval=MINUTE * SECOND)
        [first] = await pool_names(world)
        await change(world, template=on_auto_pool(lasting=True, kept=True))
        assert (await world.the_schedule()).pool == first
        await change(world, template=on_auto_pool(lasting=True))
        await change(world, template=on_auto_pool(lasting=True, prefix="new"))
        assert await pool_names(world) == [first]
        await world.run_all()
        await world.later(0)
        assert await pool_names(world) == []
        await world.later(MINUTE)
        [second] = await pool_names(world)
        assert second.startswith("new_")

    play(tmp_path, story)


# Whatever the timetable, the clock and the jobs do.

SPAN = st.none() | st.integers(1, 20)


@given(
    st.builds(
        Timetable, not_before=st.none() | st.integers(0, 60), not_after=st.none() | st.integers(0, 120), window=SPAN,
        interval=SPAN,
    ),
    st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=20),
)  # fmt: skip
def test_any_timetable_is_kept(given_timetable, looks):
    """At most one job a time, none outside its window or its limits, and once over it is over."""
    spec = ScheduleSpec(id="s", template=ON_POOL, timetable=given_timetable)
    schedule = JobSchedule(account=ACCOUNT, spec=spec, created_at=10, modified_at=10, state_at=10)
    now, busy = 10, False
    schedule = timetable.begun(schedule, now)
    base = max(now, given_timetable.not_before or 0)
    served: list[int] = []
    for pause, ends in [(0, False), *looks]:
        now += pause
        busy = busy and not ends
        step = timetable.advance(schedule, now, busy=busy)
        if step.over:
            assert not timetable.advance(step.schedule, now + 1000, busy=False).starts
            return
        if step.starts:
            assert not busy
            assert now >= base
            assert given_timetable.not_after is None or now <= given_timetable.not_after
            interval = given_timetable.interval
            time = base if interval is None else base + (now - base) // interval * interval
            assert time not in served
            assert given_timetable.window is None or now < time + given_timetable.window
            served.append(time)
            busy = True
        schedule = step.schedule
        assert schedule.due_at is None or schedule.due_at > now
    assert given_timetable.interval is not None or len(served) <= 1
