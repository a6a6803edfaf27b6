"""Who gets which room: tasks that want a node for themselves, jobs of one priority, jobs that may be taken from."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import housekeeping, jobs, pools
from linarite.engine.launching import RunExited
from linarite.engine.model import JobOrder, JobState, OnAllTasksComplete, TaskSpec, TaskState


async def running(world: World) -> dict[str, list[str]]:
    """The tasks that run, by their nodes, as `job/task`."""
    found: dict[str, list[str]] = {}
    for node in await world.nodes():
        for task in await world.store.read(lambda tx, node=node: tx.tasks.running_on_node(node.key)):
            job = await world.store.read(lambda tx, task=task: tx.jobs.by_key(task.job_key))
            found.setdefault(node.id, []).append(f"{job.spec.id}/{task.spec.id}")
    return found


async def by_job(world: World) -> Counter[str]:
    return Counter(name.partition("/")[0] for names in (await running(world)).values() for name in names)


# A node for itself.


def test_exclusive_task_has_its_node_for_itself(tmp_path):
    """It waits for an empty node, and nothing joins it there; it counts for its own slots."""

    async def story(world: World) -> None:
        await world.pool(nodes=1, slots=4)
        await world.job("first")
        await world.tasks("small", job="first")
        [small] = await world.schedule()
        await world.job("job")
        await world.tasks("alone", exclusive=True)
        await world.tasks("after")
        assert await world.schedule() == []
        await world.exit(small)
        [alone] = await world.schedule()
        await world.tasks("more", job="first")
        assert await world.schedule() == []
        [node] = await world.nodes()
        assert (node.running_tasks, node.running_slots, node.exclusive_tasks) == (1, 1, 1)
        await world.exit(alone)
        assert sorted(await world.run_all()) == ["after", "more"]

    play(tmp_path, story)


def test_exclusive_task_has_a_node_emptied_for_it(tmp_path):
    """Small tasks of later jobs do not keep every node in use for ever."""

    async def story(world: World) -> None:
        await world.pool(nodes=2, slots=2)
        await world.job("later", priority=-1)
        await world.tasks(*(f"t{number}" for number in range(40)), job="later")
        runs = await world.schedule()
        await world.job("job")
        await world.tasks("alone", exclusive=True)
        passes = 0
        while "job" not in await by_job(world):
            await world.exit(runs.pop(0))
            runs += await world.schedule()
            passes += 1
            assert passes < 10
        assert [names for names in (await running(world)).values() if "job/alone" in names] == [["job/alone"]]

    play(tmp_path, story)


def test_exclusive_task_that_was_requeued_leaves_its_node_to_others(tmp_path):
    async def story(world: World) -> None:
        await world.pool(nodes=1, slots=2)
        await world.job()
        await world.tasks("alone", exclusive=True)
        [run] = await world.schedule()
        await world.do(jobs.disable, ACCOUNT, "job", "requeue")
        await world.exit(run, 143)
        await world.job("other")
        await world.tasks("a", "b", job="other")
        assert len(await world.schedule()) == 2
        [node] = await world.nodes()
        assert node.exclusive_tasks == 0

    play(tmp_path, story)


def test_shrinking_pool_keeps_the_node_of_an_exclusive_task_longest(tmp_path):
    """It is a job manager's, though the others run more."""

    async def story(world: World) -> None:
        await world.pool(nodes=2, slots=4)
        await world.job()
        await world.tasks("alone", exclusive=True)
        await world.tasks("a", "b", "c", "d")
        await world.schedule()
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=1, low_priority=None)
        assert len(world.ended) == 4
        assert ["job/alone"] in (await running(world)).values()

    play(tmp_path, story)


def test_task_for_dedicated_nodes_runs_on_no_other(tmp_path):
    """It keeps its turn; jobs behind it use the low-priority nodes."""

    async def story(world: World) -> None:
        await world.pool(nodes=1, target_low_priority=1)
        await world.job()
        await world.tasks("a", "b", dedicated_only=True)
        await world.job("behind")
        await world.tasks("c", job="behind")
        assert len(await world.schedule()) == 2
        kinds = {node.id: node.dedicated for node in await world.nodes()}
        assert {names[0]: kinds[node] for node, names in (await running(world)).items()} == {
            "job/a": True,
            "behind/c": False,
        }

    play(tmp_path, story)


