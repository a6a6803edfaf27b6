"""Tasks, sweeps, and what the service itself runs on nodes, as the engine needs them kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from linarite.engine.filtering import Expression, Listed, Search
from linarite.engine.model import NodeTask, NodeTaskKind, Sweep, Task, TaskState
from linarite.engine.usage import Running

Prepared = tuple[NodeTask, NodeTask | None]
"""A job's preparation task on a node, and its release task there once there is one."""


class Tasks(Protocol):
    """Tasks; ids are unique in a job without regard to case; aliases by job and by account."""

    def get(self, job_key: int, task: str) -> Task | None: ...
    def by_key(self, key: int) -> Task | None: ...
    def by_keys(self, keys: Sequence[int]) -> list[Task]: ...
    def by_alias(self, job_key: int, alias: int, index: int = 0) -> Task | None: ...
    def of_sweep(self, job_key: int, alias: int, after: int, limit: int) -> list[Task]:
        """The tasks of a sweep whose index is greater than `after`, in their order."""
        ...

    def unqueue(self, job_key: int, alias: int) -> int:
        """Let no queued task of a sweep start; tells how many there were."""
        ...

    def by_account_alias(self, account: str, alias: int) -> Task | None: ...
    def existing(self, job_key: int, ids: Sequence[str]) -> set[str]:
        """The ids among `ids`, in lower case, that the job has already."""
        ...

    def insert(self, tasks: Sequence[Task]) -> None:
        """Store new tasks: sets key and account_alias of each, and their dependency rows."""
        ...

    def update(self, tasks: Sequence[Task]) -> None:
        """Write all but `spec`, `facts` and `waiting`, which only `wait_less` changes."""
        ...

    def rewrite(self, tasks: Sequence[Task]) -> None:
        """Write `spec` and `facts`."""
        ...

    def delete(self, keys: Sequence[int]) -> None: ...
    def page(self, job_key: int, where: Expression | None, after: int, limit: int) -> list[Task]: ...
    def listed(self, job_key: int, where: Expression | None, position: str, limit: int) -> Listed[Task]:
        """At most `limit` of the job's tasks for which `where` holds, from a position on ("": from the start).

        The work is bounded whatever the job holds, hence a page may be short. A task that was there all the time comes
        once. InvalidValue for a condition that no list has, and for a position that is none.
        """
        ...

    def of_account(self, account: str, after: int, limit: int, states: Sequence[TaskState] = ()) -> list[Task]:
        """Tasks after the account alias `after`, in the order of account aliases."""
        ...

    def queue(self, job_key: int, max_slots: int, max_instances: int, limit: int) -> list[Task]:
        """Queued tasks of a job that need at most `max_slots` and `max_instances`, the oldest first."""
        ...

    def running_of_job(self, job_key: int, after: int = 0, limit: int = 10_000) -> list[Task]: ...
    def search(self, account: str, search: Search) -> list[Task]:
        """Tasks of an account but those that are being deleted. Its time grows with the account: nothing else asks so.

        InvalidValue for a condition that no search has.
        """
        ...

    def in_run_of_account(self, account: str) -> list[Task]: ...
    def running_on_node(self, node_key: int) -> list[Task]: ...
    def running_since(self, jobs: Sequence[int]) -> dict[int, Running]:
        """What runs of each of these jobs, if anything does."""
        ...

    def running(self, account: str) -> Running:
        """What runs of the account."""
        ...

    def unfinished_runs(self) -> list[Task]:
        """Every task that is preparing or running, of all accounts."""
        ...

    def dependents(self, job_key: int, ids: Sequence[str]) -> dict[int, int]:
        """How many dependency rows of which waiting task the `ids` satisfy that are about to: task key to count.

        An integer satisfies a range once: not if another task of that number (`1`, `01`) is satisfied in the store.
        """
        ...

    def satisfy(self, job_key: int, ids: Sequence[str]) -> dict[int, int]:
        """`dependents`, and notes at once that these tasks are satisfied, so that the unit's next call knows."""
        ...

    def satisfied_count(self, job_key: int, ids: Sequence[str], ranges: Sequence[tuple[int, int]]) -> int:
        """How many of these ids, and of the integers in these ranges, are satisfied already."""
        ...

    def wait_less(self, counts: dict[int, int]) -> list[Task]:
        """Lower `waiting` of each task by its count; returns those that came to 0 and are active."""
        ...

    def due(self, now: int, limit: int) -> list[Task]:
        """Running tasks whose deadline has passed."""
        ...

    def to_clean(self, now: int, limit: int) -> list[Task]:
        """Completed tasks whose directory may go."""
        ...

    def next_moment(self) -> int | None:
        """The earliest deadline or clean-up of a task; microseconds since the epoch."""
        ...

    def recent_on_node(self, node_key: int, limit: int) -> list[Task]: ...
    def kept_on_node(self, node_key: int) -> bool:
        """Tell whether the files of a task that ended there are to be kept for some time yet."""
        ...

    def held_by(self, node_task: int) -> list[Task]:
        """Preparing tasks that wait for this node task."""
        ...


