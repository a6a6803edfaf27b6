"""Containers by the engine's rules alone: what nodes are told of them, and what is kept of what became of them."""

from __future__ import annotations

from pathlib import Path

from tests.engine.gangs import gang, gone, launch, running, set_out
from tests.engine.world import World, play

from linarite.engine.containers import Container, ContainerInfo, Containers, Registry
from linarite.engine.failures import LOST_OFTEN, MOST_LOSSES
from linarite.engine.launching import RunExited, RunFailed, RunLost, RunReturned, RunStarted
from linarite.engine.model import NodeCommand, NodeTaskKind

OWN = Registry("own.io", "me", "pw")
POOL = Containers(images=("own.io/ahead", "busybox"), registries=(OWN,))
IMAGE = Container(image="own.io/a")


def info(id: str, state: str = "exited", error: str = "") -> ContainerInfo:
    return ContainerInfo(id=id, state=state, error=error)


def test_nodes_bring_the_images_of_their_pool(tmp_path: Path) -> None:
    """Each with the registry that it comes from; tasks have that of the pool where they name none."""

    async def story(world: World) -> None:
        world.prompt = False
        await world.pool(containers=POOL)
        [order] = world.orders
        assert [(each.image, each.registry) for each in order.images] == [("own.io/ahead", OWN), ("busybox", None)]
        await world.answer()
        await world.job()
        await world.tasks("a", "b", container=IMAGE)
        other = Registry("own.io", "you", "pw")
        await world.tasks("c", container=Container(image="own.io/a", registry=other))
        await world.run_all()
        assert [each.container.registry for each in world.launched if each.container] == [OWN, OWN, other]
        assert all(each.contained for each in world.launched)

    play(tmp_path, story)


def test_task_keeps_the_container_of_its_last_run(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(containers=POOL)
        await world.job()
        await world.tasks("a", container=IMAGE, max_retries=1)
        await world.schedule()
        await world.report(RunStarted(run="1.1", at=world.now, container=info("x", "running")))
        assert (await world.task("a")).container == info("x", "running")
        await world.report(RunExited(run="1.1", code=1, started_at=world.now, at=world.now, container=info("x")))
        task = await world.task("a")
        assert (task.state.value, task.container) == ("active", None)
        await world.schedule()
        failed = info("y", "created", "no such program")
        await world.report(
            RunFailed(run="1.2", code="container-settings", message="no", at=world.now, container=failed)
        )
        task = await world.task("a")
        assert (task.state.value, task.container, task.retries) == ("completed", failed, 1)

    play(tmp_path, story)


def test_start_task_keeps_its_container(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(containers=POOL, start_task=NodeCommand(id="startup", command="s", container=IMAGE))
        await world.report(RunStarted(run="n1.1", at=world.now, container=info("x", "running")))
        await world.report(RunExited(run="n1.1", code=0, started_at=world.now, at=world.now, container=info("x")))
        [own] = await world.store.read(lambda tx: tx.node_tasks.of_node(1, NodeTaskKind.START))
        assert own.container == info("x")

    play(tmp_path, story)


def test_command_of_a_multi_instance_task_enters_the_container_of_its_instance(tmp_path: Path) -> None:
    """Coordination has one on each node; the task's own is that of its node, the subtasks have theirs."""

    async def story(world: World) -> None:
        await set_out(world, gang(container=IMAGE))
        await world.schedule()
        runs = [f"n{number}.1" for number in (1, 2, 3)]
        for run in runs:
            assert (launch(world, run).container, launch(world, run).enters) == (IMAGE, None)
        await world.report(*(RunReturned(run=run, at=world.now, container=info(run, "running")) for run in runs))
        assert (launch(world, "1.1").container, launch(world, "1.1").enters) == (IMAGE, "n1.1")
        await world.exit("1.1", 4)
        for run in runs:
            await world.report(RunExited(run=run, code=0, started_at=world.now, at=world.now, container=info(run)))
        task = await world.task("a")
        assert (task.exit_code, task.container) == (4, info("n1.1"))
        members = await world.store.read(lambda tx: tx.node_tasks.of_task(task.key))
        assert [own.container for own in members] == [info(run) for run in runs]

    play(tmp_path, story)


def test_multi_instance_task_that_always_loses_an_instance_fails(tmp_path: Path) -> None:
    """As a task alone does."""

    async def story(world: World) -> None:
        await running(world, gang(container=IMAGE))
        lost = 1
        for attempt in range(1, MOST_LOSSES + 1):
            runs = [f"n{lost}.1", f"n{lost + 1}.1", f"n{lost + 2}.1"]
            if attempt > 1:
                assert await world.schedule() == runs
                await world.report(*(RunReturned(run=run, at=world.now) for run in runs))
            await world.report(RunLost(run=runs[2], at=world.now))
            await world.exit(f"1.{attempt}", 137)
            await gone(world, *runs[:2])
            lost += 3
        task = await world.task("a")
        assert (task.state.value, task.failure, task.requeues) == ("completed", LOST_OFTEN, MOST_LOSSES - 1)

    play(tmp_path, story)
