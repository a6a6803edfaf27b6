"""Links of NFS shares: symbolic ones are made and read as they are, hard ones are further names. Source: NOTES 10."""

from __future__ import annotations

from urllib.parse import quote, unquote

from msgspec.structs import replace

from linarite.faces.azure_files import headers, xml
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused, bad_header, bad_query
from linarite.faces.azure_files.operations import get_file
from linarite.http.messages import Response
from linarite.http.numbers import parse_count

MAX_TEXT = 2048


async def create_symbolic_link(call: Call) -> Response:
    """A link with a text that clients resolve."""
    await _check_nfs(call)
    text = _text(call, "x-ms-link-text")
    call.lease("x-ms-lease-id")
    settings = replace(headers.smb_of(call), metadata=headers.metadata_of(call))
    view = await call.files.make_symbolic_link(call.place, call.path, text, settings)
    return Response(201, b"", {**headers.tags(view), **headers.smb(view, without=(headers.LINK_COUNT,))})


async def get_symbolic_link(call: Call) -> Response:
    """The text of a link, percent-encoded since it may hold anything."""
    await _check_nfs(call)
    view, text = await call.files.symbolic_link(call.place, call.path)
    return Response(200, b"", {**headers.tags(view), "x-ms-link-text": quote(text.encode("utf-8", "surrogateescape"))})


async def get_hard_links(call: Call) -> Response:
    """All names of the file that a query names by its id, with the file's properties."""
    await _check_nfs(call, "comp")
    text = call.query("fileid")
    if text is None:
        raise Refused("MissingRequiredQueryParameter", QueryParameterName="fileid")
    found = parse_count(text)
    if found is None or found >= 1 << 64:
        raise bad_query("fileid", text, "Not the id of a file.")
    view, names = await call.files.hard_links(call.place, found, call.claim)
    links = (
        xml.parent("HardLink", [xml.named("FileName", each.name), xml.element("ParentId", str(each.parent_id))])
        for each in names
    )
    told = {**get_file.told(call, view), "x-ms-file-name": quote(view.item.name)}
    return xml.answer(xml.parent("HardLinks", links), told)


async def create_hard_link(call: Call) -> Response:
    """A further name of a file of the same share."""
    await _check_nfs(call)
    if call.required("x-ms-type").lower() != "file":
        raise bad_header("x-ms-type", call.required("x-ms-type"))
    source = "/".join(part for part in _text(call, "x-ms-file-target-file").split("/") if part)
    view = await call.files.link(call.place, source, call.path, call.claim)
    return Response(201, b"", {**headers.tags(view), **headers.smb(view)})


async def _check_nfs(call: Call, parameter: str = "restype") -> None:
    share = await call.shares.get(call.place)
    if share.protocol != "NFS":
        raise bad_query(parameter, call.query(parameter) or "", "Only shares whose protocol is NFS have links.")


def _text(call: Call, name: str) -> str:
    """A path of at most 2 KiB, which clients may have percent-encoded."""
    sent = call.required(name)
    try:
        text = unquote(sent, errors="strict")
    except UnicodeDecodeError as error:
        raise bad_header(name, sent) from error
    if not text or "\0" in text or len(text.encode()) > MAX_TEXT:
        raise bad_header(name, sent)
    return text
