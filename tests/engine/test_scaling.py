"""Pools that find their own size: what their formulas see, when they are evaluated, and what follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.scaled import (
    AVERAGE,
    MINUTE,
    history_of,
    look,
    pool_of,
    run_of,
    samples_of,
    scaled,
    targets,
    tend,
    wait,
)
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import jobs, pools, runs, sampling, scaling, tasks
from linarite.engine.autoscale.records import HISTORY, PERIOD, PoolSample, Scaling
from linarite.engine.effects import node_ref
from linarite.engine.launching import NodeReady, NodeUse
from linarite.engine.model import AllocationState, Dependencies, JobState, MultiInstance, NodeState, OnRunning
from linarite.engine.node_life import leave

# -- a pool follows its formula --------------------------------------------------------------------------------------


def test_pool_is_as_large_as_its_formula_says_from_the_start(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=2;$TargetLowPriorityNodes=1;x=7")
        pool = await pool_of(world)
        assert await targets(world) == (2, 1)
        assert (pool.allocation, pool.current_dedicated, pool.current_low_priority) == (AllocationState.STEADY, 2, 1)
        run = await run_of(world)
        assert (run.at, run.dedicated, run.low_priority, run.option) == (world.now, 2, 1, "requeue")
        assert (run.variables, run.error) == ("x=7", None)
        assert await history_of(world) == [("autoscaled", "2 dedicated, 1 low priority")]

    play(tmp_path, story)


def test_pool_grows_with_its_tasks_and_shrinks_when_they_are_done(tmp_path: Path):
    """The formula of the service's own documentation, minute by minute."""

    async def story(world: World) -> None:
        await scaled(world, AVERAGE)
        await world.job()
        assert await targets(world) == (0, 0)
        await world.tasks(*"abcdef")
        await wait(world, 6 * MINUTE)
        assert await targets(world) == (4, 0)
        assert len(await world.nodes()) == 4
        assert len(await world.run_all()) == 6
        await wait(world, 6 * MINUTE)
        assert await targets(world) == (0, 0)
        assert await world.nodes() == []
        told = await history_of(world)
        assert [why for _, why in told] == [f"{nodes} dedicated, 0 low priority" for nodes in (0, 4, 0)]

    play(tmp_path, story)


def test_formula_that_fails_leaves_the_pool_as_it_is_and_says_where(tmp_path: Path):
    async def story(world: World) -> None:
        wanted = "$TargetDedicatedNodes=2;x=avg($PendingTasks.GetSample(TimeInterval_Minute*3,70))"
        await scaled(world, wanted)
        run = await run_of(world)
        assert (run.error, run.dedicated, run.variables) == ("too-few-samples", 0, "")
        assert (
            run.detail == "Line 1, Col 54: Insufficient data from data set: $PendingTasks wanted 70%, received 16.6667%"
        )
        assert await targets(world) == (0, 0)
        assert await history_of(world) == [("autoscaled", "too-few-samples")]
        await wait(world, 5 * MINUTE)
        assert (await run_of(world)).error is None
        assert await targets(world) == (2, 0)

    play(tmp_path, story)


