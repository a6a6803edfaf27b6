"""All repositories over one connection: what a unit of work is given."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from linarite.engine import ports
from linarite.store.accounts import SqlAccounts
from linarite.store.documents import SqlDocuments
from linarite.store.events import SqlEvents
from linarite.store.jobs import SqlJobs
from linarite.store.leases import SqlLeases
from linarite.store.node_tasks import SqlNodeTasks
from linarite.store.nodes import SqlNodes
from linarite.store.pools import SqlPools
from linarite.store.samples import SqlSamples
from linarite.store.schedules import SqlJobSchedules
from linarite.store.shares import Shares
from linarite.store.sweeps import SqlSweeps
from linarite.store.tasks import SqlTasks
from linarite.store.usage import SqlUsage


class SqlTransaction:
    """Implements `engine.ports.Transaction`. Serves one unit of work after another; it counts who uses shares."""

    def __init__(self, connection: Connection) -> None:
        self._accounts: ports.Accounts = SqlAccounts(connection)
        self._pools: ports.Pools = SqlPools(connection)
        self._samples: ports.Samples = SqlSamples(connection)
        self._nodes: ports.NodeRecords = SqlNodes(connection)
        self._jobs: ports.Jobs = SqlJobs(connection)
        self._schedules: ports.JobSchedules = SqlJobSchedules(connection)
        self._tasks: ports.Tasks = SqlTasks(connection)
        self._sweeps: ports.Sweeps = SqlSweeps(connection)
        self._node_tasks: ports.NodeTasks = SqlNodeTasks(connection)
        self._events: ports.Events = SqlEvents(connection)
        self._documents: ports.Documents = SqlDocuments(connection)
        self._leases: ports.Leases = SqlLeases(connection)
        self._usage: ports.UsageRecords = SqlUsage(connection)
        self._shares = Shares(connection)
        self.uses_of_shares = 0

    @property
    def accounts(self) -> ports.Accounts:
        return self._accounts

    @property
    def pools(self) -> ports.Pools:
        return self._pools

    @property
    def samples(self) -> ports.Samples:
        return self._samples

    @property
    def nodes(self) -> ports.NodeRecords:
        return self._nodes

    @property
    def jobs(self) -> ports.Jobs:
        return self._jobs

    @property
    def schedules(self) -> ports.JobSchedules:
        return self._schedules

    @property
    def tasks(self) -> ports.Tasks:
        return self._tasks

    @property
    def sweeps(self) -> ports.Sweeps:
        return self._sweeps

    @property
    def node_tasks(self) -> ports.NodeTasks:
        return self._node_tasks

    @property
    def events(self) -> ports.Events:
        return self._events

    @property
    def documents(self) -> ports.Documents:
        return self._documents

    @property
    def usage(self) -> ports.UsageRecords:
        return self._usage

    @property
    def leases(self) -> ports.Leases:
        return self._leases

    @property
    def shares(self) -> Any:  # noqa: ANN401 - its protocol is the file service's own
        self.uses_of_shares += 1
        return self._shares
