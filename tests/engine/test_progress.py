"""How far tasks are, in their records: brought when somebody asks, kept with the end, gone with the next try."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.engine.world import ACCOUNT, World, play

from linarite.engine import tasks
from linarite.engine.following import follow, in_run, keep
from linarite.engine.launching import RunExited, Watched
from linarite.engine.model import Task
from linarite.engine.progress import Progress


class Watching:
    """The engine as `follow` needs it: nodes that tell what is in `told`, and a count of the units."""

    def __init__(self, world: World) -> None:
        self.world, self.nodes = world, self
        self.told: dict[str, Progress] = {}
        self.asked: list[Watched] = []
        self.units = 0

    async def ask(self, question: Any) -> Any:
        return await self.world.store.read(question)

    async def do(self, operation: Any, *args: Any, who: str) -> Any:
        self.units += 1
        return await self.world.do(operation, *args)

    async def progress(self, runs: Sequence[Watched]) -> list[Progress | None]:
        self.asked = list(runs)
        return [self.told.get(run.run) for run in runs]


def facts(task: Task) -> tuple[int | None, str | None]:
    return task.percent, task.stage


def test_follow_brings_what_running_tasks_told(tmp_path: Path) -> None:
    """Running ones alone are asked, and nothing is written when nothing is new; the task's tag stays as it is."""

    async def story(world: World) -> None:
        await world.pool(slots=2)
        await world.job()
        await world.tasks("a", "b", "c")
        runs = await world.schedule()
        engine = Watching(world)
        before = await world.task("a")
        engine.told = {runs[0]: Progress(percent=40, description="loading"), "7.7": Progress(percent=1)}
        await follow(engine, in_run(ACCOUNT))
        await follow(engine, in_run(ACCOUNT))
        assert [(run.run, run.directory) for run in engine.asked] == [
            (runs[0], "workitems/job/job-1/a"),
            (runs[1], "workitems/job/job-1/b"),
        ]
        assert engine.units == 1
        assert [facts(await world.task(name)) for name in "abc"] == [(40, "loading"), (None, None), (None, None)]
        assert (await world.task("a")).modified_at == before.modified_at
        engine.told = {runs[0]: Progress(percent=60)}
        await follow(engine, in_run(ACCOUNT))
        assert facts(await world.task("a")) == (60, "loading")
        await follow(engine, in_run("other"))
        assert engine.units == 2

    play(tmp_path, story)


def test_the_last_word_comes_with_the_end(tmp_path: Path) -> None:
    """Success and failure keep it; a run that told nothing at its end keeps what was known; a new try begins anew."""

    async def story(world: World) -> None:
        await world.pool(slots=3)
        await world.job()
        await world.tasks("good", "bad", "mute", max_retries=0)
        runs = dict(zip(("good", "bad", "mute"), await world.schedule(), strict=True))
        engine = Watching(world)
        engine.told = {runs["mute"]: Progress(percent=10, description="began")}
        await follow(engine, in_run(ACCOUNT))
        told = {"good": Progress(percent=90, description="done"), "bad": Progress(percent=30), "mute": None}
        for name, run in runs.items():
            code = int(name != "good")
            await world.report(RunExited(run=run, code=code, started_at=1, at=world.now, progress=told[name]))
        expected = {"good": (90, "done"), "bad": (30, None), "mute": (10, "began")}
        assert {name: facts(await world.task(name)) for name in runs} == expected
        await world.do(tasks.reactivate, ACCOUNT, "job", "bad")
        assert facts(await world.task("bad")) == (None, None)

    play(tmp_path, story)


def test_an_old_run_tells_nothing_of_a_new_one(tmp_path: Path) -> None:
    """What was read of a run is not kept once the task is in another, or retried."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", max_retries=1)
        [first] = await world.schedule()
        await world.report(RunExited(run=first, code=1, started_at=1, at=world.now, progress=Progress(percent=70)))
        assert facts(await world.task("a")) == (None, None)
        [second] = await world.schedule()
        key = (await world.task("a")).key
        await world.do(keep, [(key, first, Progress(percent=70))])
        assert facts(await world.task("a")) == (None, None)
        await world.do(keep, [(key, second, Progress(percent=5))])
        assert facts(await world.task("a")) == (5, None)

    play(tmp_path, story)
