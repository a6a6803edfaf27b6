"""What users ask of a pool that finds its own size: to begin, to stop, to evaluate, to go."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.scaled import (
    MINUTE,
    enable,
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

from linarite.engine import pools, scaling
from linarite.engine.autoscale.records import Scaling
from linarite.engine.errors import MissingValue, NotFound, TooSoon, WrongState
from linarite.engine.model import OnRunning


def test_enabling_evaluates_at_once(tmp_path: Path):
    async def story(world: World) -> None:
        before = await world.pool(nodes=1)
        await enable(world, "$TargetDedicatedNodes=$TargetDedicatedNodes+1;x=1")
        pool = await pool_of(world)
        assert (await targets(world), len(await world.nodes())) == ((2, 0), 2)
        assert pool.spec.scaling == Scaling(
            formula="$TargetDedicatedNodes=$TargetDedicatedNodes+1;x=1", interval=15 * MINUTE
        )
        assert (await run_of(world)).variables == "x=1"
        assert pool.modified_at > before.modified_at
        assert len(await samples_of(world)) == 1

    play(tmp_path, story)


def test_new_formula_keeps_the_schedule_and_a_new_interval_begins_one(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "x=1", 10 * MINUTE)
        began = world.now
        world.now += 4 * MINUTE
        await enable(world, "x=2")
        pool = await pool_of(world)
        assert pool.spec.scaling == Scaling(formula="x=2", interval=10 * MINUTE)
        assert (pool.scaling_due, (await run_of(world)).variables) == (began + 10 * MINUTE, "x=2")
        world.now += MINUTE
        await enable(world, interval=20 * MINUTE)
        pool = await pool_of(world)
        assert pool.spec.scaling == Scaling(formula="x=2", interval=20 * MINUTE)
        assert pool.scaling_due == began + 25 * MINUTE

    play(tmp_path, story)


def test_enabling_twice_within_half_a_minute_is_too_soon(tmp_path: Path):
    """Even when it was disabled meanwhile; what was refused changed nothing and does not count."""

    async def story(world: World) -> None:
        await world.pool(nodes=0)
        await enable(world, "x=1")
        world.now += 10 * SECOND
        await world.do(scaling.disable, ACCOUNT, "pool")
        world.now += 19 * SECOND
        with pytest.raises(TooSoon):
            await enable(world, "x=2")
        assert (await pool_of(world)).spec.scaling is None
        world.now += SECOND
        await enable(world, "x=3")
        assert (await run_of(world)).variables == "x=3"

    play(tmp_path, story)


def test_enabling_wants_a_formula_first_and_something_new_afterwards(tmp_path: Path):
    async def story(world: World) -> None:
        before = await world.pool(nodes=0)
        for interval in (None, 5 * MINUTE):
            with pytest.raises(MissingValue):
                await enable(world, None, interval)
        assert await pool_of(world) == before
        await enable(world, "x=1")
        before = await pool_of(world)
        world.now += MINUTE
        with pytest.raises(MissingValue):
            await enable(world)
        assert await pool_of(world) == before

    play(tmp_path, story)


def test_pool_that_is_being_resized_is_not_enabled(tmp_path: Path):
    async def story(world: World) -> None:
        await world.pool(nodes=1)
        await world.job()
        await world.tasks("a")
        await world.schedule()
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=0, low_priority=None, on_running=OnRunning.WAIT)
        before = await pool_of(world)
        with pytest.raises(WrongState):
            await enable(world, "x=1")
        assert await pool_of(world) == before

    play(tmp_path, story)


def test_pool_that_scales_itself_is_not_resized_by_hand(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=2")
        before, nodes = await pool_of(world), await world.nodes()
        with pytest.raises(WrongState):
            await world.do(pools.resize, ACCOUNT, "pool", dedicated=5, low_priority=None)
        with pytest.raises(WrongState):
            await world.do(pools.remove_nodes, ACCOUNT, "pool", [nodes[0].id])
        assert await pool_of(world) == before
        assert len(await world.nodes()) == 2

    play(tmp_path, story)


def test_disabled_pool_keeps_its_targets_and_can_be_resized_again(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=2")
        await world.do(scaling.disable, ACCOUNT, "pool")
        pool = await pool_of(world)
        assert (pool.spec.scaling, pool.scaling_run, pool.scaling_due, pool.scaling_tick) == (None, None, None, None)
        assert (await targets(world), len(await world.nodes())) == ((2, 0), 2)
        await wait(world, 3600 * SECOND)
        assert (len(await samples_of(world)), len(await history_of(world))) == (1, 1)
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=1, low_priority=None)
        assert await targets(world) == (1, 0)
        again = await world.do(scaling.disable, ACCOUNT, "pool")
        assert again == await pool_of(world)

    play(tmp_path, story)


def test_looking_changes_nothing(tmp_path: Path):
    async def story(world: World) -> None:
        await scaled(world, "$TargetDedicatedNodes=1")
        before, kept = await pool_of(world), await samples_of(world)
        run = await look(world, "$TargetDedicatedNodes=9;$NodeDeallocationOption=terminate;x=$TargetDedicatedNodes")
        assert (run.dedicated, run.option, run.variables) == (9, "terminate", "x=9")
        for formula, error in (
            ("x=y", "formula-evaluation"),
            ("x=", "formula-syntax"),
            ("a=1;" * 101, "formula-syntax"),
        ):
            run = await look(world, formula)
            assert (run.error, run.dedicated, run.variables) == (error, 1, "")
        assert (await pool_of(world), await samples_of(world)) == (before, kept)

    play(tmp_path, story)


def test_only_a_pool_that_scales_itself_can_be_looked_at(tmp_path: Path):
    async def story(world: World) -> None:
        await world.pool()
        with pytest.raises(WrongState):
            await look(world, "x=1")
        with pytest.raises(NotFound):
            await look(world, "x=1", "nowhere")

    play(tmp_path, story)


def test_deleted_pool_is_not_looked_after_any_more(tmp_path: Path):
    """Neither while its last task runs, nor afterwards; its samples go with it."""

    async def story(world: World) -> None:
        pool = await scaled(world, "$TargetDedicatedNodes=1")
        await world.job()
        await world.tasks("a")
        (run,) = await world.schedule()
        await world.do(pools.delete, ACCOUNT, "pool")
        for operation in (scaling.disable, lambda u, *names: scaling.enable(u, *names, formula="x=1", interval=None)):
            with pytest.raises(WrongState):
                await world.do(operation, ACCOUNT, "pool")
        with pytest.raises(WrongState):
            await look(world, "x=1")
        await wait(world, 20 * MINUTE)
        assert len(await history_of(world)) == 1
        await world.exit(run)
        await tend(world)
        assert await world.the_pool() is None
        assert await world.store.read(lambda tx: tx.samples.of_pool(pool.key)) == []

    play(tmp_path, story)
