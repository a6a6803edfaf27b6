"""Settings of shares that are kept and told, since this server's disk has what speed it has: what is paid for, bursts.

Source: "Create Share" and "Set Share Properties". One that was never set is not told, but for a premium share's.
"""

from __future__ import annotations

from typing import NamedTuple

from linarite.engine.sharing import Share
from linarite.faces.azure_files import xml
from linarite.faces.azure_files.call import Call
from linarite.http.dates import http_date


class _Option(NamedTuple):
    """Its header, its element in lists, and the most that it may be (None: it is true or false)."""

    header: str
    element: str
    most: int | None = None


_MOST_IOPS, _MOST_MIBPS = 102_400, 10_340
OPTIONS = {
    "virtual_directory": _Option(
        "x-ms-enable-snapshot-virtual-directory-access", "EnableSnapshotVirtualDirectoryAccess"
    ),
    "directory_lease": _Option("x-ms-enable-smb-directory-lease", "EnableSmbDirectoryLease"),
    "bursting": _Option("x-ms-share-paid-bursting-enabled", "PaidBurstingEnabled"),
    "burst_iops": _Option("x-ms-share-paid-bursting-max-iops", "PaidBurstingMaxIops", _MOST_IOPS),
    "burst_mibps": _Option(
        "x-ms-share-paid-bursting-max-bandwidth-mibps", "PaidBurstingMaxBandwidthMibps", _MOST_MIBPS
    ),
    "iops": _Option("x-ms-share-provisioned-iops", "ProvisionedIops", _MOST_IOPS),
    "mibps": _Option("x-ms-share-provisioned-bandwidth-mibps", "ProvisionedBandwidthMiBps", _MOST_MIBPS),
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
    "ingress": _Option("x-ms-share-provisioned-ingress-mbps", "ProvisionedIngressMBps"),
    "egress": _Option("x-ms-share-provisioned-egress-mbps", "ProvisionedEgressMBps"),
    "next_quota": _Option("x-ms-share-next-allowed-quota-downgrade-time", "NextAllowedQuotaDowngradeTime"),
    "burst": _Option("x-ms-share-included-burst-iops", "IncludedBurstIops"),
    "credits": _Option("x-ms-share-max-burst-credits-for-iops", "MaxBurstCreditsForIops"),
}
PREMIUM = "Premium"
_DAY = 86_400_000_000


def headers(share: Share) -> dict[str, str]:
    """Those that a share has, as its properties."""
    return {option.header: value for option, value in _told(share)}


def elements(share: Share) -> list[str]:
    """Those that a share has, as a list tells them."""
    return [xml.element(option.element, value) for option, value in _told(share)]


def _told(share: Share) -> list[tuple[_Option, str]]:
    known = {**(_figures(share) if share.tier == PREMIUM else {}), **share.options}
    return [(option, known[name]) for name, option in {**OPTIONS, **FIGURES}.items() if name in known]


def _figures(share: Share) -> dict[str, str]:
    """What the size of a premium share brings with it. Source: "Understand Azure Files billing", provisioned v1."""
    size = share.quota_gib
    iops = int(share.options.get("iops", min(3000 + size, _MOST_IOPS)))
    burst = min(max(10_000, 3 * size), _MOST_IOPS)
    up, down = -(-size * 4 // 100), -(-size * 6 // 100)
    return {
        "iops": str(iops), "mibps": str(min(100 + up + down, _MOST_MIBPS)), "ingress": str(40 + up),
        "egress": str(60 + down), "burst": str(max(burst, iops)), "credits": str(max(burst - iops, 0) * 3600),
        "next_quota": http_date(share.created_at + _DAY),
    }  # fmt: skip
