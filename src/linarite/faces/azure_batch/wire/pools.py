"""Pools and their nodes as clients send them. Source: BatchPoolCreateOptions and its like of 2025-06-01.

What a cloud alone has (images, networks, disks) is checked, kept and shown, and means nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from linarite.engine.errors import WrongState
from linarite.engine.model import MINUTE, AllocationState, Facts, JobOrder, NodeFill, Pool, PoolSpec
from linarite.faces.azure_batch.errors import invalid_property, missing_property
from linarite.faces.azure_batch.wire.autoscale import scaling_of
from linarite.faces.azure_batch.wire.certificates import (
    CertificateReference,
    certificate_uses,
    checked_references,
)
from linarite.faces.azure_batch.wire.containers import containers_of
from linarite.faces.azure_batch.wire.decoding import Body, Worded, camel
from linarite.faces.azure_batch.wire.elements import (
    ApplicationPackageReference,
    NameValue,
    kept,
    metadata,
    package_references,
)  # fmt: skip
from linarite.faces.azure_batch.wire.machines import (
    CloudService,
    MachineElement,
    UpgradePolicy,
    checked_machine,
    checked_policy,
    checked_service,
)
from linarite.faces.azure_batch.wire.mounts import MountElement, checked_mounts
from linarite.faces.azure_batch.wire.networks import Network, checked_network
from linarite.faces.azure_batch.wire.node_tasks import StartTask, checked_start, start_command
from linarite.faces.azure_batch.wire.tasks import FACE
from linarite.faces.azure_batch.wire.users import UserAccount, checked_users, pool_users
from linarite.faces.azure_batch.wire.values import (
    Int32,
    checked_id,
    display_name,
    duration,
    number,
    required,
    word,
)

MODES = ("default", "classic", "simplified")
LEAST_RESIZE_TIMEOUT = 5 * MINUTE
MOST_SLOTS = 256
MOST_REMOVED = 100


class SchedulingPolicy(Worded):
    """Where tasks go first."""

    spelled = (("job_default_order", tuple(JobOrder)), ("node_fill_type", tuple(NodeFill)))

    job_default_order: str | None = None
    node_fill_type: str | None = None


class PoolChange(Worded, Body):
    """The body of Patch Pool: what it, the specification of a pool and Add Pool have in common."""

    words = "poolPatch"
    spelled = (("target_node_communication_mode", MODES),)

    display_name: str | None = None
    vm_size: str | None = None
    enable_inter_node_communication: bool | None = None
    start_task: StartTask | None = None
    application_package_references: list[ApplicationPackageReference] | None = None
    metadata: list[NameValue] | None = None
    virtual_machine_configuration: MachineElement | None = None
    task_slots_per_node: Int32 | None = None
    task_scheduling_policy: SchedulingPolicy | None = None
    network_configuration: Network | None = None
    user_accounts: list[UserAccount] | None = None
    mount_configuration: list[MountElement] | None = None
    upgrade_policy: UpgradePolicy | None = None
    certificate_references: list[CertificateReference] | None = None
    target_node_communication_mode: str | None = None
    resource_tags: dict[str, str] | None = None


class PoolSpecification(PoolChange):
    """What a pool is to be, without its id."""

    cloud_service_configuration: CloudService | None = None
    resize_timeout: str | None = None
    target_dedicated_nodes: Int32 | None = None
    target_low_priority_nodes: Int32 | None = None
    enable_auto_scale: bool | None = None
    auto_scale_formula: str | None = None
    auto_scale_evaluation_interval: str | None = None
    application_licenses: list[str] | None = None


class PoolAdd(PoolSpecification):
    """The body of Add Pool."""

    words = "pool"

    id: str | None = None


class PoolReplace(Worded, Body):
    """The body of Update Pool Properties."""

    words = "poolReplace"
    spelled = (("target_node_communication_mode", MODES),)

    start_task: StartTask | None = None
    application_package_references: list[ApplicationPackageReference] | None = None
    metadata: list[NameValue] | None = None
    certificate_references: list[CertificateReference] | None = None
    target_node_communication_mode: str | None = None


class PoolUpgrade(Body):
    """The body of Upgrade OS."""

    target_os_version: str | None = msgspec.field(default=None, name="targetOSVersion")


class PoolResize(Body):
    """The body of Resize Pool."""

    words = "poolResize"

    target_dedicated_nodes: Int32 | None = None
    target_low_priority_nodes: Int32 | None = None
    resize_timeout: str | None = None
    node_deallocation_option: str | None = None


class NodeRemove(Body):
    """The body of Remove Nodes."""

    node_list: list[str] | None = None
    resize_timeout: str | None = None
    node_deallocation_option: str | None = None


WHILE_EMPTY = (
    "display_name", "vm_size", "enable_inter_node_communication", "virtual_machine_configuration",
    "task_slots_per_node", "task_scheduling_policy", "network_configuration", "resource_tags", "user_accounts",
    "mount_configuration", "upgrade_policy",
)  # fmt: skip
"""What Patch Pool changes of a pool that has no nodes alone."""
_KEPT = ("application_package_references", "resource_tags", "application_licenses")


def pool_of(body: PoolSpecification, pool_id: str | None) -> tuple[PoolSpec, Facts]:
    """The engine's spec of a pool and this face's facts."""
    checked_id(pool_id)
    size = required(body.vm_size, "vmSize")
    scaling = scaling_of(body)
    if body.cloud_service_configuration is not None and body.virtual_machine_configuration is not None:
        reason = "A pool has one of cloudServiceConfiguration and virtualMachineConfiguration."
        raise invalid_property("cloudServiceConfiguration", "", reason)
    facts = _facts(body)
    policy = body.task_scheduling_policy or SchedulingPolicy()
    dedicated = body.target_dedicated_nodes
    slots = body.task_slots_per_node
    spec = PoolSpec(
        id=pool_id or "",
        display_name=display_name(body.display_name),
        size=size.lower(),
        target_dedicated=number(dedicated, "targetDedicatedNodes", 0) or 0,
        target_low_priority=number(body.target_low_priority_nodes, "targetLowPriorityNodes", 0) or 0,
        slots_per_node=_slots(slots) or 1,
        fill=word(NodeFill, policy.node_fill_type, "nodeFillType") or NodeFill.SPREAD,
        job_order=word(JobOrder, policy.job_default_order, "jobDefaultOrder") or JobOrder.UNIFORM,
        inter_node=bool(body.enable_inter_node_communication),
        resize_timeout=resize_timeout(body.resize_timeout) or 15 * MINUTE,
        metadata=metadata(body.metadata),
        scaling=scaling,
        mounts=checked_mounts(body.mount_configuration or [])[1],
        **_done_by_nodes(facts),
    )
    return spec, {FACE: facts} if facts else {}


def _slots(value: int | None) -> int | None:
    return number(value, "taskSlotsPerNode", 1, MOST_SLOTS)


def resize_timeout(value: str | None) -> int | None:
    """At least five minutes."""
    return duration(value, "resizeTimeout", LEAST_RESIZE_TIMEOUT)


def _facts(body: PoolChange) -> dict[str, Any]:
    """What the engine does not model of a pool, checked where this server can check it."""
    package_references(body.application_package_references)
    facts = kept(body, tuple(name for name in _KEPT if name in body.__struct_fields__))
    if body.virtual_machine_configuration is not None:
        facts["virtualMachineConfiguration"] = checked_machine(body.virtual_machine_configuration)
    if body.user_accounts is not None:
        facts["userAccounts"] = checked_users(body.user_accounts)
    if body.mount_configuration is not None:
        facts["mountConfiguration"] = checked_mounts(body.mount_configuration)[0]
    facts.update(_of_older_versions(body))
    if body.upgrade_policy is not None:
        facts["upgradePolicy"] = checked_policy(body.upgrade_policy)
    if body.network_configuration is not None:
        facts["networkConfiguration"] = checked_network(body.network_configuration)
    if body.start_task is not None:
        facts["startTask"] = checked_start(body.start_task)
    policy = body.task_scheduling_policy
    if policy is not None and policy.job_default_order is not None:
        facts["jobDefaultOrder"] = word(JobOrder, policy.job_default_order, "jobDefaultOrder")
    return facts


def _of_older_versions(body: PoolChange) -> dict[str, Any]:
    """How nodes are spoken to, and the cloud service that a pool is of."""
    facts: dict[str, Any] = {}
    if body.target_node_communication_mode is not None:
        facts["targetNodeCommunicationMode"] = body.target_node_communication_mode
    if body.certificate_references is not None:
        facts["certificateReferences"] = checked_references(body.certificate_references)
    if isinstance(body, PoolSpecification) and body.cloud_service_configuration is not None:
        facts["cloudServiceConfiguration"] = checked_service(body.cloud_service_configuration)
    return facts


def _done_by_nodes(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine's spec says of the elements that nodes see to."""
    start = msgspec.convert(facts["startTask"], StartTask) if "startTask" in facts else None
    given = facts.get("applicationPackageReferences", [])
    packages = msgspec.convert(given, list[ApplicationPackageReference])
    return {
        "start_task": None if start is None else start_command(start),
        "users": pool_users(facts.get("userAccounts", [])),
        "packages": package_references(packages),
        "certificates": certificate_uses(facts.get("certificateReferences", ())),
        "containers": containers_of(facts.get("virtualMachineConfiguration")),
    }


