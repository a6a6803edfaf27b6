"""How runs wait for their turn on machines of a cluster, and where nodes are made for them."""

from __future__ import annotations

from pathlib import Path

from tests.engine.gangs import PREPARE, back, gang, gone, launch, set_out, subtasks
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import runs, tasks
from linarite.engine.launching import RunExited, RunFailed, RunLost, Together
from linarite.engine.model import Node, NodeCommand, ResourceFile, TaskSpec


async def the_node(world: World, name: str, pool: str = "pool") -> Node:
    (found,) = [node for node in await world.nodes(pool) if node.id == name]
    assert isinstance(found, Node)
    return found


def test_task_waits_for_its_turn_and_its_time_counts_from_its_start(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool(slots=4, size="small")
        await world.job()
        await world.tasks("a", max_wall_clock=10 * SECOND, required_slots=3)
        assert await world.schedule() == ["1.1"]
        told = world.launched[-1]
        assert (told.announced, told.slots, told.size, told.time_limit) == (True, 3, "small", 10.0)
        await world.later(3600)
        task = await world.task("a")
        assert (task.state.value, task.started_at, task.deadline, world.ended) == ("preparing", None, None, [])
        await world.begin("1.1")
        task = await world.task("a")
        assert (task.state.value, task.started_at) == ("running", world.now)
        assert (await the_node(world, "n1")).running_slots == 3
        await world.later(11)
        assert world.ended == ["1.1"]

    play(tmp_path, story)


def test_task_that_is_ended_where_it_runs_since_its_time_was_up_has_timed_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool()
        await world.job()
        await world.tasks("a", max_wall_clock=10 * SECOND, max_retries=3)
        await world.schedule()
        world.now += SECOND
        await world.report(RunExited(run="1.1", code=137, started_at=world.now, at=world.now + 1, overdue=True))
        task = await world.task("a")
        assert (task.state.value, task.exit_code, task.started_at) == ("completed", 137, world.now)
        assert task.failure is not None
        assert task.failure.code == "ended-timeout"

    play(tmp_path, story)


def test_task_that_its_user_ends_has_not_timed_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool()
        await world.job()
        await world.tasks("a", max_wall_clock=10 * SECOND)
        await world.schedule()
        await world.begin("1.1")
        await world.do(tasks.terminate, ACCOUNT, "job", "a")
        await world.report(RunExited(run="1.1", code=143, started_at=world.now, at=world.now, overdue=True))
        task = await world.task("a")
        assert task.failure is not None
        assert task.failure.code == "ended"

    play(tmp_path, story)


def test_lost_while_it_waited_was_charged_for_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool()
        await world.job()
        await world.tasks("a", resource_files=(ResourceFile(url="http://a", path="a"),))
        await world.schedule()
        world.now += 100 * SECOND
        await world.report(RunLost(run="1.1", at=world.now))
        task = await world.task("a")
        assert (task.requeues, task.usage.wall_time if task.usage else 0) == (1, 0)
        await world.schedule()
        await world.report(RunFailed(run="1.2", code="fetch-failed", message="No.", at=world.now + 5))
        task = await world.task("a")
        assert (task.state.value, task.started_at, task.ended_at) == ("completed", world.now + 5, world.now + 5)

    play(tmp_path, story)


def test_what_the_service_runs_waits_for_its_turn_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool(start_task=NodeCommand(id="s", command="start", max_wall_clock=10 * SECOND, max_retries=5))
        told = launch(world, "n1.1")
        assert (told.announced, told.time_limit) == (True, 10.0)
        await world.later(3600)
        assert world.ended == []
        await world.begin("n1.1")
        own = (await world.store.read(lambda tx: tx.node_tasks.by_keys([1])))[0]
        assert (own.state.value, own.started_at, own.deadline) == ("running", world.now, world.now + 10 * SECOND)
        await world.report(RunExited(run="n1.1", code=137, started_at=world.now, at=world.now + 1, overdue=True))
        own = (await world.store.read(lambda tx: tx.node_tasks.by_keys([1])))[0]
        assert (own.state.value, own.retries) == ("completed", 0), "as the engine's own time-out, it is not tried again"
        assert own.failure is not None
        assert own.failure.code == "ended-timeout"

    play(tmp_path, story)


def test_task_held_for_a_preparation_waits_twice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1")
        await world.pool()
        await world.job(preparation=PREPARE)
        await world.tasks("a", max_wall_clock=10 * SECOND)
        assert await world.schedule() == ["n1.1"]
        await world.begin("n1.1")
        await world.later(60)
        await world.exit("n1.1")
        assert world.launched[-1].run == "1.1"
        task = await world.task("a")
        assert (task.state.value, task.started_at, task.deadline) == ("preparing", None, None)
        await world.begin("1.1")
        assert (await world.task("a")).deadline == world.now + 10 * SECOND

    play(tmp_path, story)


def test_instances_are_launched_together_in_the_order_of_their_machines(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n3", "n1", "n2")
        await set_out(world, gang(max_wall_clock=10 * SECOND, preferred_node="n2"))
        assert await world.schedule() == ["n1.1", "n2.1", "n3.1"]
        assert [each.node.node for each in world.launched] == ["n3", "n1", "n2"]
        assert [each.together for each in world.launched] == [
            Together(task="1.1", size=3, instance=number) for number in range(3)
        ]
        assert {(each.announced, each.time_limit) for each in world.launched} == {(True, 10.0)}
        assert launch(world, "n2.1").environment == {
            "AZ_BATCH_NODE_LIST": "n3;n1;n2", "AZ_BATCH_HOST_LIST": "n3,n1,n2", "AZ_BATCH_MASTER_NODE": "n3:6000",
            "AZ_BATCH_IS_CURRENT_NODE_MASTER": "false", "CCP_NODES": "3 n3 1 n1 1 n2 1",
        }  # fmt: skip
        await world.later(3600)
        task = await world.task("a")
        assert (task.state.value, task.node, task.started_at, task.deadline) == ("preparing", "n3", None, None)
        await world.begin("n2.1")
        task = await world.task("a")
        assert (task.state.value, task.started_at) == ("running", world.now)
        assert [own.state.value for own in await subtasks(world)] == ["preparing", "running", "preparing"]
        world.now += 4 * SECOND
        await back(world, "n1.1", "n2.1", "n3.1")
        own = launch(world, "1.1")
        assert (own.together, own.time_limit) == (Together(task="1.1", size=3), 6.0)
        assert {each.state.value for each in await subtasks(world)} == {"running"}, "what has returned had begun"
        await world.exit("1.1")
        await gone(world, "n1.1", "n2.1", "n3.1")
        assert (await world.task("a")).state.value == "completed"

    play(tmp_path, story)


def test_instances_are_launched_together_after_a_restart_and_after_preparations(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1", "n2", "n3")
        await set_out(world, gang(), preparation=PREPARE)
        assert await world.schedule() == ["n1.1", "n2.1", "n3.1"]
        for run in ("n1.1", "n2.1"):
            await world.begin(run)
            await world.exit(run)
        assert len(world.launched) == 3
        await world.begin("n3.1")
        await world.exit("n3.1")
        assert [each.run for each in world.launched[3:]] == ["n4.1", "n5.1", "n6.1"]
        assert (await world.task("a")).state.value == "preparing"
        await world.do(runs.resume)
        assert [each.run for each in world.launched[6:]] == ["n4.1", "n5.1", "n6.1"]
        assert {each.together.task for each in world.launched[3:] if each.together} == {"1.1"}

    play(tmp_path, story)


def test_instance_that_is_overdue_ends_its_task_in_time_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.machines("n1", "n2", "n3")
        await set_out(world, gang(max_wall_clock=10 * SECOND))
        await world.schedule()
        await world.begin("n1.1", "n2.1", "n3.1")
        over = [
            RunExited(run=run, code=137, started_at=world.now, at=world.now, overdue=True)
            for run in ("n1.1", "n2.1", "n3.1")
        ]
        await world.report(*over)
        assert world.ended == ["1.1"]
        await world.report(RunFailed(run="1.1", code="ended", message="", at=world.now))
        task = await world.task("a")
        assert (task.state.value, task.failure.code if task.failure else "") == ("completed", "ended-timeout")

    play(tmp_path, story)


def test_on_nodes_that_are_made_nothing_waits(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(size="small", slots=2)
        await world.job()
        await world.add(TaskSpec(id="a", command="true", max_wall_clock=10 * SECOND))
        await world.schedule()
        task, told = await world.task("a"), world.launched[-1]
        assert (task.state.value, task.started_at, task.deadline) == (
            "running", world.now, world.now + 10 * SECOND,
        )  # fmt: skip
        assert (told.announced, told.size, told.together) == (False, "", None)

    play(tmp_path, story)
