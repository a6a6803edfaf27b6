"""Jobs as clients send them: add, patch, put, disable, terminate. Source: 2025-06-01, NOTES 7.

An element that nothing executes yet is named, so that the job's tasks end at once saying so.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from linarite.engine.model import (
    Facts,
    Job,
    JobSpec,
    OnAllTasksComplete,
    OnRunning,
    OnTaskFailure,
    TaskSpec,
)  # fmt: skip
from linarite.engine.templates import AutoPool, JobTemplate
from linarite.faces.azure_batch import versions
from linarite.faces.azure_batch.errors import Refusal, invalid_property, missing_property
from linarite.faces.azure_batch.wire.commands import TaskElement, environment, left_out
from linarite.faces.azure_batch.wire.decoding import TYPE, Body, Element, as_read, plain
from linarite.faces.azure_batch.wire.elements import NameValue, kept, metadata
from linarite.faces.azure_batch.wire.node_tasks import PreparationTask, ReleaseTask, job_commands
from linarite.faces.azure_batch.wire.pools import PoolSpecification, pool_of
from linarite.faces.azure_batch.wire.tasks import FACE, TaskAdd, task_of
from linarite.faces.azure_batch.wire.values import (
    Int32,
    checked_id,
    display_name,
    duration,
    number,
    required,
    word,
    word_of,
)

LASTING = "jobschedule"
LIFETIMES = (LASTING, "job")
MOST_PREFIX = 20
PLACEHOLDER = "auto"
"""Stands for the id of a pool that the engine is yet to name."""


class JobConstraints(Element):
    """Limits of a job."""

    max_wall_clock_time: str | None = None
    max_task_retry_count: Int32 | None = None


class AutoPoolElement(Element):
    """A pool made for the job."""

    auto_pool_id_prefix: str | None = None
    pool_lifetime_option: str | None = None
    keep_alive: bool | None = None
    pool: PoolSpecification | None = None


class PoolInfo(Element):
    """Where the job runs."""

    pool_id: str | None = None
    auto_pool_specification: AutoPoolElement | None = None


class JobManagerTask(TaskElement):
    """The task that is made with the job."""

    kill_job_on_completion: bool | None = None
    run_exclusive: bool | None = None
    allow_low_priority_node: bool | None = None


class JobElement(Element):
    """What can be changed of a job."""

    priority: Int32 | None = None
    allow_task_preemption: bool | None = None
    max_parallel_tasks: Int32 | None = None
    constraints: JobConstraints | None = None
    pool_info: PoolInfo | None = None
    on_all_tasks_complete: str | None = None
    metadata: list[NameValue] | None = None
    network_configuration: dict[str, Any] | None = None


class JobSpecification(JobElement):
    """What a job is to be, without its id."""

    display_name: str | None = None
    uses_task_dependencies: bool | None = None
    job_manager_task: JobManagerTask | None = None
    job_preparation_task: PreparationTask | None = None
    job_release_task: ReleaseTask | None = None
    common_environment_settings: list[NameValue] | None = None
    on_task_failure: str | None = None


class JobChange(JobElement):
    """The body of Patch Job."""

    odata_metadata: str | None = TYPE


class JobAdd(JobSpecification):
    """The body of Add Job."""

    id: str | None = None
    odata_metadata: str | None = TYPE


JobPut = as_read(JobAdd)
"""The body of Update Job."""


class JobDisable(Body):
    """The body of Disable Job."""

    disable_tasks: str | None = None


class JobTerminate(Body):
    """The body of Terminate Job."""

    terminate_reason: str | None = None


SPANS = versions.Spans(
    max_parallel_tasks=(versions.PARALLEL_TASKS, versions.FOREVER),
    allow_task_preemption=(versions.PARALLEL_TASKS, versions.FOREVER),
)
_KEPT = (
    "allow_task_preemption", "network_configuration", "job_manager_task", "job_preparation_task", "job_release_task",
)  # fmt: skip


def job_of(body: JobAdd, version: str) -> JobTemplate:
    """A job to be added, with its id."""
    template = template_of(body, version)
    return replace(template, spec=replace(template.spec, id=checked_id(body.id)))


def template_of(body: JobSpecification, version: str, *, recurring: bool = False) -> JobTemplate:
    """A job as it is asked for; `recurring` tells that a schedule makes it, whose jobs may share a pool."""
    SPANS.check(body, version)
    limits = body.constraints or JobConstraints()
    preparation, release = job_commands(body.job_preparation_task, body.job_release_task, version)
    automatic = _auto_pool(body.pool_info, version, recurring=recurring)
    manager = body.job_manager_task
    spec = JobSpec(
        id="",
        pool=(body.pool_info.pool_id if body.pool_info else None) or "",
        display_name=display_name(body.display_name),
        priority=_priority(body.priority),
        max_parallel_tasks=_parallel(body.max_parallel_tasks),
        max_wall_clock=duration(limits.max_wall_clock_time, "maxWallClockTime"),
        max_retries=number(limits.max_task_retry_count, "maxTaskRetryCount", -1) or 0,
        uses_dependencies=bool(body.uses_task_dependencies),
        on_all_tasks_complete=_on_complete(body.on_all_tasks_complete),
        on_task_failure=word(OnTaskFailure, body.on_task_failure, "onTaskFailure") or OnTaskFailure.NO_ACTION,
        environment=environment(body.common_environment_settings),
        metadata=metadata(body.metadata),
        preparation=preparation,
        release=release,
        not_executed=left_out(body.job_preparation_task, "jobPreparationTask"),
        ends_with=manager.id if manager and manager.kill_job_on_completion is not False else None,
    )
    return JobTemplate(
        spec=spec,
        facts=_facts(body),
        auto_pool=automatic,
        first_tasks=() if manager is None else (_manager_task(manager, version),),
    )


def _facts(body: JobSpecification) -> Facts:
    facts = kept(body, _KEPT)
    if body.pool_info is not None and body.pool_info.auto_pool_specification is not None:
        facts["autoPoolSpecification"] = plain(body.pool_info.auto_pool_specification)
    return {FACE: facts} if facts else {}


def not_executed(template: JobTemplate) -> tuple[str, ...]:
    """The elements of a job, of its pool and of its job manager task that nothing executes yet."""
    automatic = template.auto_pool
    tasks = (name for spec, _ in template.first_tasks for name in spec.not_executed)
    return (*template.spec.not_executed, *(automatic.spec.not_executed if automatic else ()), *tasks)


def _priority(value: int | None) -> int:
    return number(value, "priority", -1000, 1000) or 0


def _parallel(value: int | None) -> int:
    if value == 0:
        raise invalid_property("maxParallelTasks", value, "It is greater than 0, or -1 for no limit.")
    return number(value, "maxParallelTasks", -1) or -1


def _on_complete(value: str | None) -> OnAllTasksComplete:
    return word(OnAllTasksComplete, value, "onAllTasksComplete") or OnAllTasksComplete.NO_ACTION


def _auto_pool(info: PoolInfo | None, version: str, *, recurring: bool) -> AutoPool | None:
    """The pool to make for the job, None when it names one."""
    if info is None:
        raise missing_property("poolInfo")
    if (info.pool_id is None) is (info.auto_pool_specification is None):
        reason = "Exactly one of poolId and autoPoolSpecification has to be specified."
        raise invalid_property("poolInfo", info.pool_id or "", reason)
    automatic = info.auto_pool_specification
    if automatic is None:
        checked_id(info.pool_id, "poolInfo.poolId")
        return None
    lifetime = word_of(LIFETIMES, required(automatic.pool_lifetime_option, "poolLifetimeOption"), "poolLifetimeOption")
    if lifetime == LASTING and not recurring:
        raise invalid_property("poolLifetimeOption", lifetime, "It applies to job schedules only, not to jobs.")
    if automatic.pool is None:
        raise missing_property("autoPoolSpecification.pool")
    spec, facts = pool_of(automatic.pool, PLACEHOLDER, version)
    return AutoPool(
        spec=spec, facts=facts, prefix=_prefix(automatic), lasting=lifetime == LASTING, kept=bool(automatic.keep_alive)
    )  # fmt: skip


def _prefix(automatic: AutoPoolElement) -> str:
    prefix = automatic.auto_pool_id_prefix or ""
    if len(prefix) > MOST_PREFIX:
        raise invalid_property("autoPoolIdPrefix", prefix, f"It has at most {MOST_PREFIX} characters.")
    return checked_id(prefix, "autoPoolIdPrefix") if prefix else ""


def _manager_task(manager: JobManagerTask, version: str) -> tuple[TaskSpec, Facts]:
    """The job manager task as a task like any other."""
    common = {name: getattr(manager, name) for name in TaskElement.__struct_fields__}
    return task_of(TaskAdd(**common), version)


def put(body: JobAdd) -> JobChange:
    """The part of a whole job that can be changed. The pool has to be there."""
    if body.pool_info is None:
        raise missing_property("poolInfo")
    return JobChange(**{name: getattr(body, name) for name in JobElement.__struct_fields__})


def patched(job: Job, change: JobChange) -> Job:
    """The job with the properties that `change` gives; each is replaced as a whole."""
    spec, facts = job.spec, dict(job.facts.get(FACE, {}))
    if change.priority is not None:
        spec = replace(spec, priority=_priority(change.priority))
    if change.max_parallel_tasks is not None:
        spec = replace(spec, max_parallel_tasks=_parallel(change.max_parallel_tasks))
    if change.constraints is not None:
        spec = _constrained(spec, change.constraints)
    if change.on_all_tasks_complete is not None:
        spec = replace(spec, on_all_tasks_complete=_on_complete(change.on_all_tasks_complete))
    if change.metadata is not None:
        spec = replace(spec, metadata=metadata(change.metadata))
    if change.pool_info is not None:
        spec = _moved(job, spec, change.pool_info)
    facts.update(kept(change, ("allow_task_preemption", "network_configuration")))
    return replace(job, spec=spec, facts={**job.facts, FACE: facts})


def replaced(job: Job, change: JobChange) -> Job:
    """The job with all that can be changed set anew; what `change` leaves out is reset."""
    facts = dict(job.facts.get(FACE, {}))
    for name in ("allowTaskPreemption", "networkConfiguration"):
        facts.pop(name, None)
    bare = replace(
        job.spec, priority=0, max_parallel_tasks=-1, max_wall_clock=None, max_retries=0, metadata=(),
        on_all_tasks_complete=OnAllTasksComplete.NO_ACTION,
    )  # fmt: skip
    return patched(replace(job, spec=bare, facts={**job.facts, FACE: facts}), change)


def _constrained(spec: JobSpec, limits: JobConstraints) -> JobSpec:
    return replace(
        spec,
        max_wall_clock=duration(limits.max_wall_clock_time, "maxWallClockTime"),
        max_retries=number(limits.max_task_retry_count, "maxTaskRetryCount", -1) or 0,
    )


def _moved(job: Job, spec: JobSpec, info: PoolInfo) -> JobSpec:
    """The job on another pool, which it can be given while it is disabled."""
    if info.auto_pool_specification is not None:
        if "autoPoolSpecification" in job.facts.get(FACE, {}):
            return spec
        raise Refusal("NotImplemented", Reason="A job cannot be given an auto pool after it was added.")
    pool = checked_id(info.pool_id, "poolInfo.poolId")
    if pool.lower() == spec.pool.lower():
        return spec
    if job.state not in {"disabled", "draft"}:
        reason = "The pool of a job can be changed while the job is disabled."
        raise Refusal("OperationInvalidForCurrentState", Reason=reason)
    return replace(spec, pool=pool)


def on_running(body: JobDisable) -> OnRunning:
    """What becomes of the running tasks of a job that is disabled."""
    return word(OnRunning, required(body.disable_tasks, "disableTasks"), "disableTasks") or OnRunning.REQUEUE
