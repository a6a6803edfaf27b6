"""What Slurm does that a scheduler must not take for the end of a run, or for its beginning, through the nodes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.nodes.slurm.conftest import NewSite
from tests.nodes.slurm.site import COUNTED, SlurmSite, is_ready
from tests.support.fake_slurm import TIMED_OUT

from linarite.engine.launching import MachineState, RunExited, RunLost, RunStarted
from linarite.nodes.slurm import queue

pytestmark = pytest.mark.anyio

WAITS = f"{COUNTED}; while [ ! -e go ]; do sleep 0.1; done"


async def test_socket_timed_out_and_the_job_is_in_all_the_same(slurm_site: SlurmSite):
    """It is not submitted again, since the queue has it."""
    site = slurm_site
    site.fake.answer("sbatch", stderr=TIMED_OUT, code=1, really=True)
    run = await site.sh(f"{COUNTED}; sleep 2")
    assert (await site.told_once(run)).code == 0
    assert (site.ran(run), len(site.fake.calls("sbatch"))) == (1, 1)


async def test_socket_timed_out_and_the_job_is_not_in(slurm_site: SlurmSite):
    site = slurm_site
    site.fake.answer("sbatch", stderr=TIMED_OUT, code=1)
    run = await site.sh(COUNTED)
    assert (await site.told_once(run)).code == 0
    assert (site.ran(run), len(site.fake.calls("sbatch"))) == (1, 2)


async def test_call_without_an_answer_was_heard(slurm_site: SlurmSite):
    """sbatch is given up after its time; the run was started by then, and is told once."""
    site = slurm_site
    await site.again(patience=2.0)
    site.fake.answer("sbatch", really=True, hang=True)
    run = await site.sh(COUNTED)
    assert (await site.told_once(run)).code == 0
    assert (site.ran(run), len(site.fake.calls("sbatch"))) == (1, 1)


async def test_run_that_is_in_the_queue_twice_starts_once(slurm_site: SlurmSite):
    """The queue hides it for a while: it is submitted again, and whichever job comes second finds it claimed."""
    site = slurm_site
    first = await site.sh(WAITS, slots=4)
    await site.heard.started(first)
    site.fake.answer("squeue", "", times=None)
    twice = await site.sh(COUNTED, slots=4)
    await site.called("sbatch", 3)
    site.fake.forget("squeue")
    (site.folder(first) / "wd/go").touch()
    assert (await site.heard.exited(twice)).code == 0
    await site.until(lambda: not site.queue())
    assert site.ran(twice) == 1
    assert len(site.heard.ends(twice)) == 1


@pytest.mark.parametrize(
    "said", [("", "", 0), ("", "slurm_load_jobs error: Unable to contact", 1), ("||x\nwhat", "", 0)]
)
async def test_queue_that_says_nothing_for_a_moment(slurm_site: SlurmSite, said: tuple[str, str, int]):
    """Empty or broken, twice; a failure, however often."""
    site = slurm_site
    run = await site.sh(WAITS)
    await site.heard.started(run)
    stdout, stderr, code = said
    number = 6 if code else 2
    site.fake.answer("squeue", stdout, stderr, code=code, times=number)
    await site.until(lambda: not site.fake.waiting("squeue"))
    known = len(site.fake.calls("squeue"))
    await site.called("squeue", known + 2)
    (site.folder(run) / "wd/go").touch()
    assert (await site.told_once(run)).code == 0
    assert site.ran(run) == 1


@pytest.mark.parametrize("fails", [False, True])
async def test_queue_that_says_nothing_for_long(slurm_site: SlurmSite, monkeypatch: pytest.MonkeyPatch, fails: bool):
    """Empty, and no failure: what runs is not lost as long as another command has it, or cannot be asked either."""
    monkeypatch.setattr(queue, "GOING", 0.5)
    site = slurm_site
    run = await site.sh(WAITS)
    await site.heard.started(run)
    site.fake.answer("squeue", "", times=None)
    if fails:
        site.fake.answer("scontrol", "", "Unable to contact slurm controller", code=1, when="show", times=None)
    known = len(site.fake.calls("scontrol"))
    await site.called("scontrol", known + 3)
    assert not site.heard.ends(run)
    if not fails:
        site.fake.answer("scontrol", "No jobs in the system\n", when="show", times=None)
        await lost_once(site, run)
    site.fake.forget("squeue")
    site.fake.forget("scontrol")
    (site.folder(run) / "wd/go").touch()
    if fails:
        assert (await site.told_once(run)).code == 0
    await site.until(lambda: not site.queue())
    assert site.ran(run) == 1


TRAPS = {
    "heeds": "true", "says five": "trap 'sleep 0.5; echo late; exit 5' TERM",
    "ends well": "trap 'sleep 0.5; echo late; exit 0' TERM", "ignores": "trap '' TERM",
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
async def test_admin_cancels_what_runs(slurm_site: SlurmSite, trap: str):
    """The run is lost with its place, whatever the command line makes of it; it is told once that has ended."""
    site = slurm_site
    run = await site.sh(f"{COUNTED}; {TRAPS[trap]}; touch up; while :; do sleep 0.05; done")
    await site.until((site.folder(run) / "wd/up").exists)
    site.cluster.run("scancel", site.queue()[0].split()[0])
    await lost_once(site, run)
    if "late" in TRAPS[trap]:
        assert site.out(run) == "late\n"


async def lost_once(site: SlurmSite, run: str) -> None:
    """A run that was started once and is told to be lost, though no machine was; it leaves nothing."""
    lost = await site.heard.end(run)
    assert lost == RunLost(run=run, at=lost.at)
    assert [type(report) for report in site.heard.of(run)] == [RunStarted, RunLost]
    await site.until(lambda: not any(run in path for path in site.left()))
    assert site.ran(run) == 1


async def test_admin_cancels_what_is_to_end(slurm_site: SlurmSite):
    """Its end is the one that it was asked for."""
    site = slurm_site
    run = await site.sh("trap 'touch told; sleep 2; exit 5' TERM; touch up; while :; do sleep 0.05; done")
    await site.until((site.folder(run) / "wd/up").exists)
    await site.end(run, grace=15.0)
    await site.until((site.folder(run) / "wd/told").exists)
    site.cluster.run("scancel", site.queue()[0].split()[0])
    assert isinstance(await site.heard.end(run), RunExited)


async def test_admin_cancels_while_the_server_is_down(slurm_site: SlurmSite):
    """What the machine wrote says whose end it was."""
    site = slurm_site
    run = await site.sh(f"{COUNTED}; touch up; sleep 600")
    await site.until((site.folder(run) / "wd/up").exists)
    (job,) = site.queue()
    await site.nodes.stop()
    site.cluster.run("scancel", job.split()[0])
    await site.until(lambda: not site.queue())
    await site.start()
    assert isinstance(await site.heard.end(run), RunLost)


@pytest.mark.parametrize("mode", ["CANCEL", "REQUEUE"])
async def test_preemption_by_another_partition(new_site: NewSite, mode: str):
    """A job of a partition of a higher tier takes the processors away; none of ours is started again by Slurm."""
    tiers = ["PreemptType=preempt/partition_prio", f"PreemptMode={mode}",
             "PartitionName=urgent Nodes=ALL PriorityTier=10 MaxTime=INFINITE State=UP"]  # fmt: skip
    site = await new_site(1, 1, cluster={"lines": tiers})
    run = await site.sh(f"{COUNTED}; touch up; sleep 600")
    await site.until((site.folder(run) / "wd/up").exists)
    urgent = site.cluster.submit("sleep 600", "--partition=urgent")
    await lost_once(site, run)
    again = await site.sh(COUNTED)
    site.cluster.wait_job(urgent, "RUNNING")
    assert "PREEMPTED" in site.cluster.run("squeue", "-h", "-t", "all", "-o", "%T").split()
    site.cluster.run("scancel", str(urgent))
    assert (await site.told_once(again)).code == 0


async def test_admin_cancels_what_waits(slurm_site: SlurmSite):
    """It has not started, so it is submitted again."""
    site = slurm_site
    first = await site.sh(WAITS, slots=4)
    await site.heard.started(first)
    run = await site.sh(COUNTED, slots=4)
    (waiting,) = await site.until(lambda: site.queue("-t", "PENDING"))
    site.cluster.run("scancel", waiting.split()[0])
    await site.until(lambda: [line for line in site.queue("-t", "PENDING") if line.split()[0] != waiting.split()[0]])
    (site.folder(first) / "wd/go").touch()
    assert (await site.told_once(run)).code == 0
    assert site.ran(run) == 1


@pytest.mark.slow
async def test_many_runs_are_several_arrays(new_site: NewSite):
    """MaxArraySize is 1,001; all are known to Slurm, and none is once they were ended."""
    site = await new_site(1, 1)
    site.cluster.run("scontrol", "update", "partitionname=main", "state=down")
    launches = [site.make_launch("true", directory="workitems/job1/job-1/all") for _ in range(2500)]
    await site.nodes.launch(launches)
    await site.until(lambda: len(site.queue()) == 2500)
    arrays = [word for call in site.fake.calls("sbatch") for word in call.words if word.startswith("--array")]
    assert len(arrays) >= 3
    assert all(int(word.rpartition("-")[2].rpartition("=")[2]) < 1000 for word in arrays)
    await site.end(*(launch.run for launch in launches))
    await site.heard.until(lambda: len(site.heard.reports) == 2500)
    await site.until(lambda: not site.queue())
    await site.until(lambda: not site.left())


QOS = "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n"  # noqa: E501


async def test_array_beyond_a_limit_of_the_users(slurm_site: SlurmSite):
    """It is submitted in parts: what Slurm refuses for its size alone is asked for in a smaller size."""
    site = slurm_site
    for size in ("0-5", "0-2"):
        site.fake.answer("sbatch", stderr=QOS, code=1, when=f"--array={size}")
    launches = [site.make_launch(COUNTED, shell=True) for _ in range(6)]
    await site.nodes.launch(launches)
    for launch in launches:
        assert (await site.told_once(launch.run)).code == 0
        assert site.ran(launch.run) == 1
    asked = [word for call in site.fake.calls("sbatch") for word in call.words if word.startswith("--array")]
    assert asked[:3] == ["--array=0-5", "--array=0-2", "--array=0"]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_more_runs_than_the_cluster_has_jobs(new_site: NewSite):
    """Arrays are never larger than what it takes, and no call waits until its time is over."""
    site = await new_site(2, 16, cluster={"MaxJobCount": 16, "MinJobAge": 2}, patience=10.0)
    assert is_ready(await site.provision("n2"))
    site.cluster.submit("true", "--hold")
    launches = [
        site.make_launch(COUNTED, shell=True, node=f"n{1 + number % 2}", directory=f"workitems/job1/job-1/{number}")
        for number in range(50)
    ]
    with capture_logs() as lines:
        await site.nodes.launch(launches)
        for launch in launches:
            async with asyncio.timeout(240):
                assert (await site.heard.exited(launch.run)).code == 0
    assert not [line for line in lines if "did not answer" in line.get("error", "")]
    assert all(len(site.heard.ends(launch.run)) == 1 for launch in launches)
    for launch in launches:
        folder = Path(site.nodes.root(launch.node)) / launch.directory / "wd/ran"
        assert len(folder.read_text().splitlines()) == 1


@pytest.mark.slow
async def test_full_queue(new_site: NewSite):
    """sbatch waits while there are MaxJobCount jobs: it is given up, and tried again until there is room."""
    site = await new_site(1, 4, cluster={"MaxJobCount": 8, "MinJobAge": 2}, patience=2.0)
    for _ in range(5):
        site.cluster.submit("true", "--hold")
    first = await site.sh(WAITS)
    await site.heard.started(first)
    others = [await site.sh(COUNTED, directory=f"workitems/job1/job-1/{n}") for n in range(4)]
    await site.until(lambda: len(site.fake.calls("sbatch")) >= 3)
    await site.end(first)
    assert (await site.heard.exited(first)).code == 137, "an end does not wait for room"
    site.cluster.run("scancel", "--state=PENDING")
    for run in others:
        assert (await site.heard.exited(run)).code == 0
        assert len(site.heard.ends(run)) == 1


@pytest.mark.slow
async def test_job_that_a_crash_forgets_is_submitted_again(new_site: NewSite):
    """Its id goes to another job, which is none of ours; the run is started once."""
    site = await new_site(1, 1)
    site.cluster.run("scontrol", "update", "partitionname=main", "state=down")
    site.cluster.wait_saved(site.cluster.submit("true", "--hold"))
    run = await site.sh(COUNTED)
    (lost,) = await site.until(lambda: [line for line in site.queue() if "linarite" in line])
    site.cluster.kill_controller()
    site.cluster.start_controller()
    other = site.cluster.submit("sleep 600", "--comment=other")
    assert str(other) == lost.partition("_")[0]
    await site.until(lambda: [line for line in site.queue() if "linarite" in line])
    site.cluster.run("scancel", str(other))
    site.cluster.run("scontrol", "update", "partitionname=main", "state=up")
    assert (await site.heard.exited(run)).code == 0
    assert (site.ran(run), len(site.heard.ends(run))) == (1, 1)


@pytest.mark.parametrize("drains", [False, True])
async def test_machine_that_a_crash_drained(new_site: NewSite, drains: bool):
    """`Duplicate jobid`: told as it is, and set right where the settings let us."""
    site = await new_site(1, 1, drains=drains)
    site.cluster.drain("n1", "Duplicate jobid")
    if drains:
        await site.until(lambda: site.cluster.node_states() == {"n1": "idle"})
        run = await site.sh(COUNTED)
        assert (await site.told_once(run)).code == 0
    else:
        await site.heard.until(lambda: site.heard.machine("n1").state is MachineState.OFFLINE)
        assert site.heard.machine("n1").reason.startswith("Duplicate jobid")
        await asyncio.sleep(1)
        assert site.cluster.node_states() == {"n1": "drained"}


@pytest.mark.slow
async def test_machine_that_dies(new_site: NewSite):
    """Its runs are lost with it, and told so; it is down, and back."""
    site = await new_site(2, 1, cluster={"SlurmdTimeout": 3, "MessageTimeout": 3})
    run = await site.sh(WAITS)
    await site.heard.started(run)
    site.cluster.kill_node("n1", hard=True)
    lost = await site.heard.end(run)
    assert isinstance(lost, RunLost)
    assert lost.with_machine
    await site.heard.until(lambda: site.heard.machine("n1").state is MachineState.UNUSABLE)
    site.cluster.start_node("n1")
    await site.heard.until(lambda: site.heard.machine("n1").state is MachineState.IDLE)
    await site.until(lambda: not site.left())
    again = await site.sh(COUNTED)
    assert (await site.told_once(again)).code == 0


async def test_nested_srun(slurm_site: SlurmSite):
    """Begins with the task's environment, in the job that the task has."""
    run = await slurm_site.sh("srun --overlap /bin/sh -c 'echo $COLOUR $SLURM_STEP_ID'", environment={"COLOUR": "blue"})
    assert (await slurm_site.told_once(run)).code == 0
    assert slurm_site.out(run) == "blue 0\n"


