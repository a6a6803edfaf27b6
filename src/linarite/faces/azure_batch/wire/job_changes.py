"""What PATCH and PUT make of a job: which property may change when, and what a PUT resets. Source: NOTES 7.

Their pages: BatchJobUpdateOptions of 2025-06-01, JobUpdateParameter of 2024-02-01.19.0.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from linarite.engine.model import AutoPool, Job, OnAllTasksComplete
from linarite.faces.azure_batch import versions
from linarite.faces.azure_batch.errors import invalid_property, missing_property
from linarite.faces.azure_batch.wire.auto_pools import moved
from linarite.faces.azure_batch.wire.elements import metadata
from linarite.faces.azure_batch.wire.jobs import (
    JobAdd,
    JobChange,
    JobElement,
    constrained,
    network,
    on_all_complete,
    parallel_tasks,
    priority,
)  # fmt: skip
from linarite.faces.azure_batch.wire.tasks import FACE


def put(body: JobAdd) -> JobChange:
    """The part of a whole job that can be changed. The pool has to be there."""
    if body.pool_info is None:
        raise missing_property("poolInfo")
    return JobChange(**{name: getattr(body, name) for name in JobElement.__struct_fields__})


def patched(job: Job, change: JobChange) -> Job:
    """The job with the properties that `change` gives; each is replaced as a whole."""
    spec, facts = job.spec, dict(job.facts.get(FACE, {}))
    if change.priority is not None:
        spec = replace(spec, priority=priority(change.priority))
    if change.max_parallel_tasks is not None:
        spec = replace(spec, max_parallel_tasks=parallel_tasks(change.max_parallel_tasks))
    if change.allow_task_preemption is not None:
        spec = replace(spec, preemptible=change.allow_task_preemption)
    if change.constraints is not None:
        spec = constrained(spec, change.constraints)
    if change.on_all_tasks_complete is not None:
        spec = replace(spec, on_all_tasks_complete=_on_all_complete(job, change.on_all_tasks_complete))
    if change.metadata is not None:
        spec = replace(spec, metadata=metadata(change.metadata))
    if change.pool_info is not None:
        spec = moved(job, spec, change.pool_info)
        facts = _pool_facts(facts, spec.auto_pool)
    if change.network_configuration is not None:
        facts["networkConfiguration"] = network(change.network_configuration)
    return replace(job, spec=spec, facts={**job.facts, FACE: facts})


def replaced(job: Job, change: JobChange, version: str) -> Job:
    """The job with all that can be changed set anew; what `change` leaves out is reset."""
    facts = dict(job.facts.get(FACE, {}))
    if version >= versions.LONG_AS_TEXT:
        facts.pop("networkConfiguration", None)
    bare = replace(
        job.spec, priority=0, max_parallel_tasks=-1, preemptible=False, max_wall_clock=None, max_retries=0, metadata=(),
    )  # fmt: skip
    whole = JobChange(**{name: getattr(change, name) for name in JobElement.__struct_fields__})
    whole.on_all_tasks_complete = change.on_all_tasks_complete or OnAllTasksComplete.NO_ACTION.value
    return patched(replace(job, spec=bare, facts={**job.facts, FACE: facts}), whole)


def _on_all_complete(job: Job, value: str) -> OnAllTasksComplete:
    """Once engaged, the job's end by itself cannot be turned off."""
    wanted = on_all_complete(value)
    engaged = job.spec.on_all_tasks_complete is OnAllTasksComplete.TERMINATE
    if engaged and wanted is OnAllTasksComplete.NO_ACTION:
        reason = "It cannot be changed from terminatejob to noaction."
        raise invalid_property("onAllTasksComplete", value, reason)
    return wanted


def _pool_facts(facts: dict[str, Any], automatic: AutoPool | None) -> dict[str, Any]:
    """The auto pool as it is shown: with keepAlive as it is now, or not at all on a pool that the job names."""
    shown = facts.pop("autoPoolSpecification", None)
    if shown is None or automatic is None:
        return facts
    if automatic.kept or "keepAlive" in shown:
        shown = {**shown, "keepAlive": automatic.kept}
    return {**facts, "autoPoolSpecification": shown}
