"""A task as its properties are read from: the record, its job and its kept output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from linarite.engine.model import Ending, Job, Sweep, Task, TaskResult, TaskState
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import states
from linarite.faces.hpc_pack.callers import FACE
from linarite.faces.hpc_pack.properties.job_view import SECOND

Output = Callable[[Job, Task], str]
AFTER = "After"
"""The fact that holds the names of the tasks that go first because a job file's groups say so."""
INSTANCE = "CCP_TASKINSTANCEID"
"""The variable that tells a subtask its value."""


class TaskView:
    """One task in one transaction; `read_output` reads what it wrote, when asked."""

    def __init__(self, tx: Transaction, job: Job, task: Task, read_output: Output) -> None:
        self.tx, self.job, self.task, self.spec = tx, job, task, task.spec
        self._read_output = read_output
        self.facts: dict[str, Any] = task.facts.get(FACE, {})

    def fact(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - of the property's kind
        """What was set of a property that the engine does not model."""
        return self.facts.get(name, default)

    def path(self, name: str) -> Any:  # noqa: ANN401 - text or None
        """A path as it was set; a subtask's with its value in it."""
        text = self.fact(name)
        values = [item.value for item in self.spec.environment if item.name == INSTANCE] if self.task.index else []
        return text.replace("*", values[-1]) if text and values else text

    @property
    def id(self) -> str:
        """`job.task`, and of a subtask `job.task.instance`."""
        own = f"{self.job.alias}.{self.task.alias}"
        return f"{own}.{self.task.index}" if self.task.index else own

    @property
    def state(self) -> str:
        """Its state in the protocol's words."""
        return states.task_state(self.job, self.task)

    @property
    def previous_state(self) -> str:
        """The state before."""
        return states.previous_task_state(self.job, self.task)

    @property
    def seconds(self) -> int:
        """The run time allowed, 0 without limit."""
        return (self.spec.max_wall_clock or 0) // SECOND

    @property
    def changed_at(self) -> int:
        """When the task was last changed or moved to another state."""
        return max(self.task.modified_at, self.task.state_at, self.job.state_at)

    @property
    def submitted_at(self) -> int | None:
        """When its job was submitted, or it was added to one that was."""
        submitted = self.job.submitted_at
        return None if submitted is None else max(submitted, self.task.created_at)

    @property
    def output(self) -> str:
        """The first 4 KB of what it wrote."""
        return self._read_output(self.job, self.task)

    @property
    def exit_code(self) -> int:
        """0 until it ends; -1 when it ended without one through no doing of a person's."""
        if self.task.exit_code is not None:
            return self.task.exit_code
        return -1 if self.task.failure is not None and self.task.failure.code != "ended" else 0

    @property
    def depends_on(self) -> list[str]:
        """The names of the tasks that go first, as the client gave them; else their ids and ranges."""
        own: list[str] = [*self.fact("DependsOn", []), *self.fact(AFTER, [])]
        if own or self.spec.dependencies is None:
            return list(dict.fromkeys(own))
        ranges = [f"{first}-{last}" for first, last in self.spec.dependencies.ranges]
        return [*self.spec.dependencies.ids, *ranges]

    @property
    def error(self) -> str:
        """Why the task was canceled, finished by request or failed, in a sentence; empty otherwise."""
        task, failure = self.task, self.task.failure
        if task.result is TaskResult.SUCCESS:
            return f"Finished by user. {task.ending_reason}" if task.ending_reason else ""
        if failure is None:
            return self._of_job if states.task_state(self.job, task) == "Canceled" else ""
        if failure.code == "exit-code":
            return f"The exit code {task.exit_code} is not valid."
        if failure.code == "ended-timeout":
            return f"The task ran longer than its run time of {self.seconds} seconds."
        if failure.code == "ended":
            return self._ended
        return failure.message

    @property
    def _of_job(self) -> str:
        return f"Its job was canceled. {states.cause(self.job)}".rstrip()

    @property
    def _ended(self) -> str:
        reason = self.task.ending_reason
        return self._of_job if reason is None else f"Canceled by user. {reason}".rstrip()


class SweepView(TaskView):
    """A sweep, shown as one task: its state and times are those of all its subtasks together."""

    def __init__(self, tx: Transaction, job: Job, sweep: Sweep) -> None:
        pattern = Task(
            key=sweep.key, job_key=sweep.job_key, account=sweep.account, alias=sweep.alias, spec=sweep.spec.task,
            created_at=sweep.created_at, modified_at=sweep.modified_at, started_at=sweep.started_at,
            ended_at=sweep.ended_at if sweep.over else None, facts=sweep.facts, state=TaskState.ACTIVE,
            state_at=max(sweep.modified_at, sweep.started_at or 0, sweep.ended_at or 0),
        )  # fmt: skip
        super().__init__(tx, job, pattern, lambda _job, _task: "")
        self.sweep = sweep

    @property
    def state(self) -> str:
        """Its state in the protocol's words."""
        return states.sweep_state(self.job, self.sweep)

    @property
    def previous_state(self) -> str:
        """The state before."""
        state = self.state
        if state in {"Configuring", "Queued"}:
            return "Configuring"
        return "Queued" if state == "Running" or self.sweep.started_at is None else "Running"

    @property
    def error(self) -> str:
        """Why it was canceled, or how many of its subtasks failed."""
        if self.sweep.ending is not None:
            done = "Finished" if self.sweep.ending is Ending.FINISHED else "Canceled"
            return f"{done} by user. {self.sweep.ending_reason}".rstrip()
        state, failed = self.state, self.sweep.counts.failed
        if state == "Failed":
            return f"{failed} of its {self.sweep.spec.total} subtasks failed."
        return self._of_job if state == "Canceled" else ""
