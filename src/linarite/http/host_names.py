"""The names that a server of well-known secrets may be called by.

A page of the web cannot sign requests for another site, but its owner can have the page's own name lead to this machine
(DNS rebinding): then the page's browser takes this server for the page's site, and the page knows the secrets of
development mode. Names that nobody can own on the internet, and those of the services that we stand in for, are safe.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

RESERVED = ("localhost", "local", "internal", "test", "example", "invalid", "lan", "home.arpa")
"""Domains that are never delegated (RFC 6761, RFC 6762, RFC 8375 and ICANN's private-use names)."""
CLOUDS = (
    "azure.com", "windows.net", "azure.cn", "chinacloudapi.cn", "azure.us", "usgovcloudapi.net", "cloudapi.de",
    "superoffice.com",
)  # fmt: skip
"""Domains of the services whose clients come here."""


class HostNames:
    """Tells whether a Host header names this server; `own` are further names that it is called by."""

    def __init__(self, own: Iterable[str] = ()) -> None:
        self._own = frozenset(name.lower() for name in own)

    def __call__(self, host: str) -> bool:
        """`host` with or without a port; no host at all (HTTP/1.0) is no browser's."""
        name = _without_port(host).lower().rstrip(".")
        if not name or "." not in name or name in self._own or _is_address(name):
            return True
        return any(name.endswith(f".{domain}") for domain in (*RESERVED, *CLOUDS))


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() and host.count(":") == 1 else host


@lru_cache(256)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
