"""Who calls, and whether they may: by SharedKey, SharedKeyLite, shared access signature or token. Source: NOTES 4."""

from __future__ import annotations

from collections.abc import Sequence

from linarite.engine.access import Access, Unauthenticated
from linarite.engine.errors import NotAllowed
from linarite.engine.sharing import Share
from linarite.faces.azure_files import delegation, sas
from linarite.faces.azure_files.address import Address
from linarite.faces.azure_files.call import LETTERS, Call, Caller
from linarite.faces.azure_files.errors import Refused, bad_header, missing_header
from linarite.faces.azure_files.versions import INTENT_SINCE
from linarite.http import storage_auth
from linarite.http.dates import parse_http_date
from linarite.http.messages import Request

AUDIENCE = "https://storage.azure.com"
AUTHORITY = "https://login.microsoftonline.com"
CREATE = "cw"
"""The letters of what makes a file: either will do for a new one, the second alone for one in place of another."""
_QUARTER = 15 * 60 * 1_000_000


async def authenticate(request: Request, address: Address, access: Access, share: Share | None) -> Caller:
    """The caller of a request. `share` is the addressed one, for the stored policies that a signature may name."""
    caller = await _recognise(request, address, access, share)
    await access.admit(address.account)
    return caller


async def _recognise(request: Request, address: Address, access: Access, share: Share | None) -> Caller:
    authorization = request.headers.get("authorization")
    if authorization is None:
        return await _by_signature(request, address, access, share, None)
    scheme, _, credentials = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        token = await _by_token(request, address, access, credentials.strip())
        delegated = "sig" in request.query and "sduoid" in request.query
        return await _by_signature(request, address, access, share, token) if delegated else token
    return await _by_key(request, address, access, scheme, credentials.strip())


def check_allowed(call: Call, letters: str, kind: str, owner: str) -> None:
    """Whether the caller may do an operation: any of `letters`, on a `kind` of resource (s, c, o).

    `owner` are the kinds of signatures that never do: it is the account's. Source: "SAS error codes".
    """
    caller = call.caller
    if caller.kind in owner.split():
        raise Refused("AuthorizationFailure")
    check_caller(caller, letters, kind)
    if letters == CREATE and kind == "o" and "w" not in caller.permissions:
        call.only_new = True


def check_caller(caller: Caller, letters: str, kind: str) -> None:
    """Whether a caller has any of `letters` on a `kind` of resource."""
    if kind not in caller.types:
        raise Refused("AuthorizationResourceTypeMismatch")
    if not set(letters) & set(caller.permissions):
        raise Refused("AuthorizationPermissionMismatch")


async def _by_key(request: Request, address: Address, access: Access, scheme: str, credentials: str) -> Caller:
    forms = {"sharedkey": storage_auth.shared_key_texts, "sharedkeylite": storage_auth.shared_key_lite_texts}
    account, separator, signature = credentials.partition(":")
    if scheme.lower() not in forms or not separator:
        raise Refused("InvalidAuthenticationInfo")
    _check_date(request)
    if account.lower() != address.account:
        raise sas.failed("The account of the signature is not the one that the address names.")
    keys = await access.account_keys(address.account)
    texts = list(
        forms[scheme.lower()](request.method, request.raw_path, request.query.raw, request.headers, address.account)
    )
    if not keys or not storage_auth.is_signed(signature, keys, texts):
        raise sas.failed(
            f"The MAC signature found in the HTTP request '{signature}' is not the same as any computed signature."
            f" Server used following string to sign: '{texts[0]}'."
        )
    return Caller(kind="owner")


def _check_date(request: Request) -> None:
    name = "x-ms-date" if "x-ms-date" in request.headers else "date"
    text = request.headers.get(name)
    if text is None:
        raise missing_header("x-ms-date")
    moment = parse_http_date(text)
    if moment is not None and moment < request.now - _QUARTER:
        raise sas.failed(f"Request date header too old: '{text}'")
    if moment is None or moment > request.now + _QUARTER:
        raise sas.failed(f"The date header in the request is incorrect: {name} is {text!r}.")


async def _by_signature(
    request: Request, address: Address, access: Access, share: Share | None, token: Caller | None
) -> Caller:
    """By a SAS; `token` is who bears the token that came with it."""
    if "sig" not in request.query:
        raise Refused("NoAuthenticationInformation", headers={"WWW-Authenticate": challenge(access)})
    fields = sas.fields_of(request.query.raw)
    keys = await access.account_keys(address.account)
    return check_signature(request, fields, address, keys, share, token)


def check_signature(
    request: Request, fields: dict[str, str], address: Address, keys: Sequence[bytes], share: Share | None,
    token: Caller | None = None,
) -> Caller:  # fmt: skip
    """A SAS of whatever kind; `share` is there for the stored policy that it may name."""
    sas.check_version(fields)
    if "ss" in fields and "sr" not in fields:
        return sas.check_account(request, fields, address, keys)
    if "sr" not in fields:
        raise sas.failed("sr is mandatory.")
    if "skoid" in fields:
        return delegation.check(request, fields, address, keys, token)
    return sas.check_service(request, fields, address, keys, share)


async def _by_token(request: Request, address: Address, access: Access, token: str) -> Caller:
    try:
        principal = await access.bearer(token, audiences(address.account), request.now, address.account)
    except Unauthenticated as error:
        raise Refused(
            "InvalidAuthenticationInfo", status=401, headers={"WWW-Authenticate": challenge(access)},
            AuthenticationErrorDetail=error.message,
        ) from error  # fmt: skip
    except NotAllowed as error:
        raise Refused("AuthorizationPermissionMismatch") from error
    version = request.facts["version"]
    if version < INTENT_SINCE:
        raise bad_header("x-ms-version", version)
    intent = request.headers.get("x-ms-file-request-intent")
    if intent is None and (request.query.get("comp") or "").lower() == "userdelegationkey":
        intent = "backup"  # clients send none for a key, which touches no file [T]
    if intent is None:
        raise missing_header("x-ms-file-request-intent")
    if intent.lower() != "backup":
        raise bad_header("x-ms-file-request-intent", intent)
    known = principal.facts
    facts = {
        "oid": str(known.get("oid", principal.name)), "tid": str(known.get("tid", access.tenant)),
        "role": principal.role.value,
    }  # fmt: skip
    return Caller(kind="bearer", permissions=LETTERS[principal.role], fields=facts)


def audiences(account: str) -> tuple[str, ...]:
    """Whom a token may be meant for: the service, or the account's own file service. Source: NOTES 4."""
    return AUDIENCE, f"https://{account}.file.core.windows.net"


def challenge(access: Access) -> str:
    """The WWW-Authenticate header of a 401. Clients take the tenant from its path, and ask there for another token."""
    return f"Bearer authorization_uri={AUTHORITY}/{access.tenant}/oauth2/authorize resource_id={AUDIENCE}"
