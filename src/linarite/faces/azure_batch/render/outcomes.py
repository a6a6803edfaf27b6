"""How a task or a node task ended, and how often it was tried: what their execution information has in common."""

from __future__ import annotations

from typing import Any

from linarite.engine.containers import ContainerInfo
from linarite.engine.model import NodeTask, Task
from linarite.faces.azure_batch.render.failures import failure_info
from linarite.faces.azure_batch.render.scalars import moment


def ending(one: Task | NodeTask) -> dict[str, Any]:
    """When, by which exit code and why it ended, as far as it has, and in which container."""
    info: dict[str, Any] = {}
    if one.container is not None:
        info["containerInfo"] = _container(one.container)
    if one.ended_at is not None:
        info["endTime"] = moment(one.ended_at)
    if one.exit_code is not None:
        info["exitCode"] = one.exit_code
    if one.result is not None:
        info["result"] = one.result.value
    if one.failure is not None:
        info["failureInfo"] = failure_info(one.failure)
    return info


def _container(container: ContainerInfo) -> dict[str, str]:
    """As Docker inspects it. Source: BatchTaskContainerExecutionInfo of 2025-06-01."""
    shown = {"containerId": container.id, "state": container.state, "error": container.error}
    return {name: value for name, value in shown.items() if value}


def retries(one: Task | NodeTask) -> dict[str, Any]:
    """How often it was tried again, and when last."""
    info: dict[str, Any] = {"retryCount": one.retries}
    if one.retried_at is not None:
        info["lastRetryTime"] = moment(one.retried_at)
    return info
