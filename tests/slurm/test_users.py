"""Whose things are on a cluster: two users at one site, and a server that an ordinary user has started."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.batch import BatchClient, models
from tests.cli.demonstration import left_behind, running_demo
from tests.clients import test_batch_scenarios as scenarios
from tests.clients.drivers import driver
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.ordinary import ordinary, user_group
from tests.support.server import RunningServer, data_home
from tests.support.slurm import SlurmCluster, unprivileged_user
from tests.support.slurm_server import slurm_server

THEIRS = {"one": "nobody", "two": "games"}


def run(client: BatchClient, name: str, script: str) -> list[str]:
    """The lines that a task wrote."""
    command = f"/bin/sh -c '{script}'"
    client.create_task("job", models.BatchTaskCreateOptions(id=name, command_line=command))
    info = wait_task(client, "job", name).execution_info
    assert info.exit_code == 0, b"".join(client.download_task_file("job", name, "stderr.txt"))
    return b"".join(client.download_task_file("job", name, "stdout.txt")).decode().splitlines()


def owners(folder: Path) -> set[str]:
    """Whose the files below a folder are."""
    paths = [folder, *(Path(above, name) for above, folders, files in os.walk(folder) for name in folders + files)]
    return {pwd.getpwuid(path.lstat().st_uid).pw_name for path in paths}


@pytest.mark.root
def test_accounts_are_users_who_see_nothing_of_each_other(slurm: SlurmCluster) -> None:
    """Jobs, processes and files are the account's user's; the other reads neither folders, nor scripts, nor records."""
    users = json.dumps({"two": THEIRS["two"]})
    with (
        slurm_server(slurm, slurm_user=THEIRS["one"], slurm_users=users) as server,
        batch_client(server, "one") as one,
        batch_client(server, "two") as two,
    ):
        seen = {}
        for account, client in (("one", one), ("two", two)):
            make_pool(client, "pool")
            client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
            who, job_user, folder = run(client, "who", "id -un; echo $SLURM_JOB_USER; echo kept > kept; pwd")
            assert (who, job_user) == (THEIRS[account], THEIRS[account])
            assert owners(server.data / "nodes" / account) == {THEIRS[account]}
            seen[account] = Path(folder)
        for client, other in ((one, "two"), (two, "one")):
            uid = pwd.getpwnam(THEIRS[other]).pw_uid
            closed = [seen[other], seen[other] / "kept", server.data / "nodes" / other, server.data / "server"]
            closed += [server.data / f"slurm/{uid}/bunches", server.data / f"slurm/{uid}/state"]
            script = "; ".join(f"ls {path} 2>/dev/null || cat {path} 2>/dev/null || echo closed" for path in closed)
            assert run(client, "pries", script) == ["closed"] * len(closed)
            forge = f"mkdir {server.data}/slurm/{uid}/state/claims/x 2>/dev/null || echo refused"
            assert run(client, "forges", forge) == ["refused"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of the ordinary user's own."""
    with data_home() as above:
        own = above / "own"
        own.mkdir(mode=0o711)
        if (user := unprivileged_user()) is not None:
            os.chown(own, pwd.getpwnam(user).pw_uid, user_group(user))
        yield own


SCENARIOS = (
    scenarios.test_a_job_from_its_pool_to_its_output,
    scenarios.test_failures_retries_and_dependencies,
    scenarios.test_nodes_and_jobs_are_prepared,
    scenarios.test_a_task_on_several_nodes,
)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_server_of_an_ordinary_user(slurm: SlurmCluster, home: Path, tmp_path: Path) -> None:
    """Without any right it serves clients, and tasks are its own user's, which it says; so it does after a restart."""
    server = RunningServer(
        home, {"nodes_provider": "slurm", "slurm_poll": 0.5}, environ=slurm.environment, prefix=ordinary()
    )
    try:
        for number, scenario in enumerate(SCENARIOS):
            place = tmp_path / str(number)
            place.mkdir()
            with driver("azure-batch 15", server.batch, f"account{number}", place) as client:
                scenario(client)
            server.restart()
        me = unprivileged_user() or pwd.getpwuid(os.geteuid()).pw_name
        assert "some run as the server's own user" in server.log
        assert owners(home) == {me} | ({"root"} & owners(home / "server.log"))
    finally:
        server.terminate()
        slurm.cancel_all()


@pytest.mark.slow
@pytest.mark.timeout(270)
def test_demo_of_an_ordinary_user(slurm: SlurmCluster, home: Path) -> None:
    """It needs no word of who its tasks are, and leaves nothing."""
    shared = slurm.home()
    (home / "tmp").mkdir()
    (home / "tmp").chmod(0o777)
    options = ("--provider", "slurm", "--shared", str(shared))
    with running_demo(home / "tmp", 20, *options, environ=slurm.environment, prefix=ordinary()) as demo:
        assert demo.wait(240) == 0, (home / "tmp/out").read_text()
        said = (home / "tmp/out").read_text()
        assert not left_behind(home / "tmp")
    assert not left_behind(shared)
    assert "21 tasks in" in said
    assert "each a job of Slurm's" in said
