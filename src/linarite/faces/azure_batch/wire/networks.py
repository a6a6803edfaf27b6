"""The network of a pool as clients send it: checked by the reference's limits, kept verbatim.

Nothing stands between a node and this machine: what an endpoint would translate is reached at the node's own address.
Source: BatchPoolEndpointConfiguration, BatchInboundNatPool and NetworkSecurityGroupRule of 2025-06-01.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from linarite.faces.azure_batch.errors import invalid_property, missing_property
from linarite.faces.azure_batch.wire.decoding import Element, Worded, plain
from linarite.faces.azure_batch.wire.values import Int32, required

MOST_POOLS, MOST_RULES = 5, 25
LEAST_RANGE = 40
RESERVED_PORTS, RESERVED_FRONTEND = frozenset({29876, 29877}), (50000, 55000)
PROTOCOLS, ACCESS = ("tcp", "udp"), ("allow", "deny")
FAMILIES = ("IPv4", "IPv6")
SCOPES, PROVISIONS = ("none", "job"), ("batchmanaged", "usermanaged", "nopublicipaddresses")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,75}[A-Za-z0-9_])?")
_TAG = re.compile(r"[A-Za-z][A-Za-z.]*")
_PORTS = re.compile(r"\*|(\d{1,5})(?:-(\d{1,5}))?")


class SecurityRule(Worded):
    """Who may come in."""

    spelled = (("access", ACCESS),)

    priority: Int32 | None = None
    access: str | None = None
    source_address_prefix: str | None = None
    source_port_ranges: list[str] | None = None


class InboundNatPool(Worded):
    """A port of the nodes, and the ports by which it is reached from outside."""

    spelled = (("protocol", PROTOCOLS),)

    name: str | None = None
    protocol: str | None = None
    backend_port: Int32 | None = None
    frontend_port_range_start: Int32 | None = None
    frontend_port_range_end: Int32 | None = None
    network_security_group_rules: list[SecurityRule] | None = None


class EndpointConfiguration(Element):
    """All of them."""

    inbound_nat_pools: list[InboundNatPool] | None = msgspec.field(default=None, name="inboundNATPools")


class IpTag(Element):
    """A tag of an address."""

    ip_tag_type: str | None = None
    tag: str | None = None


class PublicAddresses(Worded):
    """The addresses by which nodes are reached from outside."""

    spelled = (("provision", PROVISIONS), ("ip_families", FAMILIES))

    provision: str | None = None
    ip_families: list[str] | None = None
    ip_address_ids: list[str] | None = None
    ip_tags: list[IpTag] | None = None


class Network(Worded):
    """All that is known of a pool's network."""

    spelled = (("dynamic_vnet_assignment_scope", SCOPES),)

    subnet_id: str | None = None
    public_ips: list[str] | None = msgspec.field(default=None, name="publicIPs")
    dynamic_vnet_assignment_scope: str | None = msgspec.field(default=None, name="dynamicVNetAssignmentScope")
    endpoint_configuration: EndpointConfiguration | None = None
    public_ip_address_configuration: PublicAddresses | None = msgspec.field(
        default=None, name="publicIPAddressConfiguration"
    )
    enable_accelerated_networking: bool | None = None


def checked_network(given: Network) -> dict[str, Any]:
    """The network as it is shown; refuses what the service could not make, and a subnet."""
    if given.subnet_id:
        reason = "There is no such subnet: this server's nodes have no virtual network."
        raise invalid_property("subnetId", given.subnet_id, reason)
    public = given.public_ip_address_configuration
    if given.endpoint_configuration is not None:
        if public is not None and public.provision == "nopublicipaddresses":
            reason = "A pool without public addresses has no endpoints."
            raise invalid_property("endpointConfiguration", "", reason)
        _check_pools(given.endpoint_configuration.inbound_nat_pools)
    shown: dict[str, Any] = plain(given)
    return shown


