"""What the engine says to nodes and what it hears back: the seam to where command lines run.

Plain data. A *run* is one try of one task; its name is unique for ever, so that asking twice starts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from linarite.engine.certificates import SmallFile
from linarite.engine.containers import Container, ContainerInfo
from linarite.engine.mounting import Mount
from linarite.engine.outputs import OutputFile
from linarite.engine.packages import Package
from linarite.engine.progress import Progress


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong: `code` is one of the engine's words (see `RunFailed`), `user` tells whose fault it is."""

    code: str
    message: str
    user: bool = True
    details: dict[str, str] = {}


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """What to bring before the command line starts: http(s) `url` to `path` below the working directory.

    With `container`, `url` is a blob container's: all blobs whose names begin with `prefix` come to their whole names
    below the folder `path`. An empty `url` is of a container that is not known. `identity` names who alone may open it.
    """

    url: str
    path: str = ""
    mode: int | None = None
    container: bool = False
    prefix: str = ""
    identity: str | None = None


class NodeRef(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node is: `account`, `pool` and `node` ids; `key` is the node's record number."""

    account: str
    pool: str
    node: str
    key: int


class MachineState(StrEnum):
    """How a machine is, by those who keep it: free, at work, taking nothing new, out of order."""

    IDLE = "idle"
    RUNNING = "running"
    OFFLINE = "offline"
    UNUSABLE = "unusable"


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that stands whether a pool has it or not, of a cluster that others keep.

    `groups` are what the cluster sorts it under (partitions), `features` what it is said to have. Memory is in MB.
    `reason` tells why it takes nothing.
    """

    name: str
    state: MachineState
    reason: str = ""
    cpus: int = 1
    memory_mb: int = 0
    groups: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


class Together(msgspec.Struct, frozen=True, kw_only=True):
    """What runs with others at once, on nodes that are had together: `task` names the run that all of them are for.

    There are `size` instances, of which this is number `instance`; None is the run of the task's own command line,
    which starts on the node of instance 0 when all of them have returned.
    """

    task: str
    size: int
    instance: int | None = None


class Emptied(StrEnum):
    """What of a node's folder goes before the node is made: nothing, what no reboot survives, or all of it."""

    NOTHING = ""
    VOLATILE = "volatile"
    ALL = "all"


class NodeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A node to make, or to make anew, with these packages, mounts, and images of containers.

    Of one that `stands` the mounts alone are made sure of, and nothing is reported.
    """

    node: NodeRef
    emptied: Emptied = Emptied.NOTHING
    packages: tuple[Package, ...] = ()
    mounts: tuple[Mount, ...] = ()
    images: tuple[Container, ...] = ()
    stands: bool = False


class RunUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user of a pool: `number` is theirs alone among all users and accounts, 0 when the pool has no such user."""

    name: str
    number: int


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a command line on a node.

    `directory` is the task's directory relative to the node's root (`workitems/<job>/job-1/<task>`): `wd/`,
    `stdout.txt` and `stderr.txt` stand in it, unless `stdout` / `stderr` name other paths (relative to the working
    directory).
    Variables that name the node's and the run's own folders are added by the host; `folders` are further ones: names to
    paths relative to the node's root. `shell` runs the line by /bin/sh -c, else it is split like argv.
    `elevated` runs with the server's privileges (only when settings allow it); otherwise a `user` is one of their own,
    where the server can give them that, in the account's group. `announced` asks for a report of the start; the end
    tells of it too. `packages` are installed first where they lack, `files` are written into the directory. With
    `stays`, a command line that exits with 0 does not end the run: that it has returned is reported, and what it left
    running lives until the run is ended.
    `fetch_into` is where fetched files go instead of the working directory (relative to the node's root).
    `keeps_output` goes on with the files of the standard streams where an earlier run in the same directory left them.
    `outputs` are taken away after the process ended, before that is reported. Machines that stand (`Nodes.standing`)
    give it `slots` processors, and end it by themselves after `time_limit` seconds; `size` is that of its pool's nodes.
    `together` is of those that run on several nodes at once. `contained` tells whether the node runs containers, where
    that has to go with whether there is a `container`. `enters` names the run that stays whose
    container the command line enters, in place of one of its own.
    """

    run: str
    node: NodeRef
    directory: str
    command: str
    shell: bool = False
    elevated: bool = False
    user: RunUser | None = None
    announced: bool = True
    environment: dict[str, str] = {}
    folders: dict[str, str] = {}
    packages: tuple[Package, ...] = ()
    container: Container | None = None
    contained: bool | None = None
    enters: str | None = None
    files: tuple[SmallFile, ...] = ()
    fetches: tuple[Fetch, ...] = ()
    fetch_into: str | None = None
    outputs: tuple[OutputFile, ...] = ()
    stays: bool = False
    keeps_output: bool = False
    slots: int = 1
    size: str = ""
    time_limit: float | None = None
    together: Together | None = None
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    working_directory: str | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a run used: CPU seconds and block operations, from the operating system's accounts."""

    user_seconds: float = 0.0
    kernel_seconds: float = 0.0
    read_operations: int = 0
    write_operations: int = 0
    peak_bytes: int = 0


class RunStarted(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """The process of `run` exists since `at` (microseconds since the epoch, UTC), in this container if in one."""

    run: str
    at: int
    container: ContainerInfo | None = None


class RunReturned(msgspec.Struct, frozen=True, kw_only=True, tag="returned"):
    """The command line of a run that stays has exited with 0 at `at`; the run goes on until it is ended."""

    run: str
    at: int
    container: ContainerInfo | None = None


class RunExited(msgspec.Struct, frozen=True, kw_only=True, tag="exited"):
    """The process ended. `code` is its exit code; 128 + N when signal N ended it, as a shell tells it.

    `at` is the end of the run: what was to be taken away has been, or `upload` tells what went wrong. Codes:
    `upload-not-found` (the container), `upload-refused`, `upload-failed`, `failed`. `progress` is what it told last.
    `overdue`: it was ended where it ran, since its time was up.
    """

    run: str
    code: int
    started_at: int
    at: int
    usage: Usage = Usage()
    upload: Problem | None = None
    progress: Progress | None = None
    container: ContainerInfo | None = None
    overdue: bool = False


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A run on a node, and its task's directory there: whoever asks how far it is names these."""

    node: NodeRef
    run: str
    directory: str


class RunFailed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The command line never ran: `code` is one of the engine's words (command-not-found, file-not-found, ...).

    Codes: `command-not-found`, `command-invalid`, `fetch-not-found`, `fetch-refused`, `fetch-timeout`, `fetch-failed`,
    `fetch-path`, `container-not-found`, `container-refused`, `container-failed` (of blobs), `package-failed`,
    `container-pool`, `container-missing`, `container-image`, `container-registry`, `container-settings` (that command
    lines run in; the last one may tell of the `container` that could not start), `disk-full`, `not-allowed`,
    `user-not-found`, `ended` (asked to end before it started), `failed`. `user` tells whose fault it is.
    """

    run: str
    code: str
    message: str
    at: int
    user: bool = True
    details: dict[str, str] = {}
    container: ContainerInfo | None = None


class RunLost(msgspec.Struct, frozen=True, kw_only=True, tag="lost"):
    """The host that held the run died; what was left of its processes has been ended. The exit code is not known.

    `with_machine`: it was not the host alone that went down.
    """

    run: str
    at: int
    with_machine: bool = False


Ended = RunExited | RunFailed | RunLost
Report = RunStarted | RunReturned | Ended


class NodeReady(msgspec.Struct, frozen=True, kw_only=True):
    """The node's folders are there and its host answers. Memory in MB and the processors' MHz; 0 is not known."""

    node: NodeRef
    memory_mb: int = 0
    cpu_mhz: int = 0


class NodeUnusable(msgspec.Struct, frozen=True, kw_only=True):
    """The node cannot be made or kept: `message` says why.

    `code` is `node-unusable`, `package-failed` or `mount-failed`; `standing` tells of a node that served until now.
    """

    node: NodeRef
    message: str
    code: str = "node-unusable"
    details: dict[str, str] = {}
    standing: bool = False


class NodeFreed(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a node that was to be deallocated are out of the way."""

    node: NodeRef


class NodeUse(msgspec.Struct, frozen=True, kw_only=True):
    """What the runs on a node use: processors on the mean since the last look, memory now.

    `read_bytes` and `write_bytes` were moved from and to disks in the last 30 seconds; `disk_bytes` are in use on the
    file system that holds the node's files.
    """

    node: NodeRef
    cores: float
    memory_bytes: int
    disk_bytes: int
    read_bytes: int
    write_bytes: int


NodeReport = NodeReady | NodeUnusable | NodeFreed


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
