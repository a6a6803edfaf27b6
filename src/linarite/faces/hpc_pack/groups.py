"""Node groups: each pool is one, and three hold nodes of all pools. Source: Get Node Group List; NOTES 15."""

from __future__ import annotations

from linarite.engine.model import Node
from linarite.engine.ports import Transaction

COMPUTE, LINUX, HEAD = "ComputeNodes", "LinuxNodes", "HeadNodes"
COMMON = {COMPUTE: "All compute nodes", LINUX: "All nodes that run Linux", HEAD: "The server itself"}
_by_name = {name.lower(): name for name in COMMON}


def is_common(name: str) -> bool:
    """Tell whether this is one of the groups that every cluster has."""
    return name.lower() in _by_name


def all_groups(tx: Transaction, account: str) -> list[tuple[str, str]]:
    """Names and descriptions: the common groups, then the account's pools."""
    pools = tx.pools.page(account, None, 0, 10_000)
    return [*COMMON.items(), *((pool.spec.id, pool.spec.display_name or "A pool") for pool in pools)]


def of_node(node: Node) -> list[str]:
    """The groups that a node is in."""
    return [COMPUTE, LINUX, node.pool]


def members(tx: Transaction, account: str, group: str, head: str) -> list[str] | None:
    """The names of a group's nodes, None when there is no such group."""
    common = _by_name.get(group.lower())
    if common == HEAD:
        return [head]
    if common is not None:
        return [node.id for node in tx.nodes.of_account(account)]
    pool = tx.pools.get(account, group)
    return None if pool is None else [node.id for node in tx.nodes.of_pool(pool.key)]
