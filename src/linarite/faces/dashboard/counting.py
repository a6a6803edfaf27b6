"""How many accounts, pools, nodes, jobs and tasks there are: read from records that are few and from counters.

Jobs that are over are not counted: there may be any number of them, and nothing keeps that number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from linarite.engine.model import Job, JobState
from linarite.engine.ports import Transaction

OPEN = [state.value for state in JobState if state is not JobState.COMPLETED]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts by state; those of jobs and tasks are of the jobs that are not over."""

    accounts: int
    pools: dict[str, int]
    nodes: dict[str, int]
    jobs: dict[str, int]
    tasks: dict[str, int]


def totals(tx: Transaction) -> Totals:
    """Count, in one view of the store."""
    jobs = tx.jobs.in_states(OPEN)
    return Totals(
        accounts=len(tx.accounts.all()), pools=_by_state(pool.state for pool in tx.pools.all()),
        nodes=_by_state(node.state for node in tx.nodes.all()), jobs=_by_state(job.state for job in jobs),
        tasks=_tasks(jobs),
    )  # fmt: skip


def _by_state(states: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(str(state) for state in states).items()))


def _tasks(jobs: list[Job]) -> dict[str, int]:
    names = ("active", "running", "succeeded", "failed")
    return {name: sum(getattr(job.counts, name) for job in jobs) for name in names}
