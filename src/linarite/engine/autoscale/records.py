"""What is kept of a pool that finds its own size: its formula, the formula's last run, and the pool's samples.

Times as in `engine.model`, which holds the records that these are parts of.
"""

from __future__ import annotations

import msgspec

SECOND = 1_000_000
PERIOD = 30 * SECOND
"""What one sample stands for."""
HISTORY = 2880
"""Samples that are kept of a pool: those of a day."""


class Scaling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a pool finds its own targets: a formula of `engine.autoscale`, evaluated every `interval`."""

    formula: str
    interval: int = 900 * SECOND


class ScalingRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a formula came to at `at`: targets, what becomes of tasks (`option`), the variables as results show them.

    `error` is the engine's word for what went wrong and `detail` says where; the targets are as they were then.
    """

    at: int
    dedicated: int
    low_priority: int
    option: str
    variables: str = ""
    error: str | None = None
    detail: str = ""


class PoolSample(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool was like in one of its 30 seconds, `slot` (counted from 1970): what autoscale formulas look back at.

    `active_tasks` could start at once; node counts by what formulas ask for. Tasks are those of the pool's jobs.
    Nothing preempts nodes, so `preempted_nodes` stays 0. What its nodes' runs used comes later than the rest, or never:
    the part of the processors that was busy, bytes of memory and of the disk in use (means of the nodes), bytes from
    and to disks (of all of them).
    """

    pool_key: int
    slot: int
    active_tasks: int = 0
    running_tasks: int = 0
    succeeded_tasks: int = 0
    failed_tasks: int = 0
    dedicated_nodes: int = 0
    low_priority_nodes: int = 0
    preempted_nodes: int = 0
    nodes: int = 0
    usable_nodes: int = 0
    task_slots: int = 1
    cpu_millionths: int | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    read_bytes: int | None = None
    write_bytes: int | None = None
