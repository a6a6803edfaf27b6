"""How nodes are got at, on the wire: users, remote login, endpoints, extensions; and the pool's network behind them."""

from __future__ import annotations

import sqlite3
from ipaddress import ip_address
from typing import Any

import pytest
from tests.faces.azure_batch.raw import MACHINE, RawBatch
from tests.support.server import RunningServer

RULE = {"priority": 150, "access": "allow", "sourceAddressPrefix": "*"}
NAT = {
    "name": "web", "protocol": "TCP", "backendPort": 8080, "frontendPortRangeStart": 60000,
    "frontendPortRangeEnd": 60100, "networkSecurityGroupRules": [RULE],
}  # fmt: skip
EXTENSION = {
    "name": "ext", "publisher": "Microsoft.Azure.KeyVault", "type": "KeyVaultForLinux", "typeHandlerVersion": "1.0",
    "settings": {"a": 1}, "protectedSettings": {"key": "hidden-setting"},
}  # fmt: skip


def network(*pools: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"endpointConfiguration": {"inboundNATPools": list(pools)}, **more}


@pytest.fixture
def node(batch: RawBatch) -> str:
    """The address of a pool's one node."""
    batch.make_pool(
        "p", targetDedicatedNodes=1, networkConfiguration=network(NAT),
        virtualMachineConfiguration={**MACHINE, "extensions": [EXTENSION]},
    )  # fmt: skip
    return f"/pools/p/nodes/{batch.call('GET', '/pools/p/nodes').json['value'][0]['id']}"


def test_node_user_is_made_changed_and_removed(server: RunningServer, batch: RawBatch, node: str) -> None:
    user = {"name": "anna", "password": "hidden-password", "sshPublicKey": "c3No", "isAdmin": "true"}
    answer = batch.call("POST", f"{node}/users", user)
    assert answer.status == 201
    assert answer.headers["location"].endswith(f"{node}/users/anna")
    assert (batch.call("POST", f"{node}/users", user).status, batch.call("POST", f"{node}/users", user).code) == (
        409, "NodeUserExists",
    )  # fmt: skip
    assert batch.call("PUT", f"{node}/users/anna", {"password": "another"}).status == 200
    assert batch.call("PUT", f"{node}/users/anna", {"expiryTime": "2100-01-01T00:00:00Z"}).status == 200
    for method, target in (("PUT", "Anna"), ("DELETE", "bob"), ("PUT", "bob")):
        answer = batch.call(method, f"{node}/users/{target}", {} if method == "PUT" else None)
        assert (answer.status, answer.code) == (404, "NodeUserNotFound")
    assert batch.call("DELETE", f"{node}/users/anna").status == 200
    assert batch.call("DELETE", f"{node}/users/anna").code == "NodeUserNotFound"
    assert b"hidden-password" not in _all_that_is_stored(server)


def _all_that_is_stored(server: RunningServer) -> bytes:
    with sqlite3.connect(f"file:{server.data}/server/linarite.db?mode=ro", uri=True) as store:
        return "\n".join(store.iterdump()).encode() + repr(store.execute("SELECT facts FROM nodes").fetchall()).encode()


@pytest.mark.parametrize(
    ("user", "code", "name"),
    [
        ({}, "MissingRequiredProperty", "name"), ({"name": ""}, "InvalidPropertyValue", "name"),
        ({"name": "a b"}, "InvalidPropertyValue", "name"), ({"name": "a" * 33}, "InvalidPropertyValue", "name"),
        ({"name": "a", "expiryTime": "soon"}, "InvalidPropertyValue", "expiryTime"),
        ({"name": "a", "expiryTime": "2001-01-01T00:00:00Z"}, "InvalidPropertyValue", "expiryTime"),
        ({"name": "a", "shell": "x"}, "InvalidRequestBody", None),
    ],
)  # fmt: skip
def test_bad_user_is_refused(batch: RawBatch, node: str, user: dict[str, Any], code: str, name: str | None) -> None:
    answer = batch.call("POST", f"{node}/users", user)
    assert (answer.status, answer.code, answer.values.get("PropertyName")) == (400, code, name)
    assert batch.call("PUT", f"{node}/users/a", {}).code == "NodeUserNotFound", "nothing was made"


