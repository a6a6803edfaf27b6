"""What all that runs on a node has in common: its command line, and what the node needs to run it.

Tasks, job manager, preparation, release and start tasks are made of these; each room adds what is its own.
"""

from __future__ import annotations

from typing import Any

from linarite.engine.model import Named, NodeCommand
from linarite.faces.azure_batch.errors import invalid_property
from linarite.faces.azure_batch.wire.containers import ContainerSettings, container_of
from linarite.faces.azure_batch.wire.decoding import Element, plain
from linarite.faces.azure_batch.wire.elements import (
    ApplicationPackageReference,
    NameValue,
    ResourceFileElement,
    TaskConstraints,
    UserIdentity,
    brought_files,
    checked_files,
    checked_user,
    is_elevated,
    named,
    named_user,
)  # fmt: skip
from linarite.faces.azure_batch.wire.outputs import OutputFile
from linarite.faces.azure_batch.wire.task_elements import TokenSettings
from linarite.faces.azure_batch.wire.values import Int32, required


class CommandElement(Element):
    """A command line and its surroundings."""

    command_line: str | None = None
    container_settings: ContainerSettings | None = None
    resource_files: list[ResourceFileElement] | None = None
    environment_settings: list[NameValue] | None = None
    user_identity: UserIdentity | None = None


class TaskElement(CommandElement):
    """What a task and a job manager task have in common."""

    id: str | None = None
    display_name: str | None = None
    output_files: list[OutputFile] | None = None
    constraints: TaskConstraints | None = None
    required_slots: Int32 | None = None
    application_package_references: list[ApplicationPackageReference] | None = None
    authentication_token_settings: TokenSettings | None = None


def command_line(text: str | None, name: str = "commandLine", *, contained: bool = False) -> str:
    """A command line: it has to be there, and no process can be given a NUL.

    An empty one runs what its container's image runs by itself. Source: 'Container workloads on Azure Batch'.
    """
    line = text if contained and text is not None else required(text, name)
    if "\0" in line:
        raise invalid_property(name, line, "It has no NUL character.")
    return line


def environment(items: list[NameValue] | None) -> tuple[Named, ...]:
    """The variables, with names and values that a process can have."""
    for item in items or ():
        if "=" in (item.name or "") or "\0" in f"{item.name}{item.value}":
            reason = "A name has no equals sign, and neither name nor value has a NUL character."
            raise invalid_property("environmentSettings", item.name, reason)
    return named(items, "environmentSettings")


def checked_command(task: CommandElement, name: str) -> dict[str, Any]:
    """The element `name` as plain data, checked."""
    contained = container_of(task.container_settings) is not None
    command_line(task.command_line, f"{name}.commandLine", contained=contained)
    checked_files(task.resource_files, f"{name}.resourceFiles")
    environment(task.environment_settings)
    checked_user(task.user_identity)
    element: dict[str, Any] = plain(task)
    return element


def node_command(task: CommandElement, id: str, **limits: Any) -> NodeCommand:  # noqa: ANN401 - the struct's own fields
    """A checked element as the engine runs it on nodes; `limits` are what its kind has besides."""
    container = container_of(task.container_settings)
    return NodeCommand(
        id=id, command=command_line(task.command_line, contained=container is not None), container=container,
        resource_files=brought_files(task.resource_files), environment=environment(task.environment_settings),
        user=named_user(task.user_identity), elevated=is_elevated(checked_user(task.user_identity)), **limits,
    )  # fmt: skip
