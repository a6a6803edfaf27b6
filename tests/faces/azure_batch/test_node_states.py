"""A node on the wire in each of its states: as it is shown, listed and counted."""

from __future__ import annotations

from typing import Any

import pytest
from tests.faces.azure_batch.raw import RawBatch

NETWORK = {
    "dynamicVNetAssignmentScope": "none", "publicIPAddressConfiguration": {"ipFamilies": ["IPv4", "IPv6"]},
    "endpointConfiguration": {
        "inboundNATPools": [
            {
                "name": "a", "protocol": "udp", "backendPort": 80, "frontendPortRangeStart": 60000,
                "frontendPortRangeEnd": 60100,
            }
        ]
    },
}  # fmt: skip
NODES: dict[str, tuple[dict[str, Any], str, str]] = {
    "offline": ({}, "disablescheduling", "offline"),
    "deallocated": ({}, "deallocate", "deallocated"),
    "failed": ({"startTask": {"commandLine": "/bin/false"}}, "", "starttaskfailed"),
    "waiting": ({"startTask": {"commandLine": "/bin/sleep 600"}}, "", "waitingforstarttask"),
    "networked": ({"networkConfiguration": NETWORK}, "", "idle"),
    "running": ({}, "run", "running"), "rebooting": ({}, "run reboot", "rebooting"),
    "reimaging": ({}, "run reimage", "reimaging"), "deallocating": ({}, "run deallocate", "deallocating"),
    "leaving": ({}, "run leave", "leavingpool"),
}  # fmt: skip


@pytest.mark.parametrize("name", NODES)
def test_node_is_shown_in_any_state(batch: RawBatch, name: str) -> None:
    """Every answer is held against the specification, as all of these tests' are (`tests.support.specification`)."""
    properties, action, state = NODES[name]
    batch.make_pool("p", targetDedicatedNodes=1, **properties)
    node = f"/pools/p/nodes/{batch.call('GET', '/pools/p/nodes').json['value'][0]['id']}"
    if action.startswith("run"):
        batch.make_job("j", "p")
        batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/sleep 600"})
        batch.wait_task("j", "t", "running")
    _act(batch, node, action.rpartition(" ")[2])
    assert batch.wait_node(node, state)["state"] == state
    assert [shown["state"] for shown in batch.call("GET", "/pools/p/nodes").json["value"]] == [state]
    (counts,) = batch.call("GET", "/nodecounts").json["value"]
    seen = {name.lower(): count for name, count in counts["dedicated"].items()}
    assert (seen[state], seen["total"], batch.call("GET", "/pools/p").json["currentDedicatedNodes"]) == (1, 1, 1)
    assert batch.call("GET", f"{node}/remoteloginsettings").status == 200
    assert batch.call("GET", f"{node}/extensions").status == 200


def _act(batch: RawBatch, node: str, action: str) -> None:
    """What brings the node into its state; it waits for the task that runs there."""
    if action in {"", "run"}:
        return
    option = {"reboot": "nodeRebootOption", "reimage": "nodeReimageOption", "deallocate": "nodeDeallocateOption"}
    if action == "leave":
        body = {"nodeList": [node.rpartition("/")[2]], "nodeDeallocationOption": "taskcompletion"}
        assert batch.call("POST", "/pools/p/removenodes", body).status == 202
    else:
        wanted = {option[action]: "taskcompletion"} if action in option else None
        assert batch.call("POST", f"{node}/{action}", wanted).status in {200, 202}
