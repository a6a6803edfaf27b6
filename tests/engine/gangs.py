"""Multi-instance tasks for stories: how they are set out, and what their hosts report."""

from __future__ import annotations

from typing import Any

from tests.engine.world import World

from linarite.engine.launching import Launch, RunFailed, RunReturned
from linarite.engine.model import MultiInstance, NodeCommand, NodeTask, ResourceFile, TaskSpec

COORDINATE = "coordinate"
PREPARE = NodeCommand(id="jobpreparation", command="prepare")


def gang(name: str = "a", instances: int = 3, files: tuple[ResourceFile, ...] = (), **spec: Any) -> TaskSpec:
    settings = MultiInstance(instances=instances, coordination=COORDINATE, files=files)
    return TaskSpec(id=name, command="main", multi_instance=settings, **spec)


async def set_out(world: World, *specs: TaskSpec, nodes: int = 3, **job: Any) -> None:
    """A pool whose nodes speak to each other, and a job with these tasks."""
    await world.pool(nodes=nodes, inter_node=True)
    await world.job(**job)
    await world.add(*specs)


async def back(world: World, *runs: str) -> None:
    """Their command lines have returned, and what they left goes on."""
    await world.report(*(RunReturned(run=run, at=world.now) for run in runs))


async def running(world: World, *specs: TaskSpec, nodes: int = 3, **job: Any) -> None:
    """A task whose own command line runs, on nodes 1 to 3."""
    await set_out(world, *(specs or (gang(),)), nodes=nodes, **job)
    assert await world.schedule() == ["n1.1", "n2.1", "n3.1"]
    await back(world, "n1.1", "n2.1", "n3.1")
    assert world.launched[-1].run == "1.1"


async def gone(world: World, *runs: str) -> None:
    """What they left has ended."""
    for run in runs:
        await world.exit(run)


async def not_started(world: World, run: str) -> None:
    """What a host says of a run that it should end and never heard of."""
    await world.report(RunFailed(run=run, code="ended", message="", at=world.now))


async def states(world: World) -> list[str]:
    return [node.state.value for node in await world.nodes()]


async def subtasks(world: World, name: str = "a") -> list[NodeTask]:
    task = await world.task(name)
    return await world.store.read(lambda tx: tx.node_tasks.of_task(task.key))


def launch(world: World, run: str) -> Launch:
    (found,) = [launch for launch in world.launched if launch.run == run]
    return found
