"""The words of the model: states and choices, and the units of its times."""

from __future__ import annotations

from enum import StrEnum

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE

MOST_NODES = 10_000
"""Nodes that an account may have. A limit of our own, in place of an account's quota of cores."""


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
