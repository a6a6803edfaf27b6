"""A certificate as older versions of the protocol show it; nobody is given its private key or its password."""

from __future__ import annotations

from typing import Any

from linarite.faces.azure_batch.render.scalars import moment
from linarite.faces.azure_batch.wire.certificates import ALGORITHM, Certificate


def certificate_path(certificate: Certificate) -> str:
    """Its address below the account's."""
    return f"certificates(thumbprintAlgorithm={ALGORITHM},thumbprint={certificate.thumbprint})"


def certificate_json(certificate: Certificate, base: str) -> dict[str, Any]:
    """The whole certificate."""
    shown: dict[str, Any] = {
        "thumbprint": certificate.thumbprint,
        "thumbprintAlgorithm": ALGORITHM,
        "url": f"{base}/{certificate_path(certificate)}",
        "state": certificate.state,
        "stateTransitionTime": moment(certificate.state_at),
        "publicData": certificate.public,
    }
    if certificate.previous_state is not None and certificate.previous_state_at is not None:
        shown["previousState"] = certificate.previous_state
        shown["previousStateTransitionTime"] = moment(certificate.previous_state_at)
    if certificate.pools:
        shown["deleteCertificateError"] = {
            "code": "PoolsReferencingCertificate",
            "message": "The specified certificate is being used by the below mentioned pool(s)",
            "values": [{"name": "Pools", "value": ",".join(certificate.pools)}],
        }
    return shown
