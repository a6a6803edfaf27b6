"""Every code of error-codes.json: how a client provokes it here, which test does, or why none can. The one registry.

A new code gets one line: in PROVOKED (a request or two), in TESTED (a file of tests that says the code) or in NEVER.
docs/error-codes.md is made from it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import jwt
from tests.faces.azure_batch.raw import MACHINE, Answer, RawBatch
from tests.support.server import DEVELOPMENT_KEY

Provoke = Callable[[RawBatch], Answer]
OLDEST = "2017-01-01.4.0"
SERVICE = {"id": "p", "vmSize": "small", "cloudServiceConfiguration": {"osFamily": "4"}}
JOB, TASK = {"id": "j", "poolInfo": {"poolId": "none"}}, {"id": "t", "commandLine": "/bin/true"}
SCHEDULE = {
    "id": "s", "schedule": {"doNotRunUntil": "2990-01-01T00:00:00Z"},
    "jobSpecification": {"poolInfo": {"poolId": "none"}},
}  # fmt: skip
POOL = {"id": "p", "vmSize": "small", "virtualMachineConfiguration": MACHINE}
SCALED = {**POOL, "enableAutoScale": True}


def ask(method: str, target: str, body: Any = None, **options: Any) -> Provoke:
    """One request."""
    return lambda batch: batch.call(method, target, body, **options)


def twice(target: str, body: Any) -> Provoke:
    """The same again."""
    return after((("POST", target, body),), "POST", target, body)


def after(first: tuple[tuple[Any, ...], ...], *last: Any, **options: Any) -> Provoke:
    """A request after others that succeed."""

    def provoke(batch: RawBatch) -> Answer:
        for request in first:
            answer = batch.call(*request)
            assert answer.status < 300, answer.body
        return batch.call(*last, **options)

    return provoke


def of_version(version: str, provoke: Provoke) -> Provoke:
    """The same by another version."""

    def other(batch: RawBatch) -> Answer:
        batch.version = version
        return provoke(batch)

    return other


def with_job(*last: Any, **properties: Any) -> Provoke:
    """A request on a job `j` whose pool does not exist, so that its tasks stay active."""
    options = properties.pop("options", {})
    return after((("POST", "/jobs", {**JOB, **properties}),), *last, **options)


def while_reimaged(batch: RawBatch) -> Answer:
    """A node that waits for its task to end before it is reimaged refuses what else is asked of it."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    assert batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "sleep 600"}).status == 201
    batch.wait_task("j", "t", "running")
    (node,) = batch.call("GET", "/pools/p/nodes").json["value"]
    place = f"/pools/p/nodes/{node['id']}"
    assert batch.call("POST", f"{place}/reimage", {"nodeReimageOption": "taskcompletion"}).status == 202
    answer = batch.call("POST", f"{place}/reboot")
    assert batch.call("POST", "/jobs/j/terminate").status == 202
    return answer


def on_an_unusable_node(batch: RawBatch) -> Answer:
    """A node whose share cannot be mounted."""
    share = {
        "accountName": batch.account, "azureFileUrl": f"https://{batch.account}.file.core.windows.net/none",
        "accountKey": DEVELOPMENT_KEY, "relativeMountPath": "m",
    }  # fmt: skip
    batch.make_pool("p", targetDedicatedNodes=1, mountConfiguration=[{"azureFileShareConfiguration": share}])
    (node,) = batch.call("GET", "/pools/p/nodes").json["value"]
    assert node["state"] == "unusable"
    return batch.call("POST", f"/pools/p/nodes/{node['id']}/reboot")


def as_reader(batch: RawBatch) -> Answer:
    claims = {"aud": "https://batch.core.windows.net/", "exp": time.time() + 60, "account": batch.account}
    token = jwt.encode({**claims, "roles": ["read"]}, base64.b64decode(DEVELOPMENT_KEY), "HS256")
    return batch.by_token(token, "POST", "/jobs", JOB)


def _depends(**element: Any) -> dict[str, Any]:
    return {**TASK, "dependsOn": element}


