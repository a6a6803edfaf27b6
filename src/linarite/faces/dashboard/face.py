"""The dashboard as a face of the funnel: GET / and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from linarite.engine.core import Engine
from linarite.engine.errors import Unavailable
from linarite.faces.dashboard.counting import totals
from linarite.faces.dashboard.page import page
from linarite.http.messages import Request, Response

SAFE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Dashboard:
    """Implements `http.funnel.Face`."""

    name = "dashboard"

    def __init__(self, engine: Engine, addresses: Mapping[str, str], *, development: bool) -> None:
        """`addresses` are those of all faces, by name."""
        self._engine, self._addresses, self._development = engine, addresses, development

    async def respond(self, request: Request) -> Response:
        if request.raw_path != "/":
            return _text(404, "There is nothing here. The dashboard is at /.")
        if request.method not in {"GET", "HEAD"}:
            refusal = _text(405, "The dashboard can be read only.")
            refusal.headers["Allow"] = "GET, HEAD"
            return refusal
        html = page(await self._engine.ask(totals), self._addresses, development=self._development)
        return Response(200, html.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def refuse(self, request: Request, error: Exception) -> Response:
        if isinstance(error, Unavailable):
            return _text(503, "The server cannot answer just now.")
        return _text(500, f"Something went wrong here; the log tells what under {request.id}.")

    def finish(self, request: Request, response: Response) -> None:
        response.headers.update(SAFE)

    def host_account(self, host: str) -> str | None:
        return None


def _text(status: int, sentence: str) -> Response:
    return Response(status, f"{sentence}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})
