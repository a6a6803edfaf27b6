"""What a client wants of a task, on its way into the engine's spec and this face's facts, inside a unit of work."""

from __future__ import annotations

import posixpath
from typing import Any

from msgspec.structs import replace

from linarite.engine.model import (
    Dependencies,
    DependencyAction,
    ExitConditions,
    ExitOptions,
    Job,
    Sweep,
    SweepSpec,
    Task,
    TaskSpec,
)  # fmt: skip
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack.callers import FACE
from linarite.faces.hpc_pack.errors import OUT_OF_RANGE, TASK_TYPE, UNIMPLEMENTED, bad
from linarite.faces.hpc_pack.properties.job_view import SECOND
from linarite.faces.hpc_pack.properties.task_view import INSTANCE
from linarite.faces.hpc_pack.values import exit_codes

PAGE = 1000
ALWAYS_RELEASES = ExitConditions(default=ExitOptions(dependency_action=DependencyAction.SATISFY))


class TaskWanted:
    """A spec and facts being changed; `tx` finds the job's other tasks by name. `kept`: it is there already."""

    def __init__(self, tx: Transaction, job: Job, spec: TaskSpec, facts: dict[str, Any], *, kept: bool = False) -> None:
        self.tx, self.job, self.spec, self.facts, self.kept = tx, job, spec, facts, kept
        self.found: list[str] | None = None
        """The ids of the tasks that go first, where they were found already."""

    def set(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the record
        """Change the spec."""
        self.spec = replace(self.spec, **changes)

    def keep(self, name: str, value: Any) -> None:  # noqa: ANN401 - of the property's kind
        """Remember a property that the engine does not model; None forgets it."""
        if value is None:
            self.facts.pop(name, None)
        else:
            self.facts[name] = value

    def compile(self) -> None:
        """Bring into the spec what follows from several properties together.

        Files are relative to WorkDirectory; a task's end releases its dependents however it ended (NOTES 6, DependsOn).
        """
        directory = self.facts.get("WorkDirectory")
        paths = {stream: self.facts.get(f"{name}FilePath") for stream, name in STREAMS.items()}
        joined = {stream: posixpath.join(directory or "", path) if path else None for stream, path in paths.items()}
        self.set(  # noqa: S604 - a field of the spec; the node runs the line
            working_directory=directory, shell=True, required_slots=max(1, self.facts.get("MinCores", 1)), **joined,
            exit_conditions=ALWAYS_RELEASES if self.job.spec.uses_dependencies else None,
        )  # fmt: skip

    @property
    def type(self) -> str:
        """What kind of task it is."""
        return str(self.facts.get("Type", BASIC))

    def sweep(self) -> SweepSpec:
        """The sweep that it is."""
        first, last, step = (self.facts.get(name, 1) for name in ("StartValue", "EndValue", "IncrementValue"))
        failures = self.facts.get("FailJobOnFailureCount", 1)
        return SweepSpec(
            task=self.spec, first=first, last=last, step=step, variable=INSTANCE, fails_after=failures
        )  # fmt: skip

    def onto(self, task: Task) -> Task:
        """The task with what is wanted."""
        return replace(task, spec=self.spec, facts={**task.facts, FACE: self.facts})


BASIC, SWEEP = "Basic", "ParametricSweep"
STREAMS = {"stdin": "StdIn", "stdout": "StdOut", "stderr": "StdErr"}


def of_task(tx: Transaction, job: Job, task: Task) -> TaskWanted:
    """Begin from a task as it is."""
    return TaskWanted(tx, job, task.spec, dict(task.facts.get(FACE, {})), kept=True)


def of_sweep(tx: Transaction, job: Job, sweep: Sweep) -> TaskWanted:
    """Begin from a sweep as it is."""
    return TaskWanted(tx, job, sweep.spec.task, dict(sweep.facts.get(FACE, {})), kept=True)


def set_runtime(wanted: TaskWanted, seconds: int | None) -> None:
    """RuntimeSeconds; 0 is without limit."""
    wanted.set(max_wall_clock=seconds * SECOND if seconds else None)


def set_type(wanted: TaskWanted, name: str | None) -> None:
    """Type: of a new task; those that are there keep theirs. Service tasks belong to SOA sessions, which are not."""
    if name == "Service":
        raise bad(TASK_TYPE, "Service tasks are not supported: there are no SOA sessions here.")
    kind, own = name or BASIC, wanted.facts.get("Type", BASIC)
    if wanted.kept and kind != own:
        raise bad(TASK_TYPE, f"A task of type {own} cannot become one of type {kind}.")
    wanted.keep("Type", None if kind == BASIC else kind)


def set_exclusive(wanted: TaskWanted, value: bool | None) -> None:  # noqa: FBT001 - the property's value
    """IsExclusive: nothing else runs on the task's node."""
    wanted.set(exclusive=bool(value))


def set_required_nodes(wanted: TaskWanted, nodes: list[str] | None) -> None:
    """RequiredNodes: the task runs on one of them."""
    wanted.set(nodes=tuple(name.lower() for name in nodes or []))
    wanted.keep("RequiredNodes", nodes or None)


def set_depends_on(wanted: TaskWanted, wanted_names: list[str] | None) -> None:
    """DependsOn: names of tasks that are in the job already; several tasks may bear one name."""
    if wanted.kept:
        if (wanted_names or None) != wanted.facts.get("DependsOn"):
            raise bad(UNIMPLEMENTED, "DependsOn of a task that was added already cannot be changed.")
        return
    if not wanted_names:
        return
    ids = _named(wanted, wanted_names) if wanted.found is None else wanted.found
    wanted.set(dependencies=Dependencies(ids=tuple(ids)))
    wanted.keep("DependsOn", wanted_names)


def _named(wanted: TaskWanted, wanted_names: list[str]) -> list[str]:
    missing, ids, after = set(wanted_names), list[str](), 0
    while page := wanted.tx.tasks.page(wanted.job.key, None, after, PAGE):
        after = page[-1].key
        for task in page:
            if task.spec.display_name in wanted_names and not task.index:
                missing.discard(task.spec.display_name or "")
                ids.append(task.spec.id)
    for sweep in wanted.tx.sweeps.of_job(wanted.job.key):
        if sweep.spec.task.display_name in wanted_names:
            missing.discard(sweep.spec.task.display_name or "")
            ids.append(sweep.spec.task.id)
    if missing:
        raise bad(OUT_OF_RANGE, f"DependsOn: the job has no task named {', '.join(sorted(missing))} before this one.")
    return ids


def set_valid_exit_codes(wanted: TaskWanted, text: str | None) -> None:
    """TaskValidExitCodes: kept as written, and as ranges."""
    wanted.set(valid_exit_codes=tuple(exit_codes(text)) if text else None)
    wanted.keep("TaskValidExitCodes", text or None)


def set_failure_count(wanted: TaskWanted, number: int | None) -> None:
    """FailJobOnFailureCount: setting it turns FailJobOnFailure on."""
    if number is not None and not 1 <= number <= 1_000_000:
        raise bad(OUT_OF_RANGE, f"FailJobOnFailureCount must be 1 to 1000000, not {number}.")
    wanted.keep("FailJobOnFailureCount", number)
    if number is not None:
        wanted.set(fails_job=True)
