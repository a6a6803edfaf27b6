"""Which version a request asks for. Source: Get Job, api-version and CCP_Version; NOTES 2.

The api-version header beats the query parameter of that name; CCP_Version, or no version at all, is the oldest service.
"""

from __future__ import annotations

from linarite.faces.hpc_pack.errors import NO_CODE, Refusal, bad
from linarite.http.messages import Request

CLASSIC = ("2011-11-01", "2012-03-31.3.4", "2012-11-01.4.0")
LATER = ("2016-11-01.5.0", "2016-11-01.5.3", "2020-01-01.6.0")
KNOWN = frozenset((*CLASSIC, *LATER))
WITH_FILTER = "2012-11-01"


def asked(request: Request) -> str | None:
    """The api-version as asked, header first; None when there is none."""
    version = request.headers.get("api-version")
    return request.query.get("api-version") if version is None else version


def is_old(request: Request) -> bool:
    """Tell whether errors are answered in the shape of the oldest service, a bare string."""
    return asked(request) is None or "ccp_version" in request.headers


def check(request: Request, *, required: bool) -> None:
    """Refuse an api-version that never was, and none at all where the operation wants one."""
    version = asked(request)
    if version is None:
        if required:
            raise bad(NO_CODE, "This operation needs an api-version, as a header or as a query parameter.")
        return
    if version.strip() not in KNOWN:
        raise bad(NO_CODE, f"The api-version {version[:64]!r} is not known; known are {', '.join(sorted(KNOWN))}.")


def no_filter(request: Request) -> Refusal | None:
    """The refusal of a $filter on the classic surface, when the version is too old for it."""
    version = asked(request)
    if version is not None and version >= WITH_FILTER:
        return None
    return bad(NO_CODE, "$filter needs api-version 2012-11-01.4.0 or later.")
