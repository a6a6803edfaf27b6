"""What nodes on Slurm rely on, seen on a real one: where another version does otherwise, these say so first."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.fake_slurm import FULL, NO_SUCH_JOB
from tests.support.slurm import SlurmCluster, as_user, eventually, unprivileged_user

NewCluster = Callable[..., SlurmCluster]


def outcome(told: dict[str, str]) -> tuple[str, str, str]:
    return told["JobState"], told["Reason"], told["ExitCode"]


def refused(cluster: SlurmCluster, *words: str) -> str:
    return cluster.run("sbatch", *words, "--wrap", "true", user=unprivileged_user(), cwd=cluster.home(), check=False)


def says_while_it_blocks(cluster: SlurmCluster, *words: str) -> str:
    """What sbatch says before it is killed, because it does not end."""
    with subprocess.Popen(
        ["sbatch", *words, "--wrap", "true"], cwd=cluster.home(), env=os.environ | cluster.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        **as_user(unprivileged_user()),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()
        return said + process.stdout.read()


def test_arrays_of_more_than_1001_are_refused(slurm: SlurmCluster):
    """An index is at most 1,000 where MaxArraySize is not set."""
    job = slurm.submit("true", "--array=0-1000", "--hold")
    assert len(slurm.run("squeue", "-h", "-r", "-j", str(job)).splitlines()) == 1001
    slurm.run("scancel", str(job))
    complaint = "sbatch: error: Batch job submission failed: Invalid job array specification"
    assert refused(slurm, "--array=0-1001", "--hold").strip() == complaint
    assert refused(slurm, "--array=1001", "--hold").strip() == complaint


def test_elements_are_known_by_comment_and_index(slurm: SlurmCluster):
    """One question for all, whatever their state; a comment may hold what a token is made of."""
    token = "linarite:0123456789abcdef-7"
    slurm.submit("sleep $SLURM_ARRAY_TASK_ID; exit $SLURM_ARRAY_TASK_ID", "--array=0-2", f"--comment={token}")

    def states() -> dict[str, str]:
        lines = slurm.run("squeue", "-h", "-r", "-t", "all", "-o", "%k|%K|%T").splitlines()
        return {index: state for known, index, state in (line.split("|") for line in lines) if known == token}

    assert states().keys() == {"0", "1", "2"}
    wanted = {"0": "COMPLETED", "1": "FAILED", "2": "FAILED"}
    eventually(lambda: states() == wanted, 30, "they do not end")


def test_completing_is_not_done(slurm_cluster: NewCluster):
    """A cancelled job goes on for a while, and then CANCELLED may carry the exit code that its own trap chose."""
    cluster = slurm_cluster(1, 1, KillWait=30)
    home = cluster.home()
    trap = "while [ ! -e go ]; do sleep 0.05; done; echo late >out; exit 5"
    job = cluster.submit(f"trap '{trap}' TERM; touch up; while :; do sleep 0.05; done", home=home)
    eventually((home / "up").exists, 30, "the job does not start")
    cluster.run("scancel", str(job))
    cluster.wait_job(job, "COMPLETING")
    assert not (home / "out").exists()
    (home / "go").touch()
    told = cluster.wait_job(job)
    assert (told["JobState"], told["ExitCode"]) == ("CANCELLED", "5:0")
    assert (home / "out").read_text() == "late\n"


def test_job_that_does_not_heed_its_cancelling(slurm: SlurmCluster):
    """It is killed after KillWait; the code is that of the signal."""
    home = slurm.home()
    job = slurm.submit("trap '' TERM; touch up; while :; do sleep 0.05; done", home=home)
    eventually((home / "up").exists, 30, "the job does not start")
    slurm.run("scancel", str(job))
    told = slurm.wait_job(job)
    assert (told["JobState"], told["ExitCode"]) == ("CANCELLED", "0:9")


def test_missing_output_folder(slurm: SlurmCluster):
    """The command does not run: a failure as 0:53, which is no exit code of the task's."""
    home = slurm.home()
    told = slurm.wait_job(slurm.submit("touch ran", "-o", str(home / "missing" / "out"), home=home))
    assert outcome(told) == ("FAILED", "JobLaunchFailure", "0:53")
    assert list(home.iterdir()) == []


