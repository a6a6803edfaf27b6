"""The nodes of multi-instance tasks: waited for, prepared, kept, taken back and let go; without a process."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.gangs import (
    COORDINATE,
    PREPARE,
    back,
    gang,
    gone,
    launch,
    not_started,
    running,
    set_out,
    states,
    subtasks,
)
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import housekeeping, jobs, leftovers, node_life, pools, tasks
from linarite.engine.model import JobOrder, NodeCommand, NodeState, OnRunning, TaskSpec, TaskState


def test_nodes_are_kept_for_a_task_that_waits_for_more(tmp_path: Path) -> None:
    """Neither later tasks of its job nor other jobs take them, so that it cannot starve."""

    async def story(world: World) -> None:
        await world.pool(nodes=3, inter_node=True)
        await world.job("first")
        await world.tasks("x", "y", job="first")
        assert await world.schedule() == ["1.1", "2.1"]
        await world.job()
        await world.add(gang(), TaskSpec(id="b", command="true"))
        await world.job("later")
        await world.tasks("c", job="later")
        assert await world.schedule() == []
        await world.exit("1.1")
        assert await world.schedule() == []
        await world.exit("2.1")
        assert sorted(await world.schedule()) == ["n1.1", "n2.1", "n3.1"]

    play(tmp_path, story)


@pytest.mark.parametrize(("order", "most"), [(JobOrder.UNIFORM, 1), (JobOrder.OLDEST, 9)])
@pytest.mark.parametrize("late", [0, 1])
def test_older_job_does_not_starve_a_task_that_waits_for_more(tmp_path: Path, order: JobOrder, most: int, late: int):
    """With nothing running of either, the one that waited longest is first; by age, the older job has it all."""

    async def story(world: World) -> None:
        await world.pool(nodes=2, inter_node=True, job_order=order)
        await world.job("older")
        await world.tasks("t1", "t2", job="older")
        runs = await world.schedule()
        await world.tasks(*(f"u{number}" for number in range(9)), job="older")
        world.now += SECOND
        await world.job()
        await world.add(gang(instances=2))
        runs.append(runs.pop(1 - late))
        while runs:
            world.now += SECOND
            await world.exit(runs.pop(0))
            runs += [run for run in await world.schedule() if not run.startswith("n")]
        counts = (await world.the_job("older")).counts
        assert counts.succeeded - 2 == most
        assert (await world.task("a")).state is TaskState.RUNNING

    play(tmp_path, story)


def test_tasks_of_several_nodes_take_turns(tmp_path: Path) -> None:
    """Two jobs with nothing but those: not always the older one's, and neither does a job of small ones starve them."""

    async def story(world: World) -> None:
        await world.pool(nodes=2, inter_node=True, job_order=JobOrder.UNIFORM)
        for name in ("first", "second", "small"):
            await world.job(name)
        for number in range(3):
            await world.add(gang(f"t{number}", 2), job="first")
            await world.add(gang(f"t{number}", 2), job="second")
            await world.tasks(f"t{number}", job="small")
        order = []
        for _ in range(9):
            world.now += SECOND
            order += await through(world)
        assert sorted(order[:3]) == sorted(order[3:6]) == sorted(order[6:]) == ["first", "second", "small"]

    play(tmp_path, story)


async def through(world: World) -> list[str]:
    """Let all that can start run to its end; gives the jobs that it was of."""
    runs = await world.schedule()
    found = {}
    for run in runs:
        where = launch(world, run).directory.split("/")
        found[where[1]] = None
    members = [run for run in runs if run.startswith("n")]
    if members:
        await back(world, *members)
        runs = [*members, world.launched[-1].run]
    for run in reversed(runs):
        await world.exit(run)
    return list(found)


def test_task_that_needs_more_nodes_than_there_are_keeps_none_waiting(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await set_out(world, gang(instances=4), TaskSpec(id="b", command="true"))
        assert await world.run_all() == ["b"]
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=4, low_priority=None)
        assert await world.schedule() == ["n1.1", "n2.1", "n3.1", "n4.1"]

    play(tmp_path, story)


