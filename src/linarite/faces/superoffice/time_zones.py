"""GET TimeZone: the codes that SO-TimeZone takes. Source: Swagger-v1-TimeZone; SuperOffice NOTES sections 7 and 10."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from linarite.faces.superoffice.call import Call, route
from linarite.faces.superoffice.reading import Given, InvalidColumn
from linarite.faces.superoffice.zones import places
from linarite.http.messages import Response
from linarite.http.routing import Route

FIXED = ("PrimaryKey", "EntityName")


def routes(prefix: str, base_url: Callable[[Call], str]) -> list[Route]:
    """The list's address."""
    path = f"{prefix}/api/v1/TimeZone"

    async def list_zones(call: Call) -> Response:
        query = Given({name.lstrip("$"): values[0] for name, values in call.request.query.items()})
        for refused in ("filter", "orderby"):
            if query.text(refused, 8000):
                raise InvalidColumn(f"The list of time zones takes no ${refused}.")
        found = places()
        skip = max(query.integer("skip", 0), 0)
        end = skip + max(query.integer("top", len(found)), 0)
        select = query.text("select", 8000) or ""
        names = _names(select)
        url, kept = base_url(call) + path, f"$select={quote(select)}&" if select else ""
        value = {
            "odata.metadata": f"{url}/$metadata",
            "odata.nextLink": f"{url}?{kept}$top={end - skip}&$skip={end}" if skip < end < len(found) else None,
            "value": [{name: row[name] for name in names} for row in found[skip:end]],
        }
        return call.answer(value, "ODataResponse")

    return [route("GET", path, "v1TimeZone_GetTimeZonesArchive", list_zones)]


def _names(select: str) -> list[str]:
    known = {name.lower(): name for name in places()[0]}
    wanted = [name.strip().lower() for name in select.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise InvalidColumn(f"The list of time zones has no column {name!r}.")
    return list(dict.fromkeys((*FIXED, *(known[name] for name in wanted)))) if wanted else list(known.values())
