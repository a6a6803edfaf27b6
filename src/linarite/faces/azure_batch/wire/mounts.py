"""What a pool mounts on its nodes, as clients send it. Source: MountConfiguration of 2025-06-01.

No key and no password is kept: a digest is enough to know our own account's key again, and nothing else is mounted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any
from urllib.parse import unquote, urlsplit

from linarite.engine.mounting import Mount
from linarite.faces.azure_batch.errors import invalid_property
from linarite.faces.azure_batch.secrets import without_secrets
from linarite.faces.azure_batch.wire.decoding import Element, camel, plain
from linarite.faces.azure_batch.wire.elements import IdentityReference
from linarite.faces.azure_batch.wire.values import required

MOST_MOUNTS = 10


class AzureFileShare(Element):
    """A file share."""

    account_name: str | None = None
    account_key: str | None = None
    azure_file_url: str | None = None
    relative_mount_path: str | None = None
    mount_options: str | None = None


class BlobFileSystem(Element):
    """A blob container."""

    account_name: str | None = None
    container_name: str | None = None
    account_key: str | None = None
    sas_key: str | None = None
    blobfuse_options: str | None = None
    relative_mount_path: str | None = None
    identity_reference: IdentityReference | None = None


class Nfs(Element):
    """A file system of the network."""

    source: str | None = None
    relative_mount_path: str | None = None
    mount_options: str | None = None


class Cifs(Element):
    """A share of another server."""

    username: str | None = None
    source: str | None = None
    relative_mount_path: str | None = None
    mount_options: str | None = None
    password: str | None = None


class MountElement(Element):
    """One of them."""

    azure_file_share_configuration: AzureFileShare | None = None
    azure_blob_file_system_configuration: BlobFileSystem | None = None
    nfs_mount_configuration: Nfs | None = None
    cifs_mount_configuration: Cifs | None = None


_REQUIRED = {
    "azure_file_share_configuration": ("account_name", "account_key", "azure_file_url"),
    "azure_blob_file_system_configuration": ("account_name", "container_name"),
    "nfs_mount_configuration": ("source",),
    "cifs_mount_configuration": ("username", "source", "password"),
}
_KINDS = {
    "azure_blob_file_system_configuration": "blob container", "nfs_mount_configuration": "NFS file system",
    "cifs_mount_configuration": "CIFS share",
}  # fmt: skip


def checked_mounts(elements: list[MountElement]) -> tuple[list[dict[str, Any]], tuple[Mount, ...]]:
    """The mounts as they are shown, without secrets, and as the engine knows them."""
    if len(elements) > MOST_MOUNTS:
        raise invalid_property("mountConfiguration", len(elements), f"A node has at most {MOST_MOUNTS} mounts.")
    mounts = tuple([_mount(element) for element in elements])
    paths = [mount.path for mount in mounts]
    for path in paths:
        if any(other != path and f"{other}/".startswith(f"{path}/") for other in paths) or paths.count(path) > 1:
            raise invalid_property("relativeMountPath", path, "Mounts stand beside each other, not in each other.")
    shown: list[dict[str, Any]] = without_secrets(plain(elements))
    return shown, mounts


def _mount(element: MountElement) -> Mount:
    given = [kind for kind in _REQUIRED if getattr(element, kind) is not None]
    if len(given) != 1:
        raise invalid_property("mountConfiguration", len(given), "Each mount has exactly one configuration.")
    kind, part = given[0], getattr(element, given[0])
    for name in _REQUIRED[kind]:
        required(getattr(part, name), f"mountConfiguration.{camel(name)}")
    path = _path(required(part.relative_mount_path, "mountConfiguration.relativeMountPath"))
    if not isinstance(part, AzureFileShare):
        return Mount(path=path, unknown=_KINDS[kind])
    options = (part.mount_options or "").replace(",", " ").split()
    account = (part.account_name or "").lower()
    return Mount(
        path=path, account=account, share=_share(part.azure_file_url or "", account),
        key=_digest(part.account_key or ""), read_only="ro" in options,
    )  # fmt: skip


def _path(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    if path.startswith("/") or not parts or any(part in {".", ".."} for part in parts) or "\0" in path:
        raise invalid_property("relativeMountPath", path, "It is a path below the node's folder of mounts.")
    return "/".join(parts)


def _share(url: str, account: str) -> str:
    """The share of `https://<account>.file.core.windows.net/<share>`, or of the same path style on any host."""
    address = urlsplit(url)
    parts = [unquote(part).lower() for part in address.path.split("/") if part]
    host = (address.hostname or "").partition(".")[0]
    if parts and parts[0] == account and host != account:
        parts = parts[1:]
    if address.scheme not in {"http", "https"} or len(parts) != 1:
        raise invalid_property("azureFileUrl", url, "It is the URL of a file share.")
    return parts[0]


def _digest(key: str) -> str:
    try:
        return hashlib.sha256(base64.b64decode(key, validate=True)).hexdigest()
    except (binascii.Error, ValueError):
        return ""
