"""Statistics: of what an answer has, where $expand asks for them, and of all that an account ever had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from linarite.engine import going
from linarite.engine.going import Going
from linarite.engine.model import Job, Node, Pool, Task
from linarite.engine.ports import Transaction
from linarite.engine.recurrence.records import JobSchedule
from linarite.engine.usage import NOTHING, NodeSpan, Running, Spent, Totals
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.render.statistics import Shown
from linarite.http.messages import Response

Stats = Mapping[int, Mapping[str, Any]]
"""The property `stats` of records, by their keys."""


def _shown(call: Call) -> Shown:
    return Shown(call.base, call.version, call.request.now)


class Gathered(NamedTuple):
    """What is on record of some things, and the runs that the nodes are still to tell of."""

    going: Sequence[Going]
    show: Callable[[Mapping[int, Spent]], Stats]


async def up_to_now(call: Call, gathered: Gathered) -> Stats:
    """The statistics, with what runs that go on have used until now."""
    return gathered.show(await call.engine.used(gathered.going))


def stats_of_tasks(tx: Transaction, call: Call, job: Job, tasks: Sequence[Task]) -> Gathered:
    """The statistics of tasks of a job."""
    shown = _shown(call)
    return Gathered(
        going.of_tasks(tx, tasks),
        lambda used: {task.key: {"stats": shown.task(task, job, used.get(task.key, NOTHING))} for task in tasks},
    )


def stats_of_jobs(tx: Transaction, call: Call, jobs: Sequence[Job]) -> Gathered:
    """The statistics of jobs."""
    totals = tx.usage.totals("job", [str(job.key) for job in jobs])
    running = tx.tasks.running_since([job.key for job in jobs if job.counts.running])
    shown = _shown(call)

    def show(used: Mapping[int, Spent]) -> Stats:
        present = {job.key: _present(totals.get(str(job.key)), used.get(job.key)) for job in jobs}
        return {job.key: {"stats": shown.job(job, present[job.key], running.get(job.key))} for job in jobs}

    return Gathered(going.of_jobs(tx, jobs), show)


def stats_of_schedules(tx: Transaction, call: Call, schedules: Sequence[JobSchedule]) -> Gathered:
    """The statistics of job schedules: of the jobs that were, and of the one that is."""
    totals = tx.usage.totals("schedule", [str(schedule.key) for schedule in schedules])
    keys = [each.job_key for each in schedules if each.job_key is not None]
    running = tx.tasks.running_since(keys)
    jobs = filter(None, map(tx.jobs.by_key, running))
    shown = _shown(call)

    def show(used: Mapping[int, Spent]) -> Stats:
        return {
            each.key: {
                "stats": shown.schedule(
                    each, _present(totals.get(str(each.key)), used.get(each.job_key or 0)),
                    running.get(each.job_key or 0),
                )
            }
            for each in schedules
        }  # fmt: skip

    return Gathered(going.of_jobs(tx, jobs), show)


def stats_of_pools(tx: Transaction, call: Call, pools: Sequence[Pool]) -> Gathered:
    """The statistics of pools."""
    totals = tx.usage.totals("pool", [str(pool.key) for pool in pools])
    present: dict[int, list[NodeSpan]] = {}
    for span in tx.usage.open_spans(call.account, [pool.key for pool in pools]):
        present.setdefault(span.pool_key, []).append(span)
    shown = _shown(call)

    def show(used: Mapping[int, Spent]) -> Stats:
        now = {pool.key: _present(totals.get(str(pool.key)), used.get(pool.key)) for pool in pools}
        return {pool.key: {"stats": shown.pool(pool, now[pool.key], present.get(pool.key, []))} for pool in pools}

    return Gathered([one for pool in pools for one in going.of_nodes(tx, tx.nodes.of_pool(pool.key))], show)


def _present(totals: Totals | None, used: Spent | None) -> Totals:
    """What was charged, with what is still to be."""
    now = replace(totals) if totals is not None else Totals()
    if used is not None:
        now.add(used)
    return now


async def get_job_lifetime_statistics(call: Call) -> Response:
    """Job_GetAllLifetimeStatistics."""

    def ask(tx: Transaction) -> tuple[int, Totals | None, Running, Sequence[Going]]:
        totals, running = tx.usage.totals("jobs", [call.account]).get(call.account), tx.tasks.running(call.account)
        tasks = [task for node in _busy(tx, call) for task in tx.tasks.running_on_node(node.key)]
        return _since(tx, call), totals, running, going.of_tasks(tx, tasks, 0)

    since, totals, running, present = await call.engine.ask(ask)
    used = await call.engine.used(present)
    return call.one("jobstats", _shown(call).all_jobs(since, _present(totals, used.get(0)), running))


async def get_pool_lifetime_statistics(call: Call) -> Response:
    """Pool_GetAllLifetimeStatistics."""

    def ask(tx: Transaction) -> tuple[int, Totals | None, list[NodeSpan], Sequence[Going]]:
        totals = tx.usage.totals("pools", [call.account]).get(call.account)
        present = going.of_nodes(tx, tx.nodes.of_account(call.account), 0)
        return _since(tx, call), totals, tx.usage.open_spans(call.account), present

    since, totals, spans, present = await call.engine.ask(ask)
    used = await call.engine.used(present)
    return call.one("poolstats", _shown(call).all_pools(since, _present(totals, used.get(0)), spans))


def _busy(tx: Transaction, call: Call) -> Iterator[Node]:
    return (node for node in tx.nodes.of_account(call.account) if node.running_tasks)


def _since(tx: Transaction, call: Call) -> int:
    """When the account began."""
    account = tx.accounts.get(call.account)
    return call.request.now if account is None else account.created_at
