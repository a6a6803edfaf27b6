"""Starting a batch task: a task in the open job of its definition, on a pool that is there.

Each definition has one job, `superoffice-<name>`, so that the other protocols find its tasks together; when somebody
ended that job, the next start opens another.
"""

from __future__ import annotations

import re
from itertools import count

from linarite.engine import jobs, pools, tasks
from linarite.engine.errors import EngineError
from linarite.engine.ledger import Ledger
from linarite.engine.model import Job, JobSpec, PoolSpec, Task
from linarite.faces.superoffice.definitions import DEFAULT_POOL, CannotStart, Definition, Start, task_spec
from linarite.faces.superoffice.states import FACE, own_facts

SLOTS = 4
"""Tasks at once on the pool that is made when it is first needed."""


def start_task(u: Ledger, account: str, definition: Definition, start: Start) -> Task:
    """Add the task. CannotStart when the definition's pool is not there."""
    _need_pool(u, account, definition.pool)
    job = _open_job(u, account, definition, start.name)
    spec, facts = task_spec(definition, start, f"batchtask-{job.next_task}")
    [answer] = tasks.add(u, account, job.spec.id, [(spec, facts)])
    if isinstance(answer, EngineError):
        raise answer
    return answer


def _need_pool(u: Ledger, account: str, pool: str) -> None:
    if u.tx.pools.get(account, pool) is not None:
        return
    if pool != DEFAULT_POOL:
        raise CannotStart(f"The pool {pool!r} of the batch task definition does not exist.")
    pools.add(u, account, PoolSpec(id=pool, target_dedicated=1, slots_per_node=SLOTS), {})


def _open_job(u: Ledger, account: str, definition: Definition, name: str) -> Job:
    stem = "superoffice-" + re.sub(r"[^A-Za-z0-9_-]", "-", name)[:40]
    for number in count(1):
        id = stem if number == 1 else f"{stem}-{number}"
        job = u.tx.jobs.get(account, id)
        if job is None:
            spec = JobSpec(id=id, pool=definition.pool, display_name=name)
            return jobs.add(u, account, spec, {FACE: {"definition": name}})
        same = own_facts(job).get("definition") == name and job.spec.pool.lower() == definition.pool.lower()
        if same and job.state not in jobs.OVER:
            return job
    raise AssertionError
