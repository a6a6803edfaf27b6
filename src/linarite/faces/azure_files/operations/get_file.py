"""Get File and Get File Properties. Source: the page "Get File", NOTES 6."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os

from linarite.engine.sharing.views import View
from linarite.faces.azure_files import headers
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.checks import is_structured, requested_range
from linarite.faces.azure_files.errors import Refused, bad_header
from linarite.http import structured
from linarite.http.messages import FileBody, Response
from linarite.http.numbers import parse_count
from linarite.http.ranges import ByteRange, content_range

MEBIBYTE = 1024 * 1024
MAX_MD5_RANGE = 4 * MEBIBYTE
SECONDS_A_MEBIBYTE = 120


async def get_file(call: Call) -> Response:
    """Bytes of a file, all or a range, with its properties."""
    is_structured(call)
    wanted, with_md5 = requested_range(call), call.flag("x-ms-range-get-content-md5")
    _check_md5(wanted, with_md5)
    view, descriptor = await call.files.read(call.place, call.path, call.claim)
    try:
        return await _answer(call, view, descriptor, wanted, with_md5)
    except BaseException:
        os.close(descriptor)
        raise


async def get_file_properties(call: Call) -> Response:
    """What Get File tells in its headers."""
    view = await call.files.look(call.place, call.path, call.claim, directory=False)
    found = _properties(call, view)
    if view.md5 is not None:
        found["Content-MD5"] = view.md5
    return Response(200, b"", found, length=view.item.size)


async def get_file_metadata(call: Call) -> Response:
    """Metadata alone, as older clients ask for it."""
    view = await call.files.look(call.place, call.path, call.claim, directory=False)
    return Response(200, b"", {**headers.tags(view), **headers.metadata(view.facts.metadata)})


def told(call: Call, view: View) -> dict[str, str]:
    """The properties of a file whose content is not the answer's: its content headers have names of their own."""
    own = {"Content-MD5": view.md5} if view.md5 is not None else {}
    found = {**_properties(call, view), **own, "Content-Length": str(view.item.size)}
    plain = {*headers.CONTENT.values(), *own, "Content-Length"}
    return {f"x-ms-{name.lower()}" if name in plain else name: value for name, value in found.items()}


async def _answer(call: Call, view: View, descriptor: int, wanted: ByteRange | None, with_md5: bool) -> Response:  # noqa: FBT001
    found = {**_properties(call, view, without=(headers.FILE_TYPE,)), "Accept-Ranges": "bytes"}
    size = view.item.size
    if wanted is None:
        if view.md5 is not None:
            found["Content-MD5"] = view.md5
        return _bytes(call, 200, descriptor, (0, size), found)
    part = wanted.within(size)
    if part is None:
        raise Refused("InvalidRange", headers={"Content-Range": f"bytes */{size}"})
    start, length = part
    if with_md5:
        if length > MAX_MD5_RANGE:
            raise Refused("OutOfRangeInput")
        found["Content-MD5"] = await asyncio.to_thread(_md5, descriptor, start, length)
    if view.md5 is not None:
        found["x-ms-content-md5"] = view.md5
    found["Content-Range"] = content_range(start, length, size)
    return _bytes(call, 206, descriptor, part, found)


def _bytes(call: Call, status: int, descriptor: int, part: tuple[int, int], found: dict[str, str]) -> Response:
    """The bytes of a part (first byte, length), with checksums between them where the client asked for those."""
    start, length = part
    seconds = _seconds(call, length)
    if not is_structured(call):
        return Response(status, FileBody(descriptor, start, length, seconds=seconds), found)
    found = {**found, "x-ms-structured-body": structured.FORM, "x-ms-structured-content-length": str(length)}
    body = FileBody(descriptor, start, length, seconds=seconds, framed=structured.pack)
    return Response(status, body, found, length=structured.packed_length(length))


def _properties(call: Call, view: View, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    return {
        **headers.content(view, call.caller.fields if call.caller.kind == "service-sas" else {}),
        **headers.tags(view),
        "x-ms-type": "File",
        "x-ms-server-encrypted": "true",
        **headers.smb(view, without=without),
        **headers.lease(view.facts.lease, call.now),
        **headers.copy(call.copies.told(view.facts.copy)),
        **headers.metadata(view.facts.metadata),
    }


def _seconds(call: Call, length: int) -> int:
    """How long a read may take: two minutes for each MiB, or less when the client says so by `timeout`."""
    own = SECONDS_A_MEBIBYTE * max(1, -(-length // MEBIBYTE))
    return min(own, parse_count(call.query("timeout") or "") or own)


def _check_md5(wanted: ByteRange | None, with_md5: bool) -> None:  # noqa: FBT001 - a header's value
    if not with_md5:
        return
    if wanted is None:
        raise bad_header("x-ms-range-get-content-md5", "true")
    if wanted.length is not None and wanted.length > MAX_MD5_RANGE:
        raise Refused("OutOfRangeInput")


def _md5(descriptor: int, start: int, length: int) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    end = start + length
    while start < end:
        piece = os.pread(descriptor, min(1024 * 1024, end - start), start) or bytes(min(1024 * 1024, end - start))
        digest.update(piece)
        start += len(piece)
    return base64.b64encode(digest.digest()).decode()
