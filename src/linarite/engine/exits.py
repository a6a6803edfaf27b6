"""What a task's way of ending means: success or not, what its job does, whether its dependents may run.

Source: Add a task, exitConditions. A code wins over a range, both over the particular errors, those over the default.
"""

from __future__ import annotations

from linarite.engine.model import DependencyAction, ExitConditions, ExitOptions, JobAction, JobSpec, TaskSpec

NOTHING = ExitOptions()


def succeeds(spec: TaskSpec, job: JobSpec, code: int) -> bool:
    """Tell whether an exit code is a success: one of the task's valid codes, else of its job's, else 0."""
    return is_valid(job.valid_exit_codes if spec.valid_exit_codes is None else spec.valid_exit_codes, code)


def is_valid(valid: tuple[tuple[int, int], ...] | None, code: int) -> bool:
    """Tell whether a code is in one of these ranges; None: it is 0."""
    return code == 0 if valid is None else any(first <= code <= last for first, last in valid)


def options(
    conditions: ExitConditions | None, code: int | None, *, before_start: bool, success: bool, upload: bool = False
) -> ExitOptions:
    """The exit options that fit; `code` None: there was none.

    `before_start`: an error before the command ran; `upload`: one when its files were taken away.
    """
    if conditions is None:
        return NOTHING
    if code is not None:
        for entry in (*conditions.codes, *conditions.ranges):
            if entry.start <= code <= entry.end:
                return entry.options
    if before_start and conditions.pre_processing_error is not None:
        return conditions.pre_processing_error
    if upload and conditions.file_upload_error is not None:
        return conditions.file_upload_error
    return NOTHING if success or conditions.default is None else conditions.default


def job_action(chosen: ExitOptions, *, success: bool) -> JobAction:
    """The action on the job: none after a success, terminate after anything else, unless the options say."""
    return chosen.job_action or (JobAction.NONE if success else JobAction.TERMINATE)


def satisfies(chosen: ExitOptions, *, success: bool) -> bool:
    """Tell whether dependents may run: after a success, unless the options say."""
    action = chosen.dependency_action or (DependencyAction.SATISFY if success else DependencyAction.BLOCK)
    return action is DependencyAction.SATISFY
