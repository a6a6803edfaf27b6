"""The certificates that are made: kept, renewed, and good for the names that were asked."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from linarite.http import tls


def _names(chain: Path) -> list[str]:
    certificate = x509.load_pem_x509_certificate(chain.read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]


def test_the_authority_is_made_once(tmp_path: Path) -> None:
    first = tls.authority(tmp_path).read_bytes()
    assert tls.authority(tmp_path).read_bytes() == first


def test_the_server_has_loopback_and_the_names_that_were_asked(tmp_path: Path) -> None:
    chain, _ = tls.server_certificate(tmp_path, ["batch.example.org", "10.0.0.7", "localhost"])
    assert _names(chain) == ["localhost", "127.0.0.1", "::1", "batch.example.org", "10.0.0.7"]


def test_a_certificate_is_kept_until_its_names_change(tmp_path: Path) -> None:
    chain, _ = tls.server_certificate(tmp_path, [])
    first = chain.read_bytes()
    tls.server_certificate(tmp_path, [])
    assert chain.read_bytes() == first
    tls.server_certificate(tmp_path, ["batch.example.org"])
    assert chain.read_bytes() != first


def test_a_certificate_is_renewed_before_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, _ = tls.server_certificate(tmp_path, [])
    first = chain.read_bytes()
    later = dt.datetime.now(dt.UTC) + tls.SERVER_LIFE - dt.timedelta(days=29)
    monkeypatch.setattr(tls, "_now", lambda: later)
    tls.server_certificate(tmp_path, [])
    assert chain.read_bytes() != first


def test_a_broken_or_foreign_certificate_is_made_anew(tmp_path: Path) -> None:
    chain, key = tls.server_certificate(tmp_path, [])
    chain.write_text("broken")
    tls.server_certificate(tmp_path, [])
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(chain, key)
    first = chain.read_bytes()
    (tmp_path / "ca.pem").unlink()
    tls.server_certificate(tmp_path, [])
    assert chain.read_bytes() != first
