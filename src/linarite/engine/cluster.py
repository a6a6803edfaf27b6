"""What the news of a cluster's machines mean for the nodes that they are, and for pools that wait for machines.

A drained machine takes its node out of service until it is resumed; one that is down, or gone, makes it unusable. When
it is back, that is a boot: its start task runs again, unless it has not ended yet. What ran there is told of by runs;
what waited there for its turn, which may not come for long, is taken back to where there are others.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from linarite.engine import instances, machines, node_tasks
from linarite.engine.endings import end_task
from linarite.engine.failures import MACHINE_DOWN
from linarite.engine.launching import Machine
from linarite.engine.ledger import SERVING, Ledger
from linarite.engine.model import Ending, Failure, Node, NodeState, NodeTaskKind, Pool, TaskState
from linarite.engine.node_runs import boot
from linarite.engine.pools import settle_pool
from linarite.engine.starting import waits

MAY_FAIL = SERVING | {NodeState.WAITING_FOR_START_TASK, NodeState.START_TASK_FAILED}
"""The states of a node that its machine can take out of service: in the others it is not there, or on its way."""


def take(u: Ledger, told: Sequence[Machine]) -> None:
    """Bring how the machines are into the records; pools that wait for some get what has come."""
    machines.keep(u, told)
    by_name = {machine.name: machine for machine in told}
    pools = {pool.key: pool for pool in u.tx.pools.all()}
    for node in [u.node(each.key) or each for each in u.tx.nodes.all()]:
        _follow(u, node, by_name.get(node.id), pools[node.pool_key])
    for pool in u.tx.pools.all():  # as a node's start task may have left it
        if pool.lacking:
            settle_pool(u, pool)


def _follow(u: Ledger, node: Node, machine: Machine | None, pool: Pool) -> None:
    if machine is not None:
        node = _described(u, node, machine)
    failure = machines.failure(machine)
    if failure is not None or node.drained:
        _take_back(u, node)
    if failure is not None:
        _fail(u, node, failure)
    elif _is_down(node):
        _come_back(u, node, pool)
    elif node.state in SERVING and node.state is not node.in_service:
        u.move_node(node, node.in_service)


def _described(u: Ledger, node: Node, machine: Machine) -> Node:
    new = machines.described(node, machine)
    if new == node:
        return node
    u.effects.wake = True
    return u.put_node(new)


def _take_back(u: Ledger, node: Node) -> None:
    """Requeue the tasks that have not begun there, and end the release tasks, which jobs would wait for."""
    for task in instances.tasks_on(u, node):
        if waits(task):
            end_task(u, task, Ending.REQUEUED, grace=0)
    for own in map(u.node_task, u.tx.node_tasks.under_way(node.key) if node.own_tasks else ()):
        if own.kind is NodeTaskKind.RELEASE and waits(own):
            node_tasks.end(u, own, Ending.TERMINATED, grace=0)


def _is_down(node: Node) -> bool:
    return node.state is NodeState.UNUSABLE and node.failure is not None and node.failure.code == MACHINE_DOWN


def _fail(u: Ledger, node: Node, failure: Failure) -> None:
    if node.state in MAY_FAIL:
        u.move_node(replace(node, failure=failure), NodeState.UNUSABLE, failure.message)
    elif _is_down(node) and node.failure != failure:
        u.put_node(replace(node, failure=failure))


def _come_back(u: Ledger, node: Node, pool: Pool) -> None:
    started = [u.node_task(own) for own in u.tx.node_tasks.of_node(node.key, NodeTaskKind.START)]
    going = [own for own in started if own.state is not TaskState.COMPLETED]
    if not going:
        boot(u, node, pool)
        return
    waits = going[0].command.wait_for_success
    u.move_node(replace(node, failure=None), NodeState.WAITING_FOR_START_TASK if waits else node.in_service)


def resume(u: Ledger) -> None:
    """After a start: ask again for what was asked of machines; where there are none, nodes wait for none any more."""
    nodes = u.tx.nodes.all()
    if u.site.standing:
        for node in nodes:
            if not node.scheduling:
                machines.hold(u, node, held=True)
    elif machines.forget(u):
        for node in nodes:
            _let_go(u, u.node(node.key) or node)


def _let_go(u: Ledger, node: Node) -> None:
    """The nodes are of another kind now: what a machine told of this one counts no more."""
    new = replace(node, drained=False, cores=0, labels=(), told=node.told or _is_down(node))
    if new != node:
        new = u.put_node(new)
    if _is_down(new):
        u.provision(new)
    elif new.state in SERVING and new.state is not new.in_service:
        u.move_node(new, new.in_service)
