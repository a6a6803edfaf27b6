"""The life of a task by the engine's rules alone."""

from __future__ import annotations

import pytest
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import tasks
from linarite.engine.errors import (
    AlreadyExists,
    DependenciesNotEnabled,
    DependencyListTooLong,
    InvalidValue,
    WrongState,
)
from linarite.engine.launching import RunExited, RunFailed, RunLost, RunStarted
from linarite.engine.model import (
    Dependencies,
    DependencyAction,
    Ending,
    ExitCodes,
    ExitConditions,
    ExitOptions,
    JobAction,
    JobState,
    OnTaskFailure,
    ResourceFile,
    TaskResult,
    TaskSpec,
    TaskState,
)  # fmt: skip


def test_task_exit_zero_succeeds(tmp_path):
    """Exit code 0 completes a task with success, on the node it ran on, with its true times."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a")
        [run] = await world.schedule()
        assert (await world.task("a")).state is TaskState.RUNNING
        world.now += 5 * SECOND
        await world.exit(run)
        task = await world.task("a")
        assert (task.state, task.result, task.exit_code) == (TaskState.COMPLETED, TaskResult.SUCCESS, 0)
        assert task.node == (await world.nodes())[0].id
        assert task.ended_at == world.now
        assert task.cleanup_at == world.now + 7 * 24 * 3600 * SECOND

    play(tmp_path, story)


@pytest.mark.parametrize(("limit", "runs"), [(0, 1), (2, 3), (None, 2)])
def test_task_failing_is_retried_up_to_its_limit(tmp_path, limit, runs):
    """A nonzero exit is tried again maxTaskRetryCount times (the job's when the task has none), then fails."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(max_retries=1)
        await world.tasks("a", max_retries=limit)
        assert await world.run_all({"a": 3}) == ["a"] * runs
        task = await world.task("a")
        assert (task.result, task.exit_code, task.retries) == (TaskResult.FAILURE, 3, runs - 1)
        assert task.failure is not None
        assert task.failure.code == "exit-code"

    play(tmp_path, story)


def test_task_without_retry_limit_is_tried_until_it_succeeds(tmp_path):
    """-1 is without limit: forty failures, then success."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", max_retries=-1)
        for _ in range(40):
            [run] = await world.schedule()
            await world.exit(run, 1)
        [run] = await world.schedule()
        await world.exit(run, 0)
        task = await world.task("a")
        assert (task.result, task.retries, task.attempt) == (TaskResult.SUCCESS, 40, 41)

    play(tmp_path, story)


def test_report_of_an_earlier_run_changes_nothing(tmp_path):
    """Only the run that a task is in may end it; the same report twice ends it once."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", max_retries=5)
        [first] = await world.schedule()
        await world.exit(first, 1)
        [second] = await world.schedule()
        await world.exit(first, 0)
        assert (await world.task("a")).state is TaskState.RUNNING
        await world.exit(second, 0)
        await world.exit(second, 7)
        assert (await world.task("a")).exit_code == 0

    play(tmp_path, story)


def test_task_of_a_lost_host_is_requeued(tmp_path):
    """A run whose host died goes back to the queue: a requeue, not a retry."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a")
        [run] = await world.schedule()
        await world.report(RunLost(run=run, at=world.now))
        task = await world.task("a")
        assert (task.state, task.requeues, task.retries, task.node) == (TaskState.ACTIVE, 1, 0, None)
        assert await world.run_all() == ["a"]

    play(tmp_path, story)


def test_task_with_files_prepares_then_runs(tmp_path):
    """A task with resource files is preparing until its process is reported."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", resource_files=(ResourceFile(url="http://127.0.0.1/x", path="x"),))
        [run] = await world.schedule()
        assert (await world.task("a")).state is TaskState.PREPARING
        await world.report(RunStarted(run=run, at=world.now + 5))
        task = await world.task("a")
        assert (task.state, task.started_at) == (TaskState.RUNNING, world.now + 5)
        await world.exit(run)

    play(tmp_path, story)


def test_task_that_cannot_start_fails_without_retry(tmp_path):
    """An error before the start is a failure without an exit code, and is not tried again."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", max_retries=3)
        [run] = await world.schedule()
        await world.report(RunFailed(run=run, code="command-not-found", message="no such program", at=world.now))
        task = await world.task("a")
        assert (task.result, task.exit_code, task.retries) == (TaskResult.FAILURE, None, 0)
        assert task.failure is not None
        assert task.failure.code == "command-not-found"

    play(tmp_path, story)


def test_task_over_its_time_is_ended(tmp_path):
    """maxWallClockTime ends the run; the failure tells that time was up, and it is not tried again."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", max_wall_clock=10 * SECOND, max_retries=3)
        [run] = await world.schedule()
        from linarite.engine import runs

        world.now += 9 * SECOND
        await world.do(runs.expire)
        assert world.ended == []
        world.now += 2 * SECOND
        await world.do(runs.expire)
        await world.do(runs.expire)
        assert world.ended == [run]
        await world.exit(run, 143)
        task = await world.task("a")
        assert (task.state, task.exit_code) == (TaskState.COMPLETED, 143)
        assert task.failure is not None
        assert task.failure.code == "ended-timeout"

    play(tmp_path, story)


