"""What may start where: nodes with room, nodes that suit, jobs that may run. All but `may_start` is pure."""

from __future__ import annotations

from collections.abc import Iterable

from linarite.engine.endings import end_job
from linarite.engine.ledger import Ledger
from linarite.engine.model import Job, JobState, Node, NodeFill, NodeState, Placement, Task

ELIGIBLE = {NodeState.IDLE, NodeState.RUNNING}


def free_slots(node: Node) -> int:
    """Slots that a task could use now."""
    return max(0, node.slots - node.running_slots) if is_open(node) and not node.exclusive_tasks else 0


def is_open(node: Node) -> bool:
    """Tell whether the node takes tasks, when it has room."""
    return node.scheduling and node.state in ELIGIBLE


def allowed(placement: Placement, node: Node) -> bool:
    """Tell whether a job may use the node at all."""
    name = node.id.lower()
    return (not placement.nodes or name in placement.nodes) and name not in placement.excluded


def suits(task: Task, node: Node) -> bool:
    """Tell whether a task may use the node, were it empty."""
    return node.dedicated or not task.spec.dedicated_only


def choose(task: Task, placement: Placement, fill: NodeFill, nodes: Iterable[Node]) -> Node | None:
    """The node for a task, None when it fits on none now. A preferred node wins when it has room."""
    need, alone = task.spec.required_slots, placement.exclusive or task.spec.exclusive
    fit = [
        node for node in nodes
        if free_slots(node) >= need and not (alone and node.running_tasks) and suits(task, node)
    ]  # fmt: skip
    if not fit:
        return None
    for node in fit:
        if node.id == task.spec.preferred_node:
            return node
    pick = min if fill is NodeFill.PACK else max
    return pick(fit, key=free_slots)


def may_start(u: Ledger, job: Job) -> bool:
    """Tell whether tasks of the job could start, were there room."""
    return job.state is JobState.ACTIVE and bool(job.queued) and _parents_done(u, job)


def _parents_done(u: Ledger, job: Job) -> bool:
    for name in job.spec.parents:
        parent = u.tx.jobs.get(job.account, name)
        if parent is None:
            continue
        parent = u.known(parent)
        if parent.state is not JobState.COMPLETED:
            return False
        if job.spec.fail_with_parents and (parent.counts.failed or parent.counts.active):
            end_job(u, job, "ParentFailed")
            return False
    return True


def startable(job: Job, room: int) -> int:
    """How many tasks a job may start at most where there is so much room."""
    limit = job.spec.max_parallel_tasks
    return room if limit < 0 else min(room, limit - job.counts.running)
