"""Custom properties and environment variables of jobs and tasks.

A name that is not set comes back with an empty value; setting an empty value removes it.
Source: Get / Set Job Custom Properties, Get / Set Job Environment Variables, and the same of tasks.
"""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine import jobs, sweeps, tasks
from linarite.engine.errors import WrongState
from linarite.engine.ledger import Ledger
from linarite.engine.model import Facts, Job, Named, Sweep, TaskSpec, TaskState
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack.answers import Answer, Nothing, Pairs, Properties
from linarite.faces.hpc_pack.callers import FACE
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import TOO_LONG, VARIABLE_NAME, bad
from linarite.faces.hpc_pack.operations import node_tasks
from linarite.faces.hpc_pack.operations.finding import the_job, the_task
from linarite.faces.hpc_pack.properties.node_task_view import OnNodes, spec_of
from linarite.faces.hpc_pack.properties.views import Target

CUSTOM = "CustomProperties"
NAME_LIMIT, CUSTOM_LIMIT, VARIABLES_LIMIT = 128, 128, 2048


def _custom(facts: Facts) -> dict[str, str]:
    return dict(facts.get(FACE, {}).get(CUSTOM, {}))


def _with_custom(facts: Facts, pairs: Pairs) -> Facts:
    return {**facts, FACE: {**facts.get(FACE, {}), CUSTOM: merged(_custom(facts), pairs)}}


def _variables(environment: tuple[Named, ...]) -> dict[str, str]:
    return {item.name: item.value for item in environment}


def with_variables(environment: tuple[Named, ...], pairs: Pairs) -> tuple[Named, ...]:
    """The variables with what is set now. Refusal when they are too long together."""
    new = merged(_variables(environment), pairs)
    if sum(len(name) + len(value) for name, value in new.items()) > VARIABLES_LIMIT:
        raise bad(TOO_LONG, f"The variables are longer than {VARIABLES_LIMIT} characters together.")
    return tuple(Named(name, value) for name, value in new.items())


def merged(old: dict[str, str], pairs: Pairs) -> dict[str, str]:
    """What was set with what is set now; names are the same whatever their letter case, the later spelling stays."""
    new = dict(old)
    for name, value in pairs:
        for same in [key for key in new if key.lower() == name.lower()]:
            del new[same]
        if value:
            new[name] = value
    return new


def _asked(call: Call, values: dict[str, str]) -> Properties:
    wanted = call.list_of("names")
    if wanted is None:
        return Properties(list(values.items()))
    by_name = {name.lower(): value for name, value in values.items()}
    return Properties([(name, by_name.get(name.lower(), "")) for name in wanted])


async def _read_custom(call: Call) -> Pairs:
    return checked_custom(await call.properties())


def checked_custom(pairs: Pairs) -> Pairs:
    """The same, when they can be custom properties. Refusal."""
    for name, value in pairs:
        if len(name) > NAME_LIMIT or len(value) > CUSTOM_LIMIT:
            raise bad(
                TOO_LONG, f"The custom property {name[:80]!r} or its value is longer than {CUSTOM_LIMIT} characters."
            )
    return pairs


async def _read_variables(call: Call) -> Pairs:
    return checked_variables(await call.properties())


def checked_variables(pairs: Pairs) -> Pairs:
    """The same, when they can be environment variables. Refusal."""
    for name, value in pairs:
        if "=" in name or "\0" in name + value:
            raise bad(VARIABLE_NAME, f"{name[:80]!r} is no name of an environment variable.")
    return pairs


async def get_job_custom(call: Call) -> Answer:
    """Get Job Custom Properties."""
    return _asked(call, await call.engine.ask(lambda tx: _custom(the_job(tx, call).facts)))


async def get_job_variables(call: Call) -> Answer:
    """Get Job Environment Variables: for those who may see its tasks, as variables hold secrets."""

    def question(tx: Transaction) -> dict[str, str]:
        job = the_job(tx, call)
        call.caller.may_see(job)
        return _variables(job.spec.environment)

    return _asked(call, await call.engine.ask(question))


