"""The elements that tasks, jobs and pools have in common. Source: BatchService-2025-06-01, seed 002."""

from __future__ import annotations

from typing import Any

import msgspec

from linarite.engine.model import Named, ResourceFile
from linarite.engine.packages import PackageReference
from linarite.faces.azure_batch.errors import Refusal, invalid_property, missing_property
from linarite.faces.azure_batch.wire.decoding import Element, Worded, camel
from linarite.faces.azure_batch.wire.values import Int32, required

SCOPES = ("task", "pool")
ELEVATIONS = ("nonadmin", "admin")


class NameValue(Element):
    """A variable of the environment, or an item of metadata."""

    name: str | None = None
    value: str | None = None


class IdentityReference(Element):
    """A managed identity."""

    resource_id: str | None = None


class ResourceFileElement(Element):
    """A file that a node brings."""

    http_url: str | None = None
    file_path: str | None = None
    file_mode: str | None = None
    storage_container_url: str | None = None
    auto_storage_container_name: str | None = None
    blob_prefix: str | None = None
    identity_reference: IdentityReference | None = None


class AutoUser(Worded):
    """The user that the service makes for a task."""

    spelled = (("scope", SCOPES), ("elevation_level", ELEVATIONS))

    scope: str | None = None
    elevation_level: str | None = None


class UserIdentity(Element):
    """Who a task runs as."""

    username: str | None = None
    auto_user: AutoUser | None = None


class TaskConstraints(Element):
    """Limits of a task."""

    max_wall_clock_time: str | None = None
    retention_time: str | None = None
    max_task_retry_count: Int32 | None = None


class ApplicationPackageReference(Element):
    """A package that a node brings."""

    application_id: str | None = None
    version: str | None = None


_SOURCES = ("http_url", "storage_container_url", "auto_storage_container_name")


def named(items: list[NameValue] | None, element: str) -> tuple[Named, ...]:
    """Variables or metadata; each needs its name."""
    return tuple([Named(item.name or required(item.name, f"{element}.name"), item.value or "") for item in items or ()])


def metadata(items: list[NameValue] | None) -> tuple[Named, ...]:
    """The items of metadata; each needs name and value."""
    for item in items or ():
        if item.name == "":
            raise Refusal("EmptyMetadataKey")
        if item.value is None:
            raise missing_property("metadata.value")
    return named(items, "metadata")


def keeps_empty_values(items: list[NameValue] | None) -> bool:
    """Tell whether an item has an empty text for a value, which `Named` cannot tell from none."""
    return any(item.value == "" for item in items or ())


def checked_user(identity: UserIdentity | None) -> UserIdentity | None:
    """Exactly one of `username` and `autoUser`."""
    if identity is not None and (identity.username is None) is (identity.auto_user is None):
        reason = "Exactly one of username and autoUser has to be specified."
        raise invalid_property("userIdentity", identity.username or "", reason)
    return identity


def is_elevated(identity: UserIdentity | None) -> bool:
    """Tell whether the element asks for an administrator."""
    auto = identity.auto_user if identity else None
    return auto is not None and auto.elevation_level == "admin"


def named_user(identity: UserIdentity | None) -> str | None:
    """The user of the pool that the element asks for."""
    return identity.username if identity else None


def checked_files(files: list[ResourceFileElement] | None, element: str) -> None:
    """Each file has exactly one source, and a path where its source needs one."""
    for file in files or ():
        sources = {name: value for name in _SOURCES if (value := getattr(file, name)) is not None}
        if len(sources) != 1:
            _refuse_sources(file, element)
        for name, value in sources.items():
            required(value, f"{element}.{camel(name)}")
        if file.http_url is not None:
            _checked_path(required(file.file_path, f"{element}.filePath"))
        elif file.file_path is not None:
            _checked_path(file.file_path)
        _mode(file.file_mode)


def _refuse_sources(file: ResourceFileElement, element: str) -> None:
    reason = "Exactly one of httpUrl, storageContainerUrl and autoStorageContainerName has to be specified."
    raise invalid_property(element, file.file_path or "", reason)


def _checked_path(path: str) -> None:
    parts = path.replace("\\", "/").split("/")
    if path.startswith(("/", "\\")) or ".." in parts or "\0" in path:
        raise invalid_property("filePath", path, "It is a path below the working directory.")


def _mode(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise invalid_property("fileMode", text, "It is an octal number, such as 0770.")
    return mode


def brought_files(files: list[ResourceFileElement] | None) -> tuple[ResourceFile, ...]:
    """What a node brings, as the engine knows it."""
    return tuple([_brought(file) for file in files or ()])


def _brought(file: ResourceFileElement) -> ResourceFile:
    path, mode = (file.file_path or "").replace("\\", "/"), _mode(file.file_mode)
    name = identity_of(file.identity_reference)
    if (url := file.http_url) is not None:
        return ResourceFile(url=url, path=path, mode=mode, identity=name)
    return ResourceFile(
        url=file.storage_container_url or "", container=file.storage_container_url is not None, path=path, mode=mode,
        auto_storage=file.auto_storage_container_name, prefix=file.blob_prefix or "", identity=name,
    )  # fmt: skip


def identity_of(reference: IdentityReference | None) -> str | None:
    """The managed identity that a reference names; empty when it names none."""
    return None if reference is None else reference.resource_id or ""


def are_plain_files(files: list[ResourceFileElement] | None) -> bool:
    """Tell whether the engine's records of these files say all that was given."""
    return all(
        file.http_url
        and file.blob_prefix is None
        and file.identity_reference is None
        and (file.file_mode is None or _printed(file.file_mode))
        and "\\" not in (file.file_path or "")
        for file in files or ()
    )


def _printed(mode: str) -> bool:
    return mode == mode_text(_mode(mode) or 0)


def mode_text(mode: int) -> str:
    """The octal digits of a file's mode: `0770`."""
    return f"{mode:04o}"


def checked_packages(packages: list[ApplicationPackageReference] | None) -> None:
    """Each package needs its application."""
    for package in packages or ():
        required(package.application_id, "applicationPackageReferences.applicationId")


def package_references(packages: list[ApplicationPackageReference] | None) -> tuple[PackageReference, ...]:
    """The packages as the engine knows them. An application may be named by its whole id in the resource manager."""
    checked_packages(packages)
    return tuple(
        [
            PackageReference((package.application_id or "").rpartition("/applications/")[2], package.version or None)
            for package in packages or ()
        ]
    )


def kept(source: msgspec.Struct, names: tuple[str, ...]) -> dict[str, Any]:
    """The elements of `source` that the engine does not know, as they were given, by their names on the wire."""
    facts: dict[str, Any] = {}
    for name in names:
        value = getattr(source, name)
        if value is not None:
            facts[camel(name)] = msgspec.to_builtins(value)
    return facts
