"""The face: know the caller, find the operation, do it; and every refusal in the protocol's shape."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

from linarite.engine.access import Access
from linarite.engine.sharing import Place, Share, Sharing
from linarite.faces.azure_files import address as addresses
from linarite.faces.azure_files import cors, dispatch, newer, sources, xml
from linarite.faces.azure_files.address import Address
from linarite.faces.azure_files.authorisation import authenticate, check_allowed
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused, bad_header, bad_query, missing_header, translate
from linarite.faces.azure_files.versions import KNOWN, NEWEST, SETTLED, TOLD_SINCE
from linarite.http.dates import http_date
from linarite.http.messages import Request, Response
from linarite.http.numbers import parse_count
from linarite.http.xml import DECLARATION

SERVER = "Windows-Azure-File/1.0 Microsoft-HTTPAPI/2.0"
MAX_CLIENT_REQUEST_ID = 1024


class AzureFiles:
    """Implements `http.funnel.Face`."""

    name = "azure_files"

    def __init__(
        self, sharing: Sharing, access: Access, *, public_url: str | None = None, premium: Collection[str] = (),
        tells_md5: bool = True,
    ) -> None:  # fmt: skip
        """`public_url` stands in answers, and for this server in copy sources, instead of the address that was called.

        It has no account in it: `http://files.example.org:10004`. Shares of the accounts `premium` are of that tier
        from the start. `tells_md5`: of every body that is written, be it asked for or not.
        """
        self._sharing, self._access, self._premium = sharing, access, frozenset(premium)
        self._tells_md5 = tells_md5
        self._public_url = public_url.rstrip("/") if public_url else None
        own = urlsplit(self._public_url).hostname if self._public_url else None
        self._own_hosts: frozenset[str] = frozenset({own} if own else ())

    async def respond(self, request: Request) -> Response:
        """Do what a request asks for."""
        address = addresses.read_address(request)
        if request.method == "OPTIONS":
            return await cors.preflight(request, address.account, self._sharing.service)
        cross, exposed = await cors.told(request, address.account, self._sharing.service)
        if cross:
            request.facts["cors"], request.facts["exposed"] = cross, exposed
        request.facts["kind"] = "File" if address.path else "Share"
        version = _version(request)
        request.facts["version"] = version
        _check_timeout(request)
        call = Call(request, address, version, self._sharing)
        call.caller = await authenticate(request, address, self._access, await self._named_share(request, address))
        call.tells_md5 = self._tells_md5
        call.base_url = self._base_url(request, address)
        call.resolve = self._resolve
        call.is_premium = address.account in self._premium
        call.account_keys = partial(self._access.account_keys, address.account)
        operation = dispatch.find(call)
        call.newer = newer.unknown(version, operation.name)
        check_allowed(call, operation.letters, operation.kind, operation.owner)
        if operation.handler is None:
            raise Refused("UnsupportedQueryParameter")
        answer = await operation.handler(call)
        if version < SETTLED:
            _leave_out_newer(answer, version)
        return answer

    def refuse(self, request: Request, error: Exception) -> Response:
        """The refusal as this protocol writes it: a header with the code, and XML but for HEAD."""
        refused = translate(error, request.facts.get("kind", "File"))
        found = {"x-ms-error-code": refused.code, **refused.headers}
        if request.method == "HEAD" or refused.status == 304:
            return Response(refused.status, b"", found)
        time = datetime.fromtimestamp(request.now / 1_000_000, UTC)
        message = f"{refused.message}\nRequestId:{request.id}\nTime:{time:%Y-%m-%dT%H:%M:%S.%f}0Z"
        parts = [xml.element("Code", refused.code), xml.element("Message", message)]
        parts += [xml.element(name, text) for name, text in refused.detail.items()]
        found["Content-Type"] = "application/xml"
        return Response(refused.status, f"{DECLARATION}{xml.parent('Error', parts)}".encode(), found)

    def finish(self, request: Request, response: Response) -> None:
        """What every answer carries. Source: NOTES 2."""
        response.headers.update(
            {
                "Server": SERVER, "Date": http_date(request.now), "x-ms-request-id": request.id,
                "x-ms-version": request.facts.get("version", NEWEST), **request.facts.get("cors", {}),
            }
        )  # fmt: skip
        given = request.headers.get("x-ms-client-request-id")
        if given and len(given) <= MAX_CLIENT_REQUEST_ID and all("!" <= each <= "~" for each in given):
            response.headers["x-ms-client-request-id"] = request.facts["client_id"] = given
        if request.facts.get("exposed"):
            own = [name for name in response.headers if not name.startswith(("Access-Control-", "Vary"))]
            response.headers.update(cors.exposed(request.facts["exposed"], own))

    def host_account(self, host: str) -> str | None:
        """The account that a Host header names."""
        return addresses.host_account(host)

    async def _resolve(self, url: str, call: Call, letter: str) -> tuple[Place, str]:
        return await sources.resolve(url, call, self._access, self._own_hosts, letter=letter)

    async def _named_share(self, request: Request, address: Address) -> Share | None:
        """The addressed share, when a signature names one of its stored policies."""
        if "si" not in request.query or not address.share:
            return None
        return await self._sharing.shares.find(address.account, address.share)

    def _base_url(self, request: Request, address: Address) -> str:
        if address.is_host_style:
            return f"{request.base_url}/"
        return f"{self._public_url or request.base_url}/{address.account}/"


def _version(request: Request) -> str:
    """The version that a request is done by; a signature's own when no header names one."""
    given = request.headers.get("x-ms-version")
    version = given or request.query.get("sv")
    if version is None:
        raise missing_header("x-ms-version")
    if version not in KNOWN:
        if given is None:
            raise bad_query("sv", version, "Not a version of this service.")
        raise bad_header("x-ms-version", version)
    return version


def _leave_out_newer(answer: Response, version: str) -> None:
    """Older versions are not told what they do not know."""
    for name, since in TOLD_SINCE.items():
        if version < since:
            answer.headers.pop(name, None)


def _check_timeout(request: Request) -> None:
    text = request.query.get("timeout")
    if text is not None and parse_count(text) is None:
        raise bad_query("timeout", text, "Not a number of seconds.")
