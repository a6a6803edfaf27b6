"""The seam to where command lines run: what the engine asks of nodes, and who hears their reports.

What is said and heard is plain data, in `engine.launching`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from linarite.engine.launching import (
    Launch,
    Machine,
    NodeOrder,
    NodeRef,
    NodeReport,
    NodeUse,
    Report,
    Usage,
    Watched,
)
from linarite.engine.progress import Progress


class Listener(Protocol):
    """Who hears the nodes' reports. A report is repeated after a restart until it was acknowledged."""

    async def on_reports(self, reports: Sequence[Report]) -> None:
        """Commit what the reports tell; when this returns, every exited, failed or lost run in it may be forgotten."""
        ...

    async def on_node_reports(self, reports: Sequence[NodeReport]) -> None:
        """Commit what became of the nodes."""
        ...


class UseListener(Listener, Protocol):
    """Who hears what the nodes' runs use as well."""

    async def on_node_uses(self, uses: Sequence[NodeUse], slot: int) -> None:
        """Commit what nodes used, for the samples of `slot`. Not repeated: what is lost is a sample."""
        ...


class ClusterListener(UseListener, Protocol):
    """Who hears of the cluster's machines as well."""

    async def on_machines(self, machines: Sequence[Machine]) -> None:
        """Commit how the machines are: all that there are, in the order in which a pool takes them."""
        ...


class Site(Protocol):
    """Of what kind the nodes are: all that the rules ask of them, and that without waiting."""

    @property
    def standing(self) -> bool:
        """Whether nodes are machines of a cluster, called by its names, where a run waits for its turn.

        They are told of by `on_machines`, for the first time before `start` returns. A run's start is then always
        reported, whether or not its launch is `announced`.
        """
        ...

    def may_use(self, pool: str, size: str, machine: Machine) -> bool:
        """Whether the pool of this id, with nodes of this size, may have the machine for a node."""
        ...


class Nodes(Site, Protocol):
    """Where command lines run. Implemented by `nodes.local` (this machine) and `nodes.slurm` (a cluster)."""

    async def hold(self, node: NodeRef, *, held: bool) -> None:
        """Ask the cluster that nothing new start on the node's machine, or that it may again; where we may ask that."""
        ...

    async def start(self, listener: ClusterListener) -> None:
        """Connect, and repeat every report that was never acknowledged."""
        ...

    async def provision(self, orders: Sequence[NodeOrder]) -> None:
        """Make the nodes (idempotent); answers come as node reports."""
        ...

    async def deallocate(self, nodes: Sequence[NodeRef]) -> None:
        """Remove the files of nodes that may be made again; answers come as node reports. Their runs have ended."""
        ...

    async def release(self, nodes: Sequence[NodeRef]) -> None:
        """Remove the nodes and their files, in the background. Their runs have ended before."""
        ...

    async def launch(self, launches: Sequence[Launch]) -> None:
        """Start each run once, whatever happens: a run that is known is not started again."""
        ...

    async def end(self, runs: Sequence[tuple[NodeRef, str]], grace: float, *, outputs: bool = False) -> None:
        """End the process groups: SIGTERM, after `grace` seconds SIGKILL (0: at once). Answers come as reports.

        `outputs`: the runs' files are taken away all the same; otherwise they are not, not even if that has begun.
        """
        ...

    async def remove_directory(self, node: NodeRef, directory: str) -> None:
        """Remove a task's directory in the background, a few files at a time."""
        ...

    async def measure(self, nodes: Sequence[NodeRef], slot: int) -> None:
        """Look at what the runs on the nodes use, for the samples of `slot`.

        The answer comes as `on_node_uses`, of all of these nodes, or not at all.
        """
        ...

    async def usages(self, runs: Sequence[tuple[NodeRef, str]]) -> dict[str, Usage]:
        """What runs that go on have used until now, by their names; what is not known soon is left out."""
        ...

    async def progress(self, runs: Sequence[Watched]) -> list[Progress | None]:
        """What each run has told last of how far it is; None when it told nothing that can be taken."""
        ...

    async def forget_others(self, nodes: Sequence[NodeRef]) -> None:
        """Remove, in the background, the folders of all nodes but these: a crash may have left some."""
        ...

    async def directories(self, node: NodeRef) -> list[str]:
        """The directories of tasks that stand on the node (`workitems/<job>/<job-n>/<task>`)."""
        ...

    async def send_logs(self, node: NodeRef, url: str, folder: str, logs: Mapping[str, bytes], since: int) -> int:
        """Send `logs`, and what the node's hosts logged after `since`, to the blob container `url` below `folder`.

        They go in the background; gives how many they are.
        """
        ...

    def root(self, node: NodeRef) -> str:
        """The folder on this machine that holds the node's files."""
        ...

    async def stop(self) -> None:
        """Let go without ending any run."""
        ...
