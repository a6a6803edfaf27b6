"""The images that pools may name. A node of this server is the machine itself, whatever image its pool names.

Source of the names: Batch NOTES section 6 and the client's own tests.
"""

from __future__ import annotations

from typing import Any


def _image(publisher: str, offer: str, sku: str, agent: str, *capabilities: str) -> dict[str, Any]:
    reference = {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"}
    image = {"nodeAgentSKUId": agent, "imageReference": reference, "osType": "linux", "verificationType": "verified"}
    return {**image, "capabilities": list(capabilities)} if capabilities else image


IMAGES = (
    _image("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "batch.node.ubuntu 22.04"),
    _image("canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04"),
    _image("debian", "debian-12", "12", "batch.node.debian 12"),
    _image("almalinux", "almalinux-x86_64", "8-gen2", "batch.node.el 8"),
    _image("almalinux", "almalinux-x86_64", "9-gen2", "batch.node.el 9"),
)
AGENTS = tuple(
    {
        "id": agent, "osType": "linux",
        "verifiedImageReferences": [one["imageReference"] for one in IMAGES if one["nodeAgentSKUId"] == agent],
    }
    for agent in dict.fromkeys(one["nodeAgentSKUId"] for one in IMAGES)
)  # fmt: skip
"""The same by their agents, as versions before 2019-06-01.9.0 list them."""
