"""From method, restype, comp and headers to an operation. Source: OPERATIONS.md.

An operation whose handler is `None` is known and not there yet: it is refused in the protocol's words, and logged.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from linarite.faces.azure_files.call import Call, log
from linarite.faces.azure_files.call import Operation as Handler
from linarite.faces.azure_files.errors import Refused, bad_query, missing_header
from linarite.faces.azure_files.operations import (
    copies,
    delegation_keys,
    directories,
    files,
    get_file,
    handles,
    leases,
    links,
    listing,
    policies,
    ranges,
    ranges_from_url,
    service,
    shares,
)  # fmt: skip
from linarite.faces.azure_files.versions import (
    DELEGATION_SINCE,
    DELETED_SINCE,
    FILE_LEASES_SINCE,
    LINKS_SINCE,
    NFS_SINCE,
    RENAMES_SINCE,
    SHARE_LEASES_SINCE,
)


class Operation(msgspec.Struct, frozen=True):
    """A row: who may do it (any of `letters` on a `kind` of resource: service, container, object) and what it does.

    `owner` are the kinds of signatures that never may, `since` is the first version that has it.
    """

    name: str
    handler: Handler | None
    letters: str
    kind: str = "o"
    owner: str = ""
    on_snapshot: bool = False
    since: str = ""


SIGNATURES = "service-sas account-sas"


def _share(
    name: str, handler: Handler | None, letters: str, *, owner: str = "service-sas", on_snapshot: bool = False,
    since: str = "",
) -> Operation:  # fmt: skip
    return Operation(name, handler, letters, "c", owner=owner, on_snapshot=on_snapshot, since=since)


def _service(name: str, handler: Handler | None, letters: str, since: str = "") -> Operation:
    return Operation(name, handler, letters, "s", owner="service-sas", since=since)


def _read(name: str, handler: Handler | None, letters: str = "r", since: str = "") -> Operation:
    return Operation(name, handler, letters, on_snapshot=True, since=since)


# resource, restype, comp -> method -> operation
TABLE: Mapping[tuple[str, str, str], Mapping[str, Operation]] = {
    ("service", "service", "properties"): {
        "GET": _service("Get File Service Properties", service.get_service_properties, "r"),
        "PUT": _service("Set File Service Properties", service.set_service_properties, "w"),
    },
    ("service", "service", "userdelegationkey"): {
        "POST": _service("Get User Delegation Key", delegation_keys.get_user_delegation_key, "r", DELEGATION_SINCE)
    },
    ("service", "", "list"): {"GET": _service("List Shares", listing.list_shares, "l")},
    ("share", "share", ""): {
        "PUT": _share("Create Share", shares.create_share, "cw"),
        "GET": _share("Get Share Properties", shares.get_share_properties, "r", on_snapshot=True),
        "DELETE": _share("Delete Share", shares.delete_share, "d", on_snapshot=True),
    },
    ("share", "share", "metadata"): {
        "GET": _share("Get Share Metadata", shares.get_share_metadata, "r", on_snapshot=True),
        "PUT": _share("Set Share Metadata", shares.set_share_metadata, "w"),
    },
    ("share", "share", "properties"): {"PUT": _share("Set Share Properties", shares.set_share_properties, "w")},
    ("share", "share", "lease"): {
        "PUT": _share("Lease Share", leases.lease_share, "wd", on_snapshot=True, since=SHARE_LEASES_SINCE)
    },
    ("share", "share", "snapshot"): {"PUT": _share("Snapshot Share", shares.create_snapshot, "cw")},
    ("share", "share", "filepermission"): {
        "PUT": _share("Create Permission", shares.create_permission, "cw"),
        "GET": _share("Get Permission", shares.get_permission, "r", on_snapshot=True),
    },
    ("share", "share", "acl"): {
        "GET": _share("Get Share ACL", policies.get_share_acl, "r", owner=SIGNATURES),
        "PUT": _share("Set Share ACL", policies.set_share_acl, "w", owner=SIGNATURES),
    },
    ("share", "share", "stats"): {"GET": _share("Get Share Stats", shares.get_share_statistics, "r")},
    ("share", "share", "undelete"): {"PUT": _share("Restore Share", shares.restore_share, "w", since=DELETED_SINCE)},
    ("share", "", "hardlinks"): {"GET": _read("Get Hard Links", links.get_hard_links, since=LINKS_SINCE)},
    ("path", "directory", ""): {
        "PUT": Operation("Create Directory", directories.create_directory, "cw"),
        "GET": _read("Get Directory Properties", directories.get_directory_properties),
        "DELETE": Operation("Delete Directory", directories.delete_directory, "d"),
    },
    ("path", "directory", "metadata"): {
        "GET": _read("Get Directory Metadata", directories.get_directory_metadata),
        "PUT": Operation("Set Directory Metadata", directories.set_directory_metadata, "w"),
    },
    ("path", "directory", "properties"): {
        "PUT": Operation("Set Directory Properties", directories.set_directory_properties, "w"),
    },
    ("path", "directory", "list"): {
        "GET": Operation("List Directories and Files", listing.list_directory, "l", "c", on_snapshot=True)
    },
    ("path", "directory", "rename"): {
        "PUT": Operation("Rename Directory", directories.rename_directory, "w", since=RENAMES_SINCE)
    },
    ("path", "", "listhandles"): {"GET": _read("List Handles", handles.list_handles, "rl")},
    ("path", "", "forceclosehandles"): {"PUT": Operation("Force Close Handles", handles.close_handles, "w")},
    ("path", "", ""): {
        "PUT": Operation("Create File", files.create_file, "cw"),
        "GET": _read("Get File", get_file.get_file),
        "HEAD": _read("Get File Properties", get_file.get_file_properties),
        "DELETE": Operation("Delete File", files.delete_file, "d"),
    },
    ("path", "", "metadata"): {
        "GET": _read("Get File Metadata", get_file.get_file_metadata),
        "PUT": Operation("Set File Metadata", files.set_file_metadata, "w"),
    },
    ("path", "", "properties"): {"PUT": Operation("Set File Properties", files.set_file_properties, "w")},
    ("path", "", "lease"): {"PUT": Operation("Lease File", leases.lease_file, "wd", since=FILE_LEASES_SINCE)},
    ("path", "", "range"): {"PUT": Operation("Put Range", ranges.put_range, "w")},
    ("path", "", "rangelist"): {"GET": _read("List Ranges", ranges.list_ranges)},
    ("path", "", "copy"): {"PUT": Operation("Abort Copy File", copies.abort_copy, "w")},
    ("path", "", "rename"): {"PUT": Operation("Rename File", files.rename_file, "w", since=RENAMES_SINCE)},
    ("path", "symboliclink", ""): {
        "PUT": Operation("Create Symbolic Link", links.create_symbolic_link, "cw", since=NFS_SINCE),
        "GET": _read("Get Symbolic Link", links.get_symbolic_link, since=NFS_SINCE),
    },
    ("path", "hardlink", ""): {"PUT": Operation("Create Hard Link", links.create_hard_link, "cw", since=NFS_SINCE)},
}
COPY = Operation("Copy File", copies.copy_file, "cw")
PUT_FROM_URL = Operation("Put Range from URL", ranges_from_url.put_range_from_url, "w")

_RESTYPES = {key[1] for key in TABLE}
_COMPS = {key[2] for key in TABLE}


def find(call: Call) -> Operation:
    """The operation that a request asks for."""
    restype, comp = (call.query(name) or "" for name in ("restype", "comp"))
    key = (_resource(call, restype.lower(), comp.lower()), restype.lower(), comp.lower())
    if key[1] not in _RESTYPES:
        raise bad_query("restype", restype, "Not a type of resource.")
    if key[2] not in _COMPS:
        raise bad_query("comp", comp, "Not an operation of this service.")
    methods = TABLE.get(key)
    if methods is None:
        raise Refused("InvalidUri")
    method = call.request.method
    found = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
    if found is None:
        raise Refused("UnsupportedHttpVerb", headers={"Allow": ", ".join(sorted(methods))})
    return _check(call, _by_header(call, found))


def _resource(call: Call, restype: str, comp: str) -> str:
    if not call.address.share:
        return "service"
    is_root = restype == "directory" or (not restype and comp in {"listhandles", "forceclosehandles"})
    return "path" if call.address.path or is_root else "share"


def _by_header(call: Call, found: Operation) -> Operation:
    """The operations that a header tells apart."""
    if found.name == "Create File" and call.header("x-ms-copy-source") is not None:
        return COPY
    if found.name == "Create File" and call.header("x-ms-type") is None:
        raise missing_header("x-ms-type")
    if found.name == "Put Range" and call.header("x-ms-copy-source") is not None:
        return PUT_FROM_URL
    return found


def _check(call: Call, found: Operation) -> Operation:
    if found.handler is None:
        log.warning("unsupported operation", operation=found.name, path=call.request.path, id=call.request.id)
        raise Refused("UnsupportedQueryParameter", f"This server does not have {found.name} yet.")
    if call.version < found.since:
        name = "comp" if call.query("comp") else "restype"
        raise bad_query(name, call.query(name) or "", f"Known from version {found.since} on.")
    if call.address.snapshot and not found.on_snapshot:
        raise bad_query("sharesnapshot", call.address.snapshot, "A snapshot is read-only.")
    return found
