"""Output files: their shapes, their rules, and what the engine makes of them. Source: OutputFile of 2025-06-01."""

from __future__ import annotations

from linarite.engine import outputs
from linarite.engine.outputs import UploadWhen
from linarite.faces.azure_batch.errors import invalid_property, missing_property
from linarite.faces.azure_batch.wire.decoding import Element, Worded
from linarite.faces.azure_batch.wire.elements import IdentityReference, NameValue, identity_of
from linarite.faces.azure_batch.wire.values import required

CONDITIONS = {
    "tasksuccess": UploadWhen.SUCCESS,
    "taskfailure": UploadWhen.FAILURE,
    "taskcompletion": UploadWhen.COMPLETION,
}


class ContainerDestination(Element):
    """Where output files go."""

    path: str | None = None
    container_url: str | None = None
    identity_reference: IdentityReference | None = None
    upload_headers: list[NameValue] | None = None


class Destination(Element):
    """Where output files go."""

    container: ContainerDestination | None = None


class UploadOptions(Worded):
    """When output files go."""

    spelled = (("upload_condition", tuple(CONDITIONS)),)

    upload_condition: str | None = None


class OutputFile(Element):
    """Files to bring away."""

    file_pattern: str | None = None
    destination: Destination | None = None
    upload_options: UploadOptions | None = None


def output_files(files: list[OutputFile] | None) -> tuple[outputs.OutputFile, ...]:
    """The files as the engine knows them. MissingRequiredProperty, InvalidPropertyValue."""
    return tuple([_output(file) for file in files or ()])


def _output(file: OutputFile) -> outputs.OutputFile:
    pattern = required(file.file_pattern, "outputFiles.filePattern")
    if file.destination is None or file.destination.container is None:
        raise missing_property("outputFiles.destination.container")
    container = file.destination.container
    if file.upload_options is None:
        raise missing_property("outputFiles.uploadOptions")
    given = required(file.upload_options.upload_condition, "outputFiles.uploadOptions.uploadCondition")
    return outputs.OutputFile(
        pattern=pattern,
        url=required(container.container_url, "outputFiles.destination.container.containerUrl"),
        path=container.path,
        headers=tuple([_header(item) for item in container.upload_headers or ()]),
        when=CONDITIONS[given],
        identity=identity_of(container.identity_reference),
    )


def _header(item: NameValue) -> tuple[str, str | None]:
    name = required(item.name, "outputFiles.destination.container.uploadHeaders.name")
    if any(character in f"{name}{item.value or ''}" for character in "\r\n\0"):
        raise invalid_property("uploadHeaders", name, "A header is one line.")
    return name, item.value
