"""Containers: their elements, their rules, and what the engine makes of them.

Source: BatchTaskContainerSettings and BatchContainerConfiguration of 2025-06-01.
"""

from __future__ import annotations

import shlex
from typing import Any

from linarite.engine.containers import Container, Registry
from linarite.faces.azure_batch.errors import invalid_property
from linarite.faces.azure_batch.wire.decoding import Element, typed
from linarite.faces.azure_batch.wire.values import required, word_of

WORKING_DIRECTORIES = ("taskWorkingDirectory", "containerImageDefault")
SOURCES = ("Shared", "Startup", "VfsMounts", "Task", "JobPrep", "Applications")


class RegistryElement(Element):
    """Where images come from."""

    username: str | None = None
    password: str | None = None
    registry_server: str | None = None
    identity_reference: dict[str, Any] | None = None


class BindMount(Element):
    """A folder of the node that is seen inside."""

    source: str | None = None
    is_read_only: bool | None = None


class ContainerSettings(Element):
    """The container of a task."""

    image_name: str | None = None
    container_run_options: str | None = None
    registry: RegistryElement | None = None
    working_directory: str | None = None
    container_host_batch_bind_mounts: list[BindMount] | None = None


class ContainerConfiguration(Element):
    """What makes a pool one of containers."""

    type: str | None = None
    container_image_names: list[str] | None = None
    container_registries: list[RegistryElement] | None = None


def container_of(given: dict[str, Any] | None) -> Container | None:
    """The container as the engine knows it. MissingRequiredProperty, InvalidPropertyValue."""
    if given is None:
        return None
    settings = typed(given, ContainerSettings, "containerSettings")
    where = word_of(WORKING_DIRECTORIES, settings.working_directory, "workingDirectory")
    mounts = settings.container_host_batch_bind_mounts
    return Container(
        image=required(settings.image_name, "containerSettings.imageName"),
        options=_words(settings.container_run_options),
        in_image=where == "containerImageDefault",
        registry=None if settings.registry is None else _registry(settings.registry),
        mounts=None if mounts is None else tuple([_mount(mount) for mount in mounts]),
    )


def _words(options: str | None) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(options or ""))
    except ValueError as error:
        raise invalid_property("containerRunOptions", options, f"It cannot be split: {error}.") from error


def _mount(mount: BindMount) -> tuple[str, bool]:
    source = required(mount.source, "containerHostBatchBindMounts.source")
    return word_of(SOURCES, source, "source") or "", bool(mount.is_read_only)


def _registry(element: RegistryElement) -> Registry:
    return Registry(element.registry_server or "docker.io", element.username or "", element.password or "")


def registries_of(machine: dict[str, Any] | None) -> tuple[Registry, ...] | None:
    """The registries of a pool whose nodes run containers; None for any other pool."""
    given = (machine or {}).get("containerConfiguration")
    if given is None:
        return None
    configuration = typed(given, ContainerConfiguration, "containerConfiguration")
    return tuple([_registry(one) for one in configuration.container_registries or ()])
