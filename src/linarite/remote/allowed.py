"""Which servers elsewhere a copy may read from, and at which addresses: what the setting `copy_sources` says.

An entry is `[http://]host[:port]` or `[http://]*.suffix[:port]`. Without http:// it is https. A name that an entry
spells out may have any address but those where a machine finds the secrets of its cloud; one by suffix a public address
alone, since whoever has a name below the suffix chooses its address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

import httpx
import msgspec

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = {"http": 80, "https": 443}
_ENTRY = re.compile(r"(?:(https?)://)?(\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9_.-]*[a-z0-9_-])(?::(\d{1,5}))?", re.IGNORECASE)
_NEVER = tuple(
    ipaddress.ip_network(each)
    for each in (
        "169.254.0.0/16", "fe80::/10",  # link-local: the metadata of every cloud
        "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",  # Alibaba's, Azure's, Oracle's
        "fd00:ec2::/32", "fd20:ce::/32",  # Amazon's, Google's
        "0.0.0.0/8", "::/128", "224.0.0.0/4", "240.0.0.0/4", "ff00::/8",  # no one's
    )
)  # fmt: skip
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Entry(msgspec.Struct, frozen=True):
    """One server, or with `by_suffix` all whose names end in `host`."""

    scheme: str
    host: str
    port: int
    by_suffix: bool

    def names(self, url: httpx.URL) -> bool:
        """Whether the address is one of its."""
        host = host_of(url)
        fits = host.endswith(f".{self.host}") if self.by_suffix else host == self.host
        return fits and url.scheme == self.scheme and (url.port or PORTS[url.scheme]) == self.port


def parse_entry(text: str) -> Entry:
    """Read an entry of the setting. Raises ValueError."""
    match = _ENTRY.fullmatch(text)
    if match is None or int(match[4] or 1) not in range(1, 65536) or (match[2] and _is_address(match[3])):
        raise ValueError(f"{text!r} is none of host, host:port and *.suffix, with http:// before it or not")
    scheme = (match[1] or "https").lower()
    return Entry(scheme, match[3].lower().strip("[]"), int(match[4] or PORTS[scheme]), bool(match[2]))


class Allowed:
    """All entries."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Read them. Raises ValueError."""
        self._entries = [parse_entry(text) for text in texts]

    def entries(self, url: httpx.URL) -> list[Entry]:
        """Those that name an address; none: it is not read from."""
        if url.scheme not in PORTS or url.userinfo:
            return []
        return [entry for entry in self._entries if entry.names(url)]

    def may_connect(self, url: httpx.URL, address: Address) -> bool:
        """Whether the server of the address may be there."""
        address = plain(address)
        if any(address in network for network in _NEVER if network.version == address.version):
            return False
        return address.is_global or any(not entry.by_suffix for entry in self.entries(url))


def host_of(url: httpx.URL) -> str:
    """The host in lower case, as it is looked up."""
    return url.raw_host.decode("ascii").lower().strip("[]")


def plain(address: Address) -> Address:
    """The address of version 4 that one of version 6 stands for, else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def _is_address(host: str) -> bool:
    return host.startswith("[") or host.replace(".", "").isdigit()
