"""The words and numbers of SuperOffice for a task's state and its cancellation, and where the engine's states fall.

Source: SuperOffice NOTES sections 4, 6 and 13. A state is written by name, read by name in any case or by number.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeVar

from linarite.engine.errors import InvalidValue
from linarite.engine.model import Job, JobState, Task, TaskResult, TaskState

FACE = "superoffice"
"""The key of this face's own facts in a record's `facts`."""


class BatchTaskState(IntEnum):
    """The state of a batch task; `Aquired` is spelled as the protocol spells it, `All` is used in questions only."""

    Unknown = 0
    New = 1
    Aquired = 2
    Started = 3
    Succeeded = 4
    Failed = 5
    SucceededManualCleanup = 6
    All = 99999


class Cancellation(IntEnum):
    """Whether a task may be stopped."""

    CanCancel = 0
    CancelWithWarning = 1
    CannotCancel = 2


Word = TypeVar("Word", bound=IntEnum)

WAITING = frozenset(set(JobState) - {JobState.TERMINATING, JobState.COMPLETED})
HELD = frozenset({JobState.DISABLING, JobState.DISABLED})


def word(kind: type[Word], name: str, value: object) -> Word:
    """Read a word of `kind`: its name in any case, its number, or the number as text. InvalidValue."""
    for member in kind:
        if isinstance(value, str) and value.strip().lower() in {member.name.lower(), str(member.value)}:
            return member
        if type(value) is int and value == member.value:
            return member
    raise InvalidValue(name, value, f"must be one of {', '.join(member.name for member in kind)}.")


def own_facts(record: Task | Job) -> dict[str, Any]:
    """What this face alone knows of a task or of a job."""
    return record.facts.get(FACE, {})


def state_of(job: Job, task: Task) -> BatchTaskState:
    """The state that this protocol shows."""
    match task.state:
        case TaskState.PREPARING:
            return BatchTaskState.Aquired
        case TaskState.RUNNING:
            return BatchTaskState.Started
        case TaskState.ACTIVE:
            return BatchTaskState.New if job.state in WAITING else BatchTaskState.Unknown
    if own_facts(task).get("cleanup"):
        return BatchTaskState.SucceededManualCleanup
    return BatchTaskState.Succeeded if task.result is TaskResult.SUCCESS else BatchTaskState.Failed
