"""Settings of shares that are kept and told, since this server's disk has what speed it has: what is paid for, bursts.

Source: "Create Share" and "Set Share Properties". One that was never set is not told, but for a premium share's and for
one whose operations or bandwidth were provisioned: that makes it one of the model "provisioned v2".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from linarite.engine.sharing import Share
from linarite.engine.sharing.records import PREMIUM
from linarite.faces.azure_files import xml
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.versions import (
    BANDWIDTH_SINCE,
    BURSTING_SINCE,
    DIRECTORY_LEASE_SINCE,
    PREMIUM_SINCE,
    PROVISIONED_SINCE,
    VIRTUAL_DIRECTORY_SINCE,
)
from linarite.http.dates import http_date


class _Option(NamedTuple):
    """Its header, its element in lists, the most that it may be (None: true or false), the first version with it."""

    header: str
    element: str
    most: int | None = None
    since: str = ""


_MOST_IOPS, _MOST_MIBPS = 102_400, 10_340
OPTIONS = {
    "virtual_directory": _Option(
        "x-ms-enable-snapshot-virtual-directory-access",
        "EnableSnapshotVirtualDirectoryAccess",
        since=VIRTUAL_DIRECTORY_SINCE,
    ),
    "directory_lease": _Option(
        "x-ms-enable-smb-directory-lease", "EnableSmbDirectoryLease", since=DIRECTORY_LEASE_SINCE
    ),
    "bursting": _Option("x-ms-share-paid-bursting-enabled", "PaidBurstingEnabled", since=BURSTING_SINCE),
    "burst_iops": _Option("x-ms-share-paid-bursting-max-iops", "PaidBurstingMaxIops", _MOST_IOPS, BURSTING_SINCE),
    "burst_mibps": _Option(
        "x-ms-share-paid-bursting-max-bandwidth-mibps", "PaidBurstingMaxBandwidthMibps", _MOST_MIBPS, BURSTING_SINCE
    ),
    "iops": _Option("x-ms-share-provisioned-iops", "ProvisionedIops", _MOST_IOPS, PREMIUM_SINCE),
    "mibps": _Option(
        "x-ms-share-provisioned-bandwidth-mibps", "ProvisionedBandwidthMiBps", _MOST_MIBPS, BANDWIDTH_SINCE
    ),
}


def read(call: Call) -> dict[str, str]:
    """Those that a request sets."""
    found: dict[str, str] = {}
    for name, option in OPTIONS.items():
        if call.header(option.header) is None:
            continue
        value = call.flag(option.header) if option.most is None else call.number(option.header, 0, option.most)
        found[name] = str(value).lower()
    return found


FIGURES = {
    "ingress": _Option("x-ms-share-provisioned-ingress-mbps", "ProvisionedIngressMBps", since=PREMIUM_SINCE),
    "egress": _Option("x-ms-share-provisioned-egress-mbps", "ProvisionedEgressMBps", since=PREMIUM_SINCE),
    "next_quota": _Option(
        "x-ms-share-next-allowed-quota-downgrade-time", "NextAllowedQuotaDowngradeTime", since=PREMIUM_SINCE
    ),
    "next_iops": _Option(
        "x-ms-share-next-allowed-provisioned-iops-downgrade-time", "NextAllowedProvisionedIopsDowngradeTime",
        since=PROVISIONED_SINCE,
    ),
    "next_mibps": _Option(
        "x-ms-share-next-allowed-provisioned-bandwidth-downgrade-time", "NextAllowedProvisionedBandwidthDowngradeTime",
        since=PROVISIONED_SINCE,
    ),
    "burst": _Option("x-ms-share-included-burst-iops", "IncludedBurstIops", since=PROVISIONED_SINCE),
    "credits": _Option("x-ms-share-max-burst-credits-for-iops", "MaxBurstCreditsForIops", since=PROVISIONED_SINCE),
}  # fmt: skip
MADE = ("iops", "mibps", "burst", "credits")
"""What the answers to Create Share and Restore Share tell of it."""
SET = (*MADE, "next_quota", "next_iops", "next_mibps")
"""What the answer to Set Share Properties tells of it."""
_BURST_SECONDS = 3600


class _Disk(NamedTuple):
    """By the published formulas of provisioned v2: what a share is given by its size, and how far it may burst."""

    iops: tuple[float, float, int]
    mibps: tuple[float, float, int]
    burst: tuple[int, int]


_SSD = _Disk((3000, 1, _MOST_IOPS), (100, 0.1, _MOST_MIBPS), (10_000, _MOST_IOPS))
_HDD = _Disk((1000, 0.2, 50_000), (60, 0.02, 5_120), (5_000, 50_000))


def headers(share: Share, version: str, names: Collection[str] | None = None) -> dict[str, str]:
    """Those that a share has, as its properties; `names` are the only ones that some answers tell."""
    return {option.header: value for name, option, value in _told(share, version) if names is None or name in names}


def elements(share: Share, version: str) -> list[str]:
    """Those that a share has, as a list tells them."""
    return [xml.element(option.element, value) for _, option, value in _told(share, version)]


def _told(share: Share, version: str) -> list[tuple[str, _Option, str]]:
    known = {**_figures(share), **share.options}
    return [
        (name, option, known[name])
        for name, option in {**OPTIONS, **FIGURES}.items()
        if name in known and version >= option.since
    ]


def _figures(share: Share) -> dict[str, str]:
    if share.is_provisioned:
        return _provisioned(share)
    return _premium(share) if share.tier == PREMIUM else {}


def _premium(share: Share) -> dict[str, str]:
    """What the size of a premium share brings with it. Source: "Understand Azure Files billing", provisioned v1."""
    size = share.quota_gib
    iops = min(3000 + size, _MOST_IOPS)
    burst = min(max(10_000, 3 * size), _MOST_IOPS)
    up, down = -(-size * 4 // 100), -(-size * 6 // 100)
    return {
        "iops": str(iops), "mibps": str(min(100 + up + down, _MOST_MIBPS)), "ingress": str(40 + up),
        "egress": str(60 + down), **_burst(iops, burst), "next_quota": _next(share, "quota"),
    }  # fmt: skip


def _provisioned(share: Share) -> dict[str, str]:
    """The figures of a share whose own were provisioned. Source: the same page, provisioned v2."""
    disk = _SSD if share.tier == PREMIUM else _HDD
    iops, mibps = (
        int(share.options.get(name, min(base + slope * share.quota_gib, most)))
        for name, (base, slope, most) in (("iops", disk.iops), ("mibps", disk.mibps))
    )
    least, most = disk.burst
    return {
        "iops": str(iops), "mibps": str(mibps), **_burst(iops, min(max(3 * iops, least), most)),
        **{f"next_{name}": _next(share, name) for name in ("quota", "iops", "mibps")},
    }  # fmt: skip


def _burst(iops: int, burst: int) -> dict[str, str]:
    return {"burst": str(max(burst, iops)), "credits": str(max(burst - iops, 0) * _BURST_SECONDS)}


def _next(share: Share, name: str) -> str:
    return http_date(share.lowerable_at(name))
