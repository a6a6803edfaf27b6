"""The one table of refusals: codes with their statuses and sentences, and the engine's errors as codes.

Source: error-codes.json of the specification folder and Batch NOTES section 3. Two choices of our own: what this server
does not do yet is 400 NotImplemented (a code of the SDKs; clients would repeat a 5xx), and an unknown engine error is
500 InternalError.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from linarite.engine import access, errors
from linarite.http.messages import BodyTooLarge

METADATA = "Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"

_NOT_AUTHENTICATED = (
    "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly"
    " including the signature."
)
CODES: dict[str, tuple[int, str]] = {
    "ApplicationNotFound": (404, "The specified application does not exist."),
    "AuthenticationFailed": (403, _NOT_AUTHENTICATED),
    "AutoScalingFormulaSyntaxError": (400, "The specified auto-scaling formula has a syntax error."),
    "AutoScalingFormulaTooLong": (400, "The specified auto-scaling formula exceeds lengths limit."),
    "CertificateExists": (409, "The specified certificate already exists."),
    "CertificateNotFound": (404, "The specified certificate does not exist."),
    "CertificateStateActive": (409, "The specified certificate is active: no deletion of it has failed."),
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "EmptyMetadataKey": (400, "The key for one of the metadata key-value pairs is empty."),
    "FileNotFound": (404, "The specified file does not exist."),
    "HostInformationNotPresent": (400, "The required host information is not present in the request."),
    "IOError": (403, "An I/O error occurred when accessing the specified resource."),
    "InsufficientAccountPermissions": (
        403,
        "The account being accessed does not have sufficient permissions to execute this operation.",
    ),
    "InternalError": (500, "Server encountered an internal error. Please try again after some time."),
    "InvalidAutoScalingSettings": (400, "The specified auto-scaling settings are not valid."),
    "InvalidApplicationPackageReferences": (
        409, "One or more application package references could not be satisfied.",
    ),
    "InvalidAuthenticationInfo": (
        401,
        ("The authentication information was not provided in the correct"
        " format. Verify the value of Authorization header."),
    ),
    "InvalidCertificateReferences": (409, "The pool refers to a certificate that does not exist."),
    "InvalidHeaderValue": (400, "The value provided for one of the HTTP headers was not in the correct format."),
    "InvalidHttpVerb": (400, "The HTTP verb specified was not recognized by the server."),
    "InvalidPropertyValue": (400, "The value provided for one of the properties in the request body is invalid."),
    "InvalidQueryParameterValue": (
        400,
        "Value for one of the query parameters specified in the request URI is invalid.",
    ),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "InvalidRequestBody": (400, "The specified Request Body is not syntactically valid."),
    "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
    "JobBeingDeleted": (409, "The specified job has been marked for deletion and is being garbage collected."),
    "JobBeingTerminated": (409, "The specified job is being terminated."),
    "JobCompleted": (409, "The specified job is already in a completed state."),
    "JobExists": (409, "The specified job already exists."),
    "JobNotActive": (409, "The specified job is not in active state."),
    "JobNotFound": (404, "The specified job does not exist."),
    "JobScheduleBeingDeleted": (409, "The specified job schedule has been marked for deletion and is being reclaimed."),
    "JobScheduleBeingTerminated": (409, "The specified job schedule is being terminated."),
    "JobScheduleCompleted": (409, "The specified job schedule is already in a completed state."),
    "JobScheduleDisabled": (409, "The specified job schedule is disabled."),
    "JobScheduleExists": (409, "The specified job schedule already exists."),
    "JobScheduleNotFound": (404, "The specified job schedule does not exist."),
    "JobScheduleWithSameIdExists": (
        409,
        "A job schedule with the specified job id exists. Job and job schedule cannot have the same id.",
    ),
    "JobWithSameIdExists": (
        409,
        "A job with the specified job schedule id exists. Job and job schedule cannot have the same id.",
    ),
    "JobPreparationTaskOrReleaseTaskNotSpecified": (409, "The job has neither a preparation nor a release task."),
    "MissingContentLengthHeader": (411, "The Content-Length header was not specified."),
    "MissingRequiredProperty": (400, "A required property was not specified in the request body."),
    "MissingRequiredQueryParameter": (400, "A required query parameter was not specified for this request."),
    "MultipleConditionHeadersNotSupported": (400, "Multiple condition headers are not supported."),
    "NodeAlreadyInTargetSchedulingState": (409, "The specified node is already in the target scheduling state."),
    "NodeBeingCreated": (409, "The specified node is being created."),
    "NodeBeingRebooted": (409, "The specified node is being rebooted."),
    "NodeBeingReimaged": (409, "The specified node is being reimaged."),
    "NodeBeingStarted": (409, "The specified node is being started."),
    "NodeNotFound": (404, "The specified node does not exist."),
    "NodeStateUnusable": (409, "The state of the specified node is unusable."),
    "NodeUserExists": (409, "The specified node user already exists."),
    "NodeUserNotFound": (404, "The specified node user does not exist."),
    "NotImplemented": (400, "This server does not implement the requested operation or element yet."),
    "OSVersionNotFound": (400, "The specified OS Version does not exists."),
    "OperationInvalidForCurrentState": (
        409, "The specified operation is not valid for the current state of the resource.",
    ),
    "OperationNotValidOnNode": (409, "The specified operation is not valid on the node."),
    "OperationTimedOut": (500, "The operation could not be completed within the permitted time."),
    "PoolBeingDeleted": (409, "The specified pool has been marked for deletion and is being reclaimed."),
    "PoolBeingResized": (409, "The specified pool is being resized."),
    "PoolExists": (409, "The specified pool already exists."),
    "PoolNotEligibleForOSVersionUpgrade": (400, "The specified pool is not eligible for OS Version upgrade."),
    "PoolNotFound": (404, "The specified pool does not exist."),
    "PoolVersionEqualsUpgradeVersion": (400, "The pool is already with the given version."),
    "RequestBodyTooLarge": (413, "The request body is too large and exceeds the maximum permissible limit."),
    "ResourceAlreadyExists": (409, "The specified resource already exists."),
    "ResourceNotFound": (404, "The specified resource does not exist."),
    "ServerBusy": (503, "The server is currently unable to receive requests. Please retry your request."),
    "TaskCompleted": (409, "The specified task is already in a completed state."),
    "TaskDependenciesNotSpecifiedOnJob": (
        400, ("A task was specified as depending on other tasks, but the job did not specify that it would use task"
        " dependencies."),
    ),
    "TaskDependencyListTooLong": (
        400,
        ("A task was specified as depending on other tasks, but the list of"
        " dependencies was too long to be stored."),
    ),
    "TaskDependencyRangesTooLong": (
        400,
        ("A task was specified as depending on multiple ranges of task ids, and"
        " the list of ranges was too long to be stored."),
    ),
    "TaskExists": (409, "The specified task already exists."),
    "TaskFilesCleanedup": (409, "The files of the specified task are cleanedup."),
    "TaskFilesUnavailable": (409, "The files of the specified task are unavailable."),
    "TaskIdSameAsJobPreparationTask": (409, "The specified task id is same as the job preparation task."),
    "TaskIdSameAsJobReleaseTask": (409, "The specified task id is same as the job release task."),
    "TaskNotCompleted": (
        409,
        ("The specified task is not in a completed state, and the requested"
        " operation can be performed only on completed tasks."),
    ),
    "TaskNotFound": (404, "The specified task does not exist."),
    "TaskSucceeded": (
        409,
        ("The specified task has already completed successfully, and the"
        " requested operation cannot be performed on successful tasks."),
    ),
    "TooManyEnableAutoScaleRequests": (
        503, "Too many Enable Pool AutoScale requests are issued on the pool.",
    ),
    "UnsupportedHttpVerb": (405, "The resource doesn't support the specified HTTP verb."),
    "UnsupportedQueryParameter": (400, "One of the query parameters specified in the request URI is not supported."),
    "UnsupportedRequestVersion": (400, "The specified request version is not supported."),
}  # fmt: skip


class Refusal(Exception):
    """A refusal of the protocol's own, by its code; `values` become its key-value pairs in their order."""

    def __init__(self, code: str, /, **values: object) -> None:
        super().__init__(code)
        self.code = code
        self.values = values

    @property
    def told(self) -> tuple[int, str]:
        """The status and the sentence."""
        return CODES[self.code]


