"""From which version on a request's header is known. In an older one it says nothing, as any unknown header.

Each row is as the descriptions of the versions have it, or what the pages "Version ..." and those of the operations
say where these are more exact. What is not here every version knows. Lists of what older ANSWERS have: `versions`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from linarite.faces.azure_files.versions import (
    BURSTING_SINCE,
    DIRECTORY_LEASE_SINCE,
    FILE_LEASES_SINCE,
    INCLUDE_SINCE,
    INTENT_SINCE,
    LAST_WRITE_TIME_SINCE,
    NFS_SINCE,
    PROVISIONED_SINCE,
    SEMANTICS_SINCE,
    SHARE_LEASES_SINCE,
    SHARE_PROTOCOLS_SINCE,
    STRUCTURED_SINCE,
    TIERS_SINCE,
    TRAILING_DOT_SINCE,
    VIRTUAL_DIRECTORY_SINCE,
)

KEEP_DOTS = "x-ms-allow-trailing-dot"
_LENGTH = len("2026-01-01")
_PUTS = frozenset({"Put Range", "Put Range from URL"})
_OF_SHARES = frozenset(
    f"{verb} Share{what}"
    for verb, what in (
        ("Get", " Properties"), ("Get", " Metadata"), ("Get", " ACL"), ("Get", " Stats"), ("Set", " Properties"),
        ("Set", " Metadata"), ("Set", " ACL"), ("Delete", ""),
    )
)  # fmt: skip


class Row(NamedTuple):
    """Headers (in lower case, with spaces between) known from `since` on; `operations` empty: to all that have them."""

    since: str
    headers: str
    operations: frozenset[str] = frozenset()


ROWS = (
    Row(FILE_LEASES_SINCE, "x-ms-lease-id"),
    Row(SHARE_LEASES_SINCE, "x-ms-lease-id", _OF_SHARES),
    Row(
        "2019-07-07",
        "x-ms-file-permission x-ms-file-permission-key x-ms-file-permission-copy-mode x-ms-file-attributes"
        " x-ms-file-creation-time x-ms-file-last-write-time x-ms-file-copy-ignore-readonly x-ms-file-copy-set-archive",
        frozenset({"Copy File"}),
    ),
    Row(TIERS_SINCE, "x-ms-access-tier"),
    Row(SHARE_PROTOCOLS_SINCE, "x-ms-enabled-protocols x-ms-root-squash"),
    Row(INCLUDE_SINCE, "x-ms-file-extended-info"),
    Row("2020-10-02", "x-ms-copy-source-authorization"),
    Row("2021-06-08", "x-ms-file-change-time"),
    Row("2021-06-08", "x-ms-content-type", frozenset({"Rename File"})),
    Row(LAST_WRITE_TIME_SINCE, "x-ms-file-last-write-time", _PUTS),
    Row(TRAILING_DOT_SINCE, f"{KEEP_DOTS} x-ms-source-allow-trailing-dot"),
    Row(INTENT_SINCE, "x-ms-file-request-intent"),
    Row(VIRTUAL_DIRECTORY_SINCE, "x-ms-enable-snapshot-virtual-directory-access"),
    Row("2024-05-04", "x-ms-file-support-rename"),
    Row("2024-11-04", "x-ms-file-permission-format"),
    Row(
        BURSTING_SINCE,
        "x-ms-share-paid-bursting-enabled x-ms-share-paid-bursting-max-iops"
        " x-ms-share-paid-bursting-max-bandwidth-mibps",
    ),
    Row(PROVISIONED_SINCE, "x-ms-share-provisioned-iops x-ms-share-provisioned-bandwidth-mibps"),
    Row(STRUCTURED_SINCE, "x-ms-structured-body x-ms-structured-content-length"),
    Row(
        NFS_SINCE,
        "x-ms-mode x-ms-owner x-ms-group x-ms-file-file-type x-ms-file-mode-copy-mode x-ms-file-owner-copy-mode",
    ),
    Row(DIRECTORY_LEASE_SINCE, "x-ms-enable-smb-directory-lease"),
    Row(SEMANTICS_SINCE, "x-ms-file-property-semantics"),
)
"""Those of some operations stand after those of all."""


def unknown(version: str, operation: str = "") -> frozenset[str]:
    """The headers that a version does not know in an operation ("": in none of a kind of its own)."""
    return _unknown(version[:_LENGTH], operation)  # what follows a date changes no comparison with one


@lru_cache(maxsize=1024)
def _unknown(version: str, operation: str) -> frozenset[str]:
    since = {
        header: row.since
        for row in ROWS
        if not row.operations or operation in row.operations
        for header in row.headers.split()
    }
    return frozenset(header for header, first in since.items() if version < first)