PROVOKED: dict[str, Provoke] = {
    # Every request.
    "AuthenticationFailed": ask("GET", "/pools", key="b3RoZXIta2V5"),
    "InvalidAuthenticationInfo": ask("GET", "/pools", sign=False),
    "InsufficientAccountPermissions": as_reader,
    "MissingRequiredQueryParameter": of_version("", ask("GET", "/pools?x=api-version")),
    "UnsupportedRequestVersion": of_version("2015-06-01.2.0", ask("GET", "/pools")),
    "InvalidQueryParameterValue": ask("GET", "/pools?maxresults=0"),
    "InvalidHeaderValue": with_job("GET", "/jobs/j", options={"if_modified_since": "today"}),
    "MultipleConditionHeadersNotSupported": with_job(
        "GET", "/jobs/j", options={"if_match": "0x1", "if_none_match": "0x2"}
    ),
    "ConditionNotMet": with_job("PATCH", "/jobs/j", {"priority": 1}, options={"if_match": "0x1"}),
    "InvalidRequestBody": ask("POST", "/jobs", b"{"),
    "RequestBodyTooLarge": ask("POST", "/jobs", b" " * (1024 * 1024 + 1)),
    "MissingRequiredProperty": ask("POST", "/jobs", {}),
    "InvalidPropertyValue": ask("POST", "/jobs", {**JOB, "priority": 2000}),
    "EmptyMetadataKey": ask("POST", "/jobs", {**JOB, "metadata": [{"name": "", "value": "x"}]}),
    "HostInformationNotPresent": ask("GET", "/pools", host=""),
    "InvalidHttpVerb": ask("PROPFIND", "/pools"),
    "MissingContentLengthHeader": lambda batch: batch.call("POST", "/jobs/j/enable", length=False),
    "UnsupportedQueryParameter": ask("GET", "/pools?$orderby=id"),
    "ResourceNotFound": ask("GET", "/nothing"),
    "UnsupportedHttpVerb": ask("PUT", "/pools"),
    # Pools and nodes.
    "PoolNotFound": ask("GET", "/pools/none"),
    "PoolExists": twice("/pools", POOL),
    "NodeNotFound": after((("POST", "/pools", POOL),), "GET", "/pools/p/nodes/none"),
    "InvalidAutoScalingSettings": ask("POST", "/pools", {**POOL, "autoScaleFormula": "$TargetDedicatedNodes=0"}),
    "AutoScalingFormulaSyntaxError": ask("POST", "/pools", {**SCALED, "autoScaleFormula": "x="}),
    "AutoScalingFormulaTooLong": ask("POST", "/pools", {**SCALED, "autoScaleFormula": "/*" + "x" * 8192 + "*/"}),
    "PoolNotEligibleForOSVersionUpgrade": of_version(
        OLDEST, after((("POST", "/pools", POOL),), "POST", "/pools/p/upgradeos", {"targetOSVersion": "*"})
    ),
    "PoolVersionEqualsUpgradeVersion": of_version(
        OLDEST, after((("POST", "/pools", SERVICE),), "POST", "/pools/p/upgradeos", {"targetOSVersion": "*"})
    ),
    "OSVersionNotFound": of_version(
        OLDEST, after((("POST", "/pools", SERVICE),), "POST", "/pools/p/upgradeos", {"targetOSVersion": "x"})
    ),
    "NodeBeingReimaged": while_reimaged,
    "NodeStateUnusable": on_an_unusable_node,
    # Jobs and their schedules.
    "JobNotFound": ask("GET", "/jobs/none"),
    "JobExists": twice("/jobs", JOB),
    "JobCompleted": after((("POST", "/jobs", JOB), ("POST", "/jobs/j/terminate")), "POST", "/jobs/j/tasks", TASK),
    "JobPreparationTaskOrReleaseTaskNotSpecified": with_job("GET", "/jobs/j/jobpreparationandreleasetaskstatus"),
    "JobScheduleNotFound": ask("GET", "/jobschedules/none"),
    "JobScheduleExists": twice("/jobschedules", SCHEDULE),
    "JobWithSameIdExists": after((("POST", "/jobs", {**JOB, "id": "s"}),), "POST", "/jobschedules", SCHEDULE),
    "JobScheduleWithSameIdExists": after((("POST", "/jobschedules", SCHEDULE),), "POST", "/jobs", {**JOB, "id": "s"}),
    # Tasks.
    "TaskNotFound": with_job("GET", "/jobs/j/tasks/none"),
    "TaskExists": after((("POST", "/jobs", JOB), ("POST", "/jobs/j/tasks", TASK)), "POST", "/jobs/j/tasks", TASK),
    "TaskNotCompleted": after(
        (("POST", "/jobs", JOB), ("POST", "/jobs/j/tasks", TASK)), "POST", "/jobs/j/tasks/t/reactivate"
    ),
    "TaskCompleted": after(
        (("POST", "/jobs", JOB), ("POST", "/jobs/j/tasks", TASK), ("POST", "/jobs/j/tasks/t/terminate")),
        "POST", "/jobs/j/tasks/t/terminate",
    ),
    "TaskDependenciesNotSpecifiedOnJob": with_job("POST", "/jobs/j/tasks", _depends(taskIds=["a"])),
    "TaskDependencyListTooLong": with_job(
        "POST", "/jobs/j/tasks", _depends(taskIds=["x" * 64] * 1001), usesTaskDependencies=True
    ),
    "TaskDependencyRangesTooLong": with_job(
        "POST", "/jobs/j/tasks", _depends(taskIdRanges=[{"start": 1, "end": 2}] * 16_001), usesTaskDependencies=True
    ),
    "TaskIdSameAsJobPreparationTask": with_job(
        "POST", "/jobs/j/tasks", {**TASK, "id": "jobpreparation"}, jobPreparationTask={"commandLine": "x"}
    ),
    "TaskIdSameAsJobReleaseTask": with_job(
        "POST", "/jobs/j/tasks", {**TASK, "id": "jobrelease"}, jobPreparationTask={"commandLine": "x"},
        jobReleaseTask={"commandLine": "x"},
    ),
    "OperationInvalidForCurrentState": after(
        (("POST", "/jobs", JOB), ("POST", "/jobs/j/tasks", TASK)), "GET", "/jobs/j/tasks/t/files"
    ),
}  # fmt: skip
"""Codes that a request or two bring about, on an account of its own."""

