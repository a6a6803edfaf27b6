"""Applications: list and get. They are put there by the command line tool, as the service's are by its manager."""

from __future__ import annotations

from typing import Any

from linarite.engine import applications
from linarite.engine.applications import Application
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.operations.lists import next_link, number_of, page_size, position
from linarite.http.messages import Response


def _shown(application: Application) -> dict[str, Any]:
    return {
        "id": application.id,
        "displayName": application.display_name or application.id,
        "versions": list(application.versions),
    }


async def list_applications(call: Call) -> Response:
    """Applications_ListApplications: only those that have a version, as the reference says of them."""
    size, start = page_size(call), number_of(position(call))
    now = call.engine.clock.now()
    every = await call.engine.ask(lambda tx: applications.everyone(tx, call.account, now))
    found = [_shown(one) for one in every if one.versions]
    link = next_link(call, str(start + size)) if len(found) > start + size else None
    return call.many("applicationsummaries", found[start : start + size], link)


async def get_application(call: Call) -> Response:
    """Applications_GetApplication."""
    now = call.engine.clock.now()
    found = await call.engine.ask(lambda tx: applications.get(tx, call.account, call.parameters["applicationId"], now))
    return call.one("applicationsummaries", _shown(found))
