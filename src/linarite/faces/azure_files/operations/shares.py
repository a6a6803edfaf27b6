"""Operations on shares: create, delete, properties, metadata, statistics, snapshots, permissions. Source: NOTES 10."""

from __future__ import annotations

import msgspec

from linarite.engine.sharing import Share
from linarite.engine.sharing.records import MAX_QUOTA_GIB, PREMIUM
from linarite.faces.azure_files import headers, permissions, share_options, share_properties, xml
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused, bad_header
from linarite.faces.azure_files.versions import PROVISIONED_SINCE
from linarite.http.messages import Response

TIERS = {name.lower(): name for name in ("TransactionOptimized", "Hot", "Cool", "Premium")}
SQUASHES = {name.lower(): name for name in ("NoRootSquash", "RootSquash", "AllSquash")}
MAX_JSON = 64 * 1024


async def create_share(call: Call) -> Response:
    """A new share."""
    protocol = call.header("x-ms-enabled-protocols") or "SMB"
    if protocol.upper() not in {"SMB", "NFS"}:
        raise bad_header("x-ms-enabled-protocols", protocol)
    share = Share(
        account=call.place.account, name=call.place.share, created_at=call.now, modified_at=call.now,
        tier_changed_at=call.now, tier=PREMIUM if call.is_premium else TIERS["transactionoptimized"],
        protocol=protocol.upper(), metadata=headers.metadata_of(call),
    )  # fmt: skip
    created = await call.shares.create(msgspec.structs.replace(share, **_settings(call)))
    return Response(201, b"", _size(call, created, share_options.MADE))


async def get_share_properties(call: Call) -> Response:
    """All that is known of a share."""
    share = await call.shares.get(call.place, call.claim)
    found = {
        **headers.share_tags(share),
        **headers.metadata(share.metadata),
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
        **share_properties.told(share, call.now, call.version),
    }
    return Response(200, b"", found)


async def get_share_metadata(call: Call) -> Response:
    """Metadata alone, as older clients ask for it."""
    share = await call.shares.get(call.place, call.claim)
    return Response(200, b"", {**headers.share_tags(share), **headers.metadata(share.metadata)})


async def set_share_properties(call: Call) -> Response:
    """Quota and tier."""
    share = await call.shares.change(call.place, _settings(call), call.claim)
    return Response(200, b"", _size(call, share, share_options.SET))


async def set_share_metadata(call: Call) -> Response:
    """All metadata anew."""
    share = await call.shares.change(call.place, {"metadata": headers.metadata_of(call)}, call.claim)
    return Response(200, b"", headers.share_tags(share))


async def delete_share(call: Call) -> Response:
    """A share with its files, or one snapshot."""
    asked = call.header("x-ms-delete-snapshots")
    if asked is not None and asked.lower() not in {"include", "include-leased"}:
        raise bad_header("x-ms-delete-snapshots", asked)
    used = await call.shares.delete(call.place, asked.lower() if asked else None, call.claim)
    if used is None or call.version < PROVISIONED_SINCE:
        return Response(202)
    own, snapshots = map(str, used)
    return Response(202, b"", {"x-ms-file-share-usage-bytes": own, "x-ms-file-share-snapshot-usage-bytes": snapshots})


async def restore_share(call: Call) -> Response:
    """A deleted share is live again, under the name that it had."""
    name, version = call.required("x-ms-deleted-share-name"), call.required("x-ms-deleted-share-version")
    if name != call.place.share:
        raise bad_header("x-ms-deleted-share-name", name)
    share = await call.shares.restore(call.place, version.upper(), call.now)
    return Response(201, b"", _size(call, share, share_options.MADE))


async def get_share_statistics(call: Call) -> Response:
    """How much the files take."""
    share = await call.shares.get(call.place, call.claim)
    used = xml.element("ShareUsageBytes", str(await call.shares.usage(call.place)))
    return xml.answer(xml.parent("ShareStats", [used]), headers.share_tags(share))


async def create_snapshot(call: Call) -> Response:
    """A read-only copy of the share as it is."""
    taken = await call.shares.snapshot(call.place, headers.metadata_of(call), call.now)
    return Response(201, b"", {"x-ms-snapshot": taken.snapshot, **headers.share_tags(taken)})


async def create_permission(call: Call) -> Response:
    """Store a security descriptor."""
    try:
        given = msgspec.json.decode(await call.request.body(MAX_JSON), type=dict[str, str])
        descriptor = given["permission"]
    except (msgspec.MsgspecError, KeyError) as error:
        raise Refused("InvalidInput") from error
    form = given.get("format", "sddl").lower()
    if form not in permissions.FORMS:
        raise Refused("InvalidInput", f"{form} is no form of a security descriptor.")
    key = await call.shares.keep_permission(call.place, permissions.read(descriptor, form))
    return Response(201, b"", {"x-ms-file-permission-key": key})


async def get_permission(call: Call) -> Response:
    """A security descriptor by its key."""
    form = permissions.form_of(call)
    descriptor = await call.shares.permission(call.place, call.required("x-ms-file-permission-key"))
    body = msgspec.json.encode({"permission": permissions.written(descriptor, form), "format": form})
    return Response(200, body, {"Content-Type": "application/json"})


def _size(call: Call, share: Share, names: tuple[str, ...]) -> dict[str, str]:
    """What the answer to a change of a share tells of its size, and of what that brings."""
    if call.version < PROVISIONED_SINCE:
        return headers.share_tags(share)
    told = share_options.headers(share, call.version, names)
    return {**headers.share_tags(share), "x-ms-share-quota": str(share.quota_gib), **told}


def _settings(call: Call) -> dict[str, object]:
    """Quota, tier, root squash and options as `Share` knows them."""
    changes: dict[str, object] = {}
    quota = call.number("x-ms-share-quota", 1, MAX_QUOTA_GIB)
    if quota is not None:
        changes["quota_gib"] = quota
    for name, header, words in (("tier", "x-ms-access-tier", TIERS), ("root_squash", "x-ms-root-squash", SQUASHES)):
        value = call.header(header)
        if value is not None and value.lower() not in words:
            raise bad_header(header, value)
        if value is not None:
            changes[name] = words[value.lower()]
    options = share_options.read(call)
    return {**changes, "options": options} if options else changes
