"""Containers: their elements, their rules, and what the engine makes of them.

Source: BatchTaskContainerSettings and BatchContainerConfiguration of 2025-06-01.
"""

from __future__ import annotations

import shlex
from typing import Any

from msgspec import convert

from linarite.engine.containers import DEFAULT_REGISTRY, Container, Containers, Registry
from linarite.faces.azure_batch.errors import invalid_property, missing_property
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
        image=_image(required(settings.image_name, "containerSettings.imageName"), "imageName"),
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


def _image(name: str, element: str) -> str:
    """The name as it was given. A word that podman would read as an option is no image."""
    if not name or name.startswith("-") or any(character.isspace() for character in name):
        raise invalid_property(element, name, "It is no name of a container image.")
    return name


def _registry(element: RegistryElement) -> Registry:
    """A registry opens to a user with a password, or to everybody; there is no identity that it could open to."""
    if element.identity_reference is not None:
        reason = "The nodes of this server have no managed identity."
        raise invalid_property("identityReference", element.identity_reference.resource_id or "", reason)
    if element.username is None and element.password is not None:
        raise missing_property("username")
    return Registry(element.registry_server or DEFAULT_REGISTRY, element.username or "", element.password or "")


def containers_of(machine: dict[str, Any] | None) -> Containers | None:
    """What makes a pool one of containers; None for any other pool. MissingRequiredProperty, InvalidPropertyValue."""
    given = (machine or {}).get("containerConfiguration")
    if given is None:
        return None
    configuration = convert(given, ContainerConfiguration)
    required(configuration.type, "containerConfiguration.type")
    return Containers(
        tuple([_image(name, "containerImageNames") for name in configuration.container_image_names or ()]),
        tuple([_registry(one) for one in configuration.container_registries or ()]),
    )
