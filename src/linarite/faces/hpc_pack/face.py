"""The HPC Pack face: which surface, who calls, which operation, and the answer in the shape that was asked for."""

from __future__ import annotations

from urllib.parse import urlsplit

from linarite.engine.access import Access
from linarite.engine.core import Engine
from linarite.faces.hpc_pack import callers, render, routes, versions
from linarite.faces.hpc_pack.calls import Call, Service
from linarite.faces.hpc_pack.errors import NO_CODE, Refusal, translate
from linarite.http.messages import Request, Response
from linarite.http.routing import Match, Route, Router


class HpcPack:
    """Implements `http.funnel.Face`.

    `cluster` is the name that clients see; another one in their paths is served all the same. `default_pool` takes the
    jobs that name no pool; without it that is the account's first active pool. `public_url` names the head node.
    """

    name = "hpc_pack"

    def __init__(
        self, engine: Engine, access: Access, *, public_url: str | None = None, cluster: str = "LINARITE",
        default_pool: str | None = None,
    ) -> None:  # fmt: skip
        self._access, self._cluster = access, cluster
        head = urlsplit(public_url).hostname if public_url else None
        self._service = Service(engine, cluster, head or cluster, default_pool)
        self._router = Router([self._route(*entry) for entry in (*routes.classic(), *routes.json())], ignore_case=True)

    def _route(self, pattern: str, row: routes.Row) -> Route:
        async def handle(request: Request, parameters: dict[str, str]) -> Response:
            json = is_json(request)
            versions.check(request, required=row.versioned and not json)
            caller = await callers.known(request, self._access, may_impersonate=json)
            answer = await row.operation(Call(self._service, request, parameters, caller, json=json))
            if not json or wants_xml(request):
                return render.answer_xml(answer, nothing=204 if json else 200)
            return render.answer_json(answer)

        return Route(row.method, pattern, handle, row.name)

    async def respond(self, request: Request) -> Response:
        """Know the operation, then the caller, and do it."""
        match = self._router.match(request.method, request.raw_path)
        cluster = match.parameters.get("cluster", "")
        if match.route is None or cluster.lower() in routes.RESOURCES:
            await callers.known(request, self._access, may_impersonate=False)
            raise _nowhere(match)
        request.facts["operation"] = match.route.name
        return await match.route.handler(request, match.parameters)

    def refuse(self, request: Request, error: Exception) -> Response:
        """The refusal in the shape of the surface and of the version asked for."""
        refusal = translate(error)
        if is_json(request) and not wants_xml(request):
            response = render.refusal_json(refusal)
        elif not is_json(request) and versions.is_old(request):
            response = render.refusal_string(refusal)
        else:
            response = render.refusal_fault(refusal)
        if refusal.status == 401:
            response.headers["WWW-Authenticate"] = f'Basic realm="{self._cluster}", charset="UTF-8"'
        if isinstance(refusal, WrongMethod):
            response.headers["Allow"] = ", ".join(refusal.allowed)
        return response

    def finish(self, request: Request, response: Response) -> None:
        """No header is common to all answers: on premises, x-ms-hpc-authoritychain is left out."""

    def host_account(self, host: str) -> str | None:
        """No Host names an account here."""
        return None


class WrongMethod(Refusal):
    """The path is there, for other methods."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(405, NO_CODE, f"The method is not allowed here; {', '.join(allowed)} would be.")
        self.allowed = allowed


def _nowhere(match: Match) -> Refusal:
    if match.route is None and match.allowed:
        return WrongMethod(match.allowed)
    return Refusal(404, NO_CODE, "There is nothing at this address.")


def is_json(request: Request) -> bool:
    """Tell whether the request came to the surface under /hpc."""
    return request.raw_path.lower().startswith("/hpc/")


def wants_xml(request: Request) -> bool:
    """Tell whether the JSON surface was asked for XML."""
    accept = (request.headers.get("accept") or "").lower()
    return "xml" in accept and "json" not in accept and "html" not in accept
