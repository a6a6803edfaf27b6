"""Certificates: a development certificate authority that is made once, and the server's own signed by it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK = ("localhost", "127.0.0.1", "::1")
AUTHORITY_LIFE, SERVER_LIFE = dt.timedelta(days=3650), dt.timedelta(days=397)
RENEW_BEFORE = dt.timedelta(days=30)
SKEW = dt.timedelta(minutes=10)


def authority(folder: Path) -> Path:
    """The authority's certificate (PEM), made at the first call. Raises OSError."""
    path, key_path = folder / "ca.pem", folder / "ca.key"
    if not (path.exists() and key_path.exists()):
        key = generate_private_key(SECP256R1())
        _write(key_path, _key_pem(key), 0o600)
        _write(path, _authority_certificate(key).public_bytes(serialization.Encoding.PEM), 0o644)
    return path


def server_certificate(folder: Path, names: Sequence[str]) -> tuple[Path, Path]:
    """The server's chain and key for the loopback names and `names`; made anew when they changed or its end is near."""
    wanted = [_name(name) for name in dict.fromkeys((*LOOPBACK, *names))]
    chain, key_path = folder / "server.pem", folder / "server.key"
    issuer = x509.load_pem_x509_certificate(authority(folder).read_bytes())
    if not (chain.exists() and key_path.exists() and _fits(chain, issuer, wanted)):
        signer = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
        assert isinstance(signer, EllipticCurvePrivateKey)
        key = generate_private_key(SECP256R1())
        certificate = _leaf_certificate(key, issuer, signer, wanted)
        _write(key_path, _key_pem(key), 0o600)
        pem = serialization.Encoding.PEM
        _write(chain, certificate.public_bytes(pem) + issuer.public_bytes(pem), 0o644)
    return chain, key_path


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _fits(chain: Path, issuer: x509.Certificate, wanted: list[x509.GeneralName]) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(chain.read_bytes())
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, a new one is made
        return False
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return list(names) == wanted and certificate.not_valid_after_utc - _now() > RENEW_BEFORE


def _authority_certificate(key: EllipticCurvePrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Linarite development authority")])
    return (
        _builder(subject, subject, key, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf_certificate(
    key: EllipticCurvePrivateKey, issuer: x509.Certificate, signer: EllipticCurvePrivateKey,
    names: list[x509.GeneralName],
) -> x509.Certificate:  # fmt: skip
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Linarite")])
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(subject, issuer.subject, key, SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(signer, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, life: dt.timedelta
) -> x509.CertificateBuilder:  # fmt: skip
    now = _now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + life)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    fresh.replace(path)
