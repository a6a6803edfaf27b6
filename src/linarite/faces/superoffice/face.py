"""SuperOffice's BatchTask under the request funnel: the caller, the table of routes, refusals in the two shapes."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from linarite.engine.access import Access
from linarite.engine.core import Engine
from linarite.engine.errors import EngineError
from linarite.faces.superoffice import agent, archive, discovery, resource, time_zones
from linarite.faces.superoffice.call import Call
from linarite.faces.superoffice.definitions import Definition
from linarite.faces.superoffice.errors import RequestRefused, refusal
from linarite.faces.superoffice.presentation import Presentation, media_type, presentation
from linarite.faces.superoffice.sessions import Callers
from linarite.faces.superoffice.tasks import BatchTasks
from linarite.faces.superoffice.writing import answer
from linarite.http.messages import Request, Response
from linarite.http.routing import Route, Router

log = structlog.get_logger("linarite.superoffice")


class SuperOffice:
    """Implements `http.funnel.Face`."""

    name = "superoffice"

    def __init__(
        self, engine: Engine, access: Access, *, public_url: str | None = None, prefix: str = "",
        definitions: Mapping[str, Definition] = {},
    ) -> None:  # fmt: skip
        """`public_url` stands in links instead of the request's own host; `prefix` comes before /api (`/Cust12345`)."""
        self._callers = Callers(engine, access)
        self._public_url = public_url.rstrip("/") if public_url else None
        prefix = "/" + prefix.strip("/") if prefix.strip("/") else ""
        tasks = BatchTasks(engine, access, definitions)
        rows = [
            *resource.routes(prefix, tasks), *agent.routes(prefix, tasks),
            *archive.routes(prefix, tasks, self._base_url), *time_zones.routes(prefix, self._base_url),
        ]  # fmt: skip
        self.routes: list[Route] = [*rows, *discovery.routes(prefix, rows, self._base_url)]
        self._router = Router(self.routes, ignore_case=True)

    def _base_url(self, call: Call) -> str:
        return self._public_url or call.request.base_url

    async def respond(self, request: Request) -> Response:
        """Know the caller, find the operation, do it. Refusals are raised."""
        match = self._router.match(request.method, request.raw_path)
        route = match.route
        if route is None:
            raise _nowhere(request, match.allowed)
        if not route.facts.get("public"):
            request.principal = await self._callers.recognise(request)
        request.facts["presentation"] = presentation(request)
        return await route.handler(request, match.parameters)

    def refuse(self, request: Request, error: Exception) -> Response:
        """The refusal in the shape of the protocol, JSON or XML by Accept."""
        status, value = refusal(error)
        if isinstance(error, EngineError):
            log.info("refused", status=status, why=error.message, path=request.path, id=request.id)
        response = answer(Presentation(media=media_type(request)), value, "Error", status)
        if status == 401:
            response.headers["WWW-Authenticate"] = 'Basic realm="SuperOffice", charset="UTF-8"'
        if isinstance(error, RequestRefused) and error.allowed:
            response.headers["Allow"] = ", ".join(error.allowed)
        return response

    def finish(self, request: Request, response: Response) -> None:
        """No answer of this service may be kept by a cache: each depends on its caller."""
        response.headers.setdefault("Cache-Control", "no-store")

    def host_account(self, host: str) -> str | None:
        """A Host header never names an account here."""
        return None


def _nowhere(request: Request, allowed: tuple[str, ...]) -> RequestRefused:
    if allowed:
        return RequestRefused(405, f"{request.method} is not supported for {request.path}.", allowed)
    return RequestRefused(404, f"There is no operation at {request.path}.")
