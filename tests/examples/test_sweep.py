"""examples/sweep.py, as people start it: 50 tasks in place of 10,000, on this machine and on a Slurm cluster."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.batch import batch_client
from tests.support.server import RunningServer
from tests.support.slurm import SlurmCluster
from tests.support.slurm_server import slurm_server

PROGRAM = Path(__file__).parents[2] / "examples" / "sweep.py"


def sweep(server: RunningServer, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, PROGRAM, "--url", server.batch, "--steps", "5000", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def exponents(folder: Path) -> dict[float, float]:
    with (folder / "sweep.csv").open(newline="") as file:
        return {float(row["r"]): float(row["lyapunov"]) for row in csv.DictReader(file)}


def check(found: dict[float, float], number: int) -> None:
    """What is known of the map: closed forms where it settles on one value or on two, and log 2 at the end."""
    assert len(found) == number
    assert (min(found), max(found)) == (2.5, 4.0)
    one = {r: math.log(abs(2 - r)) for r in found if r < 2.9}
    two = {r: math.log(abs(4 + 2 * r - r * r)) / 2 for r in found if 3.1 < r < 3.4}
    assert {r: found[r] for r in one | two} == pytest.approx(one | two, abs=2e-3)
    assert found[4.0] == pytest.approx(math.log(2), abs=0.05)


def test_sweep_on_this_machine_goes_on_where_it_was(server: RunningServer, account: str, tmp_path: Path) -> None:
    """The same job again adds what is missing, runs nothing twice, and reads all of it."""
    own = ("--account", account, "--job", "s", "--tasks", "50")
    done = sweep(server, tmp_path, *own, "--keep")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("50 tasks: 50 succeeded, 0 failed; added in ")
    check(exponents(tmp_path), 50)
    with batch_client(server, account) as client:
        began = client.get_task("s", "r7").execution_info.start_time
        assert sweep(server, tmp_path, *own, "--keep").returncode == 0
        assert client.get_task("s", "r7").execution_info.start_time == began


def test_sweep_tells_of_failures(server: RunningServer, account: str, tmp_path: Path) -> None:
    """What each says to no steps at all; which they are goes to stderr, and the exit code says that some did."""
    done = sweep(server, tmp_path, "--account", account, "--tasks", "2", "--steps", "0", "--keep")
    assert done.returncode == 1
    assert "r0 failed: exit code 3, FailureExitCode" in done.stderr
    assert done.stdout.startswith("2 tasks: 0 succeeded, 2 failed;")


def test_sweep_on_a_cluster(slurm: SlurmCluster, tmp_path: Path) -> None:
    """The same program with another address."""
    with slurm_server(slurm) as server:
        done = sweep(server, tmp_path, "--tasks", "50", "--nodes", "4", "--slots", "4")
        assert done.returncode == 0, done.stderr + server.log[-2000:]
        check(exponents(tmp_path), 50)
