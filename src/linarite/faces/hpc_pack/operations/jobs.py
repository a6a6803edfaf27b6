"""Jobs: Get Job, Create Job, Set Job Properties. Source: the page of each in the HPC Pack REST reference."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from linarite.engine import jobs
from linarite.engine.following import follow
from linarite.engine.ledger import Ledger
from linarite.engine.model import Job, JobSpec, OnAllTasksComplete, Task
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import job_xml, states
from linarite.faces.hpc_pack.answers import Answer, Nothing, Number, Pairs, Properties
from linarite.faces.hpc_pack.callers import FACE
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import JOB_STATE, bad
from linarite.faces.hpc_pack.operations.finding import the_job
from linarite.faces.hpc_pack.properties.job_view import FIRST_TASKS, JobView
from linarite.faces.hpc_pack.properties.job_wanted import JobWanted, choose_pool, compile_placement, of_job
from linarite.faces.hpc_pack.properties.jobs import JOBS
from linarite.faces.hpc_pack.properties.table import Property, Until

Wanted = list[tuple[Property[JobView, JobWanted], Any]]
LEVEL = {"Configuring": Until.CONFIGURING, "Queued": Until.QUEUED, "Running": Until.RUNNING}


async def get_job(call: Call) -> Answer:
    """Get Job: the properties asked for, or all of them, or job XML."""
    asked = call.list_of("properties")
    wanted = JOBS.pick(asked)
    await follow(call.engine, lambda tx: _running(tx, call))
    if call.wants_job_xml():
        return await job_xml.of_job(call, wanted if asked else None)

    def question(tx: Transaction) -> Pairs:
        return JOBS.write(wanted, JobView(tx, the_job(tx, call), call.service.cluster))

    return Properties(await call.engine.ask(question))


def _running(tx: Transaction, call: Call) -> list[tuple[Job, Task]]:
    job = the_job(tx, call)
    return [(job, task) for task in tx.tasks.running_of_job(job.key, 0, FIRST_TASKS)] if job.counts.running else []


async def create_job(call: Call) -> Answer:
    """Create Job: a job that is being configured; nothing runs until it is submitted."""
    call.caller.may_write()
    wanted = JOBS.read(await call.properties())
    job = await call.engine.do(add, call, new_name(), wanted, agent_of(call), who=call.caller.name)
    return Number(job.alias)


def agent_of(call: Call) -> str:
    """The program that makes a job, when it does not say itself."""
    return (call.request.headers.get("user-agent") or "").partition("/")[0]


def new_name() -> str:
    """An id for a job that clients know by its number."""
    return f"hpc-{uuid.uuid4().hex[:12]}"


def add(u: Ledger, call: Call, name: str, wanted: Wanted, agent: str, **own: Any) -> Job:  # noqa: ANN401 - facts
    """Add a job of these properties; `own` are facts beside them."""
    spec = JobSpec(
        id=name, pool="", owner=call.caller.name, uses_dependencies=True,
        on_all_tasks_complete=OnAllTasksComplete.TERMINATE,
    )  # fmt: skip
    job = JobWanted(u.tx, call.account, spec, {}, call.service.default_pool)
    choose_pool(job)
    apply(job, wanted)
    if agent:
        job.facts.setdefault("ClientSource", agent)
    return jobs.add(u, call.account, job.spec, {FACE: job.facts | own}, draft=True)


def apply(job: JobWanted, wanted: Iterable[tuple[Property[JobView, JobWanted], Any]]) -> None:
    """Set each property in the order given, so that the last of two that share a fact wins."""
    for item, value in wanted:
        assert item.put is not None, "Table.read lets only settable properties through"
        item.put(job, value)
    compile_placement(job)


async def set_job(call: Call) -> Answer:
    """Set Job Properties: as far as the job's state allows each of them."""
    wanted = JOBS.read(await call.properties())
    await call.engine.do(_set, call, wanted, who=call.caller.name)
    return Nothing()


def _set(u: Ledger, call: Call, wanted: Wanted) -> None:
    job = the_job(u.tx, call)
    call.caller.may_change(job)
    state = states.job_state(job)
    level = LEVEL.get(state, Until.ALWAYS)
    late = [item.name for item, _ in wanted if item.until < level]
    if late:
        raise bad(JOB_STATE, f"A job that is {state} can not be changed this way: {', '.join(late)}.")

    def change(job: Job) -> Job:
        new = of_job(u.tx, job, call.service.default_pool)
        apply(new, wanted)
        return new.onto(job)

    write = jobs.write_facts if job.state in jobs.OVER else jobs.update
    write(u, call.account, job.spec.id, change)
