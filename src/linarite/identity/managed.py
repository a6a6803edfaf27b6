"""The managed identity of development mode, as App Service offers one: tokens for DefaultAzureCredential.

`GET /msi/token?resource=...&api-version=2019-08-01` with the secret that the server tells at its start in the header
X-IDENTITY-HEADER. It is answered to this machine alone and never through a proxy. Source: Batch NOTES section 2; 'How
to use managed identities for App Service' on learn.microsoft.com.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from linarite.engine.model import SECOND, Role
from linarite.http.messages import Request, Response
from linarite.identity import accounts, issuing
from linarite.identity.private import kept

PATH = "/msi/token"
VERSION = "2019-08-01"
HOURS = 24.0


class ManagedIdentity:
    """Answers the requests for tokens."""

    def __init__(self, key: RSAPrivateKey, folder: Path) -> None:
        """`key` signs; the secret of the header lies in the folder, made at the first call. Raises OSError."""
        self._key = key
        self.header = kept(folder / "identity-header", lambda: secrets.token_hex(16).encode()).decode()

    def answer(self, request: Request) -> Response | None:
        """The answer to a request for a token, None for every other request."""
        if request.raw_path != PATH:
            return None
        if request.method != "GET":
            return _refusal(405, "A token is asked for by GET.", {"Allow": "GET"})
        if not _is_near(request):
            return _refusal(403, "Tokens are given to programs of this machine alone.")
        given = (request.headers.get("x-identity-header") or "").encode("latin-1")
        if not hmac.compare_digest(given, self.header.encode()):
            return _refusal(401, "X-IDENTITY-HEADER is not the value that this server told at its start.")
        return self._given(request)

    def _given(self, request: Request) -> Response:
        version, resource = request.query.get("api-version"), request.query.get("resource")
        if version != VERSION:
            return _refusal(400, f"api-version is {VERSION}.")
        if not resource or len(resource) > 2048:
            return _refusal(400, "resource is missing: it names whom the token is for.")
        client = request.query.get("client_id")
        if client is not None and not accounts.well_formed(client):
            return _refusal(400, "No Managed Identity found for specified ClientId: here it is an account's name.")
        return _granted(self._key, resource, client, request.now // SECOND)


def _granted(key: RSAPrivateKey, resource: str, account: str | None, now: int) -> Response:
    """A token for the account, or for any, whichever the request that bears it names."""
    token = issuing.token(key, resource, account, Role.ADMIN, HOURS, now)
    shown = {
        "access_token": token, "expires_on": str(now + int(HOURS * 3600)), "resource": resource,
        "token_type": "Bearer", "client_id": account or issuing.subject(account, Role.ADMIN),
    }  # fmt: skip
    headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
    return Response(200, msgspec.json.encode(shown), headers)


def _is_near(request: Request) -> bool:
    """Whether a program of this machine asks for itself."""
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.client).is_loopback
    except ValueError:
        return False


def _refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    shown = msgspec.json.encode({"statusCode": status, "message": message})
    return Response(status, shown, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})
