"""How the cluster is used: which machines a pool has, what sbatch is told, how often Slurm is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from linarite.engine.launching import Machine

_FEATURE = r"[\w.:+-]+"
_CONSTRAINT = re.compile(rf"{_FEATURE}([&|]{_FEATURE})*")


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """The machines of a pool: those of `partition` (none: the cluster's default one) that `constraint` names.

    A constraint is features with `&` and `|` between them, as sbatch reads them: from left to right. `account`, `qos`
    and `options` are what its jobs are submitted with.
    """

    partition: str | None = None
    constraint: str | None = None
    account: str | None = None
    qos: str | None = None
    options: tuple[str, ...] = ()

    def takes(self, machine: Machine, default: str | None) -> bool:
        """Whether the machine is one of them; `default` is the cluster's own partition."""
        partition = self.partition or default
        if partition is not None and partition not in machine.groups:
            return False
        return self.constraint is None or satisfies(self.constraint, machine.features)

    def words(self) -> list[str]:
        """What sbatch is told of them."""
        given = {"partition": self.partition, "account": self.account, "qos": self.qos}
        return [*(f"--{name}={value}" for name, value in given.items() if value), *self.options]


def is_constraint(text: str) -> bool:
    """Whether a constraint is of the form that is understood here."""
    return _CONSTRAINT.fullmatch(text) is not None


def satisfies(constraint: str, features: tuple[str, ...]) -> bool:
    """Whether a machine of these features satisfies a constraint, which is read from left to right."""
    words = re.split(r"([&|])", constraint)
    found = words[0] in features
    for sign, feature in zip(words[1::2], words[2::2], strict=True):
        found = found and feature in features if sign == "&" else found or feature in features
    return found


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is set for the whole cluster. `poll` is the seconds between two looks at the queue.

    `patience` is how many seconds a call to Slurm may take. `pools` and `sizes` are the places of pools by their id,
    and by the size of their nodes; `usual` is that of all others. `drains`: machines may be drained and resumed by us.
    """

    poll: float = 5.0
    patience: float = 30.0
    usual: Where = Where()
    pools: Mapping[str, Where] = {}
    sizes: Mapping[str, Where] = {}
    drains: bool = False

    def where(self, pool: str, size: str) -> Where:
        """The place of a pool. Ids and sizes are compared without regard to case."""
        by_id = {name.lower(): where for name, where in self.pools.items()}
        by_size = {name.lower(): where for name, where in self.sizes.items()}
        return by_id.get(pool.lower()) or by_size.get(size.lower()) or self.usual
