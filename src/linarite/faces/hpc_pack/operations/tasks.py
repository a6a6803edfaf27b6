"""Tasks: Add Task, Get Task, Set Task Properties. Source: the page of each in the HPC Pack REST reference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from msgspec.structs import replace

from linarite.engine import jobs, sweeps, tasks
from linarite.engine.errors import EngineError
from linarite.engine.ledger import Ledger
from linarite.engine.model import Job, JobState, Sweep, Task, TaskSpec
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import job_xml, output
from linarite.faces.hpc_pack.answers import Answer, Nothing, Number, Pairs, Properties
from linarite.faces.hpc_pack.callers import FACE
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import MISSING_COMMAND, TASK_STATE, bad
from linarite.faces.hpc_pack.operations import node_tasks
from linarite.faces.hpc_pack.operations.finding import the_job, the_task
from linarite.faces.hpc_pack.operations.job_life import WITHOUT_COMMAND
from linarite.faces.hpc_pack.properties.node_task_view import FIELDS, OnNodes
from linarite.faces.hpc_pack.properties.table import Property
from linarite.faces.hpc_pack.properties.task_view import TaskView
from linarite.faces.hpc_pack.properties.task_wanted import SWEEP, TaskWanted, of_sweep, of_task
from linarite.faces.hpc_pack.properties.tasks import TASKS
from linarite.faces.hpc_pack.properties.views import state_of, view_of

Wanted = list[tuple[Property[TaskView, TaskWanted], Any]]


async def get_task(call: Call) -> Answer:
    """Get Task, Get Subtask: the properties asked for, or all of them, or its job XML."""
    asked = call.list_of("properties")
    wanted = TASKS.pick(asked)
    if call.wants_job_xml():
        return await job_xml.of_task(call, wanted if asked else None)
    read_output = output.reader(call.engine)

    def question(tx: Transaction) -> Pairs:
        return TASKS.write(wanted, view_of(tx, *the_task(tx, call), read_output))

    return Properties(await call.engine.ask(question))


async def add_task(call: Call) -> Answer:
    """Add Task: answers its number in the job. In a job that runs it is queued at once."""
    wanted = TASKS.read(await call.properties())
    return Number(await call.engine.do(_add, call, wanted, who=call.caller.name))


def _add(u: Ledger, call: Call, wanted: Wanted) -> int:
    job = u.known(the_job(u.tx, call))
    call.caller.may_change(job)
    new = TaskWanted(u.tx, job, TaskSpec(id=_free_id(u.tx, job), command=""), {})
    apply(new, wanted)
    number = job.next_task
    insert(u, job, [new])
    return number


def insert(u: Ledger, job: Job, wanted: Sequence[TaskWanted]) -> None:
    """Add whatever is called a task to a job, in their order, as many tasks at once as follow each other."""
    _without_command(
        u, job, [number for number, new in enumerate(wanted, job.next_task) if not new.spec.command], missing=True
    )
    for type_, group in groupby(wanted, attrgetter("type")):
        if type_ == SWEEP:
            for new in group:
                sweeps.add(u, job.account, job.spec.id, new.sweep(), {FACE: new.facts})
            continue
        if type_ in FIELDS:
            for new in group:
                node_tasks.add(u, u.job(job.key), new)
            continue
        for added in tasks.add(u, job.account, job.spec.id, [(new.spec, {FACE: new.facts}) for new in group]):
            if isinstance(added, EngineError):
                raise added


def _free_id(tx: Transaction, job: Job) -> str:
    """The task's number as its id, unless another protocol took that for one of its own."""
    number = str(job.next_task)
    return f"hpc-{number}" if tx.tasks.existing(job.key, [number]) else number


def apply(task: TaskWanted, wanted: Wanted) -> None:
    """Set each property in the order given, then what follows from several."""
    for item, value in wanted:
        assert item.put is not None, "Table.read lets only settable properties through"
        item.put(task, value)
    task.compile()


def _without_command(u: Ledger, job: Job, numbers: Sequence[int], *, missing: bool) -> None:
    """Remember which tasks have no command line yet: such a job cannot be submitted."""
    if numbers and missing and job.state is not JobState.DRAFT:
        raise bad(MISSING_COMMAND, "A task needs a CommandLine.")
    facts = job.facts.get(FACE, {})
    open_ = set(facts.get(WITHOUT_COMMAND, ()))
    now_open = open_.union(numbers) if missing else open_.difference(numbers)
    if now_open != open_:
        new = {**job.facts, FACE: {**facts, WITHOUT_COMMAND: sorted(now_open)}}
        jobs.write_facts(u, job.account, job.spec.id, lambda job: replace(job, facts=new))


async def set_task(call: Call) -> Answer:
    """Set Task Properties: as long as the job is being configured. Set Subtask Properties: as long as it waits."""
    wanted = TASKS.read(await call.properties())
    await call.engine.do(_set, call, wanted, who=call.caller.name)
    return Nothing()


def _set(u: Ledger, call: Call, wanted: Wanted) -> None:
    job, found = the_task(u.tx, call)
    call.caller.may_change(job)
    state = state_of(job, found)
    if state != ("Configuring" if call.subtask is None else "Queued"):
        raise bad(TASK_STATE, f"A task that is {state} can not be changed.")
    if isinstance(found, Sweep):
        new = of_sweep(u.tx, job, found)
        apply(new, wanted)
        sweeps.change(u, found, new.sweep(), {**found.facts, FACE: new.facts})
    elif isinstance(found, OnNodes):
        new = node_tasks.of_node_task(u, job, found)
        apply(new, wanted)
        node_tasks.change(u, job, found, new)
    else:
        new = _change(u, job, found, wanted)
    _without_command(u, u.known(job), [found.alias], missing=not new.spec.command)


def _change(u: Ledger, job: Job, task: Task, wanted: Wanted) -> TaskWanted:
    new = of_task(u.tx, job, task)
    apply(new, wanted)
    tasks.update(u, job.account, job.spec.id, task.spec.id, lambda _, task: new.onto(task))
    return new
