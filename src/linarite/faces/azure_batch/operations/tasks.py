"""Tasks: add one or a collection, get, list, update, delete, terminate, reactivate, subtasks."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from linarite.engine import tasks
from linarite.engine.counting import BUSY
from linarite.engine.errors import EngineError
from linarite.engine.filtering import Listed
from linarite.engine.finding import find_job, find_task
from linarite.engine.model import Facts, Job, NodeTask, Task, TaskSpec
from linarite.engine.ports import Transaction
from linarite.faces.azure_batch import filters, vocabulary
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.errors import Refusal, body, missing_property, refusal_of
from linarite.faces.azure_batch.operations.lists import Where, ask_page
from linarite.faces.azure_batch.operations.statistics import Gathered, stats_of_tasks, up_to_now
from linarite.faces.azure_batch.render.node_tasks import subtask_json
from linarite.faces.azure_batch.render.scalars import etag, moment
from linarite.faces.azure_batch.render.tasks import task_json, task_url
from linarite.faces.azure_batch.wire.tasks import (
    MOST_IN_A_COLLECTION,
    TaskAdd,
    TaskCollection,
    TaskPut,
    constrained,
    task_of,
)  # fmt: skip
from linarite.http.messages import Response


async def add_task(call: Call) -> Response:
    """Tasks_CreateTask."""
    job = call.parameters["jobId"]
    spec, facts = task_of(await call.body(TaskAdd))
    (answer,) = await call.do(tasks.add, job, [(spec, facts)])
    if isinstance(answer, EngineError):
        raise answer
    return call.done(201, answer, "jobs", job, "tasks", answer.spec.id, created=True)


async def add_task_collection(call: Call) -> Response:
    """Tasks_CreateTaskCollection: each task has its own answer; one that is refused keeps no other one out."""
    given = (await call.body(TaskCollection)).value
    if given is None:
        raise missing_property("value")
    if len(given) > MOST_IN_A_COLLECTION:
        reason = f"A collection has at most {MOST_IN_A_COLLECTION} tasks."
        raise Refusal("InvalidRequestBody", PropertyName="value", PropertyValue=len(given), Reason=reason)
    refusals: dict[int, Refusal] = {}
    good: list[tuple[TaskSpec, Facts]] = []
    for place, task in enumerate(given):
        try:
            vocabulary.require(task.words, task, call.version)
            good.append(task_of(task))
        except Refusal as refusal:
            refusals[place] = refusal
    answers = iter(await call.do(tasks.add, call.parameters["jobId"], good))
    results = _Results(call)
    shown = [
        results.of(task.id, refusals[place] if place in refusals else next(answers)) for place, task in enumerate(given)
    ]
    return call.many("taskaddresult", shown)


class _Results:
    """The results of a collection. Its tasks were added at one time: that is written once."""

    def __init__(self, call: Call) -> None:
        self._request_id = call.request.id
        self._base = task_url(call.base, call.parameters["jobId"], "")
        self._at, self._etag, self._moment = 0, "", ""

    def of(self, task_id: str | None, answer: Task | EngineError | Refusal) -> dict[str, Any]:
        """The result of one task, by its record or its refusal."""
        if not isinstance(answer, Task):
            status, error = body(refusal_of(answer), self._request_id)
            return {"status": "clienterror" if status < 500 else "servererror", "taskId": task_id or "", "error": error}
        if answer.modified_at != self._at:
            self._at, self._etag, self._moment = (
                answer.modified_at,
                etag(answer.modified_at),
                moment(answer.modified_at),
            )
        name = answer.spec.id
        return {
            "status": "success", "taskId": name, "eTag": self._etag, "lastModified": self._moment,
            "location": self._base + name,
        }  # fmt: skip


async def get_task(call: Call) -> Response:
    """Tasks_GetTask."""
    parameters, expands = call.parameters, call.expands("tasks")

    def one(tx: Transaction) -> tuple[Job, Task, Gathered]:
        job, task = find_task(tx, call.account, parameters["jobId"], parameters["taskId"])
        return job, task, stats_of_tasks(tx, call, job, [task] if expands else [])

    job, task, gathered = await call.engine.ask(one)
    call.check_read(task)
    stats = await up_to_now(call, gathered)
    return call.one("tasks", {**task_json(task, job, call.base), **stats.get(task.key, {})}, task)


async def list_tasks(call: Call) -> Response:
    """Tasks_ListTasks."""
    expands = call.expands("tasks")

    def page(tx: Transaction, where: Where, start: str, limit: int) -> tuple[tuple[Job, Gathered], Listed[Task]]:
        job = find_job(tx, call.account, call.parameters["jobId"])
        found = tx.tasks.listed(job.key, where, start, limit)
        return (job, stats_of_tasks(tx, call, job, found.records if expands else [])), found

    (job, gathered), found, link = await ask_page(call, filters.TASKS, page)
    stats = await up_to_now(call, gathered)
    shown = [{**task_json(task, job, call.base), **stats.get(task.key, {})} for task in found]
    return call.many("tasks", shown, link)


async def update_task(call: Call) -> Response:
    """Tasks_ReplaceTask: constraints alone can be changed; what is omitted is reset."""
    limits = (await call.body(TaskPut)).constraints
    job, name = call.parameters["jobId"], call.parameters["taskId"]

    def change(_: Job, task: Task) -> Task:
        spec = constrained(task.spec, limits)
        started = task.started_at if task.state in BUSY else None
        due = None if spec.max_wall_clock is None or started is None else started + spec.max_wall_clock
        return replace(task, spec=spec, deadline=due)

    task = await call.do(tasks.update, job, name, change, check=call.check())
    return call.done(200, task, "jobs", job, "tasks", name)


async def delete_task(call: Call) -> Response:
    """Tasks_DeleteTask."""
    await call.do(tasks.delete, call.parameters["jobId"], call.parameters["taskId"], check=call.check())
    return Response(200)


async def terminate_task(call: Call) -> Response:
    """Tasks_TerminateTask."""
    job, name = call.parameters["jobId"], call.parameters["taskId"]
    task = await call.do(tasks.terminate, job, name, check=call.check())
    return call.done(204, task, "jobs", job, "tasks", name, "terminate")


async def reactivate_task(call: Call) -> Response:
    """Tasks_ReactivateTask."""
    job, name = call.parameters["jobId"], call.parameters["taskId"]
    task = await call.do(tasks.reactivate, job, name, check=call.check())
    return call.done(204, task, "jobs", job, "tasks", name, "reactivate")


async def list_subtasks(call: Call) -> Response:
    """Tasks_ListSubTasks: of a multi-instance task, as it runs or last ran; the task's own instance is none of them."""
    parameters = call.parameters

    def ask(tx: Transaction) -> list[NodeTask]:
        _, task = find_task(tx, call.account, parameters["jobId"], parameters["taskId"])
        return tx.node_tasks.of_task(task.key)

    instances = await call.engine.ask(ask)
    return call.many("subtasks", [subtask_json(own, call.base) for own in instances if own.is_subtask])
