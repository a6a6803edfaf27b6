"""Containers: their elements, their rules, and what the engine makes of them.

Source: BatchTaskContainerSettings and BatchContainerConfiguration of 2025-06-01.
"""

from __future__ import annotations

import shlex
from typing import Any

from msgspec import convert

from linarite.engine.containers import Container, Registry
from linarite.faces.azure_batch.errors import invalid_property
from linarite.faces.azure_batch.wire.decoding import Element, Worded
from linarite.faces.azure_batch.wire.elements import IdentityReference
from linarite.faces.azure_batch.wire.values import required

WORKING_DIRECTORIES = ("taskWorkingDirectory", "containerImageDefault")
KINDS = ("dockerCompatible", "criCompatible")
SOURCES = ("Shared", "Startup", "VfsMounts", "Task", "JobPrep", "Applications")


class RegistryElement(Element):
    """Where images come from."""

    username: str | None = None
    password: str | None = None
    registry_server: str | None = None
    identity_reference: IdentityReference | None = None


class BindMount(Worded):
    """A folder of the node that is seen inside."""

    spelled = (("source", SOURCES),)

    source: str | None = None
    is_read_only: bool | None = None


class ContainerSettings(Worded):
    """The container of a task."""

    spelled = (("working_directory", WORKING_DIRECTORIES),)

    image_name: str | None = None
    container_run_options: str | None = None
    registry: RegistryElement | None = None
    working_directory: str | None = None
    container_host_batch_bind_mounts: list[BindMount] | None = None


class ContainerConfiguration(Worded):
    """What makes a pool one of containers."""

    spelled = (("type", KINDS),)

    type: str | None = None
    container_image_names: list[str] | None = None
    container_registries: list[RegistryElement] | None = None


def container_of(settings: ContainerSettings | None) -> Container | None:
    """The container as the engine knows it. MissingRequiredProperty, InvalidPropertyValue."""
    if settings is None:
        return None
    mounts = settings.container_host_batch_bind_mounts
    return Container(
        image=required(settings.image_name, "containerSettings.imageName"),
        options=_words(settings.container_run_options),
        in_image=settings.working_directory == "containerImageDefault",
        registry=None if settings.registry is None else _registry(settings.registry),
        mounts=None if mounts is None else tuple([_mount(mount) for mount in mounts]),
    )


def _words(options: str | None) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(options or ""))
    except ValueError as error:
        raise invalid_property("containerRunOptions", options, f"It cannot be split: {error}.") from error


def _mount(mount: BindMount) -> tuple[str, bool]:
    return required(mount.source, "containerHostBatchBindMounts.source"), bool(mount.is_read_only)


def _registry(element: RegistryElement) -> Registry:
    return Registry(element.registry_server or "docker.io", element.username or "", element.password or "")


def registries_of(machine: dict[str, Any] | None) -> tuple[Registry, ...] | None:
    """The registries of a pool whose nodes run containers; None for any other pool."""
    given = (machine or {}).get("containerConfiguration")
    if given is None:
        return None
    configuration = convert(given, ContainerConfiguration)
    return tuple([_registry(one) for one in configuration.container_registries or ()])
