"""A small world for the engine's rules: the real store, a clock set by hand, nodes that note what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from linarite.engine import cluster, housekeeping, jobs, pools, runs, tasks
from linarite.engine.effects import Effects
from linarite.engine.launching import (
    Launch,
    Machine,
    MachineState,
    NodeFreed,
    NodeOrder,
    NodeReady,
    NodeRef,
    Report,
    RunExited,
    RunStarted,
)  # fmt: skip
from linarite.engine.ledger import Ledger
from linarite.engine.model import Job, JobSpec, JobState, Pool, PoolSpec, Task, TaskSpec
from linarite.engine.recurrence import schedules
from linarite.engine.recurrence.records import JobSchedule, ScheduleSpec, Timetable
from linarite.engine.scheduling import schedule_all
from linarite.engine.templates import JobTemplate
from linarite.store import open_store
from linarite.store.sql_store import SqlStore

T = TypeVar("T")
ACCOUNT = "test"
SECOND = 1_000_000


class Site:
    """Of what kind a world's nodes are; `machines` that stand are for every pool but those that `barred` names."""

    def __init__(self) -> None:
        self.standing = False
        self.barred: set[tuple[str, str]] = set()

    def may_use(self, pool: str, size: str, machine: Machine) -> bool:
        return (pool, machine.name) not in self.barred


class World:
    """The engine's rules on a store, one unit at a time; `launched` and `ended` are what the nodes were told.

    They make and free nodes at once while it is `prompt`; else `orders` and `freed` wait for `answer`. `asked` are the
    nodes whose use they were asked for, with the slot. `held` are the nodes whose machines shall take nothing new,
    or again (False). `site` is of the kind that makes nodes until there are `machines`.
    """

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.now = 1_000 * SECOND
        self.launched: list[Launch] = []
        self.ended: list[str] = []
        self.graces: list[float] = []
        self.removed: list[str] = []
        self.awake = self.tending = False
        self.prompt = True
        self.orders: list[NodeOrder] = []
        self.freed: list[NodeRef] = []
        self.asked: list[tuple[list[NodeRef], int]] = []
        self.held: list[tuple[str, bool]] = []
        self.site = Site()
        self._names = count(1)

    async def do(self, operation: Callable[..., T], *args: Any, **options: Any) -> T:
        """One unit of work, as the engine does it."""

        def work(tx: Any) -> tuple[T, Effects]:
            names = self._names
            unit = Ledger(tx, self.now, "tester", lambda kind: f"{kind}-{next(names)}", lambda *_: {}, self.site)
            result = operation(unit, *args, **options)
            pools.retire(unit)
            unit.flush()
            return result, unit.effects

        result, effects = await self.store.write(work)
        self.launched += effects.launch
        self.ended += [run for _, run, *_ in effects.end]
        self.graces += [grace for _, _, grace, _ in effects.end]
        self.removed += [directory for _, directory in effects.remove]
        self.awake, self.tending = effects.wake, effects.tend
        self.orders += effects.provision
        self.freed += effects.deallocate
        self.asked += effects.measure
        self.held += [(node.node, held) for node, held in effects.hold]
        if self.prompt:
            await self.answer()
        return result

    async def answer(self) -> None:
        """The nodes that were to be made are there, those that were to be freed have no files any more."""
        made, freed = self.orders, self.freed
        self.orders, self.freed = [], []
        reports = [*(NodeReady(node=order.node) for order in made), *(NodeFreed(node=node) for node in freed)]
        if reports:
            await self.do(runs.take_nodes, reports)

    async def machines(self, *names: str, **states: MachineState) -> None:
        """The cluster has these machines, in this order; those that are not `idle` are in other states."""
        self.site.standing = True
        told = [Machine(name=name, state=MachineState.IDLE, cpus=4, memory_mb=1000) for name in names]
        told += [Machine(name=name, state=state, reason=f"{name} broke") for name, state in states.items()]
        await self.do(cluster.take, told)

    async def tend(self) -> None:
        """What the engine's loop does when a unit asked for it."""
        await self.do(housekeeping.tend, housekeeping.Retention())

    async def pool(self, name: str = "pool", nodes: int = 1, slots: int = 1, **spec: Any) -> Pool:
        return await self.do(
            pools.add, ACCOUNT, PoolSpec(id=name, target_dedicated=nodes, slots_per_node=slots, **spec), {}
        )

    async def job(self, name: str = "job", pool: str = "pool", *, draft: bool = False, **spec: Any) -> Job:
        return await self.do(jobs.add, ACCOUNT, JobSpec(id=name, pool=pool, **spec), {}, draft=draft)

    async def recurring(self, name: str = "s", template: JobTemplate | None = None, **timetable: Any) -> JobSchedule:
        """A job schedule; its jobs run on `pool` unless a template says otherwise."""
        template = template or JobTemplate(spec=JobSpec(id="", pool="pool"))
        spec = ScheduleSpec(id=name, template=template, timetable=Timetable(**timetable))
        return await self.do(schedules.add, ACCOUNT, spec, {})

    async def the_schedule(self, name: str = "s") -> JobSchedule:
        found = await self.store.read(lambda tx: tx.schedules.get(ACCOUNT, name))
        assert found is not None
        return found

    async def jobs(self) -> dict[str, JobState]:
        """The jobs that there are, by their ids, in the order of their making."""
        found = await self.store.read(lambda tx: tx.jobs.page(ACCOUNT, None, 0, 1000))
        return {job.spec.id: job.state for job in found}

    async def later(self, seconds: float) -> None:
        """Let time pass and do what it brings, as often as there is more to do at once."""
        self.now += int(seconds * SECOND)
        self.tending = True
        while self.tending:
            await self.do(housekeeping.tend, housekeeping.Retention())

    async def add(self, *specs: TaskSpec, job: str = "job") -> list[Any]:
        return await self.do(tasks.add, ACCOUNT, job, [(spec, {}) for spec in specs])

    async def tasks(self, *names: str, job: str = "job", **spec: Any) -> list[Any]:
        return await self.add(*(TaskSpec(id=name, command="true", **spec) for name in names), job=job)

    async def schedule(self) -> list[str]:
        """One pass; gives the runs that were launched by it."""
        before = len(self.launched)
        await self.do(schedule_all)
        return [launch.run for launch in self.launched[before:]]

    async def report(self, *reports: Report) -> None:
        await self.do(runs.take, reports)

    async def begin(self, *runs: str) -> None:
        """Their turn has come: they have processes."""
        await self.report(*(RunStarted(run=run, at=self.now) for run in runs))

    async def exit(self, run: str, code: int = 0) -> None:
        await self.report(RunExited(run=run, code=code, started_at=self.now, at=self.now))

    async def run_all(self, codes: dict[str, int] | None = None) -> list[str]:
        """Schedule and exit until nothing is launched any more; gives the ids in the order of the runs."""
        order: list[str] = []
        while launched := await self.schedule():
            for run in launched:
                task = await self.by_key(int(run.partition(".")[0]))
                order.append(task.spec.id)
                await self.exit(run, (codes or {}).get(task.spec.id, 0))
        return order

    async def by_key(self, key: int) -> Task:
        found = await self.store.read(lambda tx: tx.tasks.by_key(key))
        assert found is not None
        return found

    async def task(self, name: str, job: str = "job") -> Task:
        found = await self.store.read(lambda tx: tx.tasks.get(tx.jobs.get(ACCOUNT, job).key, name))
        assert found is not None
        return found

    async def the_job(self, name: str = "job") -> Job:
        found = await self.store.read(lambda tx: tx.jobs.get(ACCOUNT, name))
        assert found is not None
        return found

    async def the_pool(self, name: str = "pool") -> Pool | None:
        return await self.store.read(lambda tx: tx.pools.get(ACCOUNT, name))

    async def nodes(self, name: str = "pool") -> Sequence[Any]:
        return await self.store.read(lambda tx: tx.nodes.of_pool(tx.pools.get(ACCOUNT, name).key))


