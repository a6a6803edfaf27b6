"""Why a run failed, as records: by its exit code, by being ended, before it started."""

from __future__ import annotations

from linarite.engine.launching import Problem, RunFailed
from linarite.engine.model import Ending, Failure, FailureCategory, Named

LOST = Failure(category=FailureCategory.SERVER, code="lost", message="The node host that ran it was lost.")
OVERDUE, MACHINE_DOWN = "ended-timeout", "machine-down"
MOST_LOSSES = 10
"""So many runs in a row end with their host before it is taken for the fault of what they run."""
LOST_OFTEN = Failure(
    category=FailureCategory.USER, code="lost-often",
    message=f"The node host that ran it was lost {MOST_LOSSES} times in a row.",
)  # fmt: skip


def exit_failure(code: int | None) -> Failure:
    """The failure of a process that exited with a code that is no success."""
    return Failure(
        category=FailureCategory.USER, code="exit-code",
        message="The task exited with an exit code representing a failure",
        details=(Named("ExitCode", str(code)),),
    )  # fmt: skip


def ended_failure(ending: Ending, reason: str | None) -> Failure:
    """The failure of a task that was ended by somebody or by its time limit."""
    if ending is Ending.TIMEOUT:
        text = "The task ran longer than its maximum wall clock time."
        return Failure(category=FailureCategory.SERVER, code=OVERDUE, message=text)
    text = reason or "The task was ended by user request."
    return Failure(category=FailureCategory.USER, code="ended", message=text)


def machine_failure(reason: str) -> Failure:
    """The failure of a node whose machine is out of order."""
    return Failure(category=FailureCategory.SERVER, code=MACHINE_DOWN, message=reason)


def told_failure(report: RunFailed | Problem) -> Failure:
    """What the nodes tell of a command line that never ran, or of files that were not taken away."""
    return Failure(
        category=FailureCategory.USER if report.user else FailureCategory.SERVER, code=report.code,
        message=report.message, details=tuple(Named(name, value) for name, value in report.details.items()),
    )  # fmt: skip
