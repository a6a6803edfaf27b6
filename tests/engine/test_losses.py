"""Runs that are lost with their host: taken back, until it is the task's own doing that its host goes each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.world import ACCOUNT, World, play

from linarite.engine import jobs, tasks
from linarite.engine.failures import LOST_OFTEN, MOST_LOSSES
from linarite.engine.launching import RunLost
from linarite.engine.model import (
    Dependencies,
    DependencyAction,
    ExitConditions,
    ExitOptions,
    JobAction,
    JobState,
    OnRunning,
    OnTaskFailure,
    TaskState,
)  # fmt: skip


async def _lose(world: World, times: int, *, with_machine: bool = False) -> None:
    """Have the only task launched and lost so often."""
    for _ in range(times):
        [run] = await world.schedule()
        await world.report(RunLost(run=run, at=world.now, with_machine=with_machine))


async def _facts(world: World, name: str = "a") -> tuple[Any, ...]:
    task = await world.task(name)
    return task.state.value, task.requeues, task.losses, task.failure


def test_task_that_always_ends_its_host_fails(tmp_path: Path) -> None:
    """After so many losses in a row nothing is launched any more; that is no retry, and there is no exit code."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", max_retries=-1)
        await _lose(world, MOST_LOSSES - 1)
        assert await _facts(world) == ("active", MOST_LOSSES - 1, MOST_LOSSES - 1, None)
        await _lose(world, 1)
        assert await _facts(world) == ("completed", MOST_LOSSES - 1, MOST_LOSSES, LOST_OFTEN)
        task = await world.task("a")
        assert (task.exit_code, task.retries, task.attempt, task.ended_at) == (None, 0, MOST_LOSSES, world.now)
        assert await world.schedule() == []
        job = await world.the_job()
        assert (job.counts.failed, job.counts.active, job.counts.running) == (1, 0, 0)

    play(tmp_path, story)


@pytest.mark.parametrize("between", ["exit", "disable", "machine"])
def test_losses_in_a_row_are_counted(tmp_path: Path, between: str) -> None:
    """An exit of its own, or a requeue for another reason, begins the count anew; a machine's end is nobody's fault."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", max_retries=1)
        await _lose(world, MOST_LOSSES - 1)
        if between == "machine":
            await _lose(world, 2 * MOST_LOSSES, with_machine=True)
        else:
            [run] = await world.schedule()
            if between == "disable":
                await world.do(jobs.disable, ACCOUNT, "job", OnRunning.REQUEUE)
                await world.do(jobs.enable, ACCOUNT, "job")
            await world.exit(run, 9)
        await _lose(world, MOST_LOSSES - 1)
        assert (await world.task("a")).state is TaskState.ACTIVE
        await _lose(world, 1)
        assert (await world.task("a")).failure == LOST_OFTEN

    play(tmp_path, story)


def test_task_reactivated_after_its_losses(tmp_path: Path) -> None:
    """It has all its tries again."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a")
        await _lose(world, MOST_LOSSES)
        await world.do(tasks.reactivate, ACCOUNT, "job", "a")
        await _lose(world, MOST_LOSSES - 1)
        assert (await world.task("a")).state is TaskState.ACTIVE

    play(tmp_path, story)


def test_losses_are_an_error_for_job_and_dependents(tmp_path: Path) -> None:
    """The default exit option says what they do; without one the job is ended where failures end it."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(uses_dependencies=True, on_task_failure=OnTaskFailure.EXIT_OPTIONS)
        calm = ExitOptions(job_action=JobAction.NONE, dependency_action=DependencyAction.SATISFY)
        await world.tasks("a", exit_conditions=ExitConditions(default=calm))
        await _lose(world, MOST_LOSSES)
        assert (await world.the_job()).state is JobState.ACTIVE
        await world.tasks("b", dependencies=Dependencies(ids=("a",)))
        await _lose(world, MOST_LOSSES)
        assert ((await world.task("b")).failure, (await world.the_job()).state) == (LOST_OFTEN, JobState.COMPLETED)

    play(tmp_path, story)
