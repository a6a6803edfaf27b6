"""Node preparation and node release tasks as what they are: commands of the job. Source: TaskType of the SDK; NOTES 7.

A job has one of each at most, and gets them while it is being configured. A release without a preparation is given one
that does nothing. A release has 15 seconds when nothing else is said (NodeReleaseTaskTimeout).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from linarite.engine import jobs
from linarite.engine.ledger import Ledger
from linarite.engine.model import Job, JobState, NodeCommand
from linarite.faces.hpc_pack.callers import FACE
from linarite.faces.hpc_pack.errors import TASK_STATE, TASK_TYPE, bad
from linarite.faces.hpc_pack.properties.job_view import SECOND
from linarite.faces.hpc_pack.properties.node_task_view import FIELDS, NODE_TASKS, PREPARATION, RELEASE, OnNodes, spec_of
from linarite.faces.hpc_pack.properties.task_wanted import TaskWanted

NO_PREPARATION = NodeCommand(id="hpc-node-prep", command=":", shell=True)  # noqa: S604 - a field; the node runs it
RELEASE_SECONDS = 15


def kept_of(job: Job) -> dict[str, dict[str, Any]]:
    """Numbers and facts of those that the job has, by type."""
    kept: dict[str, dict[str, Any]] = job.facts.get(FACE, {}).get(NODE_TASKS, {})
    return kept


def add(u: Ledger, job: Job, wanted: TaskWanted) -> None:
    """Add one, with the job's next number. Refusal."""
    type_ = wanted.facts["Type"]
    if job.state is not JobState.DRAFT:
        raise bad(TASK_STATE, f"A task of type {type_} can be added as long as its job is being configured.")
    if type_ in kept_of(job):
        raise bad(TASK_TYPE, f"The job has a task of type {type_} already.")
    if wanted.spec.dependencies is not None:
        raise bad(TASK_TYPE, f"A task of type {type_} depends on no other.")
    _put(u, job, type_, job.next_task, wanted, next_task=job.next_task + 1)


def change(u: Ledger, job: Job, one: OnNodes, wanted: TaskWanted) -> None:
    """Change one."""
    _put(u, job, one.type, one.alias, wanted)


def of_node_task(u: Ledger, job: Job, one: OnNodes) -> TaskWanted:
    """Begin from one as it is."""
    return TaskWanted(u.tx, job, spec_of(one), dict(one.facts[FACE]), kept=True)


def _put(u: Ledger, job: Job, type_: str, number: int, wanted: TaskWanted, **more: Any) -> None:  # noqa: ANN401 - fields
    wanted.keep("Name", wanted.spec.display_name)
    command = _command(type_, wanted)

    def onto(job: Job) -> Job:
        own = {
            **job.facts.get(FACE, {}),
            NODE_TASKS: {**kept_of(job), type_: {"number": number, "facts": wanted.facts}},
        }
        spec = replace(job.spec, **{FIELDS[type_]: command})
        if spec.preparation is None:
            spec = replace(spec, preparation=NO_PREPARATION)
        return replace(job, spec=spec, facts={**job.facts, FACE: own}, **more)

    jobs.update(u, job.account, job.spec.id, onto)


def _command(type_: str, wanted: TaskWanted) -> NodeCommand:
    spec = wanted.spec
    limit = spec.max_wall_clock or (RELEASE_SECONDS * SECOND if type_ == RELEASE else None)
    return NodeCommand(  # noqa: S604 - a field of the record; the node runs the line
        id=spec.id, command=spec.command, shell=True, environment=spec.environment, max_wall_clock=limit,
        valid_exit_codes=spec.valid_exit_codes, stdin=spec.stdin, stdout=spec.stdout, stderr=spec.stderr,
        working_directory=spec.working_directory, wait_for_success=type_ == PREPARATION,
    )  # fmt: skip


def without_release(job: Job) -> Job:
    """The job as it is ended by force: its release is kept for the time when it is requeued, and is not run."""
    if job.spec.release is None or RELEASE not in kept_of(job):
        return job
    own = {**job.facts[FACE], LEFT_OUT: msgspec.to_builtins(job.spec.release)}
    return replace(job, spec=replace(job.spec, release=None), facts={**job.facts, FACE: own})


def with_release(job: Job) -> Job:
    """The job as it runs again."""
    own = dict(job.facts.get(FACE, {}))
    kept = own.pop(LEFT_OUT, None)
    if kept is None:
        return job
    spec = replace(job.spec, release=msgspec.convert(kept, NodeCommand))
    return replace(job, spec=spec, facts={**job.facts, FACE: own})


LEFT_OUT = "ReleaseLeftOut"
