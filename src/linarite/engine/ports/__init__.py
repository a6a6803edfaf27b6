"""What the engine needs of its neighbours, as protocols: a store, nodes and a clock.

A unit of work is a plain function of a transaction. The store runs written units one after another, so that a rule sees
the truth and nobody else changes it meanwhile; when `write` returns, the work is on disk. A unit that raises
changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from linarite.engine.ports.jobs import Jobs, JobSchedules
from linarite.engine.ports.nodes import ClusterListener, Listener, Nodes, Site, UseListener
from linarite.engine.ports.pools import NodeRecords, Pools, Samples
from linarite.engine.ports.records import Accounts, Documents, Events, Leases, UsageRecords
from linarite.engine.ports.tasks import NodeTasks, Prepared, Sweeps, Tasks

T = TypeVar("T")

__all__ = [
    "Accounts",
    "Clock",
    "ClusterListener",
    "Documents",
    "Events",
    "JobSchedules",
    "Jobs",
    "Leases",
    "Listener",
    "NodeRecords",
    "NodeTasks",
    "Nodes",
    "Pools",
    "Prepared",
    "Samples",
    "Site",
    "Store",
    "Sweeps",
    "Tasks",
    "Transaction",
    "UsageRecords",
    "UseListener",
]


class Transaction(Protocol):
    """The repositories, all over one transaction."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def pools(self) -> Pools: ...
    @property
    def samples(self) -> Samples: ...
    @property
    def nodes(self) -> NodeRecords: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def schedules(self) -> JobSchedules: ...
    @property
    def tasks(self) -> Tasks: ...
    @property
    def sweeps(self) -> Sweeps: ...
    @property
    def node_tasks(self) -> NodeTasks: ...
    @property
    def events(self) -> Events: ...
    @property
    def documents(self) -> Documents: ...
    @property
    def usage(self) -> UsageRecords: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def shares(self) -> Any: ...  # noqa: ANN401 - `engine.sharing` states its own protocol


class Store(Protocol):
    """Durable state."""

    @property
    def shared(self) -> bool:
        """Tell whether other servers may use it at the same time."""
        ...

    def read_now(self, work: Callable[[Transaction], T]) -> T:
        """Read, blocking for some milliseconds: for what cannot wait and is seldom asked."""
        ...

    def listen(self, told: Callable[[], object]) -> Callable[[], None]:
        """Have `told` called, in any thread, whenever another server may have left orders; returns what ends that."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` alone and commit; returns its result once that is on disk. What it raises is raised, undone."""
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on a consistent view, beside the writers."""
        ...


class Clock(Protocol):
    """Time, as the engine is told it."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...