def checked_change(pool: Pool, change: PoolChange) -> None:
    """Refuse what changes while a pool has no nodes alone."""
    is_empty = pool.current_dedicated + pool.current_low_priority == 0 and pool.allocation is AllocationState.STEADY
    for name in () if is_empty else WHILE_EMPTY:
        if getattr(change, name) is not None:
            raise WrongState("pool", "with nodes", "update", f"{camel(name)} is changed while the pool has no nodes.")


def patched(pool: Pool, change: PoolChange) -> Pool:
    """The pool with the properties that `change` gives; each is replaced as a whole."""
    facts = {**pool.facts.get(FACE, {}), **_facts(change)}
    spec, policy, inter_node = pool.spec, change.task_scheduling_policy, change.enable_inter_node_communication
    if policy is not None and policy.node_fill_type is not None:
        spec = replace(spec, fill=word(NodeFill, policy.node_fill_type, "nodeFillType") or spec.fill)
    if policy is not None and policy.job_default_order is not None:
        spec = replace(spec, job_order=word(JobOrder, policy.job_default_order, "jobDefaultOrder") or spec.job_order)
    spec = replace(
        spec,
        display_name=spec.display_name if change.display_name is None else display_name(change.display_name),
        size=spec.size if change.vm_size is None else required(change.vm_size, "vmSize").lower(),
        slots_per_node=_slots(change.task_slots_per_node) or spec.slots_per_node,
        inter_node=spec.inter_node if inter_node is None else inter_node,
        metadata=spec.metadata if change.metadata is None else metadata(change.metadata),
        mounts=spec.mounts if change.mount_configuration is None else checked_mounts(change.mount_configuration)[1],
        **_done_by_nodes(facts),
    )
    return replace(pool, spec=spec, facts={**pool.facts, FACE: facts})


