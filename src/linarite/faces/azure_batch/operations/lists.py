"""Pages of lists: maxresults, $filter, $skiptoken and the link to the next page. Source: Batch NOTES section 5.

A token tells where the page before stopped, and bears a mark of its list and filter: elsewhere it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2s
from typing import TypeVar
from urllib.parse import quote, unquote_plus

from linarite.engine.errors import InvalidValue
from linarite.engine.filtering import Expression, Listed
from linarite.engine.ports import Transaction
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.errors import Refusal, invalid_query
from linarite.faces.azure_batch.filters import Properties, compile_filter
from linarite.http.numbers import parse_count

T = TypeVar("T")
R = TypeVar("R")
LONGEST_PAGE = 1000
Where = Expression | None
PICKING = ("$filter", "starttime", "endtime", "recursive")
"""Parameters that say which records a list has."""


def page_size(call: Call, most: int = LONGEST_PAGE) -> int:
    """The number of items that a page may have."""
    text = call.request.query.get("maxresults")
    if text is None:
        return most
    size = parse_count(text)
    if size is None or not 1 <= size <= LONGEST_PAGE:
        raise invalid_query("maxresults", text, f"It is a number from 1 to {LONGEST_PAGE}.")
    return min(size, most)


def position(call: Call) -> str:
    """Where the page before ended, empty for the first page. InvalidQueryParameterValue for another list's token."""
    token = call.request.query.get("$skiptoken")
    if not token:
        return ""
    mark, _, where = token.partition(".")
    if mark != _mark(call) or not where:
        raise invalid_query("$skiptoken", token, "It is no token of this list with this filter.")
    return where


def number_of(start: str) -> int:
    """The position of a short list, where positions are numbers; the first page begins at 0."""
    return parse_count(start) or 0


def next_link(call: Call, where: str) -> str:
    """The address of the page after the one that ended at `where`: the same request, going on from there."""
    parts = [part for part in call.request.query.raw.split("&") if part]
    kept = [part for part in parts if unquote_plus(part.partition("=")[0]).lower() != "$skiptoken"]
    token = quote(f"{_mark(call)}.{where}", safe="")
    return f"{call.base}{call.request.raw_path}?$skiptoken={token}&{'&'.join(kept)}"


def _mark(call: Call) -> str:
    """What ties a token to its list: account, path, and what picks its records."""
    request = call.request
    text = repr((call.account, request.path.lower(), [request.query.get(name) or "" for name in PICKING]))
    return blake2s(text.encode(), digest_size=8).hexdigest()


async def ask_page(
    call: Call,
    properties: Properties,
    question: Callable[[Transaction, Where, str, int], tuple[R, Listed[T]]],
    most: int = LONGEST_PAGE,
) -> tuple[R, list[T], str | None]:
    """A page of records and the link to the next: `question` is asked with condition, position, and limit."""
    limit, start = page_size(call, most), position(call)
    where = compile_filter(call.request.query.get("$filter"), properties)
    try:
        home, found = await call.engine.ask(lambda tx: question(tx, where, start, limit))
    except InvalidValue as error:
        raise refused_list(call, error) from error
    return home, found.records, None if found.position is None else next_link(call, found.position)


def keyed(found: Sequence[T], limit: int, key: Callable[[T], int]) -> Listed[T]:
    """A page of a short list, of which one record more than `limit` was asked for; its positions are keys."""
    records = list(found[:limit])
    return Listed(records, str(key(records[-1])) if len(found) > limit else None)


def refused_list(call: Call, error: InvalidValue) -> Refusal:
    """What the store refuses of a list, as a parameter of the query."""
    name = "$skiptoken" if error.name == "position" else "$filter"
    return invalid_query(name, call.request.query.get(name), error.message)