def test_terminate_running_task_ends_its_run(tmp_path):
    """A running task stays running until its process is gone, then is a failure that somebody asked for."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a")
        [run] = await world.schedule()
        await world.do(tasks.terminate, ACCOUNT, "job", "a", reason="enough")
        assert world.ended == [run]
        assert (await world.task("a")).ending is Ending.TERMINATED
        await world.exit(run, 0)
        task = await world.task("a")
        assert (task.state, task.result) == (TaskState.COMPLETED, TaskResult.FAILURE)
        assert task.failure is not None
        assert (task.failure.code, task.failure.message) == ("ended", "enough")

    play(tmp_path, story)


def test_terminate_active_task_completes_it(tmp_path):
    """A task that waits is completed at once and never runs."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", "b")
        await world.do(tasks.terminate, ACCOUNT, "job", "a")
        assert await world.run_all() == ["b"]
        with pytest.raises(WrongState):
            await world.do(tasks.terminate, ACCOUNT, "job", "a")

    play(tmp_path, story)


def test_reactivate_failed_task_runs_it_again(tmp_path):
    """A failed task comes back with all its retries; a succeeded or unfinished one does not."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", "b", max_retries=1)
        await world.run_all({"a": 1})
        await world.do(tasks.reactivate, ACCOUNT, "job", "a")
        with pytest.raises(WrongState):
            await world.do(tasks.reactivate, ACCOUNT, "job", "a")
        with pytest.raises(WrongState):
            await world.do(tasks.reactivate, ACCOUNT, "job", "b")
        assert await world.run_all({"a": 1}) == ["a", "a"]

    play(tmp_path, story)


def test_delete_running_task_goes_when_its_run_has_ended(tmp_path):
    """A running task that is deleted is not found any more, its slot is kept until its process is gone."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", "b")
        [run] = await world.schedule()
        await world.do(tasks.delete, ACCOUNT, "job", "a")
        with pytest.raises(Exception, match="does not exist"):
            await world.do(tasks.delete, ACCOUNT, "job", "a")
        assert await world.schedule() == []
        await world.exit(run, 143)
        assert world.removed == ["workitems/job/job-1/a"]
        assert await world.run_all() == ["b"]
        assert (await world.the_job()).counts.failed == 0

    play(tmp_path, story)


def test_add_refuses_one_and_takes_the_others(tmp_path):
    """Each task of a collection is judged for itself: ids without regard to case, dependencies, exit conditions."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        block = ExitOptions(dependency_action=DependencyAction.BLOCK)
        stop = ExitOptions(job_action=JobAction.TERMINATE)
        answers = await world.add(
            TaskSpec(id="a", command="true"),
            TaskSpec(id="A", command="true"),
            TaskSpec(id="b", command="true", dependencies=Dependencies(ids=("a",))),
            TaskSpec(id="c", command="true", exit_conditions=ExitConditions(default=stop)),
            TaskSpec(id="d", command="true", exit_conditions=ExitConditions(default=block)),
            TaskSpec(id="e", command="true"),
        )
        kinds = [type(answer).__name__ for answer in answers]
        assert kinds == ["Task", "AlreadyExists", "DependenciesNotEnabled", "InvalidValue", "InvalidValue", "Task"]
        assert isinstance(answers[1], AlreadyExists)
        assert isinstance(answers[2], DependenciesNotEnabled)
        assert isinstance(answers[3], InvalidValue)
        assert [answers[0].alias, answers[5].alias] == [1, 2]

    play(tmp_path, story)


def test_add_with_too_long_dependencies_is_refused(tmp_path):
    """The ids of the dependencies are at most 64,000 characters together."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(uses_dependencies=True)
        ids = tuple(f"{n:064}" for n in range(1001))
        [answer] = await world.add(TaskSpec(id="a", command="true", dependencies=Dependencies(ids=ids)))
        assert isinstance(answer, DependencyListTooLong)
        [answer] = await world.add(TaskSpec(id="a", command="true", dependencies=Dependencies(ids=ids[:1000])))
        assert answer.waiting == 1000

    play(tmp_path, story)