LATE = "batch_sched_delay=3,sched_interval=3,bf_interval=3"
"""A start comes well after the first save of the queue, so that a crash undoes it."""


@pytest.mark.slow
async def test_crash_after_a_start_that_was_not_saved(new_site: NewSite):
    """slurmctld starts a job again that its machine may have: it never runs twice at once, and is told once.

    Either the machine ends what it had, and the run is lost; or it refuses the second start as `Duplicate jobid` and is
    drained, which its node shows, until an administrator resumes it (docs/slurm.md). The next attempt runs there.
    """
    site = await new_site(1, 1, cluster={"SchedulerParameters": LATE})
    run = await site.sh(WAITS)
    await site.until((site.folder(run) / "wd/ran").exists)
    saved = site.cluster.folder / "state" / "job_state"
    site.cluster.kill_controller()
    assert not saved.exists() or saved.stat().st_mtime < (site.folder(run) / "wd/ran").stat().st_mtime
    process = Path("/proc", (site.folder(run) / "wd/ran").read_text().strip(), "exe")
    site.cluster.start_controller()
    drained = lambda: "Duplicate jobid" in site.cluster.run("sinfo", "-h", "-R", "-o", "%E")  # noqa: E731
    await site.until(lambda: drained() or site.heard.ends(run))
    if drained():
        await site.heard.until(lambda: site.heard.machine("n1").state is MachineState.OFFLINE)
        assert site.heard.machine("n1").reason.startswith("Duplicate jobid")
        (site.folder(run) / "wd/go").touch()
        await site.heard.end(run)
        site.cluster.resume("n1")
    assert not _exists(process)
    again = await site.sh(COUNTED)
    assert (await site.told_once(again)).code == 0
    assert site.ran(run) == len(site.heard.ends(run)) == 1


def _exists(process: Path) -> bool:
    """Whether there is such a process, and not only what is left of it."""
    return process.exists()
