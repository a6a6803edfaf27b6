"""A sweep of 10,000 tasks through Azure Batch: how chaotic the logistic map is, for 10,000 values of its parameter.

    pip install azure-batch
    python examples/sweep.py --url http://127.0.0.1:10010

Each task follows x -> r x (1 - x) for one r and prints its Lyapunov exponent (above 0: chaos). The program adds the
tasks, waits, reads what each printed into sweep.csv, and tells what took how long. With the same --job it goes on where
it was interrupted. The address says where it runs: this machine, a Slurm cluster, or Azure with its own URL and key.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import ResourceExistsError

DEVELOPMENT_KEY = "bGluYXJpdGUtZGV2ZWxvcG1lbnQta2V5LW5vdC1hLXNlY3JldA=="
AT_ONCE = 8
"""Requests that go on at a time."""
LOWEST, HIGHEST = 2.5, 4.0
PROGRAM = (
    "BEGIN { if (steps < 1) exit 3; x = 0.3; for (i = 0; i < 500; i++) x = r * x * (1 - x);"
    " for (i = 0; i < steps; i++) { x = r * x * (1 - x); d = r * (1 - 2 * x);"
    ' s += log(d < 0 ? -d + 1e-300 : d + 1e-300) }; printf "%.6f %.6f\\n", r, s / steps }'
)


def main() -> None:
    """Do all of it; the exit code tells whether every task succeeded."""
    told = _words()
    client = BatchClient(told.url, AzureNamedKeyCredential(told.account, told.key))
    _make_pool(client, told)
    began = time.monotonic()
    _add(client, told)
    added = time.monotonic()
    _wait(client, told.job, told.tasks)
    ran = time.monotonic()
    failed = list(_failures(client, told.job))
    _collect(client, told.job, told.tasks, {name for name, _ in failed}, told.out)
    read = time.monotonic()
    for name, why in failed:
        print(f"{name} failed: {why}", file=sys.stderr)
    print(
        f"{told.tasks} tasks: {told.tasks - len(failed)} succeeded, {len(failed)} failed; added in"
        f" {added - began:.1f} s, all over after {ran - began:.1f} s ({told.tasks / (ran - began):.1f} a second),"
        f" read in {read - ran:.1f} s into {told.out}"
    )
    if not told.keep:
        client.begin_delete_job(told.job)
    sys.exit(1 if failed else 0)


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    env = os.environ
    parser.add_argument("--url", default=env.get("BATCH_URL", "http://127.0.0.1:10010"))
    parser.add_argument("--account", default=env.get("BATCH_ACCOUNT", "devaccount"))
    parser.add_argument("--key", default=env.get("BATCH_KEY", DEVELOPMENT_KEY), help="better in BATCH_KEY")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=20_000, help="of the map, in each task")
    parser.add_argument("--pool", default="sweep", help="made when it is not there")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--slots", type=int, default=4, help="tasks at a time on a node")
    parser.add_argument("--size", default="standard_d4s_v5", help="vmSize of the nodes")
    parser.add_argument("--job", default=time.strftime("sweep-%Y%m%d-%H%M%S"))
    parser.add_argument("--out", default="sweep.csv")
    parser.add_argument("--keep", action="store_true", help="leave the job and its files there")
    return parser.parse_args()


def _make_pool(client: BatchClient, told: argparse.Namespace) -> None:
    image = models.BatchVmImageReference(
        publisher="canonical", offer="0001-com-ubuntu-server-jammy", sku="22_04-lts"
    )  # fmt: skip
    machine = models.VirtualMachineConfiguration(image_reference=image, node_agent_sku_id="batch.node.ubuntu 22.04")
    pool = models.BatchPoolCreateOptions(
        id=told.pool, vm_size=told.size, target_dedicated_nodes=told.nodes, task_slots_per_node=told.slots,
        virtual_machine_configuration=machine,
    )  # fmt: skip
    with contextlib.suppress(ResourceExistsError):
        client.create_pool(pool)


def _add(client: BatchClient, told: argparse.Namespace) -> None:
    """Make the job and its tasks, 100 a request; what is there already stays as it is."""
    with contextlib.suppress(ResourceExistsError):
        where = models.BatchPoolInfo(pool_id=told.pool)
        client.create_job(models.BatchJobCreateOptions(id=told.job, pool_info=where))
    tasks = [_task(number, told) for number in range(told.tasks)]
    parts = [tasks[first : first + 100] for first in range(0, len(tasks), 100)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for answer in threads.map(
            lambda part: client.create_task_collection(told.job, models.BatchTaskGroup(task_values=part)), parts
        ):
            for one in answer.result_values or []:
                if one.error is not None and one.error.code != "TaskExists":
                    raise SystemExit(f"{one.task_id} was refused: {one.error.code}")


def _task(number: int, told: argparse.Namespace) -> models.BatchTaskCreateOptions:
    r = LOWEST + (HIGHEST - LOWEST) * number / max(1, told.tasks - 1)
    return models.BatchTaskCreateOptions(
        id=f"r{number}", command_line=f"awk -v r={r:.6f} -v steps={told.steps} '{PROGRAM}'",
        constraints=models.BatchTaskConstraints(max_wall_clock_time=timedelta(minutes=10), max_task_retry_count=2),
    )  # fmt: skip


def _wait(client: BatchClient, job: str, number: int) -> None:
    while (counts := client.get_job_task_counts(job).task_counts).completed < number:
        _show(f"{counts.completed} of {number} are over, {counts.running} run")
        time.sleep(1)
    _show("")


def _show(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<60}", end="\r" if not text else "", file=sys.stderr, flush=True)


def _failures(client: BatchClient, job: str) -> Iterator[tuple[str, str]]:
    for task in client.list_tasks(job, filter="executionInfo/result eq 'failure'"):
        told = task.execution_info.failure_info
        yield task.id, f"exit code {task.execution_info.exit_code}, {told.code if told else 'no reason'}"


def _collect(client: BatchClient, job: str, number: int, failed: set[str], out: str) -> None:
    """Read what the tasks printed into one file."""
    names = [name for name in (f"r{each}" for each in range(number)) if name not in failed]
    with ThreadPoolExecutor(AT_ONCE) as threads, open(out, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("r", "lyapunov"))
        for said in threads.map(lambda name: b"".join(client.download_task_file(job, name, "stdout.txt")), names):
            writer.writerow(said.decode().split())


if __name__ == "__main__":
    main()
