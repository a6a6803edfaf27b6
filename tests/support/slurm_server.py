"""A real server whose nodes are the machines of a real Slurm; its data folder is what they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.server import RunningServer, running_server
from tests.support.slurm import SlurmCluster, unprivileged_user


@contextmanager
def slurm_server(cluster: SlurmCluster, **options: Any) -> Iterator[RunningServer]:
    """A server with these settings on the cluster, which it asks often; its jobs are gone afterwards."""
    own = {"nodes_provider": "slurm", "slurm_user": unprivileged_user(), "slurm_poll": 0.5}
    with running_server(cluster.environment, **(own | options)) as server:
        try:
            yield server
        finally:
            server.process.terminate()
            server.process.wait()
            cluster.cancel_all()
