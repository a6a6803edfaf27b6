"""Random stories of multi-instance tasks on hosts that behave as hosts do: no node has two, none is left half way."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.world import ACCOUNT, World, counters_are_true

from linarite.engine import housekeeping, jobs, pools, runs, tasks
from linarite.engine.errors import EngineError
from linarite.engine.launching import Launch, Report, RunExited, RunFailed, RunLost, RunReturned
from linarite.engine.layout import SHARED
from linarite.engine.model import JobState, MultiInstance, NodeCommand, OnRunning, TaskSpec, TaskState
from linarite.store import open_store

NAMES = ["1", "2", "3"]
PLACES = st.integers(0, 7)
USUAL = st.one_of(
    st.tuples(st.just("finish"), PLACES, st.just(0)),
    st.tuples(st.just("heed"), PLACES),
    st.just(("schedule",)),
)
BAD = st.one_of(
    st.tuples(st.just("finish"), PLACES, st.integers(1, 2)),
    st.tuples(st.sampled_from(["lost", "failed"]), PLACES),
)  # fmt: skip
STEPS = st.one_of(
    USUAL, USUAL, BAD,
    st.tuples(st.just("add"), st.sampled_from(NAMES), st.integers(0, 3), st.integers(0, 1)),
    st.tuples(st.sampled_from(["terminate", "reactivate", "delete"]), st.sampled_from(NAMES)),
    st.tuples(st.just("disable"), st.sampled_from(list(OnRunning))),
    st.tuples(st.sampled_from(["enable", "end", "requeue", "tend", "restart"])),
    st.tuples(st.just("resize"), st.integers(0, 4), st.sampled_from(list(OnRunning))),
)  # fmt: skip
BEGIN = [("add", "1", 3, 1), ("add", "2", 0, 0), ("add", "3", 2, 0), ("schedule",)]


class Hosts:
    """What the nodes do with what they are told: a run that is known is not started again."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.going: dict[str, str] = {}  # by run: its node while its command line runs
        self.staying: dict[str, str] = {}
        self.asked: list[str] = []
        self.seen: set[str] = set()
        self._stays: dict[str, str] = {}  # by run: the directory that its task has on all its nodes
        self._read = [0, 0]

    def hear(self) -> None:
        """Take what was told since."""
        launched, ended = self._read
        for launch in self.world.launched[launched:]:
            if launch.keeps_output:
                self._check_coordinated(launch)
            if launch.run not in self.going | self.staying:
                assert launch.run not in self.seen, "a run is launched once"
                self.seen.add(launch.run)
                self.going[launch.run] = launch.node.node
                if launch.stays:
                    self._stays[launch.run] = launch.folders[SHARED]
        self.asked += self.world.ended[ended:]
        self._read = [len(self.world.launched), len(self.world.ended)]
        self._check()

    def _check_coordinated(self, launch: Launch) -> None:
        """A task's own command line starts when all have coordinated."""
        returned = [run for run in self.staying if self._stays[run] == launch.folders[SHARED]]
        assert len(returned) == len(launch.environment["AZ_BATCH_HOST_LIST"].split(",")) or launch.run in self.going

    def _check(self) -> None:
        """One command line of a task on a node at a time, beside what its coordination left, and no other task."""
        tasks = {run: node for run, node in self.going.items() if not run.startswith("n")}
        assert max(Counter(tasks.values()).values(), default=0) <= 1
        instances = {run: node for run, node in (self.going | self.staying).items() if run in self._stays}
        assert max(Counter(instances.values()).values(), default=0) <= 1

    async def report(self, report: Report) -> None:
        await self.world.report(report)
        self.hear()

    def take(self, place: int, among: dict[str, str]) -> str | None:
        return sorted(among)[place % len(among)] if among else None

    async def finish(self, place: int, code: int) -> None:
        """A command line exits."""
        run, now = self.take(place, self.going), self.world.now
        if run is None:
            return
        if run in self._stays and code == 0 and run not in self.asked:
            self.staying[run] = self.going.pop(run)
            await self.report(RunReturned(run=run, at=now))
        else:
            del self.going[run]
            await self.report(RunExited(run=run, code=code, started_at=now, at=now))

    async def heed(self, place: int) -> None:
        """Do one of the ends that were asked for."""
        if not self.asked:
            return
        run, now = self.asked.pop(place % len(self.asked)), self.world.now
        if self.staying.pop(run, None):
            await self.report(RunExited(run=run, code=0, started_at=now, at=now))
        elif self.going.pop(run, None):
            await self.report(RunExited(run=run, code=143, started_at=now, at=now))
        else:
            await self.report(RunFailed(run=run, code="ended", message="", at=now))

    async def lost(self, place: int) -> None:
        run = self.take(place, self.going | self.staying)
        if run is not None:
            self.going.pop(run, None)
            self.staying.pop(run, None)
            await self.report(RunLost(run=run, at=self.world.now))

    async def failed(self, place: int) -> None:
        run = self.take(place, self.going)
        if run is not None:
            del self.going[run]
            await self.report(RunFailed(run=run, code="failed", message="no", at=self.world.now))


class Story:
    """Plays steps."""

    def __init__(self, world: World) -> None:
        self.world, self.hosts = world, Hosts(world)

    async def step(self, step: tuple) -> None:
        kind, *rest = step
        with contextlib.suppress(EngineError):  # a refusal changes nothing, which the counters will tell
            await (getattr(self.hosts, kind, None) or getattr(self, kind))(*rest)
        self.hosts.hear()
        await counters_are_true(self.world)

    async def add(self, name: str, instances: int, retries: int) -> None:
        settings = MultiInstance(instances=instances, coordination="c") if instances else None
        await self.world.add(TaskSpec(id=name, command="main", multi_instance=settings, max_retries=retries))

    async def schedule(self) -> None:
        await self.world.schedule()

    async def restart(self) -> None:
        await self.world.do(runs.resume)

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

    async def resize(self, nodes: int, on_running: OnRunning) -> None:
        await self.world.do(pools.resize, ACCOUNT, "pool", dedicated=nodes, low_priority=None, on_running=on_running)


async def _play(folder: Path, steps: list[tuple], *, prepared: bool) -> None:
    store = open_store(folder / "store.db")
    try:
        world = World(store)
        await world.pool(nodes=3, inter_node=True)
        await world.job(preparation=NodeCommand(id="prepare", command="prepare") if prepared else None)
        story = Story(world)
        for step in BEGIN + steps:
            await story.step(step)
        await _comes_to_rest(world, story)
    finally:
        await store.close()


async def _comes_to_rest(world: World, story: Story) -> None:
    """Once every command line succeeds and every end is heeded, no task is running and nothing stays anywhere."""
    hosts = story.hosts
    for _ in range(60):
        while hosts.asked or hosts.going:
            await hosts.heed(0)
            await hosts.finish(0, 0)
        await story.step(("tend",))
        await story.step(("schedule",))
        if not hosts.going and not hosts.asked:
            break
    assert not hosts.staying
    job = await world.the_job()
    assert job.state in {JobState.ACTIVE, JobState.DISABLED, JobState.COMPLETED}
    found = await world.store.read(lambda tx: tx.tasks.page(job.key, None, 0, 100))
    assert not [task for task in found if task.state in {TaskState.RUNNING, TaskState.PREPARING}]
    assert not [node for node in await world.nodes() if node.running_tasks or node.own_tasks]
    await counters_are_true(world)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=10, max_size=40), st.booleans())
def test_any_story_of_several_nodes_keeps_the_rules(steps, prepared):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_play(Path(folder), steps, prepared=prepared))
