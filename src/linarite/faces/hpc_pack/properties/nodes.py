"""The properties of a node. Source: Get Node; NOTES 6 and 15. Facts of the machine come from the node's own facts."""

from __future__ import annotations

import uuid

from linarite.engine.model import Node
from linarite.faces.hpc_pack import enums, groups, states
from linarite.faces.hpc_pack.properties.table import Property, Table, constant
from linarite.faces.hpc_pack.values import BOOLEAN, DATE, INTEGER, NAMES, TEXT, enumeration

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:linarite:hpc-pack:node")
STATE = enumeration("NodeState", enums.NODE_STATE)
LIST_DEFAULT = ("Id", "Name", "State")


def _state(node: Node) -> str:
    return states.node_state(node)


NODES: Table[Node, None] = Table(
    "node",
    (
        Property("Availability", TEXT, constant("AlwaysOn")),
        Property("AzureServiceName", TEXT, constant(None)),
        Property("CpuSpeed", INTEGER, lambda node: node.cpu_mhz or None),
        Property("DnsSuffix", TEXT, constant(None)),
        Property("Guid", TEXT, lambda node: str(uuid.uuid5(NAMESPACE, f"{node.account}/{node.key}"))),
        Property("Id", INTEGER, lambda node: node.alias),
        Property("JobType", TEXT, constant("Batch")),
        Property("Location", TEXT, constant("OnPremise")),
        Property("MemorySize", INTEGER, lambda node: node.memory_mb or None),
        Property("MoveToOffline", BOOLEAN, lambda node: _state(node) == "Draining"),
        Property("Name", TEXT, lambda node: node.id),
        Property("NodeGroups", NAMES, groups.of_node),
        Property("NumCores", INTEGER, lambda node: node.core_count),
        Property("NumSockets", INTEGER, constant(1)),
        Property("OfflineTime", DATE, lambda node: node.state_at if _state(node) == "Offline" else None),
        Property("OnlineTime", DATE, lambda node: node.boot_at if _state(node) != "Offline" else None),
        Property("Reachable", BOOLEAN, lambda node: node.state.value != "unusable"),
        Property("State", STATE, _state),
    ),
)
