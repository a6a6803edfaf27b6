"""The life of a job by the engine's rules alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import housekeeping, jobs, pools
from linarite.engine.errors import AlreadyExists, WrongState
from linarite.engine.model import (
    Ending,
    JobState,
    NodeFill,
    OnAllTasksComplete,
    OnRunning,
    Placement,
    TaskResult,
    TaskState,
)  # fmt: skip


def test_draft_job_runs_nothing_until_submitted(tmp_path):
    """A draft takes tasks; they run once it is submitted."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(draft=True)
        await world.tasks("a")
        assert await world.schedule() == []
        await world.do(jobs.submit, ACCOUNT, "job")
        assert await world.run_all() == ["a"]
        with pytest.raises(WrongState):
            await world.do(jobs.submit, ACCOUNT, "job")

    play(tmp_path, story)


def test_job_of_a_pool_that_comes_later_waits_for_it(tmp_path):
    """The pool need not exist when a job is added."""

    async def story(world: World) -> None:
        await world.job(pool="later")
        await world.tasks("a")
        assert await world.schedule() == []
        await world.pool("Later")
        assert await world.run_all() == ["a"]

    play(tmp_path, story)


def test_all_tasks_complete_terminates_the_job_when_asked(tmp_path):
    """terminatejob ends the job with its reason once nothing is left, also for a job without tasks."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(on_all_tasks_complete=OnAllTasksComplete.NO_ACTION)
        await world.tasks("a", "b")
        await world.run_all({"b": 1})
        assert (await world.the_job()).state is JobState.ACTIVE

        def ask(job):
            return replace(job, spec=replace(job.spec, on_all_tasks_complete=OnAllTasksComplete.TERMINATE))

        await world.do(jobs.update, ACCOUNT, "job", ask)
        job = await world.the_job()
        assert (job.state, job.terminate_reason) == (JobState.COMPLETED, "AllTasksComplete")
        with pytest.raises(WrongState):
            await world.tasks("c")

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("on_running", "ended", "left"),
    [(OnRunning.REQUEUE, 1, TaskState.ACTIVE), (OnRunning.TERMINATE, 1, TaskState.COMPLETED),
     (OnRunning.WAIT, 0, TaskState.COMPLETED)],
)  # fmt: skip
def test_disable_treats_running_tasks_as_asked(tmp_path, on_running, ended, left):
    """Disabling until the last run is over: requeued, terminated or let through."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", "b")
        [run] = await world.schedule()
        await world.do(jobs.disable, ACCOUNT, "job", on_running)
        assert (await world.the_job()).state is JobState.DISABLING
        assert len(world.ended) == ended
        assert await world.schedule() == []
        await world.exit(run, 0)
        assert (await world.the_job()).state is JobState.DISABLED
        assert (await world.task("a")).state is left
        assert await world.schedule() == []
        await world.do(jobs.enable, ACCOUNT, "job")
        assert "b" in await world.run_all()

    play(tmp_path, story)


