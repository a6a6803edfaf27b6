"""The api-versions of the data plane and what differs between them on the wire. Source: Batch NOTES section 12.

Versions compare as text: each begins with its date.
"""

from __future__ import annotations

from linarite.faces.azure_batch.errors import Refusal

KNOWN = frozenset({
    "2017-01-01.4.0", "2017-05-01.5.0", "2017-06-01.5.1", "2017-09-01.6.0", "2018-03-01.6.1", "2018-08-01.7.0",
    "2018-12-01.8.0", "2019-06-01.9.0", "2019-08-01.10.0", "2020-03-01.11.0", "2020-09-01.12.0", "2021-06-01.14.0",
    "2022-01-01.15.0", "2022-10-01.16.0", "2023-05-01.17.0", "2023-11-01.18.0", "2024-02-01.19.0", "2024-07-01.20.0",
    "2025-06-01",
})  # fmt: skip
LATEST = "2025-06-01"

TWO_KINDS_OF_NODES = "2017-05-01.5.0"
"""targetDedicatedNodes and targetLowPriorityNodes, resizeErrors, failureInfo and result, outputFiles, isDedicated."""
TASK_COUNTS = "2017-06-01.5.1"
CONTAINERS = "2017-09-01.6.0"
NODE_COUNTS = "2018-03-01.6.1"
NODE_AGENT = "2018-08-01.7.0"
"""nodeAgentInfo; task counts without validationStatus."""
HTTP_URLS = "2018-12-01.8.0"
"""resourceFile.blobSource gave way to httpUrl, storageContainerUrl and autoStorageContainerName."""
SUPPORTED_IMAGES = "2019-06-01.9.0"
MOUNTS = "2019-08-01.10.0"
TASK_SLOTS = "2020-09-01.12.0"
"""maxTasksPerNode became taskSlotsPerNode; requiredSlots; task counts nested beside slot counts."""
PARALLEL_TASKS = "2021-06-01.14.0"
"""maxParallelTasks, node extensions, virtualMachineInfo."""
PREEMPTION = "2022-01-01.15.0"
"""allowTaskPreemption of jobs."""
NO_LIFETIME_STATS = "2023-05-01.17.0"
LONG_AS_TEXT = "2024-07-01.20.0"
"""64-bit numbers are texts; counts of deallocated nodes; no cloud services, and all of an empty pool may be patched."""
WITHOUT_TOKENS = "2025-06-01"
"""authenticationTokenSettings, certificates, nodeCommunicationMode and resourceTags are gone; IPv6 fields are there."""


def check_version(version: str | None) -> str:
    """The version of a request. MissingRequiredQueryParameter, UnsupportedRequestVersion."""
    if not version:
        raise Refusal("MissingRequiredQueryParameter", QueryParameterName="api-version")
    if version not in KNOWN:
        raise Refusal("UnsupportedRequestVersion", QueryParameterName="api-version", QueryParameterValue=version)
    return version
