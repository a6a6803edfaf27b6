"""What the service tells everybody of itself: version and operations. Source: SuperOffice NOTES section 10."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from linarite import __version__
from linarite.faces.superoffice.call import Call, route
from linarite.http.messages import Response
from linarite.http.routing import Route

SERVICES = ("BatchTask", "Archive", "TimeZone", "Agents/Batch", "Agents/Archive")


def routes(prefix: str, others: Sequence[Route], base_url: Callable[[Call], str]) -> list[Route]:
    """The two addresses; `others` are the operations that they tell of."""

    async def service(call: Call) -> Response:
        value = {
            "Version": "v1",
            "NetServerVersion": __version__,
            "NetServerAssembly": "linarite",
            "NetServerDate": "",
            "NetServer": f"linarite {__version__}",
            "NetServerLabel": "linarite",
            "Services": {name: f"{base_url(call)}{prefix}/api/v1/{name}" for name in SERVICES},
        }
        return call.answer(value, "ApiVersion")

    async def operations(call: Call) -> Response:
        found = dict[str, dict[str, str]]()
        for other in others:
            found.setdefault(base_url(call) + other.pattern, {})[other.method] = other.name
        return call.answer(found, "Operations")

    return [
        route("GET", f"{prefix}/api", "Api", service, public=True),
        route("GET", f"{prefix}/api/v1", "ApiV1", operations, public=True),
    ]
