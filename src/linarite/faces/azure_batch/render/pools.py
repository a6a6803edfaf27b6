"""A pool as the protocol shows it, and its counts of nodes. Source: BatchPool of 2025-06-01, Batch NOTES section 6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from linarite.engine.model import Failure, Node, Pool
from linarite.faces.azure_batch.render.autoscale import scaling_json
from linarite.faces.azure_batch.render.failures import pairs
from linarite.faces.azure_batch.render.scalars import duration, etag, moment
from linarite.faces.azure_batch.render.tasks import FACE, user_identity
from linarite.faces.azure_batch.secrets import without_secrets

_GIVEN = (
    "virtualMachineConfiguration", "cloudServiceConfiguration", "networkConfiguration", "applicationPackageReferences",
    "userAccounts", "mountConfiguration", "upgradePolicy", "certificateReferences", "resourceTags",
    "applicationLicenses",
)  # fmt: skip
_RESIZE_CODES = {
    "resize-stopped": "ResizeStopped", "resize-timeout": "AllocationTimedout", "removal-timeout": "RemoveNodesFailed",
    "quota": "AccountCoreQuotaReached", "low-priority-quota": "AccountLowPriorityCoreQuotaReached",
}  # fmt: skip
_COUNTED = (
    "creating", "idle", "offline", "preempted", "rebooting", "reimaging", "running", "starting", "startTaskFailed",
    "leavingPool", "unknown", "unusable", "waitingForStartTask", "upgradingOS", "deallocated",
    "deallocating",
)  # fmt: skip


def pool_json(pool: Pool, base: str, version: str) -> dict[str, Any]:
    """The whole pool."""
    spec, given = pool.spec, pool.facts.get(FACE, {})
    shown: dict[str, Any] = {
        "id": spec.id,
        "url": pool_url(base, spec.id),
        "eTag": etag(pool.modified_at),
        "creationTime": moment(pool.created_at),
        "lastModified": moment(pool.modified_at),
        "state": pool.state.value,
        "stateTransitionTime": moment(pool.state_at),
        "allocationState": pool.allocation.value,
        "allocationStateTransitionTime": moment(pool.allocation_at),
        "vmSize": spec.size,
        "resizeTimeout": duration(spec.resize_timeout),
        "enableAutoScale": spec.scaling is not None,
        "enableInterNodeCommunication": spec.inter_node,
        "taskSlotsPerNode": spec.slots_per_node,
        "taskSchedulingPolicy": _policy(pool, given),
    }
    shown.update(_sizes(pool))
    if spec.scaling is not None:
        shown.update(scaling_json(spec.scaling, pool.scaling_run, version))
    if spec.display_name is not None:
        shown["displayName"] = spec.display_name
    if spec.metadata:
        shown["metadata"] = pairs(spec.metadata)
    shown.update({name: without_secrets(given[name]) for name in _GIVEN if name in given})
    shown.update(_of_older_versions(given))
    if "startTask" in given:
        shown["startTask"] = start_task(given["startTask"])
    return shown


def _of_older_versions(given: dict[str, Any]) -> dict[str, Any]:
    """How nodes are spoken to, and the guest OS of a cloud service with the version that its nodes have now."""
    wanted = given.get("targetNodeCommunicationMode", "default")
    shown: dict[str, Any] = {
        "targetNodeCommunicationMode": wanted,
        "currentNodeCommunicationMode": "simplified" if wanted == "default" else wanted,
    }
    if "cloudServiceConfiguration" in given:
        service = {"osVersion": "*", **given["cloudServiceConfiguration"]}
        shown["cloudServiceConfiguration"] = {**service, "currentOSVersion": service["osVersion"]}
    return shown


def pool_url(base: str, pool: str) -> str:
    """The address of a pool."""
    return f"{base}/pools/{pool}"


def _policy(pool: Pool, given: dict[str, Any]) -> dict[str, str]:
    policy = {"nodeFillType": pool.spec.fill.value}
    if "jobDefaultOrder" in given:
        policy["jobDefaultOrder"] = given["jobDefaultOrder"]
    return policy


def _sizes(pool: Pool) -> dict[str, Any]:
    """The numbers of nodes and what kept them from the targets; the oldest version has one error alone."""
    errors = [_resize_error(failure) for failure in pool.resize_errors]
    shown = {
        "currentDedicatedNodes": pool.current_dedicated,
        "currentLowPriorityNodes": pool.current_low_priority,
        "targetDedicatedNodes": pool.spec.target_dedicated,
        "targetLowPriorityNodes": pool.spec.target_low_priority,
    }
    return {**shown, "resizeErrors": errors, "resizeError": errors[0]} if errors else shown


def _resize_error(failure: Failure) -> dict[str, Any]:
    error: dict[str, Any] = {"code": _RESIZE_CODES.get(failure.code, "Unknown"), "message": failure.message}
    if failure.details:
        error["values"] = pairs(failure.details)
    return error


def start_task(given: dict[str, Any]) -> dict[str, Any]:
    """A start task with the defaults that the service fills in."""
    defaults = {"maxTaskRetryCount": 0, "waitForSuccess": True}
    task = without_secrets(given)
    return {**defaults, **task, "userIdentity": user_identity(task.get("userIdentity"))}


def node_counts(pool: Pool, nodes: Sequence[Node]) -> dict[str, Any]:
    """How many nodes of each kind are in which state."""
    return {
        "poolId": pool.spec.id,
        "dedicated": _counts([node for node in nodes if node.dedicated]),
        "lowPriority": _counts([node for node in nodes if not node.dedicated]),
    }


def _counts(nodes: Sequence[Node]) -> dict[str, int]:
    states = [node.state.value for node in nodes]
    return {**{name: states.count(name.lower()) for name in _COUNTED}, "total": len(nodes)}
