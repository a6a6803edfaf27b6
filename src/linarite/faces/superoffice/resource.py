"""The REST resource BatchTask: parse, one call, answer.

Source: Swagger-v1-BatchTask; seed 003; SuperOffice NOTES section 2.
"""

from __future__ import annotations

from linarite.engine.errors import InvalidValue, NotFound
from linarite.faces.superoffice.call import Call, Operation, change_of, route, start_of
from linarite.faces.superoffice.reading import INT32, given
from linarite.faces.superoffice.states import BatchTaskState
from linarite.faces.superoffice.tasks import ALL_USERS, BatchTasks, Wanted
from linarite.http.messages import Response
from linarite.http.routing import Route

PATH = "/api/v1/BatchTask"


def routes(prefix: str, tasks: BatchTasks) -> list[Route]:
    """The resource's table. The name of a state stands where a number can; literal segments win."""
    resource, base = Resource(tasks), prefix + PATH
    return [
        route("POST", base, "v1Batch_StartBatchJob", resource.start),
        route("GET", f"{base}/{{id}}", "v1Batch_GetBatchTaskInfo", resource.get),
        *(
            route("GET", f"{base}/{state.name}", "v1Batch_GetBatchTaskInfosByState", resource.in_state(state))
            for state in BatchTaskState
        ),
        route("PUT", f"{base}/{{id}}", "v1Batch_UpdateBatchTask", resource.update),
        route("DELETE", f"{base}/{{id}}", "v1Batch_DeleteBatchTask", resource.delete),
        route("POST", f"{base}/{{id}}/Stop", "v1Batch_StopBatchJob", resource.stop),
    ]


class Resource:
    """The operations of the resource."""

    def __init__(self, tasks: BatchTasks) -> None:
        self._tasks = tasks

    async def get(self, call: Call) -> Response:
        """One task by its number."""
        return call.one(await self._tasks.find(call.caller, _id(call)))

    def in_state(self, state: BatchTaskState) -> Operation:
        """The users' tasks in a state."""

        async def get_in_state(call: Call) -> Response:
            return call.many(await self._tasks.select(call.caller, Wanted(associates=(ALL_USERS,), state=state)))

        return get_in_state

    async def start(self, call: Call) -> Response:
        """Start a task of the definition that Name names; the answer is its number."""
        info = await given(call.request)
        return call.answer(await self._tasks.start(call.caller, start_of(info, call.associate)), "int")

    async def update(self, call: Call) -> Response:
        """Take over State, Description, Response and Request."""
        id, change = _id(call), change_of(await given(call.request), call.associate)
        return call.one(await self._tasks.update(call.caller, id, change))

    async def delete(self, call: Call) -> Response:
        """Delete a task."""
        await self._tasks.delete(call.caller, [_id(call)])
        return Response(204)

    async def stop(self, call: Call) -> Response:
        """Ask a task to end."""
        return call.answer(await self._tasks.stop(call.caller, _id(call)), "boolean")


def _id(call: Call) -> int:
    """The number in the path. NotFound for what is no number, InvalidValue for one of more than 32 bits."""
    text = call.parameters["id"]
    if not (text.isascii() and text.isdigit()):
        raise NotFound("BatchTask", text)
    if len(text) > 10 or int(text) not in INT32:
        raise InvalidValue("id", text, "must be a 32-bit integer.")
    return int(text)
