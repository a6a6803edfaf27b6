"""Create File, delete, properties, metadata, rename. Source: NOTES 7, 8 and 10."""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine.sharing.leases import Claim
from linarite.engine.sharing.ports import Data, size_of
from linarite.engine.sharing.records import MAX_FILE_BYTES
from linarite.engine.sharing.views import Settings
from linarite.faces.azure_files import headers
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.checks import is_structured, read_body
from linarite.faces.azure_files.errors import Refused, bad_header, missing_header
from linarite.faces.azure_files.versions import BODY_SINCE
from linarite.http.messages import Response


async def create_file(call: Call) -> Response:
    """A file of zeros, or of the body that newer versions may send along."""
    if call.required("x-ms-type").lower() != "file":
        raise bad_header("x-ms-type", call.required("x-ms-type"))
    size = call.number("x-ms-content-length", 0, MAX_FILE_BYTES)
    if size is None:
        raise missing_header("x-ms-content-length")
    _check_kind(call)
    data, told = await _body(call, size)
    settings = replace(
        headers.creation_of(call),
        metadata=headers.metadata_of(call),
        content=headers.content_of(call),
        md5=headers.md5_of(call),
    )
    view = await call.files.create(call.place, call.path, size, settings, call.claim, data)
    properties = headers.smb(view, without=(headers.LINK_COUNT,))
    return Response(201, b"", {**headers.tags(view), **headers.ENCRYPTED, **properties, **told})


async def delete_file(call: Call) -> Response:
    """A file goes; of one on a share of NFS the names that are left are told."""
    gone = await call.files.remove(call.place, call.path, call.claim, directory=False)
    return Response(202, b"", {"x-ms-link-count": str(gone.item.links - 1)} if gone.is_nfs else {})


async def set_file_properties(call: Call) -> Response:
    """Content headers (an absent one is cleared), attributes, times, size.

    A request that brings a size and no content header keeps the content headers: the reading that loses nothing.
    """
    size = call.number("x-ms-content-length", 0, MAX_FILE_BYTES)
    content, md5 = headers.content_of(call), headers.md5_of(call)
    settings = headers.smb_of(call)
    if size is None or content or md5:
        settings = replace(settings, content=content, md5=md5)
    if size is None:
        view = await call.files.change(call.place, call.path, settings, call.claim, directory=False)
    else:
        view = await call.files.resize(call.place, call.path, size, settings, call.claim)
    told = headers.smb(view, without=(headers.FILE_TYPE,))
    return Response(200, b"", {**headers.tags(view), **headers.ENCRYPTED, **told})


async def set_file_metadata(call: Call) -> Response:
    """All metadata anew."""
    settings = Settings(metadata=headers.metadata_of(call))
    view = await call.files.change(call.place, call.path, settings, call.claim, directory=False)
    return Response(200, b"", {**headers.tags(view), **headers.ENCRYPTED})


async def rename_file(call: Call) -> Response:
    """Move a file within its share."""
    return await rename(call, directory=False)


async def rename(call: Call, *, directory: bool) -> Response:
    """Move a file or a directory to the addressed path."""
    assert call.resolve is not None
    place, source = await call.resolve(call.required("x-ms-file-rename-source"), call, "w")
    if place != call.place:
        raise bad_header("x-ms-file-rename-source", call.required("x-ms-file-rename-source"))
    settings = replace(
        headers.smb_of(call), metadata=headers.metadata_of(call) or None, merged=headers.content_of(call)
    )
    claims = (
        Claim(lease=call.lease("x-ms-source-lease-id"), now=call.now),
        Claim(
            lease=call.lease("x-ms-destination-lease-id"), now=call.now,
            ignores_read_only=call.flag("x-ms-file-rename-ignore-readonly"),
        ),
    )  # fmt: skip
    replacing = call.flag("x-ms-file-rename-replace-if-exists")
    view = await call.files.rename(place, source, call.path, settings, claims, directory=directory, replacing=replacing)
    return Response(200, b"", {**headers.tags(view), **headers.ENCRYPTED, **headers.smb(view)})


def _check_kind(call: Call) -> None:
    """What is made here is a regular file: other kinds have operations of their own, or none."""
    kind = call.header(headers.FILE_TYPE)
    if kind is not None and kind.lower() != "regular":
        raise bad_header(headers.FILE_TYPE, kind)


async def _body(call: Call, size: int) -> tuple[Data, dict[str, str]]:
    """The content that may come along with Create File from BODY_SINCE on, and what the answer tells of it."""
    is_structured(call)
    if not call.request.content_length and call.request.content_length is not None:
        return b"", {}
    data, told = await read_body(call)
    came = size_of(data)
    if came and (call.version < BODY_SINCE or came > size):
        raise Refused("InvalidHeaderValue", HeaderName="Content-Length", HeaderValue=str(came))
    return data, told if came else {}
