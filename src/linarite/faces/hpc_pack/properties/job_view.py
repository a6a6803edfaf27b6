"""A job as its properties are read from: the record, and on demand what stands beside it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from linarite.engine.filtering import Both, Compare
from linarite.engine.model import Job, JobState, OnAllTasksComplete, Task
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import states
from linarite.faces.hpc_pack.callers import FACE

SECOND = 1_000_000
FIRST_TASKS = 1000
PROGRESS_MESSAGE = 80
TOLD_TASKS = 50
"""So many tasks of a job in which nothing runs are looked at for what they told: lists have many jobs."""
FAILED = Both(left=Compare("state", "eq", "completed"), right=Compare("executionInfo/result", "eq", "failure"))


class JobView:
    """One job in one transaction. What costs a query is asked at most once, and only by the property that needs it."""

    def __init__(self, tx: Transaction, job: Job, cluster: str) -> None:
        self.tx, self.job, self.spec, self.cluster = tx, job, job.spec, cluster
        self.facts: dict[str, Any] = job.facts.get(FACE, {})

    def fact(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - of the property's kind
        """What was set of a property that the engine does not model."""
        return self.facts.get(name, default)

    @property
    def owner(self) -> str:
        r"""`CLUSTER\name`; a job that no person made belongs to its account."""
        return f"{self.cluster}\\{self.spec.owner or self.job.account}"

    @property
    def expanded_priority(self) -> int:
        """0 to 4000: the number a client set as long as the engine's priority is still that of it."""
        exact = self.fact("ExpandedPriority")
        if exact is not None and engine_priority(exact) == self.spec.priority:
            return int(exact)
        return min(4000, max(0, 2000 + 2 * self.spec.priority))

    @property
    def runs_until_canceled(self) -> bool:
        """Whether the job stays when no task is left; one made by another protocol only as long as it is not over."""
        stays = self.spec.on_all_tasks_complete is OnAllTasksComplete.NO_ACTION
        return stays and (FACE in self.job.facts or self.job.state is not JobState.COMPLETED)

    @property
    def changed_at(self) -> int:
        """When the job was last changed or moved to another state."""
        return max(self.job.modified_at, self.job.state_at, self.job.first_task_at or 0)

    @property
    def progress(self) -> int:
        """What a client set, else the share of finished tasks, 0 to 100; a running one counts as far as it says."""
        own = self.fact("Progress")
        if own is not None:
            return int(own)
        if states.job_state(self.job) == "Finished":
            return 100
        counts = self.job.counts
        done = counts.succeeded + counts.failed
        total = done + counts.active + counts.running
        under_way = sum(task.percent or 0 for task in self._running)
        return (100 * done + under_way) // total if total else 0

    @property
    def progress_message(self) -> str | None:
        """What a client set, else what a task told: the last begun that runs, else of the first ones the last ended."""
        own = self.fact("ProgressMessage")
        if own is not None:
            return str(own)
        running = [task for task in self._running if task.stage]
        first = [] if self._running else self.tx.tasks.page(self.job.key, None, 0, TOLD_TASKS)
        ended = [task for task in first if task.stage]
        told = max((*running, *ended), key=lambda task: (task.ended_at or 0, task.started_at or 0), default=None)
        return None if told is None else (told.stage or "")[:PROGRESS_MESSAGE]

    @cached_property
    def _running(self) -> list[Task]:
        return self.tx.tasks.running_of_job(self.job.key, 0, FIRST_TASKS) if self.job.counts.running else []

    @property
    def seconds(self) -> int:
        """The run time allowed, 0 without limit."""
        return (self.spec.max_wall_clock or 0) // SECOND

    def least(self, unit: str) -> int:
        """Min of a unit (Cores, Nodes, Sockets): 1 as long as it is calculated."""
        return 1 if self.fact("AutoCalculateMin", True) else int(self.fact(f"Min{unit}", 1))  # noqa: FBT003 - its default

    def most(self, unit: str) -> int:
        """Max of a unit: as long as it is calculated, what the tasks need together and the pool has."""
        if not self.fact("AutoCalculateMax", True):  # noqa: FBT003 - its default
            return int(self.fact(f"Max{unit}", 1))
        return 1 if unit == "Nodes" else self._needed

    @cached_property
    def _needed(self) -> int:
        counts = self.job.counts
        slots = counts.active_slots + counts.running_slots + counts.succeeded_slots + counts.failed_slots
        pool = self.tx.pools.get(self.job.account, self.spec.pool) if self.spec.pool else None
        if pool is not None:
            targets = pool.spec.target_dedicated + pool.spec.target_low_priority
            slots = min(slots, targets * pool.spec.slots_per_node)
        return max(1, slots)

    @cached_property
    def parents(self) -> list[int]:
        """The numbers of the parent jobs that are still there."""
        found = (self.tx.jobs.get(self.job.account, name) for name in self.spec.parents)
        return [job.alias for job in found if job is not None]

    @cached_property
    def children(self) -> list[int]:
        """The numbers of the jobs that wait for this one."""
        return [job.alias for job in self.tx.jobs.children(self.job.account, self.spec.id)]

    @cached_property
    def nodes(self) -> list[str]:
        """The nodes of the running tasks and of the first tasks of the job."""
        tasks = self.tx.tasks.page(self.job.key, None, 0, FIRST_TASKS)
        tasks += self.tx.tasks.running_of_job(self.job.key) if self.job.counts.running else []
        return list(dict.fromkeys(task.node for task in tasks if task.node))

    @property
    def node_groups(self) -> list[str]:
        """The groups that the client named, else the pool."""
        return self.fact("NodeGroups") or ([self.spec.pool] if self.spec.pool else [])

    @property
    def error(self) -> str:
        """Why the job was canceled or failed, in a sentence; empty otherwise."""
        state, reason = states.job_state(self.job), self.job.terminate_reason or ""
        if state in {"Canceled", "Canceling"} and reason == states.OUT_OF_TIME:
            return f"The job ran longer than its run time of {self.seconds} seconds."
        if state in {"Canceled", "Canceling"}:
            return f"Canceled by user. {states.cause(self.job)}".rstrip()
        if state != "Failed":
            return ""
        if reason == states.BY_PARENT:
            return "A job that this one depends on failed."
        failed = self._first_failed
        return f"Task {self.job.alias}.{failed.alias} failed." if failed else "A task of the job failed."

    @cached_property
    def _first_failed(self) -> Task | None:
        return next(iter(self.tx.tasks.page(self.job.key, FAILED, 0, 1)), None)


def engine_priority(expanded: int) -> int:
    """The engine's priority, -1000 to 1000, of an expanded one, 0 to 4000."""
    return (expanded - 2000) // 2
