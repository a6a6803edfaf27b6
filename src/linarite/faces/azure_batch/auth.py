"""Who calls: SharedKey with an account's key, or a bearer token. Source: Batch NOTES section 2."""

from __future__ import annotations

from linarite.engine.access import Access, Principal
from linarite.engine.model import MINUTE, Role
from linarite.faces.azure_batch.errors import Refusal
from linarite.http.batch_auth import is_signed, texts_to_sign
from linarite.http.dates import parse_http_date
from linarite.http.messages import Request

SKEW = 15 * MINUTE
AUDIENCES = ("https://batch.core.windows.net/",)
AUTHORITY = "https://login.microsoftonline.com"


def host_account(host: str) -> str | None:
    """The account that a host name has the shape of: `account.region.batch.<anything>`."""
    labels = host.partition(":")[0].lower().split(".")
    return labels[0] if len(labels) > 3 and labels[2] == "batch" and labels[0] else None


async def authenticate(access: Access, request: Request) -> Principal:
    """The caller. Refusal AuthenticationFailed, InvalidAuthenticationInfo; for a token Unauthenticated, NotAllowed."""
    header = request.headers.get("authorization") or ""
    scheme, _, credential = header.partition(" ")
    if scheme.lower() == "sharedkey":
        return await _shared_key(access, request, credential.strip())
    if scheme.lower() == "bearer":
        return await _bearer(access, request, credential.strip())
    reason = "The Authorization header has no scheme of this service: SharedKey or Bearer."
    raise Refusal("InvalidAuthenticationInfo", AuthenticationErrorDetail=reason)


async def _shared_key(access: Access, request: Request, credential: str) -> Principal:
    account, _, given = credential.partition(":")
    if not account or not given:
        reason = "SharedKey is followed by the account, a colon and the signature."
        raise Refusal("InvalidAuthenticationInfo", AuthenticationErrorDetail=reason)
    _check_date(request)
    length = request.content_length
    texts = texts_to_sign(
        request.method, request.raw_path, request.query, request.headers, account,
        empty_body=not length and "transfer-encoding" not in request.headers,
    )  # fmt: skip
    keys = await access.account_keys(account.lower())
    first = next(texts)
    if not is_signed(given, keys, (first,)) and not is_signed(given, keys, texts):
        raise Refusal("AuthenticationFailed", AuthenticationErrorDetail=_mismatch(given, first))
    await access.admit(account.lower())
    return Principal(account=account.lower(), name=account.lower(), role=Role.ADMIN, scheme="SharedKey")


def _mismatch(given: str, text: str) -> str:
    return (
        f"The MAC signature found in the HTTP request '{given}' is not the same as any computed signature. "
        f"Server used following string to sign: '{text}'."
    )


def _check_date(request: Request) -> None:
    """A signed request bears a date at most 15 minutes off."""
    name = "ocp-date" if "ocp-date" in request.headers else "date"
    moment = parse_http_date(request.headers.get(name) or "")
    if moment is None:
        reason = "The request has no ocp-date or Date header that is a date of RFC 1123."
    elif abs(moment - request.now) > SKEW:
        reason = "The date of the request is more than 15 minutes away from the server's time."
    else:
        return
    raise Refusal("AuthenticationFailed", AuthenticationErrorDetail=reason)


async def _bearer(access: Access, request: Request, token: str) -> Principal:
    if not token:
        raise Refusal("InvalidAuthenticationInfo", AuthenticationErrorDetail="Bearer is followed by the token.")
    return await access.bearer(token, AUDIENCES, request.now, host_account(request.host))


def check_role(principal: Principal, method: str) -> None:
    """Reading takes any role, everything else one that may write."""
    if principal.role is Role.READ and method not in {"GET", "HEAD"}:
        raise Refusal("InsufficientAccountPermissions", Reason="The caller may read only.")


def check_job(principal: Principal, job: str | None) -> None:
    """A token that was made for one job reaches that job and what is in it alone."""
    if principal.job is not None and principal.job.lower() != (job or "").lower():
        raise Refusal("InsufficientAccountPermissions", Reason="The token is limited to another job.")


def challenge(tenant: str, *, refused: bool) -> str:
    """The WWW-Authenticate header of a 401; `refused` tells that a token was there. It asks for no other claims."""
    where = f'Bearer authorization_uri="{AUTHORITY}/{tenant}/oauth2/authorize", resource_id="{AUDIENCES[0]}"'
    return f'{where}, error="invalid_token"' if refused else where
