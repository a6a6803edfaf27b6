"""What the service itself runs on nodes: start tasks, preparation and release tasks; each story without a process."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import housekeeping, jobs, pools, runs, tasks
from linarite.engine.failures import LOST_OFTEN, MOST_LOSSES
from linarite.engine.launching import RunLost
from linarite.engine.model import Named, NodeCommand, NodeTaskKind, OnRunning

START = NodeCommand(id="startup", command="start", max_retries=1)
PREPARE = NodeCommand(id="jobpreparation", command="prepare")
RELEASE = NodeCommand(id="jobrelease", command="release", max_wall_clock=900 * SECOND, wait_for_success=False)


async def states(world: World, pool: str = "pool") -> list[str]:
    return [node.state.value for node in await world.nodes(pool)]


def launched(world: World, run: str) -> dict[str, object]:
    (found,) = [launch for launch in world.launched if launch.run == run]
    return {"directory": found.directory, "command": found.command, "environment": found.environment}


def test_node_takes_tasks_once_its_start_task_has_succeeded(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(start_task=START)
        await world.job()
        await world.tasks("a")
        assert await states(world) == ["waitingforstarttask"]
        assert launched(world, "n1.1") == {"directory": "startup", "command": "start", "environment": {}}
        assert await world.schedule() == []
        await world.exit("n1.1")
        assert await states(world) == ["idle"]
        assert len(await world.schedule()) == 1

    play(tmp_path, story)


def test_start_task_that_fails_after_its_retries_keeps_the_node_from_tasks(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(start_task=START)
        await world.job()
        await world.tasks("a")
        await world.exit("n1.1", 3)
        assert world.launched[-1].run == "n1.2"
        await world.exit("n1.1", 0)
        assert await states(world) == ["waitingforstarttask"], "the report of a run that is over changes nothing"
        await world.exit("n1.2", 4)
        assert await states(world) == ["starttaskfailed"]
        assert await world.schedule() == []
        own = await world.store.read(lambda tx: tx.node_tasks.of_node(1, NodeTaskKind.START)[0])
        assert (own.exit_code, own.retries, own.attempt, own.failure.code) == (4, 1, 2, "exit-code")

    play(tmp_path, story)


def test_node_need_not_wait_for_its_start_task(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(start_task=NodeCommand(id="startup", command="start", wait_for_success=False))
        await world.job()
        await world.tasks("a")
        assert len(await world.schedule()) == 1
        await world.exit("n1.1", 9)
        assert await states(world) == ["running"]

    play(tmp_path, story)


def test_start_task_of_a_lost_host_begins_again_without_a_retry(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(start_task=START)
        await world.report(RunLost(run="n1.1", at=world.now))
        await world.exit("n1.2")
        assert await states(world) == ["idle"]
        own = await world.store.read(lambda tx: tx.node_tasks.of_node(1, NodeTaskKind.START)[0])
        assert (own.attempt, own.retries) == (2, 0)

    play(tmp_path, story)


def test_start_task_that_always_ends_its_host_fails(tmp_path: Path) -> None:
    """Begun so many times in a row; a run that exits by itself in between begins the count anew."""

    async def story(world: World) -> None:
        await world.pool(start_task=replace(START, max_retries=1))
        for attempt in range(1, MOST_LOSSES):
            await world.report(RunLost(run=f"n1.{attempt}", at=world.now))
        await world.exit(f"n1.{MOST_LOSSES}", 9)
        for attempt in range(1, MOST_LOSSES):
            await world.report(RunLost(run=f"n1.{MOST_LOSSES + attempt}", at=world.now))
        assert await states(world) == ["waitingforstarttask"]
        await world.report(RunLost(run=f"n1.{2 * MOST_LOSSES}", at=world.now))
        assert await states(world) == ["starttaskfailed"]
        own = await world.store.read(lambda tx: tx.node_tasks.of_node(1, NodeTaskKind.START)[0])
        assert (own.attempt, own.retries, own.failure) == (2 * MOST_LOSSES, 1, LOST_OFTEN)
        assert len(world.launched) == 2 * MOST_LOSSES

    play(tmp_path, story)


def test_node_leaves_its_pool_when_its_start_task_has_been_ended(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(start_task=START)
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=0, low_priority=None)
        assert (await states(world), world.ended) == (["leavingpool"], ["n1.1"])
        await world.exit("n1.1", 143)
        await world.do(housekeeping.tend, housekeeping.Retention())
        assert await states(world) == []
        assert await world.store.read(lambda tx: tx.node_tasks.of_node(1, NodeTaskKind.START)) == []

    play(tmp_path, story)


def test_first_task_on_a_node_waits_for_the_preparation_of_its_job(tmp_path: Path) -> None:
    """So do others that are given to the node meanwhile; each node is prepared once."""

    async def story(world: World) -> None:
        await world.pool(nodes=2, slots=2)
        await world.job(preparation=PREPARE, environment=(Named("OF", "job"),))
        await world.tasks("a", "b", "c", "d")
        assert sorted(await world.schedule()) == ["n1.1", "n2.1"]
        assert launched(world, "n1.1") == {
            "directory": "workitems/job/job-1/jobpreparation", "command": "prepare",
            "environment": {"OF": "job", "AZ_BATCH_TASK_ID": "jobpreparation"},
        }  # fmt: skip
        assert [(await world.task(name)).state.value for name in "abcd"] == ["preparing"] * 4
        await world.exit("n1.1")
        on_first = [launch for launch in world.launched if not launch.run.startswith("n")]
        assert [launch.node.key for launch in on_first] == [1, 1]
        assert on_first[0].folders["AZ_BATCH_JOB_PREP_DIR"] == "workitems/job/job-1/jobpreparation"
        assert sorted([(await world.task(name)).state.value for name in "abcd"]) == ["preparing"] * 2 + ["running"] * 2
        await world.exit("n2.1")
        await world.run_all()
        for launch in [launch for launch in world.launched if not launch.run.startswith("n")]:
            await world.exit(launch.run)
        await world.tasks("e")
        assert await world.run_all() == ["e"], "a prepared node is prepared for good"

    play(tmp_path, story)


def test_failed_preparation_sends_the_task_back_and_spoils_the_node_for_the_job_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool()
        await world.job(preparation=PREPARE)
        await world.tasks("a")
        await world.schedule()
        await world.exit("n1.1", 1)
        task = await world.task("a")
        assert (task.state.value, task.queued, task.retries, task.requeues) == ("active", True, 0, 0)
        assert await world.schedule() == []
        await world.job("other")
        await world.tasks("b", job="other")
        assert await world.run_all() == ["b"]
        await world.do(pools.resize, ACCOUNT, "pool", dedicated=2, low_priority=None)
        assert await world.schedule() == ["n2.1"]
        await world.exit("n2.1")
        assert (await world.task("a")).state.value == "running"

    play(tmp_path, story)


def test_tasks_need_not_wait_for_the_preparation(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool()
        await world.job(preparation=NodeCommand(id="jobpreparation", command="p", wait_for_success=False))
        await world.tasks("a", "b")
        first, second = sorted(await world.schedule())
        assert (first, second.startswith("n")) == ("1.1", True)
        await world.exit("n1.1", 1)
        await world.exit("1.1")
        assert await world.schedule() == ["2.1"]

    play(tmp_path, story)


def test_task_that_is_terminated_while_it_waits_for_the_preparation_never_runs(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(slots=2)
        await world.job(preparation=PREPARE)
        await world.tasks("a", "b")
        await world.schedule()
        await world.do(tasks.terminate, ACCOUNT, "job", "a")
        assert world.ended == ["1.1"]
        await world.exit("n1.1")
        assert [launch.run for launch in world.launched] == ["n1.1", "2.1"]

    play(tmp_path, story)


def test_job_is_over_when_every_node_that_was_prepared_is_released(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool(nodes=3)
        await world.job(preparation=PREPARE, release=RELEASE)
        await world.tasks("a", "b")
        for run in await world.schedule():
            await world.exit(run)
        await world.exit("1.1")
        await world.do(jobs.terminate, ACCOUNT, "job", "UserTerminate")
        assert ((await world.the_job()).state.value, world.ended) == ("terminating", ["2.1"])
        await world.exit("2.1", 143)
        released = [launch for launch in world.launched if launch.command == "release"]
        assert sorted(launch.node.key for launch in released) == [1, 2]
        assert released[0].directory == "workitems/job/job-1/jobrelease"
        await world.exit(released[0].run, 5)
        assert (await world.the_job()).state.value == "terminating"
        world.now += 901 * SECOND
        await world.do(runs.expire)
        assert world.ended[-1] == released[1].run, "a release task that takes too long is ended"
        await world.exit(released[1].run, 137)
        assert (await world.the_job()).state.value == "completed"
        await world.do(jobs.delete, ACCOUNT, "job")
        assert await world.store.read(lambda tx: tx.jobs.get(ACCOUNT, "job")) is None, "it is released once"
        assert (
            sorted(world.removed)[-4:]
            == ["workitems/job/job-1/jobpreparation"] * 2 + ["workitems/job/job-1/jobrelease"] * 2
        )

    play(tmp_path, story)


def test_job_that_is_deleted_is_released_first(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool()
        await world.job(preparation=PREPARE, release=RELEASE)
        await world.tasks("a")
        await world.schedule()
        await world.exit("n1.1")
        await world.do(jobs.delete, ACCOUNT, "job")
        await world.exit("1.1", 137)
        await world.do(housekeeping.tend, housekeeping.Retention())
        assert world.launched[-1].run == "n2.1"
        assert (await world.the_job()).state.value == "deleting"
        await world.exit("n2.1")
        await world.do(housekeeping.tend, housekeeping.Retention())
        assert await world.store.read(lambda tx: tx.jobs.get(ACCOUNT, "job")) is None

    play(tmp_path, story)


def test_preparation_that_goes_on_when_its_job_ends_is_ended(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool()
        await world.job(preparation=PREPARE, release=RELEASE)
        await world.tasks("a")
        await world.schedule()
        await world.do(jobs.terminate, ACCOUNT, "job", "UserTerminate")
        assert world.ended == ["1.1"]
        await world.exit("1.1", 143)
        assert world.ended == ["1.1", "n1.1"]
        await world.exit("n1.1", 143)
        assert world.launched[-1].command == "release"
        await world.exit("n2.1")
        assert (await world.the_job()).state.value == "completed"

    play(tmp_path, story)


def test_disabled_job_keeps_what_was_prepared(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool()
        await world.job(preparation=PREPARE)
        await world.tasks("a")
        await world.schedule()
        await world.do(jobs.disable, ACCOUNT, "job", OnRunning.REQUEUE)
        await world.exit("1.1", 143)
        await world.exit("n1.1")
        assert ((await world.task("a")).state.value, (await world.the_job()).state.value) == ("active", "disabled")
        await world.do(jobs.enable, ACCOUNT, "job")
        assert await world.schedule() == ["1.2"]

    play(tmp_path, story)


def test_restart_launches_what_the_service_runs_and_no_task_that_waits_for_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.pool()
        await world.job(preparation=PREPARE)
        await world.tasks("a")
        await world.schedule()
        before = len(world.launched)
        await world.do(runs.resume)
        assert [launch.run for launch in world.launched[before:]] == ["n1.1"]

    play(tmp_path, story)
