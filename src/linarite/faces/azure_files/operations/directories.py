"""Directories: create, delete, properties, metadata, rename. Source: NOTES 8 and 9."""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine.sharing.views import Settings
from linarite.faces.azure_files import headers
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused
from linarite.faces.azure_files.operations.files import rename
from linarite.http.messages import Response


async def create_directory(call: Call) -> Response:
    """A new, empty directory."""
    if not call.path:
        raise Refused("ResourceAlreadyExists")
    settings = replace(headers.creation_of(call, directory=True), metadata=headers.metadata_of(call))
    view = await call.files.create_directory(call.place, call.path, settings)
    return Response(201, b"", {**headers.tags(view), **headers.ENCRYPTED, **headers.smb(view)})


async def get_directory_properties(call: Call) -> Response:
    """All that is known of a directory."""
    view = await call.files.look(call.place, call.path, directory=True)
    found = {**headers.tags(view), "x-ms-server-encrypted": "true", **headers.smb(view)}
    return Response(200, b"", {**found, **headers.metadata(view.facts.metadata)})


async def get_directory_metadata(call: Call) -> Response:
    """Metadata alone, as older clients ask for it."""
    view = await call.files.look(call.place, call.path, directory=True)
    return Response(200, b"", {**headers.tags(view), **headers.metadata(view.facts.metadata)})


async def set_directory_properties(call: Call) -> Response:
    """Attributes, times, permission."""
    view = await call.files.change(call.place, call.path, headers.smb_of(call), call.claim, directory=True)
    told = headers.smb(view, without=(headers.FILE_TYPE,))
    return Response(200, b"", {**headers.tags(view), **headers.ENCRYPTED, **told})


async def set_directory_metadata(call: Call) -> Response:
    """All metadata anew."""
    settings = Settings(metadata=headers.metadata_of(call))
    view = await call.files.change(call.place, call.path, settings, call.claim, directory=True)
    return Response(200, b"", {**headers.tags(view), **headers.ENCRYPTED})


async def delete_directory(call: Call) -> Response:
    """An empty directory goes; a share's root stays."""
    if not call.path:
        raise Refused("InvalidUri")
    await call.files.remove(call.place, call.path, call.claim, directory=True)
    return Response(202)


async def rename_directory(call: Call) -> Response:
    """Move a directory within its share."""
    return await rename(call, directory=True)
