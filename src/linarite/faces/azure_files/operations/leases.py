"""Leases on files and on shares. Source: NOTES 10."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from linarite.engine.sharing import leases
from linarite.engine.sharing.leases import Change
from linarite.faces.azure_files import headers
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import bad_header, missing_header
from linarite.http.messages import Response

STATUS: Mapping[str, int] = {"acquire": 201, "renew": 200, "change": 200, "release": 200, "break": 202}


async def lease_file(call: Call) -> Response:
    """Acquire, change, release or break; a file's lease has no end and breaks at once."""
    action = _action(call, set(STATUS) - {"renew"})
    change = _release(call) if action == "release" else _change(call, action, for_file=True)
    view, told = await call.files.set_lease(call.place, call.path, change)
    return Response(STATUS[action], b"", {**headers.tags(view), **_told(action, view.facts.lease, told)})


async def lease_share(call: Call) -> Response:
    """Acquire, renew, change, release or break."""
    action = _action(call, set(STATUS))
    change = _release(call) if action == "release" else _change(call, action, for_file=False)
    share, told = await call.shares.set_lease(call.place, change)
    return Response(STATUS[action], b"", {**headers.share_tags(share), **_told(action, share.lease, told)})


def _action(call: Call, known: set[str]) -> str:
    action = call.required("x-ms-lease-action")
    if action.lower() not in known:
        raise bad_header("x-ms-lease-action", action)
    return action.lower()


def _release(call: Call) -> Change:
    given = _own(call)
    return lambda lease: (leases.release(lease, given, call.now), 0)


def _change(call: Call, action: str, *, for_file: bool) -> Change:
    """The engine's rule for an action, with what the request says filled in."""
    if action == "acquire":
        duration = _duration(call, for_file=for_file)
        proposed = call.lease("x-ms-proposed-lease-id") or str(uuid.uuid4())
        return lambda lease: (leases.acquire(lease, proposed, duration, call.now), 0)
    if action == "break":
        period = 0 if for_file else call.number("x-ms-lease-break-period", 0, 60)
        return lambda lease: leases.break_(lease, period, call.now)
    given = _own(call)
    if action == "renew":
        return lambda lease: (leases.renew(lease, given, call.now), 0)
    wanted = call.lease("x-ms-proposed-lease-id")
    if wanted is None:
        raise missing_header("x-ms-proposed-lease-id")
    return lambda lease: (leases.change(lease, given, wanted, call.now), 0)


def _own(call: Call) -> str:
    given = call.lease("x-ms-lease-id")
    if given is None:
        raise missing_header("x-ms-lease-id")
    return given


def _duration(call: Call, *, for_file: bool) -> int:
    """Seconds, or -1; a file's is -1 always."""
    seconds = call.number("x-ms-lease-duration", -1, 60)
    seconds = -1 if seconds is None else seconds
    if seconds != leases.INFINITE and (for_file or seconds < 15):
        raise bad_header("x-ms-lease-duration", str(seconds))
    return seconds


def _told(action: str, lease: leases.Lease, seconds: int) -> dict[str, str]:
    if action == "release":
        return {}
    if action == "break":
        return {"x-ms-lease-time": str(seconds)}
    return {"x-ms-lease-id": lease.id or ""}