def play(folder: Path, story: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """Run a story in a new world, and see that its counters are true at the end."""

    async def go() -> None:
        store = open_store(folder / "store.db")
        try:
            world = World(store)
            await story(world)
            await counters_are_true(world)
        finally:
            await store.close()

    asyncio.run(go())


async def counters_are_true(world: World) -> None:
    """Every job's counters equal what counting its tasks gives; every node's too."""

    def check(tx: Any) -> None:
        for job in tx.jobs.page(ACCOUNT, None, 0, 1000):
            found = tx.tasks.page(job.key, None, 0, 10_000)
            states = [(task.state.value, task.result.value if task.result else "") for task in found]
            assert job.counts.active == sum(state == "active" for state, _ in states)
            assert job.counts.running == sum(state in {"running", "preparing"} for state, _ in states)
            assert job.counts.succeeded == sum(result == "success" for _, result in states)
            assert job.counts.failed == sum(result == "failure" for _, result in states)
            assert job.queued == sum(task.queued for task in found)
            for sweep in tx.sweeps.of_job(job.key):
                of = [task for task in found if task.alias == sweep.alias and task.index]
                assert sweep.counts.active == sum(task.state.value == "active" for task in of)
                assert sweep.counts.running == sum(task.state.value in {"running", "preparing"} for task in of)
                assert sweep.counts.succeeded == sum(task.result == "success" for task in of)
                assert sweep.counts.failed == sum(task.result == "failure" for task in of)
            assert job.queued_instances == sum(max(1, task.spec.instances) for task in found if task.queued)
            assert job.restarting == sum(task.queued and task.spec.manages and task.attempt > 0 for task in found)
        for node in tx.nodes.all():
            running, own = tx.tasks.running_on_node(node.key), tx.node_tasks.under_way(node.key)
            subtasks = sum(each.is_subtask for each in own)
            assert node.running_tasks == len(running) + subtasks
            assert node.running_slots == sum(task.spec.required_slots for task in running) + subtasks
            assert node.own_tasks == sum(each.task_key is None for each in own)
            assert node.exclusive_tasks == sum(
                task.spec.exclusive or tx.jobs.by_key(task.job_key).spec.placement.exclusive for task in running
            )

    await world.store.read(check)


__all__ = ["ACCOUNT", "SECOND", "NodeRef", "World", "play"]
