"""From the answer of Add Task to the start of its process, on an idle node: the process writes its own time."""

from __future__ import annotations

import statistics
import time

from benchmarks.bench_server import Client, fresh_folder, server


def run(*, short: bool = False) -> dict[str, object]:
    """Median and worst of single tasks, one after another, in milliseconds."""
    number = 5 if short else 50
    waits = []
    with fresh_folder() as home, server(home) as running:
        client = Client(running.url)
        client.make_pool("idle", 1, 1)
        client.call("POST", "/jobs", {"id": "single", "poolInfo": {"poolId": "idle"}})
        for turn in range(number + 1):
            name = f"t{turn}"
            client.call("POST", "/jobs/single/tasks", {"id": name, "commandLine": "/bin/date +%s.%N"})
            answered = time.time()
            deadline = time.monotonic() + 30
            while client.call("GET", f"/jobs/single/tasks/{name}")["state"] != "completed":
                if time.monotonic() > deadline:
                    raise SystemExit("A single task does not complete.")
                time.sleep(0.01)
            began = float(client.call("GET", f"/jobs/single/tasks/{name}/files/stdout.txt"))
            if turn:  # the first one starts its node's host
                waits.append((began - answered) * 1000)
    return {"tasks": number, "median_ms": round(statistics.median(waits), 1), "worst_ms": round(max(waits), 1)}