# Jobs of one priority.


def test_jobs_of_one_priority_share_a_pool_alike(tmp_path):
    """As many running for each, when all comes free at once and when slot after slot does."""

    async def story(world: World) -> None:
        await world.pool(nodes=3, slots=4, job_order=JobOrder.UNIFORM)
        for name in ("a", "b", "c"):
            await world.job(name)
            await world.tasks(*(f"t{number}" for number in range(20)), job=name)
        runs = await world.schedule()
        assert await by_job(world) == {"a": 4, "b": 4, "c": 4}
        await world.job("d")
        await world.tasks(*(f"t{number}" for number in range(20)), job="d")
        for _ in range(24):
            await world.exit(runs.pop(0))
            runs += await world.schedule()
        assert await by_job(world) == {"a": 3, "b": 3, "c": 3, "d": 3}

    play(tmp_path, story)


def test_what_one_job_does_not_use_is_shared_by_the_others(tmp_path):
    """A job with few tasks, one with a limit, one that is held; a higher priority still goes first."""

    async def story(world: World) -> None:
        await world.pool(nodes=1, slots=12, job_order=JobOrder.UNIFORM)
        await world.job("few")
        await world.tasks("t1", job="few")
        await world.job("limited", max_parallel_tasks=2)
        await world.job("held")
        await world.job("many")
        for name in ("limited", "held", "many"):
            await world.tasks(*(f"t{number}" for number in range(20)), job=name)
        await world.do(jobs.disable, ACCOUNT, "held", "wait")
        await world.job("urgent", priority=1)
        await world.tasks("t1", "t2", job="urgent")
        await world.schedule()
        assert await by_job(world) == {"urgent": 2, "few": 1, "limited": 2, "many": 7}

    play(tmp_path, story)


def test_pool_may_give_the_older_job_all(tmp_path):
    async def story(world: World) -> None:
        await world.pool(nodes=1, slots=4, job_order=JobOrder.OLDEST)
        for name in ("a", "b"):
            await world.job(name)
            await world.tasks(*(f"t{number}" for number in range(5)), job=name)
        await world.schedule()
        assert await by_job(world) == {"a": 4}

    play(tmp_path, story)


def test_large_task_keeps_its_turn_among_jobs_of_one_priority(tmp_path):
    async def story(world: World) -> None:
        await world.pool(nodes=2, slots=2, job_order=JobOrder.UNIFORM)
        await world.job("small")
        await world.tasks(*(f"t{number}" for number in range(30)), job="small")
        runs = await world.schedule()
        await world.job("large")
        await world.tasks("whole", required_slots=2, job="large")
        passes = 0
        while "large" not in await by_job(world):
            await world.exit(runs.pop(0))
            runs += await world.schedule()
            passes += 1
            assert passes < 10

    play(tmp_path, story)


def test_no_task_is_launched_twice_by_one_pass(tmp_path):
    """A pool that gets jobs without a pool of their own is looked at twice in one unit."""

    async def story(world: World) -> None:
        await world.pool(nodes=1, slots=4)
        await world.job("homeless", pool="")
        await world.job("job")
        await world.tasks("a", job="homeless")
        await world.tasks("b")
        await world.tasks("whole", required_slots=4)
        runs = await world.schedule()
        assert (len(runs), len(set(runs))) == (2, 2)

    play(tmp_path, story)


# Jobs that may be taken from.


async def tame_and_urgent(world: World, *, tame: dict[str, Any] | None = None, **urgent: Any) -> list[str]:
    """A pool full of a preemptible job's tasks, and a job of a higher priority with one task; gives the runs."""
    await world.pool(nodes=2, slots=2)
    await world.job("tame", **{"preemptible": True, **(tame or {})})
    await world.tasks("t1", "t2", "t3", "t4", job="tame")
    runs = await world.schedule()
    world.now += SECOND
    await world.job("urgent", priority=5)
    await world.tasks("u", job="urgent", **urgent)
    return runs


