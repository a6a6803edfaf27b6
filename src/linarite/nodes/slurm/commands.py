"""Calls to Slurm: each with a time-out, as the user whose runs they are about, and what their answers say.

Formats are our own (`-o`), since Slurm's JSON has another shape in each release. Source: man pages sbatch(1),
squeue(1), scancel(1), sinfo(1), scontrol(1) of Slurm 22.05; `tests/slurm` for what they do where these are silent.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import msgspec

from linarite.engine.launching import Machine, MachineState
from linarite.nodes.environment import DEFAULT_PATH
from linarite.nodes.open_files import as_given
from linarite.nodes.slurm.users import Runner

CALLS = 4
"""So many calls go on at a time, and so many of sbatch besides: it waits by itself while Slurm takes no job."""
AT_ONCE = 200
"""Jobs named in one call of scancel."""
_PASSED_ON = ("SLURM_CONF", "SLURM_JWT")
_PERMANENT = (
    "invalid partition", "invalid account", "invalid qos", "node configuration is not available", "invalid feature",
    "more processors requested", "unrecognized option", "invalid option", "invalid node name", "invalid user",
    "time limit specification", "invalid job array", "access/permission denied", "invalid --",
    "node count specification", "requested time limit is invalid", "user not permitted", "requires a",
)  # fmt: skip
"""What sbatch says of requests that no other time makes better, in lower case."""
_FULL = ("sleeping and retrying", "submitjob")
"""What it says when there is no room for so many jobs, in lower case.

The first while it waits for room by itself (MaxJobCount), the second as a part of the names of an account's and a
QOS's limits: AssocMaxSubmitJobLimit, QOSMaxSubmitJobPerUserLimit. Source: sbatch.c and slurm_errno.c of Slurm 22.05.
"""
_HEARKEN = 0.5
"""Seconds after which it is heard whether sbatch waits for room."""


class SlurmError(Exception):
    """Slurm did not do what it was asked. `permanent`: nor will it another time. `full`: it has no room for it now."""

    def __init__(self, message: str, *, permanent: bool = False, full: bool = False) -> None:
        """Keep what it said."""
        super().__init__(message)
        self.permanent, self.full = permanent, full


class Seen(msgspec.Struct, frozen=True):
    """An element of one of our arrays in Slurm's queue: `job` is what scancel calls it."""

    token: str
    number: int
    state: str
    node: str
    job: str


class Host(msgspec.Struct, frozen=True):
    """A machine, and what it is used by now: the mean number of processors at work, bytes of memory."""

    machine: Machine
    load: float
    used_bytes: int


class Limits(msgspec.Struct, frozen=True):
    """What the cluster allows: elements of an array, and its own partition."""

    array: int = 1000
    partition: str | None = None


def mark_of(shared: str) -> str:
    """What the comments of all jobs of a server begin with that works on this shared folder."""
    return f"linarite-{zlib.crc32(os.fsencode(shared)):08x}:"


