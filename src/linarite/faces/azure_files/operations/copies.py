"""Copy File and Abort Copy File. A copy within this server is finished when it is answered. Source: NOTES 10."""

from __future__ import annotations

import uuid
from urllib.parse import unquote

from msgspec.structs import replace

from linarite.engine.errors import EngineError
from linarite.engine.sharing import Copy
from linarite.faces.azure_files import headers
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused, bad_header, translate
from linarite.http.messages import Response

MAX_URL = 2048


async def copy_file(call: Call) -> Response:
    """Copy a file of this server over the addressed one or to a new one."""
    assert call.resolve is not None
    url = call.required("x-ms-copy-source")
    if len(url) > MAX_URL:
        raise bad_header("x-ms-copy-source", url)
    origin = await call.resolve(url, call)
    settings = replace(headers.smb_of(call), metadata=headers.metadata_of(call) or None)
    copy = Copy(id=str(uuid.uuid4()), source=_without_signature(url), status="pending", copied=0, total=0)
    claim = replace(call.claim, ignores_read_only=call.flag("x-ms-file-copy-ignore-readonly"))
    await _check_source(call, origin)
    view = await call.files.copy(origin, call.place, call.path, settings, copy, claim)
    return Response(202, b"", {**headers.tags(view), "x-ms-copy-id": copy.id, "x-ms-copy-status": "success"})


async def abort_copy(call: Call) -> Response:
    """Every copy has ended by the time that its id is known: there is nothing to abort."""
    if call.required("x-ms-copy-action").lower() != "abort":
        raise bad_header("x-ms-copy-action", call.required("x-ms-copy-action"))
    if call.query("copyid") is None:
        raise Refused("MissingRequiredQueryParameter", QueryParameterName="copyid")
    await call.files.look(call.place, call.path, directory=False)
    raise Refused("NoPendingCopyOperation")


def _without_signature(url: str) -> str:
    """The source as readers of the copy are told it: whoever may read the copy was not given the key to its source."""
    address, mark, query = url.partition("?")
    kept = [part for part in query.split("&") if unquote(part.partition("=")[0]).lower() != "sig"]
    return f"{address}{mark if any(kept) else ''}{'&'.join(kept)}"


async def _check_source(call: Call, origin: tuple[object, str]) -> None:
    try:
        await call.files.look(*origin, directory=False)  # type: ignore[arg-type]
    except EngineError as error:
        why = translate(error, "File")
        raise Refused(
            "CannotVerifyCopySource", why.message, status=why.status, CopySourceStatusCode=str(why.status),
            CopySourceErrorCode=why.code, CopySourceErrorMessage=why.message,
        ) from error  # fmt: skip
