"""`engine.launching.Nodes` on a Slurm cluster.

A node is a machine of the cluster, by its name: its folder stands on the shared folder, and a run of it is a Slurm job
that asks for that machine. The engine keeps its queue; Slurm is given what a node has slots for.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from linarite.engine.launching import (
    ClusterListener,
    Emptied,
    Launch,
    Machine,
    MachineState,
    NodeFreed,
    NodeOrder,
    NodeReady,
    NodeRef,
    NodeReport,
    NodeUnusable,
    NodeUse,
    Report,
    RunFailed,
    Usage,
    Watched,
)
from linarite.engine.mounting import Mount, Mountable, MountError
from linarite.engine.packages import Package
from linarite.engine.progress import Progress
from linarite.nodes.environment import stays_below
from linarite.nodes.mounts import attach
from linarite.nodes.moving.errands import Done
from linarite.nodes.moving.parcels import Parcel
from linarite.nodes.node_logs import send
from linarite.nodes.places import TRASH, Places, task_directories
from linarite.nodes.progress import watched
from linarite.nodes.slurm.commands import Host, Limits, Slurm, SlurmError
from linarite.nodes.slurm.options import Options
from linarite.nodes.slurm.porter import Porter
from linarite.nodes.slurm.runs import Runs, now
from linarite.nodes.slurm.spool import Spool
from linarite.nodes.slurm.users import Runner, Users

_FOLDER = "slurm"
_NOT_MOUNTED = "An error was encountered while configuring specified mount(s)"
_NO_ELEVATED = "Tasks of this server run on a cluster: none of them can be elevated."
_NO_USERS = "Tasks of this server run on a cluster, as the account's user there: a pool's own users have no processes."
_NO_CONTAINERS = "Tasks of this server run on a cluster: its nodes run no containers by themselves."
_DUPLICATE = "Duplicate jobid"
"""Why slurmctld drains a machine that still has a job by a number which a crash made it give out again."""

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
        self._mountable, self._ca_file, self._fetch_patience = mountable, ca_file, fetch_patience
        self._mounts: dict[str, tuple[Mount, ...]] = {}
        mark = f"linarite-{zlib.crc32(os.fsencode(self._shared)):08x}:"
        self._slurm = Slurm(options.patience, mark)
        self._porter = Porter(ca_file, fetch_patience)
        self._spools: dict[int, Spool] = {}
        self._runs: Runs | None = None
        self._listener: ClusterListener | None = None
        self._hosts: dict[str, Host] = {}
        self._limits = Limits()
        self._going: set[asyncio.Task[Any]] = set()
        self._watch: asyncio.Task[None] | None = None

    @property
    def standing(self) -> bool:
        """Nodes are the cluster's machines."""
        return True

    def may_use(self, pool: str, size: str, machine: Machine) -> bool:
        """Whether the settings give the machine to the pool."""
        return self._options.where(pool, size).takes(machine, self._limits.partition)

    # Its life.

    async def start(self, listener: ClusterListener) -> None:
        """Take up the runs that stand on the shared folder, and tell of the machines. Raises OSError."""
        self._listener = listener
        await asyncio.to_thread(self._make_folders)
        self._runs = Runs(self._slurm, self._porter, self._options, self._root_of)
        for runner in self._users.all():
            spool = self._spools[runner.uid] = Spool(f"{self._shared}/{_FOLDER}", runner)
            self._runs.restore(spool, await asyncio.to_thread(spool.open))
        try:
            self._runs.limits = self._limits = await self._slurm.limits()
            await self._look_at_hosts()
        except SlurmError as error:
            _log.error("slurm_not_reached", error=str(error))
        for account in self._places.accounts():
            self._sweep(account)
        await self._runs.start(self)
        self._watch = asyncio.create_task(self._watch_hosts())

    def _make_folders(self) -> None:
        self._places.make()
        folder = f"{self._shared}/{_FOLDER}"
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o711)  # noqa: S103 - tasks' users pass through

    async def stop(self) -> None:
        """Let go without ending any run."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._runs is not None:
            await self._runs.stop()
        for task in self._going:
            task.cancel()
        await asyncio.gather(*self._going, return_exceptions=True)
        self._porter.close()
        self._spools.clear()

    # The machines.

    async def _watch_hosts(self) -> None:
        pause = max(5.0, self._options.poll) if self._options.poll >= 1 else self._options.poll
        while True:
            await asyncio.sleep(pause)
            try:
                if self._limits.partition is None:
                    self._running.limits = self._limits = await self._slurm.limits()
                await self._look_at_hosts()
            except SlurmError as error:
                _log.warning("slurm_machines_not_seen", error=str(error))
            except Exception:  # noqa: BLE001 - the listener is another room; the next look comes soon
                _log.exception("slurm_machines_not_told")

    async def _look_at_hosts(self) -> None:
        """Tell of the machines where they are not as they were."""
        before, hosts = self._hosts, {host.machine.name: host for host in await self._slurm.hosts()}
        self._hosts = hosts
        machines = [host.machine for host in hosts.values()]
        for machine in machines:
            if machine.state is MachineState.OFFLINE and machine.reason.startswith(_DUPLICATE):
                await self._mend(machine, before)
        if machines != [host.machine for host in before.values()]:
            await self._listening.on_machines(machines)

    async def _mend(self, machine: Machine, before: Mapping[str, Host]) -> None:
        """A machine that slurmctld drained after its own crash has nothing wrong with it: say so, or set it right."""
        if self._options.drains:
            _log.warning("slurm_machine_resumed", machine=machine.name, reason=machine.reason)
            await self._slurm.drain(machine.name, drained=False)
        elif machine.name not in before or before[machine.name].machine != machine:
            _log.error(
                "slurm_machine_drained", machine=machine.name, reason=machine.reason,
                hint=f"scontrol update nodename={machine.name} state=resume",
            )  # fmt: skip

    async def hold(self, node: NodeRef, *, held: bool) -> None:
        """Drain the node's machine or resume it, where the settings let us."""
        if not self._options.drains:
            return
        try:
            await self._slurm.drain(node.node, drained=held, reason="Scheduling was disabled by a user of Linarite")
        except SlurmError as error:
            _log.warning("slurm_machine_not_held", machine=node.node, error=str(error))

    async def measure(self, nodes: Sequence[NodeRef], slot: int) -> None:
        """Tell what Slurm measured last on the machines."""
        uses = [self._use(node) for node in nodes if node.node in self._hosts]
        if len(uses) == len(nodes):
            self._later(self._listening.on_node_uses(uses, slot))

    def _use(self, node: NodeRef) -> NodeUse:
        host = self._hosts[node.node]
        disk = os.statvfs(self._shared)
        return NodeUse(
            node=node, cores=host.load, memory_bytes=host.used_bytes, read_bytes=0, write_bytes=0,
            disk_bytes=(disk.f_blocks - disk.f_bfree) * disk.f_frsize,
        )  # fmt: skip

    # Their folders.

    async def provision(self, orders: Sequence[NodeOrder]) -> None:
        """Make the nodes' folders (idempotent); answers come as node reports."""
        for order in orders:
            node, root = order.node, self._places.root(order.node)
            try:
                account = self._places.account(node)
            except OSError as error:
                self._tell_node(NodeUnusable(node=node, message=f"No folder: {error}."))
                continue
            if order.images:
                self._tell_node(NodeUnusable(node=node, message=_NO_CONTAINERS))
                continue
            self._mounts[root] = order.mounts or self._mounts.get(root, ())
            if order.emptied is Emptied.VOLATILE:
                self._remove(node, f"{root}/volatile", keep=root)
            if order.emptied is Emptied.ALL:
                self._remove(node, root, keep=account)
            if order.stands:
                self._later(self._mount_again(node))
                continue
            archives = self._archives(node, order.packages)
            self._porter.make_node(self._runner(node), root, order.packages, archives, partial(self._on_made, node))

    def _on_made(self, node: NodeRef, done: Done) -> None:
        self._later(self._tell_of_made(node, done))

    async def _tell_of_made(self, node: NodeRef, done: Done) -> None:
        if done.problem is not None:
            problem = done.problem
            code = "package-failed" if problem.code == "package-failed" else "node-unusable"
            report: NodeReport = NodeUnusable(node=node, message=problem.message, code=code, details=problem.details)
        else:
            report = await self._mounted(node) or NodeReady(node=node, memory_mb=self._memory(node))
        await self._listening.on_node_reports([report])

    def _memory(self, node: NodeRef) -> int:
        host = self._hosts.get(node.node)
        return 0 if host is None else host.machine.memory_mb

    async def _mount_again(self, node: NodeRef) -> None:
        if (broken := await self._mounted(node)) is not None:
            await self._listening.on_node_reports([broken])

    async def _mounted(self, node: NodeRef) -> NodeUnusable | None:
        """Link all that the node is to have; what cannot be is told."""
        for mount in self._mounts.get(self._places.root(node), ()):
            try:
                await self._mount(node, mount)
            except MountError as error:
                details = {"Message": str(error), "MountConfigurationPath": mount.path}
                return NodeUnusable(node=node, message=_NOT_MOUNTED, code="mount-failed", details=details)
        return None

    async def _mount(self, node: NodeRef, mount: Mount) -> None:
        if self._mountable is None:
            raise MountError("This server's nodes mount nothing.")
        folder = await self._mountable.folder(mount, node.account)
        if not folder.startswith(f"{self._shared}/"):
            raise MountError("The file shares are not on the folder that the cluster's machines share.")
        attach(
            self._places.top, self._places.below_top(node), mount.path, folder, read_only=mount.read_only,
            owner=self._places.uid(node), linked=True,
        )  # fmt: skip

    async def deallocate(self, nodes: Sequence[NodeRef]) -> None:
        """Move the nodes' folders away and remove them in the background; answers come as node reports."""
        for node in nodes:
            self._remove(node, self._places.root(node), keep=self._places.account(node), report=NodeFreed(node=node))

    async def release(self, nodes: Sequence[NodeRef]) -> None:
        """Move the nodes' folders away and remove them in the background."""
        for node in nodes:
            self._mounts.pop(self._places.root(node), None)
            self._remove(node, self._places.root(node), keep=self._places.account(node))

    async def remove_directory(self, node: NodeRef, directory: str) -> None:
        """Move the directory away, remove it in the background. Raises ValueError when it leaves the node."""
        if not stays_below(directory):
            raise ValueError(f"{directory!r} leaves the node.")
        root = self._places.root(node)
        self._remove(node, f"{root}/{directory}", keep=f"{root}/{directory.partition('/')[0]}")

    async def forget_others(self, nodes: Sequence[NodeRef]) -> None:
        """Remove, in the background, the folders of all nodes but these."""
        for uid, gone in self._places.strays({self._places.root(node) for node in nodes}):
            if (runner := self._runner_of(uid)) is not None:
                self._porter.remove(runner, gone.path, gone.trash, gone.keep, lambda _: None)

    def _remove(self, node: NodeRef, path: str, keep: str, report: NodeReport | None = None) -> None:
        def then(done: Done) -> None:
            if done.problem is not None:
                _log.warning("slurm_folder_not_removed", path=path, reason=done.problem.message)
            if report is not None:
                self._tell_node(report)

        self._porter.remove(self._runner(node), path, self._places.trash(node), keep, then)

    def _sweep(self, account: str) -> None:
        trash = f"{account}/{TRASH}"
        runner = self._runner_of(os.stat(account).st_uid)
        if runner is not None and os.path.isdir(trash) and os.listdir(trash):
            self._porter.sweep(runner, trash)

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
        self._running.end([(run, self._spool(node)) for node, run in runs], grace=grace, outputs=outputs)

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
            runner = self._runner(node)
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

    def _runner(self, node: NodeRef) -> Runner:
        return self._users.of(node.account)

    def _runner_of(self, uid: int | None) -> Runner | None:
        wanted = os.geteuid() if uid is None else uid
        return next((runner for runner in self._users.all() if runner.uid == wanted), None)

    def _spool(self, node: NodeRef) -> Spool:
        return self._spools[self._runner(node).uid]

    def _root_of(self, launch: Launch) -> tuple[str, str]:
        return self._places.root(launch.node), self._archives(launch.node, launch.packages)

    def _archives(self, node: NodeRef, packages: Sequence[Package]) -> str:
        """The folder of the account's archives, open to the user of its tasks; empty when none is needed."""
        if not packages:
            return ""
        try:
            return self._places.archives(node.account, [package.digest for package in packages])
        except OSError as error:
            _log.warning("archives_not_opened", account=node.account, error=str(error))
            return ""

    def _refuse(self, launch: Launch, code: str, message: str, *, user: bool = True) -> None:
        report = RunFailed(run=launch.run, code=code, message=message, at=now(), user=user)
        self._later(self._listening.on_reports([report]))

    def _tell_node(self, report: NodeReport) -> None:
        self._later(self._listening.on_node_reports([report]))

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
        return "user-not-found", _NO_USERS
    if launch.container is not None or launch.contained:
        return "container-pool", _NO_CONTAINERS
    return None
