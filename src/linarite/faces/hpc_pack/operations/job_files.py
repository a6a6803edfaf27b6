"""Create Job From XML: a whole job in one request, in one unit of work. Source: its page; NOTES 8."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from linarite.engine import jobs
from linarite.engine.ledger import Ledger
from linarite.engine.model import Dependencies, Job, TaskSpec
from linarite.faces.hpc_pack import job_file
from linarite.faces.hpc_pack.answers import Answer, Number
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.job_file import JobFile, TaskFile
from linarite.faces.hpc_pack.operations.jobs import add, agent_of, new_name
from linarite.faces.hpc_pack.operations.names import (
    CUSTOM,
    checked_custom,
    checked_variables,
    merged,
    with_variables,
)  # fmt: skip
from linarite.faces.hpc_pack.operations.tasks import apply, insert
from linarite.faces.hpc_pack.properties.task_view import AFTER
from linarite.faces.hpc_pack.properties.task_wanted import TaskWanted


async def create_job_from_xml(call: Call) -> Answer:
    """Create Job From XML: the job is being configured, with all its tasks; nothing runs until it is submitted."""
    call.caller.may_write()
    file = job_file.parse(await call.job_file())
    waits = job_file.before(file)
    job = await call.engine.do(_create, call, new_name(), file, waits, agent_of(call), who=call.caller.name)
    return Number(job.alias)


def _create(u: Ledger, call: Call, name: str, file: JobFile, waits: list[set[int]], agent: str) -> Job:
    own = _own(file, Dependencies=file.dependencies)
    job = add(u, call, name, file.wanted, agent, **own)
    variables = with_variables((), checked_variables(file.variables))
    if variables:
        job = jobs.update(
            u, call.account, name, lambda job: replace(job, spec=replace(job.spec, environment=variables))
        )
    if file.tasks:
        insert(u, job, _tasks(u, job, file, waits))
    return job


def _own(part: JobFile | TaskFile, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - facts
    """The facts beside properties."""
    facts = {CUSTOM: merged({}, checked_custom(part.custom)), "ExtendedTerms": part.terms, **more}
    return {name: value for name, value in facts.items() if value or value == 0}


def _tasks(u: Ledger, job: Job, file: JobFile, waits: list[set[int]]) -> list[TaskWanted]:
    """The tasks with their numbers as ids; they name each other by these, whichever stands first."""
    ids = [str(job.next_task + place) for place in range(len(file.tasks))]
    names = [next((value for item, value in task.wanted if item.name == "Name"), None) for task in file.tasks]
    made = []
    for place, task in enumerate(file.tasks):
        first = sorted(waits[place])
        own = _own(task, GroupId=task.group)
        if task.group is not None:
            own |= {AFTER: [name for earlier in first if (name := names[earlier])]}
        new = TaskWanted(u.tx, job, TaskSpec(id=ids[place], command=""), own)
        new.found = [ids[earlier] for earlier in first]
        apply(new, task.wanted)
        if new.found:
            new.set(dependencies=Dependencies(ids=tuple(new.found)))
        variables = with_variables((), checked_variables(task.variables))
        new.set(environment=variables)
        made.append(new)
    return made
