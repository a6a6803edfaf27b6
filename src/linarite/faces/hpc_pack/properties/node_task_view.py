"""Node preparation and node release tasks: what the engine runs on each node for a job, shown as a task with subtasks.

A subtask is one run on one node. What was asked stands in the job's spec, what this face alone knows in its facts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from linarite.engine.model import Job, NodeCommand, NodeTask, NodeTaskKind, Task, TaskResult, TaskSpec, TaskState
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import states
from linarite.faces.hpc_pack.callers import FACE
from linarite.faces.hpc_pack.properties.task_view import Output, TaskView

PREPARATION, RELEASE = "NodePrep", "NodeRelease"
KINDS = {PREPARATION: NodeTaskKind.PREPARATION, RELEASE: NodeTaskKind.RELEASE}
FIELDS = {PREPARATION: "preparation", RELEASE: "release"}
NODE_TASKS = "NodeTasks"
"""The fact of a job that holds, by type, the number of such a task and the facts of it."""
BLOCK = 1 << 50
"""Their rows stand before all tasks in lists: those of preparation first, each task before its runs."""
PLACES = {PREPARATION: -4 * BLOCK, RELEASE: -2 * BLOCK}


class OnNodes(NamedTuple):
    """Such a task of a job, or, with `run`, one of its subtasks, which is number `instance`."""

    type: str
    alias: int
    command: NodeCommand
    facts: dict[str, dict[str, Any]]
    runs: list[NodeTask]
    run: NodeTask | None = None
    instance: int = 0

    @property
    def key(self) -> int:
        """Its place in lists."""
        place = PLACES[self.type]
        return place if self.run is None else place + BLOCK + self.run.key


def of_job(tx: Transaction, job: Job) -> list[OnNodes]:
    """The node preparation and the node release task of a job, as far as it has them."""
    kept: dict[str, dict[str, Any]] = job.facts.get(FACE, {}).get(NODE_TASKS, {})
    runs = tx.node_tasks.of_job(job.key) if kept else []
    found = []
    for type_ in (PREPARATION, RELEASE):
        command: NodeCommand | None = getattr(job.spec, FIELDS[type_])
        if type_ in kept and command is not None:
            own = [run for run in runs if run.kind is KINDS[type_]]
            facts = {FACE: kept[type_]["facts"]}
            found.append(OnNodes(type_, kept[type_]["number"], command, facts, own))
    return found


def by_number(tx: Transaction, job: Job, number: int, index: int | None) -> OnNodes | None:
    """The one of that number in the job, or its subtask."""
    for one in of_job(tx, job):
        if one.alias == number:
            if index is None:
                return one
            return subtask(one, index) if 1 <= index <= len(one.runs) else None
    return None


def subtask(one: OnNodes, index: int) -> OnNodes:
    """The run on one node."""
    return one._replace(run=one.runs[index - 1], instance=index)


def rows(tx: Transaction, job: Job, *, expand: bool) -> list[OnNodes]:
    """Those of a list: subtasks in place of the task when it is expanded and has any."""
    found = []
    for one in of_job(tx, job):
        found += [subtask(one, index + 1) for index in range(len(one.runs))] if expand and one.runs else [one]
    return found


def state_of(job: Job, one: OnNodes) -> str:
    """The state in the protocol's words: of one run, or of all runs together."""
    if one.run is not None:
        return _state_of_run(one.run)
    found = {_state_of_run(run) for run in one.runs}
    for state in ("Dispatching", "Running", "Canceling", "Failed", "Finished"):
        if state in found:
            return "Running" if state == "Dispatching" else state
    return states.waiting(job)


def _state_of_run(run: NodeTask) -> str:
    match run.state:
        case TaskState.ACTIVE | TaskState.PREPARING:
            return "Dispatching"
        case TaskState.RUNNING:
            return "Running" if run.ending is None else "Canceling"
    return "Finished" if run.result is TaskResult.SUCCESS else "Failed"


class OnNodesView(TaskView):
    """Shows one as a task."""

    def __init__(self, tx: Transaction, job: Job, one: OnNodes, read_output: Output) -> None:
        run = one.run
        starts = [start for each in one.runs if (start := each.started_at)]
        ends = [end for each in one.runs if (end := each.ended_at)]
        over = len(ends) == len(one.runs)
        task = Task(
            key=one.key, job_key=job.key, account=job.account, alias=one.alias, index=one.instance,
            spec=spec_of(one), created_at=job.created_at, modified_at=job.modified_at, facts=one.facts,
            state_at=run.state_at if run else max([job.state_at, *starts, *ends]),
            started_at=run.started_at if run else min(starts, default=None),
            ended_at=run.ended_at if run else max(ends, default=None) if over else None,
            exit_code=run.exit_code if run else None, result=run.result if run else None,
            failure=run.failure if run else None, node=run.node if run else None, pool=run.pool if run else None,
            node_key=run.node_key if run else None,
        )  # fmt: skip
        super().__init__(tx, job, task, read_output)
        self.one = one

    @property
    def state(self) -> str:
        """Its state in the protocol's words."""
        return state_of(self.job, self.one)

    @property
    def previous_state(self) -> str:
        """The state before."""
        return {"Configuring": "Configuring", "Queued": "Configuring", "Running": "Queued", "Canceled": "Queued"}.get(
            self.state, "Running"
        )


def spec_of(one: OnNodes) -> TaskSpec:
    """What was asked, as of a task."""
    command = one.command
    return TaskSpec(
        id=command.id, command=command.command, display_name=one.facts.get(FACE, {}).get("Name"),
        environment=command.environment, max_wall_clock=command.max_wall_clock, stdin=command.stdin,
        stdout=command.stdout, stderr=command.stderr, working_directory=command.working_directory,
        valid_exit_codes=command.valid_exit_codes,
    )  # fmt: skip