def test_deallocation_option_decides_what_becomes_of_running_tasks(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=$RunningTasks>0?0:1;$NodeDeallocationOption=taskcompletion;")
        await world.job()
        await world.tasks("a")
        (run,) = await world.schedule()
        await wait(world, 5 * MINUTE)
        pool = await pool_of(world)
        assert (await targets(world), pool.allocation) == ((0, 0), AllocationState.RESIZING)
        assert [node.state for node in await world.nodes()] == [NodeState.LEAVING]
        assert world.ended == []
        await world.exit(run)
        await tend(world)
        assert await world.nodes() == []
        assert (await pool_of(world)).allocation is AllocationState.STEADY

    play(tmp_path, story)


@pytest.mark.parametrize(("option", "state"), [("requeue", "active"), ("terminate", "completed")])
def test_option_that_does_not_wait_ends_the_runs(tmp_path: Path, option: str, state: str):
    async def story(world: World) -> None:
        await scaled(world, f"$TargetDedicatedNodes=$RunningTasks>0?0:1;$NodeDeallocationOption={option};")
        await world.job()
        await world.tasks("a")
        (run,) = await world.schedule()
        await wait(world, 5 * MINUTE)
        assert world.ended == [run]
        await world.exit(run, 143)
        assert (await world.task("a")).state.value == state

    play(tmp_path, story)


def test_pool_that_is_still_resizing_is_given_the_new_targets(tmp_path: Path):
    """As the service has it: what an earlier evaluation asked for may never be reached."""

    async def story(world: World) -> None:
        minutes = "$TargetDedicatedNodes=time().minute<20?1:time().minute<30?3:2;$NodeDeallocationOption=taskcompletion"
        await scaled(world, f"{minutes}; $TargetLowPriorityNodes=$RunningTasks>0?0:1", 10 * MINUTE)
        await world.job()
        await world.tasks("a", "b")
        assert len(await world.schedule()) == 2
        await wait(world, 5 * MINUTE)
        assert (await pool_of(world)).allocation is AllocationState.STEADY
        await wait(world, 5 * MINUTE)
        pool = await pool_of(world)
        assert (pool.allocation, await targets(world)) == (AllocationState.RESIZING, (3, 0))
        assert (pool.current_dedicated, pool.current_low_priority) == (3, 1)
        await wait(world, 10 * MINUTE)
        pool = await pool_of(world)
        assert (pool.allocation, await targets(world)) == (AllocationState.RESIZING, (2, 0))
        assert (pool.current_dedicated, pool.current_low_priority) == (2, 1)

    play(tmp_path, story)


def test_evaluation_that_changes_nothing_leaves_the_pool_untouched(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=1")
        before = await pool_of(world)
        await wait(world, 15 * MINUTE)
        after = await pool_of(world)
        assert len(await history_of(world)) == 4
        assert (after.modified_at, after.allocation_at) == (before.modified_at, before.allocation_at)
        assert after.allocation is AllocationState.STEADY

    play(tmp_path, story)


def test_pool_that_has_other_nodes_than_it_wants_is_resized_at_the_next_evaluation(tmp_path: Path):
    """A resize that somebody stopped is taken up again."""

    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=2")
        for node in await world.nodes():
            await world.do(lambda u, key=node.key: leave(u, u.node(key), OnRunning.REQUEUE))
        await wait(world, 5 * MINUTE)
        assert len(await world.nodes()) == 2

    play(tmp_path, story)


def test_chance_comes_from_outside(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "x=rand()")
        assert (await run_of(world)).variables == "x=0"
        assert (await look(world, "x=rand()")).variables == "x=0.5"

    play(tmp_path, story)


# -- when ------------------------------------------------------------------------------------------------------------


def test_formula_is_evaluated_at_its_interval(tmp_path: Path):
    async def story(world: World) -> None:
        world.now += 7 * SECOND
        began = world.now
        await scaled(world, "x=1", 7 * MINUTE)
        times = {(await run_of(world)).at}
        for _ in range(22):
            await wait(world, MINUTE)
            times.add((await run_of(world)).at)
        assert sorted((at - began) // MINUTE for at in times) == [0, 7, 14, 21]

    play(tmp_path, story)


def test_missed_evaluations_are_made_up_for_once_and_the_schedule_goes_on(tmp_path: Path):
    """A server that was down for an hour: one evaluation now, the next one when it would have been anyway."""

    async def story(world: World) -> None:
        began = world.now
        await scaled(world, "x=1", 10 * MINUTE)
        world.now += 63 * MINUTE
        await tend(world)
        assert len(await history_of(world)) == 2
        assert (await run_of(world)).at == began + 63 * MINUTE
        assert (await pool_of(world)).scaling_due == began + 70 * MINUTE
        await wait(world, 10 * MINUTE)
        assert (await run_of(world)).at == began + 70 * MINUTE

    play(tmp_path, story)


def test_samples_are_taken_every_half_minute(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "x=1")
        await world.job()
        await wait(world, MINUTE)
        await world.tasks("a", "b")
        await wait(world, 9 * MINUTE)
        found = await samples_of(world)
        slots = [one.slot for one in found]
        assert slots == list(range(slots[0], slots[0] + 21))
        assert {one.active_tasks for one in found[:3]} == {0}
        assert {one.active_tasks for one in found[4:]} == {2}

    play(tmp_path, story)


def test_samples_are_kept_for_a_day(tmp_path: Path):
    async def story(world: World) -> None:
        pool = await scaled(world, "x=1")
        now = world.now // PERIOD

        def fill(tx: Any) -> None:
            for slot in range(now + 1, now + 1 + HISTORY):
                tx.samples.add(PoolSample(pool_key=pool.key, slot=slot))

        await world.store.write(fill)
        world.now += HISTORY * PERIOD
        await tend(world)
        slots = [one.slot for one in await samples_of(world)]
        assert (len(slots), slots[0], slots[-1]) == (HISTORY, now + 1, now + HISTORY)

    play(tmp_path, story)


def test_many_pools_are_looked_after_some_at_a_time(tmp_path: Path):
    """One pass is bounded, and says that another must follow."""

    async def story(world: World) -> None:
        for number in range(scaling.TICKED + 3):
            await world.pool(f"pool{number}", nodes=0, scaling=Scaling(formula="x=1"))
        world.now += 30 * SECOND
        passes = []
        for _ in range(2):
            await world.do(lambda u: passes.append((scaling.tick(u), u.effects.tend)))
        assert [again for _, again in passes] == [True, False]
        assert await world.store.read(lambda tx: tx.pools.ticking(world.now, 100)) == []

    play(tmp_path, story)


# -- what formulas see -----------------------------------------------------------------------------------------------


def test_formula_sees_the_tasks_that_could_run(tmp_path: Path):
    """Not those that wait for others, of jobs that are held, over or in the future, or of another pool."""

    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=1", slots=2)
        await world.job(uses_dependencies=True)
        await world.job("held")
        await world.job("later", not_before=world.now + 3600 * SECOND)
        await world.job("elsewhere", pool="other")
        await world.job("over")
        await world.tasks("a", "b", "c", "d")
        await world.tasks("w", dependencies=Dependencies(ids=("nobody",)))
        for job in ("held", "later", "elsewhere", "over"):
            await world.tasks("x", "y", job=job)
        await world.do(jobs.disable, ACCOUNT, "held", OnRunning.REQUEUE)
        await world.do(jobs.terminate, ACCOUNT, "over", "enough")
        running = await world.schedule()
        assert len(running) == 2
        everything = "a=$ActiveTasks;b=$RunningTasks;c=$PendingTasks;d=$SucceededTasks;e=$FailedTasks"
        assert (await look(world, everything)).variables == "a=2;b=2;c=4;d=0;e=0"
        await world.exit(running[0])
        await world.exit(running[1], 1)
        assert (await look(world, everything)).variables == "a=2;b=0;c=2;d=1;e=1"
        await world.do(jobs.terminate, ACCOUNT, "job", "enough")
        assert (await world.the_job()).state is JobState.COMPLETED
        assert (await look(world, everything)).variables == "a=0;b=0;c=0;d=1;e=1"
        await world.do(tasks.delete, ACCOUNT, "job", (await world.by_key(int(running[0].split(".")[0]))).spec.id)
        assert (await look(world, everything)).variables == "a=0;b=0;c=0;d=0;e=1"

    play(tmp_path, story)


def test_formula_sees_the_nodes_of_its_pool(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=3;$TargetLowPriorityNodes=1", slots=4)
        await world.pool("other", nodes=5)
        nodes = await world.nodes()
        await world.do(pools.set_scheduling, ACCOUNT, "pool", nodes[0].id, enabled=False)
        seen = await look(
            world,
            "a=$CurrentDedicatedNodes;b=$CurrentLowPriorityNodes;c=$SampleNodeCount;d=$UsableNodeCount;"
            "e=$TaskSlotsPerNode;f=$PreemptedNodeCount;g=$TargetDedicatedNodes;h=$TargetLowPriorityNodes",
        )
        assert seen.variables == "a=3;b=1;c=4;d=3;e=4;f=0;g=3;h=1"

    play(tmp_path, story)


def test_node_that_is_not_there_yet_does_not_count_as_usable(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=1")
        (node,) = await world.nodes()
        await world.do(lambda u: u.move_node(u.node(node.key), NodeState.CREATING))
        seen = "a=$SampleNodeCount;b=$UsableNodeCount"
        assert (await look(world, seen)).variables == "a=1;b=0"
        await world.do(runs.take_nodes, [NodeReady(node=node_ref(node))])
        assert (await look(world, seen)).variables == "a=1;b=1"

    play(tmp_path, story)


# What nodes use.


def use(node: Any, cores: float, megabytes: int = 0, moved: int = 0) -> NodeUse:
    return NodeUse(
        node=node_ref(node), cores=cores, memory_bytes=megabytes << 20, disk_bytes=megabytes << 30, read_bytes=moved,
        write_bytes=2 * moved,
    )  # fmt: skip


def test_nodes_are_asked_what_they_use_with_each_sample(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=2", slots=4)
        assert world.asked == [], "there was no node when autoscale was enabled"
        await wait(world, MINUTE)
        first, second = await world.nodes()
        assert [nodes for nodes, _ in world.asked] == [[node_ref(first), node_ref(second)]] * 2
        slot = world.asked[-1][1]
        assert slot == world.now // PERIOD
        await world.do(sampling.keep_uses, [use(first, 3.0, 100, 512), use(second, 9.0, 50, 512)], slot)
        found = await look(world, "a=$CPUPercent;b=$MemoryBytes;c=$DiskBytes;d=$DiskReadOps;e=$DiskWriteBytes")
        assert found.variables == "a=0.875;b=75;c=75;d=2;e=2048", "no node is busier than all its processors"
        found = await look(world, "a=$CPUPercent.GetSample(9);b=$CPUPercent.Count();c=$RunningTasks.Count()")
        assert found.variables.startswith("a=[0.875];b=1;c=")

    play(tmp_path, story)


def test_machine_is_as_busy_as_its_own_processors_are(tmp_path: Path):
    """Not as its slots: others than the pool run there too."""

    async def story(world: World) -> None:
        await world.machines("n1")
        await scaled(world, "$TargetDedicatedNodes=1")
        await wait(world, MINUTE)
        (node,) = await world.nodes()
        await world.do(sampling.keep_uses, [use(node, 3.0)], world.asked[-1][1])
        assert (await look(world, "a=$CPUPercent")).variables == "a=0.75"

    play(tmp_path, story)


def test_pool_follows_how_busy_its_nodes_are(tmp_path: Path):
    """The documentation's example: one node more in ten while all have been busy, none while nothing is known."""
    formula = "$TargetDedicatedNodes=min($CPUPercent.GetSample(TimeInterval_Minute*10))>0.7?3:1"

    async def story(world: World) -> None:
        await scaled(world, formula)
        assert await targets(world) == (1, 0)
        await wait(world, MINUTE)
        (node,) = await world.nodes()
        for _, slot in world.asked:
            await world.do(sampling.keep_uses, [use(node, 0.8)], slot)
        await wait(world, 4 * MINUTE)
        assert await targets(world) == (3, 0)

    play(tmp_path, story)


def test_use_of_a_node_that_is_gone_is_let_go(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=1")
        await wait(world, MINUTE)
        (node,) = await world.nodes()
        await world.do(pools.delete, ACCOUNT, "pool")
        await tend(world)
        await world.do(sampling.keep_uses, [use(node, 1.0)], world.asked[-1][1])

    play(tmp_path, story)


def test_task_of_several_nodes_is_active_as_often_as_it_has_instances(tmp_path: Path):
    """As the documentation says of $ActiveTasks alone; one that runs is one, also after it was tried again."""
    several = MultiInstance(instances=3)
    formula = "a=$ActiveTasks;b=$RunningTasks;c=$PendingTasks"

    async def story(world: World) -> None:
        await world.pool(nodes=3, inter_node=True, scaling=Scaling(formula="$TargetDedicatedNodes=3"))
        await world.job(max_retries=1)
        await world.tasks("several", multi_instance=several)
        await world.tasks("one")
        assert (await look(world, formula)).variables == "a=4;b=0;c=4"
        await world.schedule()
        assert (await look(world, formula)).variables == "a=1;b=1;c=2"
        await world.do(tasks.terminate, ACCOUNT, "job", "one")
        assert (await look(world, formula)).variables == "a=0;b=1;c=1"
        await world.tasks("more", multi_instance=several)
        await world.do(tasks.delete, ACCOUNT, "job", "more")
        assert (await look(world, formula)).variables == "a=0;b=1;c=1"

    play(tmp_path, story)
