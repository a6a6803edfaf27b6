"""What the service runs on nodes for pools and jobs, as clients send it: start, preparation and release tasks.

Source: BatchStartTask, BatchJobPreparationTask and BatchJobReleaseTask of 2025-06-01; Batch NOTES sections 6 and 7.
"""

from __future__ import annotations

from typing import Any

from linarite.engine.model import MINUTE, NodeCommand
from linarite.faces.azure_batch.errors import invalid_property
from linarite.faces.azure_batch.wire.commands import CommandElement, checked_command, node_command
from linarite.faces.azure_batch.wire.elements import TaskConstraints
from linarite.faces.azure_batch.wire.tasks import retention
from linarite.faces.azure_batch.wire.values import Int32, checked_id, duration, number

STARTUP, PREPARATION, RELEASE = "startup", "jobpreparation", "jobrelease"
LONGEST_RELEASE = 15 * MINUTE


class StartTask(CommandElement):
    """What a node runs when it starts."""

    max_task_retry_count: Int32 | None = None
    wait_for_success: bool | None = None


class PreparationTask(CommandElement):
    """What a node runs before the job's first task there."""

    id: str | None = None
    constraints: TaskConstraints | None = None
    wait_for_success: bool | None = None
    rerun_on_node_reboot_after_success: bool | None = None


class ReleaseTask(CommandElement):
    """What a node runs when the job ends."""

    id: str | None = None
    max_wall_clock_time: str | None = None
    retention_time: str | None = None


def checked_start(task: StartTask) -> dict[str, Any]:
    """The element as plain data, checked."""
    number(task.max_task_retry_count, "startTask.maxTaskRetryCount", -1)
    return checked_command(task, "startTask")


def start_command(task: StartTask) -> NodeCommand:
    """A checked start task as the engine runs it."""
    return node_command(
        task, STARTUP, max_retries=task.max_task_retry_count or 0, wait_for_success=task.wait_for_success is not False
    )  # fmt: skip


def job_commands(
    preparation: PreparationTask | None, release: ReleaseTask | None
) -> tuple[NodeCommand | None, NodeCommand | None]:
    """The preparation task and the release task, which needs one."""
    if release is not None and preparation is None:
        reason = "A job with a job release task has a job preparation task."
        raise invalid_property("jobReleaseTask", release.id or RELEASE, reason)
    first = None if preparation is None else _preparation(preparation)
    last = None if release is None else _release(release)
    if first is not None and last is not None and first.id.lower() == last.id.lower():
        raise invalid_property("jobReleaseTask.id", last.id, "The job preparation task has the same id.")
    return first, last


def _preparation(task: PreparationTask) -> NodeCommand:
    checked_command(task, "jobPreparationTask")
    limits = task.constraints or TaskConstraints()
    return node_command(
        task, checked_id(task.id or PREPARATION, "jobPreparationTask.id"),
        max_retries=number(limits.max_task_retry_count, "jobPreparationTask.constraints.maxTaskRetryCount", -1) or 0,
        max_wall_clock=duration(limits.max_wall_clock_time, "maxWallClockTime"), retention=retention(limits),
        wait_for_success=task.wait_for_success is not False,
        again_after_reboot=task.rerun_on_node_reboot_after_success is not False,
    )  # fmt: skip


def _release(task: ReleaseTask) -> NodeCommand:
    checked_command(task, "jobReleaseTask")
    limit = duration(task.max_wall_clock_time, "jobReleaseTask.maxWallClockTime")
    if task.max_wall_clock_time is not None and (limit is None or limit > LONGEST_RELEASE):
        raise invalid_property("jobReleaseTask.maxWallClockTime", task.max_wall_clock_time, "It is at most 15 minutes.")
    kept = TaskConstraints(retention_time=task.retention_time)
    return node_command(
        task, checked_id(task.id or RELEASE, "jobReleaseTask.id"),
        max_wall_clock=LONGEST_RELEASE if limit is None else limit, retention=retention(kept), wait_for_success=False,
    )  # fmt: skip
