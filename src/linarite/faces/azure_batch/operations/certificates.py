"""Certificates, of versions before 2025-06-01: add, list, get, delete, cancel a deletion that failed."""

from __future__ import annotations

import re

from linarite.faces.azure_batch import certificates, filters
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.errors import Refusal
from linarite.faces.azure_batch.operations.lists import next_link, number_of, page_size, position
from linarite.faces.azure_batch.render.certificates import certificate_json, certificate_path
from linarite.faces.azure_batch.render.scalars import etag
from linarite.faces.azure_batch.wire.certificates import Certificate, CertificateAdd, certificate_of, checked_thumbprint
from linarite.http.dates import http_date
from linarite.http.messages import Response

_ADDRESS = re.compile(r"certificates\(thumbprintalgorithm=([^,()]*),thumbprint=([^,()]*)\)", re.IGNORECASE)


def _thumbprint(call: Call) -> str:
    """The certificate that the address names; its one segment is no other kind's."""
    found = _ADDRESS.fullmatch(call.parameters["certificate"])
    if found is None:
        raise Refusal("ResourceNotFound")
    return checked_thumbprint(found[2], found[1])


def _done(call: Call, status: int, certificate: Certificate, *action: str, created: bool = False) -> Response:
    """An answer without a body about a certificate, whose tag is the moment of its state."""
    url = "/".join([call.base, certificate_path(certificate), *action])
    headers = {"DataServiceId": url, **_tag(certificate), **({"Location": url} if created else {})}
    return Response(status, b"", headers)


def _tag(certificate: Certificate) -> dict[str, str]:
    return {"ETag": etag(certificate.state_at), "Last-Modified": http_date(certificate.state_at)}


async def add_certificate(call: Call) -> Response:
    """Certificate_Add."""
    wanted = certificate_of(await call.body(CertificateAdd))
    return _done(call, 201, await call.do(certificates.add, wanted), created=True)


async def list_certificates(call: Call) -> Response:
    """Certificate_List."""
    matches = filters.compile_test(call.request.query.get("$filter"), filters.CERTIFICATES)
    size, start = page_size(call), number_of(position(call))
    everyone = await call.engine.ask(lambda tx: certificates.everyone(tx, call.account, call.request.now))
    chosen = [one for one in everyone if matches({"state": one.state, "stateTransitionTime": one.state_at})]
    found = [certificate_json(one, call.base) for one in chosen]
    link = next_link(call, str(start + size)) if len(found) > start + size else None
    return call.many("certificates", found[start : start + size], link)


async def get_certificate(call: Call) -> Response:
    """Certificate_Get."""
    name = _thumbprint(call)
    found = await call.engine.ask(lambda tx: certificates.find(tx, call.account, name, call.request.now))
    answer = call.one("certificates", certificate_json(found, call.base))
    answer.headers.update(_tag(found))
    return answer


async def delete_certificate(call: Call) -> Response:
    """Certificate_Delete."""
    return _done(call, 202, await call.do(certificates.delete, _thumbprint(call)))


async def cancel_certificate_deletion(call: Call) -> Response:
    """Certificate_CancelDeletion."""
    return _done(call, 204, await call.do(certificates.cancel_deletion, _thumbprint(call)), "canceldelete")
