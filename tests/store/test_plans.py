"""No question of the scheduler may look at history: SQLite tells by which index it answers each."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.contract.records import ACCOUNT, NOW, job, task

from linarite.engine.filtering import Both, Compare, Either
from linarite.engine.model import NodeTaskKind
from linarite.store import open_store

QUESTIONS = {
    "jobs.runnable": (lambda tx: tx.jobs.runnable(ACCOUNT, "pool", NOW), {"ix_jobs_runnable"}),
    "jobs.waiting_pools": (lambda tx: tx.jobs.waiting_pools(NOW), {"ix_jobs_runnable"}),
    "jobs.restarting": (lambda tx: tx.jobs.restarting(ACCOUNT, "pool", NOW), {"ix_jobs_restarting"}),
    "jobs.preemptible": (lambda tx: tx.jobs.preemptible(ACCOUNT, "pool"), {"ix_jobs_preemptible"}),
    "jobs.due": (lambda tx: tx.jobs.due(NOW), {"ix_jobs_limited"}),
    "jobs.next_moment": (lambda tx: tx.jobs.next_moment(NOW), {"ix_jobs_limited", "ix_jobs_coming"}),
    "jobs.ended_before": (lambda tx: tx.jobs.ended_before(NOW, 5), {"ix_jobs_ended"}),
    "jobs.in_states": (lambda tx: tx.jobs.in_states(["deleting"]), {"ix_jobs_open"}),
    "jobs.page": (lambda tx: tx.jobs.page(ACCOUNT, None, 0, 5), {"ix_jobs_keys"}),
    "jobs.of_schedule": (lambda tx: tx.jobs.of_schedule(1, None, 0, 5), {"ix_jobs_scheduled"}),
    "schedules.due": (lambda tx: tx.schedules.due(NOW, 5), {"ix_job_schedules_due"}),
    "schedules.next_moment": (lambda tx: tx.schedules.next_moment(), {"ix_job_schedules_due"}),
    "schedules.page": (lambda tx: tx.schedules.page(ACCOUNT, None, 0, 5), {"ix_job_schedules_keys"}),
    "tasks.queue": (lambda tx: tx.tasks.queue(1, 1, 0, 5), {"ix_tasks_queued"}),
    "tasks.running_of_job": (lambda tx: tx.tasks.running_of_job(1), {"ix_tasks_in_run"}),
    "tasks.running_on_node": (lambda tx: tx.tasks.running_on_node(1), {"ix_tasks_on_node"}),
    "tasks.unfinished_runs": (lambda tx: tx.tasks.unfinished_runs(), {"ix_tasks_in_run"}),
    "tasks.due": (lambda tx: tx.tasks.due(NOW, 5), {"ix_tasks_limited"}),
    "tasks.to_clean": (lambda tx: tx.tasks.to_clean(NOW, 5), {"ix_tasks_to_clean"}),
    "tasks.next_moment": (lambda tx: tx.tasks.next_moment(), {"ix_tasks_limited", "ix_tasks_to_clean"}),
    "tasks.recent_on_node": (lambda tx: tx.tasks.recent_on_node(1, 5), {"ix_tasks_ended", "ix_tasks_on_node"}),
    "tasks.page": (lambda tx: tx.tasks.page(1, None, 0, 5), {"ix_tasks_keys"}),
    "tasks.page filtered": (
        lambda tx: tx.tasks.page(1, Compare("state", "eq", "active"), 0, 5),
        {"ix_tasks_queued", "ix_tasks_blocked"},
    ),
    "tasks.of_account": (lambda tx: tx.tasks.of_account(ACCOUNT, 0, 5), {"(account=? AND account_alias>?)"}),
    "tasks.existing": (lambda tx: tx.tasks.existing(1, ["1", "2"]), {"(job_key=? AND id_key=?)"}),
    "tasks.dependents": (
        lambda tx: tx.tasks.dependents(1, ["1"]),
        {"ix_task_dependencies_job_key_id_key", "ix_task_dependencies_job_key_first_number_last_number"},
    ),
    "tasks.satisfied_count": (
        lambda tx: tx.tasks.satisfied_count(1, ["1"], [(1, 5)]),
        {"(job_key=? AND id_key=?)", "ix_tasks_satisfied"},
    ),
    "tasks.held_by": (lambda tx: tx.tasks.held_by(1), {"ix_tasks_held"}),
    "node_tasks.latest": (
        lambda tx: tx.node_tasks.latest(1, NodeTaskKind.PREPARATION, 1),
        {"ix_node_tasks_node_key_kind_key"},
    ),
    "node_tasks.of_job": (lambda tx: tx.node_tasks.of_job(1), {"ix_node_tasks_job_key_key"}),
    "node_tasks.of_node": (
        lambda tx: tx.node_tasks.of_node(1, NodeTaskKind.START),
        {"ix_node_tasks_node_key_kind_key"},
    ),
    "node_tasks.under_way": (lambda tx: tx.node_tasks.under_way(1), {"ix_node_tasks_under_way"}),
    "node_tasks.of_task": (lambda tx: tx.node_tasks.of_task(1), {"ix_node_tasks_of_task"}),
    "node_tasks.recent_subtasks": (lambda tx: tx.node_tasks.recent_subtasks(1, 5), {"ix_node_tasks_subtasks"}),
    "node_tasks.unfinished": (lambda tx: tx.node_tasks.unfinished(), {"ix_node_tasks_unfinished"}),
    "node_tasks.next_moment": (
        lambda tx: tx.node_tasks.next_moment(),
        {"ix_node_tasks_limited", "ix_node_tasks_to_clean"},
    ),
    **{
        f"tasks.listed {name}": (lambda tx, where=where: tx.tasks.listed(1, where, "", 5), indexes)
        for name, where, indexes in (
            ("all", None, {"ix_tasks_keys"}),
            ("by a time", Compare("creationTime", "gt", NOW), {"ix_tasks_keys"}),
            ("by state", Compare("state", "eq", "completed"), {"ix_tasks_completed"}),
            (
                "not over",
                Compare("state", "ne", "completed"),
                {"ix_tasks_queued", "ix_tasks_blocked", "ix_tasks_in_run"},
            ),
            ("failed", Compare("executionInfo/result", "eq", "failure"), {"ix_tasks_failed"}),
            ("by code", Compare("executionInfo/exitCode", "eq", 3), {"COVERING INDEX ix_tasks_exited_else"}),
            ("by prefix", Compare("id", "startswith", "2"), {"ix_tasks_ids (job_key=? AND id_key>? AND id_key<?)"}),
            (
                "by ids",
                Either(Compare("id", "eq", "2"), Compare("id", "eq", "3")),
                {"ix_tasks_ids (job_key=? AND id_key=?)"},
            ),
            (
                "by prefix and state",
                Both(Compare("id", "startswith", "2"), Compare("state", "eq", "running")),
                {"COVERING INDEX ix_tasks_ids (job_key=? AND id_key>? AND id_key<?)"},
            ),
        )
    },
    "jobs.listed": (lambda tx: tx.jobs.listed(ACCOUNT, Compare("state", "eq", "active"), "", 5), {"ix_jobs_keys"}),
    "nodes.listed": (lambda tx: tx.nodes.listed(1, Compare("state", "eq", "idle"), "", 5), {"ix_nodes_keys"}),
    "pools.listed": (lambda tx: tx.pools.listed(ACCOUNT, Compare("state", "eq", "active"), "", 5), {"ix_pools_keys"}),
    "jobs.task_counts": (lambda tx: tx.jobs.task_counts(ACCOUNT, "pool", NOW), {"ix_jobs_of_pool"}),
    "pools.ticking": (lambda tx: tx.pools.ticking(NOW, 5), {"ix_pools_ticking"}),
    "pools.next_tick": (lambda tx: tx.pools.next_tick(), {"ix_pools_ticking"}),
    "tasks.running_since": (lambda tx: tx.tasks.running_since([1, 2]), {"ix_tasks_in_run"}),
    "tasks.running": (lambda tx: tx.tasks.running(ACCOUNT), {"ix_tasks_in_run"}),
    "usage.totals": (lambda tx: tx.usage.totals("job", ["1", "2"]), {"(kind=? AND name=?)"}),
    "usage.open_spans": (lambda tx: tx.usage.open_spans(ACCOUNT, [1]), {"ix_node_spans_open_of_account"}),
    "usage.spans": (
        lambda tx: tx.usage.spans(ACCOUNT, None, 0, NOW),
        {"ix_node_spans_account_ended_at_started_at", "ix_node_spans_open_of_account"},
    ),
    "usage.first_moment": (
        lambda tx: tx.usage.first_moment(ACCOUNT, 0),
        {"COVERING INDEX ix_node_spans_account_ended_at_started_at", "ix_node_spans_open_of_account"},
    ),
    "events.of": (lambda tx: tx.events.of("task", 1), {"ix_events_kind_key"}),
}
SORTS = {"jobs.in_states", "jobs.waiting_pools"}  # few rows, over several ranges of an index


@pytest.mark.parametrize("question", list(QUESTIONS))
@pytest.mark.parametrize("analysed", [False, True], ids=["as it is", "analysed"])
def test_question_is_answered_by_its_index(tmp_path: Path, question, analysed):
    """Each statement of the question searches its index, whether or not somebody ran ANALYZE."""
    ask, expected = QUESTIONS[question]
    plans = asyncio.run(plans_of(tmp_path / "store.db", ask, analysed))
    assert all(any(part in plan for plan in plans) for part in expected), plans
    assert all(any(word in plan for word in ("INDEX", "PRIMARY KEY", "TEMP B-TREE")) for plan in plans), plans
    assert question in SORTS or not any("TEMP B-TREE" in plan for plan in plans), plans


async def plans_of(path: Path, ask, analysed):
    store = open_store(path)

    def fill(tx):
        tx.jobs.insert(job("a", queued=1))
        tx.tasks.insert([task(str(n), satisfied=n % 2 == 0, queued=n > 290) for n in range(1, 300)])

    await store.write(fill)
    if analysed:
        await store.write(lambda tx: tx.tasks._connection.exec_driver_sql("ANALYZE"))
    plans = await store.read(lambda tx: plans_in(tx, ask))
    await store.close()
    return plans


def plans_in(tx, ask):
    """Ask, and have SQLite explain each statement that it ran for the answer."""
    database = tx.tasks._connection.connection.driver_connection
    statements = []
    database.set_trace_callback(statements.append)
    ask(tx)
    database.set_trace_callback(None)
    return [row[3] for text in statements for row in database.execute(f"EXPLAIN QUERY PLAN {text}")]
