"""What became of what was asked: accounts, pools, nodes, jobs, tasks, and their history."""

from __future__ import annotations

import msgspec

from linarite.engine.autoscale.records import ScalingRun
from linarite.engine.certificates import CertificateUse
from linarite.engine.containers import ContainerInfo
from linarite.engine.launching import Ended
from linarite.engine.model.specs import (
    Facts,
    JobSpec,
    Named,
    NodeCommand,
    PoolSpec,
    SweepSpec,
    TaskSpec,
)
from linarite.engine.model.words import (
    AllocationState,
    Ending,
    FailureCategory,
    JobState,
    NodeState,
    NodeTaskKind,
    OnRunning,
    PoolState,
    TaskResult,
    TaskState,
)
from linarite.engine.packages import Package
from linarite.engine.usage import Spent


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a task, or a pool's resize, failed. `code` is an engine word that each face translates."""

    category: FailureCategory
    code: str
    message: str
    details: tuple[Named, ...] = ()


class Counts(msgspec.Struct, kw_only=True):
    """A job's counters of tasks and of their slots. Kept with each change, never counted by scanning."""

    active: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    active_slots: int = 0
    running_slots: int = 0
    succeeded_slots: int = 0
    failed_slots: int = 0


class Account(msgspec.Struct, kw_only=True):
    """A tenant: a Batch account and a storage account of one name. Keys are base64; both may be rotated."""

    key: int
    name: str
    key1: str
    key2: str
    created_at: int


class Pool(msgspec.Struct, kw_only=True):
    """A pool as it is. `key` is the record's number, `spec` the targets last asked for, `deadline` a resize's end.

    One that is `lacking` nodes waits for machines to make them of.
    `scaling_due` is when its formula is due, `scaling_tick` when anything of its scaling is (a sample, mostly),
    `scaling_asked_at` when somebody last asked for scaling.
    """

    key: int = 0
    account: str
    spec: PoolSpec
    created_at: int
    modified_at: int
    state: PoolState = PoolState.ACTIVE
    state_at: int
    allocation: AllocationState = AllocationState.STEADY
    allocation_at: int
    current_dedicated: int = 0
    current_low_priority: int = 0
    deadline: int | None = None
    lacking: bool = False
    resize_errors: tuple[Failure, ...] = ()
    scaling_due: int | None = None
    scaling_tick: int | None = None
    scaling_asked_at: int | None = None
    scaling_run: ScalingRun | None = None
    facts: Facts = {}


class Node(msgspec.Struct, kw_only=True):
    """A node as it is. `alias` is its number in the account. `own_tasks` counts what the service itself runs there.

    `packages` and `certificates` are those of its pool when it last started; `contained`: it runs tasks in containers.

    `groups` are names that users gave it, to place jobs by; of memory, processors and their `cores` 0 is not known.
    Of a machine of a cluster, `labels` are what that sorts it under; `drained`: those who keep it let it take nothing
    new, whatever users say by `scheduling`.
    `exclusive_tasks` counts the running tasks that have it for themselves. `on_running` is how a node that is about to
    go or to begin anew treats what runs there. `told`: where it stands has been told what to do by then, and its answer
    is awaited.
    """

    key: int = 0
    account: str
    pool_key: int
    pool: str
    id: str
    alias: int = 0
    dedicated: bool = True
    slots: int = 1
    state: NodeState = NodeState.CREATING
    state_at: int
    created_at: int
    boot_at: int
    scheduling: bool = True
    drained: bool = False
    running_tasks: int = 0
    running_slots: int = 0
    total_tasks: int = 0
    succeeded_tasks: int = 0
    own_tasks: int = 0
    on_running: OnRunning | None = None
    told: bool = False
    exclusive_tasks: int = 0
    packages: tuple[Package, ...] = ()
    certificates: tuple[CertificateUse, ...] = ()
    contained: bool = False
    groups: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    cores: int = 0
    memory_mb: int = 0
    cpu_mhz: int = 0
    failure: Failure | None = None
    facts: Facts = {}

    @property
    def quiet(self) -> bool:
        """Tell whether nothing runs there."""
        return not (self.running_tasks or self.own_tasks)

    @property
    def is_machine(self) -> bool:
        """Tell whether it is a machine of a cluster: of the others the cores are not known."""
        return self.cores > 0

    @property
    def core_count(self) -> int:
        """Its cores, as many as task slots where they are not known."""
        return self.cores or self.slots

    @property
    def takes_tasks(self) -> bool:
        """Tell whether it may be given any, by its users and by those who keep its machine."""
        return self.scheduling and not self.drained

    @property
    def in_service(self) -> NodeState:
        """Its state while it serves: running with tasks, else idle, or offline when it may take none."""
        if self.running_tasks:
            return NodeState.RUNNING
        return NodeState.IDLE if self.takes_tasks else NodeState.OFFLINE


