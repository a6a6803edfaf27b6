"""The archive BatchTasks as lists: GET BatchTask, the resource Archive, and the two methods of the Archive agent.

Source: SuperOffice NOTES section 5; Swagger-v1-BatchTask, -Archive and -ArchiveAgent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from linarite.engine.errors import InvalidValue, NotFound
from linarite.engine.filtering import Expression, Order
from linarite.faces.superoffice import rendering
from linarite.faces.superoffice.call import Call, Operation, route
from linarite.faces.superoffice.carrier import Entry
from linarite.faces.superoffice.columns import ARCHIVE, DEFAULT, ENTITY, Column, column
from linarite.faces.superoffice.comparisons import Asking, compared
from linarite.faces.superoffice.presentation import JSON, XML_TYPES, Presentation
from linarite.faces.superoffice.reading import Given, InvalidColumn, given
from linarite.faces.superoffice.restrictions import joined, parse
from linarite.faces.superoffice.tasks import BatchTasks
from linarite.http.messages import Response
from linarite.http.routing import Route

PAGE = 1000
MOST = 10_000
"""Rows of an answer: without $top, and with any."""

AGENT = "/api/v1/Agents/Archive"
MODES, OUTPUTS = ("slim", "wide", "full"), ("logical", "display")


def routes(prefix: str, tasks: BatchTasks, base_url: Callable[[Call], str]) -> list[Route]:
    """The archive's addresses; its name stands in the path in any case."""
    archive = Archive(tasks, base_url)
    batch, named, agent = f"{prefix}/api/v1/BatchTask", f"{prefix}/api/v1/Archive/{ARCHIVE}", prefix + AGENT
    return [
        route("GET", batch, "v1Batch_GetAll", archive.listing(batch)),
        route("GET", named, "v1Archive_GetArchive", archive.listing(named)),
        route("POST", named, "v1Archive_PostArchive", archive.listing(named)),
        route("GET", f"{named}/$metadata", "v1Archive_GetMetadata", archive.metadata),
        route("GET", f"{batch}/$metadata", "v1Batch_GetMetadata", archive.metadata),
        route("POST", f"{agent}/GetArchiveListByColumns", "v1ArchiveAgent_GetArchiveListByColumns", archive.by_objects),
        route("POST", f"{agent}/GetArchiveListByColumns2", "v1ArchiveAgent_GetArchiveListByColumns2", archive.by_texts),
    ]


class _Asked(NamedTuple):
    """Which rows and which columns."""

    columns: Sequence[Column]
    where: Expression | None
    order: Sequence[Order]
    skip: int
    limit: int
    any: bool = True
    """Whether the entities that are asked for are among them."""


class Archive:
    """The operations."""

    def __init__(self, tasks: BatchTasks, base_url: Callable[[Call], str]) -> None:
        self._tasks, self._base_url = tasks, base_url

    def listing(self, path: str) -> Operation:
        """The list at `path`, by what the query says; a body says the same, without the dollars too."""

        async def list_rows(call: Call) -> Response:
            values = await _parameters(call)
            shown = _format(call.shown, values)
            mode = _word(values, "mode", MODES)
            display = _word(values, "output", OUTPUTS) == "display"
            limit = min(_number(values, "top", PAGE), MOST)
            asked = _Asked(
                columns=_columns(_text(values, "select").split(",")),
                where=parse(_text(values, "filter"), self._asking(call)),
                order=_orders(_text(values, "orderby")),
                skip=_number(values, "skip", 0), limit=limit, any=_entities(_text(values, "entities").split(",")),
            )  # fmt: skip
            entries, more = await self._rows(call, asked)
            url = self._base_url(call) + path
            value = {
                "odata.metadata": f"{url}/$metadata",
                "odata.nextLink": _next(call, url, asked.skip + limit) if more else None,
                "value": rendering.rows(entries, asked.columns, shown, full=mode == "full", display=display),
            }
            if _text(values, "jsonsafe").lower() == "true":
                value = {name.replace(".", "_"): inner for name, inner in value.items()}
            return msgspec.structs.replace(call, shown=shown).answer(value, "ODataResponse")

        return list_rows

    async def metadata(self, call: Call) -> Response:
        """The columns: name, type, and whether a list may be ordered by them."""
        return call.answer(rendering.metadata(), "ArrayOfArchiveColumn")

    async def by_objects(self, call: Call) -> Response:
        """Rows by restrictions and orders that are objects."""
        values = await given(call.request, with_query=True)
        restrictions = [_given(item) for item in _list(values, "Restriction")]
        active = [item for item in restrictions if item.values.get("isactive") is not False]
        made = [self._restriction(call, item) for item in active]
        where = joined(made, [str(item.values.get("interoperator") or "And") for item in active])
        order = [
            _order(item.text("Name", 200) or "", item.values.get("direction"))
            for item in map(_given, _list(values, "SortOrder"))
        ]
        names = [str(name) for name in _list(values, "Columns")]
        return await self._agent(call, values, _Asked(
            _columns(names), where, order, *_page(values),
            any=_entities([str(each) for each in _list(values, "Entities")]),
        ))  # fmt: skip

    async def by_texts(self, call: Call) -> Response:
        """Rows by restrictions, orders and columns that are texts."""
        values = await given(call.request, with_query=True)
        where = parse(_text(values, "Restrictions"), self._asking(call))
        return await self._agent(call, values, _Asked(
            _columns(_text(values, "Columns").split(",")), where, _orders(_text(values, "SortOrder")), *_page(values),
            any=_entities(_text(values, "Entities").split(",")),
        ))  # fmt: skip

    async def _agent(self, call: Call, values: Given, asked: _Asked) -> Response:
        provider = values.text("ProviderName", 254) or ""
        if provider.lower() != ARCHIVE.lower():
            raise NotFound("Archive provider", provider)
        entries, _ = await self._rows(call, asked)
        return call.answer(rendering.items(entries, asked.columns, call.shown, call.caller), "ArrayOfArchiveListItem")

    async def _rows(self, call: Call, asked: _Asked) -> tuple[list[Entry], bool]:
        """The rows, and whether there are more."""
        if not (asked.any and asked.limit):
            return [], False
        found = await self._tasks.search(
            call.caller, asked.where, asked.order, asked.skip, limit=asked.limit + 1
        )  # fmt: skip
        return found[: asked.limit], len(found) > asked.limit

    def _restriction(self, call: Call, item: Given) -> Expression:
        if item.values.get("subrestrictions") or item.values.get("interparenthesis"):
            raise InvalidColumn("Restrictions in brackets are for GetArchiveListByColumns2, as text.")
        operator = item.text("Operator", 100) or ""
        return compared(
            item.text("Name", 200) or "", operator, [str(value) for value in _list(item, "Values")], self._asking(call)
        )

    def _asking(self, call: Call) -> Asking:
        return Asking(call.associate, call.shown, self._tasks.now())


