"""$select and $expand: which properties an answer has.

A name that the kind of thing does not have is refused: the service reads the query against its model, names in their
own letter case. The names are those of all versions (BatchPool, BatchJob and their like); a test holds them against
the specification. Source: Batch NOTES section 5.
"""

from __future__ import annotations

from typing import Any

from linarite.faces.azure_batch.errors import invalid_query
from linarite.http.messages import Query

STATS = "stats"
_RECORD = "id displayName url eTag lastModified creationTime state stateTransitionTime stats"
_BEFORE = "previousState previousStateTransitionTime"
_NAMES = {
    "jobs": f"{_RECORD} {_BEFORE} metadata usesTaskDependencies priority allowTaskPreemption maxParallelTasks"
    " constraints jobManagerTask jobPreparationTask jobReleaseTask commonEnvironmentSettings poolInfo"
    " onAllTasksComplete onTaskFailure networkConfiguration executionInfo",
    "tasks": f"{_RECORD} {_BEFORE} exitConditions commandLine containerSettings resourceFiles outputFiles"
    " environmentSettings affinityInfo constraints requiredSlots userIdentity executionInfo nodeInfo"
    " multiInstanceSettings dependsOn applicationPackageReferences authenticationTokenSettings",
    "pools": f"{_RECORD} metadata allocationState allocationStateTransitionTime vmSize cloudServiceConfiguration"
    " virtualMachineConfiguration resizeTimeout resizeError resizeErrors resourceTags currentDedicated"
    " currentDedicatedNodes currentLowPriorityNodes targetDedicated targetDedicatedNodes targetLowPriorityNodes"
    " enableAutoScale autoScaleFormula autoScaleEvaluationInterval autoScaleRun enableInterNodeCommunication"
    " networkConfiguration startTask certificateReferences applicationPackageReferences applicationLicenses"
    " taskSlotsPerNode maxTasksPerNode taskSchedulingPolicy userAccounts mountConfiguration identity"
    " targetNodeCommunicationMode currentNodeCommunicationMode upgradePolicy",
    "nodes": "id url state schedulingState stateTransitionTime lastBootTime allocationTime ipAddress ipv6Address"
    " affinityId vmSize totalTasksRun runningTasksCount runningTaskSlotsCount totalTasksSucceeded recentTasks startTask"
    " startTaskInfo certificateReferences errors isDedicated endpointConfiguration nodeAgentInfo virtualMachineInfo",
    "jobschedules": f"{_RECORD} {_BEFORE} metadata schedule jobSpecification executionInfo",
    "subtasks": "id nodeInfo startTime endTime exitCode containerInfo failureInfo schedulingError state"
    " stateTransitionTime previousState previousStateTransitionTime result",
    "jobpreparationandreleasetaskstatuslist": "poolId nodeId nodeUrl jobPreparationTaskExecutionInfo"
    " jobReleaseTaskExecutionInfo",
    "extensions": "provisioningState vmExtension instanceView",
    "certificates": "thumbprint thumbprintAlgorithm url state stateTransitionTime previousState"
    " previousStateTransitionTime publicData deleteCertificateError",
}
SELECTABLE = {kind: frozenset(names.split()) for kind, names in _NAMES.items()}
"""By the kinds of things whose operations take $select."""
EXPANDABLE = frozenset({"jobs", "tasks", "pools", "jobschedules"})


def selection(query: Query, kind: str) -> frozenset[str] | None:
    """The names that $select picks, None for all of them. InvalidQueryParameterValue."""
    known, text = SELECTABLE.get(kind), query.get("$select")
    if not text or known is None:
        return None
    names = frozenset(filter(None, map(str.strip, text.split(","))))
    unknown = sorted(names - known - {"*"})
    if unknown:
        raise invalid_query("$select", text, f"There is no property {unknown[0]!r}.")
    return None if "*" in names else names


def selected(shown: dict[str, Any], names: frozenset[str] | None) -> dict[str, Any]:
    """The properties of these names; all without any."""
    return shown if names is None else {name: value for name, value in shown.items() if name in names}


def expands_stats(query: Query, kind: str) -> bool:
    """Tell whether an answer has statistics: they are asked for, and not left out again. InvalidQueryParameterValue."""
    text = query.get("$expand")
    if not text or kind not in EXPANDABLE:
        return False
    unknown = sorted(set(filter(None, map(str.strip, text.split(",")))) - {STATS})
    if unknown:
        raise invalid_query("$expand", text, f"{unknown[0]!r} cannot be expanded.")
    names = selection(query, kind)
    return names is None or STATS in names
