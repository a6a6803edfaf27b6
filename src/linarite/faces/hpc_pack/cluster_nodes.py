"""A node as the 2019 surface tells of it. Source: Swagger 2020-01-01.6.0, definitions; NOTES 9 and 15."""

from __future__ import annotations

from typing import Any

from linarite.engine.model import Node, NodeState
from linarite.faces.hpc_pack import groups

STATES = (
    "Unknown", "Provisioning", "Offline", "Starting", "Online", "Draining", "Rejected", "Removing", "NotDeployed",
    "Stopping",
)  # fmt: skip
HEALTHS = ("OK", "Warning", "Error", "Transitional", "Unapproved")
_MOVING = {
    NodeState.CREATING: "Provisioning", NodeState.STARTING: "Starting", NodeState.REBOOTING: "Starting",
    NodeState.REIMAGING: "Provisioning", NodeState.WAITING_FOR_START_TASK: "Starting",
    NodeState.DEALLOCATING: "Stopping", NodeState.LEAVING: "Removing",
}  # fmt: skip
_RESTING = {
    NodeState.DEALLOCATED: "NotDeployed", NodeState.UNUSABLE: "Offline", NodeState.START_TASK_FAILED: "Offline",
    NodeState.OFFLINE: "Offline",
}  # fmt: skip
ROLES = ["ComputeNode", "LinuxNode"]


def state(node: Node) -> str:
    """The node's state, one of STATES."""
    word = _MOVING.get(node.state) or _RESTING.get(node.state)
    if word is not None:
        return word
    if node.takes_tasks:
        return "Online"
    return "Draining" if node.running_tasks else "Offline"


def health(node: Node) -> str:
    """The node's health, one of HEALTHS: an error when it cannot serve, transitional while it is about to."""
    if node.state in {NodeState.UNUSABLE, NodeState.START_TASK_FAILED}:
        return "Error"
    return "Transitional" if node.state in _MOVING else "OK"


def shown(node: Node, version: str) -> dict[str, Any]:
    """All that the surface tells of a node; what it was made from is its pool."""
    return {
        "Name": node.id,
        "State": state(node),
        "Health": health(node),
        "Template": node.pool,
        "Location": "OnPremise",
        "MemorySize": node.memory_mb,
        "Cores": node.core_count,
        "Sockets": 1,
        "HpcPackVersion": version,
        "OnAzure": False,
        "Groups": groups.of_node(node),
        "Roles": ROLES,
        "InstalledServiceRoles": ROLES,
        "ActiveServiceRoles": ROLES if node.takes_tasks else [],
    }
