"""Which runs are submitted together, and what sbatch is told of them. Source: man page sbatch(1) of Slurm 22.05."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from importlib import resources
from shlex import quote

import msgspec

from linarite.nodes.slurm.attempts import Attempt
from linarite.nodes.slurm.options import Options, Where
from linarite.nodes.slurm.spool import Bunch, Spool

BACKSTOP = 2
"""Minutes beyond the time limit of a run until Slurm ends it: the wrapper does so to the second."""


class Kind(msgspec.Struct, frozen=True):
    """What the elements of one array have in common. `minutes` is 0 without a limit.

    `token` is that of the bunch that they were written in before.
    """

    uid: int
    node: str
    slots: int
    where: Where
    minutes: int
    token: str = ""


def kind(attempt: Attempt, options: Options) -> Kind:
    """The array that an attempt may be an element of; one that is submitted again is of its bunch."""
    launch = attempt.launch
    minutes = 0 if launch.time_limit is None else math.ceil(launch.time_limit / 60) + BACKSTOP
    return Kind(
        attempt.spool.runner.uid, launch.node.node, max(1, launch.slots), options.where(launch.node.pool, launch.size),
        minutes, "" if attempt.bunch is None else attempt.bunch.token,
    )  # fmt: skip


def arrays(attempts: Iterable[Attempt], options: Options, most: int) -> list[tuple[Kind, list[Attempt]]]:
    """The attempts in arrays of at most `most` elements."""
    alike: dict[Kind, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        alike[kind(attempt, options)].append(attempt)
    return [
        (kind, several[first : first + most])
        for kind, several in alike.items()
        for first in range(0, len(several), most)
    ]


def words(kind: Kind, numbers: Iterable[int]) -> list[str]:
    """What sbatch is told. It never starts a job again by itself: a try of ours is one of Slurm's."""
    limit = [f"--time={kind.minutes}"] if kind.minutes else []
    return [
        "--no-requeue", "--job-name=linarite", "--output=/dev/null", "--error=/dev/null",
        "--chdir=/", "--nodes=1", "--ntasks=1", f"--cpus-per-task={kind.slots}", f"--nodelist={kind.node}", *limit,
        f"--array={spans(numbers)}", *kind.where.words(),
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


WRAPPER = resources.files(__package__).joinpath("wrapper.sh").read_text()


def script(bunch: Bunch, spool: Spool) -> str:
    """The job's own script, which Slurm keeps: the wrapper with its words."""
    return f"#!/bin/sh\nset -- {quote(bunch.folder)} {quote(spool.state)}\n{WRAPPER}"
