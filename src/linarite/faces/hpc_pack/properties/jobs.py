"""The properties of a job, in the order of the page's table. Source: Get Job, Remarks; NOTES 6 and 15."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from linarite.faces.hpc_pack import enums, states
from linarite.faces.hpc_pack.properties import job_wanted as put
from linarite.faces.hpc_pack.properties.job_view import PROGRESS_MESSAGE, JobView
from linarite.faces.hpc_pack.properties.job_wanted import JobWanted
from linarite.faces.hpc_pack.properties.table import Property, Table, Until, constant
from linarite.faces.hpc_pack.values import (
    BOOLEAN,
    DATE,
    EXIT_CODES,
    INTEGER,
    LARGEST,
    NAMES,
    NATURAL,
    NUMBERS,
    TEXT,
    Kind,
    enumeration,
)  # fmt: skip

Row = Property[JobView, JobWanted]
STATE = enumeration("JobState", enums.JOB_STATE)
UNIT_TYPE = enumeration("JobUnitType", enums.UNIT_TYPE)
NODE_GROUP_OP = enumeration("JobNodeGroupOp", enums.NODE_GROUP_OP)
LIST_DEFAULT = ("Id", "Owner", "Name", "State", "Priority")


def _priority(text: str) -> int:
    name = enumeration("JobPriority", enums.PRIORITY)
    if text.strip().isdigit() and int(text) > 4:
        return int(text)
    return put.BANDS[name.parse(text)]


def _band(number: int) -> str:
    return list(put.BANDS)[number // 1000]


def order(text: str) -> str:
    """`Cores,Memory`, each with an optional minus, at most two and distinct; ValueError."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    words = [part.removeprefix("-").lower() for part in parts]
    if len(set(words)) != len(words) or not set(words) <= {"cores", "memory"}:
        raise ValueError(f"{text!r} is no order of nodes such as Cores,-Memory.")
    return ",".join(parts)


PRIORITY = Kind("JobPriority", _priority, _band)
ORDER_BY = Kind("JobOrderby", order)


def _read(name: str, kind: Kind, get: Callable[[JobView], Any], **options: Any) -> Row:  # noqa: ANN401 - those of Property
    return Property(name, kind, get, **options)


def _kept(name: str, kind: Kind, default: Any = None, **options: Any) -> Row:  # noqa: ANN401 - of the kind
    def get(view: JobView) -> Any:  # noqa: ANN401
        return view.fact(name, default)

    def keep(wanted: JobWanted, value: Any) -> None:  # noqa: ANN401
        wanted.keep(name, value)

    return Property(name, kind, get, keep, **options)


def _bound(name: str, get: Callable[[JobView], int]) -> Row:
    return Property(name, NATURAL, get, lambda wanted, value: wanted.keep(name, value))


EXCLUDED_NODES: Row = Property("ExcludedNodes", NAMES, constant(None), put.set_excluded_nodes)
"""As a job file sets it; by itself the property is read-only."""

