"""The machines of a cluster that others keep, as the records know them: which a pool takes, and in which order.

They are a document of the store, so that every server and face can read it. Who schedules keeps it (`cluster`), and
only where nodes are such machines (`Site.standing`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from linarite.engine.effects import node_ref
from linarite.engine.failures import machine_failure
from linarite.engine.launching import Machine, MachineState
from linarite.engine.ledger import Ledger
from linarite.engine.model import Failure, Node, Pool
from linarite.engine.ports import Transaction

KIND, ALL = "machines", "all"
SERVING = frozenset({MachineState.IDLE, MachineState.RUNNING})
GONE = "The machine is not one of the cluster's any more."


def known(tx: Transaction) -> list[Machine]:
    """All machines, in the order in which pools take them; none where nodes are made as pools want them."""
    return msgspec.convert(_document(tx) or [], list[Machine])


def _document(tx: Transaction) -> Any | None:  # noqa: ANN401 - plain data
    return tx.documents.get(KIND, ALL, 0)


def keep(u: Ledger, machines: Sequence[Machine]) -> None:
    """Write down how they are, if that is another than it was."""
    if _document(u.tx) is None or list(machines) != known(u.tx):
        u.tx.documents.put(KIND, ALL, msgspec.to_builtins(list(machines)))


def forget(u: Ledger) -> bool:
    """Let go what is known of machines; tells whether there was anything."""
    found = _document(u.tx) is not None
    if found:
        u.tx.documents.delete(KIND, ALL)
    return found


def vacant(u: Ledger, pool: Pool, number: int) -> list[Machine]:
    """So many machines at most that the pool may use and has not: first those that serve, of these who serve it alone.

    Pools share machines: the cluster sees to it that they get along, yet two of them do best on different ones.
    """
    own = {node.id.lower() for node in u.nodes_of(pool)}
    shared = Counter(node.id for node in u.tx.nodes.all())
    found: dict[str, Machine] = {}
    for machine in known(u.tx):
        name = machine.name.lower()
        if name not in own and u.site.may_use(pool.spec.id, pool.spec.size, machine):
            found.setdefault(name, machine)
    best = sorted(found.values(), key=lambda one: (one.state not in SERVING, shared[one.name]))
    return best[:number]


def described(node: Node, machine: Machine) -> Node:
    """The node with what the cluster tells of its machine."""
    return replace(
        node, drained=machine.state is MachineState.OFFLINE, cores=machine.cpus,
        memory_mb=machine.memory_mb or node.memory_mb, labels=tuple(dict.fromkeys(machine.groups + machine.features)),
    )  # fmt: skip


def failure(machine: Machine | None) -> Failure | None:
    """What is wrong with a node on this machine, None when nothing is; no machine is one that is gone."""
    if machine is None:
        return machine_failure(GONE)
    if machine.state is not MachineState.UNUSABLE:
        return None
    return machine_failure(f"The machine is out of order: {machine.reason or 'no reason is given'}.")


def failure_of(u: Ledger, node: Node) -> Failure | None:
    """The same for a node that comes into service; nothing is ever wrong with one that is no machine."""
    if not u.site.standing:
        return None
    return failure(next((machine for machine in known(u.tx) if machine.name == node.id), None))


def in_order(u: Ledger, nodes: Sequence[Node]) -> Sequence[Node]:
    """Nodes that are had together, as the cluster orders their machines: the first is its first."""
    if not u.site.standing:
        return nodes
    places = {machine.name: place for place, machine in enumerate(known(u.tx))}
    return sorted(nodes, key=lambda node: places.get(node.id, len(places)))


def hold(u: Ledger, node: Node, *, held: bool) -> None:
    """Ask the cluster that nothing new start on a node's machine, or that it may when no other pool minds."""
    if not u.site.standing:
        return
    here = [u.node(one.key) or one for one in u.tx.nodes.all() if one.id == node.id and one.key != node.key]
    if held or all(one.scheduling for one in here):
        u.effects.hold.append((node_ref(node), held))
