"""Refusals in the protocol's words: a status, a scheduler error code and a sentence.

Source: HPC Pack SDK, scheduler error codes; statuses are not published for each of them (NOTES 4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from linarite.engine import errors
from linarite.engine.access import Unauthenticated
from linarite.http.messages import BodyTooLarge

NO_CODE = 0x0FF00000
CANCELED_BY_USER = -2147220991
NOT_CONFIGURING = -2147220990
READ_ONLY = -2147220989
OUT_OF_RANGE = -2147220987
INVALID_JOB = -2147220986
INVALID_TASK = -2147220985
CANCEL_JOB_STATE = -2147220984
CANCEL_TASK_STATE = -2147220983
PERMISSION_DENIED = -2147220981
AUTHENTICATION = -2147220980
INVALID_NODE = -2147220978
TEMPLATE_NOT_FOUND = -2147220965
INVALID_PROPERTY = -2147220962
JOB_STATE = -2147220961
TOO_LONG = -2147220939
UNKNOWN_GROUP = -2147220937
INVALID_QUERY = -2147220935
VARIABLE_NAME = -2147220931
INVALID_FILTER = -2147220925
TASK_TYPE = -2147220924
TASK_STATE = -2147220921
PROGRESS = -2147220917
UNIMPLEMENTED = -2147220895
UNEXPECTED = -2147220892
MESSAGE_TOO_LONG = -2147220781
MISSING_COMMAND = -2147219952
NOT_RERUNNABLE = -2147219950

NO_TASK = "No such task, or the specified subtask has not been expanded yet."


class Refusal(Exception):
    """The answer no: HTTP status, scheduler error code, a sentence fit for a person."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def bad(code: int, message: str) -> Refusal:
    """The caller did something wrong."""
    return Refusal(400, code, message)


def no_job(number: object) -> Refusal:
    """There is no job of that number for this caller."""
    return Refusal(404, INVALID_JOB, f"No job with id {number}.")


def no_task() -> Refusal:
    """There is no task of that number, or no subtask of it yet."""
    return Refusal(404, INVALID_TASK, NO_TASK)


_NOT_FOUND = {"job": INVALID_JOB, "task": INVALID_TASK, "node": INVALID_NODE, "pool": UNKNOWN_GROUP}
_STATES = {"job": JOB_STATE, "task": TASK_STATE}

Translate = Callable[[Any], Refusal]


def _plain(status: int, code: int) -> Translate:
    return lambda error: Refusal(status, code, error.message or "The request was refused.")


TABLE: dict[type[errors.EngineError], Translate] = {
    Unauthenticated: _plain(401, AUTHENTICATION),
    errors.NotFound: lambda error: Refusal(404, _NOT_FOUND.get(error.kind, NO_CODE), error.message),
    errors.AlreadyExists: _plain(400, NO_CODE),
    errors.WrongState: lambda error: Refusal(400, _STATES.get(error.kind, NO_CODE), error.message),
    errors.InvalidValue: _plain(400, OUT_OF_RANGE),
    errors.MissingValue: _plain(400, NO_CODE),
    errors.DependenciesNotEnabled: _plain(400, NO_CODE),
    errors.DependencyListTooLong: _plain(400, TOO_LONG),
    errors.DependencyRangesTooLong: _plain(400, TOO_LONG),
    errors.TooMany: _plain(400, OUT_OF_RANGE),
    errors.TooSoon: _plain(503, NO_CODE),
    errors.UnknownPackages: _plain(400, OUT_OF_RANGE),
    errors.ConditionNotMet: _plain(400, NO_CODE),
    errors.NotAllowed: _plain(403, PERMISSION_DENIED),
    errors.NotSupported: _plain(400, UNIMPLEMENTED),
    errors.FilesUnavailable: _plain(404, NO_CODE),
    errors.PathRefused: _plain(400, NO_CODE),
    errors.Unavailable: _plain(503, NO_CODE),
}


def translate(error: Exception) -> Refusal:
    """The refusal for any error. Total: what is not known here is our own fault, and says nothing of itself."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, BodyTooLarge):
        return Refusal(413, TOO_LONG, f"The request body is larger than {error.limit} bytes.")
    for kind in type(error).__mro__:
        found = TABLE.get(kind)
        if found is not None:
            return found(error)
    return Refusal(500, UNEXPECTED, "The server met an unexpected error.")
