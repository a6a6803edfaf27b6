"""Runs that go on, by what their use is to be added to: read of the records, for who asks the nodes about them.

What a run used is charged when it ends (`usage`); until then its node alone knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from linarite.engine.counting import BUSY
from linarite.engine.effects import node_ref, node_run_name, run_name
from linarite.engine.launching import NodeRef
from linarite.engine.model import Job, Node, NodeTask, Task
from linarite.engine.ports import Transaction


class Going(NamedTuple):
    """A run on a node, and the number of what it belongs to: a task, a job, a pool, as was asked for."""

    owner: int
    node: NodeRef
    run: str


def of_tasks(tx: Transaction, tasks: Iterable[Task], owner: int | None = None) -> list[Going]:
    """The runs of tasks, with those of their instances."""
    return [going for task in tasks for going in _of_task(tx, task, task.key if owner is None else owner)]


def of_jobs(tx: Transaction, jobs: Iterable[Job]) -> list[Going]:
    """The runs of all tasks of jobs."""
    running = (job for job in jobs if job.counts.running)
    return [going for job in running for going in of_tasks(tx, tx.tasks.running_of_job(job.key), job.key)]


def of_nodes(tx: Transaction, nodes: Sequence[Node], owner: int | None = None) -> list[Going]:
    """All runs on nodes, by their pools or for one owner; the service's own too."""
    found = []
    for node in nodes:
        number = node.pool_key if owner is None else owner
        running = tx.tasks.running_on_node(node.key) if node.running_tasks else []
        found += [Going(number, node_ref(node), run_name(task)) for task in running]
        if node.running_tasks or node.own_tasks:
            found += [_own(own, number) for own in tx.node_tasks.under_way(node.key)]
    return found


def _of_task(tx: Transaction, task: Task, owner: int) -> Iterator[Going]:
    if task.state not in BUSY or task.node_key is None:
        return
    where = NodeRef(account=task.account, pool=task.pool or "", node=task.node or "", key=task.node_key)
    yield Going(owner, where, run_name(task))
    for own in tx.node_tasks.of_task(task.key) if task.spec.multi_instance is not None else ():
        if own.state in BUSY:
            yield _own(own, owner)


def _own(own: NodeTask, owner: int) -> Going:
    where = NodeRef(account=own.account, pool=own.pool, node=own.node, key=own.node_key)
    return Going(owner, where, node_run_name(own))
