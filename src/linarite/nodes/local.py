"""Nodes that are folders of this machine, with command lines that are its processes.

Started by root, every account's tasks run as a user of their own, below hosts that have given up their privileges;
otherwise all run as the server's user. Two hosts share the nodes. See `host` for what outlives the server.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import structlog
from msgspec.structs import replace

from linarite.engine.launching import (
    Emptied,
    Launch,
    Machine,
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
from linarite.engine.ports import UseListener
from linarite.engine.progress import Progress
from linarite.nodes import machine
from linarite.nodes.channel import HostStarter
from linarite.nodes.environment import stays_below
from linarite.nodes.link import HostLink
from linarite.nodes.mounts import Owner, attach, attach_all, detach
from linarite.nodes.moving.parcels import Parcel
from linarite.nodes.node_logs import host_logs, send
from linarite.nodes.places import HostPlace, Places, task_directories
from linarite.nodes.progress import watched
from linarite.nodes.wire import LaunchRun, MakeNode, Remove, RootUse

_GREETING = 15.0
"""Seconds for which the start waits for hosts that are there already; one that is slower is heard later."""
IDLE_HOSTS = 8
"""So many hosts without runs stay, ready to start one within milliseconds; the others leave and are started again."""

_NO_CONTAINERS = ("container-pool", "The pool has no containerConfiguration, so its nodes run no containers.")
_NO_CONTAINER = ("container-missing", "Container-enabled compute node requires task container settings")

_log = structlog.get_logger(__name__)


def _sized(report: NodeReport) -> NodeReport:
    """What is told of a node that is ready, with this machine's memory and processors: each node may use all of it."""
    if not isinstance(report, NodeReady):
        return report
    return replace(report, memory_mb=machine.memory_mb(), cpu_mhz=machine.cpu_mhz())


