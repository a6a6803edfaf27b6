"""Which runs are submitted together, and what sbatch is told of them. Source: man page sbatch(1) of Slurm 22.05."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from shlex import quote

import msgspec
from msgspec.structs import replace

from linarite.nodes.slurm.attempts import Attempt
from linarite.nodes.slurm.options import Options, Where
from linarite.nodes.slurm.spool import Bunch, Spool

BACKSTOP = 2
"""Minutes beyond the time limit of a run until Slurm ends it: the wrapper does so to the second."""


class Kind(msgspec.Struct, frozen=True):
    """What the elements of one array have in common. `minutes` is 0 without a limit.

    `token` is that of the bunch that they were written in before. `together`: they are no array, the machines are had
    at once.
    """

    uid: int
    nodes: tuple[str, ...]
    slots: int
    where: Where
    minutes: int
    token: str = ""
    together: bool = False


def kind(attempt: Attempt, options: Options) -> Kind:
    """The array that an attempt may be an element of; one that is submitted again is of its bunch."""
    launch = attempt.launch
    minutes = 0 if launch.time_limit is None else math.ceil(launch.time_limit / 60) + BACKSTOP
    return Kind(
        attempt.spool.runner.uid, (launch.node.node,), max(1, launch.slots),
        options.where(launch.node.pool, launch.size), minutes, "" if attempt.bunch is None else attempt.bunch.token,
    )  # fmt: skip


def arrays(attempts: Iterable[Attempt], options: Options, most: int) -> list[tuple[Kind, list[Attempt]]]:
    """The attempts in arrays of at most `most` elements."""
    alike: dict[Kind, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if attempt.launch.together is None:
            alike[kind(attempt, options)].append(attempt)
    return [
        (kind, several[first : first + most])
        for kind, several in alike.items()
        for first in range(0, len(several), most)
    ]


def together(attempts: Iterable[Attempt], options: Options) -> list[tuple[Kind, list[Attempt]]]:
    """The instances of tasks whose instances are all among these attempts, in their order."""
    tasks: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if attempt.launch.together is not None and not attempt.commands:
            tasks[attempt.launch.together.task].append(attempt)
    found = list[tuple[Kind, list[Attempt]]]()
    for several in tasks.values():
        several.sort(key=_instance)
        first = several[0].launch.together
        if first is not None and len(several) == first.size:
            alike = kind(several[0], options)
            nodes = tuple(one.launch.node.node for one in several)
            found.append((replace(alike, nodes=nodes, minutes=0, together=True), several))
    return found


def _instance(attempt: Attempt) -> int:
    assert attempt.launch.together is not None, "it is one of several"
    return attempt.launch.together.instance or 0


def words(kind: Kind, numbers: Iterable[int]) -> list[str]:
    """What sbatch is told. It never starts a job again by itself: a try of ours is one of Slurm's."""
    limit = [f"--time={kind.minutes}"] if kind.minutes else []
    number = len(kind.nodes)
    array = ["--ntasks-per-node=1"] if kind.together else [f"--array={spans(numbers)}"]
    return [
        "--no-requeue", "--job-name=linarite", "--output=/dev/null", "--error=/dev/null",
        "--chdir=/", f"--nodes={number}", f"--ntasks={number}", f"--cpus-per-task={kind.slots}",
        f"--nodelist={','.join(kind.nodes)}", *limit, *array, *kind.where.words(),
    ]  # fmt: skip


def spans(numbers: Iterable[int]) -> str:
    """Numbers as sbatch reads them: `0-3,7`."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def script(kind: Kind, bunch: Bunch, spool: Spool) -> str:
    """The job's own script, which Slurm keeps."""
    words = [bunch.folder, spool.state]
    if not kind.together:
        return _script("single", words)
    return _script("together", [*words, str(len(kind.nodes)), f"{bunch.folder}/{INSTANCE}"])


INSTANCE = "instance.sh"
"""The file of a bunch of several machines that each of them runs."""


def instance_script() -> bytes:
    """What INSTANCE holds: a step's part of a job of several machines."""
    return (_text("running") + _text("instance")).encode()


def _script(name: str, words: Sequence[str]) -> str:
    return f"#!/bin/sh\nset -- {' '.join(map(quote, words))}\n{_text('running')}{_text(name)}"


@cache
def _text(name: str) -> str:
    return resources.files(__package__).joinpath(f"scripts/{name}.sh").read_text()
