"""Put Range from URL: bytes of another file, of this server or of one that the settings name, into a range.

Source: NOTES 7.
"""

from __future__ import annotations

import asyncio
import base64
import os

from linarite.engine.errors import EngineError
from linarite.engine.sharing import Place
from linarite.engine.sharing.elsewhere import Unverified
from linarite.engine.sharing.records import MAX_RANGE_BYTES
from linarite.faces.azure_files import headers
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.checks import check_crc64, crc64_of
from linarite.faces.azure_files.errors import Refused, bad_header, missing_header, translate
from linarite.faces.azure_files.operations.ranges import bounds, keeps_last_write, written
from linarite.faces.azure_files.sources import elsewhere, require_authorisation, told, unverified
from linarite.http import structured
from linarite.http.messages import Response
from linarite.http.ranges import parse_range


async def put_range_from_url(call: Call) -> Response:
    """Write a range of at most 4 MiB that is read from another file. On disk when answered."""
    if call.required("x-ms-write").lower() != "update":
        raise bad_header("x-ms-write", call.required("x-ms-write"))
    if call.request.content_length:
        raise bad_header("Content-Length", str(call.request.content_length))
    start, length = bounds(call)
    if length > MAX_RANGE_BYTES:
        raise Refused("RequestBodyTooLarge", MaxLimit=str(MAX_RANGE_BYTES))
    keep, first = keeps_last_write(call), _source_start(call, length)
    data = await _source(call, first, length)
    crc = structured.crc64_bytes(data)
    _check_source(call, crc)
    view = await call.files.write(call.place, call.path, start, data, call.claim, keep_written=keep)
    checksum = {"x-ms-content-crc64": base64.b64encode(crc).decode()}
    return Response(201, b"", {**written(call, view), **headers.ENCRYPTED, **checksum})


async def _source(call: Call, first: int, length: int) -> bytes:
    """The source's bytes, wherever it is. One on this server brings a right of its own, one elsewhere may be public."""
    assert call.resolve is not None
    url = call.required("x-ms-copy-source")
    origin = elsewhere(url, call)
    if origin is None:
        require_authorisation(url, call)
        return await _read(call, *await call.resolve(url, call, "r"), first, length)
    try:
        return await call.elsewhere.read(origin, first, length)
    except Unverified as error:
        raise told(error) from error


def _source_start(call: Call, length: int) -> int:
    """The first byte of the source's range, which is as long as the one that is written."""
    text = call.header("x-ms-source-range")
    if text is None:
        raise missing_header("x-ms-source-range")
    found = parse_range(text)
    if found is None or found.length != length:
        raise bad_header("x-ms-source-range", text)
    return found.start


async def _read(call: Call, place: Place, path: str, first: int, length: int) -> bytes:
    """The source's bytes; a refusal of its own is told as the source's."""
    try:
        view, descriptor = await call.files.read(place, path)
    except EngineError as error:
        why = translate(error, "File")
        raise unverified(why.status, why.code, why.message) from error
    try:
        if first + length > view.item.size:
            raise unverified(416, "InvalidRange", "The range of the copy source is not within the file.")
        data = await asyncio.to_thread(os.pread, descriptor, length, first)
    finally:
        os.close(descriptor)
    return data.ljust(length, b"\0")  # cut short meanwhile: what is gone reads as a hole does


def _check_source(call: Call, crc: bytes) -> None:
    """The conditions on the source's bytes. Nothing is written when one is not met."""
    wanted, refused = crc64_of(call, "x-ms-source-if-match-crc64"), crc64_of(call, "x-ms-source-if-none-match-crc64")
    if (wanted is not None and wanted != crc) or refused == crc:
        raise Refused("ConditionNotMet")
    given = crc64_of(call, "x-ms-source-content-crc64")
    if given is not None:
        check_crc64(given, crc)
