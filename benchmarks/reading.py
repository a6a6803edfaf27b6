"""How long Get Task takes while the machine is busy: two niced processes keep its cores, 500 tasks a second are added.

The tasks are added by another process, a hundred at a time, each collection on a disk before its answer. They wait for
a pool that is not there, so that the server alone is measured and not the nodes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.bench_server import Client, fresh_folder, server

BURN = "import os; os.nice(19)\nwhile True: pass"
PER_SECOND = 500
UNIT = 100
PAUSE = 0.005
"""Seconds between two questions."""


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """Niced processes that do nothing but use time, one for each core, two at least."""
    burning = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(max(2, os.cpu_count() or 2))]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def add_steadily(url: str, job: str) -> None:
    """Add tasks at their rate for ever: run as a process of its own."""
    client, began, number = Client(url), time.monotonic(), 0
    while True:
        tasks = [{"id": f"t{n}", "commandLine": "/bin/true"} for n in range(number, number + UNIT)]
        client.call("POST", f"/jobs/{job}/addtaskcollection", {"value": tasks})
        number += UNIT
        time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))


@contextlib.contextmanager
def adding(url: str, job: str) -> Iterator[None]:
    """Somebody who adds tasks."""
    process = multiprocessing.get_context("spawn").Process(target=add_steadily, args=(url, job), daemon=True)
    process.start()
    try:
        yield
        if not process.is_alive():
            raise SystemExit("Adding tasks came to an end.")
    finally:
        process.kill()
        process.join()


def run(*, short: bool = False) -> dict[str, object]:
    """Median, 99th percentile and worst of Get Task, in milliseconds, and the tasks added a second meanwhile."""
    number = 100 if short else 4_000
    with fresh_folder(disk=True) as home, server(home) as running, busy_cores():
        client = Client(running.url)
        client.call("POST", "/jobs", {"id": "growing", "poolInfo": {"poolId": "none"}})
        client.call("POST", "/jobs/growing/tasks", {"id": "one", "commandLine": "/bin/true"})
        with adding(running.url, "growing"):
            _wait_for(client, UNIT)
            first, began = _count(client), time.perf_counter()
            waits = [_ask(client) for _ in range(number)]
            rate = (_count(client) - first) / (time.perf_counter() - began)
    cuts = statistics.quantiles(waits, n=100)
    return {
        "questions": number, "median_ms": round(statistics.median(waits), 2), "p99_ms": round(cuts[98], 2),
        "worst_ms": round(max(waits), 1), "added_per_second": round(rate),
    }  # fmt: skip


def _ask(client: Client) -> float:
    """Milliseconds of one question."""
    began = time.perf_counter()
    client.call("GET", "/jobs/growing/tasks/one")
    taken = time.perf_counter() - began
    time.sleep(PAUSE)
    return taken * 1000


def _count(client: Client) -> int:
    return int(client.call("GET", "/jobs/growing/taskcounts")["taskCounts"]["active"])


def _wait_for(client: Client, number: int) -> None:
    deadline = time.monotonic() + 30
    while _count(client) <= number:
        if time.monotonic() > deadline:
            raise SystemExit("No tasks are added.")
        time.sleep(0.01)
