"""Add a task: every element of its table, checked by the table's rules, as the engine's spec and this face's own facts.

Source: seed 002 and BatchTaskCreateOptions of 2025-06-01. What the engine does not model is kept verbatim.
"""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine.model import (
    DAY,
    Dependencies,
    DependencyAction,
    ExitCodes,
    ExitConditions,
    ExitOptions,
    Facts,
    JobAction,
    MultiInstance,
    ResourceFile,
    TaskSpec,
)  # fmt: skip
from linarite.faces.azure_batch.errors import invalid_property, missing_property
from linarite.faces.azure_batch.wire.commands import TaskElement, command_line, environment
from linarite.faces.azure_batch.wire.containers import container_of
from linarite.faces.azure_batch.wire.decoding import TYPE, Body, as_read, plain
from linarite.faces.azure_batch.wire.elements import (
    ResourceFileElement,
    TaskConstraints,
    are_plain_files,
    brought_files,
    checked_files,
    checked_user,
    is_elevated,
    keeps_empty_values,
    kept,
    named_user,
    package_references,
)  # fmt: skip
from linarite.faces.azure_batch.wire.outputs import output_files
from linarite.faces.azure_batch.wire.task_elements import (
    TOKEN_ACCESS,
    AffinityInfo,
    DependsOn,
    ExitConditionsElement,
    ExitOptionsElement,
    MultiInstanceSettings,
    TokenSettings,
)
from linarite.faces.azure_batch.wire.values import (
    checked_id,
    display_name,
    duration,
    number,
    required,
    word,
)

FACE = "azure_batch"
RETENTION = 7 * DAY
MOST_SLOTS = 256
MOST_IN_A_COLLECTION = 100
AFFINITY = "TVM:"


class TaskAdd(TaskElement):
    """The body of Add Task."""

    words = "task"

    affinity_info: AffinityInfo | None = None
    exit_conditions: ExitConditionsElement | None = None
    multi_instance_settings: MultiInstanceSettings | None = None
    depends_on: DependsOn | None = None
    odata_metadata: str | None = TYPE


TaskPut = as_read(TaskAdd, "taskPut", "node_info")
"""The body of Update Task."""


class TaskCollection(Body):
    """The body of Add Task Collection."""

    words = "taskCollection"
    several = True

    value: list[TaskAdd] | None = None


_KEPT = (
    "container_settings", "affinity_info", "application_package_references",
)  # fmt: skip


def task_of(body: TaskAdd) -> tuple[TaskSpec, Facts]:
    """The engine's spec of a task and what this face alone keeps of it. Refusals name the element."""
    limits = body.constraints or _NO_CONSTRAINTS
    spec = TaskSpec(
        id=checked_id(body.id),
        command=command_line(body.command_line, contained=body.container_settings is not None),
        display_name=display_name(body.display_name),
        resource_files=_resource_files(body.resource_files),
        output_files=output_files(body.output_files),
        container=container_of(body.container_settings),
        packages=package_references(body.application_package_references),
        environment=environment(body.environment_settings),
        max_retries=number(limits.max_task_retry_count, "maxTaskRetryCount", -1),
        max_wall_clock=duration(limits.max_wall_clock_time, "maxWallClockTime"),
        retention=retention(limits),
        required_slots=number(body.required_slots, "requiredSlots", 1, MOST_SLOTS) or 1,
        dependencies=_dependencies(body.depends_on),
        exit_conditions=exit_conditions(body.exit_conditions),
        multi_instance=_multi_instance(body, body.multi_instance_settings),
        user=named_user(body.user_identity),
        elevated=is_elevated(checked_user(body.user_identity)),
        job_token=_has_token(body.authentication_token_settings),
        preferred_node=_preferred_node(body.affinity_info),
    )
    return spec, facts_of(body)


_NO_CONSTRAINTS = TaskConstraints()


def retention(limits: TaskConstraints) -> int | None:
    """The time to keep a task's files: seven days unless it is said."""
    return RETENTION if limits.retention_time is None else duration(limits.retention_time, "retentionTime")


def _resource_files(files: list[ResourceFileElement] | None) -> tuple[ResourceFile, ...]:
    if not files:
        return ()
    checked_files(files, "resourceFiles")
    return brought_files(files)


