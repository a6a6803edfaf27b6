"""How fast the store takes tasks in and changes them: its rows/s against bare sqlite3 on the same tables.

Both write units of 100 tasks with an event each: an insert, then the claim (preparing), the start and the end of each
task. The store gets records by `write`, one unit after another, then from eight writers at once; bare sqlite3 gets
tuples that are ready, by `executemany`, and commits each unit. The rounds alternate; the figures are medians.

    python benchmarks/store.py [--tasks 5000] [--rounds 5] [--directory DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from linarite.engine.model import Event, Task, TaskResult, TaskSpec, TaskState
from linarite.engine.ports import Transaction
from linarite.store import SqlStore, open_store
from linarite.store.events import events
from linarite.store.task_table import STATE, rows, tasks

UNIT = 100
WRITERS = 8
NOW = 1_700_000_000_000_000
EVENT = [column.name for column in events.c if column.name != "seq"]


def prepare(task: Task) -> None:
    task.state, task.previous_state, task.queued = TaskState.PREPARING, TaskState.ACTIVE, False
    task.attempt, task.node_key, task.node, task.pool = 1, 1, "node1", "pool"


def start(task: Task) -> None:
    task.state, task.previous_state, task.started_at = TaskState.RUNNING, TaskState.PREPARING, NOW


def end(task: Task) -> None:
    task.state, task.previous_state, task.ended_at = TaskState.COMPLETED, TaskState.RUNNING, NOW
    task.exit_code, task.result, task.satisfied, task.cleanup_at = 0, TaskResult.SUCCESS, True, NOW
    task.usage = {"user_seconds": 0.01, "kernel_seconds": 0.01}


STEPS: dict[str, Callable[[Task], None] | None] = {"insert": None, "claim": prepare, "start": start, "end": end}


def units(count: int) -> list[list[Task]]:
    """New tasks, a hundred to a unit, keys as a new store gives them."""
    times: dict[str, Any] = {"created_at": NOW, "modified_at": NOW, "state_at": NOW}
    made = [
        Task(key=n, job_key=1, account="bench", alias=n, account_alias=n, queued=True, spec=spec(n), **times)
        for n in range(1, count + 1)
    ]
    return [made[first : first + UNIT] for first in range(0, count, UNIT)]


def spec(number: int) -> TaskSpec:
    return TaskSpec(id=f"task{number}", command="/bin/true")


def history(unit: Sequence[Task], what: str) -> list[Event]:
    return [Event(account="bench", kind="task", key=task.key, at=NOW, what=what, who="bench") for task in unit]


async def through_the_store(path: Path, count: int, writers: int) -> dict[str, float]:
    """Rows/s of each step, a row being a task with its event."""
    store = open_store(path)
    made = units(count)
    rates = {}
    for what, change in STEPS.items():
        for task in (task for unit in made for task in unit if change):
            change(task)
        queue = iter(made)
        began = time.perf_counter()
        await asyncio.gather(*(writer(store, queue, what) for _ in range(writers)))
        rates[what] = count / (time.perf_counter() - began)
    await store.close()
    return rates


async def writer(store: SqlStore, queue: Any, what: str) -> None:
    for unit in queue:

        def work(tx: Transaction, unit: list[Task] = unit) -> None:
            (tx.tasks.insert if what == "insert" else tx.tasks.update)(unit)
            tx.events.add(history(unit, what))

        await store.write(work)


async def bare(path: Path, count: int) -> dict[str, float]:
    """The same by sqlite3 alone."""
    await open_store(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    names = [column.name for column in tasks.c]
    marks = ",".join("?" * len(names))
    insert = f"INSERT INTO tasks ({','.join(names)}) VALUES ({marks})"
    update = f"UPDATE tasks SET {','.join(f'{name}=?' for name in STATE)} WHERE key=?"
    note = f"INSERT INTO events ({','.join(EVENT)}) VALUES ({','.join('?' * len(EVENT))})"
    made = units(count)
    rates = {}
    for what, change in STEPS.items():
        for task in (task for unit in made for task in unit if change):
            change(task)
        ready = [plain(unit, names if what == "insert" else [*STATE, "key"], what) for unit in made]
        began = time.perf_counter()
        for values, notes in ready:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert if what == "insert" else update, values)
            connection.executemany(note, notes)
            connection.execute("COMMIT")
        rates[what] = count / (time.perf_counter() - began)
    connection.close()
    return rates


def plain(unit: Sequence[Task], names: Sequence[str], what: str) -> tuple[list[Any], list[Any]]:
    """Tuples that cost the driver nothing but to bind them."""
    values = rows.values(names)
    notes = [tuple(getattr(event, name) for name in EVENT) for event in history(unit, what)]
    return [tuple(str(v) if isinstance(v, str) else v for v in values(task)) for task in unit], notes


def run(*, short: bool = False, directory: str | None = None, count: int = 5_000, rounds: int = 5) -> dict[str, Any]:
    """Rows/s of the store and of bare sqlite3, and their ratio, for each step."""
    count, rounds = (1_000, 1) if short else (count, rounds)
    found: list[dict[str, dict[str, float]]] = []
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        for n in range(rounds):
            place = Path(folder)
            found.append(
                {
                    "bare": uvloop.run(bare(place / f"bare{n}.db", count)),
                    "store": uvloop.run(through_the_store(place / f"one{n}.db", count, 1)),
                    "shared": uvloop.run(through_the_store(place / f"many{n}.db", count, WRITERS)),
                }
            )
    medians = {
        what: {who: statistics.median(each[who][what] for each in found) for who in ("bare", "store", "shared")}
        for what in STEPS
    }
    return {
        what: {
            "rows_per_second": round(rates["store"]),
            f"with_{WRITERS}_writers": round(rates["shared"]),
            "bare_sqlite3": round(rates["bare"]),
            "ratio": round(rates["store"] / rates["bare"], 2),
            f"ratio_with_{WRITERS}_writers": round(rates["shared"] / rates["bare"], 2),
        }
        for what, rates in medians.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", help="where the databases lie; a temporary folder of the system's by default")
    options = parser.parse_args()
    for what, figures in run(directory=options.directory, count=options.tasks, rounds=options.rounds).items():
        print(json.dumps({"benchmark": f"store {what}", **figures}))


if __name__ == "__main__":
    main()
