"""What becomes of a node in its pool: rebooted, reimaged, deallocated, started again, taken out.

The state tells at once what is to come; it comes when nothing runs there any more, which the caller's option hastens or
waits for. Then where the node stands is told, once, and answers (`runs.take_nodes`). Source: Batch NOTES section 6.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from linarite.engine import instances, machines, node_tasks
from linarite.engine.counting import BUSY
from linarite.engine.effects import node_ref
from linarite.engine.endings import end_task
from linarite.engine.errors import WrongState
from linarite.engine.finding import find_node
from linarite.engine.launching import Emptied
from linarite.engine.ledger import SERVING, Ledger
from linarite.engine.model import Ending, Node, NodeState, NodeTaskKind, OnRunning, PoolState

PATIENT = frozenset({OnRunning.WAIT, OnRunning.RETAIN})
USABLE = SERVING | {NodeState.START_TASK_FAILED}
"""The states in which a node may be told to do something. The reference names idle and running; tools for the service
reboot nodes whose start task failed, which is how these come back.
"""
STANDING = USABLE | {NodeState.WAITING_FOR_START_TASK, NodeState.LEAVING}
"""The states of a node whose files are there and that is asked for nothing."""
_EMPTIED = {NodeState.REBOOTING: Emptied.VOLATILE, NodeState.REIMAGING: Emptied.ALL}
_ACTIONS = {NodeState.REBOOTING: "reboot", NodeState.REIMAGING: "reimage", NodeState.DEALLOCATING: "deallocate"}


def begin(
    u: Ledger, account: str, pool_id: str, node_id: str, *, state: NodeState,
    on_running: OnRunning = OnRunning.REQUEUE,
) -> Node:  # fmt: skip
    """Reboot, reimage or deallocate a node: `state` is what it is then doing. WrongState unless it is USABLE."""
    node = usable(u, account, pool_id, node_id, _ACTIONS[state])
    return set_out(u, u.move_node(node, state), on_running)


def update(
    u: Ledger, account: str, pool_id: str, node_id: str, change: Callable[[Node, int], Node]
) -> Node:  # fmt: skip
    """Change what faces know of a node, by a function of the node and of now. WrongState unless it is USABLE."""
    return u.put_node(change(usable(u, account, pool_id, node_id, "update"), u.now))


def start(u: Ledger, account: str, pool_id: str, node_id: str) -> Node:
    """Start a node that is deallocated. WrongState for any other."""
    node = _found(u, account, pool_id, node_id, "start")
    if node.state is not NodeState.DEALLOCATED:
        raise WrongState("node", node.state.value, "start")
    node = u.move_node(node, NodeState.STARTING)
    u.provision(node)
    return u.node(node.key) or node


def usable(u: Ledger, account: str, pool_id: str, node_id: str, action: str) -> Node:
    """The node, ready for an action. WrongState unless it is in one of the states USABLE."""
    node = _found(u, account, pool_id, node_id, action)
    if node.state not in USABLE:
        raise WrongState("node", node.state.value, action)
    return node


def _found(u: Ledger, account: str, pool_id: str, node_id: str, action: str) -> Node:
    pool, node = find_node(u.tx, account, pool_id, node_id)
    if pool.state is PoolState.DELETING:
        raise WrongState("pool", pool.state.value, action)
    return u.node(node.key) or node


def leave(u: Ledger, node: Node, on_running: OnRunning) -> Node:
    """Take a node out of its pool. One that waits for its tasks already waits no more when this call does not."""
    if node.state is NodeState.LEAVING and (node.on_running not in PATIENT or on_running in PATIENT):
        return node
    if node.state is not NodeState.LEAVING:
        node = u.move_node(node, NodeState.LEAVING)
    return set_out(u, node, on_running)


def set_out(u: Ledger, node: Node, on_running: OnRunning) -> Node:
    """Have what runs on a node end as asked, and go on from there."""
    node = u.put_node(replace(node, on_running=on_running, told=False))
    if on_running not in PATIENT:
        ending = Ending.REQUEUED if on_running is OnRunning.REQUEUE else Ending.TERMINATED
        for task in instances.tasks_on(u, node):
            if task.state in BUSY:
                end_task(u, task, ending)
        end_own_tasks(u, node)
    advance(u, node)
    return u.node(node.key) or node


def end_own_tasks(u: Ledger, node: Node, *kinds: NodeTaskKind) -> None:
    """End what the service itself runs on a node, all of it or these kinds."""
    for own in u.tx.node_tasks.under_way(node.key) if node.own_tasks else ():
        if own.task_key is None and (not kinds or own.kind in kinds):
            node_tasks.end(u, own, Ending.TERMINATED)


def advance(u: Ledger, node: Node) -> None:
    """Do with a node what it set out to, if nothing runs there and nothing is kept that was to be kept."""
    if node.on_running is None or node.told or node.running_tasks:
        return
    if node.own_tasks:
        end_own_tasks(u, node, NodeTaskKind.START)  # it may run for ever, and there is no task left that it serves
        return
    if node.on_running is OnRunning.RETAIN and instances.kept_on(u, node):
        return
    if node.state is NodeState.LEAVING:
        u.drop_node(node)
        if not node.scheduling:
            machines.hold(u, node, held=False)
        return
    u.put_node(replace(node, told=True))
    tell(u, node)


def tell(u: Ledger, node: Node) -> None:
    """Tell where the node stands what is to be done there. Said again after a restart, it does no harm."""
    if node.state is NodeState.DEALLOCATING:
        u.effects.deallocate.append(node_ref(node))
    else:
        u.provision(node, _EMPTIED.get(node.state, Emptied.NOTHING))


def freed(u: Ledger, node: Node) -> None:
    """A node that was to be deallocated has no files any more; what faces knew of it went with them."""
    node = replace(node, on_running=None, told=False, facts={})
    u.move_node(node, NodeState.DEALLOCATED)


def recall(u: Ledger, node: Node) -> Node:
    """Bring a node that still waits for its tasks or their files back into service."""
    if node.state is not NodeState.LEAVING or node.on_running not in PATIENT:
        return node
    return u.move_node(replace(node, on_running=None), node.in_service)
