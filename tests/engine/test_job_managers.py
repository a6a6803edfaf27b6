"""Tasks that manage their jobs: where they may run, and that they find room when they have to start again.

Source: BatchJobManagerTask of the specification.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import jobs, pools
from linarite.engine.launching import RunLost
from linarite.engine.model import JobOrder, OnRunning, TaskSpec, TaskState


async def managed(world: World, name: str = "managed", manager: dict[str, Any] | None = None, **spec: Any) -> None:
    """A job whose manager task may be tried again."""
    await world.job(name, **spec)
    await world.add(TaskSpec(id="manager", command="m", manages=True, max_retries=9, **(manager or {})), job=name)


async def fill(world: World, *names: str, job: str = "others", **spec: Any) -> list[str]:
    """A job whose tasks run for long; gives what was started."""
    if await world.store.read(lambda tx: tx.jobs.get(ACCOUNT, job)) is None:
        await world.job(job, **spec)
    await world.tasks(*names, job=job)
    return await world.schedule()


async def lose_node(world: World, run: str) -> None:
    """The node of a run is taken out of the pool: what ran there goes back to the queue, without a retry."""
    (node,) = [launch.node.node for launch in world.launched if launch.run == run]
    await world.do(pools.remove_nodes, ACCOUNT, "pool", [node], on_running=OnRunning.REQUEUE)
    await world.exit(run, 143)


async def state(world: World, job: str = "managed", task: str = "manager") -> TaskState:
    return (await world.task(task, job)).state


async def displaced(world: World, **others: Any) -> list[str]:
    """A manager that lost its node while other jobs have the rest: the runs that were taken back for it."""
    await world.pool(nodes=3)
    await managed(world, priority=2)
    (run,) = await world.schedule()
    await fill(world, "a", "b", **{"priority": 2, **others})
    world.ended.clear()
    await lose_node(world, run)
    world.ended.clear()
    await world.schedule()
    return list(world.ended)


@pytest.mark.parametrize("priority", [1, 2])
def test_manager_that_starts_again_takes_the_room_of_one_running_task(tmp_path: Path, priority: int):
    """One of a job that is not more important than its own, which is queued again; no more than it needs."""

    async def story(world: World) -> None:
        taken = await displaced(world, priority=priority)
        assert len(taken) == 1
        assert await world.schedule() == []
        assert world.ended == taken, "what is being ended is room already"
        await world.exit(taken[0], 143)
        await world.schedule()
        assert await state(world) is TaskState.RUNNING
        states = {name: await world.task(name, "others") for name in ("a", "b")}
        (back,) = [task for task in states.values() if task.state is TaskState.ACTIVE]
        assert (back.requeues, back.retries, back.queued) == (1, 0, True)
        assert (await world.task("manager", "managed")).requeues == 1

    play(tmp_path, story)


def test_manager_takes_nothing_from_a_more_important_job(tmp_path: Path):
    async def story(world: World) -> None:
        assert await displaced(world, priority=3) == []
        assert await state(world) is TaskState.ACTIVE

    play(tmp_path, story)


def test_manager_that_never_ran_takes_nothing(tmp_path: Path):
    async def story(world: World) -> None:
        await world.pool(nodes=1)
        await fill(world, "a")
        await managed(world, priority=9)
        await world.schedule()
        assert world.ended == []

    play(tmp_path, story)


def test_managers_leave_each_other_alone(tmp_path: Path):
    async def story(world: World) -> None:
        await world.pool(nodes=2)
        await managed(world, "first")
        (run,) = await world.schedule()
        await managed(world, "second")
        await world.schedule()
        await lose_node(world, run)
        world.ended.clear()
        await world.schedule()
        assert world.ended == []
        assert await state(world, "second") is TaskState.RUNNING

    play(tmp_path, story)


@pytest.mark.parametrize("order", JobOrder)
def test_manager_that_failed_is_first_among_equals(tmp_path: Path, order: JobOrder):
    """An older job with much to do does not get its node."""

    async def story(world: World) -> None:
        await world.pool(nodes=1, job_order=order)
        await world.job("older")
        world.now += SECOND
        await managed(world)
        (run,) = await world.schedule()
        await world.tasks("a", "b", job="older")
        await world.exit(run, 1)
        await world.schedule()
        manager = await world.task("manager", "managed")
        assert (manager.state, manager.retries) == (TaskState.RUNNING, 1)
        assert await state(world, "older", "a") is TaskState.ACTIVE

    play(tmp_path, story)


def test_manager_for_itself_takes_back_all_on_one_node(tmp_path: Path):
    async def story(world: World) -> None:
        await world.pool(nodes=2, slots=2)
        await managed(world, manager={"exclusive": True, "required_slots": 1})
        (run,) = await world.schedule()
        await world.report(RunLost(run=run, at=world.now))
        await world.do(jobs.disable, ACCOUNT, "managed", OnRunning.WAIT)
        runs = await fill(world, "a", "b", "c", "d")
        assert len(runs) == 4
        world.ended.clear()
        await world.do(jobs.enable, ACCOUNT, "managed")
        await world.schedule()
        nodes = {launch.run: launch.node.node for launch in world.launched}
        assert len(world.ended) == 2
        assert len({nodes[run] for run in world.ended}) == 1

    play(tmp_path, story)


def test_manager_that_no_node_suits_holds_nobody(tmp_path: Path):
    """It must not run on low-priority nodes and the pool has no others: the job's tasks go on, and it starts later."""

    async def story(world: World) -> None:
        await world.pool(nodes=0, target_low_priority=2)
        await managed(world, manager={"dedicated_only": True})
        await world.tasks("a", "b", "c", job="managed")
        await world.schedule()
        assert await state(world) is TaskState.ACTIVE
        assert [await state(world, "managed", name) for name in "abc"] == [
            TaskState.RUNNING, TaskState.RUNNING, TaskState.ACTIVE,
        ]  # fmt: skip
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=1, low_priority=2)
        await world.schedule()
        assert await state(world) is TaskState.RUNNING

    play(tmp_path, story)


def test_manager_waits_for_a_node_that_is_being_made(tmp_path: Path):
    """Then nothing of its job comes before it."""

    async def story(world: World) -> None:
        await world.pool(nodes=0, target_low_priority=1)
        world.prompt = False
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=1, low_priority=1)
        await managed(world, manager={"dedicated_only": True})
        await world.tasks("a", job="managed")
        assert await world.schedule() == []
        await world.answer()
        await world.schedule()
        assert await state(world) is TaskState.RUNNING
        assert await state(world, "managed", "a") is TaskState.RUNNING

    play(tmp_path, story)
