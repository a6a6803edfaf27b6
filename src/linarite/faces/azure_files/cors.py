"""What pages of other sites may ask for: preflight requests, and what answers tell a browser. Source: NOTES 11.

A preflight bears no signature: browsers send it by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from linarite.engine.sharing.service import CorsRule, Service, match, named
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
    if "*" not in rule.origins:
        found["Vary"] = "Origin"
    if text is not None:
        found["Access-Control-Allow-Headers"] = text
    return Response(200, b"", {**found, "Access-Control-Max-Age": str(rule.age)})


async def told(request: Request, account: str, service: Service) -> tuple[dict[str, str], tuple[str, ...]]:
    """What an answer tells the browser of a page, and which of its headers the page may read.

    Caches keep answers to GET and HEAD: where there are rules these say that they depend on who asks, unless all may;
    and who is no page is told then what a page would be. Source: "Cross-Origin Resource Sharing", "Vary header".
    """
    origin, reads = request.headers.get("origin"), request.method in {"GET", "HEAD"}
    if origin is None and not reads:
        return {}, ()
    rules = await service.rules(account, request.now)
    rule = match(rules, origin or "*", request.method)
    varies = {"Vary": "Origin"} if rules and reads else {}
    if rule is None or (origin is None and "*" not in rule.origins):
        return varies, ()
    return {**_allowed(rule, origin or "*"), **({} if "*" in rule.origins else varies)}, rule.exposed


def exposed(patterns: tuple[str, ...], names: Iterable[str]) -> dict[str, str]:
    """The header that names those of an answer which a page may read; a pattern stands for those that are there [R]."""
    plain = [each for each in patterns if not each.endswith("*")]
    there = [name for name in (*names, "Content-Length", "Date") if named(name, patterns)]
    found = {name.lower(): name for name in (*plain, *there)}
    return {"Access-Control-Expose-Headers": ",".join(found.values())} if found else {}


def _allowed(rule: CorsRule, origin: str) -> dict[str, str]:
    if "*" in rule.origins:
        return {"Access-Control-Allow-Origin": "*"}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
