"""What a unit of work reads: records as the unit itself has them, those that it has changed already among them.

Nothing is changed here; that is `engine.ledger`.
"""

from __future__ import annotations

from linarite.engine.model import Job, Node, NodeTask, Pool, Sweep, Task
from linarite.engine.ports import Transaction


class Reading:
    """The records of one transaction that were looked at, each read once."""

    def __init__(self, tx: Transaction) -> None:
        """Nothing is read yet."""
        self.tx = tx
        self._jobs: dict[int, Job] = {}
        self._nodes: dict[int, Node] = {}
        self._pools_read: set[int] = set()
        self._tasks: dict[int, Task] = {}
        self._node_tasks: dict[int, NodeTask] = {}
        self._sweeps: dict[int, dict[int, Sweep]] = {}
        self._gone: set[str] = set()
        self._taken: dict[int, int] = {}

    def job(self, key: int) -> Job:
        """The job as this unit has it."""
        if key not in self._jobs:
            job = self.tx.jobs.by_key(key)
            assert job is not None, "a task's job is there as long as the task is"
            self._jobs[key] = job
        return self._jobs[key]

    def node(self, key: int) -> Node | None:
        """The node as this unit has it, None when it is gone."""
        if key not in self._nodes:
            node = self.tx.nodes.by_key(key)
            if node is None:
                return None
            self._read_nodes(node.pool_key)
        return self._nodes.get(key)

    def nodes_of(self, pool: Pool) -> list[Node]:
        """The nodes of a pool as this unit has them."""
        self._read_nodes(pool.key)
        return [node for node in self._nodes.values() if node.pool_key == pool.key]

    def _read_nodes(self, pool_key: int) -> None:
        """Read the nodes of a pool, once: who asks for one of them mostly schedules on all of them next."""
        if pool_key not in self._pools_read:
            self._pools_read.add(pool_key)
            found = {node.key: node for node in self.tx.nodes.of_pool(pool_key)}
            self._nodes = found | self._nodes  # one that this unit has changed already stays as it is

    def known(self, job: Job) -> Job:
        """The same job as this unit already has it, else the given one."""
        return self._jobs.setdefault(job.key, job)

    def task(self, task: Task) -> Task:
        """The same task as this unit has changed it, else the given one."""
        return self._tasks.get(task.key, task)

    def queue(self, job: Job, max_slots: int, max_instances: int, most: int) -> list[Task]:
        """The oldest tasks of a job that could start, without what this unit has taken.

        They need at most `max_slots` and, where they take nodes for themselves, at most `max_instances`.
        """
        taken = self._taken.get(job.key, 0)
        found = self.tx.tasks.queue(job.key, max_slots, max_instances, most + taken)
        return [task for task in found if self.task(task).queued][:most] if taken else found

    def node_task(self, own: NodeTask) -> NodeTask:
        """The same node task as this unit has changed it, else the given one."""
        return self._node_tasks.get(own.key, own)

    def sweeps_of(self, job_key: int) -> dict[int, Sweep]:
        """The sweeps of a job as this unit has them, by their numbers in the job."""
        if job_key not in self._sweeps:
            self._sweeps[job_key] = {sweep.alias: sweep for sweep in self.tx.sweeps.of_job(job_key)}
        return self._sweeps[job_key]

    def sweep_of(self, task: Task) -> Sweep | None:
        """The sweep that a task is one of, if it is."""
        return self.sweeps_of(task.job_key).get(task.alias) if task.index else None

    def is_gone(self, run: str) -> bool:
        """Tell whether the record whose run it is was taken out in this unit: there may be another report on it."""
        return run in self._gone
