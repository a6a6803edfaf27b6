"""`engine.ports.Nodes` on a Slurm cluster.

A node is a machine of the cluster, by its name: its folder stands on the shared folder, and a run of it is a Slurm job
that asks for that machine. The engine keeps its queue; Slurm is given what a node has slots for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from msgspec.structs import replace

from linarite.engine.launching import (
    Launch,
    Machine,
    NodeFreed,
    NodeOrder,
    NodeReady,
    NodeRef,
    NodeReport,
    Report,
    RunFailed,
    Usage,
    Watched,
)
from linarite.engine.mounting import Mountable
from linarite.engine.ports import ClusterListener
from linarite.engine.progress import Progress
from linarite.nodes.environment import stays_below
from linarite.nodes.moving.parcels import Parcel
from linarite.nodes.node_logs import send
from linarite.nodes.places import Places, task_directories
from linarite.nodes.progress import watched
from linarite.nodes.slurm.book import now
from linarite.nodes.slurm.commands import Slurm, mark_of
from linarite.nodes.slurm.folders import NO_CONTAINERS, Folders
from linarite.nodes.slurm.machines import Machines
from linarite.nodes.slurm.options import Options
from linarite.nodes.slurm.porter import Porter
from linarite.nodes.slurm.runs import Runs
from linarite.nodes.slurm.spool import Spool
from linarite.nodes.slurm.users import Users

_FOLDER = "slurm"
_NO_ELEVATED = "Tasks of this server run on a cluster: none of them can be elevated."
_NO_USERS = "Tasks of this server run on a cluster, as the account's user there: {!r}, a pool's own, has no processes."

_log = structlog.get_logger(__name__)


class SlurmNodes:
    """The machines of a cluster as nodes, and Slurm jobs as runs."""

    def __init__(
        self, shared: Path, data: Path, options: Options, users: Users, *, mountable: Mountable | None = None,
        ca_file: Path | None = None, fetch_patience: float = 30.0,
    ) -> None:  # fmt: skip
        """Keep the nodes' folders and what runs leave below `shared`; package archives are in the folder `data`."""
        self._shared, self._options, self._users = os.path.abspath(shared), options, users
        own = all(runner.own for runner in users.all())
        self._places = Places(
            shared, None if own else lambda account: users.of(account).uid, int,
            gid_of=None if own else lambda account: users.of(account).gid, archives=data,
        )  # fmt: skip
        self._ca_file, self._fetch_patience = ca_file, fetch_patience
        self._slurm = Slurm(options.patience, mark_of(self._shared))
        self._porter = Porter(ca_file, fetch_patience)
        self._machines = Machines(self._slurm, options, self.on_machines)
        self._folders = Folders(self._shared, self._places, users, self._porter, mountable)
        self._spools: dict[int, Spool] = {}
        self._runs: Runs | None = None
        self._listener: ClusterListener | None = None
        self._going: set[asyncio.Task[Any]] = set()

    @property
    def standing(self) -> bool:
        """Nodes are the cluster's machines."""
        return True

    def may_use(self, pool: str, size: str, machine: Machine) -> bool:
        """Whether the settings give the machine to the pool."""
        return self._machines.may_use(pool, size, machine)

    # Its life.

    async def start(self, listener: ClusterListener) -> None:
        """Take up the runs that stand on the shared folder, and tell of the machines. Raises OSError."""
        self._listener = listener
        await asyncio.to_thread(self._make_folders)
        self._runs = Runs(self._slurm, self._porter, self._options, self._root_of, self._archives_of)
        for runner in self._users.all():
            spool = self._spools[runner.uid] = Spool(f"{self._shared}/{_FOLDER}", runner)
            self._runs.restore(spool, await asyncio.to_thread(spool.open))
        await self._machines.start(self._runs.limit)
        self._folders.sweep()
        await self._runs.start(self)

    def _make_folders(self) -> None:
        self._places.make()
        folder = f"{self._shared}/{_FOLDER}"
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o711)  # noqa: S103 - tasks' users pass through

    async def stop(self) -> None:
        """Let go without ending any run."""
        await self._machines.stop()
        if self._runs is not None:
            await self._runs.stop()
        for task in self._going:
            task.cancel()
        await asyncio.gather(*self._going, return_exceptions=True)
        self._slurm.give_up()
        self._porter.close()
        self._spools.clear()

    async def on_machines(self, machines: Sequence[Machine]) -> None:
        """Pass on how the machines are."""
        await self._listening.on_machines(machines)

    async def hold(self, node: NodeRef, *, held: bool) -> None:
        """Have the node's machine drained or resumed, where the settings let us."""
        self._machines.hold(node.node, held=held)

    async def measure(self, nodes: Sequence[NodeRef], slot: int) -> None:
        """Tell what Slurm measured last on the machines."""
        uses = self._machines.uses(nodes, self._shared)
        if len(uses) == len(nodes):
            self._later(self._listening.on_node_uses(uses, slot))

    # Their folders.

    async def provision(self, orders: Sequence[NodeOrder]) -> None:
        """Make the nodes' folders (idempotent); answers come as node reports."""
        for order in orders:
            if order.stands:  # what is launched next there needs its mounts
                self._later(self._tell_of_made(order, await self._folders.make(order)))
            else:
                self._later(self._make(order))

    async def _make(self, order: NodeOrder) -> None:
        await self._tell_of_made(order, await self._folders.make(order))

    async def _tell_of_made(self, order: NodeOrder, report: NodeReport | None) -> None:
        if isinstance(report, NodeReady):
            report = replace(report, memory_mb=self._machines.memory(order.node.node))
        if report is not None:
            await self._listening.on_node_reports([report])

    async def deallocate(self, nodes: Sequence[NodeRef]) -> None:
        """Move the nodes' folders away and remove them in the background; answers come as node reports."""
        for node in nodes:
            self._folders.remove(node, then=partial(self._tell_of_freed, node))

    def _tell_of_freed(self, node: NodeRef) -> None:
        self._later(self._listening.on_node_reports([NodeFreed(node=node)]))

    async def release(self, nodes: Sequence[NodeRef]) -> None:
        """Move the nodes' folders away and remove them in the background."""
        for node in nodes:
            self._folders.remove(node)

    async def remove_directory(self, node: NodeRef, directory: str) -> None:
        """Move the directory away, remove it in the background. Raises ValueError when it leaves the node."""
        if not stays_below(directory):
            raise ValueError(f"{directory!r} leaves the node.")
        self._folders.remove_directory(node, directory)

    async def forget_others(self, nodes: Sequence[NodeRef]) -> None:
        """Remove, in the background, the folders of all nodes but these."""
        self._folders.remove_others(nodes)

    async def directories(self, node: NodeRef) -> list[str]:
        """The directories of tasks that stand on the node."""
        return await asyncio.to_thread(task_directories, self._places.root(node))

    def root(self, node: NodeRef) -> str:
        """The folder that holds the node's files: on this machine and on the cluster's by the same path."""
        return self._places.root(node)

    # Runs.

    async def launch(self, launches: Sequence[Launch]) -> None:
        """Start each run once, whatever happens: a run that is known is not started again."""
        fit = list[tuple[Launch, Spool]]()
        for launch in launches:
            try:
                self._places.account(launch.node)
            except OSError as error:
                self._refuse(launch, "failed", f"The account's folder cannot be made: {error.strerror}.", user=False)
                continue
            if (refusal := _unfit(launch)) is not None:
                self._refuse(launch, *refusal)
            else:
                fit.append((launch, self._spool(launch.node)))
        self._running.launch(fit)

    async def end(self, runs: Sequence[tuple[NodeRef, str]], grace: float, *, outputs: bool = False) -> None:
        """End runs: the session gets SIGTERM, and SIGKILL 25 seconds later (grace 0: at once)."""
        self._running.end([run for _, run in runs], grace=grace, outputs=outputs)

    async def on_reports(self, reports: Sequence[Report]) -> None:
        """Pass on what became of runs."""
        await self._listening.on_reports(reports)

    async def on_node_reports(self, reports: Sequence[NodeReport]) -> None:
        """Pass on what became of nodes."""
        await self._listening.on_node_reports(reports)

    async def usages(self, runs: Sequence[tuple[NodeRef, str]]) -> dict[str, Usage]:
        """What runs use is known when they end."""
        return {}

    async def progress(self, runs: Sequence[Watched]) -> list[Progress | None]:
        """Look into the files that the runs were given for it."""
        return await asyncio.to_thread(lambda: [watched(self._places.root(run.node), run) for run in runs])

    async def send_logs(
        self, node: NodeRef, url: str, folder: str, logs: Mapping[str, bytes], since: int
    ) -> int:  # fmt: skip
        """Send these logs to a blob container, in the background; gives how many they are."""
        if logs:
            parcel = Parcel(url, {f"{folder}/{name}": content for name, content in logs.items()})
            runner = self._users.of(node.account)
            self._later(send(parcel, None if runner.own else runner.uid, self._ca_file, self._fetch_patience))
        return len(logs)

    # Inside.

    @property
    def _listening(self) -> ClusterListener:
        assert self._listener is not None, "SlurmNodes was not started"
        return self._listener

    @property
    def _running(self) -> Runs:
        assert self._runs is not None, "SlurmNodes was not started"
        return self._runs

    def _spool(self, node: NodeRef) -> Spool:
        return self._spools[self._users.of(node.account).uid]

    def _root_of(self, launch: Launch) -> str:
        return self._places.root(launch.node)

    def _archives_of(self, launch: Launch) -> str:
        return self._folders.archives(launch.node, launch.packages)

    def _refuse(self, launch: Launch, code: str, message: str, *, user: bool = True) -> None:
        report = RunFailed(run=launch.run, code=code, message=message, at=now(), user=user)
        self._later(self._listening.on_reports([report]))

    def _later(self, telling: Coroutine[Any, Any, Any]) -> None:
        """Tell the listener by itself: it may be waiting for the call that we are in."""
        task = asyncio.create_task(_told(telling))
        self._going.add(task)
        task.add_done_callback(self._going.discard)


async def _told(telling: Coroutine[Any, Any, Any]) -> None:
    """What is lost here is asked again: a launch at the next start, a node by its housekeeping."""
    with suppress(asyncio.CancelledError):
        try:
            await telling
        except Exception:  # noqa: BLE001 - the same
            _log.exception("slurm_report_not_committed")


def _unfit(launch: Launch) -> tuple[str, str] | None:
    """Why a run cannot be one of a cluster's."""
    if launch.elevated:
        return "not-allowed", _NO_ELEVATED
    if launch.user is not None:
        return "user-not-found", _NO_USERS.format(launch.user.name)
    if launch.container is not None or launch.contained:
        return "container-pool", NO_CONTAINERS
    return None