def test_task_stays_active_where_nodes_do_not_speak_to_each_other_or_take_several_tasks(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for name, spec in (("silent", {}), ("shared", {"slots": 2, "inter_node": True})):
            await world.pool(name, nodes=3, **spec)
            await world.job(name, name)
            await world.add(gang(), TaskSpec(id="b", command="true"), job=name)
            assert await world.run_all() == ["b"]
            assert (await world.task("a", name)).state.value == "active"

    play(tmp_path, story)


def test_preferred_node_becomes_the_tasks_own(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await set_out(world, gang(instances=2, preferred_node="dedicated-3"))
        await world.schedule()
        assert [launch.node.key for launch in world.launched] == [3, 1]

    play(tmp_path, story)


def test_node_of_a_subtask_leaves_as_it_is_asked(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for place, (on_running, failure) in enumerate([(OnRunning.REQUEUE, None), (OnRunning.TERMINATE, "ended")]):
            name, first = f"p{place}", 3 * place + 1
            members = [f"n{key}.1" for key in range(first, first + 3)]
            await world.pool(name, nodes=3, inter_node=True)
            await world.job(name, name)
            await world.add(gang(), job=name)
            await world.schedule()
            await back(world, *members)
            node = (await world.nodes(name))[2]
            await world.do(pools.remove_nodes, ACCOUNT, name, [node.id], on_running=on_running)
            main = world.launched[-1].run
            assert world.ended[-1] == main
            await world.exit(main, 143)
            await gone(world, *members)
            task = await world.task("a", name)
            assert (task.failure.code if task.failure else None) == failure
            await world.do(housekeeping.tend, housekeeping.Retention())
            assert len(await world.nodes(name)) == 2
            assert await world.schedule() == [], "it needs three nodes"

    play(tmp_path, story)


def test_node_of_a_subtask_waits_for_the_task_before_it_leaves(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        await world.do(pools.remove_nodes, ACCOUNT, "pool", ["dedicated-3"], on_running=OnRunning.WAIT)
        await world.do(housekeeping.tend, housekeeping.Retention())
        assert (world.ended, (await states(world))[2]) == ([], "leavingpool")
        await world.exit("1.1")
        await gone(world, "n1.1", "n2.1", "n3.1")
        await world.do(housekeeping.tend, housekeeping.Retention())
        assert len(await world.nodes()) == 2
        assert len(await subtasks(world)) == 3, "it is still told of"

    play(tmp_path, story)


def test_node_of_a_subtask_is_taken_out_of_scheduling(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        await world.do(pools.set_scheduling, ACCOUNT, "pool", "dedicated-2", enabled=False)
        assert world.ended == ["1.1"]
        await world.exit("1.1", 143)
        await gone(world, "n1.1", "n2.1", "n3.1")
        assert (await world.task("a")).requeues == 1
        assert await world.schedule() == []

    play(tmp_path, story)


def test_every_node_is_prepared_for_the_job_before_any_coordinates(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await set_out(world, TaskSpec(id="z", command="true"), gang(), nodes=4, preparation=PREPARE)
        assert await world.schedule() == ["n1.1", "n2.1", "n3.1", "n4.1"]
        assert {each.command for each in world.launched} == {"prepare"}
        await world.exit("n1.1")
        assert world.launched[-1].run == "1.1", "the first node is the other task's"
        await world.exit("n2.1")
        await world.exit("n4.1")
        assert ((await world.task("a")).state.value, world.launched[-1].run) == ("preparing", "1.1")
        assert [own.state.value for own in await subtasks(world)] == ["preparing"] * 3
        world.now += SECOND
        await world.exit("n3.1")
        assert [launch.run for launch in world.launched[-3:]] == ["n5.1", "n6.1", "n7.1"]
        task = await world.task("a")
        assert (task.state.value, task.started_at) == ("running", world.now)
        members = await subtasks(world)
        assert {(own.previous_state.value, own.started_at) for own in members} == {("preparing", world.now)}
        await back(world, "n5.1", "n6.1", "n7.1")
        assert world.launched[-1].run == "2.1"

    play(tmp_path, story)


def test_node_that_cannot_be_prepared_sends_the_task_back(tmp_path: Path) -> None:
    """The others are free again; for this job one node is too few now, and nobody waits for it."""

    async def story(world: World) -> None:
        await set_out(world, gang(), preparation=PREPARE)
        await world.schedule()
        await world.exit("n1.1")
        await world.exit("n2.1", 1)
        task = await world.task("a")
        assert (task.state.value, task.requeues, task.retries) == ("active", 0, 0)
        assert await subtasks(world) == []
        await world.exit("n3.1")
        assert await states(world) == ["idle"] * 3
        await world.tasks("b")
        assert await world.run_all() == ["b"]
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=4, low_priority=None)
        assert [launch.split(".")[0] for launch in await world.schedule()] == ["n7"], "the new node is prepared"
        await world.exit("n7.1")
        assert len(world.launched[-3:]) == 3
        assert {launch.command for launch in world.launched[-3:]} == {COORDINATE}

    play(tmp_path, story)


def test_ended_while_its_nodes_are_prepared(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await set_out(world, gang(), preparation=PREPARE)
        await world.schedule()
        await world.do(tasks.terminate, ACCOUNT, "job", "a")
        await world.exit("n1.1")
        await not_started(world, "1.1")
        assert ((await world.task("a")).state.value, world.ended) == ("completed", ["1.1"])
        await world.exit("n2.1", 1)
        await world.exit("n3.1")
        assert await states(world) == ["idle"] * 3

    play(tmp_path, story)


def test_release_waits_for_nothing_of_the_task(tmp_path: Path) -> None:
    """The instances are no preparation tasks: the release task runs where the job was prepared, and once."""

    async def story(world: World) -> None:
        release = NodeCommand(id="jobrelease", command="release", wait_for_success=False)
        await set_out(world, gang(), preparation=PREPARE, release=release)
        await world.schedule()
        await gone(world, "n1.1", "n2.1", "n3.1")
        await back(world, "n4.1", "n5.1", "n6.1")
        await world.do(jobs.terminate, ACCOUNT, "job", "enough")
        await world.exit("1.1", 143)
        await gone(world, "n4.1", "n5.1", "n6.1")
        assert sorted(launch.node.key for launch in world.launched if launch.command == "release") == [1, 2, 3]

    play(tmp_path, story)


def test_directories_of_subtasks_are_kept_as_long_as_the_tasks(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world, gang(retention=60 * SECOND))
        await world.exit("1.1")
        await gone(world, "n1.1", "n2.1", "n3.1")
        await world.do(housekeeping.tend, housekeeping.Retention())
        assert world.removed == []
        world.now += 61 * SECOND
        await world.do(housekeeping.tend, housekeeping.Retention())
        assert world.removed == ["workitems/job/job-1/a"] * 3

    play(tmp_path, story)


def test_node_of_a_subtask_starts_again_when_the_task_has_let_go_of_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        await world.do(node_life.begin, ACCOUNT, "pool", "dedicated-2", state=NodeState.REBOOTING)
        await world.exit("1.1", 143)
        assert (await states(world))[1] == "rebooting"
        await gone(world, "n1.1", "n2.1", "n3.1")
        await world.tend()
        assert (await states(world))[1] == "idle"
        assert ((await world.task("a")).requeues, await world.schedule()) == (1, ["n4.1", "n5.1", "n6.1"])

    play(tmp_path, story)


def test_node_keeps_the_files_of_a_subtask_as_long_as_is_asked(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world, gang(retention=60 * SECOND))
        await world.exit("1.1")
        await gone(world, "n1.1", "n2.1", "n3.1")
        retain = {"state": NodeState.REIMAGING, "on_running": OnRunning.RETAIN}
        await world.do(node_life.begin, ACCOUNT, "pool", "dedicated-2", **retain)
        await world.tend()
        assert (await states(world))[1] == "reimaging"
        world.now += 61 * SECOND
        await world.tend()
        await world.tend()
        assert (await states(world))[1] == "idle"

    play(tmp_path, story)


def test_job_of_higher_priority_takes_several_nodes_from_a_preemptible_one(tmp_path: Path) -> None:
    """As many as its task needs, and no more."""

    async def story(world: World) -> None:
        await world.pool(nodes=4, inter_node=True)
        await world.job("tame", preemptible=True)
        await world.tasks("a", "b", "c", "d", job="tame")
        await world.schedule()
        await world.job("urgent", priority=5)
        await world.add(gang("big"), job="urgent")
        await world.schedule()
        assert len(world.ended) == 3
        for run in list(world.ended):
            assert await world.schedule() == []
            await world.exit(run, 143)
        assert len(await world.schedule()) == 3
        assert (await world.task("big", "urgent")).state.value == "running"

    play(tmp_path, story)


def test_task_of_several_nodes_is_preempted_as_a_whole(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world, preemptible=True)
        await world.job("urgent", priority=5)
        await world.tasks("b", job="urgent")
        await world.schedule()
        assert world.ended == ["1.1"]
        await world.exit("1.1", 143)
        await gone(world, "n1.1", "n2.1", "n3.1")
        assert (await world.task("a")).requeues == 1
        assert await world.schedule() == ["2.1"]

    play(tmp_path, story)


def test_directory_of_a_subtask_is_no_leftover_of_a_crash(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        await world.do(leftovers.sweep, 2, ["workitems/job/job-1/a", "workitems/job/job-1/b"])
        assert world.removed == ["workitems/job/job-1/b"]

    play(tmp_path, story)