def test_terminate_job_leaves_active_tasks_active(tmp_path):
    """Terminating ends what runs; what waits stays active for ever."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", "b")
        [run] = await world.schedule()
        await world.do(jobs.terminate, ACCOUNT, "job", "UserTerminate")
        assert (await world.the_job()).state is JobState.TERMINATING
        await world.exit(run, 143)
        job = await world.the_job()
        assert (job.state, job.terminate_reason, job.counts.active) == (JobState.COMPLETED, "UserTerminate", 1)
        with pytest.raises(WrongState):
            await world.do(jobs.terminate, ACCOUNT, "job", "again")

    play(tmp_path, story)


def test_finish_job_lets_running_tasks_succeed(tmp_path):
    """Ending as finished counts a run that had to be ended as a success (HPC Pack's Finish)."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a")
        [run] = await world.schedule()
        await world.do(jobs.terminate, ACCOUNT, "job", "finish", ending=Ending.FINISHED)
        await world.exit(run, 143)
        assert (await world.task("a")).result is TaskResult.SUCCESS

    play(tmp_path, story)


def test_requeue_job_runs_the_failed_tasks_again(tmp_path):
    """A job that is over can be run again: what failed runs, what succeeded stays."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(on_all_tasks_complete=OnAllTasksComplete.TERMINATE)
        await world.tasks("a", "b")
        await world.run_all({"a": 1})
        assert (await world.the_job()).state is JobState.COMPLETED
        await world.do(jobs.requeue, ACCOUNT, "job")
        assert await world.run_all() == ["a"]
        job = await world.the_job()
        assert (job.state, job.requeues, job.counts.succeeded) == (JobState.COMPLETED, 1, 2)

    play(tmp_path, story)


def test_delete_job_takes_its_tasks_and_files_with_it(tmp_path):
    """Deleting waits for the last run, then tasks go in slices, then the job; its number is not given again."""

    async def story(world: World) -> None:
        await world.pool()
        first = await world.job()
        await world.tasks(*(f"t{n}" for n in range(450)))
        [run] = await world.schedule()
        await world.do(jobs.delete, ACCOUNT, "job")
        assert (await world.the_job()).state is JobState.DELETING
        await world.exit(run, 143)
        for _ in range(3):
            await world.do(housekeeping.tend, housekeeping.Retention())
        assert await world.store.read(lambda tx: tx.jobs.get(ACCOUNT, "job")) is None
        again = await world.job()
        assert again.alias > first.alias

    play(tmp_path, story)


def test_job_over_its_time_is_terminated(tmp_path):
    """The job's own maxWallClockTime ends it with its reason."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(max_wall_clock=60 * SECOND)
        world.now += 61 * SECOND
        await world.do(housekeeping.tend, housekeeping.Retention())
        job = await world.the_job()
        assert (job.state, job.terminate_reason) == (JobState.COMPLETED, "MaxWallClockTimeExpiry")

    play(tmp_path, story)


def test_jobs_are_unique_without_regard_to_case(tmp_path):
    """A second job of the same id is refused; aliases count up in the account."""

    async def story(world: World) -> None:
        assert (await world.job("Job")).alias == 1
        with pytest.raises(AlreadyExists):
            await world.job("jOB")
        assert (await world.job("other")).alias == 2

    play(tmp_path, story)


def test_higher_priority_goes_first_then_the_older(tmp_path):
    """Scheduling order: job priority, then age of the job, then age of the task."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job("old")
        await world.job("urgent", priority=5)
        await world.job("new")
        for name in ("old", "urgent", "new"):
            await world.tasks(f"{name}-1", f"{name}-2", job=name)
        assert await world.run_all() == ["urgent-1", "urgent-2", "old-1", "old-2", "new-1", "new-2"]

    play(tmp_path, story)


def test_max_parallel_tasks_limits_a_job(tmp_path):
    """A job never has more runs than maxParallelTasks."""

    async def story(world: World) -> None:
        await world.pool(slots=8)
        await world.job(max_parallel_tasks=2)
        await world.tasks(*"abcde")
        runs = await world.schedule()
        assert len(runs) == 2
        await world.exit(runs[0])
        assert len(await world.schedule()) == 1
        assert len(await world.schedule()) == 0

    play(tmp_path, story)


def test_required_slots_fill_a_node_and_keep_the_turn(tmp_path):
    """A task takes its slots; one that does not fit keeps its turn; one that never can fit holds nobody up."""

    async def story(world: World) -> None:
        await world.pool(slots=4)
        await world.job()
        await world.tasks("never", required_slots=5)
        await world.tasks("a", required_slots=3)
        await world.tasks("b", required_slots=2)
        await world.tasks("c")
        [run] = await world.schedule()
        assert await world.schedule() == []
        await world.exit(run)
        assert len(await world.schedule()) == 2

    play(tmp_path, story)


def test_large_task_is_not_starved_by_the_small_ones_of_later_jobs(tmp_path):
    """A task that needs a whole node has one kept free for it; the other nodes go on with the jobs behind."""

    async def story(world: World) -> None:
        await world.pool(nodes=2, slots=2)
        await world.job("first")
        await world.job("later", priority=-1)
        await world.tasks(*(f"small-{number}" for number in range(7)), job="later")
        on_first, on_second, on_first_too, _ = await world.schedule()
        await world.tasks("large", required_slots=2, job="first")
        await world.exit(on_first)
        assert await world.schedule() == []
        await world.exit(on_second)
        assert len(await world.schedule()) == 1
        await world.exit(on_first_too)
        assert len(await world.schedule()) == 1
        assert world.launched[-1].directory.endswith("large")

    play(tmp_path, story)


@pytest.mark.parametrize(("fill", "used"), [(NodeFill.SPREAD, 2), (NodeFill.PACK, 1)])
def test_node_fill_spreads_or_packs(tmp_path, fill, used):
    """Two tasks go to two nodes when spread, to one when packed."""

    async def story(world: World) -> None:
        await world.pool(nodes=2, slots=2, fill=fill)
        await world.job()
        await world.tasks("a", "b")
        await world.schedule()
        assert len({launch.node.node for launch in world.launched}) == used

    play(tmp_path, story)


def test_placement_is_kept(tmp_path):
    """Named, excluded, exclusive and single nodes are honoured."""

    async def story(world: World) -> None:
        await world.pool(nodes=3, slots=2)
        names = [node.id.lower() for node in await world.nodes()]
        await world.job("named", placement=Placement(nodes=(names[1],)))
        await world.job("excluded", placement=Placement(excluded=(names[0], names[1])))
        await world.job("exclusive", placement=Placement(exclusive=True))
        await world.tasks("a", "b", "c", job="named")
        await world.tasks("d", job="excluded")
        await world.tasks("e", "f", job="exclusive")
        await world.schedule()
        places = {launch.directory.split("/")[1]: set() for launch in world.launched}
        for launch in world.launched:
            places[launch.directory.split("/")[1]].add(launch.node.node.lower())
        assert places["named"] == {names[1]}
        assert places["excluded"] == {names[2]}
        assert places["exclusive"] == {names[0]}

    play(tmp_path, story)


def test_not_before_and_parents_hold_a_job(tmp_path):
    """A job waits for its time and for its parents; one whose parent failed fails when asked to."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job("parent", on_all_tasks_complete=OnAllTasksComplete.TERMINATE)
        await world.job("held", not_before=world.now + 10 * SECOND)
        await world.job("child", parents=("parent",), fail_with_parents=True)
        for name in ("held", "child", "parent"):
            await world.tasks(f"{name}-task", job=name)
        assert await world.run_all({"parent-task": 1}) == ["parent-task"]
        assert (await world.the_job("child")).terminate_reason == "ParentFailed"
        world.now += 11 * SECOND
        assert await world.run_all() == ["held-task"]

    play(tmp_path, story)


def test_resize_down_requeues_and_removes_nodes(tmp_path):
    """A shrinking pool lets go of idle nodes first; the task of a leaving node is requeued and runs on another."""

    async def story(world: World) -> None:
        await world.pool(nodes=2)
        await world.job()
        await world.tasks("a", "b")
        first, second = await world.schedule()
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=1, low_priority=None)
        assert len(world.ended) == 1
        with pytest.raises(WrongState):
            await world.do(pools.resize, ACCOUNT, "pool", dedicated=2, low_priority=None)
        await world.exit(world.ended[0], 143)
        await world.do(housekeeping.tend, housekeeping.Retention())
        pool = await world.the_pool()
        assert pool is not None
        assert (pool.allocation.value, pool.current_dedicated) == ("steady", 1)
        await world.exit(first if world.ended[0] == second else second)
        assert len(await world.run_all()) == 1

    play(tmp_path, story)