class TokenRefusal(Refusal):
    """A bearer token that does not hold: 401 with a challenge, so that clients fetch another one."""

    def __init__(self, reason: str) -> None:
        """`reason` is fit to be shown."""
        super().__init__("AuthenticationFailed", AuthenticationErrorDetail=reason)

    @property
    def told(self) -> tuple[int, str]:
        """The sentence was seen in reports of clients (azure-sdk-for-net issue 8026); the status is Azure's usual."""
        return 401, _NOT_AUTHENTICATED.removesuffix(" including the signature.") + "."


class Unchanged(Exception):
    """A conditional read whose resource has not changed: 304, no body."""


def invalid_property(name: str, value: object, reason: str) -> Refusal:
    """InvalidPropertyValue with its three pairs."""
    return Refusal("InvalidPropertyValue", PropertyName=name, PropertyValue=value, Reason=reason)


def invalid_query(name: str, value: object, reason: str) -> Refusal:
    """InvalidQueryParameterValue with its three pairs."""
    return Refusal(
        "InvalidQueryParameterValue", QueryParameterName=name, QueryParameterValue=value, Reason=reason
    )  # fmt: skip


def missing_property(name: str) -> Refusal:
    """MissingRequiredProperty with the property's name."""
    return Refusal("MissingRequiredProperty", PropertyName=name)


