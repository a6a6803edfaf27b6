"""What tasks, jobs, schedules, pools and accounts are charged with, told without looking at all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.gangs import back, gang
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import housekeeping, jobs, node_life, pools, tasks
from linarite.engine.launching import RunExited, RunLost, Usage
from linarite.engine.model import NodeState, OnRunning, TaskState
from linarite.engine.usage import NodeSpan, Totals, by_interval

MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
USED = Usage(user_seconds=1.5, kernel_seconds=0.25, read_operations=8, write_operations=16, peak_bytes=2**20)


async def totals(world: World, kind: str, name: object) -> Totals:
    found = await world.store.read(lambda tx: tx.usage.totals(kind, [str(name)]))
    return found.get(str(name), Totals())


async def run(world: World, seconds: int, code: int = 0, usage: Usage = USED) -> None:
    """Start the next run and end it after a time."""
    (name,) = await world.schedule()
    began = world.now
    world.now += seconds * SECOND
    await world.report(RunExited(run=name, code=code, started_at=began, at=world.now, usage=usage))


def test_run_is_charged_to_all_that_it_belongs_to(tmp_path: Path):
    """Its task, its job and the jobs of the account, its pool and the pools of the account."""

    async def story(world: World) -> None:
        pool = await world.pool()
        job = await world.job()
        await world.tasks("a")
        world.now += 3 * SECOND
        await run(world, 5)
        task = await world.task("a")
        assert (task.usage.user_time, task.usage.kernel_time, task.usage.wall_time) == (1_500_000, 250_000, 5 * SECOND)
        for kind, name in (("job", job.key), ("jobs", ACCOUNT), ("pool", pool.key), ("pools", ACCOUNT)):
            used = await totals(world, kind, name)
            assert (used.user_time, used.kernel_time, used.wall_time) == (1_500_000, 250_000, 5 * SECOND)
            assert (used.reads, used.writes, used.peak, used.memory) == (8, 16, 2**20, 1024 * 5000)
        of_job, of_pool = await totals(world, "job", job.key), await totals(world, "pool", pool.key)
        assert (of_job.succeeded, of_job.failed, of_job.wait_time) == (1, 0, 3 * SECOND)
        assert (of_pool.succeeded, of_pool.wait_time) == (0, 0)

    play(tmp_path, story)


def test_tries_add_up(tmp_path: Path):
    """A task that was tried again has used what all its tries did, and waited for the last of them."""

    async def story(world: World) -> None:
        await world.pool()
        job = await world.job()
        await world.tasks("a", max_retries=1)
        await run(world, 5, code=1)
        await run(world, 7, code=1, usage=Usage(user_seconds=1, peak_bytes=2**30))
        task = await world.task("a")
        assert (task.usage.user_time, task.usage.wall_time, task.usage.peak) == (2_500_000, 12 * SECOND, 2**30)
        used = await totals(world, "job", job.key)
        assert (used.succeeded, used.failed, used.retries, used.wait_time) == (0, 1, 1, 5 * SECOND)
        await world.do(tasks.reactivate, ACCOUNT, "job", "a")
        await run(world, 1)
        used = await totals(world, "job", job.key)
        assert (used.succeeded, used.failed, used.retries, used.wall_time) == (1, 1, 1, 13 * SECOND)
        assert (await world.task("a")).usage.wall_time == 13 * SECOND

    play(tmp_path, story)


def test_lost_run_is_charged_with_its_time_alone(tmp_path: Path):
    """What a run used that nobody saw end is not known; how long it was there is."""

    async def story(world: World) -> None:
        await world.pool()
        job = await world.job()
        await world.tasks("a")
        (name,) = await world.schedule()
        world.now += 4 * SECOND
        await world.report(RunLost(run=name, at=world.now))
        used = await totals(world, "job", job.key)
        assert (used.wall_time, used.user_time, used.succeeded, used.failed) == (4 * SECOND, 0, 0, 0)

    play(tmp_path, story)


def test_task_that_ends_without_a_run_counts_and_costs_nothing(tmp_path: Path):
    """A task that was terminated before its time."""

    async def story(world: World) -> None:
        job = await world.job()
        await world.tasks("a")
        await world.do(tasks.terminate, ACCOUNT, "job", "a")
        used = await totals(world, "job", job.key)
        assert used == Totals(failed=1)

    play(tmp_path, story)


def test_running_tasks_are_told_of_by_job_and_account(tmp_path: Path):
    """How many, and since when: what has not ended yet is charged to nobody."""

    async def story(world: World) -> None:
        await world.pool(slots=2)
        job, other = await world.job(), await world.job("other")
        await world.tasks("a", "b")
        await world.schedule()
        world.now += 5 * SECOND
        found = await world.store.read(lambda tx: tx.tasks.running_since([job.key, other.key]))
        assert list(found) == [job.key]
        assert (found[job.key].number, found[job.key].wall(world.now)) == (2, 10 * SECOND)
        whole = await world.store.read(lambda tx: tx.tasks.running(ACCOUNT))
        assert whole == found[job.key]
        assert (await world.store.read(lambda tx: tx.tasks.running("nobody"))).wall(world.now) == 0

    play(tmp_path, story)


def test_totals_of_a_job_and_of_a_pool_go_with_them_those_of_the_account_stay(tmp_path: Path):
    """Statistics vanish with what they are of; what an account ever used is told for ever."""

    async def story(world: World) -> None:
        pool = await world.pool()
        job = await world.job()
        await world.tasks("a")
        await run(world, 5)
        world.now += 5 * SECOND
        await world.do(jobs.delete, ACCOUNT, "job")
        await world.do(pools.delete, ACCOUNT, "pool")
        assert await totals(world, "job", job.key) == Totals()
        assert await totals(world, "pool", pool.key) == Totals()
        assert (await totals(world, "jobs", ACCOUNT)).wall_time == 5 * SECOND
        used = await totals(world, "pools", ACCOUNT)
        assert (used.wall_time, used.dedicated) == (5 * SECOND, 10 * SECOND)

    play(tmp_path, story)


def test_schedule_is_charged_with_what_its_jobs_used(tmp_path: Path):
    """Of all of them, those that are gone as well."""

    async def story(world: World) -> None:
        await world.pool()
        schedule = await world.recurring(interval=HOUR)
        (name,) = await world.jobs()
        await world.tasks("a", job=name)
        await run(world, 5)
        await world.do(jobs.delete, ACCOUNT, name)
        used = await totals(world, "schedule", schedule.key)
        assert (used.succeeded, used.wall_time) == (1, 5 * SECOND)

    play(tmp_path, story)


def test_nodes_time_is_charged_by_cores_and_kind_when_they_go(tmp_path: Path):
    """A node counts as many cores as it has slots; low priority ones are told apart."""

    async def story(world: World) -> None:
        pool = await world.pool(nodes=2, slots=4, target_low_priority=1)
        world.now += 10 * SECOND
        present = await world.store.read(lambda tx: tx.usage.open_spans(ACCOUNT, [pool.key]))
        assert sorted((one.dedicated, one.cores, one.within(0, world.now)) for one in present) == [
            (False, 4, 40 * SECOND), (True, 4, 40 * SECOND), (True, 4, 40 * SECOND),
        ]  # fmt: skip
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=0, low_priority=0)
        used = await totals(world, "pool", pool.key)
        assert (used.dedicated, used.low_priority) == (80 * SECOND, 40 * SECOND)
        assert await world.store.read(lambda tx: tx.usage.open_spans(ACCOUNT)) == []

    play(tmp_path, story)


def test_deallocated_node_costs_nothing(tmp_path: Path):
    """Its time ends when it is deallocated and goes on when it is started."""

    async def story(world: World) -> None:
        await world.pool()
        (node,) = await world.nodes()
        world.now += 10 * SECOND
        await world.do(
            node_life.begin, ACCOUNT, "pool", node.id, state=NodeState.DEALLOCATING, on_running=OnRunning.REQUEUE
        )
        assert (await world.nodes())[0].state is NodeState.DEALLOCATED
        world.now += HOUR
        assert await world.store.read(lambda tx: tx.usage.open_spans(ACCOUNT)) == []
        await world.do(node_life.start, ACCOUNT, "pool", node.id)
        world.now += 5 * SECOND
        await world.do(pools.delete, ACCOUNT, "pool")
        assert (await totals(world, "pools", ACCOUNT)).dedicated == 15 * SECOND

    play(tmp_path, story)


def test_spans_are_pruned_with_history(tmp_path: Path):
    """Times of nodes that went long ago are forgotten when events are; those of nodes that are there never."""

    async def story(world: World) -> None:
        await world.pool("old")
        await world.do(pools.delete, ACCOUNT, "old")
        await world.pool("new")
        world.now += HOUR
        assert await world.store.read(lambda tx: tx.usage.first_moment(ACCOUNT, 0)) is not None
        await world.do(housekeeping.tend, housekeeping.Retention(events=MINUTE))
        spans = await world.store.read(lambda tx: tx.usage.spans(ACCOUNT, None, 0, world.now))
        assert [span.pool for span in spans] == ["new"]

    play(tmp_path, story)


def span(pool: int, start: int, end: int | None, cores: int = 1) -> NodeSpan:
    fields: dict[str, Any] = {"account": ACCOUNT, "pool": f"p{pool}", "size": "s", "dedicated": True}
    return NodeSpan(node_key=1, pool_key=pool, cores=cores, started_at=start, ended_at=end, **fields)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([span(1, 0, None)], [(0, 1, 10), (10, 1, 10), (20, 1, 10)]),
        ([span(1, 5, 15)], [(0, 1, 5), (10, 1, 5)]),
        ([span(1, 5, 10)], [(0, 1, 5)]),
        ([span(1, -50, 12, cores=3)], [(0, 1, 30), (10, 1, 6)]),
        ([span(2, 11, 12), span(1, 12, 19), span(2, 15, None, cores=2)], [(10, 1, 7), (10, 2, 11), (20, 2, 20)]),
        ([span(1, 30, None)], []),
    ],
)
def test_time_is_shared_out_to_intervals(spans: list[NodeSpan], expected: list[tuple[int, int, int]]):
    """What each pool had in each interval of ten, from 0 to 30."""
    assert [(one.start, one.pool_key, one.core_time) for one in by_interval(spans, 0, 30, 10)] == expected


def test_task_of_several_nodes_is_charged_with_what_all_of_them_used(tmp_path: Path):
    """Processors and disks are summed over its nodes; its time is its own, the pool's is that of each node."""

    async def story(world: World) -> None:
        pool = await world.pool(nodes=2, inter_node=True)
        job = await world.job(max_retries=1)
        await world.add(gang(instances=2))
        for tries in (1, 2):
            members = await world.schedule()
            assert len(members) == 2
            began = world.now
            world.now += 2 * SECOND
            await back(world, *members)
            world.now += 3 * SECOND
            own = world.launched[-1].run
            for name in (own, *members):
                code = 1 if name == own else 0
                await world.report(RunExited(run=name, code=code, started_at=began, at=world.now, usage=USED))
            task = await world.task("a")
            used = (task.usage.user_time, task.usage.reads, task.usage.wall_time)
            assert used == (tries * 3 * 1_500_000, tries * 3 * 8, tries * 5 * SECOND)
        of_job, of_pool = await totals(world, "job", job.key), await totals(world, "pool", pool.key)
        assert (of_job.user_time, of_job.writes, of_job.wall_time) == (6 * 1_500_000, 6 * 16, 10 * SECOND)
        assert (of_pool.user_time, of_pool.wall_time) == (6 * 1_500_000, 20 * SECOND)
        assert (of_job.succeeded, of_job.failed, of_job.retries) == (0, 1, 1)
        assert task.state is TaskState.COMPLETED

    play(tmp_path, story)