def test_job_of_higher_priority_takes_room_from_a_preemptible_one(tmp_path):
    """As little as it needs: one run, which is requeued and counted as that; its slot goes to the urgent task."""

    async def story(world: World) -> None:
        await tame_and_urgent(world)
        assert await world.schedule() == []
        assert len(world.ended) == 1
        assert await world.schedule() == []
        assert len(world.ended) == 1
        await world.exit(world.ended[0], 143)
        await world.schedule()
        assert await by_job(world) == {"tame": 3, "urgent": 1}
        [task] = [await world.task(f"t{n}", "tame") for n in range(1, 5)
                  if (await world.task(f"t{n}", "tame")).state is TaskState.ACTIVE]  # fmt: skip
        assert (task.requeues, task.retries, task.queued) == (1, 0, True)

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("tame", "urgent"),
    [({"preemptible": False}, 5), ({}, 0), ({"priority": 7}, 5)],
    ids=["not preemptible", "same priority", "lower priority"],
)
def test_nothing_is_taken_but_from_a_preemptible_job_of_lower_priority(tmp_path, tame, urgent):
    async def story(world: World) -> None:
        await tame_and_urgent(world, tame=tame)

        def with_priority(job):
            return replace(job, spec=replace(job.spec, priority=urgent))

        await world.do(jobs.update, ACCOUNT, "urgent", with_priority)
        await world.schedule()
        assert world.ended == []

    play(tmp_path, story)


def test_large_task_takes_what_it_needs_on_one_node(tmp_path):
    async def story(world: World) -> None:
        await tame_and_urgent(world, required_slots=2)
        await world.schedule()
        nodes = {launch.run: launch.node.node for launch in world.launched}
        assert len(world.ended) == 2
        assert len({nodes[run] for run in world.ended}) == 1

    play(tmp_path, story)


def test_exclusive_task_takes_a_whole_node(tmp_path):
    """And a run that has its node for itself gives all of it."""

    async def story(world: World) -> None:
        await tame_and_urgent(world, exclusive=True)
        await world.schedule()
        assert len(world.ended) == 2
        for run in list(world.ended):
            await world.exit(run, 143)
        await world.schedule()
        assert ["urgent/u"] in (await running(world)).values()
        await world.do(
            jobs.update, ACCOUNT, "urgent", lambda job: replace(job, spec=replace(job.spec, preemptible=True))
        )
        await world.job("top", priority=9)
        await world.tasks("v", "w", required_slots=2, job="top")
        await world.schedule()
        assert len(world.ended) == 2 + 3

    play(tmp_path, story)


def test_least_important_and_youngest_runs_are_taken_first(tmp_path):
    async def story(world: World) -> None:
        await world.pool(nodes=1, slots=3)
        for name, priority in (("middle", 2), ("low", 1)):
            await world.job(name, priority=priority, preemptible=True)
        await world.tasks("m", job="middle")
        await world.schedule()
        await world.tasks("l1", job="low")
        await world.schedule()
        world.now += SECOND
        await world.tasks("l2", job="low")
        [youngest] = await world.schedule()
        await world.job("urgent", priority=5)
        await world.tasks("u", job="urgent")
        await world.schedule()
        assert world.ended == [youngest]

    play(tmp_path, story)


def test_no_more_is_taken_than_the_job_may_run(tmp_path):
    async def story(world: World) -> None:
        await world.pool(nodes=1, slots=4)
        await world.job("tame", preemptible=True)
        await world.tasks("t1", "t2", "t3", "t4", job="tame")
        await world.schedule()
        await world.job("urgent", priority=5, max_parallel_tasks=1)
        await world.tasks("u1", "u2", "u3", job="urgent")
        await world.schedule()
        assert len(world.ended) == 1

    play(tmp_path, story)


def test_preempted_work_is_all_done_in_the_end(tmp_path):
    async def story(world: World) -> None:
        runs = await tame_and_urgent(world, tame={"on_all_tasks_complete": OnAllTasksComplete.TERMINATE})
        await world.schedule()
        for run in runs:
            code = 143 if run in world.ended else 0
            await world.report(RunExited(run=run, code=code, started_at=world.now, at=world.now))
        await world.run_all()
        job = await world.the_job("tame")
        assert (job.state, job.counts.succeeded) == (JobState.COMPLETED, 4)
        await world.do(housekeeping.tend, housekeeping.Retention())
        await world.do(pools.delete, ACCOUNT, "pool")

    play(tmp_path, story)


def test_spec_of_a_task_says_nothing_of_this_by_itself():
    """A task like any other shares its node, on whatever node."""
    plain = TaskSpec(id="t", command="true")
    assert (plain.exclusive, plain.dedicated_only) == (False, False)
