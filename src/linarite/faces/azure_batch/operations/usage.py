"""Pool usage metrics: core hours of pools in intervals of half an hour, from the times in which nodes were there.

An interval is told of two hours after its end. Without times it is the last one. A pool without nodes in an interval
has no entry there. Source: PoolListUsageMetrics, its parameters and its example.
"""

from __future__ import annotations

from typing import Any

from linarite.engine.filtering import Listed
from linarite.engine.model import MINUTE
from linarite.engine.ports import Transaction
from linarite.engine.usage import PoolUsage, by_interval
from linarite.faces.azure_batch import filters, versions
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.errors import invalid_query
from linarite.faces.azure_batch.operations.lists import Where, ask_page
from linarite.faces.azure_batch.render.scalars import moment
from linarite.http.messages import Response
from linarite.http.numbers import parse_count

INTERVAL = 30 * MINUTE
SETTLED = 120 * MINUTE
HOUR = 60 * MINUTE
CHUNK = 24 * INTERVAL
MOST_CHUNKS = 40
"""So much of the past a request looks at: twenty days in which there were nodes."""


async def list_pool_usage_metrics(call: Call) -> Response:
    """Pools_ListPoolUsageMetrics."""
    now = call.request.now
    last = (now - SETTLED) // INTERVAL * INTERVAL
    start = _moment(call, "startTime", last - INTERVAL, now - SETTLED - INTERVAL)
    end = _moment(call, "endtime", last, now - SETTLED)
    if start > end:
        raise invalid_query("endtime", moment(end), "It is before startTime.")

    def page(tx: Transaction, where: Where, position: str, limit: int) -> tuple[None, Listed[PoolUsage]]:
        after = _after(position) if position else (start // INTERVAL * INTERVAL, 0)
        return None, _listed(tx, call.account, where, after, min(end, last), limit)

    _, found, link = await ask_page(call, filters.POOL_USAGE, page)
    return call.many("poolusagemetrics", [_entry(one, call.version) for one in found], link)


def _listed(
    tx: Transaction, account: str, where: Where, after: tuple[int, int], end: int, limit: int
) -> Listed[PoolUsage]:
    """Entries of intervals that end at `end` at the latest, after an interval and a pool in it."""
    at, found = after[0], list[PoolUsage]()
    for _ in range(MOST_CHUNKS):
        first = tx.usage.first_moment(account, at)
        at = end if first is None else first // INTERVAL * INTERVAL
        if at + INTERVAL > end:
            return Listed(found, None)
        stop = min(at + CHUNK, end // INTERVAL * INTERVAL)
        entries = by_interval(tx.usage.spans(account, where, at, stop), at, stop, INTERVAL)
        found += [entry for entry in entries if (entry.start, entry.pool_key) > after]
        if len(found) > limit:
            return Listed(found[:limit], f"{found[limit - 1].start}-{found[limit - 1].pool_key}")
        at = stop
    return Listed(found, f"{at}-0")


def _after(position: str) -> tuple[int, int]:
    """Where the page before ended."""
    at, _, pool_key = position.partition("-")
    return parse_count(at) or 0, parse_count(pool_key) or 0


def _moment(call: Call, name: str, default: int, latest: int) -> int:
    """A time of the query, at most `latest`. InvalidQueryParameterValue."""
    text = call.request.query.get(name.lower())
    if text is None:
        return default
    try:
        value = filters.moment(text)
    except ValueError as error:
        raise invalid_query(name, text, "It is a date of ISO 8601.") from error
    if value > latest:
        raise invalid_query(name, text, f"It must not be later than {moment(latest)}.")
    return value


def _entry(usage: PoolUsage, version: str) -> dict[str, Any]:
    entry = {
        "poolId": usage.pool, "startTime": moment(usage.start), "endTime": moment(usage.start + INTERVAL),
        "vmSize": usage.size, "totalCoreHours": usage.core_time / HOUR,
    }  # fmt: skip
    return entry if version >= versions.HTTP_URLS else {**entry, "dataIngressGiB": 0.0, "dataEgressGiB": 0.0}
