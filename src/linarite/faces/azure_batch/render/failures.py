"""Why something failed, in the protocol's words. Source: Batch NOTES section 8 and error-codes.json ."""

from __future__ import annotations

from typing import Any

from linarite.engine.model import Failure, Named

CODES = {
    "exit-code": "FailureExitCode",
    "ended": "TaskEnded",
    "ended-timeout": "TaskEnded",
    "command-not-found": "CommandProgramNotFound",
    "command-invalid": "CommandLaunchFailed",
    "file-not-found": "CommandLaunchFailed",
    "not-allowed": "CommandLaunchFailed",
    "fetch-not-found": "BlobNotFound",
    "fetch-refused": "BlobAccessDenied",
    "fetch-failed": "BlobDownloadMiscError",
    "fetch-path": "ResourceFileCreateFailed",
    "disk-full": "DiskFull",
    "not-executed": "NotImplemented",
    "node-unusable": "NodeUnusable",
    "failed": "Unknown",
}
"""The engine's words to the protocol's codes; `NotImplemented` is our word for what this server does not do yet."""

_EXIT_DETAILS = (
    {"name": "Message", "value": "The task process exited with an unexpected exit code"},
    {"name": "AdditionalErrorCode", "value": "FailureExitCode"},
)


def failure_info(failure: Failure) -> dict[str, Any]:
    """The `failureInfo` of a task."""
    info: dict[str, Any] = {
        "category": failure.category.value,
        "code": CODES.get(failure.code, "Unknown"),
        "message": failure.message,
    }
    details = list(_EXIT_DETAILS) if failure.code == "exit-code" else pairs(failure.details)
    if details:
        info["details"] = details
    return info


def pairs(items: tuple[Named, ...]) -> list[dict[str, str]]:
    """Names and values as the protocol lists them."""
    return [{"name": item.name, "value": item.value} for item in items]
