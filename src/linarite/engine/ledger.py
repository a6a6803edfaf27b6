"""One unit of the engine's work: what it read, what it changed, what shall happen once that is on disk.

Every change of a record goes through here, so that counters, events and wake-ups follow from the change itself and
cannot be forgotten. Writes are gathered and made in batches by `flush`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from linarite.engine import applications, usage
from linarite.engine.certificates import CertificateUse
from linarite.engine.containers import Container
from linarite.engine.counting import BUSY, bucket, count, count_queued
from linarite.engine.effects import Effects, node_ref, node_run_name, run_name
from linarite.engine.launching import Emptied, NodeOrder
from linarite.engine.model import (
    DAY,
    Ending,
    Event,
    Job,
    JobState,
    Node,
    NodeState,
    NodeTask,
    NodeTaskKind,
    Pool,
    PoolState,
    Sweep,
    Task,
)  # fmt: skip
from linarite.engine.mounting import Mount
from linarite.engine.packages import Package
from linarite.engine.ports import Site, Transaction
from linarite.engine.reading import Reading
from linarite.engine.usage import Charges, Owner

SERVING = frozenset({NodeState.IDLE, NodeState.RUNNING, NodeState.OFFLINE})
"""The states of a node that the tasks on it, and whether it may take any, decide."""
NOTICE, NOTICE_LIFE = "notice", DAY
"""The family of documents that are mails to be sent, and how long they wait for a server that takes them."""


class Environment(Protocol):
    """Makes what the service gives a task beside the user's own: variables, and ways to the account's storage."""

    def __call__(self, node: Node, job: Job | None = None, task: Task | None = None) -> dict[str, str]:
        """Names to values. What runs for a pool has no job, what runs for a job has no task."""
        ...

    def container_url(self, linked: Any, container: str, now: int) -> str:  # noqa: ANN401 - what the account keeps
        """The address of a container, with the right to read it for a while; `linked` tells of the account's storage.

        Microseconds since the epoch. Raises ValueError when `linked` tells of none.
        """
        ...


class Ledger(Reading):
    """A unit of work over one transaction, at one moment, by one person or part."""

    def __init__(
        self, tx: Transaction, now: int, who: str, make_id: Callable[[str], str], environment: Environment,
        site: Site, rand: Callable[[], float] = lambda: 0.0, *, leads: bool = True,
    ) -> None:  # fmt: skip
        """`make_id` makes names that the engine may not invent itself: of nodes and of pools made for a job.

        `site` tells of what kind the nodes are. `rand` gives numbers from 0 to 1 to the formulas that leave something
        to chance. `leads`: this server speaks with the nodes.
        """
        super().__init__(tx)
        self.now, self.who, self.make_id, self.environment = now, who, make_id, environment
        self.site, self.rand, self.leads = site, rand, leads
        self.effects = Effects()
        self.orphans: list[tuple[str, str]] = []
        """Account and id of each pool whose owner is over: `pools.retire` deletes them at the end of the unit."""
        self._asked: dict[int, tuple[tuple[Package, ...], tuple[CertificateUse, ...], bool]] = {}
        self._sizes: dict[int, str] = {}
        self._changed_sweeps: set[tuple[int, int]] = set()
        self._changed_jobs: set[int] = set()
        self._changed_nodes: set[int] = set()
        self._rewritten: set[int] = set()
        self._events: list[Event] = []
        self.charges = Charges()

    def add_nodes(self, nodes: Sequence[Node]) -> None:
        """Store new nodes and have them made."""
        self.tx.nodes.insert(nodes)
        for node in nodes:
            self._nodes[node.key] = node
            self.event(node.account, "node", node.key, node.state.value)
            self.provision(node)
            usage.node_comes(self, node)

    def provision(self, node: Node, emptied: Emptied = Emptied.NOTHING) -> None:
        """Have a node made, or made anew, once this unit is on disk: with all that its pool asks of it now."""
        packages, certificates, contained = asked = self._asked_of(node)
        if asked != (node.packages, node.certificates, node.contained):
            known = self._nodes.get(node.key, node)
            self.put_node(replace(known, packages=packages, certificates=certificates, contained=contained))
        self.effects.provision.append(
            NodeOrder(
                node=node_ref(node), emptied=emptied, packages=packages, mounts=self._mounts_of(node),
                images=self._images_of(node),
            )
        )  # fmt: skip

    def mount(self, node: Node) -> None:
        """Have what is mounted on a node that stands made sure of: a machine that was started again has lost it."""
        self.effects.provision.append(NodeOrder(node=node_ref(node), stands=True, mounts=self._mounts_of(node)))

    def _images_of(self, node: Node) -> tuple[Container, ...]:
        pool = self.tx.pools.by_key(node.pool_key)
        return pool.spec.containers.ahead() if pool is not None and pool.spec.containers is not None else ()

    def _mounts_of(self, node: Node) -> tuple[Mount, ...]:
        pool = self.tx.pools.by_key(node.pool_key)
        return pool.spec.mounts if pool is not None else ()

    def _asked_of(self, node: Node) -> tuple[tuple[Package, ...], tuple[CertificateUse, ...], bool]:
        """What its pool asks of a node that starts: packages, certificates, and whether tasks run in containers."""
        if node.pool_key not in self._asked:
            pool = self.tx.pools.by_key(node.pool_key)
            wanted = pool.spec.packages if pool is not None else ()
            packages = applications.resolve(self.tx, node.account, wanted, self.now)
            certificates = pool.spec.certificates if pool is not None else ()
            self._asked[node.pool_key] = packages, certificates, pool is not None and pool.spec.containers is not None
        return self._asked[node.pool_key]

    def size_of(self, node: Node) -> str:
        """The size of the nodes of its pool, for machines that stand: others have none to be told apart by."""
        if not self.site.standing:
            return ""
        if node.pool_key not in self._sizes:
            pool = self.tx.pools.by_key(node.pool_key)
            self._sizes[node.pool_key] = "" if pool is None else pool.spec.size
        return self._sizes[node.pool_key]

    def event(self, account: str, kind: str, key: int, what: str, why: str = "", number: int = 0) -> None:
        """Write one row of history."""
        self._events.append(
            Event(account=account, kind=kind, key=key, at=self.now, what=what, who=self.who, why=why, number=number)
        )

    def add_tasks(self, job: Job, tasks: list[Task]) -> None:
        """Store new tasks of a job, all of them active, and count them."""
        self.tx.tasks.insert(tasks)
        job.counts.active += len(tasks)
        job.counts.active_slots += sum(task.spec.required_slots for task in tasks)
        for task in tasks:
            if task.queued:
                count_queued(job, task, 1)
            self.event(task.account, "task", task.key, "created")
        self.put_job(job)
        self.effects.wake = True

    def add_sweep(self, sweep: Sweep) -> Sweep:
        """Store a new sweep."""
        self.sweeps_of(sweep.job_key)
        self.tx.sweeps.insert(sweep)
        self.event(sweep.account, "sweep", sweep.key, "created")
        return self.put_sweep(sweep)

    def put_sweep(self, sweep: Sweep) -> Sweep:
        """Keep a changed sweep; it is written at the end."""
        self.sweeps_of(sweep.job_key)[sweep.alias] = sweep
        self._changed_sweeps.add((sweep.job_key, sweep.alias))
        return sweep

    def _count(self, task: Task, by: int) -> None:
        """Count a task in its job, and in its sweep if it is of one."""
        count(self.job(task.job_key).counts, task, by)
        sweep = self.sweep_of(task)
        if sweep is not None:
            count(sweep.counts, task, by)
            if task.state in BUSY and sweep.started_at is None:
                sweep.started_at = self.now
            self.put_sweep(sweep)

    def put_task(self, old: Task, new: Task, why: str = "", *, rewrite: bool = False) -> Task:
        """Change a task: counters of its job and of its node follow, an event is written when its state changed."""
        job = self.job(new.job_key)
        if bucket(old) != bucket(new) or old.spec.required_slots != new.spec.required_slots:
            self._count(old, -1)
            self._count(new, 1)
        if old.queued is not new.queued:
            count_queued(job, *((new, 1) if new.queued else (old, -1)))
        if old.queued and not new.queued:
            self._taken[job.key] = self._taken.get(job.key, 0) + 1
        self.effects.wake |= new.queued and not old.queued  # this unit's own pass reads what stood before it
        if new.deadline is not None or new.cleanup_at is not None:
            self.effects.remind(new.deadline, new.cleanup_at)
        self._changed_jobs.add(job.key)
        self._on_node(old, -1)
        self._on_node(new, 1)
        if old.state is not new.state:
            self.event(new.account, "task", new.key, new.state.value, why, new.attempt)
        self._tasks[new.key] = new
        if rewrite:
            self._rewritten.add(new.key)
        return new

    def _on_node(self, task: Task, by: int) -> None:
        if task.node_key is None or task.state not in BUSY:
            return
        node = self.node(task.node_key)
        if node is None:
            return
        node.exclusive_tasks += by * self.alone(task)
        self._occupy(node, by, task.spec.required_slots)

    def alone(self, task: Task) -> bool:
        """Tell whether the task has its node for itself: by its own wish, or by its job's."""
        return task.spec.exclusive or self.job(task.job_key).spec.placement.exclusive

    def _occupy(self, node: Node, by: int, slots: int) -> None:
        self._changed_nodes.add(node.key)
        node.running_tasks += by
        node.running_slots += by * slots
        if node.state in SERVING and node.state is not node.in_service:
            node.state, node.state_at = node.in_service, self.now
        self.effects.pools.add(node.pool_key)

    def delete_task(self, task: Task) -> None:
        """Take a task out: its counters go with it."""
        job = self.job(task.job_key)
        self._count(task, -1)
        if task.queued:
            count_queued(job, task, -1)
        self._changed_jobs.add(job.key)
        self._on_node(task, -1)
        self.event(task.account, "task", task.key, "deleted")
        self._tasks.pop(task.key, None)
        self._gone.add(run_name(task))
        self.tx.tasks.delete([task.key])

    def add_node_task(self, own: NodeTask) -> NodeTask:
        """Store what the service begins to run on a node."""
        self.tx.node_tasks.insert([own])
        self.event(own.account, f"{own.kind.value} task", own.key, own.state.value)
        self._with_node(own, 1)
        return self._keep_node_task(own)

    def put_node_task(self, old: NodeTask, new: NodeTask, why: str = "") -> NodeTask:
        """Change it; an event is written when its state changed."""
        if old.state is not new.state:
            self.event(new.account, f"{new.kind.value} task", new.key, new.state.value, why, new.attempt)
            new = replace(new, previous_state=old.state, previous_state_at=old.state_at)
        self._with_node(old, -1)
        self._with_node(new, 1)
        return self._keep_node_task(new)

    def _keep_node_task(self, own: NodeTask) -> NodeTask:
        self._node_tasks[own.key] = own
        self.effects.remind(own.deadline, own.cleanup_at)
        return own

    def _with_node(self, own: NodeTask, by: int) -> None:
        """Count it on its node: a subtask as a task; of an instance 0 the task itself is counted."""
        node = self.node(own.node_key) if own.state in BUSY else None
        if node is not None and own.task_key is None:
            node.own_tasks += by
            self.put_node(node)
        elif node is not None and own.is_subtask:
            self._occupy(node, by, 1)

    def drop_node_task(self, own: NodeTask, *, with_directory: bool = True) -> None:
        """Forget one that is completed, and let its directory go."""
        node = self.node(own.node_key) if with_directory else None
        if node is not None:
            self.effects.remove.append((node_ref(node), own.removable))
        self._node_tasks.pop(own.key, None)
        self._gone.add(node_run_name(own))
        self.tx.node_tasks.delete([own.key])

    def put_job(self, job: Job) -> Job:
        """Keep a changed job; it is written at the end."""
        self._jobs[job.key] = job
        self._changed_jobs.add(job.key)
        return job

    def move_job(self, job: Job, state: JobState, why: str = "") -> Job:
        """Bring a job into another state."""
        if job.state is state:
            return self.put_job(job)
        self.event(job.account, "job", job.key, state.value, why)
        self.effects.wake = True
        if state is JobState.COMPLETED:
            self._tell_owner(job)
            self.notice(job, "ended", job.terminate_reason or "")
        return self.put_job(
            replace(job, state=state, state_at=self.now, previous_state=job.state, previous_state_at=job.state_at)
        )

    def began(self, job: Job) -> None:
        """Note that a task of a job has been given a node."""
        if job.first_task_at is None:
            job.first_task_at = self.now
            self.notice(job, "started")

    def notice(self, job: Job, what: str, why: str = "") -> None:
        """Have whom the job names told by mail, if they want to be told of this."""
        wanted = job.spec.notify
        if wanted is None or not (wanted.on_start if what == "started" else wanted.on_completion):
            return
        until = self.now + NOTICE_LIFE
        value = {
            "to": wanted.address, "what": what, "why": why, "job": job.spec.id, "number": job.alias,
            "name": job.spec.display_name or "", "failed": job.counts.failed, "succeeded": job.counts.succeeded,
            "claimed_until": 0, "expires_at": until,
        }  # fmt: skip
        self.tx.documents.put(NOTICE, f"{job.key}.{what}.{self.now}", value, until)
        self.effects.notices = True

    def _tell_owner(self, job: Job) -> None:
        """What was made for the job goes with it; the schedule that made it looks for the next one."""
        if job.spec.owns_pool:
            self.orphans.append((job.account, job.spec.pool))
        if job.schedule_key is not None:
            self.tx.schedules.remind(job.schedule_key, self.now)
            self.effects.tend = True

    def drop_job(self, job: Job) -> None:
        """Forget a job that is gone."""
        self._tell_owner(job)
        self._jobs.pop(job.key, None)
        self.tx.jobs.delete(job.key)
        self.tx.sweeps.delete_of_job(job.key)
        self._sweeps[job.key] = {}
        self.forget(Owner("job", str(job.key)))
        self.event(job.account, "job", job.key, "deleted")

    def forget(self, owner: Owner) -> None:
        """Let the totals of one that is gone go with it."""
        self.charges.forget(owner)
        self.tx.usage.forget(owner)

    def put_node(self, node: Node) -> Node:
        """Keep a changed node; it is written at the end."""
        self._nodes[node.key] = node
        self._changed_nodes.add(node.key)
        return node

    def move_node(self, node: Node, state: NodeState, why: str = "") -> Node:
        """Bring a node into another state; one that is deallocated is not there for its pool."""
        self.event(node.account, "node", node.key, state.value, why)
        self.effects.wake = True
        if state is NodeState.DEALLOCATED:
            usage.node_goes(self, node)
        elif node.state is NodeState.DEALLOCATED and state is not NodeState.LEAVING:
            usage.node_comes(self, node)
        return self.put_node(replace(node, state=state, state_at=self.now))

    def drop_node(self, node: Node) -> None:
        """Forget a node and let its files go; what was run there for jobs and tasks is still told of."""
        start_tasks = [own.key for own in self.tx.node_tasks.of_node(node.key, NodeTaskKind.START)]
        for key in start_tasks:
            self._node_tasks.pop(key, None)
        self.tx.node_tasks.delete(start_tasks)
        self._nodes.pop(node.key, None)
        self.tx.nodes.delete([node.key])
        usage.node_goes(self, node)
        self.event(node.account, "node", node.key, "removed")
        self.effects.release.append(node_ref(node))

    def move_pool(self, pool: Pool, state: PoolState) -> Pool:
        """Bring a pool into another state."""
        self.event(pool.account, "pool", pool.key, state.value)
        return replace(pool, state=state, state_at=self.now)

    def end(self, task: Task, grace: float) -> None:
        """Have the task's run ended once this unit is on disk; what its time limit ends leaves its files behind."""
        node = self.node(task.node_key) if task.node_key is not None else None
        if node is not None:
            self.effects.end.append((node_ref(node), run_name(task), grace, task.ending is Ending.TIMEOUT))

    def end_node_task(self, own: NodeTask, grace: float) -> None:
        """The same for what the service runs on a node."""
        node = self.node(own.node_key)
        if node is not None:
            self.effects.end.append((node_ref(node), node_run_name(own), grace, False))

    def flush(self) -> None:
        """Write all that was gathered; what waited for its last run to end can go. Called once, at the unit's end."""
        if self._tasks:
            self.tx.tasks.update(list(self._tasks.values()))
            rewritten = [self._tasks[key] for key in self._rewritten if key in self._tasks]
            if rewritten:
                self.tx.tasks.rewrite(rewritten)
        if self._node_tasks:
            self.tx.node_tasks.update(list(self._node_tasks.values()))
        sweeps = [self._sweeps[job][alias] for job, alias in self._changed_sweeps if alias in self._sweeps[job]]
        if sweeps:
            self.tx.sweeps.update(sweeps)
        jobs = [self._jobs[key] for key in self._changed_jobs & self._jobs.keys()]
        for job in jobs:
            self.tx.jobs.update(job)
        nodes = [self._nodes[key] for key in self._changed_nodes if key in self._nodes]
        if nodes:
            self.tx.nodes.update(nodes)
        if self._events:
            self.tx.events.add(self._events)
        self.tx.usage.add(self.charges)
        self.effects.tend |= any(job.state is JobState.DELETING and not job.counts.running for job in jobs)
        self.effects.tend |= any(node.on_running and not (node.told or node.running_tasks) for node in nodes)
