"""One request of a known caller to a known operation, as the operations see it, and the answers that they give."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import structlog

from linarite.engine.core import Engine
from linarite.engine.errors import ConditionNotMet
from linarite.engine.model import Job, Pool, Task
from linarite.engine.recurrence.records import JobSchedule
from linarite.faces.azure_batch import vocabulary
from linarite.faces.azure_batch.errors import Refusal, Unchanged, invalid_query
from linarite.faces.azure_batch.render.scalars import etag
from linarite.faces.azure_batch.selecting import expands_stats, selected, selection
from linarite.faces.azure_batch.wire.decoding import Element, decode
from linarite.http.conditions import BadConditionHeader, Conditions, Outcome, read_conditions
from linarite.http.dates import http_date
from linarite.http.messages import Request, Response
from linarite.http.numbers import parse_count

B = TypeVar("B", bound=Element)
T = TypeVar("T")
Record = Pool | Job | JobSchedule | Task

log = structlog.get_logger("linarite.azure_batch")
JSON = "application/json;odata=minimalmetadata"
MAX_BODY = 1024 * 1024
LONGEST_TIMEOUT = 30

_encode = msgspec.json.Encoder().encode


class Call:
    """What an operation needs: the engine, the caller, the parameters of path, query and headers."""

    __slots__ = ("account", "base", "engine", "parameters", "request", "version", "who")

    def __init__(
        self, engine: Engine, request: Request, parameters: dict[str, str], *, base: str, version: str, who: str,
        account: str,
    ) -> None:  # fmt: skip
        """`base` is the account's address as the client reaches it, without a slash at its end."""
        self.engine, self.request, self.parameters = engine, request, parameters
        self.base, self.version, self.who, self.account = base, version, who, account

    # -- reading -----------------------------------------------------------------------------------------------------

    async def body(self, kind: type[B]) -> B:
        """The body, at most 1 MB."""
        return decode(await self.request.body(MAX_BODY), kind, self.version)

    async def optional_body(self, kind: type[B]) -> B:
        """The body of an operation that needs none."""
        raw = await self.request.body(MAX_BODY)
        return decode(raw, kind, self.version) if raw.strip() else kind()

    def flag(self, name: str) -> bool:
        """A parameter of the query that is `true` or `false`."""
        value = (self.request.query.get(name) or "false").lower()
        if value not in {"true", "false"}:
            raise invalid_query(name, value, "It is true or false.")
        return value == "true"

    def expands(self, kind: str) -> bool:
        """Tell whether the answer, of a kind of things, is to have statistics."""
        return expands_stats(self.request.query, kind)

    def conditions(self, *, dates_only: bool = False) -> Conditions | None:
        """The conditional headers of the request; of the two that name tags it has one."""
        if "if-match" in self.request.headers and "if-none-match" in self.request.headers:
            raise Refusal("MultipleConditionHeadersNotSupported")
        try:
            return read_conditions(self.request.headers, dates_only=dates_only)
        except BadConditionHeader as error:
            raise Refusal("InvalidHeaderValue", HeaderName=error.header, HeaderValue=error.value) from error

    def check(self) -> Callable[[Record], None] | None:
        """The conditions as a check that a writing operation of the engine makes, None when there are none."""
        conditions = self.conditions()
        if conditions is None:
            return None

        def check(record: Record) -> None:
            if conditions.outcome(etag(record.modified_at), record.modified_at) is not Outcome.MET:
                raise ConditionNotMet

        return check

    def check_read(self, record: Record) -> None:
        """Hold the conditions against a record that is read: Unchanged, ConditionNotMet."""
        conditions = self.conditions()
        if conditions is not None:
            raise_outcome(conditions.outcome(etag(record.modified_at), record.modified_at))

    # -- writing -----------------------------------------------------------------------------------------------------

    async def do(self, operation: Callable[..., T], *arguments: Any, **options: Any) -> T:  # noqa: ANN401 - its own
        """Have the engine do something in the caller's account and name."""
        return await self.engine.do(operation, self.account, *arguments, who=self.who, **options)

    def url(self, *segments: str) -> str:
        """The address of something below the account's."""
        return "/".join([self.base, *(quote(segment, safe=":") for segment in segments)])

    def one(self, kind: str, shown: dict[str, Any], record: Record | None = None) -> Response:
        """One thing of a kind (pools, jobs ...), with its tag when it is a record."""
        headers = {"Content-Type": JSON} if record is None else {"Content-Type": JSON, **tag_headers(record)}
        if isinstance(record, Task):
            headers["DataServiceId"] = shown["url"]  # of a task alone, says the specification of every version
        shown = selected(vocabulary.shown(kind, shown, self.version), selection(self.request.query, kind))
        return Response(200, _encode({"odata.metadata": f"{self.base}/$metadata#{kind}/@Element", **shown}), headers)

    def many(self, kind: str, shown: list[dict[str, Any]], next_link: str | None = None) -> Response:
        """A page of a list."""
        names = selection(self.request.query, kind)
        shown = [vocabulary.shown(kind, item, self.version) for item in shown]
        value = shown if names is None else [selected(item, names) for item in shown]
        page: dict[str, Any] = {"odata.metadata": f"{self.base}/$metadata#{kind}", "value": value}
        if next_link is not None:
            page["odata.nextLink"] = next_link
        return Response(200, _encode(page), {"Content-Type": JSON})

    def done(self, status: int, record: Record | None, *segments: str, created: bool = False) -> Response:
        """An answer without a body, about the thing at `segments`."""
        url = self.url(*segments)
        headers = {"DataServiceId": url}
        if record is not None:
            headers.update(tag_headers(record))
        if created:
            headers["Location"] = url
        return Response(status, b"", headers)


Operation = Callable[[Call], Awaitable[Response]]


def raise_outcome(outcome: Outcome) -> None:
    """Nothing when the conditions are met: Unchanged, ConditionNotMet."""
    if outcome is Outcome.UNCHANGED:
        raise Unchanged
    if outcome is Outcome.FAILED:
        raise ConditionNotMet


def tag_headers(record: Record) -> dict[str, str]:
    """The tag and the date of a record."""
    return {"ETag": etag(record.modified_at), "Last-Modified": http_date(record.modified_at)}


def timeout_of(request: Request) -> int:
    """Seconds that the request may take. A larger value than 30 is 30 (seed 000)."""
    text = request.query.get("timeout")
    if text is None:
        return LONGEST_TIMEOUT
    seconds = parse_count(text)
    if not seconds:
        raise invalid_query("timeout", text, "It is a number of seconds, at least 1.")
    return min(seconds, LONGEST_TIMEOUT)
