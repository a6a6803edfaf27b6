"""Who asks how far tasks are is answered from the records; what running ones have told since is brought there first.

A task that nobody asks about costs nothing while it runs: its last word comes with the report of its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from linarite.engine import layout
from linarite.engine.core import Engine
from linarite.engine.effects import run_name
from linarite.engine.launching import NodeRef, Watched
from linarite.engine.ledger import Ledger
from linarite.engine.model import Job, Task, TaskState
from linarite.engine.outcomes import advanced
from linarite.engine.ports import Transaction
from linarite.engine.progress import Progress

Told = tuple[int, str, Progress]
"""A task's key, its run, and what that told."""


async def follow(engine: Engine, find: Callable[[Transaction], Sequence[tuple[Job, Task]]]) -> None:
    """Bring what the running ones of these tasks have told into their records. A node that is gone tells nothing."""
    running = [(job, task) for job, task in await engine.ask(find) if task.state is TaskState.RUNNING]
    watched = [(task, _watched(job, task)) for job, task in running if task.node_key is not None]
    if not watched:
        return
    told = await engine.nodes.progress([place for _, place in watched])
    news: list[Told] = [
        (task.key, place.run, progress)
        for (task, place), progress in zip(watched, told, strict=True)
        if progress is not None and advanced(task, progress) != task
    ]
    if news:
        await engine.do(keep, news, who="task")


def keep(u: Ledger, told: Sequence[Told]) -> None:
    """Keep what runs told, as long as they are their tasks' current ones."""
    by_key = {key: (run, progress) for key, run, progress in told}
    for found in u.tx.tasks.by_keys(sorted(by_key)):
        task = u.task(found)
        run, progress = by_key[task.key]
        if task.state is TaskState.RUNNING and run_name(task) == run:
            u.put_task(task, advanced(task, progress))


def in_run(account: str) -> Callable[[Transaction], list[tuple[Job, Task]]]:
    """A question for all that runs of an account."""

    def ask(tx: Transaction) -> list[tuple[Job, Task]]:
        found = tx.tasks.in_run_of_account(account)
        jobs = {key: tx.jobs.by_key(key) for key in {task.job_key for task in found}}
        return [(job, task) for task in found if (job := jobs[task.job_key]) is not None]

    return ask


def _watched(job: Job, task: Task) -> Watched:
    assert task.node_key is not None, "it runs somewhere"
    node = NodeRef(account=task.account, pool=task.pool or "", node=task.node or "", key=task.node_key)
    return Watched(node=node, run=run_name(task), directory=layout.task_directory(job.spec.id, task.spec.id))
