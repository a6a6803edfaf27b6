"""What every share tells of itself, as headers and as elements of lists, each from the version on that has it.

Source: "Get Share Properties" and "List Shares", and answers recorded by several versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from linarite.engine.sharing import Share
from linarite.engine.sharing.records import PREMIUM
from linarite.faces.azure_files import headers, share_options, xml
from linarite.faces.azure_files.versions import SHARE_LEASES_SINCE, SHARE_PROTOCOLS_SINCE, TIERS_SINCE
from linarite.http.dates import http_date

Tell = Callable[[Share, int], str | None]
"""The value at a moment in microseconds; None is nothing to tell."""


class _Property(NamedTuple):
    header: str
    element: str
    since: str
    tell: Tell


def _lease(name: str) -> Tell:
    return lambda share, now: headers.lease(share.lease, now).get(name)


def _changed(share: Share, _now: int) -> str | None:
    """A premium share's tier is never another one: the service tells no time of it [R]."""
    return None if share.tier == PREMIUM else http_date(share.tier_changed_at)


def _squash(share: Share, _now: int) -> str | None:
    return (share.root_squash or "NoRootSquash") if share.protocol == "NFS" else None


_PROPERTIES = (
    _Property("x-ms-share-quota", "Quota", "", lambda share, _now: str(share.quota_gib)),
    _Property("x-ms-access-tier", "AccessTier", TIERS_SINCE, lambda share, _now: share.tier),
    _Property("x-ms-access-tier-change-time", "AccessTierChangeTime", TIERS_SINCE, _changed),
    _Property("x-ms-lease-status", "LeaseStatus", SHARE_LEASES_SINCE, _lease("x-ms-lease-status")),
    _Property("x-ms-lease-state", "LeaseState", SHARE_LEASES_SINCE, _lease("x-ms-lease-state")),
    _Property("x-ms-lease-duration", "LeaseDuration", SHARE_LEASES_SINCE, _lease("x-ms-lease-duration")),
    _Property("x-ms-enabled-protocols", "EnabledProtocols", SHARE_PROTOCOLS_SINCE, lambda share, _now: share.protocol),
    _Property("x-ms-root-squash", "RootSquash", SHARE_PROTOCOLS_SINCE, _squash),
)


def told(share: Share, now: int, version: str) -> dict[str, str]:
    """The headers of Get Share Properties."""
    found = {each.header: value for each, value in _known(share, now, version)}
    return {**found, **share_options.headers(share, version)}


def elements(share: Share, now: int, version: str) -> list[str]:
    """The elements of List Shares."""
    found = [xml.element(each.element, value) for each, value in _known(share, now, version)]
    return [*found, *share_options.elements(share, version)]


def _known(share: Share, now: int, version: str) -> Iterator[tuple[_Property, str]]:
    for each in _PROPERTIES:
        value = each.tell(share, now) if version >= each.since else None
        if value is not None:
            yield each, value
