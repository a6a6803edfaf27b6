"""What jobs of a schedule are made from."""

from __future__ import annotations

import msgspec

from linarite.engine.model import Facts, JobSpec, TaskSpec


class JobTemplate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job to be, with the tasks that it begins with: `spec` has no id yet, and no pool where one is made for it."""

    spec: JobSpec
    facts: Facts = {}
    first_tasks: tuple[tuple[TaskSpec, Facts], ...] = ()
