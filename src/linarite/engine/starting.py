"""How what runs is from the launch of its run until its process is there.

Where files come first, its time counts from the launch and anew from the start. On machines of a cluster a run waits
for its turn, for hours maybe: until it starts nothing of its time has passed.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from linarite.engine.containers import ContainerInfo
from linarite.engine.ledger import Ledger
from linarite.engine.model import NodeCommand, NodeTask, Task, TaskSpec, TaskState


class Beginning(NamedTuple):
    """A state, since when it counts as started, and when its time will be up."""

    state: TaskState
    started_at: int | None
    deadline: int | None


def is_announced(u: Ledger, wanted: TaskSpec | NodeCommand) -> bool:
    """Tell whether the start of its run is reported and waited for."""
    return wanted.brings or u.site.standing


def beginning(u: Ledger, limit: int | None, *, brings: bool) -> Beginning:
    """What becomes of it when its run is launched now; `limit` is its longest time in microseconds."""
    if u.site.standing:
        return Beginning(TaskState.PREPARING, None, None)
    deadline = None if limit is None else u.now + limit
    return Beginning(TaskState.PREPARING if brings else TaskState.RUNNING, u.now, deadline)


def waits(what: Task | NodeTask) -> bool:
    """Tell whether its run, or what that has to wait for, has not had its turn on a machine of a cluster."""
    return what.state is TaskState.PREPARING and what.started_at is None


def go_on(u: Ledger, task: Task, held_by: int | None, *, brings: bool) -> Task:
    """A task that waited for its node to be prepared comes to its own run, or is held by the first of several."""
    begins = beginning(u, task.spec.max_wall_clock, brings=brings)
    new = replace(task, held_by=held_by, started_at=begins.started_at, deadline=begins.deadline)
    if begins.state is TaskState.RUNNING:
        new = replace(
            new, state=TaskState.RUNNING, state_at=u.now, previous_state=task.state, previous_state_at=task.state_at
        )
    return u.put_task(task, new)


def started(u: Ledger, task: Task, at: int, container: ContainerInfo | None = None) -> Task:
    """A task that was being prepared has its process since `at`."""
    limit = task.spec.max_wall_clock
    return u.put_task(
        task,
        replace(
            task, state=TaskState.RUNNING, state_at=at, previous_state=task.state, previous_state_at=task.state_at,
            started_at=at, deadline=None if limit is None else at + limit, container=container,
        ),
    )  # fmt: skip
