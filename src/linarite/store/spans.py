"""Which ids a condition can at all hold for: a few spans of them, so that a list need look at no others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from linarite.engine.filtering import Both, Compare, Expression
from linarite.store.filters import LAST_CHARACTER

NEXT = "\x01"
"""`id + NEXT` is the first text after `id`: an id has no control characters."""
END = LAST_CHARACTER * 2
"""After all ids."""


class Span(NamedTuple):
    """Ids from `low` on, before `high`; in lower case."""

    low: str
    high: str

    @property
    def is_point(self) -> bool:
        """Tell whether it is a single id."""
        return self.high == self.low + NEXT


Spans = tuple[Span, ...]


def spans_of(expression: Expression) -> Spans | None:
    """Spans, in their order, that hold the id of every record for which the condition holds; None when all may."""
    if isinstance(expression, Compare):
        return _compared(expression)
    left, right = spans_of(expression.left), spans_of(expression.right)
    if isinstance(expression, Both):
        if left is None or right is None:
            return right if left is None else left
        return _intersection(left, right)
    return None if left is None or right is None else _ordered((*left, *right))


def _compared(compare: Compare) -> Spans | None:
    if compare.name != "id" or not isinstance(compare.value, str):
        return None
    value = compare.value.lower()
    match compare.operator:
        case "eq":
            return (Span(value, value + NEXT),)
        case "startswith":
            return (Span(value, value + LAST_CHARACTER + NEXT),)
        case "ge":
            return (Span(value, END),)
        case "gt":
            return (Span(value + NEXT, END),)
        case "lt":
            return _ordered([Span("", value)])
        case "le":
            return (Span("", value + NEXT),)
    return None


def _intersection(left: Spans, right: Spans) -> Spans:
    return _ordered(Span(max(a.low, b.low), min(a.high, b.high)) for a in left for b in right)


def _ordered(spans: Iterable[Span]) -> Spans:
    """The same without what is empty, in order, with those that meet made one."""
    done: list[Span] = []
    for span in sorted(span for span in spans if span.low < span.high):
        if done and span.low <= done[-1].high:
            done[-1] = Span(done[-1].low, max(done[-1].high, span.high))
        else:
            done.append(span)
    return tuple(done)
