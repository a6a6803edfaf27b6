"""Put Range (update and clear) and List Ranges. Source: NOTES 7."""

from __future__ import annotations

from linarite.engine.sharing.ports import size_of
from linarite.engine.sharing.records import MAX_RANGE_BYTES
from linarite.engine.sharing.views import View
from linarite.faces.azure_files import headers, xml
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.checks import announced_length, is_structured, read_body, requested_range
from linarite.faces.azure_files.errors import Refused, bad_header, bad_query, missing_header
from linarite.faces.azure_files.values import parse_time, time_text
from linarite.faces.azure_files.versions import DIFFERENCES_SINCE, LAST_WRITE_TIME_SINCE, RANGE_PAGES_SINCE
from linarite.http.messages import Response
from linarite.http.numbers import parse_count

Part = tuple[int, int, bool]
"""First byte, last byte, and whether it was cleared."""


async def put_range(call: Call) -> Response:
    """Write a range of at most 4 MiB, or clear one of any length. On disk when answered."""
    mode = call.required("x-ms-write").lower()
    if mode not in {"update", "clear"}:
        raise bad_header("x-ms-write", mode)
    return await (_update(call) if mode == "update" else _clear(call))


async def list_ranges(call: Call) -> Response:
    """The written parts of a file, all or within a range."""
    wanted = requested_range(call)
    start, end = (wanted.start, wanted.end) if wanted else (0, None)
    view, found = await _parts(call, start, end)
    parts, following = _page(call, found)
    body = [
        xml.parent("ClearRange" if empty else "Range", [xml.element("Start", str(a)), xml.element("End", str(b))])
        for a, b, empty in parts
    ]
    return xml.answer(
        xml.parent("Ranges", [*body, following]), {**headers.tags(view), "x-ms-content-length": str(view.item.size)}
    )


async def _parts(call: Call, start: int, end: int | None) -> tuple[View, list[Part]]:
    """What is written of the file, or with `prevsharesnapshot` what changed since."""
    previous = call.query("prevsharesnapshot")
    if previous is not None and call.version < DIFFERENCES_SINCE:
        raise bad_query("prevsharesnapshot", previous, f"Known from version {DIFFERENCES_SINCE} on.")
    if previous is None:
        if call.header("x-ms-file-support-rename") is not None:
            raise Refused("UnsupportedHeader", HeaderName="x-ms-file-support-rename")
        view, parts = await call.files.ranges(call.place, call.path, start, end, call.claim)
        return view, [(first, last, False) for first, last in parts]
    if parse_time(previous) is None or (call.place.snapshot and previous > call.place.snapshot):
        raise bad_query("prevsharesnapshot", previous, "Not an earlier snapshot.")
    return await call.files.changes(
        call.place, call.path, previous, (start, end), call.claim, follows_renames=call.flag("x-ms-file-support-rename")
    )


def _page(call: Call, parts: list[Part]) -> tuple[list[Part], str]:
    """The part that `marker` and `maxresults` ask for, and the NextMarker when either was given.

    Versions before RANGE_PAGES_SINCE know neither: they tell all.
    """
    if call.version < RANGE_PAGES_SINCE:
        return parts, ""
    marker, limit = call.query("marker"), call.limit(10_000)
    if marker is None and limit is None:
        return parts, ""
    first = parse_count(marker or "0")
    if first is None:
        raise bad_query("marker", marker or "", "Not a marker that this server gave.")
    rest = [part for part in parts if part[0] >= first]
    following = str(rest[limit][0]) if limit is not None and len(rest) > limit else ""
    return rest[:limit], xml.element("NextMarker", following)


async def _update(call: Call) -> Response:
    start, length = bounds(call)
    if call.request.content_length is None:
        raise Refused("MissingContentLengthHeader")
    if length > MAX_RANGE_BYTES:
        raise Refused("RequestBodyTooLarge", MaxLimit=str(MAX_RANGE_BYTES))
    if announced_length(call) != length:
        raise bad_header("Content-Length", str(announced_length(call)))
    data, told = await read_body(call)
    if (came := size_of(data)) != length:
        raise bad_header("Content-Length", str(came))
    keep = keeps_last_write(call)
    view = await call.files.write(call.place, call.path, start, data, call.claim, keep_written=keep)
    return Response(201, b"", {**written(call, view), **headers.ENCRYPTED, **told})


async def _clear(call: Call) -> Response:
    is_structured(call)
    start, length = bounds(call)
    if call.request.content_length:
        raise bad_header("Content-Length", str(call.request.content_length))
    keep = keeps_last_write(call)
    view = await call.files.clear(call.place, call.path, start, length, call.claim, keep_written=keep)
    return Response(201, b"", written(call, view))


def written(call: Call, view: View) -> dict[str, str]:
    """What a write tells of the file."""
    found = headers.tags(view)
    if call.version >= LAST_WRITE_TIME_SINCE:
        found["x-ms-file-last-write-time"] = time_text(view.written)
    return found


def bounds(call: Call) -> tuple[int, int]:
    """First byte and length of the range to write; it needs both its ends."""
    wanted = requested_range(call)
    if wanted is None:
        raise missing_header("x-ms-range")
    if wanted.length is None:
        raise bad_header("x-ms-range", f"bytes={wanted.start}-")
    return wanted.start, wanted.length


def keeps_last_write(call: Call) -> bool:
    """Whether the request wants the time of the last write to stay."""
    mode = (call.header("x-ms-file-last-write-time") or "now").lower()
    if mode not in {"now", "preserve"}:
        raise bad_header("x-ms-file-last-write-time", mode)
    return mode == "preserve"
