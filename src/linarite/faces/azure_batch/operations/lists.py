"""Pages of lists: maxresults, $filter, $skiptoken and the link to the next page. Source: Batch NOTES section 5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote, unquote_plus

from linarite.engine.errors import InvalidValue
from linarite.engine.filtering import Expression
from linarite.engine.ports import Transaction
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.errors import Refusal, invalid_query
from linarite.faces.azure_batch.filters import Properties, compile_filter
from linarite.http.numbers import parse_count

T = TypeVar("T")
R = TypeVar("R")
LONGEST_PAGE = 1000
Where = Expression | None


def page_size(call: Call, most: int = LONGEST_PAGE) -> int:
    """The number of items that a page may have."""
    text = call.request.query.get("maxresults")
    if text is None:
        return most
    size = parse_count(text)
    if size is None or not 1 <= size <= LONGEST_PAGE:
        raise invalid_query("maxresults", text, f"It is a number from 1 to {LONGEST_PAGE}.")
    return min(size, most)


def skip_token(call: Call) -> str:
    """Where the page before ended, empty for the first page."""
    return call.request.query.get("$skiptoken") or ""


def after_key(call: Call) -> int:
    """The key of the last record of the page before."""
    token = skip_token(call)
    if not token:
        return 0
    key = parse_count(token)
    if key is None or key >= 2**63:
        raise invalid_query("$skiptoken", token, "It is no token of this server.")
    return key


def next_link(call: Call, token: str) -> str:
    """The address of the page after the one that ended at `token`: the same request, going on from there."""
    parts = [part for part in call.request.query.raw.split("&") if part]
    kept = [part for part in parts if unquote_plus(part.partition("=")[0]).lower() != "$skiptoken"]
    return f"{call.base}{call.request.raw_path}?$skiptoken={quote(token, safe='')}&{'&'.join(kept)}"


async def ask_page(
    call: Call,
    properties: Properties,
    question: Callable[[Transaction, Where, int, int], tuple[R, Sequence[T]]],
    key: Callable[[T], int],
    most: int = LONGEST_PAGE,
) -> tuple[R, list[T], str | None]:
    """A page of records and the link to the next: `question` is asked with condition, key to go on from, and limit."""
    limit, after = page_size(call, most), after_key(call)
    where = compile_filter(call.request.query.get("$filter"), properties)
    try:
        home, found = await call.engine.ask(lambda tx: question(tx, where, after, limit + 1))
    except InvalidValue as error:
        raise refused_filter(call, error) from error
    records = list(found[:limit])
    return home, records, next_link(call, str(key(records[-1]))) if len(found) > limit else None


def refused_filter(call: Call, error: InvalidValue) -> Refusal:
    """What the store refuses of a filter, as a parameter of the query."""
    return invalid_query("$filter", call.request.query.get("$filter"), error.message)