async def get_task_custom(call: Call) -> Answer:
    """Get Task Custom Properties."""
    return _asked(call, await call.engine.ask(lambda tx: _custom(the_task(tx, call)[1].facts)))


async def get_task_variables(call: Call) -> Answer:
    """Get Task Environment Variables."""
    return _asked(call, await call.engine.ask(lambda tx: _variables(pattern_of(the_task(tx, call)[1]).environment)))


def _mine(tx: Transaction, call: Call) -> Job:
    job = the_job(tx, call)
    call.caller.may_change(job)
    return job


async def set_job_custom(call: Call) -> Answer:
    """Set Job Custom Properties: until the job is over."""
    pairs = await _read_custom(call)

    def work(u: Ledger) -> None:
        id_ = _mine(u.tx, call).spec.id
        jobs.update(u, call.account, id_, lambda job: replace(job, facts=_with_custom(job.facts, pairs)))

    await call.engine.do(work, who=call.caller.name)
    return Nothing()


async def set_job_variables(call: Call) -> Answer:
    """Set Job Environment Variables: for the tasks that start from now on."""
    pairs = await _read_variables(call)

    def change(job: Job) -> Job:
        return replace(job, spec=replace(job.spec, environment=with_variables(job.spec.environment, pairs)))

    await call.engine.do(
        lambda u: jobs.update(u, call.account, _mine(u.tx, call).spec.id, change), who=call.caller.name
    )
    return Nothing()


async def set_task_custom(call: Call) -> Answer:
    """Set Task Custom Properties: until the task is over."""
    pairs = await _read_custom(call)
    await call.engine.do(_set_task_custom, call, pairs, who=call.caller.name)
    return Nothing()


def _set_task_custom(u: Ledger, call: Call, pairs: Pairs) -> None:
    job, found = the_task(u.tx, call)
    call.caller.may_change(job)
    facts = _with_custom(found.facts, pairs)
    if isinstance(found, OnNodes):
        new = node_tasks.of_node_task(u, job, found)
        new.keep(CUSTOM, facts[FACE][CUSTOM])
        node_tasks.change(u, job, found, new)
    elif not isinstance(found, Sweep):
        tasks.update(u, call.account, job.spec.id, found.spec.id, lambda _, task: replace(task, facts=facts))
    elif found.over:
        raise WrongState("task", "completed", "set custom properties")
    else:
        sweeps.write_facts(u, found, facts)


async def set_task_variables(call: Call) -> Answer:
    """Set Task Environment Variables: until the task starts, those of a sweep until it has subtasks."""
    pairs = await _read_variables(call)
    await call.engine.do(_set_task_variables, call, pairs, who=call.caller.name)
    return Nothing()


def _set_task_variables(u: Ledger, call: Call, pairs: Pairs) -> None:
    job, found = the_task(u.tx, call)
    call.caller.may_change(job)
    old = pattern_of(found)
    spec = replace(old, environment=with_variables(old.environment, pairs))
    if isinstance(found, Sweep):
        sweeps.change(u, found, replace(found.spec, task=spec), found.facts)
    elif isinstance(found, OnNodes):
        new = node_tasks.of_node_task(u, job, found)
        new.set(environment=spec.environment)
        node_tasks.change(u, job, found, new)
    elif found.state is not TaskState.ACTIVE:
        raise WrongState("task", found.state.value, "set environment variables")
    else:
        tasks.update(u, call.account, job.spec.id, found.spec.id, lambda _, task: replace(task, spec=spec))


def pattern_of(found: Target) -> TaskSpec:
    """What was asked of a task, or of each of a sweep's."""
    if isinstance(found, OnNodes):
        return spec_of(found)
    return found.spec.task if isinstance(found, Sweep) else found.spec