def test_missing_working_folder(slurm: SlurmCluster):
    """The command silently runs in /tmp and succeeds."""
    home = slurm.home()
    told = slurm.wait_job(slurm.submit("pwd >&3", "-o", "/dev/null", "-D", str(home / "missing")))
    assert outcome(told)[0] == "FAILED"  # nobody opened 3: so what follows is not by chance
    told = slurm.wait_job(slurm.submit(f"pwd >{home}/where", "-o", "/dev/null", "-D", str(home / "missing")))
    assert outcome(told) == ("COMPLETED", "None", "0:0")
    assert (home / "where").read_text() == "/tmp\n"


def test_signal_of_the_shell_looks_like_a_failed_launch(slurm: SlurmCluster):
    told = slurm.wait_job(slurm.submit("kill -SEGV $$", "-o", "/dev/null"))
    assert outcome(told)[1:] == ("JobLaunchFailure", "0:11")


def test_full_queue_blocks(slurm_cluster: NewCluster):
    """sbatch says so once and tries again by itself: who gives it up has submitted nothing."""
    cluster = slurm_cluster(1, 1, MaxJobCount=3)
    jobs = [cluster.submit("sleep 600") for _ in range(2)]
    assert says_while_it_blocks(cluster) == FULL
    assert {int(job) for job in cluster.run("squeue", "-h", "-t", "all", "-o", "%i").split()} == set(jobs)
    cluster.cancel_all()
    assert says_while_it_blocks(cluster) == FULL, "jobs that have ended are counted until MinJobAge is over"


def test_array_that_the_queue_has_no_room_for_blocks(slurm_cluster: NewCluster):
    """Every element counts, from the beginning."""
    cluster = slurm_cluster(1, 1, MaxJobCount=10)
    assert says_while_it_blocks(cluster, "--array=1-10") == FULL
    job = cluster.submit("sleep 600", "--array=1-9")
    assert len(cluster.run("squeue", "-h", "-r", "-j", str(job)).splitlines()) == 9


def test_job_that_nobody_knows(slurm: SlurmCluster):
    assert slurm.run("squeue", "-h", "-j", "4000000", check=False) == NO_SUCH_JOB
    assert slurm.run("scontrol", "show", "job", "4000000", check=False) == NO_SUCH_JOB


def forgotten(cluster: SlurmCluster) -> int:
    """A job acknowledged but not saved before a crash: within five seconds, so not every time on a busy machine."""
    for _ in range(3):
        cluster.wait_saved(cluster.submit("true", "--hold"))
        job = cluster.submit("true", "--hold", "--comment=lost")
        cluster.kill_controller()
        cluster.start_controller()
        if cluster.run("scontrol", "show", "job", str(job), check=False) == NO_SUCH_JOB:
            return job
    pytest.fail("a crash loses no job")


def test_crash_forgets_a_job_and_gives_its_id_to_another(slurm_cluster: NewCluster):
    """What sbatch acknowledged within the last five seconds is not on disk yet."""
    cluster = slurm_cluster(1, 1)
    lost = forgotten(cluster)
    assert cluster.submit("true", "--hold", "--comment=other") == lost
    assert cluster.job(lost)["Comment"] == "other"


def crashed_after_a_start(slurm_cluster: NewCluster) -> tuple[SlurmCluster, Path]:
    """A controller that was killed when a job had started and that was not saved yet; the folder of the job."""
    late = "batch_sched_delay=3,sched_interval=3,bf_interval=3"  # the first save comes at once, a start after it
    for _ in range(3):
        cluster = slurm_cluster(1, 1, SchedulerParameters=late)
        home = cluster.home()
        job = cluster.submit("echo start >>starts; sleep 600", "--no-requeue", home=home)
        eventually((home / "starts").exists, 30, "the job does not start")
        cluster.wait_job(job, "RUNNING")
        cluster.kill_controller()
        saved = cluster.folder / "state" / "job_state"
        if saved.exists() and saved.stat().st_mtime < (home / "starts").stat().st_mtime:
            return cluster, home
    pytest.fail("the controller saves a start at once")


