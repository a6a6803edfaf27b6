"""Every refusal of this protocol: its status, code and sentence, and how the engine's refusals become one of them.

Source: NOTES 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from linarite.engine import access, errors
from linarite.http.messages import BodyTooLarge

CODES: Mapping[str, tuple[int, str]] = {
    "AuthenticationFailed": (
        403,
        (
            "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
            "correctly including the signature."
        ),
    ),
    "AuthorizationFailure": (403, "This request is not authorized to perform this operation."),
    "AuthorizationPermissionMismatch": (
        403,
        "This request is not authorized to perform this operation using this permission.",
    ),
    "AuthorizationProtocolMismatch": (
        403,
        "This request is not authorized to perform this operation using this protocol.",
    ),
    "AuthorizationResourceTypeMismatch": (
        403,
        "This request is not authorized to perform this operation using this resource type.",
    ),
    "AuthorizationServiceMismatch": (
        403,
        "This request is not authorized to perform this operation using this service.",
    ),
    "AuthorizationSourceIPMismatch": (
        403,
        "This request is not authorized to perform this operation using this source IP.",
    ),
    "CannotVerifyCopySource": (404, "The specified copy source does not exist or cannot be read."),
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "ContainerQuotaDowngradeNotAllowed": (
        409,
        (
            "Cannot downgrade quota at this moment. Please check share properties for the next allowed quota "
            "downgrade time."
        ),
    ),
    "FileShareProvisionedBandwidthDowngradeNotAllowed": (
        409,
        (
            "Cannot downgrade provisioned bandwidth at this moment. Please check share properties for the next allowed "
            "provisioned bandwidth downgrade time."
        ),
    ),
    "FileShareProvisionedIopsDowngradeNotAllowed": (
        409,
        (
            "Cannot downgrade provisioned IOPS at this moment. Please check share properties for the next allowed "
            "provisioned IOPS downgrade time."
        ),
    ),
    "CorsPreflightFailure": (403, "CORS not enabled or no matching rule found for this request."),
    "Crc64Mismatch": (
        400,
        "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.",
    ),
    "CopyIdMismatch": (409, "The specified copy ID did not match the copy ID for the pending copy operation."),
    "DirectoryNotEmpty": (409, "The specified directory is not empty."),
    "EmptyMetadataKey": (400, "The key for one of the metadata key-value pairs is empty."),
    "FileInvalidPermission": (400, "The specified file permission is not valid."),
    "FileInvalidPermissionKey": (400, "The specified file permission key does not exist in the share."),
    "InternalError": (500, "The server encountered an internal error. Please retry the request."),
    "InvalidAuthenticationInfo": (
        400,
        (
            "The authentication information was not provided in the correct format. Verify the value of "
            "Authorization header."
        ),
    ),
    "InvalidHeaderValue": (400, "The value for one of the HTTP headers is not in the correct format."),
    "InvalidInput": (400, "One of the request inputs is not valid."),
    "InvalidMd5": (
        400,
        (
            "The MD5 value specified in the request is invalid. The MD5 value must be 128 bits and "
            "Base64-encoded."
        ),
    ),
    "InvalidMetadata": (400, "The metadata specified is invalid. It has characters that are not permitted."),
    "InvalidQueryParameterValue": (
        400,
        "Value for one of the query parameters specified in the request URI is invalid.",
    ),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "InvalidResourceName": (400, "The specifed resource name contains invalid characters."),
    "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
    "InvalidXmlDocument": (400, "XML specified is not syntactically valid."),
    "InvalidXmlNodeValue": (400, "The value for one of the XML nodes is not in the correct format."),
    "LeaseAlreadyPresent": (409, "There is already a lease present."),
    "LeaseIdMismatchWithLeaseOperation": (409, "The lease ID specified did not match the lease ID for the {target}."),
    "LeaseIdMissing": (412, "There is currently a lease on the {target} and no lease ID was specified in the request."),
    "LeaseIsBreakingAndCannotBeAcquired": (
        409,
        (
            "The lease ID matched, but the lease is currently in breaking state and cannot be acquired until it "
            "is broken."
        ),
    ),
    "LeaseIsBreakingAndCannotBeChanged": (
        409,
        "The lease ID matched, but the lease is currently in breaking state and cannot be changed.",
    ),
    "LeaseIsBrokenAndCannotBeRenewed": (
        409,
        "The lease ID matched, but the lease has been broken explicitly and cannot be renewed.",
    ),
    "LeaseLost": (412, "A lease ID was specified, but the lease for the {target} has expired."),
    "LeaseNotPresentWithLeaseOperation": (409, "There is currently no lease on the {target}."),
    "Md5Mismatch": (
        400,
        "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
    ),
    "MetadataTooLarge": (400, "The size of the specified metadata exceeds the maximum size permitted."),
    "MissingContentLengthHeader": (411, "Content-Length HTTP header was not specified."),
    "MissingRequiredHeader": (400, "An HTTP header that's mandatory for this request is not specified."),
    "MissingRequiredQueryParameter": (400, "A query parameter that's mandatory for this request is not specified."),
    "MissingRequiredXmlNode": (400, "An XML node that's mandatory for this request is not specified."),
    "NoAuthenticationInformation": (
        401,
        (
            "Server failed to authenticate the request. Please refer to the information in the www-authenticate "
            "header."
        ),
    ),
    "NoPendingCopyOperation": (409, "There is currently no pending copy operation."),
    "OutOfRangeInput": (400, "One of the request inputs is out of range."),
    "OutOfRangeQueryParameterValue": (
        400,
        "One of the query parameters specified in the request URI is outside the permissible range.",
    ),
    "ParentNotFound": (404, "The specified parent path does not exist."),
    "PendingCopyOperation": (409, "There is currently a pending copy operation."),
    "PreviousSnapshotNotFound": (409, "The previous snapshot was not found."),
    "ReadOnlyAttribute": (409, "The specified resource is read-only and cannot be modified at this time."),
    "RequestBodyTooLarge": (413, "The request body is too large and exceeds the maximum permissible limit."),
    "ResourceAlreadyExists": (409, "The specified resource already exists."),
    "ResourceNotFound": (404, "The specified resource does not exist."),
    "ResourceTypeMismatch": (409, "The specified resource type does not match the type of the existing resource."),
    "ServerBusy": (503, "The server is currently unable to receive requests. Please retry your request."),
    "ShareAlreadyExists": (409, "The specified share already exists."),
    "ShareHasSnapshots": (409, "The share has snapshots and the operation requires no snapshots."),
    "DeleteShareWhenSnapshotLeased": (
        409,
        (
            "Unable to delete share because one or more share snapshots have active leases. Release the share "
            "snapshot leases or delete the share with the include-leased parameter for x-ms-delete-snapshots."
        ),
    ),
    "ShareNotFound": (404, "The specified share does not exist."),
    "ShareSizeLimitReached": (400, "The operation could not be performed because the share size limit was reached."),
    "ShareSnapshotCountExceeded": (409, "The total number of snapshots for the share is over the limit."),
    "ShareSnapshotNotFound": (404, "The specified share snapshot does not exist."),
    "SharingViolation": (409, "The specified resource may be in use by an SMB client."),
    "UnsupportedHeader": (400, "One of the HTTP headers specified in the request is not supported."),
    "UnsupportedHttpVerb": (405, "The resource doesn't support the specified HTTP verb."),
    "UnsupportedQueryParameter": (400, "One of the query parameters specified in the request URI is not supported."),
    **{
        f"{code}With{kind}Operation": (412, text)
        for kind in ("File", "Share")
        for code, text in (
            ("LeaseIdMismatch", "The lease ID specified did not match the lease ID for the {target}."),
            ("LeaseNotPresent", "There is currently no lease on the {target}."),
        )
    },
}  # fmt: skip


class Refused(Exception):
    """A refusal in the protocol's words. `detail` are elements after Message, `headers` stand on the answer."""

    def __init__(
        self,
        code: str,
        message: str = "",
        /,
        *,
        status: int = 0,
        headers: Mapping[str, str] | None = None,
        **detail: str,
    ) -> None:
        super().__init__(code)
        usual = CODES[code]
        self.code, self.status, self.message = code, status or usual[0], message or usual[1]
        self.detail, self.headers = detail, dict(headers or {})


