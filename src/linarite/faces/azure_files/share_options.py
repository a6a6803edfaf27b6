"""Settings of shares that are kept and told, since this server's disk has what speed it has: what is paid for, bursts.

Source: "Create Share" and "Set Share Properties". One that was never set is not told.
"""

from __future__ import annotations

from typing import NamedTuple

from linarite.engine.sharing import Share
from linarite.faces.azure_files import xml
from linarite.faces.azure_files.call import Call


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


def headers(share: Share) -> dict[str, str]:
    """Those that a share has, as its properties."""
    return {option.header: share.options[name] for name, option in OPTIONS.items() if name in share.options}


def elements(share: Share) -> list[str]:
    """Those that a share has, as a list tells them."""
    return [xml.element(option.element, share.options.get(name)) for name, option in OPTIONS.items()]
