"""The cluster: nodes, groups, templates, version, head node. Source: the page of each in the REST reference."""

from __future__ import annotations

from linarite.engine.model import Node
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import groups, nodes
from linarite.faces.hpc_pack.answers import Answer, Data, Objects, Properties, Text, Texts
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import INVALID_NODE, UNKNOWN_GROUP, Refusal
from linarite.faces.hpc_pack.properties.job_wanted import TEMPLATE
from linarite.faces.hpc_pack.properties.nodes import NODES
from linarite.faces.hpc_pack.values import DATE_PATTERN

VERSION = "6.3.0.0"
"""Four numbers, as clients expect: the generation of the protocol that is spoken, not this server's own version."""


async def get_node(call: Call) -> Answer:
    """Get Node: all its properties."""
    node = await call.engine.ask(lambda tx: nodes.merged(find_nodes(tx, call, call.name)))
    return Properties(NODES.write(NODES.listed, node))


def find_nodes(tx: Transaction, call: Call, name: str) -> list[Node]:
    """The node of that name, as each pool has it. Refusal."""
    found = nodes.named(tx, call.account, name)
    if not found:
        raise Refusal(404, INVALID_NODE, f"No node named {name[:80]!r}.")
    return found


async def get_groups(call: Call) -> Answer:
    """Get Node Group List: names and descriptions."""
    found = await call.engine.ask(lambda tx: groups.all_groups(tx, call.account))
    return Objects([[("Name", group.name), ("Description", group.description)] for group in found])


async def get_members(call: Call) -> Answer:
    """Get Node Group Members: the names of a group's nodes."""
    found = await call.engine.ask(lambda tx: groups.members(tx, call.account, call.name, call.service.head))
    if found is None:
        raise Refusal(404, UNKNOWN_GROUP, f"No node group named {call.name[:80]!r}.")
    return Texts(found)


async def get_templates(call: Call) -> Answer:
    """Get Job Templates: there is one."""
    return Texts([TEMPLATE])


async def get_version(call: Call) -> Answer:
    """Get Version: four numbers."""
    return Text(VERSION)


async def get_head(call: Call) -> Answer:
    """Get Active Head Node: the server's name."""
    return Text(call.service.head)


async def get_clusters(call: Call) -> Answer:
    """Get Clusters: the one that is served."""
    return Objects([[("Name", call.service.cluster)]])


async def get_date_format(call: Call) -> Answer:
    """The pattern of dates in properties; they are UTC."""
    return Text(DATE_PATTERN)


async def get_info(call: Call) -> Answer:
    """What a cluster in the cloud tells of itself; one on premises has no subscription."""
    return Data("ClusterInfo", {"SubscriptionId": "", "DeploymentId": call.service.cluster, "Location": "OnPremise"})


async def get_roles(call: Call) -> Answer:
    """What the caller may do, in the protocol's roles."""
    return Texts(["User", "Administrator"] if call.caller.is_admin else ["User"])
