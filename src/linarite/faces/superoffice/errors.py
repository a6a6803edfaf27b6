"""The engine's refusals in SuperOffice's two shapes. Source: SuperOffice NOTES section 8.

A request that cannot be read, or leads nowhere, is told by Message and MessageDetail; all else by ErrorType and
ErrorMessage.
"""

from __future__ import annotations

from typing import Any

from linarite.engine import errors
from linarite.engine.access import Unauthenticated
from linarite.faces.superoffice.definitions import CannotStart
from linarite.faces.superoffice.reading import InvalidColumn, Malformed, MediaTypeNotSupported
from linarite.http.messages import BodyTooLarge

SOURCE = "Linarite"
INVALID = "The request is invalid."

TABLE: dict[type[errors.EngineError], tuple[int, str | None]] = {
    Unauthenticated: (401, "SoSessionException"),
    errors.NotAllowed: (403, "SoSecurityException"),
    errors.NotFound: (404, "SoNotFoundException"),
    errors.AlreadyExists: (400, "SoIllegalOperationException"),
    errors.WrongState: (400, "SoIllegalOperationException"),
    errors.InvalidValue: (400, None),
    errors.MissingValue: (400, None),
    errors.DependenciesNotEnabled: (400, "SoIllegalOperationException"),
    errors.DependencyListTooLong: (400, "ArgumentException"),
    errors.DependencyRangesTooLong: (400, "ArgumentException"),
    errors.TooMany: (400, "SoIllegalOperationException"),
    errors.TooSoon: (503, "SoServerException"),
    errors.UnknownPackages: (400, "SoIllegalOperationException"),
    errors.ConditionNotMet: (412, "SoIllegalOperationException"),
    errors.NotSupported: (501, "NotSupportedException"),
    errors.FilesUnavailable: (409, "SoIllegalOperationException"),
    errors.PathRefused: (400, "ArgumentException"),
    errors.Unavailable: (503, "SoServerException"),
    CannotStart: (400, "ArgumentException"),
    Malformed: (400, None),
    InvalidColumn: (400, None),
    MediaTypeNotSupported: (415, None),
}
"""Each class of the engine's family, and this face's own, to status and ErrorType; None is the shape of Message.

A test says that it is total."""


class RequestRefused(errors.EngineError):
    """The request leads nowhere, or by a verb that its address has not: `status`, and `allowed` verbs."""

    def __init__(self, status: int, message: str, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status, self.allowed = status, allowed


def refusal(error: Exception) -> tuple[int, dict[str, Any]]:
    """The status and the body of a refusal; an error that is not known is the service's own, and tells nothing."""
    match error:
        case RequestRefused():
            return error.status, _unreadable("The request leads to no operation.", error.message)
        case BodyTooLarge():
            return 413, _unreadable(INVALID, f"The body has more than {error.limit} bytes.")
        case errors.EngineError() if (entry := _entry(type(error))) is not None:
            status, name = entry
            return status, _refused(name, _sentence(error)) if name else _unreadable(INVALID, error.message)
    return 500, _refused("SoServerException", "The server failed to answer. The request is in its log.")


def _entry(kind: type[errors.EngineError]) -> tuple[int, str | None] | None:
    return next((TABLE[base] for base in kind.__mro__ if base in TABLE), None)


def _sentence(error: errors.EngineError) -> str:
    if isinstance(error, errors.NotFound):
        return f"{error.kind} id {error.id} not found"
    return error.message


def _unreadable(message: str, detail: str) -> dict[str, Any]:
    return {"Message": message, "MessageDetail": detail}


def _refused(type: str, message: str) -> dict[str, Any]:
    return {"Error": True, "ErrorType": type, "ErrorMessage": message, "ErrorSource": SOURCE}
