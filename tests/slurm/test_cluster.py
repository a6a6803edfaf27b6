"""The tests' own Slurm: it starts, runs jobs of users, loses daemons and gets them back, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.left_out import leave_out
from tests.support.server import data_home
from tests.support.slurm import SlurmCluster, eventually, unprivileged_user

NewCluster = Callable[..., SlurmCluster]


def processes_of(folder: Path) -> list[str]:
    """The command lines of processes that name a folder, were told of it or stand in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + b"\0" + (process / "environ").read_bytes()
            stands = str((process / "cwd").readlink())
        except OSError:
            continue
        if f"{folder}/".encode() in told or f"{stands}/".startswith(f"{folder}/"):
            found.append((process / "cmdline").read_text())
    return found


def test_nodes_that_are_asked_for(slurm: SlurmCluster):
    assert slurm.nodes == ("n1", "n2", "n3", "n4")
    assert slurm.node_states().keys() == set(slurm.nodes)
    assert {line.split()[1] for line in slurm.run("sinfo", "-h", "-N", "-o", "%N %c").splitlines()} == {"4"}


def test_job_of_a_user(slurm: SlurmCluster):
    """It runs as who submitted it, in the folder that it was submitted from."""
    home = slurm.home()
    told = slurm.wait_job(slurm.submit("id -un; pwd; exit 3", "-o", "out", home=home))
    assert (told["JobState"], told["Reason"], told["ExitCode"]) == ("FAILED", "NonZeroExitCode", "3:0")
    me = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    assert (home / "out").read_text().splitlines() == [unprivileged_user() or me, str(home)]


@pytest.mark.root
def test_jobs_of_several_users(slurm: SlurmCluster):
    homes = {user: slurm.home(user) for user in ("nobody", "games")}
    jobs = [slurm.submit("id -un", "-o", "out", user=user, home=home) for user, home in homes.items()]
    assert [slurm.wait_job(job)["JobState"] for job in jobs] == ["COMPLETED", "COMPLETED"]
    assert {user: (home / "out").read_text().strip() for user, home in homes.items()} == {u: u for u in homes}


def test_array(slurm: SlurmCluster):
    home = slurm.home()
    job = slurm.submit("echo $SLURM_ARRAY_TASK_ID", "--array=0-19", "-o", "%a.out", home=home)
    eventually(lambda: len(list(home.glob("*.out"))) == 20, 30, "not all have written")
    eventually(lambda: not slurm.run("squeue", "-h", "-j", str(job)).strip(), 30, "not all have ended")
    assert sorted(int(path.read_text()) for path in home.glob("*.out")) == list(range(20))


def test_mpirun_over_two_nodes(slurm: SlurmCluster):
    if not shutil.which("mpirun"):
        leave_out("mpirun is not installed (Debian's openmpi-bin)")
    home = slurm.home()
    script = "mpirun sh -c 'echo $OMPI_COMM_WORLD_RANK $OMPI_COMM_WORLD_SIZE $SLURMD_NODENAME'"
    told = slurm.wait_job(slurm.submit(script, "-N2", "--ntasks-per-node=2", "-o", "out", home=home))
    assert told["ExitCode"] == "0:0", (home / "out").read_text()
    ranks = sorted(line.split() for line in (home / "out").read_text().splitlines())
    assert [(rank, size) for rank, size, _ in ranks] == [(str(rank), "4") for rank in range(4)]
    assert ranks[0][2] == ranks[1][2] != ranks[2][2] == ranks[3][2]


def test_drain_and_resume(slurm_cluster: NewCluster):
    """A drained node finishes what it has and takes no more until it is resumed."""
    cluster = slurm_cluster(1, 4)
    first = cluster.submit("while [ ! -e go ]; do sleep 0.1; done", home=(home := cluster.home()))
    cluster.wait_job(first, "RUNNING")
    cluster.drain("n1", "spring cleaning")
    second = cluster.submit("true")
    assert cluster.node_states() == {"n1": "draining"}
    assert "spring cleaning" in cluster.run("sinfo", "-h", "-R")
    (home / "go").touch()
    assert cluster.wait_job(first)["JobState"] == "COMPLETED"
    cluster.wait_node("n1", "drained")
    assert cluster.job(second)["JobState"] == "PENDING"
    cluster.resume("n1")
    assert cluster.wait_job(second)["JobState"] == "COMPLETED"