_NOT_FOUND = {
    "application": "ApplicationNotFound",
    "pool": "PoolNotFound",
    "node": "NodeNotFound",
    "node user": "NodeUserNotFound",
    "job": "JobNotFound",
    "job schedule": "JobScheduleNotFound",
    "task": "TaskNotFound",
    "file": "FileNotFound",
}
_EXISTS = {
    "node user": "NodeUserExists",
    "pool": "PoolExists",
    "job": "JobExists",
    "job schedule": "JobScheduleExists",
    "task": "TaskExists",
    "job preparation task": "TaskIdSameAsJobPreparationTask",
    "job release task": "TaskIdSameAsJobReleaseTask",
}
_SAME_ID = {"job": "JobWithSameIdExists", "job schedule": "JobScheduleWithSameIdExists"}


def _not_found(error: errors.NotFound) -> Refusal:
    return Refusal(_NOT_FOUND.get(error.kind, "ResourceNotFound"))


def _already_exists(error: errors.AlreadyExists) -> Refusal:
    """Jobs and job schedules share their ids: `wanted` is what was to be added when something else stands there."""
    codes = _SAME_ID if error.facts.get("wanted") else _EXISTS
    return Refusal(codes.get(error.kind, "ResourceAlreadyExists"))


_STATES: dict[tuple[str, str], str] = {
    ("job", "completed"): "JobCompleted",
    ("job", "terminating"): "JobBeingTerminated",
    ("job", "deleting"): "JobBeingDeleted",
    ("job schedule", "completed"): "JobScheduleCompleted",
    ("job schedule", "terminating"): "JobScheduleBeingTerminated",
    ("job schedule", "deleting"): "JobScheduleBeingDeleted",
    ("job schedule", "disabled"): "JobScheduleDisabled",
    ("pool", "deleting"): "PoolBeingDeleted",
    ("pool", "resizing"): "PoolBeingResized",
    ("pool", "stopping"): "PoolBeingResized",
    ("node", "creating"): "NodeBeingCreated",
    ("node", "starting"): "NodeBeingStarted",
    ("node", "waitingforstarttask"): "NodeBeingStarted",
    ("node", "rebooting"): "NodeBeingRebooted",
    ("node", "reimaging"): "NodeBeingReimaged",
    ("node", "unusable"): "NodeStateUnusable",
    ("task", "completed"): "TaskCompleted",
    ("task", "succeeded"): "TaskSucceeded",
}


