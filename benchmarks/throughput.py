"""Tasks a second, end to end, as a ratio to the rate at which this machine starts processes at all.

The product: tasks of `/bin/true` added through the Batch protocol in collections of 100, from the first POST until
the last one is completed and committed. The limit: a bare Popen loop as the same user, as wide, with the same folders
and files.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.bench_server import Client, fresh_folder, server

NODES, SLOTS = 8, 8
TASK_USER = 200_000
LIMIT = """
import os, subprocess, sys
home, number, width, uid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
if uid:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
import time
began, running, environment = time.perf_counter(), {}, {"PATH": "/usr/bin:/bin", "HOME": home}
def reap():
    pid, status = os.waitpid(-1, 0)
    running.pop(pid).returncode = status
for task in range(number):
    if len(running) >= width:
        reap()
    folder = f"{home}/{task}"
    os.makedirs(folder + "/wd")
    with open(folder + "/stdout.txt", "wb") as out, open(folder + "/stderr.txt", "wb") as err:
        process = subprocess.Popen(["/bin/true"], cwd=folder + "/wd", stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   env=environment, start_new_session=True)
    running[process.pid] = process
while running:
    reap()
print(time.perf_counter() - began)
"""


def limit(home: Path, number: int) -> float:
    """Processes a second of the bare loop."""
    folder = home / f"limit-{time.monotonic_ns()}"
    folder.mkdir()
    uid = TASK_USER + 1 if os.geteuid() == 0 else 0
    if uid:
        os.chown(folder, uid, uid)
    command = [sys.executable, "-c", LIMIT, str(folder), str(number), str(NODES * SLOTS), str(uid)]
    answer = subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return number / float(answer.stdout)


def product(client: Client, job: str, number: int) -> float:
    """Tasks a second of the product, end to end."""
    client.call("POST", "/jobs", {"id": job, "poolInfo": {"poolId": "bench"}})
    began = time.perf_counter()
    for first in range(0, number, 100):
        tasks = [{"id": f"t{n}", "commandLine": "/bin/true"} for n in range(first, min(first + 100, number))]
        client.call("POST", f"/jobs/{job}/addtaskcollection", {"value": tasks})
    deadline = time.monotonic() + 300
    while (counts := client.call("GET", f"/jobs/{job}/taskcounts")["taskCounts"])["completed"] < number:
        if time.monotonic() > deadline:
            raise SystemExit(f"Not completed: {counts}")
        time.sleep(0.1)  # what asking costs is part of the measured work
    seconds = time.perf_counter() - began
    if counts["succeeded"] != number:
        raise SystemExit(f"Not all succeeded: {counts}")
    return number / seconds


def run(*, short: bool = False) -> dict[str, object]:
    """Limit and product in turn; the ratio of their medians, and the server's memory after each round."""
    number, rounds = (200, 1) if short else (2_000, 5)
    limits, products, memory = [], [], []
    with fresh_folder() as home, server(home) as running:
        client = Client(running.url)
        client.make_pool("bench", NODES, SLOTS)
        product(client, "warm-up", 100)
        for turn in range(rounds):
            limits.append(limit(home, number))
            products.append(product(client, f"job{turn}", number))
            memory.append(running.memory())
    ratio = sorted(products)[rounds // 2] / sorted(limits)[rounds // 2]
    return {
        "tasks": number, "width": NODES * SLOTS, "limit_per_second": [round(rate) for rate in limits],
        "tasks_per_second": [round(rate) for rate in products], "ratio": round(ratio, 2), "server_kib": memory,
    }  # fmt: skip
