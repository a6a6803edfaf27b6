"""A real Slurm of this machine's packages on loopback, in a temporary folder, whose daemons can be killed."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")
SCRIPT = Path(__file__).with_name("slurm_cluster.sh")
COMMAND_SECONDS, WAIT_SECONDS, STOP_SECONDS = 30.0, 60.0, 60.0
PORTS = range(12_000, 32_000, 50)
"""Where clusters begin: below the ports that the kernel gives to those who ask for any."""


def missing() -> str | None:
    """What keeps Slurm from being run here."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    lacking = [name for name in ("slurmctld", "slurmd", "sbatch", "munged") if not shutil.which(name, path=path)]
    return f"Slurm is not installed (Debian's slurm-wlm and munge): no {', '.join(lacking)}" if lacking else None


def unprivileged_user() -> str | None:
    """Who submits jobs here: as root a user without rights, else (None) oneself.

    Slurm runs jobs of users that /etc/passwd knows, and of no other: those of any other uid it requeues for ever.
    """
    return "nobody" if os.geteuid() == 0 else None


def as_user(user: str | None) -> dict[str, Any]:
    """How subprocess starts a command as this user (root only), or as oneself."""
    if user is None:
        return {}
    known = pwd.getpwnam(user)
    return {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": []}


class SlurmCluster:
    """A cluster that runs. Its nodes are n1, n2, ...; `shared` is a folder that every user can pass through.

    It ends with the context, with `stop`, and by itself when this process dies in whatever way.
    """

    def __init__(
        self, folder: Path, process: subprocess.Popen[str], nodes: Sequence[str], claim: socket.socket
    ) -> None:
        self.folder, self.nodes = folder, tuple(nodes)
        self.shared = folder / "shared"
        self._process, self._claim = process, claim

    @classmethod
    def start(
        cls,
        folder: Path,
        nodes: int = 3,
        cpus: int = 4,
        *,
        node_options: Mapping[str, str] | None = None,
        partitions: Mapping[str, str] | None = None,
        lines: Sequence[str] = (),
        **settings: Any,
    ) -> Self:
        """Start in `folder`, which is empty or not there and goes with the cluster, and wait until every node is idle.

        What is above it lets every user through (munge insists). `settings` are slurm.conf's own (MaxJobCount=20,
        MinJobAge=2) and `lines` any others of it; `node_options` has words of a node's line
        ({"n1": "Features=big RealMemory=64000"}, MiB), `partitions` the nodes of each partition
        ({"main": "n[1-2]", "other": "n3"}), of which the first is the default one.
        Raises RuntimeError with what Slurm says.
        """
        port, claim = _free_ports(nodes + 1)
        of_nodes = [f"{name} {words}" for name, words in (node_options or {}).items()]
        told = {
            "SLURM_CLUSTER_SETTINGS": "\n".join([*(f"{name}={value}" for name, value in settings.items()), *lines]),
            "SLURM_CLUSTER_NODES": "\n".join(of_nodes),
            "SLURM_CLUSTER_PARTITIONS": "\n".join(_partition_lines(partitions or {})),
        }
        process = subprocess.Popen(
            [SCRIPT, "run", folder, str(port), str(nodes), str(cpus)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=_plain_environment() | told, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        said = process.stdout.readline()
        if said != "started\n":
            said += process.stdout.read()
            process.communicate()
            claim.close()
            raise RuntimeError(f"Slurm does not start:\n{said}")
        return cls(folder, process, [f"n{number}" for number in range(1, nodes + 1)], claim)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End every daemon and every job, and remove the folder. Raises RuntimeError when something stays."""
        if self._claim.fileno() == -1:
            return
        try:
            said, _ = self._process.communicate(timeout=STOP_SECONDS)
        finally:
            self._claim.close()
        if self._process.returncode:
            raise RuntimeError(f"Slurm does not stop:\n{said}")

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which Slurm's commands find this cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def log(self, daemon: str) -> str:
        """What slurmctld, munged or a node's slurmd has logged until now."""
        return (self.folder / "log" / daemon / "log").read_text(errors="replace")

    def home(self, user: str | None = None) -> Path:
        """A new folder below `shared` that is this user's own; of the unprivileged user, where none is named."""
        made = Path(tempfile.mkdtemp(prefix="home-", dir=self.shared))
        if owner := user or unprivileged_user():
            known = pwd.getpwnam(owner)
            os.chown(made, known.pw_uid, known.pw_gid)
        return made

    def run(
        self, *words: str, user: str | None = None, check: bool = True, seconds: float = COMMAND_SECONDS, **options: Any
    ) -> str:
        """What a command of Slurm's prints, as `user` where one is named (root only).

        `options` are subprocess.run's. Raises AssertionError with what it said when it fails and `check` holds,
        TimeoutExpired after `seconds`.
        """
        settings = {"cwd": "/", "env": _plain_environment() | self.environment, "stdin": subprocess.DEVNULL} | options
        if "input" in settings:
            del settings["stdin"]
        done = subprocess.run(
            words, check=False, timeout=seconds, text=True, **settings, **as_user(user),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def submit(self, script: str, *words: str, home: Path | None = None, **options: Any) -> int:
        """Submit a shell script as the unprivileged user, from a folder of its own; the job's id."""
        given = {"user": unprivileged_user(), "cwd": home or self.home()} | options
        printed = self.run("sbatch", "--parsable", *words, input=f"#!/bin/sh\n{script}\n", **given)
        return int(printed.splitlines()[-1].partition(";")[0])

    def job(self, job: int | str) -> dict[str, str]:
        """What `scontrol show job` tells of a job, or of the first of an array's, by Slurm's names."""
        return _fields(self.run("scontrol", "show", "job", "-o", str(job)).splitlines()[0])

    def wait_job(self, job: int | str, *states: str, seconds: float = WAIT_SECONDS) -> dict[str, str]:
        """Wait until a job is in one of these states, or has ended where none is named; what is told of it then."""
        wanted = states or ENDED
        return eventually(
            lambda: (told := self.job(job))["JobState"] in wanted and told,
            seconds,
            f"job {job} does not become {wanted}",
        )

    def cancel_all(self) -> None:
        """Cancel every job and wait until none is left that has not ended."""
        self.run("scancel", "--quiet", "--state=PENDING")
        self.run("scancel", "--quiet", "--state=RUNNING")
        eventually(lambda: not self.run("squeue", "-h").strip(), WAIT_SECONDS, "jobs do not end")

    def wait_saved(self, job: int) -> None:
        """Wait until slurmctld has saved what it knows of a job now: a crash does not undo it any more."""
        mark = f"saved-{time.monotonic_ns()}"
        self.run("scontrol", "update", f"jobid={job}", f"admincomment={mark}")
        saved = self.folder / "state" / "job_state"
        eventually(lambda: saved.exists() and mark.encode() in saved.read_bytes(), WAIT_SECONDS, "it is not saved")

    def node_states(self) -> dict[str, str]:
        """Every node's state as sinfo writes it (idle, mixed, allocated*, down*, drained, ...)."""
        lines = self.run("sinfo", "-h", "-N", "-o", "%N %T").splitlines()
        return dict(line.split() for line in lines)

    def wait_node(self, node: str, *states: str, seconds: float = WAIT_SECONDS) -> str:
        """Wait until a node is in one of these states; which."""
        return eventually(
            lambda: (state := self.node_states()[node]) in states and state, seconds, f"{node} does not become {states}"
        )

    def drain(self, node: str, reason: str = "a test") -> None:
        """Let no new job on a node."""
        self.run("scontrol", "update", f"nodename={node}", "state=drain", f"reason={reason}")

    def resume(self, node: str) -> None:
        """Let jobs on a node again that was drained or is down."""
        self.run("scontrol", "update", f"nodename={node}", "state=resume")

    def kill_node(self, node: str, hard: bool = False) -> None:
        """SIGKILL a node's slurmd; `hard` takes all that runs there with it, as when a machine dies."""
        self._control("kill-node", node, *(["hard"] if hard else []))

    def start_node(self, node: str) -> None:
        """Start a node's slurmd; the controller hears of it soon (`wait_node`)."""
        self._control("start-node", node)

    def kill_controller(self) -> None:
        """SIGKILL slurmctld: what it accepted within the last five seconds may be lost."""
        self._control("kill-controller")

    def start_controller(self) -> None:
        """Start slurmctld and wait until it answers."""
        self._control("start-controller")

    def _control(self, command: str, *words: str) -> None:
        self.run(str(SCRIPT), command, str(self.folder), *words, seconds=STOP_SECONDS)


ENDED = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")
"""States of Slurm's that a job does not leave."""


def eventually(ask: Callable[[], T], seconds: float, complaint: str) -> T:
    """Ask until the answer is true, and give it; a failure with the last answer after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"{complaint} within {seconds} s: {answer}"
        time.sleep(0.05)
    return answer


@contextmanager
def running_slurm(nodes: int = 3, cpus: int = 4, *, base: Path | None = None, **knobs: Any) -> Iterator[SlurmCluster]:
    """A cluster for as long as this lasts, in a folder (below `base`, if named) that every user passes through."""
    folder = Path(tempfile.mkdtemp(prefix="linarite-slurm-", dir=base))
    with SlurmCluster.start(folder, nodes, cpus, **knobs) as cluster:
        yield cluster


def _partition_lines(partitions: Mapping[str, str]) -> list[str]:
    default = next(iter(partitions), "")
    return [
        f"PartitionName={name} Nodes={nodes} Default={'YES' if name == default else 'NO'} MaxTime=INFINITE State=UP"
        for name, nodes in partitions.items()
    ]


def _free_ports(number: int) -> tuple[int, socket.socket]:
    """The first of so many free ports, and what keeps them from other clusters as long as it is open."""
    for port in random.sample(PORTS, len(PORTS)):
        claim = socket.socket(socket.AF_UNIX)
        with suppress(OSError):
            claim.bind(f"\0linarite-slurm-{port}")  # a name that is free again however its owner ends
            for each in range(port, port + number):
                socket.create_server(("127.0.0.1", each)).close()
            return port, claim
        claim.close()
    raise RuntimeError("no ports are free for a Slurm")


def _plain_environment() -> dict[str, str]:
    """This process's environment without what would lead Slurm's commands elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "SQUEUE"))}


def _fields(line: str) -> dict[str, str]:
    """The words `Name=value` of one line; a value's further words belong to it."""
    found: dict[str, str] = {}
    name = ""
    for word in line.split(" "):
        key, equals, value = word.partition("=")
        if equals and key[:1].isupper():
            name, found[key] = key, value
        elif name:
            found[name] += f" {word}"
    return {name: value.strip() for name, value in found.items()}