def _check_pools(pools: list[InboundNatPool] | None) -> None:
    if pools is None:
        raise missing_property("endpointConfiguration.inboundNATPools")
    if len(pools) > MOST_POOLS:
        raise invalid_property("inboundNATPools", len(pools), f"It has at most {MOST_POOLS} pools.")
    for pool in pools:
        _check_pool(pool)
    _unique([str(pool.name).lower() for pool in pools], "inboundNATPools.name")
    _unique([pool.backend_port for pool in pools], "inboundNATPools.backendPort")
    ranges = sorted((pool.frontend_port_range_start or 0, pool.frontend_port_range_end or 0) for pool in pools)
    for (_, end), (start, _) in pairwise(ranges):
        if start <= end:
            raise invalid_property("frontendPortRangeStart", start, "The ranges of a pool must not overlap.")
    rules = [rule for pool in pools for rule in pool.network_security_group_rules or ()]
    if len(rules) > MOST_RULES:
        raise invalid_property("networkSecurityGroupRules", len(rules), f"There are at most {MOST_RULES} rules.")
    for rule in rules:
        _check_rule(rule)
    _unique([rule.priority for rule in rules], "networkSecurityGroupRules.priority")


def _unique(values: Sequence[object], name: str) -> None:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise invalid_property(name, twice[0], "It is unique in a pool.")


def _check_pool(pool: InboundNatPool) -> None:
    if _NAME.fullmatch(required(pool.name, "inboundNATPools.name")) is None:
        reason = "It has 1 to 77 letters, digits, underscores, periods and hyphens, and ends in none of the last two."
        raise invalid_property("inboundNATPools.name", pool.name, reason)
    required(pool.protocol, "inboundNATPools.protocol")
    backend = _port(pool.backend_port, "backendPort", 65535)
    if backend in RESERVED_PORTS:
        raise invalid_property("backendPort", backend, "The service uses this port itself.")
    start = _port(pool.frontend_port_range_start, "frontendPortRangeStart", 65534)
    end = _port(pool.frontend_port_range_end, "frontendPortRangeEnd", 65534)
    if end - start + 1 < LEAST_RANGE:
        raise invalid_property("frontendPortRangeEnd", end, f"A range has at least {LEAST_RANGE} ports.")
    if start <= RESERVED_FRONTEND[1] and end >= RESERVED_FRONTEND[0]:
        raise invalid_property("frontendPortRangeStart", start, "The ports 50000 to 55000 are reserved.")


def _port(value: int | None, name: str, most: int) -> int:
    if value is None:
        raise missing_property(f"inboundNATPools.{name}")
    if not 1 <= value <= most:
        raise invalid_property(name, value, f"It is a number from 1 to {most}.")
    return value


def _check_rule(rule: SecurityRule) -> None:
    if rule.priority is None:
        raise missing_property("networkSecurityGroupRules.priority")
    if not 150 <= rule.priority <= 4096:
        raise invalid_property("priority", rule.priority, "It is a number from 150 to 4096.")
    required(rule.access, "networkSecurityGroupRules.access")
    prefix = required(rule.source_address_prefix, "networkSecurityGroupRules.sourceAddressPrefix")
    if prefix != "*" and _TAG.fullmatch(prefix) is None and not _is_network(prefix):
        raise invalid_property("sourceAddressPrefix", prefix, "It is an address, a subnet, a tag or *.")
    for ports in rule.source_port_ranges or ():
        found = _PORTS.fullmatch(ports)
        numbers = [int(number) for number in found.groups() if number] if found else [65536]
        if numbers != sorted(numbers) or any(number > 65535 for number in numbers):
            raise invalid_property("sourcePortRanges", ports, "It is *, a port, or a range of ports.")


def _is_network(prefix: str) -> bool:
    try:
        ipaddress.ip_network(prefix, strict=False)
    except ValueError:
        return False
    return True
