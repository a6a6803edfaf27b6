"""Nodes that are rebooted, reimaged, deallocated, started and taken out; each story without a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import jobs, node_life, pools, runs
from linarite.engine.effects import node_ref
from linarite.engine.errors import WrongState
from linarite.engine.launching import Emptied, NodeReady, NodeUnusable, RunLost, RunUser
from linarite.engine.model import NodeCommand, NodeState, NodeTaskKind, OnRunning, PoolSpec, PoolUser

REBOOT, REIMAGE, DEALLOCATE = NodeState.REBOOTING, NodeState.REIMAGING, NodeState.DEALLOCATING
START = NodeCommand(id="startup", command="start")
MINUTE = 60 * SECOND


async def node(world: World, number: int = 0) -> Any:
    return (await world.nodes())[number]


async def begin(world: World, state: NodeState, on_running: OnRunning = OnRunning.REQUEUE) -> None:
    await world.do(node_life.begin, ACCOUNT, "pool", (await node(world)).id, state=state, on_running=on_running)


async def restart(world: World) -> None:
    """What a server does that comes back after it was killed."""
    world.orders, world.freed = [], []
    await world.do(runs.resume)
    await world.tend()


async def busy(world: World, **pool: Any) -> None:
    """A node with a task that runs."""
    await world.pool(**pool)
    await world.job()
    await world.tasks("a")
    await world.schedule()


@pytest.mark.parametrize(
    ("state", "emptied"), [(REBOOT, Emptied.VOLATILE), (REIMAGE, Emptied.ALL)], ids=["reboot", "reimage"]
)
def test_idle_node_begins_anew(tmp_path: Path, state: NodeState, emptied: Emptied) -> None:
    """Its start task runs again, and it tells of that run alone; it takes no task before."""

    async def story(world: World) -> None:
        await world.pool(start_task=START)
        await world.exit("n1.1")
        before, world.prompt = await node(world), False
        world.now += SECOND
        await begin(world, state)
        assert (await node(world)).state is state
        assert [(order.node.key, order.emptied) for order in world.orders] == [(before.key, emptied)]
        await world.job()
        await world.tasks("a")
        assert await world.schedule() == []
        await world.answer()
        after = await node(world)
        assert (after.state.value, after.boot_at, after.id) == ("waitingforstarttask", world.now, before.id)
        assert (await world.the_pool()).current_dedicated == 1
        assert world.launched[-1].run == "n2.1"
        assert [own.key for own in await world.store.read(lambda tx: tx.node_tasks.of_node(1, NodeTaskKind.START))] == [
            2
        ]
        await world.exit("n2.1")
        assert (await node(world)).state is NodeState.IDLE
        assert await world.schedule() == ["1.1"]

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("on_running", "ended", "task", "requeues"),
    [(OnRunning.REQUEUE, ["1.1"], "active", 1), (OnRunning.TERMINATE, ["1.1"], "completed", 0)],
)
def test_reboot_ends_what_runs(
    tmp_path: Path, on_running: OnRunning, ended: list[str], task: str, requeues: int
) -> None:
    async def story(world: World) -> None:
        await busy(world)
        world.prompt = False
        await begin(world, REBOOT, on_running)
        assert (world.ended, world.orders) == (ended, []), "it is told once nothing runs there"
        await world.exit("1.1", 143)
        await world.tend()
        assert len(world.orders) == 1
        found = await world.task("a")
        assert (found.state.value, found.requeues) == (task, requeues)
        if task == "completed":
            assert found.failure.code == "ended"
        await world.answer()
        assert len(await world.schedule()) == requeues

    play(tmp_path, story)


@pytest.mark.parametrize("state", [REBOOT, REIMAGE, DEALLOCATE])
def test_node_waits_for_its_tasks(tmp_path: Path, state: NodeState) -> None:
    """With taskcompletion what runs goes on to its own end, and nothing new begins."""

    async def story(world: World) -> None:
        await busy(world, slots=2)
        await begin(world, state, OnRunning.WAIT)
        await world.tasks("b")
        assert (await world.schedule(), world.ended) == ([], [])
        await world.exit("1.1", 0)
        await world.tend()
        assert (await world.task("a")).result.value == "success"
        assert (await node(world)).state is (NodeState.DEALLOCATED if state is DEALLOCATE else NodeState.IDLE)

    play(tmp_path, story)


def test_node_waits_for_the_files_of_its_tasks(tmp_path: Path) -> None:
    """With retaineddata it waits until the last of them is cleaned up."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", retention=60 * SECOND)
        await world.schedule()
        await begin(world, REIMAGE, OnRunning.RETAIN)
        await world.exit("1.1")
        await world.tend()
        assert (await node(world)).state is REIMAGE
        world.now += 61 * SECOND
        await world.tend()
        assert world.removed == ["workitems/job/job-1/a"]
        await world.tend()
        assert (await node(world)).state is NodeState.IDLE

    play(tmp_path, story)


