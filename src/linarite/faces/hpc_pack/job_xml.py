"""Job XML as HpcJobXml answers hold it. Source: Get Job (Render), Job Schema; NOTES 8.

With properties named, one element with just these attributes; without, the whole job: custom properties, dependencies
and tasks, written page by page so that a large job is never held whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from operator import attrgetter
from typing import TypeVar

from linarite.engine.filtering import Compare
from linarite.engine.model import Job
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import output
from linarite.faces.hpc_pack.answers import Document
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.operations.finding import the_job, the_task
from linarite.faces.hpc_pack.properties import node_task_view
from linarite.faces.hpc_pack.properties.job_view import JobView
from linarite.faces.hpc_pack.properties.job_wanted import JobWanted
from linarite.faces.hpc_pack.properties.jobs import JOBS
from linarite.faces.hpc_pack.properties.table import Property
from linarite.faces.hpc_pack.properties.task_view import AFTER, TaskView
from linarite.faces.hpc_pack.properties.task_wanted import TaskWanted
from linarite.faces.hpc_pack.properties.tasks import TASKS
from linarite.faces.hpc_pack.properties.views import Target, view_of
from linarite.http.xml import escape, quote

NAMESPACE = "http://schemas.microsoft.com/HPCS2008R2/scheduler/"
ROOT = f'xmlns="{NAMESPACE}" Version="3.000"'
PAGE = 500
LAST = 2**63 - 1
"""A key behind all others."""
PLAIN = Compare("index", "eq", 0)
"""Tasks that are of no sweep: a sweep stands for its own."""
UNITS = ("Cores", "Nodes", "Sockets")

V = TypeVar("V")
W = TypeVar("W")
JobRows = Iterable[Property[JobView, JobWanted]]
TaskRows = Iterable[Property[TaskView, TaskWanted]]


def _attributes(rows: Iterable[Property[V, W]], view: V) -> str:
    texts = ((item.name, item.kind.xml(item.get(view))) for item in rows)
    return "".join(f" {name}={quote(text)}" for name, text in texts if text)


def _pairs(element: str, item: str, pairs: Iterable[tuple[str, str]]) -> str:
    inside = "".join(
        f"<{item}><Name>{escape(name)}</Name><Value>{escape(value)}</Value></{item}>" for name, value in pairs
    )
    return f"<{element}>{inside}</{element}>" if inside else ""


def _job_rows(view: JobView) -> JobRows:
    unit = f"{view.fact('UnitType', 'Core')}s"
    hidden = {f"{bound}{other}" for bound in ("Min", "Max") for other in UNITS if other != unit}
    return [item for item in JOBS.listed if item.attribute and item.name not in hidden]


def _custom(facts: dict[str, dict[str, str]]) -> str:
    return _pairs("CustomProperties", "Term", facts.get("CustomProperties", {}).items())


def _variables(environment: Iterable[object]) -> str:
    return _pairs("EnvironmentVariables", "Variable", ((v.name, v.value) for v in environment))  # type: ignore[attr-defined]


def _head(view: JobView) -> str:
    inside = _variables(view.spec.environment) + _custom(view.facts) + _terms(view.facts)
    return f"<Job {ROOT}{_attributes(_job_rows(view), view)}>{inside}{_dependencies(view)}<Tasks>"


def _terms(facts: dict[str, list[tuple[str, str]]]) -> str:
    return _pairs("ExtendedTerms", "Term", facts.get("ExtendedTerms", []))


def _dependencies(view: JobView) -> str:
    """The groups of tasks that a job file had."""
    pairs: list[tuple[int, int]] = view.fact("Dependencies", [])
    after = {parent: [child for first, child in pairs if first == parent] for parent, _ in pairs}
    inside = "".join(
        f'<Parent GroupId="{parent}">{"".join(f"""<Child GroupId="{child}"/>""" for child in children)}</Parent>'
        for parent, children in after.items()
    )
    return f"<Dependencies>{inside}</Dependencies>"


def _task(view: TaskView, root: str = "") -> str:
    """A task; the names that it depends on stand there only where no group of its job file says the same."""
    rows = [item for item in TASKS.listed if item.attribute and item.name not in {"Output", "DependsOn"}]
    first = view.fact("DependsOn", []) if view.fact(AFTER) else view.depends_on
    own = {"Id": view.task.alias, "GroupId": view.fact("GroupId"), "DependsOn": ",".join(first) or None}
    given = "".join(f" {name}={quote(str(value))}" for name, value in own.items() if value is not None)
    inside = _variables(view.spec.environment) + _custom(view.facts) + _terms(view.facts)
    return f"<Task{root}{given}{_attributes(rows, view)}>{inside}</Task>"


async def _one(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


async def of_job(call: Call, wanted: JobRows | None) -> Document:
    """The job: just these attributes, or all of it. Refusals come before the first byte."""

    def begin(tx: Transaction) -> tuple[Job, str]:
        job = the_job(tx, call)
        view = JobView(tx, job, call.service.cluster)
        if wanted is not None:
            return job, f"<Job {ROOT}{_attributes(wanted, view)}/>"
        call.caller.may_see(job)
        return job, _head(view)

    job, head = await call.engine.ask(begin)
    return Document(_one(head) if wanted is not None else _whole(call, job, head))


async def _whole(call: Call, job: Job, head: str) -> AsyncIterator[bytes]:
    yield head.encode()
    read_output = output.reader(call.engine)
    after = 0

    def page(tx: Transaction) -> tuple[str, int]:
        tasks = tx.tasks.page(job.key, PLAIN, after, PAGE)
        last = tasks[-1].key if len(tasks) == PAGE else LAST
        found: list[Target] = [
            *tasks,
            *(sweep for sweep in tx.sweeps.of_job(job.key, after) if sweep.key <= last),
        ]
        found.sort(key=attrgetter("key"))
        if not after:
            found = [*node_task_view.of_job(tx, job), *found]
        return "".join(_task(view_of(tx, job, each, read_output)) for each in found), last

    while after < LAST:
        text, after = await call.engine.ask(page)
        yield text.encode()
    yield b"</Tasks></Job>"


async def of_task(call: Call, wanted: TaskRows | None) -> Document:
    """The task: just these attributes, or all of it."""
    read_output = output.reader(call.engine)

    def question(tx: Transaction) -> str:
        view = view_of(tx, *the_task(tx, call), read_output)
        if wanted is not None:
            return f"<Task {ROOT}{_attributes(wanted, view)}/>"
        return _task(view, f" {ROOT}")

    return Document(_one(await call.engine.ask(question)))
