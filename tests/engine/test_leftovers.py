"""What a crash left on nodes: the directories of tasks that are gone or elsewhere go, all others stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.world import ACCOUNT, World, play

from linarite.engine import layout, leftovers, tasks
from linarite.engine.model import NodeCommand


@pytest.mark.parametrize(
    ("directory", "jobs", "task"),
    [
        ("workitems/j/job-1/t", ("j", "j:job-1"), "t"),
        ("workitems/s/job-2/t", ("s:job-2",), "t"),
        (layout.task_directory("s:job-12", "x"), ("s:job-12",), "x"),
    ],
)
def test_directory_tells_its_job_and_its_task(directory: str, jobs: tuple[str, ...], task: str) -> None:
    assert (layout.jobs_of(directory), layout.task_of(directory)) == (jobs, task)


def test_only_what_belongs_to_nothing_goes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        prepare, release = (NodeCommand(id=f"job{kind}", command=kind) for kind in ("preparation", "release"))
        await world.pool(nodes=2, slots=2)
        await world.job(preparation=prepare, release=release)
        await world.tasks("here", "there", "waits", "gone")
        for run in await world.schedule():
            await world.exit(run)
        first, second = await world.nodes()
        on = {name: (await world.task(name)).node_key for name in ("here", "there", "waits", "gone")}
        assert set(on.values()) == {first.key, second.key}
        await world.exit(f"{(await world.task('gone')).key}.1")
        await world.do(tasks.delete, ACCOUNT, "job", "gone")
        before = len(world.removed)
        standing = [layout.task_directory("job", name) for name in (*on, "jobpreparation", "never")]
        await world.do(leftovers.sweep, first.key, [*standing, "workitems/other/job-1/t", "workitems/job/job-2/here"])
        elsewhere = [name for name, key in on.items() if key != first.key or name == "gone"]
        wanted = [layout.task_directory("job", name) for name in (*elsewhere, "never")]
        assert sorted(world.removed[before:]) == sorted(
            [*wanted, "workitems/other/job-1/t", "workitems/job/job-2/here"]
        )

    play(tmp_path, story)
