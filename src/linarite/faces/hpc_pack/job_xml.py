"""Job XML as HpcJobXml answers hold it. Source: Get Job (Render), Job Schema; NOTES 8.

With properties named, one element with just these attributes; without, the whole job: custom properties, dependencies
and tasks, written page by page so that a large job is never held whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

from linarite.engine.model import Job
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import output
from linarite.faces.hpc_pack.answers import Document
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.operations.finding import the_job, the_task
from linarite.faces.hpc_pack.properties.job_view import JobView
from linarite.faces.hpc_pack.properties.job_wanted import JobWanted
from linarite.faces.hpc_pack.properties.jobs import JOBS
from linarite.faces.hpc_pack.properties.table import Property
from linarite.faces.hpc_pack.properties.task_view import TaskView, view_of
from linarite.faces.hpc_pack.properties.task_wanted import TaskWanted
from linarite.faces.hpc_pack.properties.tasks import TASKS
from linarite.http.xml import escape, quote

NAMESPACE = "http://schemas.microsoft.com/HPCS2008R2/scheduler/"
ROOT = f'xmlns="{NAMESPACE}" Version="3.000"'
PAGE = 500
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
    inside = _variables(view.spec.environment) + _custom(view.facts)
    return f"<Job {ROOT}{_attributes(_job_rows(view), view)}>{inside}<Dependencies/><Tasks>"


def _task(view: TaskView, root: str = "") -> str:
    rows = [item for item in TASKS.listed if item.attribute and item.name != "Output"]
    id_ = f' Id="{view.task.alias}"'
    return (
        f"<Task{root}{id_}{_attributes(rows, view)}>{_variables(view.spec.environment)}{_custom(view.facts)}</Task>"
    )  # fmt: skip


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
        tasks = tx.tasks.page(job.key, None, after, PAGE)
        text = "".join(_task(TaskView(tx, job, task, read_output)) for task in tasks)
        return text, tasks[-1].key if tasks else 0

    while True:
        text, after_next = await call.engine.ask(page)
        if not after_next:
            break
        after = after_next
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
