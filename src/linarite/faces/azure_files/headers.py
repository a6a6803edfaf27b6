"""From request headers to what the engine sets, and from what it tells to response headers. Source: NOTES 6-8."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from linarite.engine.sharing.leases import Lease, LeaseState
from linarite.engine.sharing.records import Copy, Share
from linarite.engine.sharing.views import Settings, View
from linarite.faces.azure_files import permissions
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused, bad_header, bad_query, missing_header
from linarite.faces.azure_files.values import (
    attributes_text,
    is_base64,
    parse_attributes,
    parse_mode,
    parse_owner,
    parse_time,
    tag,
    time_text,
    version_tag,
)  # fmt: skip
from linarite.faces.azure_files.versions import SEMANTICS_SINCE
from linarite.http.dates import http_date
from linarite.http.spelling import kept

CONTENT = {
    "type": "Content-Type", "encoding": "Content-Encoding", "language": "Content-Language",
    "disposition": "Content-Disposition", "cache": "Cache-Control",
}  # fmt: skip
OVERRIDES = {
    "rsct": "Content-Type", "rsce": "Content-Encoding", "rscl": "Content-Language", "rscd": "Content-Disposition",
    "rscc": "Cache-Control",
}  # fmt: skip
_REQUESTED = {
    "type": "x-ms-content-type", "encoding": "x-ms-content-encoding", "language": "x-ms-content-language",
    "disposition": "x-ms-content-disposition", "cache": "x-ms-cache-control",
}  # fmt: skip
_TIMES = {
    "created": "x-ms-file-creation-time",
    "written": "x-ms-file-last-write-time",
    "changed": "x-ms-file-change-time",
}
_OWNERS = {"owner": "x-ms-owner", "group": "x-ms-group", "mode": "x-ms-mode"}
_META = "x-ms-meta-"
ENCRYPTED = {"x-ms-request-server-encrypted": "true"}


def metadata_of(call: Call) -> dict[str, str]:
    """The metadata that a request sets, names as spelled. A bare `x-ms-meta`, sent by some by mistake, is none."""
    spelled = call.request.spelled
    return {
        spelled.get(name, name)[len(_META) :]: value.strip()
        for name, value in call.request.headers.items()
        if name.startswith(_META)
    }


def content_of(call: Call) -> dict[str, str]:
    """The content headers that a request sets, by their short names."""
    return {short: value for short, name in _REQUESTED.items() if (value := call.header(name)) is not None}


def md5_of(call: Call) -> str | None:
    """The MD5 that a request stores with the file: any base64, since the service does not judge it [T]."""
    value = call.header("x-ms-content-md5")
    if value is not None and not is_base64(value):
        raise Refused("InvalidMd5", HeaderName="x-ms-content-md5", HeaderValue=value)
    return value


def smb_of(call: Call) -> Settings:
    """The attributes, times and permission that a request sets. `preserve` and absence leave a value as it is."""
    settings: dict[str, object] = {}
    from_source: set[str] = set()
    for name, header in (*_TIMES.items(), ("attributes", "x-ms-file-attributes")):
        text = call.header(header)
        if text is None or text.lower() == "preserve":
            continue
        if text.lower() == "source":
            from_source.add(name)
        else:
            settings[name] = _value(call, name, header, text)
    settings.update(_nfs_of(call, from_source))
    permissions.form_of(call)
    key, descriptor = call.header("x-ms-file-permission-key"), call.header("x-ms-file-permission")
    if key is not None and descriptor is not None:
        raise bad_header("x-ms-file-permission-key", key)
    if key is not None and key.lower() != "preserve":
        settings["permission"] = key
    if descriptor is not None and descriptor.lower() not in {"inherit", "preserve"}:
        settings["descriptor"] = permissions.read(descriptor, permissions.form_of(call))
    if _takes_permission(call, key or descriptor):
        from_source.add("permission")
    return Settings(**settings, from_source=frozenset(from_source))  # type: ignore[arg-type]


def creation_of(call: Call, *, directory: bool = False) -> Settings:
    """The same of what is made anew.

    From SEMANTICS_SINCE on it is made as Windows makes files unless `Restore` is asked for, and a permission given.
    """
    settings, header = smb_of(call), "x-ms-file-property-semantics"
    text = call.header(header)
    if text is not None and text.lower() not in {"new", "restore"}:
        raise bad_header(header, text)
    permitted = settings.permission is not None or settings.descriptor is not None
    if call.version < SEMANTICS_SINCE or (permitted and (text or "").lower() == "restore"):
        return replace(settings, inherits=not permitted)
    return replace(settings, archive=not directory, inherits=True, is_smb=text is not None)


def _takes_permission(call: Call, given: str | None) -> bool:
    """Whether a copy takes its source's permission: it brings its own, or the source's, or (neither said) none."""
    header = "x-ms-file-permission-copy-mode"
    way = call.header(header)
    if way is None:
        return False
    if way.lower() not in {"source", "override"} or (way.lower() == "source" and given is not None):
        raise bad_header(header, way)
    if way.lower() == "override" and given is None:
        raise missing_header("x-ms-file-permission")
    return way.lower() == "source"


def _nfs_of(call: Call, from_source: set[str]) -> dict[str, object]:
    """Owner, group and mode; a copy may take them from its source."""
    found: dict[str, object] = {}
    for name, header in _OWNERS.items():
        text = call.header(header)
        if text is not None:
            found[name] = parse_mode(text) if name == "mode" else parse_owner(text)
            if found[name] is None:
                raise bad_header(header, text)
    for header, names in (("x-ms-file-mode-copy-mode", ("mode",)), ("x-ms-file-owner-copy-mode", ("owner", "group"))):
        way = call.header(header)
        if way is not None and way.lower() == "source":
            from_source.update(names)
        elif way is not None and way.lower() != "override":
            raise bad_header(header, way)
        elif way is not None and any(name not in found for name in names):
            raise missing_header(next(_OWNERS[name] for name in names if name not in found))
    return found


def _value(call: Call, name: str, header: str, text: str) -> object:
    if name == "attributes":
        value: object = parse_attributes(text)
    else:
        value = call.now * 1000 if text.lower() == "now" else parse_time(text)
    if value is None:
        raise bad_header(header, text)
    return value


def tags(view: View) -> dict[str, str]:
    """ETag and Last-Modified of a file or directory."""
    return {"ETag": version_tag(view.version), "Last-Modified": http_date(view.modified // 1000)}


def share_tags(share: Share) -> dict[str, str]:
    """ETag and Last-Modified of a share: its files do not move them."""
    return {"ETag": tag(share.modified_at * 1000), "Last-Modified": http_date(share.modified_at)}


FILE_TYPE, LINK_COUNT = "x-ms-file-file-type", "x-ms-link-count"


def smb(view: View, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    """The properties of a file or directory by its share's protocol: SMB's or NFS's.

    `without` are those of NFS that an operation does not tell.
    """
    nfs = {name: value for name, value in _nfs(view).items() if name not in without} if view.is_nfs else {}
    return {
        **(nfs or _smb(view)),
        "x-ms-file-creation-time": time_text(view.created),
        "x-ms-file-last-write-time": time_text(view.written),
        "x-ms-file-change-time": time_text(view.changed),
        "x-ms-file-id": str(view.item.id),
        "x-ms-file-parent-id": str(view.item.parent_id),
    }


def _smb(view: View) -> dict[str, str]:
    return {"x-ms-file-attributes": attributes_text(view.attributes), "x-ms-file-permission-key": view.permission}


def _nfs(view: View) -> dict[str, str]:
    kind = "Directory" if view.item.is_directory else "SymLink" if view.item.is_link else "Regular"
    found = {"x-ms-mode": view.mode, "x-ms-owner": view.owner, "x-ms-group": view.group, FILE_TYPE: kind}
    return found if view.item.is_directory else {**found, LINK_COUNT: str(view.item.links)}


def metadata(values: dict[str, str]) -> dict[str, str]:
    """Metadata as headers."""
    return {kept(f"{_META}{name}"): value for name, value in values.items()}


def content(view: View, overrides: dict[str, str]) -> dict[str, str]:
    """The stored content headers; a shared access signature may override them on reading."""
    stored = {header: view.facts.content[short] for short, header in CONTENT.items() if short in view.facts.content}
    chosen = {header: _printable(name, overrides[name]) for name, header in OVERRIDES.items() if overrides.get(name)}
    return {"Content-Type": "application/octet-stream", **stored, **chosen}


def _printable(name: str, value: str) -> str:
    """A parameter that becomes a header: it may not end that header and begin another."""
    if any(each < " " or each == "\x7f" for each in value):
        raise bad_query(name, value, "A header has no control characters.")
    return value


def lease(held: Lease, now: int) -> dict[str, str]:
    """State and status of a lease, its duration only while it is leased."""
    state = held.state(now)
    active = state in {LeaseState.LEASED, LeaseState.BREAKING}
    found = {"x-ms-lease-state": state.value, "x-ms-lease-status": "locked" if active else "unlocked"}
    if state is LeaseState.LEASED:
        found["x-ms-lease-duration"] = "infinite" if held.duration < 0 else "fixed"
    return found


def copy(ended: Copy | None) -> dict[str, str]:
    """The last copy that ended here, if one did."""
    if ended is None:
        return {}
    found = {
        "x-ms-copy-id": ended.id,
        "x-ms-copy-source": ended.source,
        "x-ms-copy-status": ended.status,
        "x-ms-copy-progress": f"{ended.copied}/{ended.total}",
    }
    if ended.completed_at is not None:
        found["x-ms-copy-completion-time"] = http_date(ended.completed_at)
    if ended.description is not None and ended.status in {"failed", "pending"}:
        found["x-ms-copy-status-description"] = ended.description
    return found


Render = Callable[[View], dict[str, str]]
