"""Who calls: Basic, a ticket, a bearer token, or a session's cookie together with its X-XSRF-TOKEN.

Tickets, tokens and cookies are documents of the store: kind `superoffice-session`, named by the SHA-256 of the secret
as the caller sends it (`7T:...`, `8A:Tenant....`, the cookie's value), so that the store gives no secret away. A
session ends six hours after its last use. Source: SuperOffice NOTES section 7.
"""

from __future__ import annotations

import hashlib
import hmac

from linarite.engine.access import Access, Principal, Unauthenticated, User
from linarite.engine.core import Engine
from linarite.engine.ledger import Ledger
from linarite.engine.model import MINUTE
from linarite.http.basic import credentials
from linarite.http.messages import Request

KIND = "superoffice-session"
LIFETIME = 6 * 60 * MINUTE
"""How long a session lives from its last use, in microseconds."""

COOKIE = "SOSESSION"
XSRF_COOKIE = "XSRF-TOKEN"
XSRF_HEADER = "x-xsrf-token"
TICKET, BEARER, COOKIE_KIND = "ticket", "bearer", "cookie"


def session_name(secret: str) -> str:
    """The document's name of a session: the SHA-256 of the secret, in hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class Callers:
    """Recognises callers. Raises Unauthenticated; what was wrong about a secret is never told."""

    def __init__(self, engine: Engine, access: Access) -> None:
        self._engine, self._access = engine, access

    async def recognise(self, request: Request) -> Principal:
        """The caller of a request."""
        header = request.headers.get("authorization")
        if header is None:
            return await self._by_cookie(request)
        scheme, _, credential = header.strip().partition(" ")
        match scheme.lower():
            case "basic":
                return await self._by_password(header)
            case "soticket":
                return await self._by_session(credential.strip(), TICKET, request.now)
            case "bearer":
                return await self._by_session(credential.strip(), BEARER, request.now)
        raise Unauthenticated(f"The authorization scheme {scheme!r} is not supported.")

    async def _by_password(self, header: str) -> Principal:
        found = credentials(header.strip())
        if found is None:
            raise Unauthenticated("The Basic credentials cannot be read.")
        user = await self._access.password(*found)
        if user is None:
            raise Unauthenticated("Unknown user name or wrong password.")
        return _principal(user, "basic")

    async def _by_cookie(self, request: Request) -> Principal:
        cookies = _cookies(request.headers.get("cookie") or "")
        secret = cookies.get(COOKIE)
        if not secret:
            raise Unauthenticated("No Authorization header and no session.")
        sent, kept = request.headers.get(XSRF_HEADER), cookies.get(XSRF_COOKIE)
        if not sent or not kept or not _same(sent, kept):
            raise Unauthenticated("The X-XSRF-TOKEN header is missing or differs from the cookie XSRF-TOKEN.")
        return await self._by_session(secret, COOKIE_KIND, request.now, sent)

    async def _by_session(self, secret: str, kind: str, now: int, xsrf: str | None = None) -> Principal:
        name = session_name(secret)
        session = await self._engine.ask(lambda tx: tx.documents.get(KIND, name, now)) if secret else None
        if session is None or session["kind"] != kind:
            raise Unauthenticated("The session is unknown or has ended.")
        if kind == COOKIE_KIND and not _same(xsrf or "", session["xsrf"] or ""):
            raise Unauthenticated("The X-XSRF-TOKEN header is not the session's.")
        user = await self._access.user(session["user"])
        if user is None:
            raise Unauthenticated("The session's user is gone.")
        if now - session.get("used", 0) > MINUTE:
            await self._engine.do(_use, name, now, who=user.name)
        return _principal(user, kind)


def _use(u: Ledger, name: str, now: int) -> None:
    """Let a session live on; written at most once a minute."""
    session = u.tx.documents.get(KIND, name, now)
    if session is not None:
        u.tx.documents.put(KIND, name, session | {"used": now}, now + LIFETIME)


def _principal(user: User, scheme: str) -> Principal:
    return Principal(account=user.account, name=user.name, role=user.role, scheme=scheme, facts={"number": user.number})


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _cookies(header: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name.upper(): value.strip('"') for name, _, value in pairs if name}
