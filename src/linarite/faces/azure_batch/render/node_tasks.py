"""What the service ran on nodes, as the protocol shows it: start tasks, preparation and release of jobs, subtasks.

Source: BatchStartTaskInfo, BatchJobPreparationAndReleaseTaskStatus and BatchSubtask of 2025-06-01.
"""

from __future__ import annotations

from typing import Any

from linarite.engine.model import NodeTask, Task, TaskState
from linarite.engine.ports import Prepared
from linarite.faces.azure_batch.render.outcomes import ending, retries
from linarite.faces.azure_batch.render.scalars import moment
from linarite.faces.azure_batch.render.tasks import place_info


def start_task_info(own: NodeTask) -> dict[str, Any]:
    """What became of a node's start task so far."""
    return {**_outcome(own), **retries(own)}


def preparation_status(pair: Prepared, base: str) -> dict[str, Any]:
    """What became of a job's preparation and release tasks on one node."""
    prepared, released = pair
    node_url = f"{base}/pools/{prepared.pool}/nodes/{prepared.node}"
    shown: dict[str, Any] = {
        "poolId": prepared.pool,
        "nodeId": prepared.node,
        "nodeUrl": node_url,
        "jobPreparationTaskExecutionInfo": {
            **_outcome(prepared), **_directory(prepared, node_url), **retries(prepared),
        },
    }  # fmt: skip
    if released is not None:
        shown["jobReleaseTaskExecutionInfo"] = {**_outcome(released), **_directory(released, node_url)}
    return shown


def subtask_json(own: NodeTask, base: str) -> dict[str, Any]:
    """A subtask: it runs until its task's own command has ended, and has the exit code of its coordination command."""
    outcome = _outcome(own)
    shown: dict[str, Any] = {
        "id": own.instance,
        "nodeInfo": place_info(base, own.pool, own.node, own.directory),
        **{name: value for name, value in outcome.items() if name in _OF_SUBTASK},
        "state": own.state.value,
        "stateTransitionTime": moment(own.state_at),
    }
    if own.started_at is None:
        del shown["startTime"]
    if own.state is not TaskState.COMPLETED:
        shown.pop("exitCode", None)
    if own.previous_state is not None and own.previous_state_at is not None:
        shown["previousState"] = own.previous_state.value
        shown["previousStateTransitionTime"] = moment(own.previous_state_at)
    return shown


_OF_SUBTASK = ("startTime", "endTime", "exitCode", "containerInfo", "result", "failureInfo")


def subtask_execution_info(own: NodeTask, task: Task) -> dict[str, Any]:
    """What became of a subtask, as its node tells of it: tries are those of the whole task."""
    shown = subtask_json(own, "")
    outcome = {name: shown[name] for name in _OF_SUBTASK if name in shown}
    return {**outcome, "retryCount": task.retries, "requeueCount": task.requeues}


def _outcome(own: NodeTask) -> dict[str, Any]:
    return {
        "startTime": moment(own.created_at if own.started_at is None else own.started_at),
        "state": "completed" if own.state is TaskState.COMPLETED else "running",
        **ending(own),
    }


def _directory(own: NodeTask, node_url: str) -> dict[str, str]:
    return {"taskRootDirectory": own.directory, "taskRootDirectoryUrl": f"{node_url}/files/{own.directory}"}