def test_crash_starts_a_job_again(slurm_cluster: NewCluster):
    """One that started after the last save, --no-requeue or not; a node that still has it may be drained for that."""
    cluster, home = crashed_after_a_start(slurm_cluster)
    cluster.start_controller()

    def again() -> bool:
        drained = "Duplicate jobid" in cluster.run("sinfo", "-h", "-R", "-o", "%E")
        return drained or (home / "starts").read_text() == "start\nstart\n"

    eventually(again, 60, "it is not started again")


def test_exact_environment_is_that_of_sbatch(slurm: SlurmCluster):
    """What sbatch was started with, and Slurm's own; LINARITE_TEST below is not among it."""
    home = slurm.home()
    given = {"PATH": "/usr/bin:/bin", "COLOUR": "blue"} | slurm.environment
    job = slurm.submit("env >out", "--export=ALL", home=home, env=given)
    assert slurm.wait_job(job)["JobState"] == "COMPLETED"
    told = dict(line.split("=", 1) for line in (home / "out").read_text().splitlines())
    own = {name for name in told if not name.startswith("SLURM")}
    assert {name: told[name] for name in given} == given
    assert own <= given.keys() | {"ENVIRONMENT", "HOSTNAME", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"}


def test_export_none_breaks_what_is_started_within(slurm: SlurmCluster):
    """Steps begin without a variable, PATH too, until SLURM_EXPORT_ENV is unset."""
    home = slurm.home()
    script = """
        PATH=/usr/bin:/bin COLOUR=blue; export PATH COLOUR
        srun /bin/sh -c 'echo "<$COLOUR>"'; unset SLURM_EXPORT_ENV; srun /bin/sh -c 'echo "<$COLOUR>"'
    """
    job = slurm.submit(script, "--export=NONE", "-o", "out", home=home)
    assert slurm.wait_job(job, seconds=30)["JobState"] == "COMPLETED"
    said = (home / "out").read_text()
    assert [line for line in said.splitlines() if line.startswith("<")] == ["<>", "<blue>"], said


def test_daemon_of_a_job_outlives_it(slurm: SlurmCluster):
    """Under proctrack/linuxproc: only proctrack/cgroup would end it."""
    home = slurm.home()
    job = slurm.submit(
        "setsid sh -c 'echo $$ >pid; exec sleep 600' & while [ ! -s pid ]; do sleep 0.05; done", home=home
    )
    slurm.wait_job(job)
    process = int((home / "pid").read_text())
    os.kill(process, 0)
    os.kill(process, 9)


@pytest.mark.root
def test_user_that_the_nodes_do_not_know(slurm: SlurmCluster):
    """Accepted, never run, and requeued again and again, whatever it was submitted with."""
    done = subprocess.run(
        ["sbatch", "--parsable", "--no-requeue", "-o", "/dev/null"], input="#!/bin/sh\n", cwd="/", text=True,
        capture_output=True, check=True, user=345_678, group=345_678, extra_groups=[],
        env={"PATH": os.environ["PATH"]} | slurm.environment,
    )  # fmt: skip
    told = eventually(
        lambda: (told := slurm.job(done.stdout.strip()))["Restarts"] == "1" and told, 30, "it is not requeued"
    )
    assert (told["JobState"], told["Requeue"]) == ("PENDING", "0")
    slurm.run("scancel", done.stdout.strip())


def test_commands_wait_long_for_a_controller_that_is_gone(slurm_cluster: NewCluster):
    """For about as long as MessageTimeout says: who asks has to give up by itself."""
    cluster = slurm_cluster(1, 1, MessageTimeout=2)
    cluster.kill_controller()
    began = time.monotonic()
    said = cluster.run("squeue", "-h", check=False)
    assert said == "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
    assert time.monotonic() - began >= 1
