"""Parametric sweeps: what they make, when they are over, what waits for them, how they are ended and run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.world import ACCOUNT, World, play

from linarite.engine import jobs, sweeps, tasks
from linarite.engine.errors import InvalidValue, WrongState
from linarite.engine.model import (
    Dependencies,
    JobState,
    OnAllTasksComplete,
    Sweep,
    SweepSpec,
    TaskSpec,
    TaskState,
)  # fmt: skip

ENDS = {"on_all_tasks_complete": OnAllTasksComplete.TERMINATE, "uses_dependencies": True}


async def add(world: World, first: int = 1, last: int = 3, id: str = "1", **fields: Any) -> Sweep:
    pattern = {name: fields.pop(name) for name in ("dependencies", "fails_job") if name in fields}
    spec = SweepSpec(
        task=TaskSpec(id=id, command="echo *", stdout="*.log", **pattern), first=first, last=last, **fields
    )  # fmt: skip
    return await world.do(sweeps.add, ACCOUNT, "job", spec, {})


async def one(world: World, alias: int = 1) -> Sweep:
    found = await world.store.read(lambda tx: tx.sweeps.by_alias(tx.jobs.get(ACCOUNT, "job").key, alias))
    assert found is not None
    return found


async def of(world: World, operation: Any, *args: Any, **options: Any) -> Any:
    """Do something to the sweep, as a unit finds it."""

    def work(u: Any) -> Any:
        key = u.tx.jobs.get(ACCOUNT, "job").key
        return operation(u, u.sweeps_of(key)[1], *args, **options)

    return await world.do(work)


def test_sweep_is_expanded_when_its_job_is_submitted(tmp_path: Path):
    """A draft's has no task; each task has its value for `*` and in a variable; numbers go on behind the sweep's."""

    async def story(world: World) -> None:
        await world.pool(slots=9)
        await world.job(draft=True, **ENDS)
        await add(world, 2, 8, step=3, variable="VALUE")
        await world.tasks("2")
        assert (await one(world)).made == 0
        await world.do(jobs.submit, ACCOUNT, "job")
        found = [await world.task(f"1-{index}") for index in (1, 2, 3)]
        assert [(task.alias, task.index, task.spec.command) for task in found] == [
            (1, 1, "echo 2"), (1, 2, "echo 5"), (1, 3, "echo 8"),
        ]  # fmt: skip
        assert found[1].spec.stdout == "5.log"
        assert [(item.name, item.value) for item in found[1].spec.environment] == [("VALUE", "5")]
        assert (await world.task("2")).alias == 2
        assert sorted(await world.run_all()) == ["1-1", "1-2", "1-3", "2"]
        sweep = await one(world)
        assert (sweep.over, sweep.counts.succeeded, sweep.growing) == (True, 3, False)
        assert (await world.the_job()).state is JobState.COMPLETED

    play(tmp_path, story)


def test_large_sweep_grows_by_pieces(tmp_path: Path):
    """Its job does not end while tasks of it are still to be made."""

    async def story(world: World) -> None:
        await world.pool(slots=1000)
        await world.job(draft=True, **ENDS)
        await add(world, last=2 * sweeps.PIECE + 1)
        await world.do(jobs.submit, ACCOUNT, "job")
        assert ((await one(world)).made, world.tending) == (sweeps.PIECE, True)
        await world.run_all()
        assert (await world.the_job()).state is JobState.ACTIVE
        await world.later(0)
        assert ((await one(world)).made, (await world.the_job()).growing) == (2 * sweeps.PIECE + 1, 0)
        await world.run_all()
        assert (await world.the_job()).state is JobState.COMPLETED

    play(tmp_path, story)


def test_growing_stops_with_the_job(tmp_path: Path):
    """A job that is ended makes no more tasks; run again, it makes the rest."""

    async def story(world: World) -> None:
        await world.pool(slots=1000)
        await world.job(draft=True, **ENDS)
        await add(world, last=sweeps.PIECE + 1)
        await world.do(jobs.submit, ACCOUNT, "job")
        await world.do(jobs.terminate, ACCOUNT, "job", "enough")
        await world.later(0)
        assert ((await one(world)).made, (await world.the_job()).growing) == (sweeps.PIECE, 0)
        await world.do(jobs.requeue, ACCOUNT, "job")
        await world.later(0)
        assert (await one(world)).made == sweeps.PIECE + 1
        await world.run_all()
        assert (await world.the_job()).state is JobState.COMPLETED

    play(tmp_path, story)


def test_dependents_wait_for_the_last_task(tmp_path: Path):
    """A task that names the sweep starts when all of it is over; one that is added later starts at once."""

    async def story(world: World) -> None:
        await world.pool(slots=3)
        await world.job(uses_dependencies=True)
        await add(world)
        await world.tasks("after", dependencies=Dependencies(ids=("1",)))
        first = await world.schedule()
        await world.exit(first[0])
        await world.exit(first[1], 1)
        assert await world.schedule() == []
        await world.exit(first[2])
        assert len(await world.schedule()) == 1
        await world.tasks("later", dependencies=Dependencies(ids=("1",)))
        assert (await world.task("later")).queued
        # Run again, it releases nobody twice.
        await world.tasks("both", dependencies=Dependencies(ids=("1", "nobody")))
        await of(world, sweeps.requeue)
        await world.run_all()
        assert ((await one(world)).over, (await world.task("both")).waiting) == (True, 1)

    play(tmp_path, story)


def test_sweep_waits_for_a_task(tmp_path: Path):
    """Each of its tasks has the pattern's dependencies."""

    async def story(world: World) -> None:
        await world.pool(slots=3)
        await world.job(uses_dependencies=True)
        await world.tasks("first")
        await add(world, id="2", dependencies=Dependencies(ids=("first",)))
        order = await world.run_all()
        assert (order[0], sorted(order[1:])) == ("first", ["2-1", "2-2", "2-3"])

    play(tmp_path, story)


