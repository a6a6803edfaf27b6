"""Handles that SMB clients hold. This server speaks no SMB: there are none, and none is closed. Source: NOTES 9."""

from __future__ import annotations

import re

from linarite.engine.errors import WrongState
from linarite.faces.azure_files import xml
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import bad_header
from linarite.http.messages import Response

_ID = re.compile(r"[0-9]{1,20}", re.ASCII)


async def list_handles(call: Call) -> Response:
    """No handles."""
    call.flag("x-ms-recursive")
    call.limit()
    await _check_there(call)
    body = xml.parent("EnumerationResults", [xml.element("Entries", ""), xml.element("NextMarker", "")])
    return xml.answer(body)


async def close_handles(call: Call) -> Response:
    """None closed."""
    call.flag("x-ms-recursive")
    handle = call.required("x-ms-handle-id")
    if handle != "*" and not _ID.fullmatch(handle):
        raise bad_header("x-ms-handle-id", handle)
    await _check_there(call)
    return Response(200, b"", {"x-ms-number-of-handles-closed": "0", "x-ms-number-of-handles-failed": "0"})


async def _check_there(call: Call) -> None:
    try:
        await call.files.look(call.place, call.path, directory=True)
    except WrongState:
        await call.files.look(call.place, call.path, directory=False)
