"""What may start where: nodes with room, nodes that suit, jobs that may run. All but what takes a ledger is pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from linarite.engine.endings import end_job
from linarite.engine.ledger import Ledger
from linarite.engine.model import Job, JobState, Node, NodeFill, NodeState, Placement, Pool, Task
from linarite.engine.preparation import refuses

ELIGIBLE = {NodeState.IDLE, NodeState.RUNNING}
EXPECTED = ELIGIBLE | {
    NodeState.CREATING, NodeState.STARTING, NodeState.WAITING_FOR_START_TASK, NodeState.REBOOTING, NodeState.REIMAGING,
}  # fmt: skip
"""The states of nodes that take tasks, or will by themselves."""


def free_slots(node: Node) -> int:
    """Slots that a task could use now."""
    return max(0, node.slots - node.running_slots) if is_open(node) and not node.exclusive_tasks else 0


def is_open(node: Node) -> bool:
    """Tell whether the node takes tasks, when it has room."""
    return node.takes_tasks and node.state in ELIGIBLE


def allowed(placement: Placement, node: Node) -> bool:
    """Tell whether a job may use the node at all."""
    name = node.id.lower()
    if (placement.nodes and name not in placement.nodes) or name in placement.excluded:
        return False
    return _in_groups(placement, node) and _of_size(placement, node)


def _in_groups(placement: Placement, node: Node) -> bool:
    if not placement.groups:
        return True
    own = {group.lower() for group in (*node.groups, *node.labels)}
    return bool(own & {*placement.groups}) if placement.any_group else own >= {*placement.groups}


def _of_size(placement: Placement, node: Node) -> bool:
    """Tell whether its cores and its memory are as asked; memory that is not known is taken for enough."""
    slots, memory = placement.slots_per_node, placement.memory
    if slots is not None and not slots[0] <= node.core_count <= slots[1]:
        return False
    return memory is None or not node.memory_mb or memory[0] <= node.memory_mb <= memory[1]


def suits(task: Task, node: Node) -> bool:
    """Tell whether a task may use the node, were it empty."""
    named = not task.spec.nodes or node.id.lower() in task.spec.nodes
    return named and (node.dedicated or not task.spec.dedicated_only)


def suitable(u: Ledger, pool: Pool, task: Task) -> bool:
    """Tell whether a task may use any node that the pool has or is about to have."""
    if not (task.spec.dedicated_only or task.spec.nodes):
        return True
    return any(node.state in EXPECTED and suits(task, node) for node in u.nodes_of(pool))


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
    return pick(first_in_order(placement, fit), key=free_slots)


def first_in_order(placement: Placement, nodes: Sequence[Node]) -> Sequence[Node]:
    """The nodes that are first in the order that the job asks for; all of them when it asks for none."""
    if not placement.order or not nodes:
        return nodes
    rank = min(map(placement_rank(placement), nodes))
    return [node for node in nodes if placement_rank(placement)(node) == rank]


def placement_rank(placement: Placement) -> Callable[[Node], tuple[int, ...]]:
    """What tells which of two nodes comes first."""
    signs = [(word.removeprefix("-"), 1 if word.startswith("-") else -1) for word in placement.order]
    return lambda node: tuple(sign * (node.core_count if word == "slots" else node.memory_mb) for word, sign in signs)


def has_enough(job: Job, nodes: Sequence[Node]) -> bool:
    """Tell whether there is what the job wants to have at once before it begins."""
    placement = job.spec.placement
    if job.counts.running or not (placement.min_slots or placement.min_nodes):
        return True
    empty_nodes = sum(not node.running_tasks for node in nodes)
    return sum(map(free_slots, nodes)) >= placement.min_slots and empty_nodes >= placement.min_nodes


def empty(task: Task, nodes: Iterable[Node]) -> list[Node]:
    """The nodes that a task which takes nodes for itself could have now."""
    return [node for node in nodes if free_slots(node) and not node.running_tasks and suits(task, node)]


def gather(task: Task, placement: Placement, fill: NodeFill, nodes: Iterable[Node]) -> list[Node]:
    """The nodes for a task, its own first; none when it does not fit now."""
    if task.spec.multi_instance is None:
        node = choose(task, placement, fill, nodes)
        return [] if node is None else [node]
    free = empty(task, nodes)
    if len(free) < task.spec.instances:
        return []
    free.sort(key=lambda node: node.id != task.spec.preferred_node)
    return free[: task.spec.instances]


def most_instances(u: Ledger, pool: Pool, job: Job) -> int:
    """How many nodes a task of the job may ask for here: as many as may take it some day, none in other pools."""
    if not pool.spec.inter_node or pool.spec.slots_per_node > 1:
        return 0
    placement = job.spec.placement
    nodes = [node for node in u.nodes_of(pool) if node.takes_tasks and node.state in EXPECTED]
    fit = sum(allowed(placement, node) and not refuses(u, job, node) for node in nodes)
    return min(fit, 1) if placement.single_node else fit


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
