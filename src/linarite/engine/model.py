"""What a batch system holds: accounts, pools, nodes, jobs and tasks, as plain records.

Times are microseconds since the epoch, UTC; durations are microseconds; None is "without limit" or "not yet".
A `...Spec` is what a user asked for; the record around it is what became of it. `facts` keeps what one face alone
knows, by the face's name: the other faces neither see nor erase it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from linarite.engine.autoscale.records import Scaling, ScalingRun
from linarite.engine.certificates import CertificateUse
from linarite.engine.containers import Container, Registry
from linarite.engine.launching import Ended
from linarite.engine.mounting import Mount
from linarite.engine.outputs import OutputFile
from linarite.engine.packages import Package, PackageReference
from linarite.engine.usage import Spent

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE

MOST_NODES = 10_000
"""Nodes that an account may have. A limit of our own, in place of an account's quota of cores."""

Facts = dict[str, dict[str, Any]]


class Role(StrEnum):
    """What a caller may do."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class PoolState(StrEnum):
    """A pool is active until it is being deleted."""

    ACTIVE = "active"
    DELETING = "deleting"


class AllocationState(StrEnum):
    """Whether the number of nodes is moving."""

    STEADY = "steady"
    RESIZING = "resizing"
    STOPPING = "stopping"


class NodeState(StrEnum):
    """The life of a node."""

    CREATING = "creating"
    STARTING = "starting"
    WAITING_FOR_START_TASK = "waitingforstarttask"
    IDLE = "idle"
    RUNNING = "running"
    OFFLINE = "offline"
    REBOOTING = "rebooting"
    REIMAGING = "reimaging"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"
    UNUSABLE = "unusable"
    START_TASK_FAILED = "starttaskfailed"
    LEAVING = "leavingpool"


class NodeFill(StrEnum):
    """Where tasks go first: to the emptiest node or to the fullest."""

    SPREAD = "spread"
    PACK = "pack"


class JobOrder(StrEnum):
    """Whose tasks go first among jobs of one priority: the older job's, or those of the one that has fewest running."""

    OLDEST = "creationtime"
    UNIFORM = "none"


class OnRunning(StrEnum):
    """What becomes of running tasks when their job is disabled or their node goes; a node may wait for files too."""

    REQUEUE = "requeue"
    TERMINATE = "terminate"
    WAIT = "wait"
    RETAIN = "retaineddata"


class JobState(StrEnum):
    """The life of a job. A draft takes tasks and runs none until it is submitted."""

    DRAFT = "draft"
    ACTIVE = "active"
    DISABLING = "disabling"
    DISABLED = "disabled"
    ENABLING = "enabling"
    TERMINATING = "terminating"
    COMPLETED = "completed"
    DELETING = "deleting"


class OnAllTasksComplete(StrEnum):
    """What a job does when no task is left to run."""

    NO_ACTION = "noaction"
    TERMINATE = "terminatejob"


class OnTaskFailure(StrEnum):
    """Whether exit options may act on the job."""

    NO_ACTION = "noaction"
    EXIT_OPTIONS = "performexitoptionsjobaction"


class TaskState(StrEnum):
    """The life of a task. A task whose dependencies are not satisfied is active and not queued."""

    ACTIVE = "active"
    PREPARING = "preparing"
    RUNNING = "running"
    COMPLETED = "completed"


class TaskResult(StrEnum):
    """How a completed task ended."""

    SUCCESS = "success"
    FAILURE = "failure"


class NodeTaskKind(StrEnum):
    """What the service runs on nodes beside the tasks of users."""

    START = "start"
    PREPARATION = "preparation"
    RELEASE = "release"
    COORDINATION = "coordination"


class JobAction(StrEnum):
    """What a task's end does to its job."""

    NONE = "none"
    DISABLE = "disable"
    TERMINATE = "terminate"


class DependencyAction(StrEnum):
    """Whether a task's end lets its dependents run."""

    SATISFY = "satisfy"
    BLOCK = "block"


class FailureCategory(StrEnum):
    """Whose fault a failure is."""

    USER = "usererror"
    SERVER = "servererror"


class Ending(StrEnum):
    """Why a running task is being ended; kept on disk so that a restart ends it all the same."""

    TERMINATED = "terminated"
    FINISHED = "finished"
    TIMEOUT = "timeout"
    REQUEUED = "requeued"
    DELETED = "deleted"


class Named(msgspec.Struct, frozen=True):
    """A name with a value: an environment variable, an item of metadata, a detail of a failure."""

    name: str
    value: str = ""


class ResourceFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is brought before the command line starts: `url` to `path` below the working directory; `mode` octal bits.

    With `container`, `url` is a container's, and what begins with `prefix` comes below the folder `path`; so does the
    container `auto_storage` of the account's own storage. `identity` names a managed identity that alone may read it.
    """

    url: str = ""
    path: str = ""
    mode: int | None = None
    container: bool = False
    auto_storage: str | None = None
    prefix: str = ""
    identity: str | None = None


class ExitOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one way of ending does; None is the default of that way (see `engine.exits`)."""

    job_action: JobAction | None = None
    dependency_action: DependencyAction | None = None


class ExitCodes(msgspec.Struct, frozen=True, kw_only=True):
    """Exit codes `start` to `end`, both included."""

    start: int
    end: int
    options: ExitOptions


class ExitConditions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Ways of ending, the most particular first: codes, ranges, errors before the start, upload errors, default."""

    codes: tuple[ExitCodes, ...] = ()
    ranges: tuple[ExitCodes, ...] = ()
    pre_processing_error: ExitOptions | None = None
    file_upload_error: ExitOptions | None = None
    default: ExitOptions | None = None


class Dependencies(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The tasks that must be satisfied first: ids, and ranges of integer ids (both ends included)."""

    ids: tuple[str, ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()


class MultiInstance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What makes a task run on `instances` nodes at once.

    On each of them `files` come to the task's directory, then `coordination` runs and has to return 0 (None: there is
    none); after that the task's own command line starts on the first.
    """

    instances: int = 1
    coordination: str | None = None
    files: tuple[ResourceFile, ...] = ()


class TaskSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user asks of a task.

    `max_retries` -1 is without limit, None the job's. `valid_exit_codes` None means that 0 alone is success.
    `fails_job`: its failure ends the job. `user` is one of the pool's, which says whether they are elevated.
    `job_token`: its runs are given a token that opens their job.
    """

    id: str
    command: str
    display_name: str | None = None
    shell: bool = False
    resource_files: tuple[ResourceFile, ...] = ()
    output_files: tuple[OutputFile, ...] = ()
    packages: tuple[PackageReference, ...] = ()
    container: Container | None = None
    environment: tuple[Named, ...] = ()
    max_retries: int | None = None
    max_wall_clock: int | None = None
    retention: int | None = 7 * DAY
    required_slots: int = 1
    dependencies: Dependencies | None = None
    exit_conditions: ExitConditions | None = None
    multi_instance: MultiInstance | None = None
    valid_exit_codes: tuple[tuple[int, int], ...] | None = None
    fails_job: bool = False
    exclusive: bool = False
    dedicated_only: bool = False
    user: str | None = None
    elevated: bool = False
    job_token: bool = False
    preferred_node: str | None = None
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    working_directory: str | None = None

    @property
    def instances(self) -> int:
        """How many nodes it takes for itself; 0 when it shares one with others."""
        return 0 if self.multi_instance is None else self.multi_instance.instances

    @property
    def brings(self) -> bool:
        """Whether anything has to come before the command line starts."""
        return bool(self.resource_files or self.packages or self.container)


class NodeCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command line that the service runs on a node: a start, preparation, release or coordination task.

    `max_retries` -1 is without limit. `wait_for_success`: without its success the node takes no tasks (of the job).
    `again_after_reboot`: a success does not outlive the node's next start.
    """

    id: str
    command: str
    container: Container | None = None
    resource_files: tuple[ResourceFile, ...] = ()
    environment: tuple[Named, ...] = ()
    user: str | None = None
    elevated: bool = False
    max_retries: int = 0
    max_wall_clock: int | None = None
    retention: int | None = 7 * DAY
    wait_for_success: bool = True
    again_after_reboot: bool = True

    @property
    def brings(self) -> bool:
        """Whether anything has to come before the command line starts."""
        return bool(self.resource_files or self.container)


class Placement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which nodes a job's tasks may use. Empty `nodes` means any; ids without regard to case."""

    nodes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    exclusive: bool = False
    single_node: bool = False


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user asks of a job. `max_parallel_tasks` -1: without limit; `parents`: job ids of the same account.

    An empty `pool` is the account's first active one, once there is one. `valid_exit_codes` is for tasks without any.
    The job ends when the task `ends_with` does; an `auto_pool` is made for it. Its running tasks may be taken back for
    jobs of higher priority when it is `preemptible`.
    """

    id: str
    pool: str
    display_name: str | None = None
    priority: int = 0
    max_parallel_tasks: int = -1
    max_wall_clock: int | None = None
    max_retries: int = 0
    uses_dependencies: bool = False
    on_all_tasks_complete: OnAllTasksComplete = OnAllTasksComplete.NO_ACTION
    on_task_failure: OnTaskFailure = OnTaskFailure.NO_ACTION
    environment: tuple[Named, ...] = ()
    metadata: tuple[Named, ...] = ()
    not_before: int | None = None
    parents: tuple[str, ...] = ()
    fail_with_parents: bool = False
    placement: Placement = Placement()
    valid_exit_codes: tuple[tuple[int, int], ...] | None = None
    ends_with: str | None = None
    preparation: NodeCommand | None = None
    release: NodeCommand | None = None
    auto_pool: AutoPool | None = None
    preemptible: bool = False
    owner: str = ""

    @property
    def owns_pool(self) -> bool:
        """Tell whether the job's pool goes with it."""
        return self.auto_pool is not None and not (self.auto_pool.kept or self.auto_pool.lasting)


