"""A job as the protocol shows it. Source: BatchJob of 2025-06-01, Batch NOTES section 7."""

from __future__ import annotations

from typing import Any

from linarite.engine.model import Counts, Job, JobSpec, JobState
from linarite.faces.azure_batch import versions
from linarite.faces.azure_batch.render.failures import pairs
from linarite.faces.azure_batch.render.scalars import UNLIMITED, duration, etag, moment
from linarite.faces.azure_batch.render.tasks import DEFAULT_USER, FACE, settings, user_identity
from linarite.faces.azure_batch.secrets import without_secrets

_MANAGER = {"killJobOnCompletion": True, "runExclusive": True, "allowLowPriorityNode": True, "requiredSlots": 1}
_PREPARATION = {"id": "jobpreparation", "waitForSuccess": True, "rerunOnNodeRebootAfterSuccess": True}
_RELEASE = {"id": "jobrelease", "maxWallClockTime": "PT15M", "retentionTime": "P7D"}


def job_json(job: Job, base: str) -> dict[str, Any]:
    """The whole job. A draft, which only other protocols have, is a disabled job."""
    spec = job.spec
    shown: dict[str, Any] = {
        "id": spec.id,
        "url": job_url(base, spec.id),
        "eTag": etag(job.modified_at),
        "creationTime": moment(job.created_at),
        "lastModified": moment(job.modified_at),
        "state": state(job.state),
        "stateTransitionTime": moment(job.state_at),
        **specification(spec, job.facts.get(FACE, {})),
        "executionInfo": _execution_info(job),
    }
    if job.previous_state is not None and job.previous_state_at is not None:
        shown["previousState"] = state(job.previous_state)
        shown["previousStateTransitionTime"] = moment(job.previous_state_at)
    return shown


def specification(spec: JobSpec, given: dict[str, Any]) -> dict[str, Any]:
    """What is asked of a job, of a schedule's too; `given` is what this face keeps of it."""
    shown: dict[str, Any] = {
        "priority": spec.priority,
        "usesTaskDependencies": spec.uses_dependencies,
        "constraints": {"maxWallClockTime": duration(spec.max_wall_clock), "maxTaskRetryCount": spec.max_retries},
        "poolInfo": _pool_info(spec, given),
        "onAllTasksComplete": spec.on_all_tasks_complete.value,
        "onTaskFailure": spec.on_task_failure.value,
        "maxParallelTasks": spec.max_parallel_tasks,
        "allowTaskPreemption": spec.preemptible,
    }
    if spec.display_name is not None:
        shown["displayName"] = spec.display_name
    if spec.environment:
        shown["commonEnvironmentSettings"] = settings(spec.environment)
    if spec.metadata:
        shown["metadata"] = pairs(spec.metadata)
    if "networkConfiguration" in given:
        shown["networkConfiguration"] = {"skipWithdrawFromVNet": False, **given["networkConfiguration"]}
    shown.update(_special_tasks(spec, given))
    return shown


def job_url(base: str, job: str) -> str:
    """The address of a job."""
    return f"{base}/jobs/{job}"


def state(value: JobState) -> str:
    """The protocol's word for a state."""
    return JobState.DISABLED.value if value is JobState.DRAFT else value.value


def _pool_info(spec: JobSpec, given: dict[str, Any]) -> dict[str, Any]:
    if "autoPoolSpecification" not in given:
        return {"poolId": spec.pool}
    return {"autoPoolSpecification": without_secrets(given["autoPoolSpecification"])}


def _execution_info(job: Job) -> dict[str, Any]:
    info = {"startTime": moment(job.created_at if job.started_at is None else job.started_at), "poolId": job.spec.pool}
    if job.ended_at is not None:
        info["endTime"] = moment(job.ended_at)
    if job.terminate_reason is not None and job.state is JobState.COMPLETED:
        info["terminateReason"] = job.terminate_reason
    return info


def _special_tasks(spec: JobSpec, given: dict[str, Any]) -> dict[str, Any]:
    """The job manager, preparation and release tasks, with the defaults that the service fills in."""
    limits = {"maxWallClockTime": UNLIMITED, "retentionTime": "P7D", "maxTaskRetryCount": spec.max_retries}
    shown: dict[str, Any] = {}
    for name, defaults in (
        ("jobManagerTask", _MANAGER), ("jobPreparationTask", _PREPARATION), ("jobReleaseTask", _RELEASE),
    ):  # fmt: skip
        if name in given:
            task = {**defaults, **without_secrets(given[name])}
            task["userIdentity"] = user_identity(task.get("userIdentity", DEFAULT_USER))
            if name != "jobReleaseTask":
                task["constraints"] = {**limits, **task.get("constraints", {})}
            shown[name] = task
    return shown


def task_counts(counts: Counts, version: str) -> dict[str, Any]:
    """The counters of a job: nested beside the slots, or the five numbers alone in old versions."""
    numbers = _five(counts.active, counts.running, counts.succeeded, counts.failed)
    if version < versions.TASK_SLOTS:
        validation = {"validationStatus": "validated"} if version < versions.NODE_AGENT else {}
        return {**numbers, **validation}
    slots = _five(counts.active_slots, counts.running_slots, counts.succeeded_slots, counts.failed_slots)
    return {"taskCounts": numbers, "taskSlotCounts": slots}


def _five(active: int, running: int, succeeded: int, failed: int) -> dict[str, int]:
    completed = succeeded + failed
    return {"active": active, "running": running, "completed": completed, "succeeded": succeeded, "failed": failed}