def test_users_go_with_the_files_of_a_node_alone(batch: RawBatch, node: str) -> None:
    """A reboot keeps them, a new image does not; a node that is away refuses changes."""
    assert batch.call("POST", f"{node}/users", {"name": "anna"}).status == 201
    for action, kept in (("reboot", 200), ("reimage", 404)):
        assert batch.call("POST", f"{node}/{action}").status == 202
        batch.wait_node(node)
        assert batch.call("PUT", f"{node}/users/anna", {}).status == kept
    batch.call("POST", f"{node}/deallocate")
    batch.wait_node(node, "deallocated")
    answer = batch.call("POST", f"{node}/users", {"name": "anna"})
    assert (answer.status, answer.code) == (409, "OperationNotValidOnNode")


def test_node_of_nobody_has_no_users(batch: RawBatch, node: str) -> None:
    assert batch.call("POST", "/pools/p/nodes/none/users", {"name": "a"}).code == "NodeNotFound"
    assert batch.call("GET", "/pools/none/nodes/none/remoteloginsettings").code == "PoolNotFound"
    assert batch.call("GET", f"{node}x/extensions").code == "NodeNotFound"


def test_node_is_reached_at_its_own_address(batch: RawBatch, node: str) -> None:
    """Its endpoints are its own ports: nothing on this machine translates them."""
    shown = batch.call("GET", node).json
    own = shown["ipAddress"]
    assert ip_address(own).is_loopback
    assert batch.call("GET", f"{node}/remoteloginsettings").json | {"odata.metadata": ""} == {
        "odata.metadata": "", "remoteLoginIPAddress": own, "remoteLoginPort": 22,
    }  # fmt: skip
    assert shown["endpointConfiguration"]["inboundEndpoints"] == [
        {
            "name": f"{name}.0", "protocol": "tcp", "publicIPAddress": own, "publicFQDN": own, "frontendPort": port,
            "backendPort": port,
        }
        for name, port in (("web", 8080), ("SSHRule", 22))
    ]  # fmt: skip
    assert shown["ipv6Address"] == "::1"


def test_pool_that_speaks_ipv6_tells_where_to_log_in_by_it(batch: RawBatch) -> None:
    families = {"publicIPAddressConfiguration": {"ipFamilies": ["ipv4", "IPv6"]}}
    batch.make_pool("q", targetDedicatedNodes=1, networkConfiguration=families)
    (shown,) = batch.call("GET", "/pools/q/nodes").json["value"]
    login = batch.call("GET", f"/pools/q/nodes/{shown['id']}/remoteloginsettings").json
    assert (login["ipv6RemoteLoginIPAddress"], login["ipv6RemoteLoginPort"]) == ("::1", 22)
    assert login["remoteLoginIPAddress"] == shown["ipAddress"]


def test_extensions_are_the_services_and_the_pools(batch: RawBatch, node: str) -> None:
    given, own = batch.call("GET", f"{node}/extensions").json["value"]
    assert own["vmExtension"]["name"] == "batchNodeExtension"
    assert given["vmExtension"] == {name: EXTENSION[name] for name in EXTENSION if name != "protectedSettings"}
    assert [status["level"] for status in given["instanceView"]["statuses"]] == ["Warning"]
    assert "nothing is installed" in given["instanceView"]["statuses"][0]["message"]
    one = batch.call("GET", f"{node}/extensions/EXT").json
    assert {name: one[name] for name in given} == given
    page = batch.call("GET", f"{node}/extensions?maxresults=1&$select=provisioningState").json
    assert page["value"] == [{"provisioningState": "Succeeded"}]
    assert "$skiptoken" in page["odata.nextLink"]
    answer = batch.call("GET", f"{node}/extensions/none")
    assert (answer.status, answer.code) == (404, "ResourceNotFound")
    shown = batch.call("GET", "/pools/p")
    assert b"hidden-setting" not in shown.body