def test_stop_ends_what_waits_and_what_runs(tmp_path: Path):
    """It is over when its last run has ended; requeued, what did not succeed runs again."""

    async def story(world: World) -> None:
        await world.pool(slots=2)
        await world.job(uses_dependencies=True)
        await add(world)
        running = await world.schedule()
        await world.exit(running[0])
        await of(world, sweeps.stop, "not needed")
        assert world.ended == [running[1]]
        assert (await world.task("1-3")).state is TaskState.COMPLETED
        assert not (await one(world)).over
        await world.exit(running[1], 143)
        assert (await one(world)).over
        with pytest.raises(WrongState):
            await of(world, sweeps.stop, "again")
        await of(world, sweeps.requeue)
        assert sorted(await world.run_all()) == ["1-2", "1-3"]

    play(tmp_path, story)


def test_large_sweep_is_ended_by_pieces(tmp_path: Path):
    """Nothing of it starts meanwhile, its job waits for it, and its dependents for the last piece."""

    async def story(world: World) -> None:
        await world.pool(slots=2)
        await world.job(draft=True, **ENDS)
        await add(world, last=2 * sweeps.PIECE + 1)
        await world.tasks("after", dependencies=Dependencies(ids=("1",)))
        await world.do(jobs.submit, ACCOUNT, "job")
        await world.later(0)
        running = await world.schedule()
        await of(world, sweeps.stop, "not needed")
        assert (world.ended, world.tending) == (running, True)
        for run in running:
            await world.exit(run, 143)
        assert await world.schedule() == []
        with pytest.raises(WrongState):
            await of(world, sweeps.requeue)
        await world.later(0)
        sweep = await one(world)
        assert (sweep.over, sweep.counts.failed, (await world.the_job()).growing) == (True, 2 * sweeps.PIECE + 1, 0)
        assert await world.run_all() == ["after"]
        assert (await world.the_job()).state is JobState.COMPLETED

    play(tmp_path, story)


def test_so_many_failures_end_the_job(tmp_path: Path):
    """`fails_after` failures of a sweep whose pattern fails its job."""

    async def story(world: World) -> None:
        await world.pool(slots=1)
        await world.job()
        await add(world, last=9, fails_job=True, fails_after=3)
        assert len(await world.run_all({f"1-{index}": 1 for index in (2, 4, 5)})) == 5
        job = await world.the_job()
        assert (job.state, job.terminate_reason) == (JobState.COMPLETED, "TaskFailed")

    play(tmp_path, story)


@pytest.mark.parametrize("values", [(2, 1, 1), (1, 5, 0), (1, sweeps.MOST + 1, 1)])
def test_sweep_of_bad_values_is_refused(tmp_path: Path, values: tuple[int, int, int]):
    """And leaves nothing behind."""

    async def story(world: World) -> None:
        await world.job()
        first, last, step = values
        with pytest.raises(InvalidValue):
            await add(world, first, last, step=step)
        assert (await world.the_job()).next_task == 1
        await world.do(jobs.terminate, ACCOUNT, "job", "over")
        with pytest.raises(WrongState):
            await add(world)

    play(tmp_path, story)


def test_sweep_is_changed_until_it_has_tasks(tmp_path: Path):
    async def story(world: World) -> None:
        await world.job(draft=True)
        sweep = await add(world)
        new = SweepSpec(task=sweep.spec.task, last=2)
        await of(world, sweeps.change, new, {"face": {"a": 1}})
        await world.do(jobs.submit, ACCOUNT, "job")
        assert ((await one(world)).made, (await one(world)).facts) == (2, {"face": {"a": 1}})
        with pytest.raises(WrongState):
            await of(world, sweeps.change, new, {})

    play(tmp_path, story)


def test_deleting_the_last_task_that_is_left_ends_the_sweep(tmp_path: Path):
    """What waits for the sweep goes on; the sweep goes with its job."""

    async def story(world: World) -> None:
        await world.pool(slots=1)
        await world.job(uses_dependencies=True)
        await add(world, last=1)
        await world.tasks("after", dependencies=Dependencies(ids=("1",)))
        await world.do(tasks.delete, ACCOUNT, "job", "1-1")
        assert await world.run_all() == ["after"]
        await world.do(jobs.delete, ACCOUNT, "job")
        await world.later(0)
        assert await world.store.read(lambda tx: tx.sweeps.of_job(1)) == []

    play(tmp_path, story)
