"""Node groups: each pool is one, three hold nodes of all pools, users make more. Source: Get Node Group List; NOTES 15.

A node bears the names of the users' groups that it is in; the groups themselves are documents of this face. A machine
of a cluster is also in groups of the names that the cluster sorts it under (partitions, features).
"""

from __future__ import annotations

from typing import NamedTuple

from linarite.engine.model import Node
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import nodes

COMPUTE, LINUX, HEAD = "ComputeNodes", "LinuxNodes", "HeadNodes"
COMMON = {COMPUTE: "All compute nodes", LINUX: "All nodes that run Linux", HEAD: "The server itself"}
KIND = "hpc_pack.node_group"
_by_name = {name.lower(): name for name in COMMON}


class Group(NamedTuple):
    """A group; a `managed` one is the server's own."""

    name: str
    description: str
    managed: bool


def is_everywhere(name: str) -> bool:
    """Tell whether every compute node is in this group."""
    return name.lower() in {COMPUTE.lower(), LINUX.lower()}


def all_groups(tx: Transaction, account: str) -> list[Group]:
    """The common groups, the account's pools, what users made, then the cluster's own; of one name only the first."""
    pools = tx.pools.page(account, None, 0, 10_000)
    labels = dict.fromkeys(label for node in tx.nodes.of_account(account) for label in node.labels)
    found: dict[str, Group] = {}
    for group in (
        *(Group(name, text, managed=True) for name, text in COMMON.items()),
        *(Group(pool.spec.id, pool.spec.display_name or "A pool", managed=True) for pool in pools),
        *(made(tx, account).values()),
        *(Group(label, "Machines of the cluster", managed=True) for label in labels),
    ):
        found.setdefault(group.name.lower(), group)
    return [*found.values()]


def made(tx: Transaction, account: str) -> dict[str, Group]:
    """The groups that users made, by their names in lower case."""
    prefix = f"{account}/"
    found = tx.documents.all(KIND, 0).items()
    mine = {name.removeprefix(prefix): value for name, value in found if name.startswith(prefix)}
    return {name: Group(value["name"], value["description"], managed=False) for name, value in sorted(mine.items())}


def find(tx: Transaction, account: str, name: str) -> Group | None:
    """The group of that name, None when there is none."""
    return next((group for group in all_groups(tx, account) if group.name.lower() == name.lower()), None)


def keep(tx: Transaction, account: str, name: str, description: str) -> Group:
    """Store a group that a user made."""
    tx.documents.put(KIND, f"{account}/{name.lower()}", {"name": name, "description": description})
    return Group(name, description, managed=False)


def forget(tx: Transaction, account: str, name: str) -> None:
    """Let a group go."""
    tx.documents.delete(KIND, f"{account}/{name.lower()}")


def of_node(node: Node) -> list[str]:
    """The groups that a node is in."""
    return [*dict.fromkeys((COMPUTE, LINUX, node.pool, *node.groups, *node.labels))]


def is_in(node: Node, group: str) -> bool:
    """Tell whether a node is in the group of that name."""
    return group.lower() in map(str.lower, of_node(node))


def members(tx: Transaction, account: str, group: str, head: str) -> list[str] | None:
    """The names of a group's nodes, None when there is no such group."""
    if _by_name.get(group.lower()) == HEAD:
        return [head]
    if find(tx, account, group) is None:
        return None
    return [node.id for node in nodes.of_account(tx, account) if is_in(node, group)]
