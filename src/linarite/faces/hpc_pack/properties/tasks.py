"""The properties of a task, in the order of the page's table. Source: Get Task, Add Task; NOTES 6 and 15."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from linarite.faces.hpc_pack import enums
from linarite.faces.hpc_pack.properties import task_wanted as put
from linarite.faces.hpc_pack.properties.table import Property, Table, constant
from linarite.faces.hpc_pack.properties.task_view import TaskView
from linarite.faces.hpc_pack.properties.task_wanted import TaskWanted
from linarite.faces.hpc_pack.values import (
    BOOLEAN,
    DATE,
    EXIT_CODES,
    INTEGER,
    NAMES,
    NATURAL,
    POSITIVE,
    TEXT,
    Kind,
    enumeration,
)  # fmt: skip

Row = Property[TaskView, TaskWanted]
STATE = enumeration("TaskState", enums.TASK_STATE)
TYPE = enumeration("TaskType", enums.TASK_TYPE)
LIST_DEFAULT = ("TaskId", "Name", "State", "CommandLine", "ExitCode", "ParentJobId", "JobTaskId", "InstanceId")
COMMAND_LIMIT = 1024


def _read(name: str, kind: Kind, get: Callable[[TaskView], Any], **options: Any) -> Row:  # noqa: ANN401 - those of Property
    return Property(name, kind, get, **options)


def _kept(name: str, kind: Kind, default: Any = None, **options: Any) -> Row:  # noqa: ANN401 - of the kind
    def get(view: TaskView) -> Any:  # noqa: ANN401
        return view.fact(name, default)

    def keep(wanted: TaskWanted, value: Any) -> None:  # noqa: ANN401
        wanted.keep(name, value or None if kind is TEXT else value)

    return Property(name, kind, get, keep, **options)


def _path(name: str) -> Row:
    return Property(name, TEXT, lambda view: view.path(name), lambda wanted, value: wanted.keep(name, value or None))


TASKS: Table[TaskView, TaskWanted] = Table(
    "task",
    (
        _read("TaskId", TEXT, lambda view: view.id, attribute=False),
        Property(
            "Name", TEXT, lambda view: view.spec.display_name or "",
            lambda wanted, value: wanted.set(display_name=value or None), limit=80,
        ),
        _read("State", STATE, lambda view: view.state),
        _read("PreviousState", STATE, lambda view: view.previous_state),
        Property(
            "MinCores", NATURAL, lambda view: view.spec.required_slots,
            lambda wanted, value: wanted.keep("MinCores", value),
        ),
        _kept("MaxCores", NATURAL, 1),
        _kept("MinNodes", NATURAL, 1),
        _kept("MaxNodes", NATURAL, 1),
        _kept("MinSockets", NATURAL, 1),
        _kept("MaxSockets", NATURAL, 1),
        Property("RuntimeSeconds", NATURAL, lambda view: view.seconds, put.set_runtime),
        _read("SubmitTime", DATE, lambda view: view.submitted_at),
        _read("CreateTime", DATE, lambda view: view.task.created_at),
        _read("EndTime", DATE, lambda view: view.task.ended_at),
        _read("ChangeTime", DATE, lambda view: view.changed_at),
        _read("StartTime", DATE, lambda view: view.task.started_at),
        _read("ParentJobId", INTEGER, lambda view: view.job.alias),
        Property(
            "CommandLine", TEXT, lambda view: view.spec.command, lambda wanted, value: wanted.set(command=value or ""),
            limit=COMMAND_LIMIT,
        ),
        _kept("WorkDirectory", TEXT),
        Property("RequiredNodes", NAMES, lambda view: view.fact("RequiredNodes"), put.set_required_nodes),
        Property("DependsOn", NAMES, lambda view: view.depends_on, put.set_depends_on),
        Property("IsExclusive", BOOLEAN, lambda view: view.spec.exclusive, put.set_exclusive),
        _kept("IsRerunnable", BOOLEAN, default=True),
        _path("StdOutFilePath"),
        _path("StdInFilePath"),
        _path("StdErrFilePath"),
        _read("ExitCode", INTEGER, lambda view: view.exit_code),
        _read("RequeueCount", INTEGER, lambda view: view.fact("RequeueCount", 0)),
        _kept("StartValue", POSITIVE, 1),
        _kept("EndValue", POSITIVE, 1),
        _kept("IncrementValue", POSITIVE, 1),
        _read("ErrorMessage", TEXT, lambda view: view.error),
        _read("Output", TEXT, lambda view: view.output),
        _kept("UserBlob", TEXT, limit=8000, attribute=False),
        Property("Type", TYPE, lambda view: view.fact("Type", "Basic"), put.set_type),
        _read("IsServiceConcluded", BOOLEAN, constant(value=False), attribute=False),
        Property(
            "FailJobOnFailure", BOOLEAN, lambda view: view.spec.fails_job,
            lambda wanted, value: wanted.set(fails_job=bool(value)),
        ),
        Property(
            "FailJobOnFailureCount", INTEGER, lambda view: view.fact("FailJobOnFailureCount"), put.set_failure_count
        ),
        _read("AllocatedCoreIds", TEXT, constant(None), attribute=False),
        _read("AllocatedNodes", NAMES, lambda view: [view.task.node] if view.task.node else None, attribute=False),
        _read("HasRuntime", BOOLEAN, lambda view: view.seconds > 0, attribute=False),
        _read("JobTaskId", INTEGER, lambda view: view.task.alias, attribute=False),
        _read("InstanceId", INTEGER, lambda view: view.task.index),
        Property(
            "TaskValidExitCodes", EXIT_CODES, lambda view: view.fact("TaskValidExitCodes"), put.set_valid_exit_codes
        ),
        _read("ExitIfPossible", BOOLEAN, constant(value=False), listed=False, attribute=False),
        _read("ExecutionFailureRetryCount", INTEGER, lambda view: view.task.retries, listed=False, attribute=False),
        _read("AutoRequeueCount", INTEGER, lambda view: view.task.requeues, listed=False),
        _read("RequestedNodeGroup", TEXT, constant(None), listed=False, attribute=False),
    ),
)  # fmt: skip