def test_dependencies_hold_a_task_back_until_all_are_satisfied(tmp_path):
    """Ids and ranges (leading zeros do not count) must all be satisfied; blocked tasks stay active."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(uses_dependencies=True)
        await world.add(
            TaskSpec(id="end", command="true", dependencies=Dependencies(ids=("x",), ranges=((1, 3),))),
            TaskSpec(id="x", command="true"),
            TaskSpec(id="1", command="true"),
            TaskSpec(id="002", command="true"),
        )
        assert await world.run_all() == ["x", "1", "002"]
        assert (await world.task("end")).state is TaskState.ACTIVE
        await world.tasks("3")
        assert await world.run_all() == ["3", "end"]

    play(tmp_path, story)


def test_failed_dependency_blocks_unless_told_to_satisfy(tmp_path):
    """A failure holds dependents back for ever, unless its exit options satisfy them."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(uses_dependencies=True)
        well = ExitConditions(codes=(ExitCodes(start=4, end=4, options=ExitOptions(dependency_action="satisfy")),))
        await world.add(
            TaskSpec(id="a", command="false"),
            TaskSpec(id="b", command="false", exit_conditions=well),
            TaskSpec(id="after-a", command="true", dependencies=Dependencies(ids=("a",))),
            TaskSpec(id="after-b", command="true", dependencies=Dependencies(ids=("b",))),
        )
        assert await world.run_all({"a": 4, "b": 4}) == ["a", "b", "after-b"]
        assert (await world.task("after-a")).state is TaskState.ACTIVE

    play(tmp_path, story)


def test_dependency_on_a_task_already_done_is_no_wait(tmp_path):
    """Dependencies that are satisfied when a task is added do not hold it."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(uses_dependencies=True)
        await world.tasks("1", "2")
        await world.run_all()
        await world.tasks("3", dependencies=Dependencies(ids=("1",), ranges=((1, 2),)))
        assert await world.run_all() == ["3"]

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("action", "state"), [(JobAction.NONE, JobState.ACTIVE), (JobAction.DISABLE, JobState.DISABLED),
                          (JobAction.TERMINATE, JobState.COMPLETED)],
)  # fmt: skip
def test_exit_options_act_on_the_job(tmp_path, action, state):
    """jobAction disables or terminates the job; the other running task is requeued or ended."""

    async def story(world: World) -> None:
        await world.pool(slots=2)
        await world.job(on_task_failure=OnTaskFailure.EXIT_OPTIONS)
        conditions = ExitConditions(ranges=(ExitCodes(start=2, end=9, options=ExitOptions(job_action=action)),))
        await world.tasks("a", "b", exit_conditions=conditions)
        first, second = await world.schedule()
        await world.exit(first, 5)
        if action is not JobAction.NONE:
            assert world.ended == [second]
            await world.exit(second, 143)
        job = await world.the_job()
        assert job.state is state
        assert job.terminate_reason == ("TaskFailed" if action is JobAction.TERMINATE else None)

    play(tmp_path, story)


@pytest.mark.parametrize("code", [0, 1])
def test_task_that_joins_the_queue_wakes_the_scheduler(tmp_path, code):
    """A dependent that was released, or a task that is tried again, is looked at by a pass of its own."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(uses_dependencies=True, max_retries=1)
        await world.tasks("a")
        await world.tasks("b", dependencies=Dependencies(ids=("a",)))
        [run] = await world.schedule()
        await world.exit(run, code)
        assert world.awake
        [run] = await world.schedule()
        await world.exit(run)

    play(tmp_path, story)


def test_two_ids_of_one_number_satisfy_a_range_once(tmp_path):
    """`1` and `01` are one integer: both ending in one unit do not stand for 1 and 2."""

    async def story(world: World) -> None:
        await world.pool(slots=2)
        await world.job(uses_dependencies=True)
        await world.tasks("1", "01")
        await world.tasks("end", dependencies=Dependencies(ranges=((1, 2),)))
        first, second = await world.schedule()
        exits = [RunExited(run=run, code=0, started_at=world.now, at=world.now) for run in (first, second)]
        await world.report(*exits)
        assert await world.schedule() == []
        await world.tasks("2")
        assert await world.run_all() == ["2", "end"]

    play(tmp_path, story)


def test_task_that_is_ended_before_it_runs_leaves_its_job_alone(tmp_path):
    """Exit options are about exit codes and errors: such a task can be reactivated in a job that goes on."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(on_task_failure=OnTaskFailure.EXIT_OPTIONS)
        default = ExitConditions(default=ExitOptions(job_action=JobAction.DISABLE))
        await world.tasks("a", exit_conditions=default)
        await world.tasks("b")
        for name in ("a", "b"):
            await world.do(tasks.terminate, ACCOUNT, "job", name)
            assert (await world.task(name)).failure.code == "ended"
        assert (await world.the_job()).state is JobState.ACTIVE
        await world.do(tasks.reactivate, ACCOUNT, "job", "a")
        assert await world.run_all() == ["a"]

    play(tmp_path, story)
