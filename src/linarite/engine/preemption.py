"""Room for jobs of higher priority: running tasks of preemptible jobs are taken back and queued again.

A task that manages its job and is to start again takes room from all jobs that are not more important than its own,
but not from other such tasks. Sources: allowTaskPreemption of BatchJobCreateOptions, BatchJobManagerTask. A node is
chosen so that the fewest runs are lost, and no more are ended than the waiting tasks need: what is being ended already
counts as room.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from linarite.engine import instances
from linarite.engine.counting import BUSY
from linarite.engine.eligibility import allowed, is_open, may_start, most_instances, startable, suitable, suits
from linarite.engine.endings import end_task
from linarite.engine.ledger import Ledger
from linarite.engine.model import Ending, Job, Node, Pool, Task
from linarite.engine.preparation import refuses

REASON = "preempted by a job of higher priority"
RESTART = "preempted so that a job manager task starts again"


class Room(msgspec.Struct, kw_only=True):
    """A node: `coming` slots are free or are about to be, `runs` are the tasks that could be taken back.

    Each run comes with its job's priority, the least important and the youngest first.
    """

    node: Node
    coming: int
    runs: list[tuple[int, Task]]

    def taken_for(self, task: Task, priority: int) -> list[Task] | None:
        """The runs to take back so that the task fits, as few as can be in their order; None: it cannot."""
        need, room, taken = self._slots(task), self.coming, list[Task]()
        for of_job, run in self.runs:
            if room >= need or of_job >= priority:
                break
            taken.append(run)
            room += self._slots(run)
        return taken if room >= need else None

    def give(self, task: Task, taken: Sequence[Task]) -> None:
        """Count the room that a task is to have."""
        self.runs = self.runs[len(taken) :]
        self.coming += sum(map(self._slots, taken)) - self._slots(task)

    def _slots(self, task: Task) -> int:
        return self.node.slots if task.spec.exclusive else task.spec.required_slots


def preempt(u: Ledger, pool: Pool) -> None:
    """Take back what stands in the way of jobs of higher priority."""
    tame = {
        job.key: job for job in map(u.known, u.tx.jobs.preemptible(pool.account, pool.spec.id)) if job.counts.running
    }
    if not tame:
        return
    lowest = min(job.spec.priority for job in tame.values())
    rooms = None
    for job in map(u.known, u.tx.jobs.runnable(pool.account, pool.spec.id, u.now)):
        if job.spec.priority <= lowest:
            return
        if may_start(u, job):
            rooms = _rooms(u, pool, tame) if rooms is None else rooms
            _make_room(u, pool, job, rooms)


def make_way(u: Ledger, pool: Pool) -> None:
    """Take back what stands in the way of a task that manages its job and is to start again."""
    rooms = None
    for job in map(u.known, u.tx.jobs.restarting(pool.account, pool.spec.id, u.now)):
        if job.restarting and may_start(u, job):
            rooms = _rooms(u, pool, None) if rooms is None else rooms
            _make_room(u, pool, job, rooms, restart=True)


def _rooms(u: Ledger, pool: Pool, tame: dict[int, Job] | None) -> list[Room]:
    return [_room(u, node, tame) for node in u.nodes_of(pool) if is_open(node)]


def _room(u: Ledger, node: Node, tame: dict[int, Job] | None) -> Room:
    """What is on a node; of `tame` jobs, or of all (None), with what manages them left alone."""
    runs = [run for run in instances.tasks_on(u, node) if run.state in BUSY]
    going = [run for run in runs if run.ending is not None]
    yielding = [
        run for run in runs
        if run.ending is None and (not run.spec.manages if tame is None else run.job_key in tame)
    ]  # fmt: skip
    staying = [(u.job(run.job_key).spec.priority, run) for run in yielding]
    staying.sort(key=lambda one: (one[0], -(one[1].started_at or u.now)))
    held = node.exclusive_tasks > sum(u.alone(run) for run in going)
    room = max(0, node.slots - node.running_slots) + sum(run.spec.required_slots for run in going)
    return Room(node=node, coming=0 if held else room, runs=staying)


def _make_room(u: Ledger, pool: Pool, job: Job, rooms: Sequence[Room], *, restart: bool = False) -> None:
    """Find a place for each task that the job could start, and take back the runs that stand there.

    `restart`: for the first alone, and from jobs of its priority too.
    """
    usable = [one for one in rooms if allowed(job.spec.placement, one.node) and not refuses(u, job, one.node)]
    most = startable(job, sum(one.node.slots for one in usable))
    most, above = (min(most, 1), job.spec.priority + 1) if restart else (most, job.spec.priority)
    for task in u.queue(job, pool.spec.slots_per_node, most_instances(u, pool, job), most) if most > 0 else ():
        found = [
            (len(taken), place) for place, one in enumerate(usable)
            if suits(task, one.node) and (taken := one.taken_for(task, above)) is not None
        ]  # fmt: skip
        wanted = max(1, task.spec.instances)
        if len(found) < wanted and not suitable(u, pool, task):
            continue
        if len(found) < wanted:
            return
        for _, place in sorted(found)[:wanted]:
            room = usable[place]
            taken = room.taken_for(task, above) or []
            room.give(task, taken)
            for run in taken:
                end_task(u, run, Ending.REQUEUED, RESTART if restart else REASON)