def test_partitions_features_and_settings(slurm_cluster: NewCluster):
    cluster = slurm_cluster(
        3, 2, partitions={"small": "n[1-2]", "large": "n3"}, MaxJobCount=77, lines=["PriorityType=priority/basic"],
        node_options={"n1": "Features=red,round", "n3": "RealMemory=64000"},
    )  # fmt: skip
    nodes = cluster.run("sinfo", "-h", "-N", "-o", "%P %N %c %m %f").splitlines()
    assert nodes == ["small* n1 2 2000 red,round", "small* n2 2 2000 (null)", "large n3 2 64000 (null)"]
    assert cluster.wait_job(cluster.submit("true", "-C", "round"))["NodeList"] == "n1"
    assert cluster.wait_job(cluster.submit("true", "-p", "large"))["NodeList"] == "n3"
    told = cluster.run("scontrol", "show", "config")
    assert "= 77" in next(line for line in told.splitlines() if line.startswith("MaxJobCount"))


@pytest.mark.parametrize("hard", [False, True])
def test_what_runs_on_a_node_that_is_killed(slurm_cluster: NewCluster, hard: bool):
    """Its jobs outlive its slurmd, but not its death."""
    cluster = slurm_cluster(2, 1)
    home = cluster.home()
    script = "echo $$ > pid; while [ ! -e go ]; do sleep 0.1; done"
    job = cluster.submit(script, "--no-requeue", "-w", "n2", home=home)
    eventually(lambda: (home / "pid").exists() and (home / "pid").read_text(), 30, "the job does not start")
    process = Path("/proc", (home / "pid").read_text().strip())
    cluster.kill_node("n2", hard=hard)
    assert bool(process.exists() and (process / "cmdline").read_bytes()) is not hard
    cluster.start_node("n2")
    (home / "go").touch()
    if not hard:  # of a job that died with its node a controller hears within a minute
        assert cluster.wait_job(job)["JobState"] == "COMPLETED"
        cluster.wait_node("n2", "idle")


def test_node_that_stays_away_is_down(slurm_cluster: NewCluster):
    cluster = slurm_cluster(2, 1, SlurmdTimeout=3, MessageTimeout=3)
    job = cluster.submit("sleep 600", "--no-requeue", "-w", "n2")
    cluster.wait_job(job, "RUNNING")
    cluster.kill_node("n2", hard=True)
    cluster.wait_node("n2", "down*")
    assert cluster.wait_job(job)["JobState"] == "NODE_FAIL"
    cluster.start_node("n2")
    cluster.wait_node("n2", "idle")


def test_controller_that_is_killed_and_comes_back(slurm_cluster: NewCluster):
    """A job that ran when it died has its true exit code afterwards."""
    cluster = slurm_cluster(1, 2)
    job = cluster.submit("while [ ! -e go ]; do sleep 0.1; done; exit 9", home=(home := cluster.home()))
    cluster.wait_job(job, "RUNNING")
    cluster.wait_saved(job)
    cluster.kill_controller()
    with pytest.raises((AssertionError, subprocess.TimeoutExpired)):
        cluster.run("squeue", seconds=1)
    (home / "go").touch()
    cluster.start_controller()
    assert cluster.wait_job(job)["ExitCode"] == "9:0"


def test_two_side_by_side(slurm: SlurmCluster, slurm_cluster: NewCluster):
    """Neither knows of the other's jobs."""
    other = slurm_cluster(1, 1)
    job = other.submit("sleep 600", "-J", "of-the-other")
    other.wait_job(job, "RUNNING")
    assert "of-the-other" in other.run("squeue", "-h", "-o", "%j")
    assert "of-the-other" not in slurm.run("squeue", "-h", "-o", "%j")


def test_nothing_is_left_behind(slurm_cluster: NewCluster):
    """Neither daemons, nor jobs, nor what these left running, nor the folder."""
    cluster = slurm_cluster(2, 2)
    home = cluster.home()
    cluster.submit("setsid sh -c 'echo $$ > pid; exec env -i sleep 600' & sleep 600", home=home)
    eventually(lambda: (home / "pid").exists() and (home / "pid").read_text(), 30, "the job does not start")
    assert len(processes_of(cluster.folder)) > 5
    cluster.stop()
    assert processes_of(cluster.folder) == []
    assert not cluster.folder.exists()


def test_it_ends_with_a_process_that_is_killed(slurm_installed: None, tmp_path: Path):
    """However the tests end, no daemon stays."""
    program = textwrap.dedent("""
        import sys, time
        from tests.support.slurm import running_slurm
        with running_slurm(1, 1) as cluster:
            cluster.submit("sleep 600")
            print(cluster.folder, flush=True)
            sys.stdin.read()
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert (folder / "slurm.conf").exists()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    eventually(lambda: not folder.exists() and not processes_of(folder), 30, "the cluster does not end")


def test_slurm_that_does_not_start_says_why(slurm_installed: None):
    """And leaves nothing either."""
    with data_home() as home:
        with pytest.raises(RuntimeError, match="NoSuchSetting"):
            SlurmCluster.start(home / "cluster", 1, 1, NoSuchSetting=1)
        assert list(home.iterdir()) == []
        assert processes_of(home) == []
