"""Handles that SMB clients hold. This server speaks no SMB: there are none, and none is closed. Source: NOTES 9."""

from __future__ import annotations

import re

from linarite.engine.errors import WrongState
from linarite.faces.azure_files import xml
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import bad_header, bad_query
from linarite.http.messages import Response

_ID = re.compile(r"[0-9]{1,20}", re.ASCII)


async def list_handles(call: Call) -> Response:
    """No handles."""
    call.flag("x-ms-recursive")
    call.limit()
    _check_marker(call)
    await _check_there(call)
    body = xml.parent("EnumerationResults", [xml.element("Entries", ""), xml.element("NextMarker", "")])
    return xml.answer(body)


async def close_handles(call: Call) -> Response:
    """None closed."""
    call.flag("x-ms-recursive")
    _check_marker(call)
    handle = call.required("x-ms-handle-id")
    if handle != "*" and not _ID.fullmatch(handle):
        raise bad_header("x-ms-handle-id", handle)
    await _check_there(call)
    return Response(200, b"", {"x-ms-number-of-handles-closed": "0", "x-ms-number-of-handles-failed": "0"})


def _check_marker(call: Call) -> None:
    """No page was ever followed by another."""
    marker = call.query("marker")
    if marker is not None:
        raise bad_query("marker", marker, "Not a marker that this server gave.")


async def _check_there(call: Call) -> None:
    try:
        await call.files.look(call.place, call.path, directory=True)
    except WrongState:
        await call.files.look(call.place, call.path, directory=False)
