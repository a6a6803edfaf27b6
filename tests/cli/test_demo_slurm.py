"""`linarite demo --provider slurm` on a real Slurm: what it shows, what it needs said, and that nothing stays."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.demonstration import left_behind, running_demo
from tests.support.server import data_home, linarite
from tests.support.slurm import SlurmCluster, unprivileged_user

from linarite.cli.demo import cluster as demo_cluster
from linarite.cli.demo.cluster import cluster_home, find_cluster
from linarite.refusal import Refused

DEADLINE = 240.0


def options(shared: Path) -> list[str]:
    user = unprivileged_user()
    return ["--provider", "slurm", "--shared", str(shared), *(["--slurm-user", user] if user else [])]


def jobs(slurm: SlurmCluster) -> list[str]:
    """The jobs that have not ended."""
    return slurm.run("squeue", "-h").splitlines()


@pytest.mark.timeout(DEADLINE + 30)
def test_demo_runs_on_the_cluster(slurm: SlurmCluster) -> None:
    """Its tasks are Slurm jobs, which reach their files through a mounted share; no file and no job stays."""
    shared = slurm.home()
    with data_home() as home, running_demo(home, 20, *options(shared), environ=slurm.environment) as demo:
        assert demo.wait(DEADLINE) == 0, (home / "out").read_text()
        said = (home / "out").read_text()
        assert not left_behind(home)
    assert not left_behind(shared)
    assert not jobs(slurm)
    assert "4 at once on 4 machines" in said
    assert "21 tasks in" in said
    assert "each a job of Slurm's" in said
    assert '"State": "Succeeded"' in said
    assert max(len(line) for line in said.splitlines() if str(shared) not in line) <= 80


@pytest.mark.timeout(DEADLINE + 30)
def test_demo_interrupted_on_the_cluster(slurm: SlurmCluster) -> None:
    """Asked to end while its jobs run, it ends these too."""
    shared = slurm.home()
    with data_home() as home, running_demo(home, 240, *options(shared), environ=slurm.environment) as demo:
        deadline = time.monotonic() + DEADLINE
        while not any(shared.glob("linarite-demo-*/data/nodes/*/*/*/workitems/count-identifiers/job-1/*")):
            assert demo.poll() is None, (home / "out").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(DEADLINE) == 128 + signal.SIGINT
        assert not left_behind(home)
        assert "Traceback" not in (home / "out").read_text()
    assert not left_behind(shared)
    assert not jobs(slurm)


@pytest.fixture
def at(slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> SlurmCluster:
    """The cluster as this process's own, whose answers are not waited for long."""
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    monkeypatch.setattr(demo_cluster, "LATE", 0.5)
    return slurm


def refused(ask: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        ask()
    return str(caught.value)


def test_demo_without_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no command of Slurm's is found, it says where to run; where no cluster is named, by what to name one."""
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert "There is no sbatch on this machine" in refused(lambda: find_cluster(Path("/tmp"), "nobody", None))


def test_demo_where_slurm_does_not_answer(at: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_cluster, "PATIENCE", 2.0)
    shared, user = at.home(), unprivileged_user()
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "none"))
    assert f"(SLURM_CONF names {tmp_path}/none)" in refused(lambda: find_cluster(shared, user, None))
    monkeypatch.delenv("SLURM_CONF")
    assert "SLURM_CONF, which names a cluster's slurm.conf, is not set" in refused(
        lambda: find_cluster(shared, user, None)
    )


def test_demo_that_lacks_what_it_needs(at: SlurmCluster) -> None:
    """A partition, a folder, a user."""
    shared, user = at.home(), unprivileged_user()
    assert "partition none (there are: main)" in refused(lambda: find_cluster(shared, user, "none"))
    assert "name with --shared" in refused(lambda: find_cluster(shared / "none", user, None))
    assert "no user 'nobodyknows'" in refused(lambda: find_cluster(shared, "nobodyknows", None))


@pytest.mark.root
def test_demo_as_root_needs_a_user_and_a_folder(at: SlurmCluster) -> None:
    """What an ordinary user need not say; and a folder that the user cannot reach is none."""
    assert "--slurm-user" in refused(lambda: find_cluster(at.home(), None, None))
    assert "--shared" in refused(lambda: find_cluster(None, "nobody", None))
    closed = at.home(user="root")
    assert f"cannot pass through {closed}" in refused(lambda: find_cluster(closed, "nobody", None))


@pytest.mark.root
def test_demo_whose_folder_is_not_shared(at: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that cannot write where the demo reads: here for want of rights, elsewhere for want of the folder."""
    shared = at.home()
    found = find_cluster(shared, unprivileged_user(), None)
    monkeypatch.setattr(os, "chown", lambda *_, **__: None)

    def enter() -> None:
        with cluster_home(found):
            pass

    assert "share under one path" in refused(enter)
    assert not left_behind(shared)


def test_demo_on_a_cluster_that_is_full(at: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own job waits no longer than it does."""
    monkeypatch.setattr(demo_cluster, "TRIAL", 1.5)
    shared = at.home()
    found = find_cluster(shared, unprivileged_user(), None)
    other = at.submit("sleep 600", "--nodes=4", "--exclusive")
    at.wait_job(other, "RUNNING")
    try:
        with pytest.raises(Refused, match="no room now"), cluster_home(found):
            pass
        assert len(jobs(at)) == 1
    finally:
        at.cancel_all()
    assert not left_behind(shared)


def test_options_of_a_cluster_are_for_slurm() -> None:
    done = linarite("demo", "--shared", "/tmp")
    assert (done.returncode, "--provider slurm" in done.stderr) == (1, True)
