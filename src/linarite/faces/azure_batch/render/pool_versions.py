"""The elements of a pool as each version of the protocol has and names them, whatever the version that brought them.

Source: PoolSpecification and CloudPool of every version's description.
"""

from __future__ import annotations

from typing import Any

from linarite.faces.azure_batch import versions
from linarite.faces.azure_batch.render.tasks import given_file

_RENAMED = (
    ("maxTasksPerNode", "taskSlotsPerNode", versions.TASK_SLOTS),
    ("targetDedicated", "targetDedicatedNodes", versions.TWO_KINDS_OF_NODES),
)
_SPANS = {
    "targetLowPriorityNodes": (versions.TWO_KINDS_OF_NODES, versions.FOREVER),
    "applicationLicenses": (versions.TWO_KINDS_OF_NODES, versions.LONG_AS_TEXT),
    "cloudServiceConfiguration": (versions.ALWAYS, versions.LONG_AS_TEXT),
    "mountConfiguration": (versions.MOUNTS, versions.FOREVER),
    "certificateReferences": (versions.ALWAYS, versions.WITHOUT_TOKENS),
    "targetNodeCommunicationMode": ("2022-10-01.16.0", versions.WITHOUT_TOKENS),
    "resourceTags": ("2023-11-01.18.0", versions.WITHOUT_TOKENS),
    "upgradePolicy": ("2024-02-01.19.0", versions.FOREVER),
    "jobDefaultOrder": (versions.WITHOUT_TOKENS, versions.FOREVER),
    "containerSettings": (versions.CONTAINERS, versions.FOREVER),
}


def of_version(shown: dict[str, Any], version: str) -> dict[str, Any]:
    """A pool, or what a pool is to be, in the words of a version, without what it does not have."""
    for old, new, since in _RENAMED:
        name, other = (new, old) if version >= since else (old, new)
        if other in shown:
            shown = {name if key == other else key: value for key, value in shown.items()}
    return {
        name: _element(name, value, version) for name, value in shown.items() if versions.has(version, name, _SPANS)
    }


def _element(name: str, value: Any, version: str) -> Any:  # noqa: ANN401 - JSON
    if name not in {"startTask", "taskSchedulingPolicy"}:
        return value
    element = {key: item for key, item in value.items() if versions.has(version, key, _SPANS)}
    if "resourceFiles" in element:
        element["resourceFiles"] = [given_file(file, version) for file in element["resourceFiles"]]
    return element
