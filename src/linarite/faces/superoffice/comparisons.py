"""One test of one column: an operator of the archive and its values, as the engine's condition.

Source: SuperOffice NOTES section 5, 'Filter grammar'. Days and weeks are those of the caller's time zone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import reduce
from typing import NamedTuple

from linarite.engine.filtering import Both, Compare, Either, Expression
from linarite.faces.superoffice.columns import ID, Column, column
from linarite.faces.superoffice.periods import Span, period
from linarite.faces.superoffice.presentation import Presentation
from linarite.faces.superoffice.reading import InvalidColumn
from linarite.faces.superoffice.states import BatchTaskState

MICROSECONDS = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AMERICAN = re.compile(r"^(\d\d)/(\d\d)/(\d{4})", re.ASCII)
_DATE = re.compile(r"(\d{4})[-.](\d{1,2})[-.](\d{1,2})(.*)", re.ASCII)
_CODED = re.compile(r"\[[A-Z]+:([^\]]*)\]")

ALL: Expression = Compare(ID, "ge", 0)
NONE: Expression = Compare(ID, "lt", 0)

_ORDERS = {
    "eq": "eq", "=": "eq", "equals": "eq", "ne": "ne", "<>": "ne", "!=": "ne", "unequals": "ne", "lt": "lt", "<": "lt",
    "less": "lt", "le": "le", "<=": "le", "gt": "gt", ">": "gt", "greater": "gt", "ge": "ge", ">=": "ge",
}  # fmt: skip
_TEXTS = {
    "eq": "eq", "=": "eq", "equals": "eq", "is": "eq", "ne": "ne", "<>": "ne", "!=": "ne", "isnot": "ne",
    "unequals": "ne", "begins": "startswith", "contains": "contains", "ends": "endswith", "notbegins": "notstartswith",
    "notcontains": "notcontains", "notends": "notendswith",
}  # fmt: skip
_ONE_OF = frozenset({"in", "oneof", "associateisoneof"})
_NONE_OF = frozenset({"notoneof", "associateisnotoneof"})


class Asking(NamedTuple):
    """Who asks (the number of the associate), in which time zone, and when (microseconds since the epoch)."""

    associate: int
    shown: Presentation
    now: int


def compared(name: str, operator: str, values: Sequence[str], asking: Asking) -> Expression:
    """The condition of one test. InvalidColumn for what the column has not."""
    found, word = column(name), operator.lower()
    plain = [match[1] if (match := _CODED.fullmatch(value)) else value for value in values]
    match found.kind:
        case "int":
            made = _number(found, word, plain)
        case "associate":
            made = _associate(found, word, plain, asking)
        case "string":
            made = _text(found, word, plain)
        case "date":
            made = _date(found, word, plain, asking)
        case "bool":
            made = _rows(found, word, plain)
    if made is None:
        raise InvalidColumn(f"The column {found.name} cannot be tested by {operator!r} with {len(values)} values.")
    return made


def _compare(found: Column, operator: str, value: str | int | None) -> Expression:
    return Compare(found.name.lower(), operator, value)


def _number(found: Column, word: str, values: Sequence[str]) -> Expression | None:
    numbers = [_integer(found, value) for value in values]
    if word in _ORDERS and len(numbers) == 1:
        return _compare(found, _ORDERS[word], numbers[0])
    if word == "between" and len(numbers) == 2:
        return Both(_compare(found, "ge", numbers[0]), _compare(found, "le", numbers[1]))
    if word in _ONE_OF and numbers:
        return reduce(Either, (_compare(found, "eq", number) for number in numbers))
    if word in _NONE_OF and numbers:
        return reduce(Both, (_compare(found, "ne", number) for number in numbers))
    return _compare(found, "ne", 0) if word == "set" and not numbers else None


def _integer(found: Column, value: str) -> int:
    if found.name == "State":
        for state in BatchTaskState:
            if value.strip().lower() == state.name.lower():
                return state.value
    if re.fullmatch(r"\s*-?\d{1,18}\s*", value, re.ASCII) is None:
        raise InvalidColumn(f"The column {found.name} is a number, which {value!r} is not.")
    return int(value)


def _associate(found: Column, word: str, values: Sequence[str], asking: Asking) -> Expression | None:
    if word == "currentassociate" and not values:
        return _compare(found, "eq", asking.associate)
    return _number(found, word, values)


def _text(found: Column, word: str, values: Sequence[str]) -> Expression | None:
    if word in _TEXTS and len(values) == 1:
        return _compare(found, _TEXTS[word], values[0])
    if word in _ONE_OF and values:
        return reduce(Either, (_compare(found, "eq", value) for value in values))
    return _compare(found, "ne", "") if word == "set" and not values else None


def _rows(found: Column, word: str, values: Sequence[str]) -> Expression | None:
    if (
        word not in {"=", "eq", "equals", "is"}
        or len(values) != 1
        or values[0].lower() not in {"true", "false", "1", "0"}
    ):
        return None
    none = found.name == "getNoRows" and values[0].lower() in {"true", "1"}
    return NONE if none else ALL


def _date(found: Column, word: str, values: Sequence[str], asking: Asking) -> Expression | None:
    if word == "set" and not values:
        return _compare(found, "ne", None)
    if values:
        span = _span(word, [_moment(found, value, asking) for value in values], asking.shown.zone or UTC)
    else:
        span = period(word, (_EPOCH + asking.now * MICROSECONDS).astimezone(asking.shown.zone or UTC))
    return None if span is None else _within(found, *span)


def _span(word: str, moments: Sequence[tuple[datetime, datetime]], zone: tzinfo) -> Span | None:
    """The span of an operator; of each moment its beginning and its end are given, a day apart or next to nothing."""
    (first, after), (_, end) = moments[0], moments[-1]
    day = first.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    spans: dict[str, Span] = {
        "before": (None, first), "lt": (None, first), "le": (None, after), "after": (after, None), "gt": (after, None),
        "ge": (first, None), "eq": (first, after), "date": (day, day + timedelta(days=1)),
    }  # fmt: skip
    if len(moments) == 1:
        return spans.get(_ORDERS.get(word, word))
    return (first, end) if len(moments) == 2 and word in {"datebetween", "between"} else None


def _within(found: Column, first: datetime | None, end: datetime | None) -> Expression:
    """From a moment on, before another one; None is open, and a date that is not set is in no span."""
    parts = [
        _compare(found, operator, (moment.astimezone(UTC) - _EPOCH) // MICROSECONDS)
        for operator, moment in (("ge", first), ("lt", end))
        if moment is not None
    ]
    return reduce(Both, parts)


def _moment(found: Column, value: str, asking: Asking) -> tuple[datetime, datetime]:
    """The moment of a text, or the day, from its beginning to its end; without an offset in the zone asked for."""
    plain = _DATE.fullmatch(_AMERICAN.sub(r"\3-\1-\2", value.strip()))
    try:
        year, month, day, rest = plain.groups() if plain else ("", "0", "0", "")
        made = datetime.fromisoformat(f"{year}-{int(month):02}-{int(day):02}{rest.replace(' ', 'T')}")
    except ValueError:
        raise InvalidColumn(f"The column {found.name} is a date, which {value!r} is not.") from None
    if not 1 < made.year < 9999:
        raise InvalidColumn(f"The date {value!r} is too far away.")
    begin = made if made.tzinfo else made.replace(tzinfo=asking.shown.zone or UTC)
    return begin, begin + (MICROSECONDS if rest else timedelta(days=1))
