"""List Shares, List Directories and Files. Source: NOTES 9."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from linarite.engine.sharing import Share
from linarite.engine.sharing.views import View
from linarite.faces.azure_files import share_properties, xml
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import bad_query
from linarite.faces.azure_files.values import attributes_text, tag, time_text, version_tag
from linarite.faces.azure_files.versions import DELETED_SINCE, FILE_IDS_SINCE, INCLUDE_SINCE, LINKS_SINCE
from linarite.http.dates import http_date
from linarite.http.messages import Response

DEFAULT = 5000
_SHARE_PARTS = {"snapshots", "metadata", "deleted"}
_ENTRY_PARTS = {"timestamps", "etag", "attributes", "permissionkey"}
SMB_ONLY = {"attributes", "permissionkey"}
NEWER = {"linkcount", "nfsattributes", "permissions", "all"}
PERMISSIONS = {"nfsattributes", "permissionkey"}
"""What `include=Permissions` brings: no element of its own is described, so those that tell who may do what."""
DAY = 86_400_000_000


async def list_shares(call: Call) -> Response:
    """The shares of an account."""
    prefix, include, limit = call.query("prefix"), call.includes(_SHARE_PARTS), call.limit()
    shares, following = await call.shares.page(
        call.address.account, prefix or "", _share_marker(call.query("marker")), limit or DEFAULT,
        snapshots="snapshots" in include,
        deleted="deleted" in include and call.version >= DELETED_SINCE,
    )  # fmt: skip
    body = [
        xml.element("Prefix", prefix), xml.element("Marker", call.query("marker")),
        xml.element("MaxResults", None if limit is None else str(limit)),
        xml.parent("Shares", (_share(call, share, include) for share in shares)),
        xml.element("NextMarker", _mark("/".join(following))),
    ]  # fmt: skip
    start = f"<EnumerationResults{xml.attribute('ServiceEndpoint', call.base_url)}>"
    return xml.answer(f"{start}{''.join(body)}</EnumerationResults>")


async def list_directory(call: Call) -> Response:
    """What is in a directory, one level."""
    prefix, include, limit = call.query("prefix"), _included(call), call.limit()
    above, entries, following = await call.files.page(
        call.place, call.path, prefix or "", _unmark(call.query("marker")), limit or DEFAULT,
        links=call.version >= LINKS_SINCE,
    )  # fmt: skip
    asks = call.flag("x-ms-file-extended-info")
    with_ids = call.version >= FILE_IDS_SINCE or asks
    body = [
        xml.element("Marker", call.query("marker")), xml.named("Prefix", prefix),
        xml.element("MaxResults", None if limit is None else str(limit)),
        xml.element("DirectoryId", str(above.item.id) if with_ids else None),
        xml.parent("Entries", (_entry(view, include, with_ids=with_ids) for view in entries)),
        xml.element("NextMarker", _mark(following)),
    ]  # fmt: skip
    return xml.answer(f"<EnumerationResults{_where(call)}>{''.join(body)}</EnumerationResults>")


def _included(call: Call) -> set[str]:
    """The parts of entries that are asked for and known to the version."""
    if call.version < INCLUDE_SINCE:
        return set()
    if call.version < LINKS_SINCE:
        return call.includes(_ENTRY_PARTS)
    include = call.includes(_ENTRY_PARTS | NEWER)
    if "all" in include:
        include |= _ENTRY_PARTS | NEWER
    return include | PERMISSIONS if "permissions" in include else include


def _where(call: Call) -> str:
    found = xml.attribute("ServiceEndpoint", call.base_url) + xml.attribute("ShareName", call.place.share)
    if call.place.snapshot:
        found += xml.attribute("ShareSnapshot", call.place.snapshot)
    encoded = "" if xml.is_legal(call.path) else ' Encoded="true"'
    return found + xml.attribute("DirectoryPath", call.path) + encoded


def _share(call: Call, share: Share, include: set[str]) -> str:
    properties = [
        xml.element("Last-Modified", http_date(share.modified_at)),
        xml.element("Etag", tag(share.modified_at * 1000)),
        *share_properties.elements(share, call.now, call.version),
        *_end(call, share),
    ]
    parts = [xml.element("Name", share.name), xml.element("Snapshot", share.snapshot or None)]
    if share.version:
        parts += [xml.element("Version", share.version), xml.element("Deleted", "true")]
    parts.append(xml.parent("Properties", properties))
    if "metadata" in include:
        parts.append(xml.parent("Metadata", (xml.element(name, value) for name, value in share.metadata.items())))
    return xml.parent("Share", parts)


def _end(call: Call, share: Share) -> list[str]:
    """When it was deleted, and the days, begun ones too, until it can be restored no more."""
    if share.deleted_at is None or share.expires_at is None:
        return []
    days = max(0, -((call.now - share.expires_at) // DAY))
    return [
        xml.element("DeletedTime", http_date(share.deleted_at)), xml.element("RemainingRetentionDays", str(days))
    ]  # fmt: skip


def _entry(view: View, include: set[str], *, with_ids: bool) -> str:
    smb = include - SMB_ONLY if view.is_nfs else include
    parts = [
        xml.named("Name", view.item.name),
        xml.element("FileId", str(view.item.id) if with_ids else None),
        xml.parent("Properties", _properties(view, include)),
        xml.element("Attributes", attributes_text(view.attributes) if "attributes" in smb else None),
        xml.element("PermissionKey", view.permission if "permissionkey" in smb else None),
        xml.element("LinkCount", str(view.item.links) if "linkcount" in include and view.is_nfs else None),
    ]
    kind = "Directory" if view.item.is_directory else "SymLink" if view.item.is_link else "File"
    if kind == "SymLink":
        parts.append(xml.named("LinkText", view.item.text.encode("utf-8", "surrogateescape").decode(errors="replace")))
    elif kind == "File" and "nfsattributes" in include and view.is_nfs:
        parts.append(xml.element("FileType", "Regular"))
    return xml.parent(kind, parts)


def _properties(view: View, include: set[str]) -> Iterator[str]:
    if not view.item.is_directory:
        yield xml.element("Content-Length", str(view.item.size))
    if "timestamps" in include:
        yield xml.element("CreationTime", time_text(view.created))
        yield xml.element("LastAccessTime", time_text(view.item.accessed))
        yield xml.element("LastWriteTime", time_text(view.written))
        yield xml.element("ChangeTime", time_text(view.changed))
        yield xml.element("Last-Modified", http_date(view.modified // 1000))
    if "etag" in include:
        yield xml.element("Etag", version_tag(view.version))
    if "nfsattributes" in include and view.is_nfs:
        yield xml.element("Uid", view.owner)
        yield xml.element("Gid", view.group)
        yield xml.element("Mode", view.mode)


def _share_marker(marker: str | None) -> tuple[str, ...]:
    parts = tuple(_unmark(marker).split("/"))
    if marker is not None and len(parts) != 3:
        raise bad_query("marker", marker, "Not a marker that this server gave.")
    return parts if marker is not None else ()


def _mark(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode() if name else ""


def _unmark(marker: str | None) -> str:
    if marker is None:
        return ""
    try:
        return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise bad_query("marker", marker, "Not a marker that this server gave.") from error