def test_start_task_without_end_keeps_no_node_from_its_reboot(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(start_task=NodeCommand(id="startup", command="daemon", wait_for_success=False))
        await begin(world, REBOOT, OnRunning.WAIT)
        assert world.ended == ["n1.1"]
        await world.exit("n1.1", 143)
        await world.tend()
        assert (world.launched[-1].run, (await node(world)).state.value) == ("n2.1", "idle")

    play(tmp_path, story)


@pytest.mark.parametrize(("again", "launched"), [(True, ["n2.1"]), (False, ["2.1"])])
def test_job_prepares_a_node_again_after_its_reboot(tmp_path: Path, again: bool, launched: list[str]) -> None:
    async def story(world: World) -> None:
        await world.pool()
        await world.job(preparation=NodeCommand(id="jobpreparation", command="p", again_after_reboot=again))
        await world.tasks("a")
        await world.schedule()
        await world.exit("n1.1")
        await world.exit("1.1")
        world.now += SECOND
        await begin(world, REBOOT)
        await world.tasks("b")
        assert await world.schedule() == launched

    play(tmp_path, story)


def test_reboot_while_a_job_prepares_the_node_sends_its_task_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool()
        await world.job(preparation=NodeCommand(id="jobpreparation", command="p"))
        await world.tasks("a")
        await world.schedule()
        world.now += SECOND
        await begin(world, REBOOT)
        assert sorted(world.ended) == ["1.1", "n1.1"]
        await world.exit("n1.1", 143)
        await world.exit("1.1", 143)
        await world.tend()
        assert ((await node(world)).state.value, (await world.task("a")).state.value) == ("idle", "active")
        assert await world.schedule() == ["n2.1"]

    play(tmp_path, story)


def test_deallocated_node_stays_in_its_pool_until_it_is_started(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await busy(world, start_task=START)
        await world.exit("n1.1")
        await world.schedule()
        world.prompt = False
        await begin(world, DEALLOCATE)
        await world.exit("1.1", 143)
        await world.tend()
        assert ((await node(world)).state, [ref.key for ref in world.freed]) == (DEALLOCATE, [1])
        await world.answer()
        assert (await node(world)).state is NodeState.DEALLOCATED
        pool = await world.the_pool()
        assert (pool.current_dedicated, pool.allocation.value) == (1, "steady")
        assert await world.schedule() == []
        await world.do(node_life.start, ACCOUNT, "pool", (await node(world)).id)
        assert (await node(world)).state is NodeState.STARTING
        await world.answer()
        assert (await node(world)).state is NodeState.WAITING_FOR_START_TASK
        await world.exit("n2.1")
        assert len(await world.schedule()) == 1

    play(tmp_path, story)


def test_job_is_over_without_its_deallocated_nodes(tmp_path: Path) -> None:
    """A release task runs where the job's files are still."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(
            preparation=NodeCommand(id="jobpreparation", command="p"),
            release=NodeCommand(id="jobrelease", command="r", wait_for_success=False),
        )
        await world.tasks("a")
        await world.schedule()
        await world.exit("n1.1")
        await world.exit("1.1")
        await begin(world, DEALLOCATE)
        await world.do(jobs.terminate, ACCOUNT, "job", "UserTerminate")
        assert (await world.the_job()).state.value == "completed"
        assert "r" not in [launch.command for launch in world.launched]

    play(tmp_path, story)


@pytest.mark.parametrize("state", [REBOOT, REIMAGE, DEALLOCATE])
def test_node_that_is_told_survives_the_servers_death(tmp_path: Path, state: NodeState) -> None:
    """What it was told may be lost: it is told again, and an answer that comes twice does nothing."""

    async def story(world: World) -> None:
        await world.pool(start_task=START)
        await world.exit("n1.1")
        world.prompt = False
        await begin(world, state)
        told = (list(world.orders), list(world.freed))
        await restart(world)
        assert (world.orders, world.freed) == told
        await world.answer()
        at_rest = (await node(world)).state
        assert at_rest is (NodeState.DEALLOCATED if state is DEALLOCATE else NodeState.WAITING_FOR_START_TASK)
        await world.do(runs.take_nodes, [NodeReady(node=node_ref(await node(world)))])
        assert (await node(world)).state is at_rest
        await restart(world)
        assert (world.orders, world.freed, (await node(world)).state) == ([], [], at_rest)

    play(tmp_path, story)


@pytest.mark.parametrize("state", [REBOOT, REIMAGE, DEALLOCATE])
def test_node_that_waits_survives_the_servers_death(tmp_path: Path, state: NodeState) -> None:
    """Its tasks are taken up again, and it goes on when the last one has ended."""

    async def story(world: World) -> None:
        await busy(world)
        await begin(world, state, OnRunning.WAIT)
        world.launched.clear()
        await restart(world)
        assert ([launch.run for launch in world.launched], (await node(world)).state) == (["1.1"], state)
        await world.exit("1.1")
        await world.tend()
        assert (await node(world)).state is (NodeState.DEALLOCATED if state is DEALLOCATE else NodeState.IDLE)

    play(tmp_path, story)


def test_task_of_a_lost_host_holds_no_reboot_up(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await busy(world)
        await begin(world, REBOOT, OnRunning.WAIT)
        await world.report(RunLost(run="1.1", at=world.now))
        await world.tend()
        assert ((await node(world)).state.value, await world.schedule()) == ("idle", ["1.2"])

    play(tmp_path, story)


def test_node_that_served_and_can_serve_no_more_keeps_what_runs_and_takes_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", "b")
        (run,) = await world.schedule()
        ref = node_ref(await node(world))
        await world.do(runs.take_nodes, [NodeUnusable(node=ref, message="No share.")])
        assert (await node(world)).state is NodeState.RUNNING, "nothing was asked of it, so it answers nothing"
        await world.do(runs.take_nodes, [NodeUnusable(node=ref, message="No share.", standing=True)])
        assert (await node(world)).state is NodeState.UNUSABLE
        await world.exit(run)
        assert ((await world.task("a")).state.value, await world.schedule()) == ("completed", [])

    play(tmp_path, story)


def test_node_that_cannot_be_made_anew_is_unusable(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool()
        world.prompt = False
        await begin(world, REIMAGE)
        await world.do(runs.take_nodes, [NodeUnusable(node=world.orders[0].node, message="No folder.")])
        broken = await node(world)
        assert (broken.state, broken.failure.message, broken.on_running) == (NodeState.UNUSABLE, "No folder.", None)
        with pytest.raises(WrongState) as caught:
            await begin(world, REBOOT)
        assert caught.value.state == "unusable"

    play(tmp_path, story)


@pytest.mark.parametrize("state", [REBOOT, REIMAGE, DEALLOCATE])
def test_node_that_begins_anew_is_told_nothing_else(tmp_path: Path, state: NodeState) -> None:
    async def story(world: World) -> None:
        await world.pool()
        world.prompt = False
        await begin(world, state)
        for other in (REBOOT, REIMAGE, DEALLOCATE):
            with pytest.raises(WrongState) as caught:
                await begin(world, other)
            assert (caught.value.kind, caught.value.state) == ("node", state.value)
        with pytest.raises(WrongState):
            await world.do(node_life.start, ACCOUNT, "pool", (await node(world)).id)
        assert len(world.orders) + len(world.freed) == 1

    play(tmp_path, story)


def test_node_of_a_pool_that_is_deleted_is_told_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await busy(world)
        await world.do(pools.delete, ACCOUNT, "pool")
        with pytest.raises(WrongState) as caught:
            await begin(world, REBOOT)
        assert (caught.value.kind, caught.value.state) == ("pool", "deleting")

    play(tmp_path, story)


@pytest.mark.parametrize("state", [REBOOT, REIMAGE, DEALLOCATE])
def test_node_leaves_its_pool_whatever_it_does(tmp_path: Path, state: NodeState) -> None:
    async def story(world: World) -> None:
        await world.pool()
        world.prompt = False
        await begin(world, state)
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=0, low_priority=None)
        await world.tend()
        assert await world.nodes() == []
        await world.answer()
        pool = await world.the_pool()
        assert (pool.current_dedicated, pool.allocation.value) == (0, "steady")

    play(tmp_path, story)


def test_node_without_scheduling_is_offline_once_it_is_empty(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await busy(world, slots=2)
        name = (await node(world)).id
        await world.do(pools.set_scheduling, ACCOUNT, "pool", name, enabled=False, on_running=OnRunning.WAIT)
        assert (await node(world)).state is NodeState.RUNNING
        world.now += SECOND
        await world.exit("1.1")
        assert ((await node(world)).state, (await node(world)).state_at) == (NodeState.OFFLINE, world.now)
        with pytest.raises(WrongState):
            await world.do(pools.set_scheduling, ACCOUNT, "pool", name, enabled=False)
        await begin(world, REBOOT)
        assert (await node(world)).state is NodeState.OFFLINE, "a reboot lets it take no tasks"
        await world.do(pools.set_scheduling, ACCOUNT, "pool", name, enabled=True)
        assert (await node(world)).state is NodeState.IDLE

    play(tmp_path, story)


def test_start_task_that_fails_can_be_tried_again_by_a_reboot(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(start_task=START)
        await world.exit("n1.1", 1)
        await begin(world, REBOOT)
        await world.exit("n2.1", 0)
        assert (await node(world)).state is NodeState.IDLE

    play(tmp_path, story)


def test_resize_runs_out_of_time_for_nodes_that_do_not_come(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.prompt = False
        await world.do(pools.add, ACCOUNT, PoolSpec(id="pool", target_dedicated=1, target_low_priority=1), {})
        assert (await world.the_pool()).allocation.value == "resizing"
        world.now += 15 * MINUTE - 1
        await world.tend()
        assert len(await world.nodes()) == 2
        world.now += 1
        await world.tend()
        pool = await world.the_pool()
        assert [error.code for error in pool.resize_errors] == ["resize-timeout"] * 2
        assert pool.allocation.value == "steady"
        assert (pool.current_dedicated, pool.spec.target_dedicated, pool.deadline) == (0, 1, None)
        await world.answer()
        assert await world.nodes() == []

    play(tmp_path, story)


def test_resize_runs_out_of_time_for_a_node_that_waits_for_its_task(tmp_path: Path) -> None:
    """The node stays and takes tasks again."""

    async def story(world: World) -> None:
        await busy(world)
        name = (await node(world)).id
        await world.do(
            pools.remove_nodes, ACCOUNT, "pool", [name], timeout=5 * MINUTE, on_running=OnRunning.WAIT
        )  # fmt: skip
        assert (await node(world)).state is NodeState.LEAVING
        world.now += 5 * MINUTE
        await world.tend()
        pool = await world.the_pool()
        assert ([error.code for error in pool.resize_errors], pool.allocation.value) == (["removal-timeout"], "steady")
        assert (pool.current_dedicated, pool.spec.resize_timeout) == (1, 5 * MINUTE)
        assert (await node(world)).state is NodeState.RUNNING
        await world.exit("1.1")
        await world.tasks("b")
        assert len(await world.schedule()) == 1

    play(tmp_path, story)


def test_stopped_resize_keeps_what_waits_and_lets_go_what_ends(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await busy(world)
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=0, low_priority=None, on_running=OnRunning.WAIT)
        stopped = await world.do(pools.stop_resize, ACCOUNT, "pool")
        assert [error.code for error in stopped.resize_errors] == ["resize-stopped"]
        assert stopped.allocation.value == "steady"
        assert (stopped.current_dedicated, stopped.spec.target_dedicated) == (1, 0)
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=0, low_priority=None)
        stopped = await world.do(pools.stop_resize, ACCOUNT, "pool")
        assert (stopped.allocation.value, (await node(world)).state) == ("stopping", NodeState.LEAVING)
        await world.exit("1.1", 143)
        await world.tend()
        pool = await world.the_pool()
        assert (pool.allocation.value, pool.current_dedicated, await world.nodes()) == ("steady", 0, [])

    play(tmp_path, story)


def test_pool_that_is_deleted_waits_for_no_task_that_a_resize_waited_for(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await busy(world)
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=0, low_priority=None, on_running=OnRunning.WAIT)
        assert world.ended == []
        await world.do(pools.delete, ACCOUNT, "pool")
        assert world.ended == ["1.1"]
        await world.exit("1.1", 143)
        await world.tend()
        assert await world.the_pool() is None

    play(tmp_path, story)


def test_leaving_node_waits_for_the_files_of_its_tasks(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", retention=60 * SECOND)
        await world.run_all()
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=0, low_priority=None, on_running=OnRunning.RETAIN)
        await restart(world)
        assert (await node(world)).state is NodeState.LEAVING
        world.now += 61 * SECOND
        await world.tend()
        await world.tend()
        assert await world.nodes() == []

    play(tmp_path, story)


def test_users_of_a_pool_have_numbers_of_their_own(tmp_path: Path) -> None:
    """A task that names one is launched as such; a number is kept as long as its user is, and given to nobody else."""

    async def story(world: World) -> None:
        users = (PoolUser(name="anna"), PoolUser(name="boss", elevated=True))
        await world.pool(users=users, start_task=NodeCommand(id="startup", command="s", user="boss"))
        await world.pool("other", nodes=0, users=(PoolUser(name="anna"),))
        (anna, boss), (another,) = (await world.the_pool()).spec.users, (await world.the_pool("other")).spec.users
        assert len({anna.number, boss.number, another.number, 0}) == 4
        await world.exit("n1.1")
        await world.job()
        await world.tasks("a", user="anna")
        await world.tasks("b", user="nobody")
        await world.run_all()
        seen = [(launch.user, launch.elevated) for launch in world.launched]
        assert seen == [
            (RunUser(name="boss", number=boss.number), True), (RunUser(name="anna", number=anna.number), False),
            (RunUser(name="nobody", number=0), False),
        ]  # fmt: skip
        changed = replace((await world.the_pool()).spec, users=(PoolUser(name="carl"), PoolUser(name="anna")))
        await world.do(pools.update, ACCOUNT, "pool", lambda pool: replace(pool, spec=changed))
        carl, same = (await world.the_pool()).spec.users
        assert same == anna
        assert carl.number not in {anna.number, boss.number, another.number}

    play(tmp_path, story)