def replaced(pool: Pool, body: PoolReplace) -> Pool:
    """The pool with start task, packages and metadata set anew; an omitted start task is removed."""
    if body.application_package_references is None:
        raise missing_property("applicationPackageReferences")
    if body.metadata is None:
        raise missing_property("metadata")
    facts = dict(pool.facts.get(FACE, {}))
    for name in ("startTask", "applicationPackageReferences", "certificateReferences"):
        facts.pop(name, None)
    change = PoolChange(**{name: getattr(body, name) for name in body.__struct_fields__})
    return patched(replace(pool, facts={**pool.facts, FACE: facts}), change)


def targets(body: PoolResize) -> tuple[int | None, int | None]:
    """The new numbers of dedicated and of low priority nodes; at least one has to be given."""
    dedicated = body.target_dedicated_nodes
    if dedicated is None and body.target_low_priority_nodes is None:
        raise missing_property("targetDedicatedNodes")
    number(dedicated, "targetDedicatedNodes", 0)
    return dedicated, number(body.target_low_priority_nodes, "targetLowPriorityNodes", 0)


def nodes_to_remove(body: NodeRemove) -> list[str]:
    """The ids of 1 to 100 nodes."""
    if not body.node_list:
        raise missing_property("nodeList")
    if len(body.node_list) > MOST_REMOVED:
        raise invalid_property("nodeList", len(body.node_list), f"It has at most {MOST_REMOVED} nodes.")
    return body.node_list
