"""What the engine says to nodes and what it hears back, as plain data; who says and hears it: `engine.ports.nodes`.

A *run* is one try of one task; its name is unique for ever, so that asking twice starts once.
"""

from __future__ import annotations

from enum import StrEnum

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
    `outputs` are taken away after the process ended, before that is reported. Machines that stand (`Site.standing`)
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