JOBS: Table[JobView, JobWanted] = Table(
    "job",
    (
        _read("Id", INTEGER, lambda view: view.job.alias),
        Property(
            "Name", TEXT, lambda view: view.spec.display_name or "",
            lambda wanted, value: wanted.set(display_name=value or None), limit=80, until=Until.RUNNING,
        ),
        _read("Owner", TEXT, lambda view: view.owner),
        Property(
            "UserName", TEXT, lambda view: view.fact("UserName") or view.owner,
            lambda wanted, value: wanted.keep("UserName", value or None), until=Until.QUEUED,
        ),
        _kept("Project", TEXT, "", limit=80, until=Until.RUNNING),
        Property("RuntimeSeconds", NATURAL, lambda view: view.seconds, put.set_runtime, until=Until.RUNNING),
        _read("SubmitTime", DATE, lambda view: view.job.submitted_at),
        _read("CreateTime", DATE, lambda view: view.job.created_at),
        _read("EndTime", DATE, lambda view: view.job.ended_at),
        _read("StartTime", DATE, lambda view: view.job.first_task_at),
        _read("ChangeTime", DATE, lambda view: view.changed_at),
        _read("State", STATE, lambda view: states.job_state(view.job)),
        _read("PreviousState", STATE, lambda view: states.previous_job_state(view.job)),
        _bound("MinCores", lambda view: view.least("Cores")),
        _bound("MaxCores", lambda view: view.most("Cores")),
        _bound("MinNodes", lambda view: view.least("Nodes")),
        _bound("MaxNodes", lambda view: view.most("Nodes")),
        _bound("MinSockets", lambda view: view.least("Sockets")),
        _bound("MaxSockets", lambda view: view.most("Sockets")),
        _kept("UnitType", UNIT_TYPE, "Core"),
        Property("RequestedNodes", NAMES, lambda view: view.fact("RequestedNodes"), put.set_requested_nodes),
        Property(
            "IsExclusive", BOOLEAN, lambda view: view.fact(put.EXCLUSIVE, False), put.set_exclusive,  # noqa: FBT003
        ),
        Property(
            "RunUntilCanceled", BOOLEAN, lambda view: view.runs_until_canceled, put.set_run_until_canceled,
            until=Until.RUNNING,
        ),
        Property("NodeGroups", NAMES, lambda view: view.node_groups, put.set_node_groups),
        Property(
            "FailOnTaskFailure", BOOLEAN, lambda view: view.spec.on_task_failure.value != "noaction",
            put.set_fail_on_task_failure,
        ),
        _kept("AutoCalculateMax", BOOLEAN, default=True),
        _kept("AutoCalculateMin", BOOLEAN, default=True),
        _read("CanGrow", BOOLEAN, constant(value=True)),
        _read("CanShrink", BOOLEAN, constant(value=True)),
        _kept("Preemptable", BOOLEAN, default=False),
        _read("ErrorMessage", TEXT, lambda view: view.error),
        _read("HasRuntime", BOOLEAN, lambda view: view.seconds > 0, attribute=False),
        _read("RequeueCount", INTEGER, lambda view: view.job.requeues),
        _kept("MinMemory", NATURAL, 1),
        _kept("MaxMemory", NATURAL, LARGEST),
        _kept("MinCoresPerNode", NATURAL, 1),
        _kept("MaxCoresPerNode", NATURAL, LARGEST),
        _read("EndpointReference", TEXT, constant(None)),
        _kept("SoftwareLicense", TEXT),
        _kept("OrderBy", ORDER_BY, ""),
        _kept("ClientSource", TEXT),
        Property("Progress", INTEGER, lambda view: view.progress, put.set_progress, until=Until.ALWAYS),
        Property(
            "ProgressMessage", TEXT, lambda view: view.progress_message, put.set_progress_message,
            limit=PROGRESS_MESSAGE, until=Until.ALWAYS,
        ),
        _kept("TargetResourceCount", NATURAL, 0),
        Property(
            "ExpandedPriority", INTEGER, lambda view: view.expanded_priority, put.set_expanded_priority,
            until=Until.QUEUED, attribute=False,
        ),
        _kept("ServiceName", TEXT),
        Property("JobTemplate", TEXT, constant(put.TEMPLATE), put.set_template, until=Until.RUNNING),
        Property(
            "HoldUntil", DATE, lambda view: view.spec.not_before,
            lambda wanted, value: wanted.set(not_before=value), until=Until.QUEUED,
        ),
        _kept("NotifyOnStart", BOOLEAN, default=False),
        _kept("NotifyOnCompletion", BOOLEAN, default=False),
        _read("ExcludedNodes", NAMES, lambda view: list(view.spec.placement.excluded) or None),
        Property("EmailAddress", TEXT, lambda view: view.fact("EmailAddress"), put.set_email, limit=256),
        Property("Priority", PRIORITY, lambda view: view.expanded_priority, put.set_priority, until=Until.QUEUED),
        _read("AllocatedNodes", NAMES, lambda view: view.nodes, attribute=False),
        Property("Pool", TEXT, lambda view: view.spec.pool, put.set_pool),
        Property(
            "JobValidExitCodes", EXIT_CODES, lambda view: view.fact("JobValidExitCodes"), put.set_valid_exit_codes
        ),
        Property("ParentJobIds", NUMBERS, lambda view: view.parents, put.set_parents),
        Property(
            "FailDependentTasks", BOOLEAN, lambda view: view.spec.fail_with_parents,
            lambda wanted, value: wanted.set(fail_with_parents=bool(value)),
        ),
        _kept("NodeGroupOp", NODE_GROUP_OP, "Intersect"),
        Property(
            "SingleNode", BOOLEAN, lambda view: view.spec.placement.single_node,
            lambda wanted, value: wanted.place(single_node=bool(value)),
        ),
        _read("ChildJobIds", NUMBERS, lambda view: view.children, attribute=False),
        _kept("EstimatedProcessMemory", NATURAL),
        _read("PlannedCoreCount", INTEGER, constant(-1), listed=False, attribute=False),
        _read(
            "TaskExecutionFailureRetryLimit", INTEGER, lambda view: view.spec.max_retries, listed=False,
            attribute=False,
        ),
        Property("Password", TEXT, constant(None), put.ignore, until=Until.QUEUED, listed=False, attribute=False),
    ),
)  # fmt: skip
