"""Nodes that are machines of a cluster: which a pool takes, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.gangs import PREPARE, gang, set_out
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import cluster, jobs, machines, node_life, pools, runs
from linarite.engine.effects import node_ref
from linarite.engine.errors import WrongState
from linarite.engine.launching import Machine, MachineState, NodeReady, RunFailed, RunLost
from linarite.engine.ledger import Ledger
from linarite.engine.model import MINUTE, Node, NodeCommand, NodeState, OnRunning, Placement

OFFLINE, UNUSABLE, BUSY = MachineState.OFFLINE, MachineState.UNUSABLE, MachineState.RUNNING
START = NodeCommand(id="start", command="start", wait_for_success=True)


async def named(world: World, name: str = "pool") -> dict[str, str]:
    """The nodes of a pool and their states."""
    return {node.id: node.state.value for node in await world.nodes(name)}


async def the_node(world: World, name: str, pool: str = "pool") -> Node:
    (found,) = [node for node in await world.nodes(pool) if node.id == name]
    assert isinstance(found, Node)
    return found


async def errors(world: World) -> list[str]:
    pool = await world.the_pool()
    assert pool is not None
    return [error.code for error in pool.resize_errors]


async def allocation(world: World) -> str:
    pool = await world.the_pool()
    assert pool is not None
    return pool.allocation.value


def test_pool_takes_machines_that_serve_first_in_their_order(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n2", "n1", n3=UNUSABLE, n4=OFFLINE, n5=BUSY)
        await world.pool(nodes=3)
        assert list(await named(world)) == ["n2", "n1", "n5"]
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=5, low_priority=None)
        assert await named(world) == {"n2": "idle", "n1": "idle", "n5": "idle", "n3": "unusable", "n4": "offline"}
        assert await allocation(world) == "steady"

    play(tmp_path, story)


def test_machine_is_one_node_of_a_pool_whatever_its_kind(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1", "n2", "n3", "N1")
        await world.pool(nodes=2, target_low_priority=2)
        nodes = await world.nodes()
        assert [(node.id, node.dedicated) for node in nodes] == [("n1", True), ("n2", True), ("n3", False)]
        assert await allocation(world) == "resizing", "two names that differ in case alone are one"

    play(tmp_path, story)


def test_pools_have_different_machines_as_long_as_there_are_some(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1", "n2", "n3", n4=UNUSABLE)
        await world.pool("one", nodes=2)
        await world.pool("two", nodes=2)
        assert (list(await named(world, "one")), list(await named(world, "two"))) == (["n1", "n2"], ["n3", "n1"])

    play(tmp_path, story)


def test_pool_has_only_machines_that_it_may_use(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.site.barred = {("pool", "n1")}
        await world.machines("n1", "n2")
        await world.pool(nodes=2)
        assert list(await named(world)) == ["n2"]

    play(tmp_path, story)


def test_pool_waits_for_machines_and_takes_them_as_they_come(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool(nodes=2, target_low_priority=1)
        assert (await named(world), await allocation(world)) == ({"n1": "idle"}, "resizing")
        with pytest.raises(WrongState):
            await world.do(pools.resize, ACCOUNT, "pool", dedicated=1, low_priority=None)
        await world.later(60)
        await world.machines("n1", "n2")
        assert (list(await named(world)), await allocation(world)) == (["n1", "n2"], "resizing")
        await world.machines("n1", "n2", "n3")
        assert [(node.id, node.dedicated) for node in await world.nodes()][2:] == [("n3", False)]
        assert (await allocation(world), await errors(world)) == ("steady", [])

    play(tmp_path, story)


def test_resize_ends_with_an_error_when_no_machine_came_in_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool(nodes=2, resize_timeout=5 * MINUTE)
        await world.later(299)
        assert await allocation(world) == "resizing"
        await world.later(2)
        assert (await allocation(world), await errors(world)) == ("steady", ["resize-timeout"])
        pool = await world.the_pool()
        assert pool is not None
        assert pool.resize_errors[0].message.startswith("Desired number of dedicated nodes could not be allocated")
        await world.machines("n1", "n2")
        assert list(await named(world)) == ["n1"], "nobody waits for it any more"
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=2, low_priority=None)
        assert list(await named(world)) == ["n1", "n2"]

    play(tmp_path, story)


def test_stopped_resize_and_removed_nodes_wait_for_no_machine(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1", "n2")
        await world.pool(nodes=3)
        await world.do(pools.stop_resize, ACCOUNT, "pool")
        assert (await allocation(world), await errors(world)) == ("steady", ["resize-stopped"])
        await world.do(pools.remove_nodes, ACCOUNT, "pool", ["n1"])
        assert (await named(world), await allocation(world)) == ({"n2": "idle"}, "steady")
        await world.machines("n1", "n2", "n3")
        assert list(await named(world)) == ["n2"]

    play(tmp_path, story)


def test_pool_that_is_deleted_while_it_waits_is_gone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool(nodes=2)
        await world.do(pools.delete, ACCOUNT, "pool")
        assert await world.the_pool() is None

    play(tmp_path, story)


def test_machine_that_a_leaving_node_frees_is_taken_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1", "n2")
        await world.pool(nodes=2)
        await world.job()
        await world.tasks("a", "b")
        await world.schedule()
        await world.begin("1.1", "2.1")
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=1, low_priority=1, on_running=OnRunning.WAIT)
        assert await named(world) == {"n1": "running", "n2": "leavingpool"}
        await world.exit("2.1")
        await world.tend()
        assert [(node.id, node.dedicated, node.key) for node in await world.nodes()] == [
            ("n1", True, 1),
            ("n2", False, 3),
        ]
        assert await allocation(world) == "steady"

    play(tmp_path, story)


def test_node_tells_what_its_machine_is(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool(slots=2)
        node = await the_node(world, "n1")
        assert (node.cores, node.memory_mb, node.slots, node.labels) == (4, 1000, 2, ())
        told = Machine(
            name="n1", state=BUSY, cpus=8, memory_mb=2000, groups=("long", "gpu"), features=("a100", "gpu")
        )  # fmt: skip
        await world.do(cluster.take, [told])
        node = await the_node(world, "n1")
        assert (node.cores, node.memory_mb, node.labels) == (8, 2000, ("long", "gpu", "a100"))
        await world.do(runs.take_nodes, [NodeReady(node=node_ref(node), memory_mb=1)])
        assert (await the_node(world, "n1")).memory_mb == 2000, "it was asked for nothing"

    play(tmp_path, story)


def test_jobs_are_placed_by_what_the_cluster_sorts_machines_under(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1", "n2")
        await world.pool(nodes=2)
        told = [Machine(name="n1", state=BUSY), Machine(name="n2", state=BUSY, groups=("GPU",))]
        await world.do(cluster.take, told)
        await world.job(placement=Placement(groups=("gpu",)))
        await world.tasks("a", "b")
        await world.schedule()
        assert [each.node.node for each in world.launched] == ["n2"]

    play(tmp_path, story)


def test_jobs_that_want_cores_look_at_the_machines_not_at_the_slots(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.site.standing = True
        told = [Machine(name=f"n{cpus}", state=MachineState.IDLE, cpus=cpus) for cpus in (4, 16, 8)]
        await world.do(cluster.take, told)
        await world.pool(nodes=3, slots=2)
        await world.job(placement=Placement(slots_per_node=(5, 100), order=("-slots",)))
        await world.tasks("a", "b", "c", "d", "e")
        await world.schedule()
        assert [each.node.node for each in world.launched] == ["n8", "n8", "n16", "n16"]

    play(tmp_path, story)


def test_drained_node_takes_nothing_new_until_it_is_resumed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool(slots=2)
        await world.job()
        await world.tasks("a")
        assert await world.schedule() == ["1.1"]
        await world.begin("1.1")
        await world.machines(n1=OFFLINE)
        node = await the_node(world, "n1")
        assert (node.state, node.scheduling) == (NodeState.RUNNING, True)
        await world.tasks("b")
        assert await world.schedule() == []
        await world.exit("1.1")
        assert (await the_node(world, "n1")).state is NodeState.OFFLINE
        await world.machines("n1")
        assert (await the_node(world, "n1")).state is NodeState.IDLE
        assert world.awake
        assert await world.schedule() == ["2.1"]

    play(tmp_path, story)


def test_who_drained_and_who_disabled_stay_apart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool()
        await world.do(pools.set_scheduling, ACCOUNT, "pool", "n1", enabled=False)
        assert world.held == [("n1", True)]
        await world.machines(n1=OFFLINE)
        await world.machines("n1")
        node = await the_node(world, "n1")
        assert (node.state, node.scheduling, node.drained) == (NodeState.OFFLINE, False, False)
        await world.machines(n1=OFFLINE)
        await world.do(pools.set_scheduling, ACCOUNT, "pool", "n1", enabled=True)
        assert world.held == [("n1", True), ("n1", False)]
        node = await the_node(world, "n1")
        assert (node.state, node.scheduling, node.drained) == (NodeState.OFFLINE, True, True)

    play(tmp_path, story)


def test_machine_is_held_as_long_as_a_pool_wants_it_and_let_go_with_the_node(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        for name in ("one", "two"):
            await world.pool(name)
            await world.do(pools.set_scheduling, ACCOUNT, name, "n1", enabled=False)
        assert world.held == [("n1", True), ("n1", True)]
        await world.do(pools.set_scheduling, ACCOUNT, "one", "n1", enabled=True)
        assert len(world.held) == 2, "the other pool still wants it held"
        await world.do(cluster.resume)
        assert world.held[2:] == [("n1", True)], "said again after a start"
        await world.do(pools.delete, ACCOUNT, "two")
        assert world.held[3:] == [("n1", False)]

    play(tmp_path, story)


def test_made_nodes_are_never_held(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool()
        await world.do(pools.set_scheduling, ACCOUNT, "pool", "dedicated-1", enabled=False)
        await world.do(cluster.resume)
        assert world.held == []

    play(tmp_path, story)


def test_node_whose_machine_is_down_tells_why_and_is_booted_when_it_is_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool(start_task=START)
        assert await named(world) == {"n1": "waitingforstarttask"}
        await world.begin("n1.1")
        await world.exit("n1.1")
        assert await named(world) == {"n1": "idle"}
        world.now += SECOND
        await world.machines(n1=UNUSABLE)
        node = await the_node(world, "n1")
        assert (node.state, node.state_at) == (NodeState.UNUSABLE, world.now)
        assert node.failure is not None
        assert (node.failure.code, node.failure.message) == (
            "machine-down", "The machine is out of order: n1 broke.",
        )  # fmt: skip
        await world.machines()
        node = await the_node(world, "n1")
        assert node.failure is not None
        assert node.failure.message == machines.GONE
        assert node.state_at == world.now
        world.now += SECOND
        await world.machines("n1")
        node = await the_node(world, "n1")
        assert (node.state.value, node.failure, node.boot_at) == ("waitingforstarttask", None, world.now)
        assert world.launched[-1].run == "n2.1"

    play(tmp_path, story)


def test_start_task_that_has_not_ended_is_not_run_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool(start_task=START)
        await world.machines(n1=UNUSABLE)
        assert await named(world) == {"n1": "unusable"}
        await world.machines("n1")
        assert await named(world) == {"n1": "waitingforstarttask"}
        assert [each.run for each in world.launched] == ["n1.1"]
        await world.begin("n1.1")
        await world.exit("n1.1")
        assert await named(world) == {"n1": "idle"}

    play(tmp_path, story)


def test_tasks_on_a_node_that_went_down_are_not_touched(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1", "n2")
        await world.pool(nodes=2)
        await world.job()
        await world.tasks("a")
        await world.schedule()
        await world.begin("1.1")
        await world.machines("n2", n1=UNUSABLE)
        assert ((await world.task("a")).state.value, world.ended) == ("running", [])
        await world.report(RunLost(run="1.1", at=world.now, with_machine=True))
        assert (await world.task("a")).requeues == 1
        assert await world.schedule() == ["1.2"]
        assert world.launched[-1].node.node == "n2"

    play(tmp_path, story)


@pytest.mark.parametrize("state", [OFFLINE, UNUSABLE])
def test_tasks_that_wait_for_a_machine_out_of_service_are_taken_back(tmp_path: Path, state: MachineState) -> None:
    """They have not begun, and another machine may have room; what has begun goes on."""

    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool(slots=2)
        await world.job()
        await world.tasks("a", "b")
        assert await world.schedule() == ["1.1", "2.1"]
        await world.begin("1.1")
        await world.machines("n2", n1=state)
        assert (world.ended, world.graces) == (["2.1"], [0])
        await world.machines("n2", n1=state)
        assert world.ended == ["2.1"], "it was asked for already"
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=2, low_priority=None)
        await world.report(RunFailed(run="2.1", code="ended", message="", at=world.now))
        assert await world.schedule() == ["2.2"]
        assert (world.launched[-1].node.node, (await world.task("b")).requeues) == ("n2", 1)
        assert (await world.task("a")).state.value == "running"

    play(tmp_path, story)


def test_task_that_waits_with_several_machines_is_taken_back_from_all(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1", "n2", "n3")
        await set_out(world, gang())
        await world.schedule()
        await world.machines("n1", "n3", n2=OFFLINE)
        assert world.ended == ["1.1"]
        await world.report(RunFailed(run="1.1", code="ended", message="", at=world.now))
        assert sorted(world.ended[1:]) == ["n1.1", "n2.1", "n3.1"]
        for run in ("n1.1", "n2.1", "n3.1"):
            await world.report(RunFailed(run=run, code="ended", message="", at=world.now))
        assert ((await world.task("a")).state.value, await named(world)) == (
            "active", {"n1": "idle", "n2": "offline", "n3": "idle"},
        )  # fmt: skip

    play(tmp_path, story)


async def prepared(world: World) -> None:
    """A job whose one task runs, on n1, which was prepared for it."""
    await world.machines("n1")
    await world.pool()
    await world.job(preparation=PREPARE, release=NodeCommand(id="jobrelease", command="release"))
    await world.tasks("a")
    await world.schedule()
    await world.begin("n1.1")
    await world.exit("n1.1")
    await world.begin("1.1")


@pytest.mark.parametrize("state", [OFFLINE, UNUSABLE])
def test_job_does_without_its_release_task_where_nothing_starts(tmp_path: Path, state: MachineState) -> None:
    """Before or after the release task was to run: the job would wait for as long as the drain lasts."""

    async def story(world: World) -> None:
        await prepared(world)
        await world.machines(n1=state)
        await world.exit("1.1")
        await world.do(jobs.terminate, ACCOUNT, "job", "x")
        assert (await world.the_job()).state.value == "completed"
        await world.machines("n1")
        await world.job("other", preparation=PREPARE, release=NodeCommand(id="jobrelease", command="release"))
        await world.tasks("b", job="other")
        await world.schedule()
        await world.begin("n2.1")
        await world.exit("n2.1")
        await world.begin("2.1")
        await world.exit("2.1")
        await world.do(jobs.terminate, ACCOUNT, "other", "x")
        assert world.launched[-1].run == "n3.1"
        await world.machines(n1=state)
        assert world.ended == ["n3.1"]
        await world.report(RunFailed(run="n3.1", code="ended", message="", at=world.now))
        assert (await world.the_job("other")).state.value == "completed"

    play(tmp_path, story)


def test_release_task_that_is_lost_with_its_machine_is_not_run_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await prepared(world)
        await world.exit("1.1")
        await world.do(jobs.terminate, ACCOUNT, "job", "x")
        await world.begin("n2.1")
        await world.machines(n1=UNUSABLE)
        assert world.ended == []
        await world.report(RunLost(run="n2.1", at=world.now, with_machine=True))
        assert (await world.the_job()).state.value == "completed"

    play(tmp_path, story)


def test_node_that_is_made_on_a_machine_that_went_down_meanwhile_is_unusable(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1", "n2")
        world.prompt = False
        await world.pool(nodes=2, start_task=START)
        await world.machines("n2", n1=UNUSABLE)
        assert await named(world) == {"n1": "creating", "n2": "creating"}
        await world.answer()
        assert await named(world) == {"n1": "unusable", "n2": "waitingforstarttask"}
        assert await allocation(world) == "steady"
        await world.exit("n1.1")
        await world.do(node_life.begin, ACCOUNT, "pool", "n2", state=NodeState.REIMAGING)
        await world.machines(n1=UNUSABLE, n2=UNUSABLE)
        assert (await named(world))["n2"] == "reimaging"
        await world.answer()
        assert (await named(world))["n2"] == "unusable"

    play(tmp_path, story)


def test_what_a_cluster_told_is_forgotten_where_nodes_are_made(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1", n2=OFFLINE, n3=UNUSABLE)
        await world.pool(nodes=3)
        world.site.standing = False
        await world.do(runs.resume)
        assert await named(world) == {"n1": "idle", "n2": "idle", "n3": "idle"}
        assert await world.store.read(machines.known) == []
        assert {(node.cores, node.drained, node.failure) for node in await world.nodes()} == {(0, False, None)}

    play(tmp_path, story)


def test_document_is_written_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        written = []

        def take(u: Ledger, *told: Machine) -> None:
            put = u.tx.documents.put
            with monkeypatch.context() as patch:
                patch.setattr(u.tx.documents, "put", lambda *what: (written.append(what), put(*what)))
                cluster.take(u, told)

        world.site.standing = True
        one = Machine(name="n1", state=MachineState.IDLE, groups=("all",), features=("a",))
        await world.do(take, one)
        await world.do(take, one)
        assert len(written) == 1
        assert await world.store.read(machines.known) == [one]

    play(tmp_path, story)
