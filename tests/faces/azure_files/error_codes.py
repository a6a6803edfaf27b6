"""Every code of Azure Files: how a client provokes it here, which test does, or why none can. The one registry.

A new code gets one line: in PROVOKED (a request or some), in TESTED (a file of tests that says the code) or in NEVER.
docs/error-codes.md is made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.utils import formatdate

import httpx
from tests.support.azure_files import Raw

Provoke = Callable[[Raw], httpx.Response]
Asked = tuple[str, str, dict[str, str]]
ONE, TWO = "00000000-1111-2222-3333-444444444444", "00000000-1111-2222-3333-555555555555"
FILE, SHARE = "share/f?comp=lease", "share?restype=share&comp=lease"


def lease(path: str, action: str, **headers: str) -> Asked:
    """A lease operation; `id`, `proposed`, `duration` and `period` are its headers."""
    names = {
        "id": "x-ms-lease-id", "proposed": "x-ms-proposed-lease-id", "duration": "x-ms-lease-duration",
        "period": "x-ms-lease-break-period",
    }  # fmt: skip
    return "PUT", path, {"x-ms-lease-action": action, **{names[name]: value for name, value in headers.items()}}


def after(*asked: Asked) -> Provoke:
    """Requests that succeed, and a last one."""

    def provoke(raw: Raw) -> httpx.Response:
        *first, last = asked
        for request in first:
            answer = raw(*request)
            assert answer.status_code < 300, answer.text
        return raw(*last)

    return provoke


def _leased_snapshot(raw: Raw) -> httpx.Response:
    snapshot = raw("PUT", "share?restype=share&comp=snapshot").headers["x-ms-snapshot"]
    taken = raw(*lease(f"{SHARE}&sharesnapshot={snapshot}", "acquire", duration="-1", proposed=ONE))
    assert taken.status_code == 201
    return raw("DELETE", "share?restype=share", {"x-ms-delete-snapshots": "include"})


def _many_snapshots(raw: Raw) -> httpx.Response:
    for _ in range(200):
        assert raw("PUT", "share?restype=share&comp=snapshot").status_code == 201
    return raw("PUT", "share?restype=share&comp=snapshot")


def _without_length(raw: Raw) -> httpx.Response:
    """A body in chunks, whose length nobody says."""

    def body() -> Iterator[bytes]:
        yield b"x"

    url = f"/{raw.account}/share/f?comp=range"
    fields = {
        "x-ms-version": "2025-01-05", "x-ms-date": formatdate(usegmt=True), "x-ms-write": "update",
        "x-ms-range": "bytes=0-0",
    }  # fmt: skip
    fields["Authorization"] = f"SharedKey {raw.account}:{raw.signature('PUT', url, fields, 'SharedKey')}"
    return raw.http.request("PUT", url, headers=fields, content=body())


_TAKEN = lease(FILE, "acquire", duration="-1", proposed=ONE)
_SHARE_TAKEN = lease(SHARE, "acquire", duration="60", proposed=ONE)
_BREAKING = lease(SHARE, "break", period="60")

PROVOKED: dict[str, Provoke] = {
    "DeleteShareWhenSnapshotLeased": _leased_snapshot,
    "LeaseAlreadyPresent": after(_TAKEN, lease(FILE, "acquire", duration="-1", proposed=TWO)),
    "LeaseIdMismatchWithLeaseOperation": after(_TAKEN, lease(FILE, "release", id=TWO)),
    "LeaseIdMismatchWithShareOperation": after(_SHARE_TAKEN, ("DELETE", "share?restype=share", {"x-ms-lease-id": TWO})),
    "LeaseIsBreakingAndCannotBeAcquired": after(
        _SHARE_TAKEN, _BREAKING, lease(SHARE, "acquire", duration="-1", proposed=ONE)
    ),
    "LeaseIsBreakingAndCannotBeChanged": after(_SHARE_TAKEN, _BREAKING, lease(SHARE, "change", id=ONE, proposed=TWO)),
    "LeaseIsBrokenAndCannotBeRenewed": after(
        _SHARE_TAKEN, lease(SHARE, "break", period="0"), lease(SHARE, "renew", id=ONE)
    ),
    "LeaseLost": after(_TAKEN, lease(FILE, "break"), ("PUT", "share/f?comp=metadata", {"x-ms-lease-id": ONE})),
    "LeaseNotPresentWithShareOperation": after(("DELETE", "share?restype=share", {"x-ms-lease-id": ONE})),
    "MissingContentLengthHeader": _without_length,
    "ShareSnapshotCountExceeded": _many_snapshots,
}

_CLIENTS = {
    "": "AuthenticationFailed AuthorizationPermissionMismatch DirectoryNotEmpty InvalidRange LeaseIdMissing"
    " ParentNotFound LeaseIdMismatchWithFileOperation ReadOnlyAttribute ShareHasSnapshots",
    "_refusals": "AuthorizationProtocolMismatch AuthorizationResourceTypeMismatch AuthorizationServiceMismatch"
    " AuthorizationSourceIPMismatch CorsPreflightFailure EmptyMetadataKey FileInvalidPermissionKey InvalidMd5"
    " InvalidAuthenticationInfo InvalidMetadata LeaseNotPresentWithLeaseOperation Md5Mismatch MetadataTooLarge"
    " OutOfRangeQueryParameterValue",
    "_checked": "CannotVerifyCopySource ConditionNotMet Crc64Mismatch InvalidHeaderValue InvalidInput"
    " RequestBodyTooLarge LeaseNotPresentWithFileOperation MissingRequiredHeader"
    " NoAuthenticationInformation ResourceNotFound",
    "_rights": "AuthorizationFailure",
    "_options": "ContainerQuotaDowngradeNotAllowed FileShareProvisionedBandwidthDowngradeNotAllowed"
    " FileShareProvisionedIopsDowngradeNotAllowed",
    "_permissions": "FileInvalidPermission",
    "_deleted": "InvalidQueryParameterValue ShareAlreadyExists ShareNotFound",
    "_get_file": "InvalidResourceName InvalidUri OutOfRangeInput ResourceTypeMismatch ShareSnapshotNotFound"
    " UnsupportedHttpVerb",
    "_delegation": "InvalidXmlDocument InvalidXmlNodeValue MissingRequiredXmlNode",
    "_nfs": "MissingRequiredQueryParameter ResourceAlreadyExists",
    "_copies": "NoPendingCopyOperation",
    "_differences": "PreviousSnapshotNotFound UnsupportedHeader",
}
TESTED: dict[str, str] = {
    **{code: f"tests/clients/test_azure_files{name}.py" for name, codes in _CLIENTS.items() for code in codes.split()},
    "SharingViolation": "tests/shares/test_foreign.py",
    "PendingCopyOperation": "tests/clients/test_azure_files_elsewhere.py",
    "CopyIdMismatch": "tests/clients/test_azure_files_elsewhere.py",
}

_MANAGEMENT = "accounts are made and removed by commands; of one that is not there it is AuthenticationFailed"
_SMB = "it is about handles of SMB clients; this server speaks no SMB"
_PAID = "what is provisioned is kept and told, and sold by nobody here; numbers are refused by InvalidHeaderValue"
_OTHER = "another code says it: {}"
NEVER: dict[str, str] = {
    **dict.fromkeys(("AccountAlreadyExists", "AccountBeingCreated", "AccountIsDisabled"), _MANAGEMENT),
    **dict.fromkeys(
        (
            "CannotDeleteFileOrDirectory", "ClientCacheFlushDelay", "DeletePending", "FileLockConflict",
        ), _SMB,
    ),
    **dict.fromkeys(
        (
            "FileShareProvisionedBandwidthInvalid", "FileShareProvisionedIopsInvalid",
            "FileShareProvisionedStorageInvalid",
            "TotalSharesCountExceedsAccountLimit", "TotalSharesProvisionedBandwidthExceedsAccountLimit",
            "TotalSharesProvisionedCapacityExceedsAccountLimit", "TotalSharesProvisionedIopsExceedsAccountLimit",
        ), _PAID,
    ),
    "ConditionHeadersNotSupported": "conditions are obeyed or passed over, as each operation has them",
    "FeatureVersionMismatch": _OTHER.format("InvalidHeaderValue for x-ms-version"),
    "InsufficientAccountPermissions": _OTHER.format("AuthorizationPermissionMismatch"),
    "InternalError": "a fault of the server's own",
    "InvalidFileOrDirectoryPathName": _OTHER.format("InvalidResourceName, as recorded from the service"),
    "InvalidHttpVerb": _OTHER.format("UnsupportedHttpVerb"),
    "MultipleConditionHeadersNotSupported": "conditions are obeyed or passed over, as each operation has them",
    "OperationTimedOut": "what a request asks is done, whatever its timeout; a read that takes longer is cut off",
    "RequestUrlFailedToParse": _OTHER.format("InvalidUri"),
    "ServerBusy": "only while the server's store cannot be reached",
    "ShareBeingDeleted": "the name of a deleted share is free at once",
    "ShareDisabled": _MANAGEMENT,
    "ShareSizeLimitReached": "a disk that is full, which a test does not bring about",
    "ShareSnapshotInProgress": "snapshots of one share wait for each other",
    "ShareSnapshotOperationNotSupported": _OTHER.format("InvalidQueryParameterValue for sharesnapshot"),
    "UnsupportedQueryParameter": "every operation is there",
    "UnsupportedXmlNode": _OTHER.format("InvalidXmlDocument"),
}  # fmt: skip


def page_rows() -> list[tuple[str, str, str]]:
    """Code, what there is, and how: for docs/error-codes.md."""
    rows = [(code, "provoked", "`test_error_codes.py`") for code in PROVOKED]
    rows += [(code, "provoked", f"`{path.rpartition('/')[2]}`") for code, path in TESTED.items()]
    rows += [(code, "cannot arise", why) for code, why in NEVER.items()]
    return sorted(rows)
