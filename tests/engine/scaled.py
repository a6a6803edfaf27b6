"""Pools with a formula, and ways to let their time pass: what the stories of scaling share."""

from __future__ import annotations

from typing import Any

from tests.engine.world import ACCOUNT, SECOND, World

from linarite.engine import housekeeping, scaling
from linarite.engine.autoscale.records import PoolSample, Scaling, ScalingRun
from linarite.engine.model import Pool

MINUTE = 60 * SECOND
PENDING = "$TargetDedicatedNodes=min(3,$PendingTasks.GetSample(1));"
AVERAGE = """
    percent = $PendingTasks.GetSamplePercent(TimeInterval_Minute * 3);
    wanted = percent < 70 ? max(0, $PendingTasks.GetSample(1)) : avg($PendingTasks.GetSample(TimeInterval_Minute * 3));
    $TargetDedicatedNodes = min(4, ceil(wanted));
    $NodeDeallocationOption = taskcompletion;
"""


async def scaled(world: World, formula: str, interval: int = 5 * MINUTE, **spec: Any) -> Pool:
    return await world.pool(nodes=0, scaling=Scaling(formula=formula, interval=interval), **spec)


async def pool_of(world: World) -> Pool:
    found = await world.the_pool()
    assert found is not None
    return found


async def run_of(world: World) -> ScalingRun:
    run = (await pool_of(world)).scaling_run
    assert run is not None
    return run


async def samples_of(world: World) -> list[PoolSample]:
    pool = await pool_of(world)
    return await world.store.read(lambda tx: tx.samples.of_pool(pool.key))


async def targets(world: World) -> tuple[int, int]:
    pool = await pool_of(world)
    return pool.spec.target_dedicated, pool.spec.target_low_priority


async def tend(world: World) -> None:
    await world.do(housekeeping.tend, housekeeping.Retention())


async def wait(world: World, length: int) -> None:
    """Let time pass as the engine's loop does: from one moment at which something is due to the next."""
    end = world.now + length
    while (due := await world.store.read(lambda tx: tx.pools.next_tick())) is not None and due <= end:
        world.now = max(due, world.now)
        await tend(world)
    world.now = end


async def look(world: World, formula: str, name: str = "pool") -> ScalingRun:
    now = world.now
    _, run = await world.store.read(lambda tx: scaling.look(tx, ACCOUNT, name, formula, now, lambda: 0.5))
    return run


async def enable(world: World, formula: str | None = None, interval: int | None = None) -> Pool:
    return await world.do(scaling.enable, ACCOUNT, "pool", formula=formula, interval=interval)


async def history_of(world: World) -> list[tuple[str, str]]:
    pool = await pool_of(world)
    events = await world.store.read(lambda tx: tx.events.of("pool", pool.key))
    return [(event.what, event.why) for event in events if event.what == "autoscaled"]
