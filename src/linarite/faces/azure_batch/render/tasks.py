"""A task as the protocol shows it. Source: BatchTask of 2025-06-01, Batch NOTES section 8.

A task that another face added has no facts of ours and is shown from its spec alone.
"""

from __future__ import annotations

from typing import Any

from linarite.engine import layout
from linarite.engine.counting import BUSY
from linarite.engine.model import (
    Dependencies,
    ExitCodes,
    ExitConditions,
    ExitOptions,
    Job,
    Named,
    ResourceFile,
    Task,
    TaskSpec,
    TaskState,
)  # fmt: skip
from linarite.engine.outputs import OutputFile
from linarite.faces.azure_batch.render.outcomes import ending, retries
from linarite.faces.azure_batch.render.scalars import duration, etag, moment
from linarite.faces.azure_batch.secrets import without_secrets

FACE = "azure_batch"
DEFAULT_USER = {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}
ELEVATED_USER = {"autoUser": {"scope": "pool", "elevationLevel": "admin"}}


def task_json(task: Task, job: Job, base: str) -> dict[str, Any]:
    """The whole task; `base` is the address of the account."""
    spec, given = task.spec, task.facts.get(FACE, {})
    shown: dict[str, Any] = {
        "id": spec.id,
        "url": task_url(base, job.spec.id, spec.id),
        "eTag": etag(task.modified_at),
        "creationTime": moment(task.created_at),
        "lastModified": moment(task.modified_at),
        "state": task.state.value,
        "stateTransitionTime": moment(task.state_at),
        "commandLine": spec.command,
    }
    if spec.display_name is not None:
        shown["displayName"] = spec.display_name
    if task.previous_state is not None and task.previous_state_at is not None:
        shown["previousState"] = task.previous_state.value
        shown["previousStateTransitionTime"] = moment(task.previous_state_at)
    shown.update(_specified(spec))
    shown.update(given)
    shown["userIdentity"] = user_identity(given.get("userIdentity"), elevated=spec.elevated)
    if "containerSettings" in given:
        shown["containerSettings"] = without_secrets(given["containerSettings"])
    shown["constraints"] = constraints(spec, job.spec.max_retries)
    shown["requiredSlots"] = spec.required_slots
    shown["executionInfo"] = execution_info(task)
    if task.node is not None and task.pool is not None:
        shown["nodeInfo"] = node_info(base, job.spec.id, spec.id, task.pool, task.node)
    return shown


def task_url(base: str, job: str, task: str) -> str:
    """The address of a task."""
    return f"{base}/jobs/{job}/tasks/{task}"


def _specified(spec: TaskSpec) -> dict[str, Any]:
    """The elements of Add a task that the engine models and that were given."""
    shown: dict[str, Any] = {}
    if spec.resource_files:
        shown["resourceFiles"] = [resource_file(file) for file in spec.resource_files]
    if spec.output_files:
        shown["outputFiles"] = [output_file(file) for file in spec.output_files]
    if spec.environment:
        shown["environmentSettings"] = settings(spec.environment)
    if spec.dependencies is not None:
        shown["dependsOn"] = _depends_on(spec.dependencies)
    if spec.exit_conditions is not None:
        shown["exitConditions"] = _exit_conditions(spec.exit_conditions)
    return shown


def settings(items: tuple[Named, ...]) -> list[dict[str, str]]:
    """Variables; one without a value has a name alone."""
    return [{"name": item.name, "value": item.value} if item.value else {"name": item.name} for item in items]


def resource_file(file: ResourceFile) -> dict[str, str]:
    """A file that a node brings."""
    shown = {"httpUrl": file.url, "filePath": file.path}
    if file.mode is not None:
        shown["fileMode"] = f"{file.mode:04o}"
    return shown


def output_file(file: OutputFile) -> dict[str, Any]:
    """Files that are taken away."""
    container: dict[str, Any] = {"containerUrl": file.url}
    if file.path is not None:
        container["path"] = file.path
    if file.identity is not None:
        container["identityReference"] = {"resourceId": file.identity} if file.identity else {}
    if file.headers:
        container["uploadHeaders"] = [
            {"name": name} if value is None else {"name": name, "value": value} for name, value in file.headers
        ]
    return {
        "filePattern": file.pattern,
        "destination": {"container": container},
        "uploadOptions": {"uploadCondition": f"task{file.when.value}"},
    }


def constraints(spec: TaskSpec, inherited_retries: int) -> dict[str, Any]:
    """The limits in force: the task's own, else its job's."""
    return {
        "maxWallClockTime": duration(spec.max_wall_clock),
        "retentionTime": duration(spec.retention),
        "maxTaskRetryCount": inherited_retries if spec.max_retries is None else spec.max_retries,
    }


def user_identity(given: dict[str, Any] | None, *, elevated: bool = False) -> dict[str, Any]:
    """Who the task runs as, with the defaults filled in."""
    if given is None:
        return ELEVATED_USER if elevated else DEFAULT_USER
    if "autoUser" not in given:
        return given
    return {"autoUser": {**DEFAULT_USER["autoUser"], **given["autoUser"]}}


def _depends_on(dependencies: Dependencies) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if dependencies.ids:
        shown["taskIds"] = list(dependencies.ids)
    if dependencies.ranges:
        shown["taskIdRanges"] = [{"start": start, "end": end} for start, end in dependencies.ranges]
    return shown


def _exit_conditions(conditions: ExitConditions) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if conditions.codes:
        shown["exitCodes"] = [{"code": m.start, "exitOptions": _options(m.options)} for m in conditions.codes]
    if conditions.ranges:
        shown["exitCodeRanges"] = [_range(mapping) for mapping in conditions.ranges]
    for name, options in (
        ("preProcessingError", conditions.pre_processing_error),
        ("fileUploadError", conditions.file_upload_error),
        ("default", conditions.default),
    ):
        if options is not None:
            shown[name] = _options(options)
    return shown


def _range(mapping: ExitCodes) -> dict[str, Any]:
    return {"start": mapping.start, "end": mapping.end, "exitOptions": _options(mapping.options)}


def _options(options: ExitOptions) -> dict[str, str]:
    shown = {}
    if options.job_action is not None:
        shown["jobAction"] = options.job_action.value
    if options.dependency_action is not None:
        shown["dependencyAction"] = options.dependency_action.value
    return shown


def execution_info(task: Task) -> dict[str, Any]:
    """What became of the task so far."""
    info: dict[str, Any] = {}
    if task.started_at is not None and (task.state is TaskState.COMPLETED or task.state in BUSY):
        info["startTime"] = moment(task.started_at)
    info.update(ending(task) | retries(task), requeueCount=task.requeues)
    if task.requeued_at is not None:
        info["lastRequeueTime"] = moment(task.requeued_at)
    return info


def node_info(base: str, job: str, task: str, pool: str, node: str) -> dict[str, str]:
    """Where the task ran and where its files stand."""
    return place_info(base, pool, node, layout.task_directory(job, task))


def place_info(base: str, pool: str, node: str, directory: str) -> dict[str, str]:
    """A node and a directory there."""
    node_url = f"{base}/pools/{pool}/nodes/{node}"
    return {
        "affinityId": f"TVM:{node}",
        "nodeUrl": node_url,
        "poolId": pool,
        "nodeId": node,
        "taskRootDirectory": directory,
        "taskRootDirectoryUrl": f"{node_url}/files/{directory}",
    }
