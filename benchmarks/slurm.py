"""Tasks a second on a Slurm cluster, as a ratio to what a bare `sbatch --array` reaches there; and what waiting costs.

A cluster of four machines on loopback, all in memory. The product: tasks of `/bin/true` added through the Batch
protocol, from the first POST until the last one is completed and committed. The limit: one array of as many, each with
files for its standard streams, from sbatch until the queue is empty.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.slurm import SlurmCluster, missing, running_slurm, unprivileged_user

from benchmarks.bench_server import Client, fresh_folder, server
from benchmarks.throughput import product

NODES, CPUS, SLOTS = 4, 16, 64
"""Slots above the processors wait in Slurm's queue, so that it never runs dry."""
POLL = 2.0


def bare(cluster: SlurmCluster, number: int) -> float:
    """Elements a second of one array."""
    user = unprivileged_user()
    home = cluster.home()
    began = time.perf_counter()
    cluster.submit("/bin/true", f"--array=0-{number - 1}", "--output=%a.out", "--error=%a.err", home=home)
    while cluster.run("squeue", "-h", "--user", user or pwd.getpwuid(os.geteuid()).pw_name).strip():
        time.sleep(0.2)  # what asking costs is part of the measured work
    seconds = time.perf_counter() - began
    if len(list(home.glob("*.out"))) != number:
        raise SystemExit("Not all elements have run.")
    return number / seconds


def counting(folder: Path, names: tuple[str, ...] = ("sbatch", "squeue")) -> dict[str, Path]:
    """Programs in front of Slurm's that note their calls, a line each, in these files."""
    folder.mkdir()
    logs = {name: folder / f"{name}.calls" for name in names}
    for name, log in logs.items():
        log.write_text("")
        log.chmod(0o666)
        program = folder / name
        program.write_text(f'#!/bin/sh\necho >>"{log}"\nexec /usr/bin/{name} "$@"\n')
        program.chmod(0o755)
    return logs


def _calls(log: Path) -> int:
    return len(log.read_text().splitlines())


def waiting(client: Client, cluster: SlurmCluster, number: int) -> dict[str, object]:
    """What Slurm has of a job of so many waiting tasks: no more than the machines have slots for."""
    client.call("POST", "/jobs", {"id": "waiting", "poolInfo": {"poolId": "bench"}})
    for first in range(0, number, 100):
        tasks = [{"id": f"w{n}", "commandLine": "sleep 600"} for n in range(first, min(first + 100, number))]
        client.call("POST", "/jobs/waiting/addtaskcollection", {"value": tasks})
    known = len(cluster.run("squeue", "-h", "-r", "-t", "pending,running").splitlines())
    active = client.call("GET", "/jobs/waiting/taskcounts")["taskCounts"]["active"]
    client.call("DELETE", "/jobs/waiting")
    return {"tasks": number, "active": active, "in_slurm": known}


def run(*, short: bool = False) -> dict[str, object]:
    """Bare and product in turn; the ratio of their medians."""
    if (lacking := missing()) is not None:
        return {"left_out": lacking}
    number, rounds = (60, 1) if short else (500, 5)
    limits, products = list[float](), list[float]()
    with fresh_folder() as home, running_slurm(NODES, CPUS, base=home) as cluster, contextlib.ExitStack() as stack:
        logs = counting(home / "counting")
        with in_environment(cluster.environment | {"PATH": f"{home}/counting:{os.environ['PATH']}"}):
            running = stack.enter_context(server(home, *_words()))
        client = Client(running.url)
        client.make_pool("bench", NODES, SLOTS)
        product(client, "warm", 8)
        before, began = {name: _calls(log) for name, log in logs.items()}, time.monotonic()
        for turn in range(rounds):
            limits.append(bare(cluster, number))
            products.append(product(client, f"job{turn}", number))
        seconds = time.monotonic() - began
        made = {name: _calls(log) - before[name] for name, log in logs.items()}
        told = waiting(client, cluster, 1_000 if short else 100_000)
    bare_median, product_median = statistics.median(limits), statistics.median(products)
    return {
        "tasks": number, "rounds": rounds, "cpus": os.cpu_count(), "bare_per_s": round(bare_median, 1),
        "product_per_s": round(product_median, 1), "ratio": round(product_median / bare_median, 2),
        "seconds": round(seconds, 1), "squeue_calls": made["squeue"], "squeue_calls_at_poll": round(seconds / POLL, 1),
        "sbatch_calls": made["sbatch"], "waiting": told,
    }  # fmt: skip


def _words() -> list[str]:
    user = unprivileged_user()
    words = ["--nodes-provider", "slurm", "--slurm-poll", str(POLL)]
    return [*words, "--slurm-user", user] if user else words


@contextlib.contextmanager
def in_environment(variables: dict[str, str]) -> Iterator[None]:
    """Variables that the server is started with."""
    before = dict(os.environ)
    os.environ |= variables
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name)
        os.environ.update(before)
