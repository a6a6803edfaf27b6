"""The Batch agent's fifteen methods: parse, one call, answer.

Source: Swagger-v1-BatchAgent; SuperOffice NOTES section 3.

Always POST with an object of arguments; a task that is not there is null, not an error. GET on a method describes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from linarite.engine.errors import NotFound
from linarite.faces.superoffice.call import Call, change_of, route, start_of
from linarite.faces.superoffice.carrier import NAME, Entry
from linarite.faces.superoffice.reading import Given, given
from linarite.faces.superoffice.states import BatchTaskState, word
from linarite.faces.superoffice.tasks import ALL_USERS, SYSTEM, BatchTasks, Wanted
from linarite.http.messages import Response
from linarite.http.routing import Route

PATH = "/api/v1/Agents/Batch"
Method = Callable[[Call, Given], Awaitable[Response]]


def routes(prefix: str, tasks: BatchTasks) -> list[Route]:
    """The agent's table: each method once to call, once to be described."""
    agent, base = Agent(tasks), prefix + PATH
    rows = [route("GET", base, "v1BatchAgent", _describe_all)]
    for name, method in agent.methods().items():
        rows.append(route("POST", f"{base}/{name}", f"v1BatchAgent_{name}", _called(method)))
        rows.append(route("GET", f"{base}/{name}", f"v1BatchAgent_{name}_Description", _described(name)))
    return rows


def _called(method: Method) -> Callable[[Call], Awaitable[Response]]:
    async def call_it(call: Call) -> Response:
        return await method(call, await given(call.request, with_query=True))

    return call_it


def _described(name: str) -> Callable[[Call], Awaitable[Response]]:
    async def describe(call: Call) -> Response:
        value = {"Method": "POST", "Name": name, "Arguments": ", ".join(ARGUMENTS[name])}
        return call.answer(value, "Description")

    return describe


async def _describe_all(call: Call) -> Response:
    return call.answer({name: ", ".join(names) for name, names in ARGUMENTS.items()}, "Description")


ARGUMENTS: dict[str, tuple[str, ...]] = {
    "GetBatchTaskInfo": ("Id",),
    "GetBatchTaskInfosByState": ("State",),
    "GetBatchTaskInfosByAssociates": ("AssociateIds",),
    "GetBatchTaskInfosByAssociatesAndState": ("AssociateIds", "State"),
    "GetBatchTaskInfosByNameAndState": ("Name", "State"),
    "GetBatchTaskInfosByNameAndAssociates": ("Name", "AssociateIds"),
    "GetAllBatchTaskInfosByName": ("TaskName",),
    "GetAllBatchTaskInfosByNameAndState": ("TaskName", "State"),
    "GetSystemBatchTaskInfosByName": ("TaskName",),
    "GetSystemBatchTaskInfosByNameAndState": ("TaskName", "State"),
    "StartBatchJob": ("BatchTaskInfo",),
    "StopBatchJob": ("Id",),
    "UpdateBatchTask": ("BatchTaskInfo",),
    "DeleteBatchTask": ("BatchTaskId",),
    "DeleteBatchTasks": ("BatchTaskIds",),
}

_SCOPES: dict[str, tuple[int, ...]] = {
    "GetBatchTaskInfosByState": (ALL_USERS,),
    "GetBatchTaskInfosByNameAndState": (ALL_USERS,),
    "GetSystemBatchTaskInfosByName": (SYSTEM,),
    "GetSystemBatchTaskInfosByNameAndState": (SYSTEM,),
}
"""Whose tasks a list has that is not asked for associates; everybody's when it is not named here."""


class Agent:
    """The methods of the agent."""

    def __init__(self, tasks: BatchTasks) -> None:
        self._tasks = tasks

    def methods(self) -> dict[str, Method]:
        """Every method by its name."""
        single: dict[str, Method] = {
            "GetBatchTaskInfo": self.get,
            "StartBatchJob": self.start,
            "StopBatchJob": self.stop,
            "UpdateBatchTask": self.update,
            "DeleteBatchTask": self.delete,
            "DeleteBatchTasks": self.delete_many,
        }
        return {name: single.get(name) or self._list(name, arguments) for name, arguments in ARGUMENTS.items()}

    def _list(self, name: str, arguments: tuple[str, ...]) -> Method:
        async def select(call: Call, values: Given) -> Response:
            wanted = _wanted(arguments, values, _SCOPES.get(name, ()))
            return call.many(await self._tasks.select(call.caller, wanted), _select(call))

        return select

    async def get(self, call: Call, values: Given) -> Response:
        """One task, or null."""
        return call.one(await self._found(call, values.integer("Id")), _select(call))

    async def _found(self, call: Call, id: int) -> Entry | None:
        try:
            return await self._tasks.find(call.caller, id)
        except NotFound:
            return None

    async def start(self, call: Call, values: Given) -> Response:
        """Start a task of the definition that Name names; the answer is its number."""
        start = start_of(values.object("BatchTaskInfo"), call.associate)
        return call.answer(await self._tasks.start(call.caller, start), "int")

    async def stop(self, call: Call, values: Given) -> Response:
        """Ask a task to end; false when there is none to stop."""
        try:
            return call.answer(await self._tasks.stop(call.caller, values.integer("Id")), "boolean")
        except NotFound:
            return call.answer(value=False, root="boolean")

    async def update(self, call: Call, values: Given) -> Response:
        """Take over State, Description, Response and Request; null when the task is not there."""
        info = values.object("BatchTaskInfo")
        id, change = info.integer("Id"), change_of(info, call.associate)
        try:
            return call.one(await self._tasks.update(call.caller, id, change), _select(call))
        except NotFound:
            return call.one(None)

    async def delete(self, call: Call, values: Given) -> Response:
        """Delete a task; one that is not there is no error."""
        await self._tasks.delete(call.caller, [values.integer("BatchTaskId")], all_there=False)
        return Response(204)

    async def delete_many(self, call: Call, values: Given) -> Response:
        """Delete tasks, all that are there or none."""
        ids = values.integers("BatchTaskIds", required=True)
        await self._tasks.delete(call.caller, ids, all_there=False)
        return Response(204)


def _wanted(arguments: tuple[str, ...], values: Given, scope: tuple[int, ...]) -> Wanted:
    named = next((name for name in arguments if name.endswith("Name")), None)
    return Wanted(
        associates=tuple(values.integers("AssociateIds")) if "AssociateIds" in arguments else scope,
        name=values.text(named, NAME) if named else None,
        state=word(BatchTaskState, "State", values.raw("State")) if "State" in arguments else BatchTaskState.All,
    )


def _select(call: Call) -> frozenset[str]:
    """The properties that ?$select= names, in lower case."""
    text = call.request.query.get("$select") or ""
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())
