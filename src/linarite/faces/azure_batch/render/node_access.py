"""How nodes are got at, as the protocol shows it: endpoints, remote login, extensions of their machine.

Source: InboundEndpoint, BatchNodeRemoteLoginSettings and BatchNodeVMExtension of 2025-06-01; Batch NOTES section 6.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from linarite.engine.addresses import host
from linarite.engine.model import Event, Node, Pool
from linarite.faces.azure_batch import versions
from linarite.faces.azure_batch.render.scalars import moment
from linarite.faces.azure_batch.render.tasks import FACE
from linarite.faces.azure_batch.secrets import without_secrets

ADDRESS_V6 = "::1"
SSH_PORT = 22
_OWN_EXTENSION = {
    "name": "batchNodeExtension", "publisher": "Microsoft.Azure.Extensions", "type": "CustomScript",
    "typeHandlerVersion": "2.0", "autoUpgradeMinorVersion": True,
}  # fmt: skip
_NOT_INSTALLED = "Accepted; a node of this server is its machine itself, and nothing is installed on it."


def remote_login(pool: Pool, node: Node, version: str) -> dict[str, Any]:
    """Where a person logs in to the node: the machine's name, or its own address on this one, at the port of SSH."""
    shown = {"remoteLoginIPAddress": _host(node), "remoteLoginPort": SSH_PORT}
    families = _part(pool.facts, FACE, "networkConfiguration", "publicIPAddressConfiguration").get("ipFamilies") or ()
    if version >= versions.WITHOUT_TOKENS and "IPv6" in families:  # a machine's name stands for its addresses of both
        address = _host(node) if node.is_machine else ADDRESS_V6
        shown |= {"ipv6RemoteLoginIPAddress": address, "ipv6RemoteLoginPort": SSH_PORT}
    return shown


def endpoints(node: Node, given: dict[str, Any]) -> list[dict[str, Any]]:
    """Nothing is translated: the ports outside are the node's own."""
    configured = _part(given, "networkConfiguration", "endpointConfiguration").get("inboundNATPools") or ()
    ports = [(pool["name"], pool["protocol"], pool["backendPort"]) for pool in configured]
    ports.append(("SSHRule", "tcp", SSH_PORT))
    own = _host(node)
    return [
        {
            "name": f"{name}.0", "protocol": protocol, "publicIPAddress": own, "publicFQDN": own, "frontendPort": port,
            "backendPort": port,
        }
        for name, protocol, port in ports
    ]  # fmt: skip


def _host(node: Node) -> str:
    return host(node.id, node.key, machine=node.is_machine)


def _part(given: dict[str, Any], *names: str) -> dict[str, Any]:
    """An element within elements, empty where one of them was not given."""
    for name in names:
        given = given.get(name) or {}
    return given


def history(events: Iterable[Event]) -> dict[str, bytes]:
    """What became of a node, as a log: a line an event, the oldest first; nothing when there is none."""
    lines = [
        " ".join(filter(None, (moment(event.at), event.kind, str(event.key), event.what, event.why)))
        for event in sorted(events, key=lambda event: event.at)
    ]
    return {"agent-history.log": "".join(f"{line}\n" for line in lines).encode()} if lines else {}


def extensions(pool: Pool, node: Node) -> list[dict[str, Any]]:
    """The extensions that the pool names, for which nothing is installed, then the service's own."""
    configured = _part(pool.facts, FACE, "virtualMachineConfiguration").get("extensions") or ()
    own = _extension(_OWN_EXTENSION, node, "Info", "Enable succeeded: the node's host answers.")
    return [*(_extension(without_secrets(one), node, "Warning", _NOT_INSTALLED) for one in configured), own]


def _extension(given: dict[str, Any], node: Node, level: str, message: str) -> dict[str, Any]:
    status = {
        "code": "ProvisioningState/succeeded", "level": level, "displayStatus": "Provisioning succeeded",
        "message": message, "time": moment(node.boot_at),
    }  # fmt: skip
    view = {"name": given["name"], "statuses": [status]}
    return {"provisioningState": "Succeeded", "vmExtension": given, "instanceView": view}
