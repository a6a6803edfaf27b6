"""Where a job may run and how much it may have: groups, sizes, order of nodes, least and most at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.engine.world import ACCOUNT, World, play

from linarite.engine.eligibility import allowed
from linarite.engine.model import Node, Placement, TaskSpec


async def change(world: World, place: int, **fields: Any) -> Node:
    """Change a node of the pool."""
    node = (await world.nodes())[place]
    return await world.do(lambda u: u.put_node(replace(u.node(node.key), **fields)))


async def used(world: World) -> list[str]:
    """The nodes of what runs."""

    def names(tx: Any) -> list[str]:
        return sorted(task.node for task in tx.tasks.running_of_job(tx.jobs.get(ACCOUNT, "job").key))

    return await world.store.read(names)


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({}, True), ({"groups": ("fast",)}, True), ({"groups": ("fast", "big")}, False),
        ({"groups": ("fast", "big"), "any_group": True}, True), ({"groups": ("big",), "any_group": True}, False),
        ({"slots_per_node": (1, 4)}, True), ({"slots_per_node": (5, 9)}, False), ({"slots_per_node": (1, 3)}, False),
        ({"memory": (900, 1100)}, True), ({"memory": (1001, 9999)}, False), ({"memory": (1, 999)}, False),
        ({"nodes": ("n",)}, True), ({"excluded": ("n",)}, False),
    ],
)  # fmt: skip
def test_allowed_node(wanted: dict[str, Any], fits: bool):
    """By its groups in any letter case, its slots, its memory where that is known."""
    node = Node(
        account="a", pool_key=1, pool="p", id="N", state_at=0, created_at=0, boot_at=0, slots=4, memory_mb=1000,
        groups=("Fast",),
    )  # fmt: skip
    assert allowed(Placement(**wanted), node) is fits
    if "memory" in wanted:
        assert allowed(Placement(**wanted), replace(node, memory_mb=0))


def test_job_never_has_more_than_its_most(tmp_path: Path):
    """A task that alone needs more runs alone."""

    async def story(world: World) -> None:
        await world.pool(slots=8)
        await world.job(placement=Placement(max_slots=3))
        await world.tasks("a", "b", "c", "d")
        assert len(await world.schedule()) == 3
        await world.job("large", placement=Placement(max_slots=1))
        await world.tasks("x", job="large", required_slots=2)
        assert len(await world.schedule()) == 1

    play(tmp_path, story)


def test_job_begins_when_it_has_its_least(tmp_path: Path):
    """The slots are kept from the jobs behind; once it runs it takes what comes."""

    async def story(world: World) -> None:
        await world.pool(slots=4)
        await world.job("first")
        await world.tasks("a", "b", job="first")
        running = await world.schedule()
        await world.job(placement=Placement(min_slots=4))
        await world.tasks("1", "2", "3", "4", "5")
        await world.job("behind")
        await world.tasks("z", job="behind")
        assert await world.schedule() == []
        await world.exit(running[0])
        assert await world.schedule() == []
        await world.exit(running[1])
        mine = await world.schedule()
        assert len(mine) == 4
        await world.exit(mine[0])
        assert len(await world.schedule()) == 1

    play(tmp_path, story)


def test_least_that_the_pool_does_not_have_keeps_nobody_waiting(tmp_path: Path):
    """A job that can never begin does not hold the nodes."""

    async def story(world: World) -> None:
        await world.pool(slots=2)
        await world.job(placement=Placement(min_slots=3))
        await world.tasks("1")
        await world.job("behind")
        await world.tasks("z", job="behind")
        assert len(await world.schedule()) == 1

    play(tmp_path, story)


def test_job_waits_for_empty_nodes(tmp_path: Path):
    async def story(world: World) -> None:
        await world.pool(nodes=2, slots=2)
        await world.job("first")
        await world.tasks("a", job="first")
        [running] = await world.schedule()
        await world.job(placement=Placement(min_nodes=2, exclusive=True))
        await world.tasks("1", "2")
        assert await world.schedule() == []
        await world.exit(running)
        assert len(await world.schedule()) == 2
        assert len(set(await used(world))) == 2

    play(tmp_path, story)


def test_exclusive_job_has_its_nodes_alone(tmp_path: Path):
    """Nothing joins its task, and it joins nothing."""

    async def story(world: World) -> None:
        await world.pool(slots=4)
        await world.job(placement=Placement(exclusive=True))
        await world.tasks("1")
        await world.job("other")
        await world.tasks("z", job="other")
        [mine] = await world.schedule()
        assert await world.schedule() == []
        await world.exit(mine)
        assert len(await world.schedule()) == 1
        await world.tasks("2")
        assert await world.schedule() == []

    play(tmp_path, story)


@pytest.mark.parametrize(("order", "best"), [(("slots", "memory"), 1), (("-slots",), 0), (("-memory",), 2)])
def test_order_of_nodes(tmp_path: Path, order: tuple[str, ...], best: int):
    """Most first, or least with a minus; the second word decides among equals."""

    async def story(world: World) -> None:
        await world.pool(nodes=3, slots=4)
        await change(world, 0, slots=2, memory_mb=30)
        await change(world, 1, slots=4, memory_mb=20)
        await change(world, 2, slots=4, memory_mb=10)
        await world.job(placement=Placement(order=order))
        await world.tasks("1")
        await world.schedule()
        assert await used(world) == [(await world.nodes())[best].id]

    play(tmp_path, story)


def test_task_runs_on_one_of_its_nodes(tmp_path: Path):
    """One whose nodes are not there waits and holds nobody up."""

    async def story(world: World) -> None:
        await world.pool(nodes=2, slots=4)
        wanted = (await world.nodes())[1].id
        there = (wanted.lower(),)
        await world.job()
        await world.add(
            TaskSpec(id="1", command="true", nodes=("gone",)), TaskSpec(id="2", command="true", nodes=there),
            TaskSpec(id="3", command="true", nodes=there),
        )  # fmt: skip
        assert len(await world.schedule()) == 2
        assert await used(world) == [wanted, wanted]

    play(tmp_path, story)
