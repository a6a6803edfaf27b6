"""docs/hpc-pack.md: what is served, and every property with what it does, from the tables of the code."""

from __future__ import annotations

from typing import Any

from tests.pages.made import table

from linarite.faces.hpc_pack.operations.node_tasks import RELEASE_SECONDS
from linarite.faces.hpc_pack.properties.jobs import JOBS
from linarite.faces.hpc_pack.properties.table import Property, Table, Until
from linarite.faces.hpc_pack.properties.tasks import TASKS

INTRODUCTION = f"""
# HPC Pack

Two surfaces over one engine: the classic XML API below `/WindowsHPC`, with or without a cluster's name behind it, and
the JSON API below `/hpc`, which answers XML where `Accept` asks for it. Every operation of the classic reference and of
the descriptions of 2016 and 2019 is served ([conformance.md](conformance.md)), but for SOA sessions, which services in
the cloud alone have: they are refused with 404.

## Jobs and tasks

- A job is Configuring until it is submitted. A parametric sweep of up to 100,000 values is one task until then; its
  subtasks are made afterwards, piece by piece, and an address of one that is not there yet answers 404 with the words
  that clients poll on. `*` is the value in CommandLine, Name and the three file paths, CCP_TASKINSTANCEID tells it.
- A node preparation task runs on each node before the job's first task there, a node release task after the last; the
  runs are subtasks, and come first in lists. A release has {RELEASE_SECONDS} seconds unless its RuntimeSeconds say
  otherwise; a forced cancel leaves it out. Tasks of these two types are added while the job is being configured.
- DependsOn names tasks of the job that are there; in a job file it may name later ones, and groups do the same.
- A subtask can be set as long as it is Queued; a task as long as its job is Configuring.
- Command lines run in a shell, with the variables of [nodes.md](nodes.md). In the three file paths `%NAME%` is a
  variable of the task. Output is the first 4 KB of what went to no file of the task's own.
- Service tasks are refused: they are the brokers' of SOA sessions, which are not here.

## Nodes and groups

Each pool of Azure Batch is a node group, beside ComputeNodes, LinuxNodes and HeadNodes; administrators make more by the
2019 API. A job runs on the nodes of one pool: of NodeGroups, the first that is a pool; groups of users leave some of
its nodes out. Operations on nodes are begun when they are answered; the operation log keeps them for 30 days. Of node
metrics HPCCoresInUse is measured; metrics over time are HPCClusterNodes and HPCClusterCores.

On a cluster, nodes are the machines that pools have: their names, cores and memory are the machines' own, and what the
cluster sorts them under (partitions, features) are node groups that are managed. A machine of several pools is one
node, in the groups of all; it is taken offline and brought online in all of them. One that was drained is Offline, and
Draining while tasks run there; one that is down is Offline too, its health an error.

Types of values: dates are UTC, `M/d/yyyy h:mm:ss tt`; lists have commas. "Until" is the last state of a job in which
the property may be set.
"""
STORED = "stored and told"
JOB_EFFECTS = {
    "Name": STORED, "UserName": "stored and told: tasks run as the account's user", "Project": STORED,
    "RuntimeSeconds": "the job is canceled when it runs longer; 0: no limit",
    "MinCores": "free at once before the job begins (UnitType Core, AutoCalculateMin False)",
    "MaxCores": "in use at once at most (UnitType Core, AutoCalculateMax False)",
    "MinNodes": "empty at once before the job begins (UnitType Node, AutoCalculateMin False)",
    "MaxNodes": "in use at once at most (UnitType Node, AutoCalculateMax False)",
    "MinSockets": "as MinNodes, for UnitType Socket: a node has one",
    "MaxSockets": "as MaxNodes, for UnitType Socket: a node has one",
    "UnitType": "which bounds hold; of Node and Socket each task has its node for itself, Gpu is as Core",
    "RequestedNodes": "the nodes that tasks may use",
    "IsExclusive": "nothing else runs on the nodes of the job's tasks",
    "RunUntilCanceled": "the job stays when no task is left (AutoCalculate may be on)",
    "NodeGroups": "the pool, and the nodes of it that tasks may use",
    "FailOnTaskFailure": "the first task that fails ends the job",
    "AutoCalculateMax": "whether Max bounds are left aside", "AutoCalculateMin": "whether Min bounds are left aside",
    "Preemptable": "running tasks are taken back for jobs of higher priority",
    "MinMemory": "MB that a node must have", "MaxMemory": "MB that a node may have at most",
    "MinCoresPerNode": "cores that a node must have", "MaxCoresPerNode": "cores that a node may have at most",
    "SoftwareLicense": "stored and told: there is no licence server",
    "OrderBy": "nodes with most cores or memory first, with `-` those with least", "ClientSource": STORED,
    "Progress": "told from then on in place of the share of finished tasks", "ProgressMessage": STORED,
    "TargetResourceCount": "stored and told: it is of SOA jobs", "ServiceName": "stored and told: it is of SOA jobs",
    "ExpandedPriority": "the job's priority, 0 to 4000", "Priority": "the same in five steps",
    "JobTemplate": "checked: there is Default alone", "HoldUntil": "the job does not start before",
    "NotifyOnStart": "mail when the first task is given a node (setting smtp_server)",
    "NotifyOnCompletion": "mail when the job is over (setting smtp_server)", "EmailAddress": "where mail goes",
    "Pool": "the pool that the job runs on",
    "JobValidExitCodes": "exit codes that are no failure, where the task names none",
    "ParentJobIds": "the job starts when these are over", "FailDependentTasks": "it fails when one of them did",
    "NodeGroupOp": "whether a node is in all groups, in any, or all nodes in one",
    "SingleNode": "all tasks on one node", "EstimatedProcessMemory": "MB that a node must have, as MinMemory",
    "Password": "taken and never kept: tasks run as the account's user",
}  # fmt: skip
TASK_EFFECTS = {
    "Name": "told, and what DependsOn names", "MinCores": "cores that it takes on its node",
    "MaxCores": "stored and told: a task takes its MinCores",
    "MinNodes": "stored and told: a task runs on one node", "MaxNodes": "stored and told: a task runs on one node",
    "MinSockets": "stored and told: a node has one socket", "MaxSockets": "stored and told: a node has one socket",
    "RuntimeSeconds": "it fails when it runs longer; 0: no limit", "CommandLine": "what runs, in a shell",
    "WorkDirectory": "where it runs", "RequiredNodes": "it runs on one of them",
    "DependsOn": "it starts when these are over, however they ended", "IsExclusive": "nothing else runs on its node",
    "IsRerunnable": "False forbids to requeue it", "StdOutFilePath": "where its output goes",
    "StdInFilePath": "what it reads", "StdErrFilePath": "where its errors go",
    "StartValue": "the first value of a sweep", "EndValue": "the last value of a sweep",
    "IncrementValue": "from one value of a sweep to the next",
    "UserBlob": STORED, "Type": "Basic, ParametricSweep, NodePrep or NodeRelease",
    "FailJobOnFailure": "its failure ends the job",
    "FailJobOnFailureCount": "so many failed subtasks end the job",
    "TaskValidExitCodes": "exit codes that are no failure",
}  # fmt: skip


def _rows(properties: Table[Any, Any], effects: dict[str, str], *, until: bool) -> str:
    heading = ("property", "type", *(("until",) if until else ()), "what it does")
    rows = [heading]
    for item in properties.properties:
        last = _until(item) if until else ()
        rows.append((f"`{item.name}`", item.kind.name, *last, effects[item.name] if item.put else "read-only"))
    return table(*rows)


def _until(item: Property[Any, Any]) -> tuple[str]:
    words = {Until.CONFIGURING: "Configuring", Until.QUEUED: "Queued", Until.RUNNING: "Running", Until.ALWAYS: "any"}
    return (words[item.until] if item.put else "",)


def page() -> str:
    """The page."""
    return "\n".join((
        INTRODUCTION.strip(), "", "## Properties of a job", "", _rows(JOBS, JOB_EFFECTS, until=True),
        "## Properties of a task", "", _rows(TASKS, TASK_EFFECTS, until=False),
    ))  # fmt: skip
