"""Lists of a job that holds a million tasks: how long a page of each takes, and what the server's memory comes to.

The tasks are written by the store itself, before the server starts: all completed, but for ten that failed, spread over
the job, and ten at its end that wait. Every page of a list is asked for, by the links; the worst of them is told too.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

from benchmarks.bench_server import Client, fresh_folder, server
from linarite.data import DataFolder
from linarite.engine.model import Counts, Job, JobSpec, Task, TaskResult, TaskSpec, TaskState
from linarite.identity.accounts import DEVELOPMENT_ACCOUNT
from linarite.store import SqlStore, open_store

START = 1_700_000_000_000_000
FAR = 4_000_000_000_000_000
FEW = 10
UNIT = 1000
NODE = f"tvmps_{'ab' * 32}_d"
QUESTIONS = {
    "first page": "",
    "id and state alone": "$select=id,state",
    "startswith few": "$filter=startswith(id,'task-000001')",
    "startswith all": "$filter=startswith(id,'task-')",
    "exit code of none": "$filter=executionInfo/exitCode eq 3",
    "failed": "$filter=executionInfo/result eq 'failure'",
    "exit code not 0": "$filter=executionInfo/exitCode ne 0 and state eq 'completed'",
    "active or running": "$filter=state eq 'active' or state eq 'running'",
    "completed": "$filter=state eq 'completed'",
    "startswith all and active": "$filter=startswith(id,'task-') and state eq 'active'",
    "startswith few or failed": "$filter=startswith(id,'task-000001') or executionInfo/result eq 'failure'",
    "ended since": "$filter=executionInfo/endTime ge DateTime'2030-01-01T00:00:00Z'",
}


def fill(data: Path, number: int) -> None:
    """Write the job and its tasks into the database of a data folder."""
    folder = DataFolder(data)
    folder.make()
    asyncio.run(_fill(open_store(folder.database), number))


async def _fill(store: SqlStore, number: int) -> None:
    well = number - 2 * FEW
    counts = Counts(
        active=FEW, succeeded=well, failed=FEW, active_slots=FEW, succeeded_slots=well, failed_slots=FEW
    )  # fmt: skip
    job = Job(
        account=DEVELOPMENT_ACCOUNT, spec=JobSpec(id="million", pool="none"), created_at=START, modified_at=START,
        state_at=START, started_at=START, counts=counts, queued=FEW, next_task=number + 1,
    )  # fmt: skip
    await store.write(lambda tx: tx.jobs.insert(job))
    for first in range(0, number, UNIT):
        tasks = [_task(job.key, n, number) for n in range(first, first + UNIT)]
        await store.write(lambda tx, some=tasks: tx.tasks.insert(some))
    await store.close()


def _task(job_key: int, place: int, number: int) -> Task:
    at = START + place * 1000
    task = Task(
        job_key=job_key, account=DEVELOPMENT_ACCOUNT, alias=place + 1, created_at=at, modified_at=at, state_at=at,
        spec=TaskSpec(id=f"task-{place:07}", command=f"/bin/sh -c 'echo {place}'"),
    )  # fmt: skip
    if place >= number - FEW:
        task.queued = True
        return task
    failed = place % (number // FEW) == number // FEW // 2
    task.state, task.previous_state, task.previous_state_at = TaskState.COMPLETED, TaskState.RUNNING, at
    task.attempt, task.started_at, task.ended_at, task.state_at = 1, at, at + 500, at + 500
    task.exit_code, task.satisfied = (1, False) if failed else (0, True)
    task.result = TaskResult.FAILURE if failed else TaskResult.SUCCESS
    task.node_key, task.node, task.pool, task.cleanup_at = 1, NODE, "none", FAR
    task.usage = {"user_seconds": 0.001, "kernel_seconds": 0.002}
    return task


def pages(client: Client, question: str, most: int) -> Iterator[tuple[float, int]]:
    """Milliseconds and records of each page of a list."""
    target = f"/jobs/million/tasks?{quote(question, safe='$=&')}".rstrip("?")
    for _ in range(most):
        began = time.perf_counter()
        page = client.call("GET", target)
        yield (time.perf_counter() - began) * 1000, len(page["value"])
        if "odata.nextLink" not in page:
            return
        link = urlsplit(page["odata.nextLink"])
        target = f"{link.path}?{link.query}".replace("&api-version=2025-06-01", "")


def measure(client: Client, question: str) -> dict[str, object]:
    """The first page, five times over, and up to fifty of those that follow."""
    firsts = [next(pages(client, question, 1))[0] for _ in range(5)]
    every = list(pages(client, question, 50))
    return {
        "first_ms": round(statistics.median(firsts), 1), "worst_ms": round(max(ms for ms, _ in every), 1),
        "pages": len(every), "found": sum(found for _, found in every),
    }  # fmt: skip


def run(*, short: bool = False) -> dict[str, object]:
    """Each list's figures, those of the task counts, and the server's memory after them all."""
    number = 20_000 if short else 1_000_000
    with fresh_folder(disk=True) as home:
        fill(home / "data", number)
        with server(home) as running:
            client = Client(running.url)
            lists = {name: measure(client, question) for name, question in QUESTIONS.items()}
            began = time.perf_counter()
            counts = client.call("GET", "/jobs/million/taskcounts")["taskCounts"]
            taken = (time.perf_counter() - began) * 1000
            if counts["completed"] != number - FEW:
                raise SystemExit(f"Wrong counts: {counts}")
            return {"tasks": number, "counts_ms": round(taken, 1), **lists, "server_kib": running.memory()}
