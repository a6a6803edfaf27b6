"""A job's preparation task on each node before its first task there, and its release task when the job ends.

Source: Batch NOTES section 7 (job preparation and release).
"""

from __future__ import annotations

from linarite.engine import layout, node_tasks
from linarite.engine.failures import ended_failure
from linarite.engine.ledger import Ledger
from linarite.engine.model import Ending, Job, Node, NodeState, NodeTask, NodeTaskKind, TaskState

_GONE = frozenset({
    NodeState.LEAVING, NodeState.UNUSABLE, NodeState.STARTING, NodeState.DEALLOCATING, NodeState.DEALLOCATED,
})  # fmt: skip
"""Nodes in these states have no files of the job, or will not have them any more."""


def prepare(u: Ledger, job: Job, node: Node) -> NodeTask | None:
    """See that the node is prepared; gives the preparation task that a task has to wait for, if there is one."""
    command = job.spec.preparation
    if command is None:
        return None
    own = _latest(u, job, node)
    if own is None or _is_void(own, node):
        own = node_tasks.begin(u, NodeTaskKind.PREPARATION, node, command, _directory(job, command.id), job)
    return own if command.wait_for_success and own.state is not TaskState.COMPLETED else None


def _latest(u: Ledger, job: Job, node: Node) -> NodeTask | None:
    own = u.tx.node_tasks.latest(node.key, NodeTaskKind.PREPARATION, job.key)
    return None if own is None else u.node_task(own)


def _is_void(own: NodeTask, node: Node) -> bool:
    """Tell whether it counts no more, because the node was started again since."""
    again = own.command.again_after_reboot or not node_tasks.succeeded(own)
    return again and own.state is TaskState.COMPLETED and own.created_at < node.boot_at


def refuses(u: Ledger, job: Job, node: Node) -> bool:
    """Tell whether the node takes no task of the job, because it could not be prepared."""
    if job.spec.preparation is None or not job.spec.preparation.wait_for_success:
        return False
    own = _latest(u, job, node)
    failed = own is not None and own.state is TaskState.COMPLETED and not node_tasks.succeeded(own)
    return own is not None and failed and not _is_void(own, node)


def release(u: Ledger, job: Job) -> bool:
    """Run the release task wherever the job was prepared, once; tells whether the job still has to wait."""
    if job.spec.preparation is None:
        return False
    every = [u.node_task(own) for own in u.tx.node_tasks.of_job(job.key)]
    preparing = [own for own in every if own.kind is NodeTaskKind.PREPARATION and own.state is not TaskState.COMPLETED]
    for own in preparing:
        node_tasks.end(u, own, Ending.TERMINATED)
    if preparing:
        return True
    released = {own.node_key: own for own in every if own.kind is NodeTaskKind.RELEASE}
    for node in _to_release(u, job, every, released):
        begun = _begin_release(u, job, node)
        released[node.key] = begun
    return any(own.state is not TaskState.COMPLETED for own in released.values())


def _to_release(u: Ledger, job: Job, every: list[NodeTask], released: dict[int, NodeTask]) -> list[Node]:
    """The nodes that were prepared and are still there, without those that were released.

    Where nothing new starts for as long as somebody likes, the job does without.
    """
    if job.spec.release is None:
        return []
    keys = {own.node_key for own in every if own.kind is NodeTaskKind.PREPARATION} - released.keys()
    nodes = [node for key in sorted(keys) if (node := u.node(key)) is not None]
    return [node for node in nodes if node.state not in _GONE and not (node.told or node.drained)]


def _begin_release(u: Ledger, job: Job, node: Node) -> NodeTask:
    command = job.spec.release
    assert command is not None, "see _to_release"
    return node_tasks.begin(u, NodeTaskKind.RELEASE, node, command, _directory(job, command.id), job)


def _directory(job: Job, id: str) -> str:
    return layout.task_directory(job.spec.id, id)


def forget(u: Ledger, job: Job) -> None:
    """Take out all that the job ran on nodes, with its directories."""
    for own in u.tx.node_tasks.of_job(job.key) if job.spec.preparation else ():
        node_tasks.remove(u, u.node_task(own))


def let_go(u: Ledger, job: Job) -> None:
    """End what the job runs on nodes, and wait for none of it."""
    every = [u.node_task(own) for own in u.tx.node_tasks.of_job(job.key)] if job.spec.preparation else []
    for own in every:
        if own.state is not TaskState.COMPLETED:
            u.end_node_task(own, 0)
            node_tasks.complete(u, own, failure=ended_failure(Ending.TERMINATED, None))
