"""The elements of Add a task that no other body has: their shapes alone, the rules are in `wire.tasks`."""

from __future__ import annotations

from linarite.faces.azure_batch.wire.decoding import Element, Worded
from linarite.faces.azure_batch.wire.elements import ResourceFileElement
from linarite.faces.azure_batch.wire.values import Int32

TOKEN_ACCESS = ("job",)


class ExitOptionsElement(Element):
    """What one way of ending does."""

    job_action: str | None = None
    dependency_action: str | None = None


class ExitCodeMapping(Element):
    """One exit code."""

    code: Int32 | None = None
    exit_options: ExitOptionsElement | None = None


class ExitCodeRangeMapping(Element):
    """Exit codes from `start` to `end`."""

    start: Int32 | None = None
    end: Int32 | None = None
    exit_options: ExitOptionsElement | None = None


class ExitConditionsElement(Element):
    """All ways of ending."""

    exit_codes: list[ExitCodeMapping] | None = None
    exit_code_ranges: list[ExitCodeRangeMapping] | None = None
    pre_processing_error: ExitOptionsElement | None = None
    file_upload_error: ExitOptionsElement | None = None
    default: ExitOptionsElement | None = None


class TaskIdRange(Element):
    """Integer ids from `start` to `end`."""

    start: Int32 | None = None
    end: Int32 | None = None


class DependsOn(Element):
    """The tasks that come first."""

    task_ids: list[str] | None = None
    task_id_ranges: list[TaskIdRange] | None = None


class AffinityInfo(Element):
    """Where the task would best run."""

    affinity_id: str | None = None


class MultiInstanceSettings(Element):
    """A task on several nodes at once."""

    number_of_instances: Int32 | None = None
    coordination_command_line: str | None = None
    common_resource_files: list[ResourceFileElement] | None = None


class TokenSettings(Worded):
    """What a task's token would allow."""

    spelled = (("access", TOKEN_ACCESS),)

    access: list[str] | None = None
