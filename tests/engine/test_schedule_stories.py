"""Random stories of one schedule: at most one job of it is active, times are kept, and it comes to its end."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.world import ACCOUNT, SECOND, World, counters_are_true

from linarite.engine import jobs
from linarite.engine.errors import EngineError
from linarite.engine.model import AutoPool, JobSpec, JobState, OnRunning, PoolSpec, TaskSpec
from linarite.engine.recurrence import schedules
from linarite.engine.recurrence.records import ScheduleSpec, ScheduleState, Timetable
from linarite.engine.templates import JobTemplate
from linarite.store import open_store

SPANS = st.none() | st.integers(1, 10).map(lambda seconds: seconds * SECOND)
TIMETABLES = st.builds(
    Timetable, not_before=st.none() | st.integers(990, 1030).map(lambda second: second * SECOND),
    not_after=st.none() | st.integers(1000, 1100).map(lambda second: second * SECOND), window=SPANS, interval=SPANS,
)  # fmt: skip
POOLS = st.builds(
    AutoPool, spec=st.just(PoolSpec(id="", target_dedicated=1)), lasting=st.booleans(), kept=st.booleans()
)  # fmt: skip
TEMPLATES = st.builds(
    lambda pool, managed: JobTemplate(
        spec=JobSpec(id="", pool="", auto_pool=pool, ends_with="manager" if managed else None),
        first_tasks=((TaskSpec(id="manager", command="true"), {}),),
    ),
    POOLS, st.booleans(),
)  # fmt: skip
STEPS = st.one_of(
    st.tuples(st.just("later"), st.integers(0, 25)),
    st.tuples(st.just("run")),
    st.tuples(st.just("end"), st.booleans()),
    st.tuples(st.just("discard"), st.booleans()),
    st.tuples(st.just("change"), TIMETABLES | TEMPLATES),
    st.tuples(st.sampled_from(["hold", "enable", "disable"])),
)


class Story:
    """Plays steps on a schedule; `going` are the runs that its nodes would be running."""

    def __init__(self, world: World) -> None:
        self.world, self.going = world, list[str]()

    async def step(self, step: tuple) -> None:
        kind, *rest = step
        with contextlib.suppress(EngineError):
            await getattr(self, kind)(*rest)
        active = [state for state in (await self.world.jobs()).values() if state is not JobState.COMPLETED]
        assert len(active) <= 1
        await counters_are_true(self.world)

    async def later(self, seconds: int) -> None:
        await self.world.later(seconds)

    async def run(self) -> None:
        self.going += await self.world.schedule()
        if self.going:
            await self.world.exit(self.going.pop(0))

    async def end(self, forced: bool) -> None:
        last = (await self.world.the_schedule()).recent_job
        await self.world.do(jobs.terminate, ACCOUNT, last or "", "enough", forced=forced)

    async def discard(self, forced: bool) -> None:
        last = (await self.world.the_schedule()).recent_job
        await self.world.do(jobs.delete, ACCOUNT, last or "", forced=forced)

    async def hold(self) -> None:
        last = (await self.world.the_schedule()).recent_job
        await self.world.do(jobs.disable, ACCOUNT, last or "", OnRunning.REQUEUE)

    async def change(self, part: Timetable | JobTemplate) -> None:
        name = "timetable" if isinstance(part, Timetable) else "template"

        def apply(schedule):
            values = {**{field: getattr(schedule.spec, field) for field in schedule.spec.__struct_fields__}, name: part}
            schedule.spec = ScheduleSpec(**values)
            return schedule

        await self.world.do(schedules.update, ACCOUNT, "s", apply)

    async def enable(self) -> None:
        await self.world.do(schedules.enable, ACCOUNT, "s")

    async def disable(self) -> None:
        await self.world.do(schedules.disable, ACCOUNT, "s")


async def _play(folder: Path, timetable: Timetable, template: JobTemplate, steps: list[tuple], *, delete: bool) -> None:
    store = open_store(folder / "store.db")
    try:
        world = World(store)
        await world.do(
            schedules.add, ACCOUNT, ScheduleSpec(id="s", template=template, timetable=timetable), {}
        )  # fmt: skip
        story = Story(world)
        for step in steps:
            await story.step(step)
        await _comes_to_rest(world, story, delete=delete)
    finally:
        await store.close()


async def _comes_to_rest(world: World, story: Story, *, delete: bool) -> None:
    """Terminated or deleted, it takes its jobs and its pools with it, but for those that are kept."""
    with contextlib.suppress(EngineError):  # it may have come to its end by itself
        await world.do(schedules.delete if delete else schedules.terminate, ACCOUNT, "s")
    for _ in range(10):
        while story.going:
            await world.exit(story.going.pop(0), 143)
        await world.later(0)
    if delete:
        assert await world.store.read(lambda tx: tx.schedules.get(ACCOUNT, "s")) is None
        assert await world.jobs() == {}
    else:
        assert (await world.the_schedule()).state is ScheduleState.COMPLETED
        assert set((await world.jobs()).values()) <= {JobState.COMPLETED}
        assert (await world.the_schedule()).due_at is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TIMETABLES, TEMPLATES, st.lists(STEPS, max_size=20), st.booleans())
def test_any_story_of_a_schedule_keeps_the_rules(timetable, template, steps, delete):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_play(Path(folder), timetable, template, steps, delete=delete))
