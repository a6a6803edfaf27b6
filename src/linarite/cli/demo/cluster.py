"""What the demo needs of a Slurm cluster, seen before anything starts, and that nothing of it stays in the queue.

A job of the tasks' user has to write where this machine reads: that shows a shared folder as no setting does.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from linarite.engine.launching import Machine, MachineState
from linarite.nodes.access import UnreachableFolderError, check_reachable
from linarite.nodes.slurm.commands import Seen, Slurm, SlurmError, mark_of
from linarite.nodes.slurm.users import Runner, UnknownUserError, Users
from linarite.refusal import Refused

PATIENCE, TRIAL, LATE, END = 20.0, 60.0, 10.0, 60.0
"""Seconds for a call to Slurm, until the trial's job has run, until its file is seen here, until all jobs are over."""
NODES, SLOTS = 4, 4
"""The demo takes so many machines at most, and so many tasks at once on each."""
NO_SLURM = "There is no sbatch on this machine: run the demo where Slurm's commands are, such as on a login node."
ROOT_USER = "Started by root, the demo needs --slurm-user: a user of the cluster, whose the tasks are."
ROOT_SHARED = "Started by root, the demo needs --shared: a folder that the machines of the cluster share with this one."
_OVER = frozenset(
    {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY"}
)  # fmt: skip
_TRIAL = "trial"


class Cluster(msgspec.Struct, frozen=True):
    """The cluster as the demo uses it: whose its tasks are, on which machines, and where its folder is made."""

    runner: Runner
    shared: Path
    partition: str | None
    machines: tuple[Machine, ...]

    @property
    def nodes(self) -> int:
        """Nodes of the pool."""
        return min(NODES, len(self.machines))

    @property
    def slots(self) -> int:
        """Tasks at once on a node: as many as every machine has processors for."""
        return max(1, min(SLOTS, *(machine.cpus for machine in self.machines)))

    def options(self) -> list[str]:
        """What the server is told of it."""
        partition = ["--slurm-partition", self.partition] if self.partition else []
        user = [] if self.runner.own else ["--slurm-user", self.runner.name]
        return ["--nodes-provider", "slurm", "--slurm-poll", "1", *user, *partition]


def find_cluster(shared: Path | None, user: str | None, partition: str | None) -> Cluster:
    """The cluster that this machine belongs to. Raises Refused with what is missing."""
    if shutil.which("sbatch", path=_slurm(Path("/")).path) is None:
        raise Refused(NO_SLURM)
    if os.geteuid() == 0 and user is None:
        raise Refused(ROOT_USER)
    try:
        runner = Users(user, {}).usual
    except UnknownUserError as error:
        raise Refused(str(error)) from error
    return Cluster(runner, _folder(shared, runner), partition, _machines(partition))


def _slurm(home: Path) -> Slurm:
    return Slurm(PATIENCE, mark_of(str(home / "data")))


def _folder(shared: Path | None, runner: Runner) -> Path:
    if shared is None and os.geteuid() == 0:
        raise Refused(ROOT_SHARED)
    folder = Path.home() if shared is None else Path(os.path.abspath(shared))
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise Refused(f"No folder can be made in {folder}: name with --shared one that the cluster's machines share.")
    try:
        check_reachable(folder, runner.uid)
    except UnreachableFolderError as error:
        raise Refused(str(error)) from error
    return folder


def _machines(partition: str | None) -> tuple[Machine, ...]:
    slurm = _slurm(Path("/"))
    try:
        hosts, usual = asyncio.run(_asked(slurm))
    except SlurmError as error:
        told = os.environ.get("SLURM_CONF")
        where = f"SLURM_CONF names {told}" if told else "SLURM_CONF, which names a cluster's slurm.conf, is not set"
        raise Refused(f"Slurm does not answer ({where}). {error}") from error
    finally:
        slurm.close()
    wanted = partition or usual
    of_it = [machine for machine in hosts if wanted is None or wanted in machine.groups]
    found = tuple(one for one in of_it if one.state in {MachineState.IDLE, MachineState.RUNNING})
    if not found:
        groups = ", ".join(sorted({group for machine in hosts for group in machine.groups})) or "none"
        told = f"partition {wanted} (there are: {groups})" if wanted else "the cluster"
        raise Refused(f"No machine of {told} is in service: see sinfo, or name a partition with --slurm-partition.")
    return found


async def _asked(slurm: Slurm) -> tuple[list[Machine], str | None]:
    hosts = [host.machine for host in await slurm.hosts()]
    return hosts, (await slurm.limits()).partition


@contextmanager
def cluster_home(cluster: Cluster) -> Iterator[Path]:
    """A folder for the demo that a job could write in; no job of the demo is left, and no folder. Raises Refused."""
    home = Path(tempfile.mkdtemp(prefix="linarite-demo-", dir=cluster.shared))
    try:
        home.chmod(0o711)  # tasks of another user have to reach their node's folder
        _try(cluster, home)
        yield home
    finally:
        with suppress(SlurmError):
            asyncio.run(_end_jobs(cluster, home))
        shutil.rmtree(home, ignore_errors=True)


def _try(cluster: Cluster, home: Path) -> None:
    place = home / _TRIAL
    place.mkdir(0o700)
    if not cluster.runner.own:
        os.chown(place, cluster.runner.uid, cluster.runner.gid)
    asyncio.run(_run_trial(cluster, home, place))


async def _run_trial(cluster: Cluster, home: Path, place: Path) -> None:
    slurm = _slurm(home)
    partition = [f"--partition={cluster.partition}"] if cluster.partition else []
    words = ["--no-requeue", "--job-name=linarite-demo", "--output=/dev/null", "--error=/dev/null", "--chdir=/",
             "--nodes=1", "--ntasks=1", "--time=2", *partition]  # fmt: skip
    try:
        await slurm.submit(cluster.runner, _TRIAL, words, f"#!/bin/sh\n: >'{place}/written'\n")
        ended = await _written(slurm, cluster, place)
    except SlurmError as error:
        raise Refused(f"The cluster takes no job of {cluster.runner.name}: {error}") from error
    finally:
        slurm.close()
    if ended is None:
        raise Refused(
            f"A job of one processor has waited {TRIAL:.0f} s for its turn: the cluster has no room now (see squeue)."
        )
    if ended:
        raise Refused(
            f"What a job wrote to {place} on {ended} is not seen here: with --shared the demo needs a folder that this"
            " machine and the cluster's share under one path, and that the job's user may write in."
        )


async def _written(slurm: Slurm, cluster: Cluster, place: Path) -> str | None:
    """Wait for the trial's file. Gives "", or the machine where the job ended without one; None without a turn."""
    began, over = time.monotonic(), None
    while time.monotonic() < began + TRIAL:
        if os.listdir(place):
            return ""
        seen = [one for one in await slurm.queue([cluster.runner]) if one.token == _TRIAL]
        if not seen or _ended(seen[0]):
            over = over or time.monotonic()
            if time.monotonic() > over + LATE:  # a shared folder may show a new file some seconds late
                return (seen[0].node if seen else "") or "its machine"
        await asyncio.sleep(0.2)
    return None


def _ended(seen: Seen) -> bool:
    return seen.state in _OVER


async def _end_jobs(cluster: Cluster, home: Path) -> None:
    """Have Slurm end what is left of the demo's jobs, and wait for it: their folder goes next."""
    slurm, deadline = _slurm(home), time.monotonic() + END
    try:
        while left := [one.job for one in await slurm.queue([cluster.runner]) if not _ended(one)]:
            await slurm.signal(cluster.runner, left, None)
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.3)
    finally:
        slurm.close()
