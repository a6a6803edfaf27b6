"""Which servers a copy may read from, and at which addresses."""

from __future__ import annotations

import ipaddress

import httpx
import pytest

from linarite.remote.allowed import Allowed, parse_entry


@pytest.mark.parametrize(
    ("entry", "url", "is_named"),
    [
        ("files.example.org", "https://files.example.org/a", True),
        ("files.example.org", "https://FILES.example.org:443/a", True),
        ("files.example.org", "http://files.example.org/a", False),
        ("files.example.org", "https://files.example.org:8443/a", False),
        ("files.example.org", "https://files.example.org.evil.test/a", False),
        ("files.example.org", "https://evil.test/files.example.org", False),
        ("files.example.org", "https://files.example.org@evil.test/", False),
        ("files.example.org", "https://user:word@files.example.org/", False),
        ("files.example.org", "https://files.example.org./", False),
        ("files.example.org", "ftp://files.example.org/a", False),
        ("files.example.org:8443", "https://files.example.org:8443/a", True),
        ("files.example.org:8443", "https://files.example.org/a", False),
        ("http://127.0.0.1:10000", "http://127.0.0.1:10000/a", True),
        ("http://127.0.0.1:10000", "https://127.0.0.1:10000/a", False),
        ("http://127.0.0.1:10000", "http://127.1:10000/a", False),
        ("http://[::1]:10000", "http://[::1]:10000/a", True),
        ("*.blob.core.windows.net", "https://account.blob.core.windows.net/c/b", True),
        ("*.blob.core.windows.net", "https://blob.core.windows.net/c/b", False),
        ("*.blob.core.windows.net", "https://evilblob.core.windows.net/c/b", False),
        ("*.blob.core.windows.net", "http://account.blob.core.windows.net/c/b", False),
    ],
)
def test_an_entry_names_its_servers_alone(entry: str, url: str, is_named: bool) -> None:
    assert bool(Allowed([entry]).entries(httpx.URL(url))) is is_named


@pytest.mark.parametrize(
    "text",
    [
        "", "*", "*.", "a b", "ftp://host", "host:0", "host:65536", "host:x", "host/path", "u@host", "*.127.0.0.1",
        "a.*.b",
    ],
)  # fmt: skip
def test_an_entry_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is none of"):
        parse_entry(text)


@pytest.mark.parametrize(
    ("address", "by_name", "by_suffix"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("127.0.0.1", True, False),
        ("10.0.0.1", True, False),
        ("fd00::1", True, False),
        ("::1", True, False),
        ("::ffff:10.0.0.1", True, False),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("2002:a9fe:a9fe::1", False, False),
        ("fe80::1", False, False),
        ("fd00:ec2::254", False, False),
        ("fd20:ce::254", False, False),
        ("100.100.100.200", False, False),
        ("168.63.129.16", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
        ("::", False, False),
    ],
)
def test_where_a_server_may_be(address: str, by_name: bool, by_suffix: bool) -> None:
    """Where a cloud keeps its machines' secrets: never; in private networks, when the entry spells the name out."""
    url, place = httpx.URL("https://a.example.org/f"), ipaddress.ip_address(address)
    assert Allowed(["a.example.org"]).may_connect(url, place) is by_name
    assert Allowed(["*.example.org"]).may_connect(url, place) is by_suffix
