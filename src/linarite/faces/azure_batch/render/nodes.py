"""A node as the protocol shows it. Source: BatchNode of 2025-06-01, Batch NOTES section 6."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from linarite import __version__
from linarite.engine.addresses import host
from linarite.engine.model import Failure, Job, Node, NodeTask, Pool, Task
from linarite.faces.azure_batch.render.failures import CODES, pairs
from linarite.faces.azure_batch.render.node_access import ADDRESS_V6, endpoints
from linarite.faces.azure_batch.render.node_tasks import start_task_info, subtask_execution_info
from linarite.faces.azure_batch.render.pools import start_task
from linarite.faces.azure_batch.render.scalars import moment
from linarite.faces.azure_batch.render.tasks import FACE, execution_info, task_url

Recent = tuple[Job, Task, NodeTask | None]
"""What ran on a node: a job's task, or a subtask of it."""


def node_json(node: Node, pool: Pool, recent: Iterable[Recent], start: NodeTask | None, base: str) -> dict[str, Any]:
    """The whole node; `recent` is what ran there last, the newest first; `start` is its last start task."""
    given = pool.facts.get(FACE, {})
    shown: dict[str, Any] = {
        "id": node.id,
        "url": node_url(base, node.pool, node.id),
        "state": node.state.value,
        "schedulingState": "enabled" if node.scheduling else "disabled",
        "stateTransitionTime": moment(node.state_at),
        "lastBootTime": moment(node.boot_at),
        "allocationTime": moment(node.created_at),
        "ipAddress": host(node.id, node.key, machine=node.is_machine),
        "affinityId": f"TVM:{node.id}",
        "vmSize": pool.spec.size,
        "totalTasksRun": node.total_tasks,
        "totalTasksSucceeded": node.succeeded_tasks,
        "runningTasksCount": node.running_tasks,
        "isDedicated": node.dedicated,
        "endpointConfiguration": {"inboundEndpoints": endpoints(node, given)},
        "nodeAgentInfo": {"version": __version__, "lastUpdateTime": moment(node.boot_at)},
        "runningTaskSlotsCount": node.running_slots,
        "virtualMachineInfo": _machine(given),
        "ipv6Address": node.id if node.is_machine else ADDRESS_V6,
    }
    tasks = [_recent(one, base) for one in recent]
    if tasks:
        shown["recentTasks"] = tasks
    if "certificateReferences" in given:
        shown["certificateReferences"] = given["certificateReferences"]
    if "startTask" in given:
        shown["startTask"] = start_task(given["startTask"])
    if start is not None:
        shown["startTaskInfo"] = start_task_info(start)
    if node.failure is not None:
        shown["errors"] = [_error(node.failure)]
    return shown


def node_url(base: str, pool: str, node: str) -> str:
    """The address of a node."""
    return f"{base}/pools/{pool}/nodes/{node}"


def _machine(given: dict[str, Any]) -> dict[str, Any]:
    image = given.get("virtualMachineConfiguration", {}).get("imageReference")
    return {"imageReference": {**image, "exactVersion": image.get("version", "latest")}} if image else {}


def _recent(recent: Recent, base: str) -> dict[str, Any]:
    job, task, subtask = recent
    state, info = task.state, execution_info(task)
    if subtask is not None:
        state, info = subtask.state, subtask_execution_info(subtask, task)
    shown: dict[str, Any] = {
        "taskUrl": task_url(base, job.spec.id, task.spec.id),
        "jobId": job.spec.id,
        "taskId": task.spec.id,
        "taskState": state.value,
        "executionInfo": info,
    }
    if task.spec.multi_instance is not None:
        shown["subtaskId"] = 0 if subtask is None else subtask.instance
    return shown


_OF_POOL = {
    "ApplicationPackageError": "One or more application packages specified for the pool are invalid",
    "ContainerInvalidImage": "One or more container images specified for the pool are invalid",
    "ContainerInvalidRegistry": "One or more container registries specified for the pool are invalid",
}
"""The service's own sentences; what this server has to say stands among the details then."""


def _error(failure: Failure) -> dict[str, Any]:
    code, message, details = CODES.get(failure.code, "Unknown"), failure.message, pairs(failure.details)
    if code in _OF_POOL:
        message, details = _OF_POOL[code], [*details, {"name": "Message", "value": message}]
    return {"code": code, "message": message, "errorDetails": details}
