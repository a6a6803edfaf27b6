"""Certificates as clients of older versions send them, and a pool's references to them.

Source: CertificateAddParameter and CertificateReference of 2024-07-01.20.0, the last version that has them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from linarite.engine.certificates import CertificateUse
from linarite.faces.azure_batch.errors import invalid_property
from linarite.faces.azure_batch.wire.decoding import Body, Worded, plain
from linarite.faces.azure_batch.wire.values import required, word_of

ALGORITHM = "sha1"
FORMATS = ("pfx", "cer")
LOCATIONS = ("currentuser", "localmachine")
VISIBILITIES = ("starttask", "task", "remoteuser")
LONGEST = 10 * 1024
"""Bytes that a certificate may have, says the service."""


class CertificateAdd(Body):
    """The body of Add Certificate."""

    thumbprint: str | None = None
    thumbprint_algorithm: str | None = None
    data: str | None = None
    certificate_format: str | None = None
    password: str | None = None


class CertificateReference(Worded):
    """A certificate that the nodes of a pool have."""

    spelled = (("store_location", LOCATIONS), ("visibility", VISIBILITIES))

    thumbprint: str | None = None
    thumbprint_algorithm: str | None = None
    store_location: str | None = None
    store_name: str | None = None
    visibility: list[str] | None = None


class Certificate(msgspec.Struct, kw_only=True):
    """A certificate as it is kept: `data` and `public` in base64, times in microseconds.

    `pools` are those that kept it from being deleted.
    """

    thumbprint: str
    form: str
    data: str
    password: str | None
    public: str
    state: str = "active"
    state_at: int = 0
    previous_state: str | None = None
    previous_state_at: int | None = None
    pools: tuple[str, ...] = ()


def certificate_of(body: CertificateAdd) -> Certificate:
    """The certificate, whose thumbprint has to be its own."""
    thumbprint = checked_thumbprint(body.thumbprint, body.thumbprint_algorithm)
    data = required(body.data, "data")
    form = word_of(FORMATS, body.certificate_format, "certificateFormat") or "pfx"
    if form == "cer" and body.password is not None:
        raise invalid_property("password", "", "A cer has none.")
    public = _public(_decoded(data), form, body.password)
    if public.fingerprint(hashes.SHA1()).hex() != thumbprint:  # noqa: S303 - the protocol's own name of a certificate
        raise invalid_property("thumbprint", thumbprint, "It is not that of the certificate in data.")
    der = base64.b64encode(public.public_bytes(Encoding.DER)).decode()
    return Certificate(thumbprint=thumbprint, form=form, data=data, password=body.password, public=der)


def checked_thumbprint(thumbprint: str | None, algorithm: str | None) -> str:
    """The name of a certificate: its thumbprint in lower case, by the one algorithm that there is."""
    word_of((ALGORITHM,), required(algorithm, "thumbprintAlgorithm"), "thumbprintAlgorithm")
    return required(thumbprint, "thumbprint").lower()


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_property("data", "", "It is no base64.") from error
    if len(data) > LONGEST:
        raise invalid_property("data", "", f"It has at most {LONGEST} bytes.")
    return data


def _public(data: bytes, form: str, password: str | None) -> x509.Certificate:
    try:
        if form == "cer":
            return x509.load_pem_x509_certificate(data) if b"-----" in data else x509.load_der_x509_certificate(data)
        _, found, _ = pkcs12.load_key_and_certificates(data, None if password is None else password.encode())
    except ValueError as error:
        raise invalid_property("data", "", f"It is no {form} that the password opens.") from error
    if found is None:
        raise invalid_property("data", "", "It has no certificate.")
    return found


def checked_references(references: list[CertificateReference]) -> list[dict[str, Any]]:
    """The references as they are shown. Whether there are such is the account's affair."""
    return [plain(_checked(one)) for one in references]


def certificate_uses(references: Iterable[Mapping[str, Any]]) -> tuple[CertificateUse, ...]:
    """What nodes do with the certificates of checked references; without `visibility` all may see them."""
    return tuple([_use(one["thumbprint"], one.get("visibility") or VISIBILITIES) for one in references])


def _use(thumbprint: str, seen_by: Sequence[str]) -> CertificateUse:
    return CertificateUse(thumbprint=thumbprint, to_start_task="starttask" in seen_by, to_tasks="task" in seen_by)


def _checked(one: CertificateReference) -> CertificateReference:
    return CertificateReference(
        thumbprint=checked_thumbprint(one.thumbprint, one.thumbprint_algorithm),
        thumbprint_algorithm=ALGORITHM,
        store_location=one.store_location,
        store_name=one.store_name,
        visibility=one.visibility,
    )