def _dependencies(element: DependsOn | None) -> Dependencies | None:
    if element is None:
        return None
    ranges = list[tuple[int, int]]()
    for item in element.task_id_ranges or ():
        if item.start is None or item.end is None:
            raise missing_property("taskIdRanges.start" if item.start is None else "taskIdRanges.end")
        ranges.append((item.start, item.end))
    return Dependencies(ids=tuple(element.task_ids or ()), ranges=tuple(ranges))


def exit_conditions(element: ExitConditionsElement | None) -> ExitConditions | None:
    """The ways of ending; a mapping without its code or its options is refused."""
    if element is None:
        return None
    return ExitConditions(
        codes=tuple([_codes(m.code, m.code, m.exit_options, "exitCodes") for m in element.exit_codes or ()]),
        ranges=tuple(
            [_codes(m.start, m.end, m.exit_options, "exitCodeRanges") for m in element.exit_code_ranges or ()]
        ),
        pre_processing_error=_options(element.pre_processing_error),
        file_upload_error=_options(element.file_upload_error),
        default=_options(element.default),
    )


def _codes(start: int | None, end: int | None, options: ExitOptionsElement | None, name: str) -> ExitCodes:
    if start is None or end is None:
        raise missing_property(f"{name}.code" if name == "exitCodes" else f"{name}.start and {name}.end")
    if options is None:
        raise missing_property(f"{name}.exitOptions")
    if start > end:
        raise invalid_property(name, f"{start}-{end}", "start must not be greater than end.")
    return ExitCodes(start=start, end=end, options=_options(options) or ExitOptions())


def _options(element: ExitOptionsElement | None) -> ExitOptions | None:
    if element is None:
        return None
    return ExitOptions(
        job_action=word(JobAction, element.job_action, "jobAction"),
        dependency_action=word(DependencyAction, element.dependency_action, "dependencyAction"),
    )


def _preferred_node(element: AffinityInfo | None) -> str | None:
    if element is None:
        return None
    return required(element.affinity_id, "affinityInfo.affinityId").removeprefix(AFFINITY)


def _multi_instance(body: TaskAdd, settings: MultiInstanceSettings | None) -> MultiInstance | None:
    if settings is None:
        return None
    instances = number(settings.number_of_instances, "numberOfInstances", 1)
    command = settings.coordination_command_line
    if command is not None:
        command_line(command, "multiInstanceSettings.coordinationCommandLine")
    checked_files(settings.common_resource_files, "commonResourceFiles")
    if body.required_slots not in {None, 1}:
        raise invalid_property("requiredSlots", body.required_slots, "It is 1 for a multi-instance task.")
    files = brought_files(settings.common_resource_files)
    return MultiInstance(instances=instances or 1, coordination=command, files=files)


def _has_token(settings: TokenSettings | None) -> bool:
    """Whether the task is given a token. All that a token can open is the task's job."""
    if settings is None:
        return False
    if not settings.access:
        raise missing_property("authenticationTokenSettings.access")
    return True


def facts_of(body: TaskAdd) -> Facts:
    """What the engine's spec cannot tell of what was given."""
    facts = kept(body, _KEPT)
    if body.multi_instance_settings is not None:
        facts["multiInstanceSettings"] = {"numberOfInstances": 1, **plain(body.multi_instance_settings)}
    if body.user_identity is not None:
        facts["userIdentity"] = plain(checked_user(body.user_identity))
    if body.authentication_token_settings is not None:
        facts["authenticationTokenSettings"] = {"access": list(TOKEN_ACCESS)}
    if body.resource_files and not are_plain_files(body.resource_files):
        facts.update(kept(body, ("resource_files",)))
    if keeps_empty_values(body.environment_settings):
        facts.update(kept(body, ("environment_settings",)))
    return {FACE: facts} if facts else {}


def constrained(spec: TaskSpec, limits: TaskConstraints | None) -> TaskSpec:
    """The spec with its limits set anew; what is omitted is reset."""
    given = limits or _NO_CONSTRAINTS
    return replace(
        spec,
        max_retries=number(given.max_task_retry_count, "maxTaskRetryCount", -1),
        max_wall_clock=duration(given.max_wall_clock_time, "maxWallClockTime"),
        retention=retention(given),
    )
