"""How many accounts, pools, nodes, jobs and tasks there are: read from records that are few and from counters.

Jobs that are over are not counted: there may be any number of them, and nothing keeps that number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from linarite.engine import machines
from linarite.engine.launching import MachineState
from linarite.engine.model import Job, JobState, Node
from linarite.engine.ports import Transaction

OPEN = [state.value for state in JobState if state is not JobState.COMPLETED]


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """A machine of the cluster, and how many task slots of all pools are in use there."""

    name: str
    state: MachineState
    cpus: int
    slots: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts by state; those of jobs and tasks are of the jobs that are not over. `machines` are the cluster's."""

    accounts: int
    pools: dict[str, int]
    nodes: dict[str, int]
    jobs: dict[str, int]
    tasks: dict[str, int]
    machines: list[Capacity] = []


def totals(tx: Transaction) -> Totals:
    """Count, in one view of the store."""
    jobs, nodes = tx.jobs.in_states(OPEN), tx.nodes.all()
    return Totals(
        accounts=len(tx.accounts.all()), pools=_by_state(pool.state for pool in tx.pools.all()),
        nodes=_by_state(node.state for node in nodes), jobs=_by_state(job.state for job in jobs),
        tasks=_tasks(jobs), machines=_capacity(tx, nodes),
    )  # fmt: skip


def _capacity(tx: Transaction, nodes: list[Node]) -> list[Capacity]:
    used = Counter[str]()
    for node in nodes:
        used[node.id] += node.running_slots
    return [Capacity(name=one.name, state=one.state, cpus=one.cpus, slots=used[one.name]) for one in machines.known(tx)]


def _by_state(states: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(str(state) for state in states).items()))


def _tasks(jobs: list[Job]) -> dict[str, int]:
    names = ("active", "running", "succeeded", "failed")
    return {name: sum(getattr(job.counts, name) for job in jobs) for name in names}