TESTED: dict[str, str] = {
    "NodeBeingCreated": "test_node_being_created.py",
    "ApplicationNotFound": "../../clients/test_azure_batch_applications.py",
    "CertificateExists": "test_certificates.py",
    "CertificateNotFound": "test_certificates.py",
    "CertificateStateActive": "test_certificates.py",
    "InvalidCertificateReferences": "test_certificates.py",
    "FileNotFound": "test_files.py",
    "InvalidApplicationPackageReferences": "../../clients/test_azure_batch_applications.py",
    "InvalidRange": "test_files.py",
    "InvalidUri": "test_files.py",
    "JobBeingDeleted": "test_jobs.py",
    "JobBeingTerminated": "test_jobs.py",
    "JobScheduleBeingDeleted": "test_schedules.py",
    "JobScheduleBeingTerminated": "test_schedules.py",
    "JobScheduleCompleted": "test_schedules.py",
    "JobScheduleDisabled": "test_schedules.py",
    "JobNotActive": "../../clients/test_four_faces.py",
    "NodeAlreadyInTargetSchedulingState": "test_pools.py",
    "NodeBeingRebooted": "../../clients/test_azure_batch_nodes.py",
    "NodeBeingStarted": "../../clients/test_azure_batch_nodes.py",
    "NodeUserExists": "test_node_access.py",
    "NodeUserNotFound": "test_node_access.py",
    "OperationNotValidOnNode": "test_versions.py",
    "PoolBeingDeleted": "test_pools.py",
    "PoolBeingResized": "test_autoscale.py",
    "TaskFilesCleanedup": "test_files.py",
    "TaskFilesUnavailable": "test_files.py",
    "TaskSucceeded": "test_tasks.py",
    "TooManyEnableAutoScaleRequests": "test_autoscale.py",
}
"""Codes that take nodes, time or another state: the file of tests that asserts them."""

