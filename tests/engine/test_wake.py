"""A task that becomes ready to start is seen by a pass of its own: a report's own pass reads what stood before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.engine.world import World, play

from linarite.engine import runs
from linarite.engine.launching import RunExited
from linarite.engine.ledger import Ledger
from linarite.engine.model import Dependencies, TaskSpec


async def wakes(world: World, run: str, code: int) -> bool:
    """Whether the end of a run asks for another pass."""

    def work(tx: Any) -> bool:
        unit = Ledger(tx, world.now, "node", lambda kind: kind)
        runs.take(unit, [RunExited(run=run, code=code, started_at=world.now, at=world.now)])
        unit.flush()
        return unit.effects.wake

    return await world.store.write(work)


def test_wake_when_a_failed_task_is_tried_again(tmp_path: Path) -> None:
    """The only task of a job comes back to its queue."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", max_retries=1)
        [run] = await world.schedule()
        assert await wakes(world, run, 1)

    play(tmp_path, story)


def test_wake_when_a_dependent_may_start(tmp_path: Path) -> None:
    """The task that waited for this one is queued now."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(uses_dependencies=True)
        await world.tasks("a")
        await world.add(TaskSpec(id="b", command="true", dependencies=Dependencies(ids=("a",))))
        [run] = await world.schedule()
        assert await wakes(world, run, 0)

    play(tmp_path, story)


def test_no_wake_when_nothing_becomes_ready(tmp_path: Path) -> None:
    """A task that ends in its turn costs no pass besides its report's own."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", "b")
        [run] = await world.schedule()
        assert not await wakes(world, run, 0)

    play(tmp_path, story)
