"""What pages of other sites may ask for: preflight requests, and what answers tell a browser. Source: NOTES 11.

A preflight bears no signature: browsers send it by themselves.
"""

from __future__ import annotations

from linarite.engine.sharing.service import CorsRule, Service, match
from linarite.faces.azure_files.errors import Refused, missing_header
from linarite.http.messages import Request, Response


async def preflight(request: Request, account: str, service: Service) -> Response:
    """Whether a page may make a request, as its browser asks first."""
    origin, method = (request.headers.get(name) for name in ("origin", "access-control-request-method"))
    if not origin or not method:
        raise missing_header("Origin" if not origin else "Access-Control-Request-Method")
    text = request.headers.get("access-control-request-headers")
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    rule = match((await service.properties(account)).cors, origin, method, names)
    if rule is None:
        raise Refused("CorsPreflightFailure")
    found = {**_allowed(rule, origin), "Access-Control-Allow-Methods": method}
    if text is not None:
        found["Access-Control-Allow-Headers"] = text
    return Response(200, b"", {**found, "Access-Control-Max-Age": str(rule.age)})


async def told(request: Request, account: str, service: Service) -> dict[str, str]:
    """What the answer to a page's request tells its browser; where there are rules, that it depends on who asks."""
    origin = request.headers.get("origin")
    if origin is None:
        return {}
    rules = (await service.properties(account)).cors
    rule = match(rules, origin, request.method)
    if rule is None:
        return {"Vary": "Origin"} if rules else {}
    found = _allowed(rule, origin)
    if rule.exposed:
        found["Access-Control-Expose-Headers"] = ",".join(rule.exposed)
    return found


def _allowed(rule: CorsRule, origin: str) -> dict[str, str]:
    if "*" in rule.origins:
        return {"Access-Control-Allow-Origin": "*"}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}