async def _parameters(call: Call) -> Given:
    """What is asked, by names without dollars."""
    query = {name.lstrip("$"): values[0] for name, values in call.request.query.items()}
    if call.request.method == "POST":
        body = await given(call.request)
        return Given(query | {name.lstrip("$"): value for name, value in body.values.items()})
    return Given(query)


def _format(shown: Presentation, values: Given) -> Presentation:
    wanted = _text(values, "format").lower()
    if wanted not in {"", "json", "xml"}:
        raise InvalidValue("$format", wanted, "must be JSON or XML.")
    if not wanted or shown.xml == (wanted == "xml"):
        return shown
    return msgspec.structs.replace(shown, media=XML_TYPES[0] if wanted == "xml" else JSON)


def _word(values: Given, name: str, words: Sequence[str]) -> str:
    found = _text(values, name).lower() or words[0]
    if found not in words:
        raise InvalidValue(f"${name}", found, f"must be one of {', '.join(words)}.")
    return found


def _text(values: Given, name: str) -> str:
    return values.text(name, 8000) or ""


def _number(values: Given, name: str, default: int) -> int:
    found = values.integer(name, default)
    if found < 0:
        raise InvalidValue(name, found, "must not be negative.")
    return found


def _list(values: Given, name: str) -> list[Any]:
    found = values.values.get(name.lower()) or []
    if not isinstance(found, list):
        raise InvalidValue(name, found, "must be a list.")
    return found


def _given(item: object) -> Given:
    if not isinstance(item, dict):
        raise InvalidValue("Restriction", item, "must be an object.")
    return Given(item)


def _page(values: Given) -> tuple[int, int]:
    """Rows to leave out and rows to give: pages are counted from 0."""
    size = min(_number(values, "PageSize", PAGE) or PAGE, MOST)
    return _number(values, "Page", 0) * size, size


def _columns(names: Sequence[str]) -> Sequence[Column]:
    found = {column(name).name: column(name) for name in names if name.strip()}
    return tuple(found.values()) or DEFAULT


def _entities(names: Sequence[str]) -> bool:
    wanted = {name.strip().lower() for name in names if name.strip()}
    return not wanted or ENTITY in wanted


def _orders(text: str) -> list[Order]:
    found = [part.split() for part in text.split(",") if part.strip()]
    for words in found:
        if len(words) > 2:
            raise InvalidColumn(f"The order {' '.join(words)!r} is no column with a direction.")
    return [_order(words[0], words[1] if len(words) > 1 else "asc") for words in found]


def _order(name: str, direction: object) -> Order:
    found = column(name)
    word = str(direction or "asc").lower()
    if not found.sortable or word not in {"asc", "desc"}:
        raise InvalidColumn(f"A list is not ordered by {found.name} {word}.")
    return Order(found.name.lower(), descending=word == "desc")


def _next(call: Call, url: str, skip: int) -> str | None:
    """The address of the next page; of a list that was asked by a body there is none."""
    if call.request.method == "POST":
        return None
    kept = {name: values[0] for name, values in call.request.query.items() if name.lower() != "$skip"}
    words = "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in kept.items())
    return f"{url}?{words}{'&' if words else ''}$skip={skip}"
