"""What the service ran on nodes, as the protocol shows it: start tasks of nodes, preparation and release of jobs.

Source: BatchStartTaskInfo and BatchJobPreparationAndReleaseTaskStatus of 2025-06-01.
"""

from __future__ import annotations

from typing import Any

from linarite.engine.model import NodeTask, TaskState
from linarite.engine.ports import Prepared
from linarite.faces.azure_batch.render.failures import failure_info
from linarite.faces.azure_batch.render.scalars import moment


def start_task_info(own: NodeTask) -> dict[str, Any]:
    """What became of a node's start task so far."""
    return {**_outcome(own), **_retries(own)}


def preparation_status(pair: Prepared, base: str) -> dict[str, Any]:
    """What became of a job's preparation and release tasks on one node."""
    prepared, released = pair
    node_url = f"{base}/pools/{prepared.pool}/nodes/{prepared.node}"
    shown: dict[str, Any] = {
        "poolId": prepared.pool,
        "nodeId": prepared.node,
        "nodeUrl": node_url,
        "jobPreparationTaskExecutionInfo": {
            **_outcome(prepared), **_directory(prepared, node_url), **_retries(prepared),
        },
    }  # fmt: skip
    if released is not None:
        shown["jobReleaseTaskExecutionInfo"] = {**_outcome(released), **_directory(released, node_url)}
    return shown


def _outcome(own: NodeTask) -> dict[str, Any]:
    info: dict[str, Any] = {
        "startTime": moment(own.created_at if own.started_at is None else own.started_at),
        "state": "completed" if own.state is TaskState.COMPLETED else "running",
    }
    if own.ended_at is not None:
        info["endTime"] = moment(own.ended_at)
    if own.exit_code is not None:
        info["exitCode"] = own.exit_code
    if own.result is not None:
        info["result"] = own.result.value
    if own.failure is not None:
        info["failureInfo"] = failure_info(own.failure)
    return info


def _retries(own: NodeTask) -> dict[str, Any]:
    info: dict[str, Any] = {"retryCount": own.retries}
    if own.retried_at is not None:
        info["lastRetryTime"] = moment(own.retried_at)
    return info


def _directory(own: NodeTask, node_url: str) -> dict[str, str]:
    return {"taskRootDirectory": own.directory, "taskRootDirectoryUrl": f"{node_url}/files/{own.directory}"}
