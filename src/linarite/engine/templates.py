"""What jobs are made from: a specification without an id, the pool made for it, the tasks that it begins with."""

from __future__ import annotations

import msgspec

from linarite.engine.model import Facts, JobSpec, PoolSpec, TaskSpec


class AutoPool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pool made for a job, or, when it is `lasting`, for all jobs of a schedule; it goes with them unless `kept`.

    Its id is `prefix` and a name that no other pool has; `spec` has none.
    """

    spec: PoolSpec
    facts: Facts = {}
    prefix: str = ""
    lasting: bool = False
    kept: bool = False


class JobTemplate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job to be: `spec` has no id yet, and no pool where there is an `auto_pool`."""

    spec: JobSpec
    facts: Facts = {}
    auto_pool: AutoPool | None = None
    first_tasks: tuple[tuple[TaskSpec, Facts], ...] = ()