NEVER: dict[str, str] = {
    "AccountIsDisabled": "No account is disabled here: it is there with its keys, or it is not.",
    "ActiveJobAndScheduleQuotaReached": "There is no quota.",
    "CertificateBeingDeleted": "A certificate is deleted at once, or not: none is being deleted.",
    "CertificateDeleteFailed": "A deletion that fails is told by the certificate, and may be asked for again.",
    "Forbidden": "There is no virtual network that a key could not open.",
    "InternalError": "The answer to what nobody foresaw: a request that brings it about is a fault of ours.",
    "InvalidConstraintValue": "A wrong limit is an InvalidPropertyValue that names it.",
    "InvalidInput": "A wrong value is an InvalidPropertyValue that names its property.",
    "InvalidMetadata": "A wrong item is an EmptyMetadataKey, a MissingRequiredProperty or an InvalidRequestBody.",
    "InvalidRestAPIForAccountSetting": "Accounts have no settings that take operations away.",
    "IOError": "The server's own rights reach every file of a task; the disk itself would have to fail.",
    "JobDisabled": "Disabling twice is allowed, and a disabled job takes tasks: no operation is refused for it.",
    "JobPreparationTaskNotRunOnNode": "No operation asks for the preparation task of one node.",
    "JobPreparationTaskNotSpecified": "The service says JobPreparationTaskOrReleaseTaskNotSpecified.",
    "JobReleaseTaskNotRunOnNode": "No operation asks for the release task of one node.",
    "JobReleaseTaskNotSpecified": "The service says JobPreparationTaskOrReleaseTaskNotSpecified.",
    "MetadataTooLarge": "Metadata is as large as a body may be: RequestBodyTooLarge.",
    "MissingRequiredHeader": "No header is required but Authorization, which has a code of its own.",
    "NodeAgentSKUNotFound": "Any agent may be named: a node here is this machine, whatever image its pool names.",
    "NodeCountsMismatch": "Counts of nodes are counted when they are asked for.",
    "NotImplemented": "Every operation is there.",
    "OSVersionDisabled": "No guest OS version is withdrawn: there is none in truth.",
    "OSVersionExpired": "No guest OS version expires: there is none in truth.",
    "OperationNotValidOnPool": "An operation that a pool's state does not allow is OperationInvalidForCurrentState.",
    "OperationTimedOut": "A read longer than its `timeout`: no request can make one here that long.",
    "OutOfRangeInput": "A number out of its range is an InvalidPropertyValue that names its property.",
    "OutOfRangePriority": "A priority out of its range is an InvalidPropertyValue.",
    "OutOfRangeQueryParameterValue": "The service says InvalidQueryParameterValue, so do we (maxresults=-5).",
    "PathNotFound": "A path that is not there is FileNotFound.",
    "PoolBeingCreated": "A pool is there at once, and resizes.",
    "PoolQuotaReached": "There is no quota.",
    "RequestUrlFailedToParse": "What is no URL is refused by the HTTP server, before this protocol.",
    "ResourceAlreadyExists": "Every kind of thing has its own code; this one stands behind them all.",
    "ResourceTypeMismatch": "An address names one kind of thing: there is nothing to mismatch.",
    "ServerBusy": "When the store cannot be reached: nothing a client does.",
    "StorageAccountNotFound": "The account's own storage is always there.",
    "UnsupportedConstraint": "Every limit of the protocol is supported; another one is an InvalidRequestBody.",
    "UnsupportedHeader": "Headers that mean nothing are passed over, as HTTP says.",
    "UnsupportedHttpVersion": "Another version of HTTP is refused by the HTTP server, before this protocol.",
    "UnsupportedProperty": "A property that there is not is an InvalidRequestBody that names it.",
    "UpgradePoolVersionConflict": "An upgrade of a guest OS is done at once: no second one meets it.",
}
"""Codes that no client can bring about here, and why."""


def page_rows() -> list[tuple[str, str, str]]:
    """Code, what there is, and how: for docs/error-codes.md."""
    rows = [(code, "provoked", "`test_error_codes.py`") for code in PROVOKED]
    rows += [(code, "provoked", f"`{path.rpartition('/')[2]}`") for code, path in TESTED.items()]
    rows += [(code, "cannot arise", why) for code, why in NEVER.items()]
    return sorted(rows)
