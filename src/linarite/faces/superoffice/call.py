"""One call of an operation: who calls, how the answer is to look, what was sent; and the table row that leads to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from linarite.engine.access import Principal
from linarite.faces.superoffice.carrier import FILE_NAME, NAME, TEXT, Entry, carrier
from linarite.faces.superoffice.changes import Change
from linarite.faces.superoffice.definitions import Start
from linarite.faces.superoffice.presentation import Presentation
from linarite.faces.superoffice.reading import Given, as_text
from linarite.faces.superoffice.states import BatchTaskState, word
from linarite.faces.superoffice.writing import answer
from linarite.http.messages import Request, Response
from linarite.http.routing import Route

INFO = "BatchTaskInfo"
INFOS = "ArrayOfBatchTaskInfo"
CONTEXT = 254


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation needs to know of its request."""

    request: Request
    parameters: dict[str, str]
    shown: Presentation

    @property
    def associate(self) -> int:
        """The number of the user who calls."""
        return int(self.caller.facts["number"])

    @property
    def caller(self) -> Principal:
        """The caller, recognised before the operation began."""
        caller: Principal = self.request.principal
        return caller

    def answer(self, value: object, root: str) -> Response:
        """A value in the form that the caller asked for; `root` names it in XML."""
        return answer(self.shown, value, root)

    def info(self, entry: Entry, select: frozenset[str] = frozenset()) -> dict[str, Any]:
        """A task's carrier, or those of its properties that `select` names (in lower case)."""
        whole = carrier(entry, self.caller, self.shown)
        return {name: value for name, value in whole.items() if not select or name.lower() in select}

    def one(self, entry: Entry | None, select: frozenset[str] = frozenset()) -> Response:
        """A task, or null."""
        return self.answer(None if entry is None else self.info(entry, select), INFO)

    def many(self, entries: Sequence[Entry], select: frozenset[str] = frozenset()) -> Response:
        """Tasks."""
        return self.answer([self.info(entry, select) for entry in entries], INFOS)


Operation = Callable[[Call], Awaitable[Response]]


def route(method: str, pattern: str, name: str, operation: Operation, *, public: bool = False) -> Route:
    """A row of the table; `name` is the operation's published id, `public` asks for no credentials."""

    async def handle(request: Request, parameters: dict[str, str]) -> Response:
        shown: Presentation = request.facts["presentation"]
        return await operation(Call(request=request, parameters=parameters, shown=shown))

    return Route(method, pattern, handle, name, public=public)


def start_of(info: Given, associate: int) -> Start:
    """What a BatchTaskInfo says of a task to be started. Source: NOTES section 4, 'on start'."""
    return Start(
        name=as_text("Name", info.raw("Name"), NAME),
        associate=associate,
        description=info.text("Description", TEXT),
        request=info.text("Request", TEXT),
        context=info.text("Context", CONTEXT),
        file_name=info.text("FileName", FILE_NAME),
        parameters=info.texts("ParameterObject"),
        details_table=info.integer("DetailsTable", 0),
        details_record=info.integer("DetailsRecord", 0),
    )


def change_of(info: Given, associate: int) -> Change:
    """What a BatchTaskInfo says of a task to be changed: four properties, the others are ignored."""
    return Change(
        state=word(BatchTaskState, "State", info.raw("State")) if "State" in info else None,
        description=info.text("Description", TEXT),
        response=info.text("Response", TEXT),
        request=info.text("Request", TEXT),
        associate=associate,
    )