class PoolUser(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user that tasks of a pool may run as. `number` is theirs alone among all users and accounts; 0 is none yet."""

    name: str
    elevated: bool = False
    number: int = 0


class PoolSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user asks of a pool. `inter_node`: its nodes speak to each other.

    With `scaling` the targets are what its formula last asked for. `registries`: its tasks run in
    containers, with images from these and from the usual places; None: they do not.
    """

    id: str
    display_name: str | None = None
    size: str = ""
    target_dedicated: int = 0
    target_low_priority: int = 0
    slots_per_node: int = 1
    fill: NodeFill = NodeFill.SPREAD
    job_order: JobOrder = JobOrder.OLDEST
    inter_node: bool = False
    resize_timeout: int = 15 * MINUTE
    start_task: NodeCommand | None = None
    users: tuple[PoolUser, ...] = ()
    packages: tuple[PackageReference, ...] = ()
    mounts: tuple[Mount, ...] = ()
    certificates: tuple[CertificateUse, ...] = ()
    registries: tuple[Registry, ...] | None = None
    metadata: tuple[Named, ...] = ()
    scaling: Scaling | None = None


class AutoPool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pool made for a job, or, when it is `lasting`, for all jobs of a schedule; it goes with them unless `kept`.

    Its id is `prefix` and a name that no other pool has; `spec` has none.
    """

    spec: PoolSpec
    facts: Facts = {}
    prefix: str = ""
    lasting: bool = False
    kept: bool = False


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
    resize_errors: tuple[Failure, ...] = ()
    scaling_due: int | None = None
    scaling_tick: int | None = None
    scaling_asked_at: int | None = None
    scaling_run: ScalingRun | None = None
    facts: Facts = {}


class Node(msgspec.Struct, kw_only=True):
    """A node as it is. `alias` is its number in the account. `own_tasks` counts what the service itself runs there.

    `packages` and `certificates` are those of its pool when it last started; `contained`: it runs tasks in containers.

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
    failure: Failure | None = None
    facts: Facts = {}

    @property
    def quiet(self) -> bool:
        """Tell whether nothing runs there."""
        return not (self.running_tasks or self.own_tasks)

    @property
    def in_service(self) -> NodeState:
        """Its state while it serves: running with tasks, else idle, or offline when it may take none."""
        if self.running_tasks:
            return NodeState.RUNNING
        return NodeState.IDLE if self.scheduling else NodeState.OFFLINE


class Job(msgspec.Struct, kw_only=True):
    """A job as it is. `alias` is its number in the account; `queued` counts tasks that could start now.

    `schedule_key` is the number of the schedule that made it; one that was `forced` to its end waits for no node.
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
    ended_at: int | None = None
    terminate_reason: str | None = None
    on_running: OnRunning | None = None
    then_requeue: bool = False
    forced: bool = False
    counts: Counts
    queued: int = 0
    next_task: int = 1
    requeues: int = 0
    deadline: int | None = None
    schedule_key: int | None = None
    facts: Facts = {}


class Task(msgspec.Struct, kw_only=True):
    """A task as it is.

    `alias` is its number in its job, `account_alias` its number in the account. `attempt` counts runs ever begun;
    `retries` the failed ones tried again, `requeues` the ones taken back through no fault of the task. `waiting` counts
    dependencies not yet satisfied; `queued` tells that it could start now. `satisfied` tells its dependents.
    `held_by` is the number of the node task that has to succeed before the run may start. `usage` is that of all runs.
    """

    key: int = 0
    job_key: int
    account: str
    alias: int = 0
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
    usage: Spent | None = None
    facts: Facts = {}


class NodeTask(msgspec.Struct, kw_only=True):
    """What the service runs on a node, as it is: for its pool, for a job (`job_key`), or for a task (`task_key`).

    `attempt` counts runs ever begun, `retries` the failed ones tried again. `directory` is relative to the node's root.
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
