"""The cluster's operation log and its metrics over time. Source: Swagger 2020-01-01.6.0, /cluster; NOTES 9.

Metrics are made of what the records hold: when nodes were there, when jobs ended. Times in queries are UTC.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from linarite.engine.filtering import Both, Compare
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import operation_log, states
from linarite.faces.hpc_pack.answers import Answer, Data
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import NO_CODE, OUT_OF_RANGE, Refusal, bad
from linarite.faces.hpc_pack.values import boolean, date, iso

HOUR = 3_600_000_000
DAY = 24 * HOUR
POINTS = 96
MOST_JOBS = 1_000
METRICS = {
    "HPCClusterNodes": ("Nodes", "Nodes that were there"),
    "HPCClusterCores": ("Cores", "Cores of the nodes that were there"),
}


def _moment(call: Call, name: str) -> int | None:
    text = (call.query(name) or "").strip()
    try:
        return date(text) if text else None
    except ValueError as error:
        raise bad(OUT_OF_RANGE, f"{name}: {error}") from error


def _span(call: Call, default: int) -> tuple[int, int]:
    until = _moment(call, "totime")
    until = call.request.now if until is None else until
    since = _moment(call, "fromtime")
    since = until - default if since is None else since
    if since >= until:
        raise bad(OUT_OF_RANGE, "fromTime must be before toTime.")
    return since, until


async def _logged(call: Call) -> list[tuple[str, dict[str, Any]]]:
    since, until = _moment(call, "fromtime"), _moment(call, "totime")
    names = call.list_of("nodenames")
    wanted = None if names is None else {name.lower() for name in names}
    found = await call.engine.ask(lambda tx: operation_log.of_account(tx, call.account, call.request.now))
    return [
        (id_, value) for id_, value in found
        if (since is None or value["at"] > since) and (until is None or value["at"] < until)
        and (wanted is None or value["Node"].lower() in wanted)
    ]  # fmt: skip


async def get_cluster_operations(call: Call) -> Answer:
    """What was done to nodes, the latest first."""
    limit, detail = (call.query("limit") or "").strip(), call.query("withdetail")
    if limit and not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        raise bad(OUT_OF_RANGE, f"limit must be a number, not {limit[:32]!r}.")
    try:
        with_detail = boolean(detail) if detail else False
    except ValueError as error:
        raise bad(OUT_OF_RANGE, f"withDetail: {error}") from error
    found = (await _logged(call))[: int(limit) if limit else None]
    return Data("OperationLog", [operation_log.shown(id_, value, detail=with_detail) for id_, value in found])


async def get_cluster_first_operation(call: Call) -> Answer:
    """The first of them in time."""
    found = await _logged(call)
    if not found:
        raise Refusal(404, NO_CODE, "There is no operation of that kind.")
    return Data("OperationLog", operation_log.shown(*found[-1], detail=True))


async def get_cluster_operation(call: Call) -> Answer:
    """One of them."""
    found = await call.engine.ask(lambda tx: operation_log.one(tx, call.account, call.id, call.request.now))
    if found is None:
        raise Refusal(404, NO_CODE, f"There is no operation {call.id[:64]!r}.")
    return Data("OperationLog", operation_log.shown(call.id, found, detail=True))


async def get_cluster_metric_definitions(call: Call) -> Answer:
    """The metrics that have a history."""
    del call
    return Data(
        "MetricDefinition",
        [{"Name": name, "DisplayName": title, "Description": text} for name, (title, text) in METRICS.items()],
    )


async def get_cluster_metric_history(call: Call) -> Answer:
    """A metric over a time, of the last day unless the query says, at 96 moments."""
    name = next((name for name in METRICS if name.lower() == call.name.lower()), None)
    if name is None:
        raise Refusal(404, NO_CODE, f"There is no metric {call.name[:64]!r}.")
    since, until = _span(call, DAY)

    def question(tx: Transaction) -> list[tuple[int, int | None, int]]:
        spans = [*tx.usage.spans(call.account, None, since, until), *tx.usage.open_spans(call.account)]
        known = {(span.node_key, span.started_at): span for span in spans}
        return [(span.started_at, span.ended_at, span.cores) for span in known.values()]

    spans = await call.engine.ask(question)
    step = max(1, (until - since) // POINTS)
    values = []
    for moment in range(since + step, until + 1, step):
        there = [cores for start, end, cores in spans if start <= moment and (end is None or end > moment)]
        values.append({"Key": iso(moment), "Value": float(sum(there) if name.endswith("Cores") else len(there))})
    return Data("MetricData", _metric(name, since, until, {"Total": values}))


async def get_cluster_job_metrics(call: Call) -> Answer:
    """How many jobs ended in each state on each of the last seven days."""
    until = call.request.now
    since = until - 7 * DAY

    def question(tx: Transaction) -> Counter[tuple[str, int]]:
        ended = Both(Compare("state", "eq", "completed"), Compare("executionInfo/endTime", "ge", since))
        counts, after = Counter[tuple[str, int]](), 0
        while page := tx.jobs.page(call.account, ended, after, MOST_JOBS):
            after = page[-1].key
            counts.update((states.job_state(job), ((job.ended_at or since) - since) // DAY) for job in page)
        return counts

    counts = await call.engine.ask(question)
    instances = {
        word: [{"Key": iso(since + day * DAY), "Value": float(counts[word, day])} for day in range(7)]
        for word in ("Finished", "Failed", "Canceled")
    }
    return Data("MetricData", _metric("HPCClusterJobs", since, until, instances))


def _metric(name: str, since: int, until: int, instances: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "MetricName": name, "FromTime": iso(since), "ToTime": iso(until),
        "Instances": [{"InstanceName": word, "Values": values} for word, values in instances.items()],
    }  # fmt: skip
