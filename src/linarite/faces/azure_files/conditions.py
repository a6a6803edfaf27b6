"""If-Match and its like. The service has none for files; here none is ignored, so that no update is lost."""

from __future__ import annotations

from collections.abc import Callable

from linarite.engine.sharing.views import View
from linarite.faces.azure_files.errors import Refused, bad_header
from linarite.faces.azure_files.values import version_tag
from linarite.http.conditions import BadConditionHeader, Outcome, read_conditions
from linarite.http.messages import Request

Condition = Callable[[View | None], None]


def only_new(asked: Condition | None) -> Condition:
    """The check of a caller who may make a file, but write none that is there; `asked` is the request's own."""

    def check(view: View | None) -> None:
        if view is not None:
            raise Refused("AuthorizationPermissionMismatch")
        if asked is not None:
            asked(view)

    return check


def of(request: Request) -> Condition | None:
    """The check that a request's conditional headers ask for, None when it has none."""
    try:
        conditions = read_conditions(request.headers)
    except BadConditionHeader as error:
        raise bad_header(error.header, error.value) from error
    if conditions is None:
        return None

    def check(view: View | None) -> None:
        if view is None:
            if conditions.match is not None:
                raise Refused("ConditionNotMet")
            return
        outcome = conditions.outcome(version_tag(view.version), view.modified // 1000)
        if outcome is Outcome.UNCHANGED and request.method in {"GET", "HEAD"}:
            raise Refused("ConditionNotMet", status=304)
        if outcome is not Outcome.MET:
            raise Refused("ConditionNotMet")

    return check