def bad_header(name: str, value: str) -> Refused:
    """A header has a value that it cannot have."""
    return Refused("InvalidHeaderValue", HeaderName=name, HeaderValue=value)


def missing_header(name: str) -> Refused:
    """A header that this request needs is not there."""
    return Refused("MissingRequiredHeader", HeaderName=name)


def bad_query(name: str, value: str, reason: str) -> Refused:
    """A query parameter has a value that it cannot have."""
    return Refused("InvalidQueryParameterValue", QueryParameterName=name, QueryParameterValue=value, Reason=reason)


def translate(error: Exception, kind: str) -> Refused:
    """Any error as a refusal; `kind` is "Share" or "File": what the request was about."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, BodyTooLarge):
        return Refused("RequestBodyTooLarge", MaxLimit=str(error.limit))
    for each in type(error).__mro__:
        if each in TABLE:
            return TABLE[each](error, kind)
    return Refused("InternalError")


def _not_found(error: errors.NotFound, kind: str) -> Refused:
    codes = {
        "share": "ShareNotFound", "snapshot": "ShareSnapshotNotFound", "parent": "ParentNotFound",
        "permission": "FileInvalidPermissionKey", "previous": "PreviousSnapshotNotFound",
    }  # fmt: skip
    return Refused(codes.get(error.kind, "ResourceNotFound"))


def _exists(error: errors.AlreadyExists, kind: str) -> Refused:
    return Refused("ShareAlreadyExists" if error.kind == "share" else "ResourceAlreadyExists")


_STATES = {
    ("directory", "not empty"): "DirectoryNotEmpty",
    ("resource", "read-only"): "ReadOnlyAttribute",
    ("resource", "in use"): "SharingViolation",
    ("resource", "file"): "ResourceTypeMismatch",
    ("resource", "directory"): "ResourceTypeMismatch",
    ("range", "outside"): "InvalidRange",
    ("copy", "pending"): "PendingCopyOperation",
    ("copy", "none pending"): "NoPendingCopyOperation",
    ("copy", "another"): "CopyIdMismatch",
    ("share", "full"): "ShareSizeLimitReached",
    ("share", "quota raised lately"): "ContainerQuotaDowngradeNotAllowed",
    ("share", "iops raised lately"): "FileShareProvisionedIopsDowngradeNotAllowed",
    ("share", "mibps raised lately"): "FileShareProvisionedBandwidthDowngradeNotAllowed",
    ("share", "snapshots"): "ShareHasSnapshots",
    ("share", "leased snapshot"): "DeleteShareWhenSnapshotLeased",
    ("share", "too many snapshots"): "ShareSnapshotCountExceeded",
}
_LEASES = {
    ("use", "missing"): "LeaseIdMissing",
    ("use", "mismatch"): "LeaseIdMismatchWith{}Operation",
    ("use", "absent"): "LeaseNotPresentWith{}Operation",
    ("use", "lost"): "LeaseLost",
    ("acquire", "present"): "LeaseAlreadyPresent",
    ("acquire", "breaking"): "LeaseIsBreakingAndCannotBeAcquired",
    ("change", "breaking"): "LeaseIsBreakingAndCannotBeChanged",
    ("renew", "broken"): "LeaseIsBrokenAndCannotBeRenewed",
    ("operation", "absent"): "LeaseNotPresentWithLeaseOperation",
    ("operation", "mismatch"): "LeaseIdMismatchWithLeaseOperation",
}


def _state(error: errors.WrongState, kind: str) -> Refused:
    if error.kind == "lease":
        code = _LEASES[error.action, error.state].format(kind)
        return Refused(code, CODES[code][1].format(target="file share" if kind == "Share" else "file"))
    return Refused(_STATES.get((error.kind, error.state), "InvalidInput"))


_TOO_LONG = "The specified resource name length is not within the permissible limits."


def _value(error: errors.InvalidValue, kind: str) -> Refused:
    if error.name in {"share", "path"}:
        return Refused("InvalidResourceName", _TOO_LONG if error.reason == "length" else "")
    codes = {
        ("metadata", "empty"): "EmptyMetadataKey", ("metadata", "size"): "MetadataTooLarge",
        ("metadata", "characters"): "InvalidMetadata", ("permission", "unknown key"): "FileInvalidPermissionKey",
    }  # fmt: skip
    if error.name == "permission":
        return Refused(codes.get((error.name, error.reason), "FileInvalidPermission"))
    headers = {"quota": "x-ms-share-quota", "size": "x-ms-content-length"}
    if error.name in headers:
        return bad_header(headers[error.name], str(error.value))
    return Refused(codes.get((error.name, error.reason), "InvalidInput"))


def always(code: str) -> Callable[[Any, str], Refused]:
    """One code whatever the facts."""
    return lambda _error, _kind: Refused(code)


TABLE: Mapping[type, Callable[[Any, str], Refused]] = {
    errors.NotFound: _not_found,
    errors.AlreadyExists: _exists,
    errors.WrongState: _state,
    errors.InvalidValue: _value,
    errors.MissingValue: lambda error, _kind: missing_header(error.name),
    errors.DependenciesNotEnabled: always("InvalidInput"),
    errors.DependencyListTooLong: always("InvalidInput"),
    errors.DependencyRangesTooLong: always("InvalidInput"),
    errors.TooMany: always("OutOfRangeInput"),
    errors.TooSoon: always("ServerBusy"),
    errors.UnknownPackages: always("OutOfRangeInput"),
    errors.ConditionNotMet: always("ConditionNotMet"),
    errors.NotAllowed: always("AuthorizationFailure"),
    errors.NotSupported: always("UnsupportedHeader"),
    errors.FilesUnavailable: always("ResourceNotFound"),
    errors.PathRefused: always("InvalidResourceName"),
    errors.Unavailable: always("ServerBusy"),
    access.Unauthenticated: always("AuthenticationFailed"),
}
