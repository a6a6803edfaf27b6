"""Jobs as clients send them: add, disable, terminate, and what a change may bring. Source: 2025-06-01, NOTES 7.

An element that nothing executes yet is named, so that the job's tasks end at once saying so.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from linarite.engine.model import (
    Facts,
    JobSpec,
    OnAllTasksComplete,
    OnRunning,
    OnTaskFailure,
    TaskSpec,
)  # fmt: skip
from linarite.engine.templates import JobTemplate
from linarite.faces.azure_batch.errors import invalid_property
from linarite.faces.azure_batch.wire.auto_pools import PoolInfo, auto_pool
from linarite.faces.azure_batch.wire.commands import TaskElement, environment
from linarite.faces.azure_batch.wire.decoding import TYPE, Body, Element, as_read, plain
from linarite.faces.azure_batch.wire.elements import NameValue, kept, metadata
from linarite.faces.azure_batch.wire.node_tasks import PreparationTask, ReleaseTask, job_commands
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
)  # fmt: skip

DISABLE_TASKS = ("requeue", "terminate", "wait")


class JobConstraints(Element):
    """Limits of a job."""

    max_wall_clock_time: str | None = None
    max_task_retry_count: Int32 | None = None


class NetworkConfiguration(Element):
    """The virtual network that a cloud's nodes would join for the job: kept, without effect."""

    subnet_id: str | None = None
    skip_withdraw_from_vnet: bool | None = msgspec.field(default=None, name="skipWithdrawFromVNet")


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
    network_configuration: NetworkConfiguration | None = None


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

    words = "jobPatch"

    odata_metadata: str | None = TYPE


class JobAdd(JobSpecification):
    """The body of Add Job."""

    words = "job"

    id: str | None = None
    odata_metadata: str | None = TYPE


JobPut = as_read(JobAdd, "jobPut")
"""The body of Update Job."""


class JobDisable(Body):
    """The body of Disable Job."""

    disable_tasks: str | None = None


class JobTerminate(Body):
    """The body of Terminate Job."""

    terminate_reason: str | None = None


_KEPT = ("job_manager_task", "job_preparation_task", "job_release_task")


def job_of(body: JobAdd) -> JobTemplate:
    """A job to be added, with its id."""
    template = template_of(body)
    return replace(template, spec=replace(template.spec, id=checked_id(body.id)))


def template_of(body: JobSpecification, *, recurring: bool = False) -> JobTemplate:
    """A job as it is asked for; `recurring` tells that a schedule makes it, whose jobs may share a pool."""
    preparation, release = job_commands(body.job_preparation_task, body.job_release_task)
    manager = body.job_manager_task
    spec = JobSpec(
        id="",
        pool=(body.pool_info.pool_id if body.pool_info else None) or "",
        auto_pool=auto_pool(body.pool_info, recurring=recurring),
        display_name=display_name(body.display_name),
        priority=priority(body.priority),
        preemptible=bool(body.allow_task_preemption),
        max_parallel_tasks=parallel_tasks(body.max_parallel_tasks),
        uses_dependencies=bool(body.uses_task_dependencies),
        on_all_tasks_complete=on_all_complete(body.on_all_tasks_complete),
        on_task_failure=word(OnTaskFailure, body.on_task_failure, "onTaskFailure") or OnTaskFailure.NO_ACTION,
        environment=environment(body.common_environment_settings),
        metadata=metadata(body.metadata),
        preparation=preparation,
        release=release,
        ends_with=manager.id if manager and manager.kill_job_on_completion is not False else None,
    )
    return JobTemplate(
        spec=constrained(spec, body.constraints or JobConstraints()),
        facts=_facts(body),
        first_tasks=() if manager is None else (_manager_task(manager),),
    )


def _facts(body: JobSpecification) -> Facts:
    facts = kept(body, _KEPT)
    if body.pool_info is not None and body.pool_info.auto_pool_specification is not None:
        facts["autoPoolSpecification"] = plain(body.pool_info.auto_pool_specification)
    if body.network_configuration is not None:
        facts["networkConfiguration"] = network(body.network_configuration)
    return {FACE: facts} if facts else {}


def network(element: NetworkConfiguration) -> dict[str, Any]:
    """The network of a job as it is kept."""
    required(element.subnet_id, "networkConfiguration.subnetId")
    shown: dict[str, Any] = plain(element)
    return shown


def priority(value: int | None) -> int:
    """A number from -1000 to 1000, 0 when there is none."""
    return number(value, "priority", -1000, 1000) or 0


def parallel_tasks(value: int | None) -> int:
    """How many tasks may run at once; -1 is without limit."""
    if value == 0:
        raise invalid_property("maxParallelTasks", value, "It is greater than 0, or -1 for no limit.")
    return number(value, "maxParallelTasks", -1) or -1


def on_all_complete(value: str | None) -> OnAllTasksComplete:
    """What the job does when no task is left."""
    return word(OnAllTasksComplete, value, "onAllTasksComplete") or OnAllTasksComplete.NO_ACTION


def constrained(spec: JobSpec, limits: JobConstraints) -> JobSpec:
    """The spec with its limits set anew; what is omitted is reset."""
    return replace(
        spec,
        max_wall_clock=duration(limits.max_wall_clock_time, "maxWallClockTime"),
        max_retries=number(limits.max_task_retry_count, "maxTaskRetryCount", -1) or 0,
    )


def _manager_task(manager: JobManagerTask) -> tuple[TaskSpec, Facts]:
    """The job manager task as a task like any other."""
    common = {name: getattr(manager, name) for name in TaskElement.__struct_fields__}
    spec, facts = task_of(TaskAdd(**common))
    dedicated = manager.allow_low_priority_node is False
    exclusive = manager.run_exclusive is not False
    return replace(spec, exclusive=exclusive, dedicated_only=dedicated, manages=True), facts


def on_running(body: JobDisable) -> OnRunning:
    """What becomes of the running tasks of a job that is disabled."""
    chosen = word_of(DISABLE_TASKS, required(body.disable_tasks, "disableTasks"), "disableTasks")
    return OnRunning(chosen or OnRunning.REQUEUE)