class Job(msgspec.Struct, kw_only=True):
    """A job as it is. `alias` is its number in the account; `queued` counts tasks that could start now.

    `queued_instances` counts those that run on several nodes as so many, `restarting` those that manage the job and
    ran before. A task of it last started at `last_task_at`.
    `schedule_key` is the number of the schedule that made it; one that was `forced` to its end waits for no node.
    `growing` counts its sweeps whose tasks are still being made.
    """

    key: int = 0
    account: str
    alias: int = 0
    spec: JobSpec
    created_at: int
    modified_at: int
    state: JobState = JobState.ACTIVE
    state_at: int
    previous_state: JobState | None = None
    previous_state_at: int | None = None
    submitted_at: int | None = None
    started_at: int | None = None
    first_task_at: int | None = None
    last_task_at: int | None = None
    ended_at: int | None = None
    terminate_reason: str | None = None
    on_running: OnRunning | None = None
    then_requeue: bool = False
    forced: bool = False
    counts: Counts
    queued: int = 0
    queued_instances: int = 0
    restarting: int = 0
    next_task: int = 1
    requeues: int = 0
    deadline: int | None = None
    schedule_key: int | None = None
    growing: int = 0
    facts: Facts = {}


class Sweep(msgspec.Struct, kw_only=True):
    """A parametric sweep as it is: `alias` is its number in the job, among those of tasks.

    `made` tells how many of its tasks are there; it is `growing` while the others are to be made. `counts` are of those
    that are there. `ending` is how somebody ended it as a whole, `wound` how far its waiting tasks have been ended:
    meanwhile it is `growing` too. `satisfied`: its dependents were told that it is over.
    """

    key: int = 0
    job_key: int
    account: str
    alias: int
    spec: SweepSpec
    created_at: int
    modified_at: int
    made: int = 0
    growing: bool = False
    counts: Counts
    ending: Ending | None = None
    ending_reason: str | None = None
    wound: int = 0
    satisfied: bool = False
    started_at: int | None = None
    ended_at: int | None = None
    facts: Facts = {}

    @property
    def over(self) -> bool:
        """Tell whether nothing of it is left to be made, to run or running."""
        whole = self.ending is not None or self.made == self.spec.total
        return whole and not (self.counts.active or self.counts.running)


class Task(msgspec.Struct, kw_only=True):
    """A task as it is.

    `alias` is its number in its job, `account_alias` its number in the account. One of a sweep has the sweep's number,
    and an `index` from 1 on, which is else 0. `attempt` counts runs ever begun; `retries` the failed ones tried again,
    `requeues` the ones taken back through no fault of the task, `losses` those in a row whose host was lost. `waiting`
    counts dependencies not yet satisfied; `queued` tells that it could start now. `satisfied` tells its dependents.
    `held_by` is the number of the node task that has to succeed before the run may start. `usage` is that of all runs,
    `container` that of the last one, where it ran in one. `percent` and `stage` are what the last one told of itself.
    """

    key: int = 0
    job_key: int
    account: str
    alias: int = 0
    index: int = 0
    account_alias: int = 0
    spec: TaskSpec
    created_at: int
    modified_at: int
    state: TaskState = TaskState.ACTIVE
    state_at: int
    previous_state: TaskState | None = None
    previous_state_at: int | None = None
    queued: bool = False
    waiting: int = 0
    satisfied: bool = False
    attempt: int = 0
    retries: int = 0
    requeues: int = 0
    losses: int = 0
    retried_at: int | None = None
    requeued_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    exit_code: int | None = None
    result: TaskResult | None = None
    failure: Failure | None = None
    ending: Ending | None = None
    ending_reason: str | None = None
    node_key: int | None = None
    node: str | None = None
    pool: str | None = None
    held_by: int | None = None
    deadline: int | None = None
    cleanup_at: int | None = None
    percent: int | None = None
    stage: str | None = None
    usage: Spent | None = None
    container: ContainerInfo | None = None
    facts: Facts = {}


class NodeTask(msgspec.Struct, kw_only=True):
    """What the service runs on a node, as it is: for its pool, for a job (`job_key`), or for a task (`task_key`).

    `attempt` counts runs ever begun, `retries` the failed ones tried again, `losses` those in a row whose
    host was lost. `directory` is relative to the node's root.
    Of a multi-instance task each instance is one, which coordinates with the others; number 0 is the task's own node,
    the others are subtasks. Such a one has its exit code once its command has returned, and goes on. `held_report`, of
    number 0, is what the task's own run came to, until the last instance is over.
    """

    key: int = 0
    account: str
    kind: NodeTaskKind
    node_key: int
    node: str
    pool: str
    job_key: int | None = None
    task_key: int | None = None
    instance: int = 0
    command: NodeCommand
    directory: str
    created_at: int
    state: TaskState = TaskState.RUNNING
    state_at: int
    previous_state: TaskState | None = None
    previous_state_at: int | None = None
    attempt: int = 1
    retries: int = 0
    losses: int = 0
    retried_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    exit_code: int | None = None
    result: TaskResult | None = None
    failure: Failure | None = None
    ending: Ending | None = None
    deadline: int | None = None
    cleanup_at: int | None = None
    held_report: Ended | None = None
    container: ContainerInfo | None = None

    @property
    def is_subtask(self) -> bool:
        """Tell whether it is an instance of a task beside the task's own."""
        return self.task_key is not None and self.instance > 0

    @property
    def removable(self) -> str:
        """The directory that goes with it; a subtask's stands in that of its task, beside the files of all."""
        return self.directory.rpartition("/")[0] if self.is_subtask else self.directory


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One row of history: `who` did `what` to `kind` number `key` at `at`, because `why`."""

    account: str
    kind: str
    key: int
    at: int
    what: str
    who: str = ""
    why: str = ""
    number: int = 0
