"""Where a task's files stand below its node's root. Source: Batch NOTES section 9 (files and directories on a node)."""

from __future__ import annotations

PREPARED, PREPARED_IN = "AZ_BATCH_JOB_PREP_DIR", "AZ_BATCH_JOB_PREP_WORKING_DIR"
SHARED = "AZ_BATCH_TASK_SHARED_DIR"
"""Variables that tell of the folder of a job's preparation task, and of that which instances of one task share."""


def job_directory(job: str) -> str:
    """`workitems/<job>/job-1`; a job of a schedule (`<schedule>:job-<n>`) stands below the schedule."""
    schedule, _, number = job.partition(":")
    return f"workitems/{schedule}/{number or 'job-1'}"


def task_directory(job: str, task: str) -> str:
    """The task's own directory: holds stdout.txt, stderr.txt and wd/."""
    return f"{job_directory(job)}/{task}"


def instance_directory(job: str, task: str, instance: int) -> str:
    """The directory of one instance of a multi-instance task: the task's own is that of instance 0."""
    directory = task_directory(job, task)
    return f"{directory}/{instance}" if instance else directory


def jobs_of(directory: str) -> tuple[str, ...]:
    """The ids of the jobs that a task's directory may be of."""
    _, first, number, *_ = directory.split("/")
    made = f"{first}:{number}"
    return (first, made) if number == "job-1" else (made,)


def task_of(directory: str) -> str:
    """The id of the task that a directory is of."""
    return directory.split("/")[3]
