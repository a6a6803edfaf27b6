"""One request as the operations see it: who calls, what they name, what they sent. No operation reads HTTP itself."""

from __future__ import annotations

from typing import Any, NamedTuple

from linarite.engine.core import Engine
from linarite.faces.hpc_pack import reading, versions
from linarite.faces.hpc_pack.answers import Pairs
from linarite.faces.hpc_pack.callers import Caller
from linarite.faces.hpc_pack.errors import NO_CODE, bad, no_job, no_task
from linarite.faces.hpc_pack.values import boolean, names
from linarite.http.messages import Request

BODY_LIMIT = 16 * 1024 * 1024


class Service(NamedTuple):
    """What operations use. `cluster` is the name that clients see, `default_pool` where jobs go that name none."""

    engine: Engine
    cluster: str
    head: str
    default_pool: str | None


class Call:
    """A request to one operation. `json` tells that it came by the surface under /hpc."""

    def __init__(
        self, service: Service, request: Request, parameters: dict[str, str], caller: Caller, *, json: bool
    ) -> None:
        self.service, self.caller, self.json = service, caller, json
        self.engine, self.account = service.engine, caller.account
        self.request = request
        self._parameters = parameters

    @property
    def job(self) -> int:
        """The job's number in the path; what is no number names no job."""
        text = self._parameters["job"]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise no_job(text[:32])
        return int(text)

    @property
    def task(self) -> int:
        """The task's number in the path."""
        text = self._parameters["task"]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise no_task()
        return int(text)

    @property
    def subtask(self) -> int | None:
        """The subtask's number in the path, None where there is none in it."""
        text = self._parameters.get("subtask")
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise no_task()
        return int(text)

    @property
    def name(self) -> str:
        """The name in the path."""
        return self._parameters["name"]

    @property
    def operation(self) -> str:
        """The operation in the path."""
        return self._parameters["operation"]

    @property
    def id(self) -> str:
        """The id in the path."""
        return self._parameters["id"]

    def query(self, name: str) -> str | None:
        """A parameter of the query, by its name in lower case; None when absent."""
        return self.request.query.get(name)

    def list_of(self, name: str) -> list[str] | None:
        """A comma-separated parameter, None when absent or empty."""
        text = self.query(name)
        return names(text) or None if text is not None else None

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A parameter that is true or false."""
        text = self.query(name)
        try:
            return default if text is None else boolean(text)
        except ValueError as error:
            raise bad(NO_CODE, f"{name}: {error}") from error

    def filter(self) -> str:
        """The $filter, empty when there is none."""
        text = self.query("$filter") or ""
        if text and not self.json and (refusal := versions.no_filter(self.request)):
            raise refusal
        return text

    def wants_job_xml(self) -> bool:
        """Tell whether Render asks for job XML rather than for names and values."""
        text = (self.query("render") or "RestPropRender").strip().lower()
        if text not in {"restproprender", "hpcjobxml"}:
            raise bad(NO_CODE, f"Render must be RestPropRender or HpcJobXml, not {text[:64]!r}.")
        return text == "hpcjobxml"

    @property
    def _json_body(self) -> bool:
        return self.json and "xml" not in (self.request.headers.get("content-type") or "")

    async def properties(self) -> Pairs:
        """The properties in the body."""
        data = await self.request.body(BODY_LIMIT)
        return reading.properties_json(data) if self._json_body else reading.properties_xml(data)

    async def json_object(self) -> dict[str, Any]:
        """The object in the body, its names in lower case."""
        return reading.object_json(await self.request.body(BODY_LIMIT))

    async def job_file(self) -> bytes:
        """The job XML in the body; a JSON body is a string that holds it."""
        data = await self.request.body(BODY_LIMIT)
        return reading.text_json(data).encode() if self._json_body else data

    async def message(self) -> str:
        """The user's words in the body, possibly none."""
        data = await self.request.body(BODY_LIMIT)
        return reading.message_json(data) if self._json_body else reading.message_xml(data)