BAD: list[tuple[dict[str, Any], str]] = [
    ({**NAT, "name": "-a"}, "inboundNATPools.name"), ({**NAT, "name": "a."}, "inboundNATPools.name"),
    ({**NAT, "name": "a" * 78}, "inboundNATPools.name"), ({**NAT, "protocol": "icmp"}, "protocol"),
    ({**NAT, "backendPort": 29876}, "backendPort"), ({**NAT, "backendPort": 0}, "backendPort"),
    ({**NAT, "frontendPortRangeEnd": 60038}, "frontendPortRangeEnd"),
    ({**NAT, "frontendPortRangeEnd": 65535}, "frontendPortRangeEnd"),
    ({**NAT, "frontendPortRangeStart": 54990, "frontendPortRangeEnd": 55100}, "frontendPortRangeStart"),
    ({**NAT, "networkSecurityGroupRules": [{**RULE, "priority": 149}]}, "priority"),
    ({**NAT, "networkSecurityGroupRules": [{**RULE, "access": "maybe"}]}, "access"),
    ({**NAT, "networkSecurityGroupRules": [{**RULE, "sourceAddressPrefix": "1.2.3"}]}, "sourceAddressPrefix"),
    ({**NAT, "networkSecurityGroupRules": [{**RULE, "sourcePortRanges": ["9-8"]}]}, "sourcePortRanges"),
    ({**NAT, "networkSecurityGroupRules": [{**RULE, "sourcePortRanges": ["65536"]}]}, "sourcePortRanges"),
    ({**NAT, "networkSecurityGroupRules": [RULE, RULE]}, "networkSecurityGroupRules.priority"),
    (
        {**NAT, "networkSecurityGroupRules": [{**RULE, "priority": 200 + n} for n in range(26)]},
        "networkSecurityGroupRules",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("pool", "name"), BAD, ids=[f"{name}-{place}" for place, (_, name) in enumerate(BAD)])
def test_network_that_cannot_be_is_refused(batch: RawBatch, pool: dict[str, Any], name: str) -> None:
    answer = _add(batch, network(pool))
    assert (answer.status, answer.code, answer.values["PropertyName"]) == (400, "InvalidPropertyValue", name)
    assert batch.call("HEAD", "/pools/p").status == 404


def _add(batch: RawBatch, of: dict[str, Any]) -> Any:
    pool = {"id": "p", "vmSize": "s", "virtualMachineConfiguration": MACHINE, "networkConfiguration": of}
    return batch.call("POST", "/pools", pool)


def test_endpoints_of_a_pool_do_not_collide(batch: RawBatch) -> None:
    other = {**NAT, "name": "b", "backendPort": 8081, "frontendPortRangeStart": 61000, "frontendPortRangeEnd": 61100}
    other["networkSecurityGroupRules"] = []
    for collision, name in (
        ({"name": "WEB"}, "inboundNATPools.name"), ({"backendPort": 8080}, "inboundNATPools.backendPort"),
        ({"frontendPortRangeStart": 60100}, "frontendPortRangeStart"),
    ):  # fmt: skip
        assert _add(batch, network(NAT, {**other, **collision})).values["PropertyName"] == name
    many = [{**other, "name": f"n{n}", "backendPort": n + 1} for n in range(6)]
    assert _add(batch, network(*many)).values["PropertyName"] == "inboundNATPools"
    private = network(NAT, publicIPAddressConfiguration={"provision": "NoPublicIPAddresses"})
    assert _add(batch, private).values["PropertyName"] == "endpointConfiguration"
    assert _add(batch, {"endpointConfiguration": {}}).code == "MissingRequiredProperty"
    assert _add(batch, {"endpointConfiguration": {"inboundNATPools": 3}}).code == "InvalidRequestBody"
    assert _add(batch, {"dynamicVNetAssignmentScope": "all"}).values["PropertyName"] == "dynamicVNetAssignmentScope"
    assert _add(batch, network(NAT, other)).status == 201
