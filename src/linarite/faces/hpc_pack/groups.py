"""Node groups: each pool is one, three hold nodes of all pools, users make more. Source: Get Node Group List; NOTES 15.

A node bears the names of the users' groups that it is in; the groups themselves are documents of this face.
"""

from __future__ import annotations

from typing import NamedTuple

from linarite.engine.model import Node
from linarite.engine.ports import Transaction

COMPUTE, LINUX, HEAD = "ComputeNodes", "LinuxNodes", "HeadNodes"
COMMON = {COMPUTE: "All compute nodes", LINUX: "All nodes that run Linux", HEAD: "The server itself"}
KIND = "hpc_pack.node_group"
_by_name = {name.lower(): name for name in COMMON}


class Group(NamedTuple):
    """A group; a `managed` one is the server's own."""

    name: str
    description: str
    managed: bool


def is_common(name: str) -> bool:
    """Tell whether this is one of the groups that every cluster has."""
    return name.lower() in _by_name


def is_everywhere(name: str) -> bool:
    """Tell whether every compute node is in this group."""
    return name.lower() in {COMPUTE.lower(), LINUX.lower()}


def all_groups(tx: Transaction, account: str) -> list[Group]:
    """The common groups, then the account's pools, then what users made."""
    pools = tx.pools.page(account, None, 0, 10_000)
    return [
        *(Group(name, text, managed=True) for name, text in COMMON.items()),
        *(Group(pool.spec.id, pool.spec.display_name or "A pool", managed=True) for pool in pools),
        *(made(tx, account).values()),
    ]


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
    return [COMPUTE, LINUX, node.pool, *node.groups]


def members(tx: Transaction, account: str, group: str, head: str) -> list[str] | None:
    """The names of a group's nodes, None when there is no such group."""
    common = _by_name.get(group.lower())
    if common == HEAD:
        return [head]
    if common is not None:
        return [node.id for node in tx.nodes.of_account(account)]
    pool = tx.pools.get(account, group)
    if pool is not None:
        return [node.id for node in tx.nodes.of_pool(pool.key)]
    own = made(tx, account).get(group.lower())
    return None if own is None else [node.id for node in tx.nodes.of_account(account) if own.name in node.groups]
