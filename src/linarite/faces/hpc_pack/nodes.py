"""The nodes of an account as this protocol knows them: one for each name.

A machine of a cluster may be a node of several pools. Here it is one node, with all that runs there and in all the
groups; it is told of as the first pool has it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from linarite.engine.model import Node, NodeState
from linarite.engine.ports import Transaction


def named(tx: Transaction, account: str, name: str) -> list[Node]:
    """The node of that name in each pool that has it; none when there is no such node."""
    return [node for node in tx.nodes.of_account(account) if node.id.lower() == name.lower()]


def of_account(tx: Transaction, account: str) -> list[Node]:
    """All nodes, in the order of their numbers."""
    found: dict[str, list[Node]] = {}
    for node in tx.nodes.of_account(account):
        found.setdefault(node.id.lower(), []).append(node)
    return [merged(nodes) for nodes in found.values()]


def merged(nodes: list[Node]) -> Node:
    """What pools have of one machine, as one node. One that is about to leave its pool tells least."""
    if len(nodes) == 1:
        return nodes[0]
    first = next((node for node in nodes if node.state is not NodeState.LEAVING), nodes[0])
    pools = [node.pool for node in nodes if node is not first]
    return replace(
        first, running_tasks=sum(node.running_tasks for node in nodes),
        running_slots=sum(node.running_slots for node in nodes),
        groups=_all(*(node.groups for node in nodes)), labels=_all(pools, *(node.labels for node in nodes)),
    )  # fmt: skip


def _all(*names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for some in names for name in some))