def _wrong_state(error: errors.WrongState) -> Refusal:
    code = _STATES.get((error.kind, error.state))
    if code is None and error.kind == "task" and error.action == "reactivate":
        code = "TaskNotCompleted"
    if code is None and error.kind == "node":
        is_scheduling = error.action == "change scheduling"
        code = "NodeAlreadyInTargetSchedulingState" if is_scheduling else "OperationNotValidOnNode"
    if code is None and error.kind == "job" and error.action == "disable":
        code = "JobNotActive"
    if code is not None:
        return Refusal(code)
    return Refusal("OperationInvalidForCurrentState", Reason=error.message)


_FILES_GONE = {
    "node gone": "TaskFilesUnavailable",
    "never ran": "TaskFilesUnavailable",
    "cleaned up": "TaskFilesCleanedup",
}


def _files_unavailable(error: errors.FilesUnavailable) -> Refusal:
    code = _FILES_GONE.get(str(error.facts.get("reason")))
    return Refusal(code) if code else Refusal("OperationInvalidForCurrentState", Reason=error.message)


TABLE: dict[type[Exception], Callable[[Any], Refusal]] = {
    access.Unauthenticated: lambda e: TokenRefusal(e.message),
    errors.NotFound: _not_found,
    errors.AlreadyExists: _already_exists,
    errors.WrongState: _wrong_state,
    errors.InvalidValue: lambda e: invalid_property(e.name, e.value, e.reason),
    errors.MissingValue: lambda e: missing_property(e.name),
    errors.DependenciesNotEnabled: lambda _: Refusal("TaskDependenciesNotSpecifiedOnJob"),
    errors.DependencyListTooLong: lambda _: Refusal("TaskDependencyListTooLong"),
    errors.DependencyRangesTooLong: lambda _: Refusal("TaskDependencyRangesTooLong"),
    errors.TooMany: lambda e: Refusal("InvalidRequestBody", Reason=e.message),
    errors.TooSoon: lambda e: Refusal("TooManyEnableAutoScaleRequests", Reason=e.message),
    errors.UnknownPackages: lambda e: Refusal(
        "InvalidApplicationPackageReferences", ApplicationPackageReference=", ".join(e.packages)
    ),
    errors.ConditionNotMet: lambda _: Refusal("ConditionNotMet"),
    errors.NotAllowed: lambda e: Refusal("InsufficientAccountPermissions", Reason=e.message),
    errors.NotSupported: lambda e: Refusal("NotImplemented", Reason=e.message),
    errors.FilesUnavailable: _files_unavailable,
    errors.PathRefused: lambda _: Refusal("InvalidUri"),
    errors.Unavailable: lambda _: Refusal("ServerBusy"),
    BodyTooLarge: lambda e: Refusal("RequestBodyTooLarge", MaxLimit=e.limit),
    msgspec.DecodeError: lambda e: Refusal("InvalidRequestBody", Reason=str(e)),
    TimeoutError: lambda _: Refusal("OperationTimedOut"),
}
"""Every class of engine error, and what the funnel and the decoder raise; a test says that it is total."""


def refusal_of(error: Exception) -> Refusal:
    """The protocol's refusal for any error: by its class, else by the nearest class above it."""
    if isinstance(error, Refusal):
        return error
    for kind in type(error).__mro__:
        if kind in TABLE:
            return TABLE[kind](error)
    return Refusal("InternalError")


class Body(NamedTuple):
    """A refusal ready to be sent."""

    status: int
    error: dict[str, Any]


def body(refusal: Refusal, request_id: str) -> Body:
    """The status and the JSON of a refusal; task results of a collection bear the same JSON."""
    status, sentence = refusal.told
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "0Z")
    error: dict[str, Any] = {
        "code": refusal.code,
        "message": {"lang": "en-US", "value": f"{sentence}\nRequestId:{request_id}\nTime:{now}"},
    }
    if refusal.values:
        error["values"] = [{"key": key, "value": text(value)} for key, value in refusal.values.items()]
    return Body(status, error)


def text(value: object) -> str:
    """A value as the protocol prints it, shortened when it is very long."""
    printed = str(value).lower() if isinstance(value, bool) else str(value)
    return printed if len(printed) <= 2048 else printed[:2048] + "..."
