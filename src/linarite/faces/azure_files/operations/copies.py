"""Copy File and Abort Copy File. Within an account a copy is done when it is answered, else it goes on.

Source: NOTES 10.
"""

from __future__ import annotations

import uuid
from urllib.parse import unquote

from msgspec.structs import replace

from linarite.engine.errors import EngineError
from linarite.engine.sharing import Copy, Place
from linarite.engine.sharing.records import PENDING
from linarite.faces.azure_files import headers
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused, bad_header, translate
from linarite.faces.azure_files.sources import unverified
from linarite.http.messages import Response

MAX_URL = 2048


async def copy_file(call: Call) -> Response:
    """Copy a file of this server over the addressed one or to a new one."""
    assert call.resolve is not None
    url = call.required("x-ms-copy-source")
    if len(url) > MAX_URL:
        raise bad_header("x-ms-copy-source", url)
    origin = await call.resolve(url, call)
    settings = replace(
        headers.smb_of(call),
        metadata=headers.metadata_of(call) or None,
        archive=call.flag("x-ms-file-copy-set-archive"),
    )
    copy = Copy(id=str(uuid.uuid4()), source=_without_signature(url), status=PENDING, copied=0, total=0)
    claim = replace(call.claim, ignores_read_only=call.flag("x-ms-file-copy-ignore-readonly"))
    await _check_source(call, origin)
    rooms = call.files.copy if origin[0].account == call.place.account else call.copies.from_file
    view = await rooms(origin, call.place, call.path, settings, copy, claim)
    status = view.facts.copy.status if view.facts.copy else PENDING
    return Response(202, b"", {**headers.tags(view), "x-ms-copy-id": copy.id, "x-ms-copy-status": status})


async def abort_copy(call: Call) -> Response:
    """End a pending copy: the destination stays, empty, with its metadata."""
    if call.required("x-ms-copy-action").lower() != "abort":
        raise bad_header("x-ms-copy-action", call.required("x-ms-copy-action"))
    copy_id = call.query("copyid")
    if copy_id is None:
        raise Refused("MissingRequiredQueryParameter", QueryParameterName="copyid")
    await call.copies.abort(call.place, call.path, copy_id, call.claim)
    return Response(204)


def _without_signature(url: str) -> str:
    """The source as readers of the copy are told it: whoever may read the copy was not given the key to its source."""
    address, mark, query = url.partition("?")
    kept = [part for part in query.split("&") if unquote(part.partition("=")[0]).lower() != "sig"]
    return f"{address}{mark if any(kept) else ''}{'&'.join(kept)}"


async def _check_source(call: Call, origin: tuple[Place, str]) -> None:
    try:
        await call.files.look(*origin, directory=False)
    except EngineError as error:
        why = translate(error, "File")
        raise unverified(why.status, why.code, why.message) from error
