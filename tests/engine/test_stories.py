"""Random stories: whatever happens in whatever order, counters are true, nothing runs twice, everything ends."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.world import ACCOUNT, SECOND, World, counters_are_true

from linarite.engine import housekeeping, jobs, pools, scaling, tasks
from linarite.engine.errors import EngineError
from linarite.engine.launching import RunExited, RunFailed, RunLost
from linarite.engine.model import Dependencies, JobOrder, JobState, OnRunning, TaskState
from linarite.store import open_store

NAMES = [str(number) for number in range(1, 7)]
STEPS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(NAMES), st.sampled_from([(), ("1",), ("2", "3")]), st.integers(0, 2)),
    st.tuples(st.just("schedule")),
    st.tuples(st.just("exit"), st.integers(0, 5), st.integers(0, 2)),
    st.tuples(st.just("lost"), st.integers(0, 5)),
    st.tuples(st.just("failed"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["terminate", "reactivate", "delete"]), st.sampled_from(NAMES)),
    st.tuples(st.just("disable"), st.sampled_from(list(OnRunning))),
    st.tuples(st.sampled_from(["enable", "end", "requeue", "tend"])),
    st.tuples(st.just("resize"), st.integers(0, 3)),
    st.tuples(st.just("scale"), st.sampled_from(["requeue", "terminate", "taskcompletion", "retaineddata"])),
    st.tuples(st.just("later"), st.integers(1, 40)),
    st.tuples(st.just("urgent"), st.booleans()),
)


class Story:
    """Plays steps, and keeps the runs that the nodes would be running."""

    def __init__(self, world: World) -> None:
        self.world, self.going, self.seen, self.urgent_ones = world, list[str](), set[str](), 0

    async def step(self, step: tuple) -> None:
        kind, *rest = step
        with contextlib.suppress(EngineError):  # a refusal changes nothing, which the counters will tell
            await getattr(self, kind)(*rest)
        await counters_are_true(self.world)

    async def add(self, name: str, after: tuple[str, ...], retries: int) -> None:
        needs = tuple(other for other in after if other != name)
        await self.world.tasks(name, max_retries=retries, dependencies=Dependencies(ids=needs) if needs else None)

    async def urgent(self, exclusive: bool) -> None:
        """A task of a job that may take room from the other."""
        self.urgent_ones += 1
        await self.world.tasks(f"u{self.urgent_ones}", exclusive=exclusive, job="urgent")

    async def schedule(self) -> None:
        for run in await self.world.schedule():
            assert run not in self.seen, "a run is launched once"
            keys = [other.partition(".")[0] for other in self.going]
            assert run.partition(".")[0] not in keys, "a task never runs twice at once"
            self.seen.add(run)
            self.going.append(run)

    def _take(self, place: int) -> str | None:
        return self.going.pop(place % len(self.going)) if self.going else None

    async def exit(self, place: int, code: int) -> None:
        if run := self._take(place):
            await self.world.report(RunExited(run=run, code=code, started_at=self.world.now, at=self.world.now))

    async def lost(self, place: int) -> None:
        if run := self._take(place):
            await self.world.report(RunLost(run=run, at=self.world.now))

    async def failed(self, place: int) -> None:
        if run := self._take(place):
            await self.world.report(RunFailed(run=run, code="failed", message="no", at=self.world.now))

    async def terminate(self, name: str) -> None:
        await self.world.do(tasks.terminate, ACCOUNT, "job", name)

    async def reactivate(self, name: str) -> None:
        await self.world.do(tasks.reactivate, ACCOUNT, "job", name)

    async def delete(self, name: str) -> None:
        await self.world.do(tasks.delete, ACCOUNT, "job", name)

    async def disable(self, on_running: OnRunning) -> None:
        await self.world.do(jobs.disable, ACCOUNT, "job", on_running)

    async def enable(self) -> None:
        await self.world.do(jobs.enable, ACCOUNT, "job")

    async def end(self) -> None:
        await self.world.do(jobs.terminate, ACCOUNT, "job", "enough")

    async def requeue(self) -> None:
        await self.world.do(jobs.requeue, ACCOUNT, "job")

    async def tend(self) -> None:
        await self.world.do(housekeeping.tend, housekeeping.Retention())

    async def resize(self, nodes: int) -> None:
        await self.world.do(pools.resize, ACCOUNT, "pool", dedicated=nodes, low_priority=None)

    async def scale(self, option: str) -> None:
        formula = f"$TargetDedicatedNodes=$PendingTasks/2;$NodeDeallocationOption={option}"
        await self.world.do(scaling.enable, ACCOUNT, "pool", formula=formula, interval=None)

    async def later(self, minutes: int) -> None:
        self.world.now += minutes * 60 * SECOND
        await self.tend()


async def _play(folder: Path, steps: list[tuple]) -> None:
    store = open_store(folder / "store.db")
    try:
        world = World(store)
        await world.pool(nodes=2, slots=2, job_order=JobOrder.UNIFORM)
        await world.job(uses_dependencies=True, preemptible=True)
        await world.job("urgent", priority=1)
        story = Story(world)
        for step in steps:
            await story.step(step)
        await _comes_to_rest(world, story)
    finally:
        await store.close()


async def _comes_to_rest(world: World, story: Story) -> None:
    """Once every process ends and nobody asks for more, no task is left running and no job half way."""
    for _ in range(40):
        while story.going:
            await story.exit(0, 0)
        await story.tend()
        await story.schedule()
        if not story.going:
            break
    job = await world.the_job()
    assert job.state in {JobState.ACTIVE, JobState.DISABLED, JobState.COMPLETED}
    found = await world.store.read(lambda tx: tx.tasks.page(job.key, None, 0, 100))
    assert not [task for task in found if task.state in {TaskState.RUNNING, TaskState.PREPARING}]
    await counters_are_true(world)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=30))
def test_any_story_keeps_the_rules(steps):
    """Random operations, refusals and failures: the counters equal the records after every step."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_play(Path(folder), steps))
