"""The Azure Batch data plane as a face: who calls, which version, which operation, and every refusal in its shape.

Source: Batch NOTES sections 1 to 3. Links bear the Host that the client used, or `public_url`.
"""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import structlog

from linarite.engine.access import Access, Unauthenticated
from linarite.engine.core import Engine
from linarite.faces.azure_batch import auth, errors, vocabulary
from linarite.faces.azure_batch.call import JSON, LONGEST_TIMEOUT, Call, Operation, timeout_of
from linarite.faces.azure_batch.errors import Refusal, Unchanged
from linarite.faces.azure_batch.routes import TABLE, Row
from linarite.faces.azure_batch.versions import LATEST, check_version
from linarite.http.dates import http_date
from linarite.http.messages import Request, Response
from linarite.http.routing import Handler, Route, Router

log = structlog.get_logger("linarite.azure_batch")
VERBS = {row.method for row in TABLE}
WITH_BODY = {"POST", "PUT", "PATCH"}
ODATA = {"$filter", "$select", "$expand", "$skiptoken"}
_COMMON = {
    "DataServiceVersion": "3.0",
    "Server": "Linarite",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


class AzureBatch:
    """Implements `http.funnel.Face`."""

    name = "azure_batch"

    def __init__(self, engine: Engine, access: Access, *, public_url: str | None = None) -> None:
        """`public_url` is the address that links bear when it is not the one that the client used."""
        self._engine, self._access = engine, access
        self._public_url = public_url.rstrip("/") if public_url else None
        self._router = Router(Route(row.method, row.pattern, self._handler(row), row.name) for row in TABLE)

    def _handler(self, row: Row) -> Handler:
        async def handle(request: Request, parameters: dict[str, str]) -> Response:
            version = check_version(request.query.get("api-version"))
            if not row.since <= version < row.until:
                raise Refusal("ResourceNotFound", Reason=f"api-version {version} has no operation {row.name}.")
            principal = request.principal
            auth.check_job(principal, parameters.get("jobId"))
            _check_query(request)
            call = Call(
                self._engine, request, parameters, base=self._base(request), version=version, who=principal.name,
                account=principal.account,
            )  # fmt: skip
            return await _within_time(row.operation, call)

        return handle

    async def respond(self, request: Request) -> Response:
        """Know the caller, find the operation, do it."""
        _check_form(request)
        request.principal = await auth.authenticate(self._access, request)
        match = self._router.match(request.method, request.raw_path)
        if match.route is None:
            code = "UnsupportedHttpVerb" if match.allowed else "ResourceNotFound"
            request.facts["allowed"] = match.allowed
            raise Refusal(code)
        auth.check_role(request.principal, request.method)
        return await match.route.handler(request, match.parameters)

    def refuse(self, request: Request, error: Exception) -> Response:
        """The refusal in the protocol's shape; a conditional read that found nothing new is a bare 304."""
        if isinstance(error, Unchanged):
            return Response(304)
        refusal = errors.refusal_of(error)
        if refusal.code == "NotImplemented":
            log.warning("not implemented", method=request.method, path=request.path, id=request.id, **refusal.values)
        vocabulary.in_words(refusal, request.query.get("api-version") or LATEST)
        status, shown = errors.body(refusal, request.id)
        metadata = f"{self._base(request)}/$metadata#{errors.METADATA}"
        headers = {"Content-Type": JSON}
        if status == 401:
            headers["WWW-Authenticate"] = auth.challenge(
                self._access.tenant, refused=isinstance(error, Unauthenticated)
            )
        if status == 405:
            headers["Allow"] = ", ".join(request.facts["allowed"])
        return Response(status, msgspec.json.encode({"odata.metadata": metadata, **shown}), headers)

    def finish(self, request: Request, response: Response) -> None:
        """The headers of every answer; the client's own id comes back when it asks for that."""
        headers = response.headers
        headers["request-id"] = request.id
        headers["Date"] = http_date(request.now)
        headers.update(_COMMON)
        if (request.headers.get("return-client-request-id") or "").lower() == "true":
            own = request.headers.get("client-request-id") or request.headers.get("x-ms-client-request-id")
            if own is not None:
                headers["client-request-id"] = own

    def host_account(self, host: str) -> str | None:
        """The account of `account.region.batch.<anything>`."""
        return auth.host_account(host)

    def _base(self, request: Request) -> str:
        return self._public_url or request.base_url


def _check_form(request: Request) -> None:
    """What no request can be without: a host, a verb of the protocol, the length of its body."""
    if not request.host:
        raise Refusal("HostInformationNotPresent")
    if request.method not in VERBS:
        raise Refusal("InvalidHttpVerb")
    has_length = request.content_length is not None or "transfer-encoding" in request.headers
    if request.method in WITH_BODY and not has_length:
        raise Refusal("MissingContentLengthHeader")


def _check_query(request: Request) -> None:
    """Refuse parameters of OData that the protocol does not have: nobody asks for an order in vain. NOTES section 5."""
    for name, (value, *_) in request.query.items():
        if name.startswith("$") and name not in ODATA:
            raise Refusal("UnsupportedQueryParameter", QueryParameterName=name, QueryParameterValue=value)


async def _within_time(operation: Operation, call: Call) -> Response:
    """Hold a reading operation to the time that the client gives it; a writing one is never cut in two."""
    seconds = timeout_of(call.request)
    short = seconds < LONGEST_TIMEOUT and call.request.method in {"GET", "HEAD"}
    async with asyncio.timeout(seconds) if short else contextlib.nullcontext():
        return await operation(call)
