"""A task of the engine as SuperOffice's BatchTaskInfo.

Source: seed 003, 'Response body'; SuperOffice NOTES sections 4 and 13.
"""

from __future__ import annotations

from typing import Any

import msgspec

from linarite.engine.access import Principal
from linarite.engine.model import Job, Role, Task, TaskResult, TaskState
from linarite.faces.superoffice.presentation import Presentation
from linarite.faces.superoffice.states import HELD, BatchTaskState, Cancellation, own_facts, state_of

PREFIX = "SO_PARAM_"
TEXT = 254
NAME = 254
FILE_NAME = 260
SERIAL = 39


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A task with its job, the number of the user who made it (0 for none), and the beginning of its output."""

    job: Job
    task: Task
    associate: int = 0
    output: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """What this face alone knows of the task."""
        return own_facts(self.task)

    @property
    def id(self) -> int:
        """The number of the task in its account."""
        return self.task.account_alias

    @property
    def name(self) -> str:
        """The definition that was started; the job's name for a task that came through another protocol."""
        return str(self.facts.get("definition") or self.job.spec.display_name or self.job.spec.id)[:NAME]

    @property
    def state(self) -> BatchTaskState:
        """The state that is shown."""
        return state_of(self.job, self.task)

    @property
    def percent(self) -> int:
        """How far the task is: what it told last, 100 for one that succeeded."""
        return 100 if self.task.result is TaskResult.SUCCESS else self.task.percent or 0

    @property
    def updated_by(self) -> int:
        """The number of the user who changed it last, else who made it."""
        return int(self.facts.get("updated_by", self.associate))

    @property
    def cancellation(self) -> Cancellation:
        """Whether the task may be stopped."""
        return Cancellation[self.facts.get("cancellation", Cancellation.CanCancel.name)]

    def changeable_by(self, caller: Principal) -> bool:
        """Whether a caller may stop, change or delete the task: an administrator, or its owner if they may write."""
        own = self.associate != 0 and self.associate == caller.facts["number"]
        return caller.role is Role.ADMIN or (caller.role is Role.WRITE and own)


def carrier(entry: Entry, caller: Principal, shown: Presentation) -> dict[str, Any]:
    """Every property, in the order of the reference."""
    task, facts = entry.task, entry.facts
    return {
        "Id": entry.id,
        "Name": shown.text(entry.name),
        "AssociateId": entry.associate,
        "DetailsTable": facts.get("details_table", 0),
        "DetailsRecord": facts.get("details_record", 0),
        "IsSystemTask": entry.associate == 0,
        "IsInternalTask": False,
        "ParameterObject": _parameters(entry),
        "LastStarted": shown.date(task.started_at),
        "Created": shown.utc_date(task.created_at),
        "StartCount": task.attempt,
        "DatabaseSerialNumber": task.account[:SERIAL],
        "Context": facts.get("context", task.account),
        "Result": _result(task),
        "State": entry.state.name,
        "Description": shown.text(description(entry))[:TEXT],
        "Response": shown.text(response(entry))[:TEXT],
        "Request": shown.text(facts.get("request", "")),
        "ProgressDescription": shown.text(task.stage or ""),
        "ProgressPercent": entry.percent,
        "FileName": facts.get("file_name", ""),
        "CancellationBehaviour": entry.cancellation.name,
        "TableRight": {"Mask": "FULL" if entry.changeable_by(caller) else "Select", "Reason": ""},
        "FieldProperties": {},
    }


def _parameters(entry: Entry) -> dict[str, str]:
    if "definition" in entry.facts:
        return dict(entry.facts.get("parameters", {}))
    variables = (*entry.job.spec.environment, *entry.task.spec.environment)
    return {item.name.removeprefix(PREFIX): item.value for item in variables if item.name.startswith(PREFIX)}


def description(entry: Entry) -> str:
    """What the task is for; it tells when it is held."""
    text: str = entry.facts.get("description", entry.task.spec.display_name or "")
    if entry.task.state is TaskState.ACTIVE and entry.job.state in HELD:
        return f"{text} (held: its job is disabled)".strip()
    return text


def _result(task: Task) -> str:
    if task.result is None:
        return ""
    failed = task.result is TaskResult.FAILURE and task.exit_code is not None
    return f"{task.result.value} (exit {task.exit_code})" if failed else task.result.value


def response(entry: Entry) -> str:
    """What came of it: a client's word, else why it failed or the beginning of its output."""
    if "response" in entry.facts:
        return str(entry.facts["response"])
    failure = entry.task.failure
    return entry.output if failure is None else failure.message