class Sweeps(Protocol):
    """Parametric sweeps; their keys and aliases are among those of tasks."""

    def by_alias(self, job_key: int, alias: int) -> Sweep | None: ...
    def of_job(self, job_key: int, after: int = 0) -> list[Sweep]:
        """Those of a job whose key is greater than `after`, in the order of their keys."""
        ...

    def growing(self, limit: int) -> list[Sweep]:
        """Those whose tasks are still being made, the oldest first."""
        ...

    def insert(self, sweep: Sweep) -> None:
        """Store a new one: sets its key."""
        ...

    def update(self, sweeps: Sequence[Sweep]) -> None: ...
    def delete_of_job(self, job_key: int) -> None: ...


class NodeTasks(Protocol):
    """What the service runs on nodes: start, preparation, release and coordination tasks."""

    def by_keys(self, keys: Sequence[int]) -> list[NodeTask]: ...
    def latest(self, node_key: int, kind: NodeTaskKind, job_key: int | None = None) -> NodeTask | None:
        """The last one of a kind on a node (of a job)."""
        ...

    def of_node(self, node_key: int, kind: NodeTaskKind | None = None) -> list[NodeTask]:
        """All on a node, or all of a kind there, the oldest first."""
        ...

    def under_way(self, node_key: int) -> list[NodeTask]:
        """All on a node that are not completed."""
        ...

    def recent_subtasks(self, node_key: int, limit: int) -> list[NodeTask]:
        """The last subtasks on a node, the newest first."""
        ...

    def kept_on_node(self, node_key: int) -> bool:
        """Tell whether the files of a subtask that ended there are to be kept for some time yet."""
        ...

    def of_task(self, task_key: int) -> list[NodeTask]:
        """The instances of a multi-instance task, in the order of their numbers."""
        ...

    def of_job(self, job_key: int) -> list[NodeTask]:
        """All of a job, the oldest first."""
        ...

    def start_tasks(self, node_keys: Sequence[int]) -> dict[int, NodeTask]:
        """The last start task of each of these nodes that has any, by the node's key."""
        ...

    def page(self, job_key: int, where: Expression | None, after: int, limit: int) -> list[Prepared]:
        """The nodes that a job was prepared on, in the order of the preparation tasks' keys."""
        ...

    def insert(self, tasks: Sequence[NodeTask]) -> None:
        """Store new ones: sets the key of each."""
        ...

    def update(self, tasks: Sequence[NodeTask]) -> None: ...
    def delete(self, keys: Sequence[int]) -> None: ...
    def unfinished(self) -> list[NodeTask]:
        """All that are not completed, of all accounts."""
        ...

    def due(self, now: int, limit: int) -> list[NodeTask]:
        """Running ones whose deadline has passed."""
        ...

    def to_clean(self, now: int, limit: int) -> list[NodeTask]:
        """Completed ones whose directory may go."""
        ...

    def next_moment(self) -> int | None:
        """The earliest deadline or clean-up; microseconds since the epoch."""
        ...
