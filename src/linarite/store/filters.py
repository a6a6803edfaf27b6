"""The engine's conditions to SQL, by a table of the properties that a list may be filtered by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, not_, or_

from linarite.engine.errors import InvalidValue
from linarite.engine.filtering import Both, Compare, Either, Expression

MOST_COMPARISONS = 500
LARGEST = 2**63 - 1
LAST_CHARACTER = "\U0010ffff"


class Property(NamedTuple):
    """What a name in a condition stands for; `folded` columns hold lower case and are compared without regard to it."""

    column: ColumnElement[Any]
    folded: bool = False


Properties = Mapping[str, Property]

ORDERS: dict[str, Callable[[Any, Any], Any]] = {"eq": eq, "lt": lt, "le": le, "gt": gt, "ge": ge}

TEXTS: dict[str, Callable[[ColumnElement[Any], str], ColumnElement[bool]]] = {
    "contains": lambda column, value: column.contains(value, autoescape=True),
    "endswith": lambda column, value: column.endswith(value, autoescape=True),
    "notstartswith": lambda column, value: not_(column.startswith(value, autoescape=True)),
    "notendswith": lambda column, value: not_(column.endswith(value, autoescape=True)),
    "notcontains": lambda column, value: not_(column.contains(value, autoescape=True)),
}


def checked(expression: Expression) -> Expression:
    """The condition, if it is not so long that going through it would take too deep a recursion. InvalidValue."""
    if _size(expression) > MOST_COMPARISONS:
        raise InvalidValue("filter", MOST_COMPARISONS, f"it has more than {MOST_COMPARISONS} comparisons.")
    return expression


def condition(expression: Expression, properties: Properties) -> ColumnElement[bool]:
    """The SQL of a checked condition. A property without a value is unequal to all, and neither less nor greater."""
    if isinstance(expression, Compare):
        return _comparison(expression, properties)
    join = and_ if isinstance(expression, Both) else or_
    return join(*(condition(term, properties) for term in _chain(expression)))


def _chain(expression: Both | Either) -> list[Expression]:
    """The terms of `a and b and c`, which a parser nests: flat, so that a long chain is not a deep one."""
    terms: list[Expression] = []
    rest: list[Expression] = [expression.right, expression.left]
    while rest:
        term = rest.pop()
        if type(term) is type(expression) and not isinstance(term, Compare):
            rest += [term.right, term.left]
        else:
            terms.append(term)
    return terms


def _size(expression: Expression) -> int:
    size, rest = 0, [expression]
    while rest:
        term = rest.pop()
        if isinstance(term, Compare):
            size += 1
        else:
            rest += [term.left, term.right]
    return size


def _comparison(compare: Compare, properties: Properties) -> ColumnElement[bool]:
    found = properties.get(compare.name)
    if found is None:
        raise InvalidValue(compare.name, compare.value, "a list cannot be filtered by this property.")
    column = found.column
    value = _value(compare, column.type.python_type, folded=found.folded)
    if compare.operator == "ne":
        return column.is_distinct_from(value)
    if compare.operator == "startswith" and isinstance(value, str):
        return and_(column >= value, column <= value + LAST_CHARACTER)
    if compare.operator in TEXTS and isinstance(value, str):
        part: ColumnElement[bool] = TEXTS[compare.operator](column, value)
        return part
    order = ORDERS.get(compare.operator)
    if order is None or (value is None and order is not eq):
        raise InvalidValue(compare.name, compare.value, f"{compare.operator!r} does not apply to it.")
    result: ColumnElement[bool] = order(column, value)
    return result


def _value(compare: Compare, kind: type, *, folded: bool) -> str | int | float | bool | None:
    value = compare.value
    kinds: tuple[type, ...] = (int, float) if kind is int else (kind,)
    if isinstance(value, str) and "\0" in value:
        raise InvalidValue(compare.name, value, "it has a NUL character.")
    if value is not None and type(value) not in kinds:
        raise InvalidValue(compare.name, value, f"it is compared with a value of type {kind.__name__}.")
    if type(value) is int and abs(value) > LARGEST:
        raise InvalidValue(compare.name, value, "the number does not fit into 64 bits.")
    return value.lower() if folded and isinstance(value, str) else value
