"""Copy File and Abort Copy File. Within an account a copy is done when it is answered, else it goes on.

Sources are files of this server, and files and blobs of servers that the settings name. Source: NOTES 10.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from linarite.engine.errors import EngineError
from linarite.engine.sharing import Copy, Place
from linarite.engine.sharing.elsewhere import Found, Origin, Unverified
from linarite.engine.sharing.leases import Claim
from linarite.engine.sharing.records import PENDING
from linarite.engine.sharing.views import Settings, View
from linarite.faces.azure_files import headers
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused, bad_header, translate
from linarite.faces.azure_files.sources import elsewhere, told, unverified
from linarite.faces.azure_files.values import is_base64, parse_attributes, parse_mode, parse_owner, parse_time
from linarite.http.messages import Response

MAX_URL = 2048
_META = "x-ms-meta-"
_PROPERTIES: dict[str, tuple[str, Callable[[str], object]]] = {
    "attributes": ("x-ms-file-attributes", parse_attributes), "created": ("x-ms-file-creation-time", parse_time),
    "written": ("x-ms-file-last-write-time", parse_time), "changed": ("x-ms-file-change-time", parse_time),
    "owner": ("x-ms-owner", parse_owner), "group": ("x-ms-group", parse_owner), "mode": ("x-ms-mode", parse_mode),
}  # fmt: skip
_NAMING = {"snapshot", "sharesnapshot", "versionid"}


async def copy_file(call: Call) -> Response:
    """Copy a file over the addressed one or to a new one."""
    url = call.required("x-ms-copy-source")
    if len(url) > MAX_URL:
        raise bad_header("x-ms-copy-source", url)
    origin = elsewhere(url, call)
    settings = replace(
        headers.smb_of(call),
        metadata=headers.metadata_of(call) or None,
        archive=call.flag("x-ms-file-copy-set-archive"),
    )
    shown = _without_signature(url) if origin is None else _without_secrets(url)
    copy = Copy(id=str(uuid.uuid4()), source=shown, status=PENDING, copied=0, total=0)
    view = await (_from_here(call, url, settings, copy) if origin is None else _from(call, origin, settings, copy))
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


async def _from_here(call: Call, url: str, settings: Settings, copy: Copy) -> View:
    assert call.resolve is not None
    origin = await call.resolve(url, call, "r")
    await _check_source(call, origin)
    rooms = call.files.copy if origin[0].account == call.place.account else call.copies.from_file
    return await rooms(origin, call.place, call.path, settings, copy, _claim(call))


async def _from(call: Call, origin: Origin, settings: Settings, copy: Copy) -> View:
    """From another server, which is asked what the source is before anything is made."""
    if "permission" in settings.from_source:  # a key of another server's is none of this one's
        raise Refused("UnsupportedHeader", HeaderName="x-ms-file-permission-copy-mode")
    claim = _claim(call)
    try:
        found = await call.elsewhere.look(origin)
    except Unverified as error:
        raise told(error) from error
    wanted = replace(settings, **_described(found, settings), **_taken(found, settings))
    return await call.copies.from_source(found.source, call.place, call.path, wanted, copy, claim, found.kept(origin))


def _described(found: Found, settings: Settings) -> dict[str, Any]:
    """The content headers, and the metadata unless the request has its own, that come with a source."""
    given = {name.lower(): value for name, value in found.headers.items()}
    named = {name[len(_META) :]: value for name, value in found.headers.items() if name.lower().startswith(_META)}
    md5 = given.get("content-md5")
    return {
        "content": {short: given[name.lower()] for short, name in headers.CONTENT.items() if name.lower() in given},
        "md5": md5 if md5 is not None and is_base64(md5) else None,
        "metadata": named if settings.metadata is None else settings.metadata,
    }


def _taken(found: Found, settings: Settings) -> dict[str, Any]:
    """The attributes, times and owners that the request wants from its source. A blob has none: that is refused."""
    given = {name.lower(): value for name, value in found.headers.items()}
    taken: dict[str, Any] = {"from_source": frozenset()}
    for name in sorted(settings.from_source):
        header, read = _PROPERTIES[name]
        taken[name] = read(given.get(header, ""))
        if taken[name] is None:
            raise Refused("UnsupportedHeader", HeaderName=header)
    return taken


def _claim(call: Call) -> Claim:
    return replace(call.claim, ignores_read_only=call.flag("x-ms-file-copy-ignore-readonly"))


def _without_secrets(url: str) -> str:
    """The same of a server whose ways to sign are not known here: of its query, only what names the source."""
    parts = urlsplit(url)
    kept = [part for part in parts.query.split("&") if unquote(part.partition("=")[0]).lower() in _NAMING]
    return parts._replace(query="&".join(kept), fragment="").geturl()


async def _check_source(call: Call, origin: tuple[Place, str]) -> None:
    try:
        await call.files.look(*origin, directory=False)
    except EngineError as error:
        why = translate(error, "File")
        raise unverified(why.status, why.code, why.message) from error
