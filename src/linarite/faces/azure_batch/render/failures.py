"""Why something failed, in the protocol's words.

Sources: Batch NOTES section 8 and error-codes.json; 'Batch status and error codes' and 'Persist task data to Azure
Storage' on learn.microsoft.com, and failures that users of the service report, for those of moved files.
"""

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
    "user-not-found": "CommandLaunchFailed",
    "fetch-not-found": "BlobNotFound",
    "fetch-refused": "BlobAccessDenied",
    "fetch-timeout": "BlobDownloadTimedOut",
    "fetch-failed": "BlobDownloadMiscError",
    "fetch-path": "ResourceFileCreateFailed",
    "container-not-found": "ResourceContainerNotFound",
    "container-refused": "ResourceContainerAccessDenied",
    "container-failed": "ResourceContainerListMiscError",
    "upload-not-found": "FileUploadContainerNotFound",
    "upload-refused": "FileUploadAccessDenied",
    "upload-failed": "FileUploadMiscError",
    "container-pool": "ContainerPoolNotSupported",
    "container-missing": "ContainerTaskSettingsNotFound",
    "container-image": "ContainerInvalidImage",
    "container-registry": "ContainerInvalidRegistry",
    "container-settings": "ContainerInvalidSettings",
    "package-failed": "ApplicationPackageError",
    "disk-full": "DiskFull",
    "node-unusable": "NodeUnusable",
    "machine-down": "NodeUnusable",
    "mount-failed": "MountConfigurationError",
    "lost": "Unknown",
    "lost-often": "MaxInternalRetryCountReached",
    "failed": "Unknown",
}
"""The engine's words to the protocol's codes."""

_SENTENCES = {
    "BlobNotFound": "One of the specified Azure Blob(s) is not found",
    "BlobAccessDenied": "Access for one of the specified Azure Blob(s) is denied",
    "BlobDownloadTimedOut": "Timeout encountered while downloading one of the specified Azure Blob(s)",
    "BlobDownloadMiscError": "Miscellaneous error encountered while downloading one of the specified Azure Blob(s)",
    "ResourceFileCreateFailed": "Failure encountered creating resource file",
    "ResourceContainerNotFound": "One of the specified Azure Blob container(s) is not found",
    "ResourceContainerAccessDenied": "Access for one of the specified Azure Blob container(s) is denied",
    "ResourceContainerListMiscError":
        "Miscellaneous error encountered while listing one of the specified Azure Blob container(s)",
    "ContainerInvalidImage": "One or more container images specified are invalid",
    "ContainerInvalidRegistry": "One or more container registries specified are invalid",
    "ContainerInvalidSettings": "At least one value of specified task container settings is invalid",
    "ContainerPoolNotSupported": "The specified pool does not support container tasks",
    "ApplicationPackageError": "An error occurred when trying to deploy a required application package",
    "FileUploadContainerNotFound":
        "One of the specified Azure container(s) was not found while attempting to upload an output file",
    "FileUploadAccessDenied":
        "Access for one of the specified Azure container(s) was denied while attempting to upload an output file",
    "FileUploadMiscError": "Miscellaneous error encountered while attempting to upload an output file",
}  # fmt: skip
"""The service's own sentences; what this server has to say stands among the details then."""

_OF_THE_SERVER = {
    "BlobDownloadTimedOut", "BlobDownloadMiscError", "ResourceFileCreateFailed", "ResourceContainerListMiscError",
}  # fmt: skip
"""What the service takes on itself, whoever was at fault."""

_EXIT_DETAILS = (
    {"name": "Message", "value": "The task process exited with an unexpected exit code"},
    {"name": "AdditionalErrorCode", "value": "FailureExitCode"},
)


def failure_info(failure: Failure) -> dict[str, Any]:
    """The `failureInfo` of a task."""
    code = CODES.get(failure.code, "Unknown")
    info: dict[str, Any] = {
        "category": "servererror" if code in _OF_THE_SERVER else failure.category.value,
        "code": code,
        "message": _SENTENCES.get(code, failure.message),
    }
    details = list(_EXIT_DETAILS) if failure.code == "exit-code" else pairs(failure.details)
    if code in _SENTENCES:
        details.append({"name": "Message", "value": failure.message})
    if details:
        info["details"] = details
    return info


def pairs(items: tuple[Named, ...]) -> list[dict[str, str]]:
    """Names and values as the protocol lists them."""
    return [{"name": item.name, "value": item.value} for item in items]