def test_delete_pool_keeps_its_jobs(tmp_path):
    """A deleted pool requeues its runs and goes; its jobs wait for a pool of that name."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a")
        [run] = await world.schedule()
        await world.do(pools.delete, ACCOUNT, "pool")
        await world.exit(run, 143)
        await world.do(housekeeping.tend, housekeeping.Retention())
        assert await world.the_pool() is None
        await world.pool()
        assert await world.run_all() == ["a"]

    play(tmp_path, story)


def test_finished_job_is_forgotten_after_its_retention(tmp_path):
    """A retention for finished jobs deletes them, tasks and all; without one they stay."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(on_all_tasks_complete=OnAllTasksComplete.TERMINATE)
        await world.tasks("a")
        await world.run_all()
        world.now += 3600 * SECOND
        await world.do(housekeeping.tend, housekeeping.Retention())
        assert (await world.the_job()).state is JobState.COMPLETED
        await world.do(housekeeping.tend, housekeeping.Retention(finished_jobs=1800 * SECOND))
        assert await world.store.read(lambda tx: tx.jobs.get(ACCOUNT, "job")) is None

    play(tmp_path, story)


def test_requeued_task_starts_elsewhere_with_no_trace_of_its_node(tmp_path):
    """Disabling a node's scheduling requeues its task, which runs on another node."""

    async def story(world: World) -> None:
        await world.pool(nodes=2)
        await world.job()
        await world.tasks("a")
        [run] = await world.schedule()
        first = world.launched[0].node.node
        await world.do(pools.set_scheduling, ACCOUNT, "pool", first, enabled=False)
        await world.exit(run, 143)
        [again] = await world.schedule()
        assert again != run
        assert world.launched[1].node.node != first
        await world.exit(again)

    play(tmp_path, story)
