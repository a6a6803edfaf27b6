"""Statistics: of what an answer has, where $expand asks for them, and of all that an account ever had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from linarite.engine.model import Job, Pool, Task
from linarite.engine.ports import Transaction
from linarite.engine.recurrence.records import JobSchedule
from linarite.engine.usage import NodeSpan, Running, Totals
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.render.statistics import Shown
from linarite.http.messages import Response

Stats = Mapping[int, Mapping[str, Any]]
"""The property `stats` of records, by their keys."""


def _shown(call: Call) -> Shown:
    return Shown(call.base, call.version, call.request.now)


def stats_of_task(call: Call, task: Task, job: Job) -> Mapping[str, Any]:
    """The property `stats` of a task."""
    return {"stats": _shown(call).task(task, job)}


def stats_of_jobs(tx: Transaction, call: Call, jobs: Sequence[Job]) -> Stats:
    """The statistics of jobs."""
    totals = tx.usage.totals("job", [str(job.key) for job in jobs])
    running = tx.tasks.running_since([job.key for job in jobs if job.counts.running])
    shown = _shown(call)
    return {
        job.key: {"stats": shown.job(job, totals.get(str(job.key)), running.get(job.key))} for job in jobs
    }  # fmt: skip


def stats_of_schedules(tx: Transaction, call: Call, schedules: Sequence[JobSchedule]) -> Stats:
    """The statistics of job schedules: of the jobs that were, and of the one that is."""
    totals = tx.usage.totals("schedule", [str(schedule.key) for schedule in schedules])
    running = tx.tasks.running_since([each.job_key for each in schedules if each.job_key is not None])
    shown = _shown(call)
    return {
        each.key: {"stats": shown.schedule(each, totals.get(str(each.key)), running.get(each.job_key or 0))}
        for each in schedules
    }


def stats_of_pools(tx: Transaction, call: Call, pools: Sequence[Pool]) -> Stats:
    """The statistics of pools."""
    totals = tx.usage.totals("pool", [str(pool.key) for pool in pools])
    present: dict[int, list[NodeSpan]] = {}
    for span in tx.usage.open_spans(call.account, [pool.key for pool in pools]):
        present.setdefault(span.pool_key, []).append(span)
    shown = _shown(call)
    return {
        pool.key: {"stats": shown.pool(pool, totals.get(str(pool.key)), present.get(pool.key, []))} for pool in pools
    }


async def get_job_lifetime_statistics(call: Call) -> Response:
    """Job_GetAllLifetimeStatistics."""

    def ask(tx: Transaction) -> tuple[int, Totals | None, Running]:
        return (
            _since(tx, call),
            tx.usage.totals("jobs", [call.account]).get(call.account),
            tx.tasks.running(call.account),
        )

    return call.one("jobstats", _shown(call).all_jobs(*await call.engine.ask(ask)))


async def get_pool_lifetime_statistics(call: Call) -> Response:
    """Pool_GetAllLifetimeStatistics."""

    def ask(tx: Transaction) -> tuple[int, Totals | None, list[NodeSpan]]:
        totals = tx.usage.totals("pools", [call.account]).get(call.account)
        return _since(tx, call), totals, tx.usage.open_spans(call.account)

    return call.one("poolstats", _shown(call).all_pools(*await call.engine.ask(ask)))


def _since(tx: Transaction, call: Call) -> int:
    """When the account began."""
    account = tx.accounts.get(call.account)
    return call.request.now if account is None else account.created_at
