"""Where a test's server has its tasks run: on this machine, or on the machines of a real Slurm."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from tests.support.server import RunningServer, running_server
from tests.support.slurm import SlurmCluster
from tests.support.slurm_server import slurm_server

LOCAL, SLURM = "local", "slurm"


class Provider:
    """Starts servers whose nodes are of one kind: a cluster's machines where there is a `cluster`."""

    def __init__(self, cluster: SlurmCluster | None = None) -> None:
        self.cluster = cluster
        self.name = LOCAL if cluster is None else SLURM

    def server(self, **options: Any) -> AbstractContextManager[RunningServer]:
        """A server with these settings for as long as the context lasts."""
        return running_server(**options) if self.cluster is None else slurm_server(self.cluster, **options)