class Slurm:
    """The commands of the cluster that this machine belongs to. `path` is where programs are looked for with them."""

    def __init__(self, patience: float, mark: str) -> None:
        """No call takes longer than `patience` seconds. The comments of our jobs are `mark`, then a token."""
        self._patience, self.mark = patience, mark
        self.path = _with_slurm(DEFAULT_PATH)
        self._threads = ThreadPoolExecutor(CALLS, thread_name_prefix="slurm")
        self._submitting = ThreadPoolExecutor(CALLS, thread_name_prefix="sbatch")
        self._going = set[subprocess.Popen[bytes]]()
        self.calls = 0

    async def submit(self, runner: Runner, token: str, words: Sequence[str], script: str) -> str:
        """Submit a job, which bears the token, and give its id. Raises SlurmError.

        After a time-out it may be in the queue all the same; where there is no room for it, it is not.
        """
        said = await self._call(["sbatch", "--parsable", f"--comment={self.mark}{token}", *words], runner, script)
        return said.strip().partition(";")[0]

    async def queue(self, runners: Iterable[Runner]) -> list[Seen]:
        """What is in the queue of these users' runs, finished ones too while Slurm knows them. Raises SlurmError."""
        users = ",".join(str(runner.uid) for runner in runners)
        said = await self._call(["squeue", "-h", "-r", "-t", "all", "-u", users, "-o", "%k|%K|%T|%N|%F|%A"])
        return [seen for line in said.splitlines() if (seen := _seen(line, self.mark)) is not None]

    async def shown(self) -> list[Seen]:
        """What is in the queue of our runs by another command than `queue`, and dearer. Raises SlurmError."""
        said = await self._call(["scontrol", "show", "job", "-o"])
        return [seen for line in said.splitlines() if (seen := _shown(line, self.mark)) is not None]

    async def signal(self, runner: Runner | None, jobs: Sequence[str], signal: str | None) -> None:
        """Send a signal to the scripts of jobs; none: have Slurm end them, and what they started. Raises SlurmError."""
        words = ["scancel", "--quiet"] if signal is None else ["scancel", "--quiet", "--batch", f"--signal={signal}"]
        for first in range(0, len(jobs), AT_ONCE):
            await self._call([*words, *jobs[first : first + AT_ONCE]], runner)

    async def hosts(self) -> list[Host]:
        """The machines of the cluster, each once. Raises SlurmError."""
        said = await self._call(["sinfo", "-h", "-N", "-o", "%N|%T|%P|%c|%m|%f|%O|%e|%E"])
        return _hosts(said.splitlines())

    async def limits(self) -> Limits:
        """What the cluster allows. Raises SlurmError."""
        said = await self._call(["scontrol", "show", "config"])
        partitions = await self._call(["sinfo", "-h", "-o", "%P"])
        default = next((name[:-1] for name in partitions.split() if name.endswith("*")), None)
        return Limits(_most(said), default)

    async def drain(self, node: str, *, drained: bool, reason: str = "") -> None:
        """Let a machine take nothing new, or let it again. Raises SlurmError: that takes an operator's rights."""
        how = ["state=drain", f"reason={reason}"] if drained else ["state=resume"]
        await self._call(["scontrol", "update", f"nodename={node}", *how])

    def close(self) -> None:
        """Make no call any more."""
        for threads in (self._threads, self._submitting):
            threads.shutdown(wait=False, cancel_futures=True)

    def give_up(self) -> None:
        """End the calls that go on: what they were about is not known then, as after a time-out."""
        for process in [*self._going]:
            process.kill()

    async def _call(self, words: Sequence[str], runner: Runner | None = None, given: str = "") -> str:
        loop = asyncio.get_running_loop()
        self.calls += 1
        threads = self._submitting if words[0] == "sbatch" else self._threads
        return await loop.run_in_executor(threads, self._run, words, runner, given)

    def _run(self, words: Sequence[str], runner: Runner | None, given: str) -> str:
        """The environment is exact: sbatch gives its own to the job."""
        if shutil.which(words[0], path=self.path) is None:
            raise SlurmError(f"{words[0]} cannot be run: it is in no folder of {self.path}.")
        names = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment = {"PATH": self.path, "LANG": "C.UTF-8", **names}
        as_user: dict[str, Any] = {}
        if runner is not None and not runner.own:
            as_user = {"user": runner.uid, "group": runner.gid, "extra_groups": []}
        try:
            process = subprocess.Popen(
                as_given(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment, cwd="/", **as_user,
            )  # fmt: skip
        except OSError as error:
            raise SlurmError(f"{words[0]} cannot be run: {error.strerror}.") from error
        with process:
            self._going.add(process)
            try:
                printed, said = self._heard(words[0], process, given.encode())
            finally:
                process.kill()
                self._going.discard(process)
        if process.returncode != 0:
            raise _failed(words[0], said.strip()[-500:] or f"exit code {process.returncode}")
        return printed

    def _heard(self, name: str, process: subprocess.Popen[bytes], given: bytes | None) -> tuple[str, str]:
        """What a command prints until it ends, or until it says that it waits for room. Raises SlurmError."""
        deadline = monotonic() + self._patience
        while True:
            try:
                printed, said = process.communicate(given, max(0.0, min(_HEARKEN, deadline - monotonic())))
            except subprocess.TimeoutExpired as waiting:
                given = None  # it has it
                until_now = _text(waiting.stderr)
                if _FULL[0] in until_now.lower():
                    raise _failed(name, until_now.strip()[-500:]) from None
                if monotonic() >= deadline:
                    raise SlurmError(f"{name} did not answer within {self._patience:g} s.") from None
            else:
                return _text(printed), _text(said)


def _failed(name: str, said: str) -> SlurmError:
    """What a command's complaint means."""
    plain = said.lower()
    return SlurmError(
        f"{name}: {said}", permanent=any(word in plain for word in _PERMANENT),
        full=name == "sbatch" and any(word in plain for word in _FULL),
    )  # fmt: skip


def _text(printed: bytes | None) -> str:
    return (printed or b"").decode(errors="replace")


def _most(said: str) -> int:
    """How large an array may be: as `scontrol show config` says, and a thousand at most.

    It has to leave one of MaxJobCount (tests/slurm/test_facts.py), and its numbers end before MaxArraySize.
    """
    numbers = re.findall(r"^Max(?:ArraySize|JobCount)\s*=\s*(\d+)", said, re.MULTILINE)
    return max(1, min(1000, *(int(number) - 1 for number in numbers), 1000))


def _with_slurm(path: str) -> str:
    """This PATH, with the folder of Slurm's commands first where it is another one: /opt/slurm/bin and the like."""
    found = shutil.which("sbatch")
    folder = os.path.dirname(found) if found else ""
    return path if not folder or folder in path.split(":") else f"{folder}:{path}"


def _seen(line: str, mark: str) -> Seen | None:
    """A line of squeue; None for one that is not of ours, or no such line."""
    parts = line.split("|")
    if len(parts) != 6 or not parts[0].startswith(mark):
        return None
    comment, number, state, node, array, job = parts
    element = int(number) if number.isdigit() else 0
    name = f"{array}_{number}" if number.isdigit() else job
    return Seen(comment.removeprefix(mark), element, state, node, name)


def _shown(line: str, mark: str) -> Seen | None:
    """A line of `scontrol show job`; None for one that is not of ours."""
    told = {name: value for name, _, value in (word.partition("=") for word in line.split())}
    token, number, job = told.get("Comment", ""), told.get("ArrayTaskId", ""), told.get("JobId", "")
    if not token.startswith(mark) or "JobState" not in told:
        return None
    element = int(number) if number.isdigit() else 0
    return Seen(token.removeprefix(mark), element, told["JobState"], told.get("NodeList", ""), job)


def _hosts(lines: Iterable[str]) -> list[Host]:
    """A line a machine and partition, in the order of their names."""
    found: dict[str, Host] = {}
    for line in lines:
        parts = line.split("|", 8)
        if len(parts) != 9:
            continue
        name, state, partition, cpus, memory, features, load, free, reason = parts
        group = partition.removesuffix("*")
        known = found.get(name)
        if known is not None:
            machine = msgspec.structs.replace(known.machine, groups=(*known.machine.groups, group))
            found[name] = msgspec.structs.replace(known, machine=machine)
            continue
        total = _number(memory)
        tags = () if features in {"(null)", ""} else tuple(features.split(","))
        why = "" if reason == "none" else reason
        machine = Machine(
            name=name, state=state_of(state), reason=why, cpus=int(_number(cpus)), memory_mb=int(total),
            groups=(group,), features=tags,
        )  # fmt: skip
        used = 0 if free == "N/A" else max(0, int(total - _number(free))) * 1024 * 1024
        found[name] = Host(machine, _number(load), used)
    return list(found.values())


def _number(text: str) -> float:
    try:
        return float(text.rstrip("+"))
    except ValueError:
        return 0.0


_BROKEN = frozenset({"down", "error", "fail", "failing", "future"})


def state_of(word: str) -> MachineState:
    """A node's state in Slurm's words, which may bear marks: `*` does not answer, `$` is reserved, and more.

    What is no use now and will be by itself is offline: one that starts, or that was just resumed and has not answered
    yet. If it stays silent, Slurm says soon that it is down. One that slurmctld has not heard of since its own start
    (`unknown`) is well: it was before, and what waits there need not be taken back whenever slurmctld starts.
    """
    plain = word.rstrip("*~#!%$@^-+").lower()
    if plain in {"idle", "planned", "unknown"}:
        return MachineState.OFFLINE if "*" in word else MachineState.IDLE
    if plain in {"allocated", "mixed", "completing", "reserved", "blocked"}:
        return MachineState.RUNNING
    return MachineState.UNUSABLE if plain in _BROKEN else MachineState.OFFLINE
