"""A real server whose nodes are the machines of a real Slurm; its data folder is what they share, where no other is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.server import RunningServer, running_server
from tests.support.slurm import SlurmCluster, eventually, unprivileged_user

from linarite.nodes.slurm.commands import mark_of


@contextmanager
def slurm_server(cluster: SlurmCluster, **options: Any) -> Iterator[RunningServer]:
    """A server with these settings on the cluster, which it asks often; its jobs are gone afterwards."""
    own = {"nodes_provider": "slurm", "slurm_user": unprivileged_user(), "slurm_poll": 0.5}
    shared = options.get("slurm_shared")
    with running_server(cluster.environment, **(own | options)) as server:
        try:
            yield server
        finally:
            server.process.terminate()
            server.process.wait()
            _cancel_jobs(cluster, mark_of(str(shared or server.data)))


def _cancel_jobs(cluster: SlurmCluster, mark: str) -> None:
    """Cancel a server's jobs, of those that share the cluster, and wait until none is left that has not ended."""

    def left() -> list[str]:
        lines = cluster.run("squeue", "-h", "-o", "%A|%k").splitlines()
        return [job for job, _, comment in (line.partition("|") for line in lines) if comment.startswith(mark)]

    if jobs := left():
        cluster.run("scancel", "--quiet", *jobs)
    eventually(lambda: not left(), 60, "jobs do not end")
