"""Multi-instance tasks: coordinated, used by one command, ended, tried again and gone; without a process."""

from __future__ import annotations

from pathlib import Path

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

from linarite.engine import jobs, pools, runs, tasks
from linarite.engine.launching import Fetch, RunExited, RunFailed, RunLost
from linarite.engine.model import MultiInstance, OnRunning, OnTaskFailure, ResourceFile, TaskSpec


def test_nodes_are_taken_together_and_coordinate_first(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await set_out(world, gang())
        assert await world.schedule() == ["n1.1", "n2.1", "n3.1"]
        assert await states(world) == ["running"] * 3
        told = [launch(world, run) for run in ("n1.1", "n2.1", "n3.1")]
        assert {(each.command, each.stays, each.keeps_output) for each in told} == {(COORDINATE, True, False)}
        assert [each.node.key for each in told] == [1, 2, 3]
        shared = "workitems/job/job-1/a"
        assert [each.directory for each in told] == [shared, f"{shared}/1", f"{shared}/2"]
        assert {each.folders["AZ_BATCH_TASK_SHARED_DIR"] for each in told} == {shared}
        task = await world.task("a")
        assert (task.state.value, task.node, task.started_at) == ("running", "dedicated-1", world.now)
        assert (await world.the_job()).counts.running == 1
        await back(world, "n1.1", "n3.1")
        assert world.launched[-1].run == "n3.1", "one has not returned yet"
        await back(world, "n2.1")
        main = launch(world, "1.1")
        assert (main.command, main.directory, main.node.key) == ("main", shared, 1)
        assert (main.stays, main.keeps_output) == (False, True)

    play(tmp_path, story)


def test_instances_know_each_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        own = [launch(world, run).environment for run in ("n1.1", "n2.1", "1.1")]
        assert own[0] == {
            "AZ_BATCH_NODE_LIST": "127.1.0.1;127.1.0.2;127.1.0.3",
            "AZ_BATCH_HOST_LIST": "127.1.0.1,127.1.0.2,127.1.0.3",
            "AZ_BATCH_MASTER_NODE": "127.1.0.1:6000",
            "AZ_BATCH_IS_CURRENT_NODE_MASTER": "true",
            "CCP_NODES": "3 127.1.0.1 1 127.1.0.2 1 127.1.0.3 1",
        }
        assert own[1] == {**own[0], "AZ_BATCH_IS_CURRENT_NODE_MASTER": "false"}
        assert own[2] == own[0]

    play(tmp_path, story)


def test_common_files_come_to_all_and_the_tasks_own_to_its_node(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        common, own = ResourceFile(url="http://c", path="c", mode=0o755), ResourceFile(url="http://o", path="d/o")
        await running(world, gang(files=(common,), resource_files=(own,)))
        fetch = Fetch(url="http://c", path="c", mode=0o755)
        assert launch(world, "n1.1").fetches == (fetch, Fetch(url="http://o", path="wd/d/o"))
        assert launch(world, "n2.1").fetches == (fetch,)
        assert {launch(world, run).fetch_into for run in ("n1.1", "n2.1")} == {"workitems/job/job-1/a"}
        assert launch(world, "1.1").fetches == ()

    play(tmp_path, story)


def test_task_is_over_when_nothing_of_it_is_left_on_any_node(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        world.now += 5 * SECOND
        await world.report(RunExited(run="1.1", code=0, started_at=world.now - SECOND, at=world.now))
        assert sorted(world.ended) == ["n1.1", "n2.1", "n3.1"]
        assert world.graces == [0, 0, 0]
        await gone(world, "n1.1", "n3.1")
        assert (await world.task("a")).state.value == "running"
        assert await states(world) == ["running", "running", "idle"]
        await gone(world, "n2.1")
        task = await world.task("a")
        assert (task.state.value, task.exit_code, task.result.value) == ("completed", 0, "success")
        assert (task.started_at, task.ended_at) == (world.now - 5 * SECOND, world.now)
        nodes = await world.nodes()
        assert [(node.total_tasks, node.succeeded_tasks, node.running_tasks) for node in nodes] == [(1, 1, 0)] * 3
        assert [(own.state.value, own.exit_code) for own in await subtasks(world)] == [("completed", 0)] * 3

    play(tmp_path, story)


def test_exit_code_of_the_task_is_its_own_commands(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        await world.exit("1.1", 9)
        await gone(world, "n1.1", "n2.1", "n3.1")
        task = await world.task("a")
        assert (task.exit_code, task.result.value, task.failure.code) == (9, "failure", "exit-code")

    play(tmp_path, story)


def test_retry_takes_nodes_anew_and_leaves_nothing_where_it_does_not_come_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world, gang(max_retries=1), nodes=4)
        await world.exit("1.1", 9)
        await gone(world, "n1.1", "n2.1", "n3.1")
        assert ((await world.task("a")).state.value, (await world.task("a")).retries) == ("active", 1)
        await world.do(pools.set_scheduling, ACCOUNT, "pool", "dedicated-1", enabled=False)
        assert await world.schedule() == ["n4.1", "n5.1", "n6.1"]
        assert [launch.node.key for launch in world.launched[-3:]] == [2, 3, 4]
        assert world.removed == ["workitems/job/job-1/a"], "on the first node alone"
        assert [own.key for own in await subtasks(world)] == [4, 5, 6]
        await back(world, "n4.1", "n5.1", "n6.1")
        assert world.launched[-1].run == "1.2"

    play(tmp_path, story)


def test_one_instance_is_enough(tmp_path: Path) -> None:
    """It has no subtasks, and coordinates with itself. Without a coordination command none but an empty one runs."""

    async def story(world: World) -> None:
        await world.pool(inter_node=True)
        await world.job()
        await world.add(TaskSpec(id="a", command="main", multi_instance=MultiInstance()))
        assert await world.schedule() == ["n1.1"]
        assert launch(world, "n1.1").command == "/bin/sh -c :"
        await back(world, "n1.1")
        await world.exit("1.1")
        await gone(world, "n1.1")
        assert (await world.task("a")).state.value == "completed"

    play(tmp_path, story)


def test_coordination_that_fails_fails_the_task_and_ends_the_others(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await set_out(world, gang())
        await world.schedule()
        await back(world, "n1.1")
        await world.exit("n2.1", 3)
        assert world.ended == ["1.1"], "what never started is told by its host to have ended"
        await back(world, "n3.1")
        assert world.launched[-1].run == "n3.1"
        await not_started(world, "1.1")
        assert world.ended == ["1.1", "n1.1", "n3.1"]
        await gone(world, "n1.1", "n3.1")
        task = await world.task("a")
        assert (task.state.value, task.exit_code, task.failure.code) == ("completed", 3, "exit-code")
        found = [(own.exit_code, own.result.value) for own in await subtasks(world)]
        assert found == [(0, "success"), (3, "failure"), (0, "success")]

    play(tmp_path, story)


def test_coordination_that_fails_is_a_try_that_failed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await set_out(world, gang(max_retries=2))
        for attempt, (one, two, three) in enumerate([(1, 2, 3), (4, 5, 6), (7, 8, 9)], 1):
            assert await world.schedule() == [f"n{key}.1" for key in (one, two, three)]
            await back(world, f"n{one}.1", f"n{two}.1")
            await world.exit(f"n{three}.1", attempt)
            await not_started(world, f"1.{attempt}")
            await gone(world, f"n{one}.1", f"n{two}.1")
        task = await world.task("a")
        assert (task.state.value, task.retries, task.exit_code) == ("completed", 2, 3)

    play(tmp_path, story)


def test_coordination_that_cannot_start_is_not_tried_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await set_out(world, gang(max_retries=5))
        await world.schedule()
        await back(world, "n1.1", "n2.1")
        failed = RunFailed(run="n3.1", code="fetch-not-found", message="gone", at=world.now, details={"FilePath": "x"})
        await world.report(failed)
        await not_started(world, "1.1")
        await gone(world, "n1.1", "n2.1")
        task = await world.task("a")
        assert (task.state.value, task.exit_code, task.failure.code) == ("completed", None, "fetch-not-found")
        assert [(item.name, item.value) for item in task.failure.details] == [("FilePath", "x")]

    play(tmp_path, story)


def test_file_of_the_task_that_does_not_come_is_named_as_it_was_given(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        common, own = ResourceFile(url="http://c", path="wd/c"), ResourceFile(url="http://o", path="o")
        await set_out(world, gang("a", 1, (common,), resource_files=(own,)), gang("b", 1, (common,)))
        await world.schedule()
        for run, path in (("n1.1", "wd/o"), ("n2.1", "wd/c")):
            details = {"FilePath": path}
            await world.report(
                RunFailed(run=run, code="fetch-not-found", message="gone", at=world.now, details=details)
            )
            await not_started(world, f"{run[1]}.1")
        assert [item.value for item in (await world.task("a")).failure.details] == ["o"]
        assert [item.value for item in (await world.task("b")).failure.details] == ["wd/c"]

    play(tmp_path, story)


def test_lost_subtask_sends_the_whole_task_back(tmp_path: Path) -> None:
    """Also when its own command line runs; that is no retry."""

    async def story(world: World) -> None:
        await running(world)
        await world.report(RunLost(run="n3.1", at=world.now))
        assert (world.ended, world.graces) == (["1.1"], [0])
        await world.exit("1.1", 137)
        assert world.ended[1:] == ["n1.1", "n2.1"]
        await gone(world, "n1.1", "n2.1")
        task = await world.task("a")
        assert (task.state.value, task.retries, task.requeues, task.held_by) == ("active", 0, 1, None)
        assert await world.schedule() == ["n4.1", "n5.1", "n6.1"]
        await world.report(RunLost(run="n4.1", at=world.now))
        await not_started(world, "1.2")
        await gone(world, "n5.1", "n6.1")
        assert (await world.task("a")).requeues == 2

    play(tmp_path, story)


def test_success_counts_though_a_subtask_was_lost_in_the_same_moment(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        lost = RunLost(run="n3.1", at=world.now)
        await world.report(lost, RunExited(run="1.1", code=0, started_at=world.now, at=world.now))
        await gone(world, "n1.1", "n2.1")
        assert (await world.task("a")).result.value == "success"

    play(tmp_path, story)


def test_lost_run_of_the_task_ends_its_subtasks_before_it_goes_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        await world.report(RunLost(run="1.1", at=world.now), RunLost(run="n1.1", at=world.now))
        assert (await world.task("a")).state.value == "running"
        await gone(world, "n2.1", "n3.1")
        task = await world.task("a")
        assert (task.state.value, task.requeues) == ("active", 1)

    play(tmp_path, story)


def test_terminated_while_it_coordinates(tmp_path: Path) -> None:
    """The commands may end by themselves; the task's own never starts."""

    async def story(world: World) -> None:
        await set_out(world, gang())
        await world.schedule()
        await back(world, "n1.1")
        await world.do(tasks.terminate, ACCOUNT, "job", "a")
        await back(world, "n2.1", "n3.1")
        assert [launch.run for launch in world.launched] == ["n1.1", "n2.1", "n3.1"]
        await not_started(world, "1.1")
        assert (world.ended, world.graces) == (["1.1", "n1.1", "n2.1", "n3.1"], [5.0] * 4)
        assert (await world.task("a")).state.value == "running"
        await gone(world, "n1.1", "n2.1")
        await world.exit("n3.1", 143)
        task = await world.task("a")
        assert (task.state.value, task.failure.code, task.exit_code) == ("completed", "ended", 143)

    play(tmp_path, story)


def test_terminated_while_its_command_runs(tmp_path: Path) -> None:
    """The command may end by itself, while it can still reach what the subtasks run."""

    async def story(world: World) -> None:
        await running(world)
        await world.do(tasks.terminate, ACCOUNT, "job", "a")
        assert (world.ended, world.graces) == (["1.1"], [5.0])
        await world.exit("1.1", 130)
        assert world.graces[1:] == [0, 0, 0]
        await gone(world, "n1.1", "n2.1", "n3.1")
        task = await world.task("a")
        assert (task.failure.code, task.exit_code) == ("ended", 130)

    play(tmp_path, story)


def test_deleted_task_goes_with_all_that_it_left(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world, gang(), gang("b"))
        await world.do(tasks.delete, ACCOUNT, "job", "a")
        await world.exit("1.1", 137)
        await gone(world, "n1.1", "n2.1")
        await world.report(*[RunExited(run="n3.1", code=0, started_at=0, at=world.now)] * 2)
        assert await world.store.read(lambda tx: tx.tasks.by_key(1)) is None
        assert await world.store.read(lambda tx: tx.node_tasks.of_task(1)) == []
        assert world.removed == ["workitems/job/job-1/a"] * 3
        assert await world.schedule() == ["n4.1", "n5.1", "n6.1"]

    play(tmp_path, story)


def test_completed_task_is_deleted_with_its_subtasks(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        await world.exit("1.1")
        await gone(world, "n1.1", "n2.1", "n3.1")
        await world.do(jobs.delete, ACCOUNT, "job")
        assert world.removed == ["workitems/job/job-1/a"] * 3
        assert await world.store.read(lambda tx: tx.node_tasks.of_task(1)) == []

    play(tmp_path, story)


def test_disabled_job_takes_the_whole_task_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        await world.do(jobs.disable, ACCOUNT, "job", OnRunning.REQUEUE)
        await world.exit("1.1", 143)
        assert (await world.the_job()).state.value == "disabling"
        await gone(world, "n1.1", "n2.1", "n3.1")
        assert ((await world.the_job()).state.value, (await world.task("a")).requeues) == ("disabled", 1)

    play(tmp_path, story)


def test_exit_options_of_a_failed_coordination_act_on_the_job(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await set_out(world, gang(), on_task_failure=OnTaskFailure.EXIT_OPTIONS)
        await world.schedule()
        await world.exit("n1.1", 1)
        await not_started(world, "1.1")
        await gone(world, "n2.1", "n3.1")
        job = await world.the_job()
        assert (job.state.value, job.terminate_reason) == ("completed", "TaskFailed")

    play(tmp_path, story)


def test_time_limit_counts_from_the_coordination_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await set_out(world, gang(max_wall_clock=10 * SECOND))
        await world.schedule()
        await back(world, "n1.1")
        world.now += 11 * SECOND
        await world.do(runs.expire)
        await not_started(world, "1.1")
        await gone(world, "n1.1")
        await world.exit("n2.1", 143)
        await world.exit("n3.1", 143)
        assert (await world.task("a")).failure.code == "ended-timeout"

    play(tmp_path, story)


def test_restart_launches_again_what_should_run(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async def again() -> tuple[list[str], list[str]]:
            launched, ended = len(world.launched), len(world.ended)
            await world.do(runs.resume)
            return sorted(launch.run for launch in world.launched[launched:]), sorted(world.ended[ended:])

        members = ["n4.1", "n5.1", "n6.1"]
        await set_out(world, gang(), preparation=PREPARE)
        await world.schedule()
        assert await again() == (["n1.1", "n2.1", "n3.1"], [])
        await gone(world, "n1.1", "n2.1", "n3.1")
        assert await again() == (members, [])
        await back(world, *members)
        assert await again() == (["1.1", *members], [])
        await world.report(RunLost(run="n6.1", at=world.now))
        assert await again() == (["n4.1", "n5.1"], ["1.1"])
        await world.exit("1.1", 137)
        assert await again() == ([], ["n4.1", "n5.1"])
        await gone(world, "n4.1", "n5.1")
        assert await again() == ([], [])
        await world.schedule()
        await back(world, "n7.1", "n8.1", "n9.1")
        await world.do(tasks.terminate, ACCOUNT, "job", "a")
        assert await again() == (["n7.1", "n8.1", "n9.1"], ["1.2"])

    play(tmp_path, story)
