"""The file that a copy, a rename or a Put Range from URL names by its URL, and whether the caller may read it."""

from __future__ import annotations

from urllib.parse import urlsplit

from linarite.engine.access import Access, Unauthenticated
from linarite.engine.errors import NotAllowed
from linarite.engine.sharing import Place
from linarite.engine.sharing.elsewhere import Origin, Unverified
from linarite.faces.azure_files import sas
from linarite.faces.azure_files.address import Address, host_account, parse
from linarite.faces.azure_files.authorisation import audiences, check_caller, check_signature
from linarite.faces.azure_files.call import LETTERS, Call, log
from linarite.faces.azure_files.errors import Refused, bad_header
from linarite.http.storage_auth import parse_query

_LOCAL = {"localhost", "127.0.0.1", "::1"}


async def resolve(
    url: str, call: Call, access: Access, own_hosts: frozenset[str], *, letter: str = "r"
) -> tuple[Place, str]:
    """The place and path of a source on this server. Refused when it is elsewhere or the caller has no right to it.

    `letter` is that right: to read what is copied, to write what is renamed, which is gone from there.
    """
    address, query = _address(url, call, own_hosts)
    await _check_right(call, address, query, (access, letter))
    return address.place, address.path


def elsewhere(url: str, call: Call) -> Origin | None:
    """A source on another server that the settings name, None when it is on this one or on none of those.

    What the request calls this server is this server, and so is its public URL, whatever the settings say.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise bad_header("x-ms-copy-source", url) from error
    if "@" in parts.netloc:
        raise bad_header("x-ms-copy-source", url)
    own = {call.request.host.lower(), urlsplit(call.base_url).netloc.lower()}
    if parts.netloc.lower() in own or not call.elsewhere.allows(url):
        return None
    return Origin(url=url.partition("#")[0], headers=_passed_on(call))


def _passed_on(call: Call) -> dict[str, str]:
    """The token that a request brings for its source, and what the source's server reads with it."""
    given = call.header("x-ms-copy-source-authorization")
    if given is None:
        return {}
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer" or not all("!" <= each <= "~" for each in token.strip()):
        raise unverified(401, "InvalidAuthenticationInfo", "Only bearer tokens are accepted for a copy source.")
    intent = call.header("x-ms-file-request-intent")
    found = {"Authorization": f"Bearer {token.strip()}", "x-ms-version": call.version}
    return {**found, "x-ms-file-request-intent": "backup"} if (intent or "").lower() == "backup" else found


def told(error: Unverified) -> Refused:
    """The refusal of a source elsewhere."""
    return unverified(error.status, error.code, error.message)


def require_authorisation(url: str, call: Call) -> None:
    """Refuse a source that brings no right of its own: Put Range from URL does not read by the caller's [T]."""
    fields = parse_query(url.partition("?")[2])
    if "sig" not in fields and call.header("x-ms-copy-source-authorization") is None:
        raise unverified(401, "NoAuthenticationInformation")


def _address(url: str, call: Call, own_hosts: frozenset[str]) -> tuple[Address, str]:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError as error:
        raise bad_header("x-ms-copy-source", url) from error
    if parts.scheme not in {"http", "https"} or not host:
        raise bad_header("x-ms-copy-source", url)
    own = {call.request.host.rpartition(":")[0] or call.request.host, call.request.host, *own_hosts, *_LOCAL}
    if host_account(host) is None and host not in own:
        log.warning("a copy source is on a server that the setting copy_sources does not name", host=host[:255])
        raise unverified(404, "ResourceNotFound", "The copy source is not on this server.")
    snapshot = (parse_query(parts.query).get("sharesnapshot") or [""])[0]
    keep_dots = call.flag("x-ms-source-allow-trailing-dot")
    raw_path = parts.path.encode().decode("latin-1")
    return parse(host, raw_path, snapshot, keep_dots=keep_dots), parts.query


async def _check_right(call: Call, address: Address, query: str, wanted: tuple[Access, str]) -> None:
    given = call.header("x-ms-copy-source-authorization")
    if "sig" in parse_query(query):
        await _check_signature(call, address, query, wanted)
    elif given is not None:
        await _check_token(call, address, given, wanted)
    elif call.caller.kind not in {"owner", "bearer"} or address.account != call.address.account:
        raise unverified(401, "NoAuthenticationInformation")


async def _check_signature(call: Call, address: Address, query: str, wanted: tuple[Access, str]) -> None:
    """By a signature in the source's own address: for files, and for what is done to this one."""
    access, letter = wanted
    keys = await access.account_keys(address.account)
    try:
        fields = sas.fields_of(query)
        share = await call.shares.find(address.account, address.share) if fields.get("si") else None
        caller = check_signature(call.request, fields, address, keys, share)
        check_caller(caller, letter, "o")
    except Refused as error:
        raise unverified(error.status, error.code, error.message) from error


async def _check_token(call: Call, address: Address, given: str, wanted: tuple[Access, str]) -> None:
    """The token has to be good for the source's own account, and its role for what is done."""
    access, letter = wanted
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer":
        raise unverified(401, "InvalidAuthenticationInfo", "Only bearer tokens are accepted for a copy source.")
    try:
        principal = await access.bearer(token.strip(), audiences(address.account), call.now, address.account)
    except Unauthenticated as error:
        raise unverified(401, "InvalidAuthenticationInfo", error.message) from error
    except NotAllowed as error:
        raise unverified(403, "AuthorizationPermissionMismatch") from error
    if letter not in LETTERS[principal.role]:
        raise unverified(403, "AuthorizationPermissionMismatch")


def unverified(status: int, code: str, message: str = "") -> Refused:
    """The refusal that tells how the source refused."""
    headers = {"x-ms-copy-source-status-code": str(status), "x-ms-copy-source-error-code": code}
    return Refused(
        "CannotVerifyCopySource", message, status=status, headers=headers, CopySourceStatusCode=str(status),
        CopySourceErrorCode=code, CopySourceErrorMessage=message or code,
    )  # fmt: skip