class LocalNodes:
    """`engine.ports.Nodes` on this machine.

    `on_reports` of the listener is called in order and one at a time for each account (two at a time with elevated
    runs), but for different accounts at the same time.
    """

    def __init__(
        self,
        data: Path,
        *,
        allow_elevated: bool = False,
        uid_of: Callable[[str], int] | None = None,
        uid_of_user: Callable[[int], int] = int,
        mountable: Mountable | None = None,
        ca_file: Path | None = None,
        fetch_patience: float = 30.0,
    ) -> None:
        """Keep everything below `data`; nothing is touched before `start`.

        `uid_of` gives the user (and group) number of an account's tasks and asks for root; None runs all tasks as the
        server's user. `uid_of_user` gives that of a pool's user by their number: no two of all these are the same.
        `mountable` says where shares are; without it none is mounted. `ca_file` names certificate authorities that
        fetches trust besides the system's. `fetch_patience` is how many seconds a fetch is tried again when the other
        side fails.
        """
        self._places = Places(data, uid_of, uid_of_user)
        self._mountable = mountable
        self._mounts: dict[str, tuple[Mount, ...]] = {}
        self._allow_elevated = allow_elevated
        self._ca_file = ca_file
        self._fetch_patience = fetch_patience
        self._listener: UseListener | None = None
        self._links: dict[HostPlace, HostLink] = {}
        self._idle: dict[HostLink, None] = {}
        self._refusals: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def standing(self) -> bool:
        """Nodes are made as pools want them."""
        return False

    def may_use(self, pool: str, size: str, machine: Machine) -> bool:
        """There are no machines to choose from."""
        return False

    async def hold(self, node: NodeRef, *, held: bool) -> None:
        """Nobody else's work starts on this machine's nodes."""

    async def start(self, listener: UseListener) -> None:
        """Connect to every host that is there, or start its successor; each repeats what was not acknowledged.

        Raises OSError when the folders cannot be made.
        """
        self._listener = listener
        self._places.make()
        found = [self._link(place) for place in self._places.hosts()]
        for link in found:
            link.visit()
        for place, trash in self._places.unswept():
            self._link(place).sweep(trash)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GREETING):
                await asyncio.gather(*(link.greeted.wait() for link in found))

    async def provision(self, orders: Sequence[NodeOrder]) -> None:
        """Make the nodes (idempotent); answers come as node reports."""
        for order in orders:
            node, root = order.node, self._places.root(order.node)
            try:
                account = self._places.account(node)
            except OSError as error:
                self._report(NodeUnusable(node=node, message=f"No folder: {error}."))
                continue
            if order.mounts:
                self._mounts[root] = order.mounts
            if order.emptied is Emptied.VOLATILE:
                self._remove(node, f"{root}/volatile", keep=root)
            if order.emptied is Emptied.ALL:
                self._let_go(node)
                self._remove(node, root, keep=account)
            elif order.mounts:
                broken = await self._mount(node)  # what is launched next on a node that stands needs them
                if broken is not None and order.stands:
                    self._report(replace(broken, standing=True))
            if order.stands:
                continue
            request = MakeNode(root, order.packages, self._archives(node, order.packages), order.images)
            self._link(self._places.host(node, elevated=False)).make_node(node, request)

    async def deallocate(self, nodes: Sequence[NodeRef]) -> None:
        """Move the nodes' folders away and remove them in the background; answers come as node reports."""
        for node in nodes:
            freed = NodeFreed(node=node)
            self._let_go(node)
            self._remove(node, self._places.root(node), keep=self._places.account(node), report=freed)

    async def release(self, nodes: Sequence[NodeRef]) -> None:
        """Move the nodes' folders away at once and remove them in the background."""
        for node in nodes:
            self._let_go(node)
            self._mounts.pop(self._places.root(node), None)
            self._remove(node, self._places.root(node), keep=self._places.account(node))

    async def launch(self, launches: Sequence[Launch]) -> None:
        """Start each run once, whatever happens: a run that is known is not started again."""
        batches: dict[HostLink, list[LaunchRun]] = defaultdict(list)
        for launch in launches:
            if launch.elevated and not self._allow_elevated:
                self._refuse(launch, "not-allowed", "The settings of this server do not allow elevated tasks.")
                continue
            if launch.user is not None and not launch.user.number:
                self._refuse(launch, "user-not-found", f"The pool has no user account {launch.user.name!r}.")
                continue
            if launch.contained is not None and (launch.container is not None) is not launch.contained:
                self._refuse(launch, *(_NO_CONTAINERS if launch.container else _NO_CONTAINER))
                continue
            try:
                self._places.account(launch.node)
            except OSError as error:
                self._refuse(launch, "failed", f"The account's folder cannot be made: {error.strerror}.")
                continue
            link = self._link(self._places.host(launch.node, elevated=launch.elevated, user=launch.user))
            archives = self._archives(launch.node, launch.packages)
            batches[link].append(LaunchRun(launch, self._places.root(launch.node), archives))
        for link, batch in batches.items():
            link.launch(batch)

    async def end(self, runs: Sequence[tuple[NodeRef, str]], grace: float, *, outputs: bool = False) -> None:
        """End the process groups: SIGTERM, after `grace` seconds SIGKILL (0: at once). Answers come as reports."""
        batches: dict[HostLink, list[str]] = defaultdict(list)
        for node, run in runs:
            batches[self._holder(node, run)].append(run)
        for link, batch in batches.items():
            link.end(batch, grace, outputs=outputs)

    async def remove_directory(self, node: NodeRef, directory: str) -> None:
        """Move the directory away at once, remove it in the background. Raises ValueError when it leaves the node."""
        if not stays_below(directory):
            raise ValueError(f"{directory!r} leaves the node.")
        root = self._places.root(node)
        self._remove(node, f"{root}/{directory}", keep=f"{root}/{directory.partition('/')[0]}")

    async def forget_others(self, nodes: Sequence[NodeRef]) -> None:
        """Remove, in the background, the folders of all nodes but these."""
        for place, left in self._places.strangers({self._places.root(node) for node in nodes}):
            detach(self._places.top, left.path.removeprefix(f"{self._places.top}/"))
            self._link(place).remove(left, lambda: None)

    async def directories(self, node: NodeRef) -> list[str]:
        """The directories of tasks that stand on the node."""
        return await asyncio.to_thread(task_directories, self._places.root(node))

    async def on_reports(self, reports: Sequence[Report]) -> None:
        """Pass on what a host told."""
        await self._listening.on_reports(reports)

    async def on_node_reports(self, reports: Sequence[NodeReport]) -> None:
        """Pass on what a host told; a node is ready once what it was to have is mounted."""
        mounted = [await self._mount(report.node) if isinstance(report, NodeReady) else None for report in reports]
        told = [_sized(report) if broken is None else broken for report, broken in zip(reports, mounted, strict=True)]
        await self._listening.on_node_reports(told)

    async def _mount(self, node: NodeRef) -> NodeUnusable | None:
        """Mount all that the node is to have; what cannot be is told."""
        return await attach_all(node, self._mounts.get(self._places.root(node), ()), self._mount_one)

    async def _mount_one(self, node: NodeRef, mount: Mount) -> None:
        if self._mountable is None:
            raise MountError("This server's nodes mount nothing.")
        folder, uid = await self._mountable.folder(mount, node.account), self._places.uid(node)
        attach(
            self._places.top, self._places.below_top(node), mount.path, folder, read_only=mount.read_only,
            owner=None if uid is None else Owner(uid, uid),
        )  # fmt: skip

    def _let_go(self, node: NodeRef) -> None:
        """Before a node's files are removed: what is mounted there is not its own."""
        detach(self._places.top, self._places.below_top(node))

    async def measure(self, nodes: Sequence[NodeRef], slot: int) -> None:
        """Look at what runs on the nodes use; the answer comes as `on_node_uses`, of all of them or not at all."""
        self._later(self._measure(nodes, slot))

    async def _measure(self, nodes: Sequence[NodeRef], slot: int) -> None:
        """A look that fails, or one of a host that does not answer, gives no sample."""
        asked: dict[HostLink, list[str]] = defaultdict(list)
        for node in nodes:
            for place in self._places.of_node(node):
                if (link := self._links.get(place)) is not None:
                    asked[link].append(self._places.root(node))
        answers = await asyncio.gather(*(link.measure(roots) for link, roots in asked.items()))
        told = [answer for answer in answers if answer is not None]
        if len(told) < len(answers):
            _log.warning("nodes_not_measured", nodes=len(nodes))
            return
        of_root: dict[str, list[RootUse]] = defaultdict(list)
        for use in chain.from_iterable(told):
            of_root[use.root].append(use)
        try:
            uses = [self._use(node, of_root[self._places.root(node)]) for node in nodes]
            await self._listening.on_node_uses(uses, slot)
        except Exception:  # noqa: BLE001 - the next look comes in half a minute; a node may just have gone
            _log.exception("nodes_not_measured", nodes=len(nodes))

    def _use(self, node: NodeRef, parts: Sequence[RootUse]) -> NodeUse:
        disk = os.statvfs(self._places.root(node))
        return NodeUse(
            node=node,
            cores=sum(part.cores for part in parts),
            memory_bytes=sum(part.memory_bytes for part in parts),
            disk_bytes=(disk.f_blocks - disk.f_bfree) * disk.f_frsize,
            read_bytes=sum(part.read_bytes for part in parts),
            write_bytes=sum(part.write_bytes for part in parts),
        )

    async def usages(self, runs: Sequence[tuple[NodeRef, str]]) -> dict[str, Usage]:
        """What runs that go on have used until now, of those hosts that are there and tell it soon."""
        asked: dict[HostLink, list[str]] = defaultdict(list)
        for node, run in runs:
            for place in self._places.of_node(node):
                link = self._links.get(place)
                if link is not None and link.knows(run):
                    asked[link].append(run)
        answers = await asyncio.gather(*(link.usages(names) for link, names in asked.items()))
        return {run: usage for answer in answers for run, usage in answer.items()}

    async def send_logs(self, node: NodeRef, url: str, folder: str, logs: Mapping[str, bytes], since: int) -> int:
        """Send logs of the node's hosts and these to a blob container, in the background; gives how many they are."""
        files = {**logs, **host_logs(self._places.of_node(node), since)}
        if files:
            parcel = Parcel(url, {f"{folder}/{name}": content for name, content in files.items()})
            going = asyncio.create_task(
                send(parcel, self._places.uid(node), self._ca_file, self._fetch_patience)
            )  # fmt: skip
            self._sending.add(going)
            going.add_done_callback(self._sending.discard)
        return len(files)

    async def progress(self, runs: Sequence[Watched]) -> list[Progress | None]:
        """Look into the files that the runs were given for it."""
        return await asyncio.to_thread(lambda: [watched(self._places.root(run.node), run) for run in runs])

    def root(self, node: NodeRef) -> str:
        """The folder on this machine that holds the node's files."""
        return self._places.root(node)

    async def stop(self) -> None:
        """Let go without ending any run; logs that are still being sent stay here."""
        for going in self._sending:
            going.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await asyncio.gather(*(link.stop() for link in self._links.values()), *self._refusals)
        self._links.clear()
        self._idle.clear()

    def _archives(self, node: NodeRef, packages: Sequence[Package]) -> str:
        """The folder of the account's archives, open to the user of its tasks; empty when none is needed."""
        if not packages:
            return ""
        try:
            return self._places.archives(node.account, [package.digest for package in packages])
        except OSError as error:
            _log.warning("archives_not_opened", account=node.account, error=str(error))
            return ""

    def _link(self, place: HostPlace) -> HostLink:
        link = self._links.get(place)
        if link is None:
            starter = HostStarter(place, self._ca_file, self._fetch_patience)
            link = self._links[place] = HostLink(starter, self, self._on_idle)
        return link

    def _on_idle(self, link: HostLink) -> None:
        """Keep a few idle hosts at hand, those that were busy last; each takes 30 MB of memory."""
        self._idle.pop(link, None)
        self._idle[link] = None
        while len(self._idle) > IDLE_HOSTS:
            longest = next(iter(self._idle))
            del self._idle[longest]
            longest.let_go()

    @property
    def _listening(self) -> UseListener:
        assert self._listener is not None, "LocalNodes was not started"
        return self._listener

    def _holder(self, node: NodeRef, run: str) -> HostLink:
        """The host that has the run; the account's usual one when none is known to."""
        for place in self._places.others(node):
            other = self._links.get(place)
            if other is not None and other.knows(run):
                return other
        return self._link(self._places.host(node, elevated=False))

    def _remove(self, node: NodeRef, path: str, keep: str, report: NodeReport | None = None) -> None:
        """Have `path` moved out of the way, and then make a report."""
        trash = self._places.trash(node)

        def then() -> None:
            if report is not None:
                self._report(report)
            # The account's own host cannot remove all that elevated runs and those of users left in its folders.
            for place in self._places.others(node):
                self._link(place).sweep(trash)

        self._link(self._places.host(node, elevated=False)).remove(Remove(path, trash, keep), then)

    def _refuse(self, launch: Launch, code: str, message: str) -> None:
        user = code != "failed"
        report = RunFailed(run=launch.run, code=code, message=message, at=time.time_ns() // 1000, user=user)
        self._later(self._tell(report))

    def _report(self, report: NodeReport) -> None:
        self._later(self._listening.on_node_reports([report]))

    def _later(self, telling: Coroutine[None, None, None]) -> None:
        """Tell the listener by itself: it may be waiting for the call that we are in."""
        task = asyncio.create_task(telling)
        self._refusals.add(task)
        task.add_done_callback(self._refusals.discard)

    async def _tell(self, report: RunFailed) -> None:
        """Tell of a run that no host has heard of; if this is lost, the next launch of the run is refused again."""
        try:
            await self._listening.on_reports([report])
        except Exception:  # noqa: BLE001 - the listener is another room; its failure must not end this one
            _log.exception("reports_not_committed", reports=1)
