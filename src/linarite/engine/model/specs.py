"""What users ask of tasks, jobs and pools: frozen, as it was asked."""

from __future__ import annotations

from typing import Any

import msgspec

from linarite.engine.autoscale.records import Scaling
from linarite.engine.certificates import CertificateUse
from linarite.engine.containers import Container, Containers
from linarite.engine.model.words import (
    DAY,
    MINUTE,
    DependencyAction,
    JobAction,
    JobOrder,
    NodeFill,
    OnAllTasksComplete,
    OnTaskFailure,
)
from linarite.engine.mounting import Mount
from linarite.engine.outputs import OutputFile
from linarite.engine.packages import PackageReference

Facts = dict[str, dict[str, Any]]


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
    `job_token`: its runs are given a token that opens their job. `manages`: its job waits for it when it is to start
    again, and running tasks give way to it.
    It runs on one of `nodes` (ids in lower case; empty: any).
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
    manages: bool = False
    user: str | None = None
    elevated: bool = False
    job_token: bool = False
    preferred_node: str | None = None
    nodes: tuple[str, ...] = ()
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


class SweepSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task that is run once for each of the values `first`, `first + step` ... to `last`.

    `task` is the pattern of its tasks: every `*` in its name, command and streams becomes the value, which the
    environment variable `variable` holds too. So many failures as `fails_after` end the job where `task.fails_job`.
    """

    task: TaskSpec
    first: int = 1
    last: int = 1
    step: int = 1
    variable: str | None = None
    fails_after: int = 1

    @property
    def total(self) -> int:
        """How many tasks it is."""
        return (self.last - self.first) // self.step + 1


class NodeCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command line that the service runs on a node: a start, preparation, release or coordination task.

    `max_retries` -1 is without limit. `wait_for_success`: without its success the node takes no tasks (of the job).
    `again_after_reboot`: a success does not outlive the node's next start. `valid_exit_codes` as of a task.
    """

    id: str
    command: str
    shell: bool = False
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
    valid_exit_codes: tuple[tuple[int, int], ...] | None = None
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    working_directory: str | None = None

    @property
    def brings(self) -> bool:
        """Whether anything has to come before the command line starts."""
        return bool(self.resource_files or self.container)


class Placement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which nodes a job's tasks may use, and how many at once. Empty `nodes` means any; ids without regard to case.

    A node has to bear all of `groups`, or one of them where `any_group`, and to have slots and memory (MB) as said, if
    its memory is known. `order`: nodes with most `slots` or `memory` first, with `-` before the word those with least.
    With nothing running a job waits for `min_slots` and for `min_nodes` empty nodes at once; it never has more than
    `max_slots`.
    """

    nodes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    exclusive: bool = False
    single_node: bool = False
    groups: tuple[str, ...] = ()
    any_group: bool = False
    slots_per_node: tuple[int, int] | None = None
    memory: tuple[int, int] | None = None
    order: tuple[str, ...] = ()
    min_slots: int = 0
    min_nodes: int = 0
    max_slots: int = -1


class Notify(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who is told by mail that a job has begun or is over."""

    address: str
    on_start: bool = False
    on_completion: bool = False


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
    notify: Notify | None = None
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

    With `scaling` the targets are what its formula last asked for. `containers`: its tasks run in some; None: they do
    not.
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
    containers: Containers | None = None
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
