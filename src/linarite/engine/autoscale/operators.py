"""The operators, by the types that stand on both sides: the service's own table, and nothing beside it.

Doubles follow IEEE 754: a division by zero is infinite or no number, and an error only where it would size a pool.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from linarite.engine.autoscale.faults import EvaluationFault, Place
from linarite.engine.autoscale.values import Doubles, Interval, Timestamp, Value, interval, kind, moment

Binary = Callable[[Place, Any, Any], Value]


def divide(left: float, right: float) -> float:
    """Divide as the processor does."""
    if right:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": divide,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, "==": operator.eq, ">=": operator.ge, ">": operator.gt, "!=": operator.ne,
}  # fmt: skip


def _plain(work: Callable[[Any, Any], float]) -> Binary:
    return lambda _, left, right: float(work(left, right))


def _each(work: Callable[[float, float], float]) -> Binary:
    return lambda _, left, right: tuple(work(item, right) for item in left)


def _pairs(work: Callable[[float, float], float]) -> Binary:
    def apply(place: Place, left: Doubles, right: Doubles) -> Doubles:
        if len(left) != len(right):
            raise EvaluationFault(place, f"The vectors have {len(left)} and {len(right)} elements.")
        return tuple(map(work, left, right))

    return apply


def _arithmetic() -> dict[tuple[str, str, str], Binary]:
    table: dict[tuple[str, str, str], Binary] = {}
    for sign, work in _ARITHMETIC.items():
        table["double", sign, "double"] = _plain(work)
        table["doubleVec", sign, "double"] = _each(work)
        table["doubleVec", sign, "doubleVec"] = _pairs(work)
    return table


def _comparisons() -> dict[tuple[str, str, str], Binary]:
    kinds = ("double", "string", "timestamp", "timeinterval")
    return {(one, sign, one): _plain(work) for one in kinds for sign, work in _COMPARISONS.items()}


def _later(place: Place, left: Timestamp, right: Interval) -> Value:
    return moment(place, left.ticks + right.ticks)


def _scaled(place: Place, length: Interval, by: float) -> Value:
    return interval(place, length.ticks * by)


_TIMES: dict[tuple[str, str, str], Binary] = {
    ("double", "*", "timeinterval"): lambda place, by, length: _scaled(place, length, by),
    ("timeinterval", "*", "double"): _scaled,
    ("timeinterval", "/", "double"): lambda place, length, by: interval(place, divide(float(length.ticks), by)),
    ("timeinterval", "+", "timeinterval"): lambda place, left, right: interval(place, left.ticks + right.ticks),
    ("timeinterval", "-", "timeinterval"): lambda place, left, right: interval(place, left.ticks - right.ticks),
    ("timeinterval", "+", "timestamp"): lambda place, left, right: _later(place, right, left),
    ("timestamp", "+", "timeinterval"): _later,
    ("timestamp", "-", "timestamp"): lambda place, left, right: interval(place, left.ticks - right.ticks),
}
_BINARY = {**_arithmetic(), **_comparisons(), **_TIMES}


def binary(place: Place, sign: str, left: Value, right: Value) -> Value:
    """`left sign right`. EvaluationFault when there is no such operation."""
    work = _BINARY.get((kind(left), sign, kind(right)))
    if work is None:
        raise EvaluationFault(place, f"There is no operation {kind(left)} {sign} {kind(right)}.")
    return work(place, left, right)


def unary(place: Place, sign: str, value: Value) -> Value:
    """`sign value`. EvaluationFault when there is no such operation."""
    if isinstance(value, float):
        return -value if sign == "-" else float(not value)
    if isinstance(value, Interval) and sign == "-":
        return Interval(-value.ticks)
    raise EvaluationFault(place, f"There is no operation {sign} {kind(value)}.")


def truth(place: Place, value: Value) -> bool:
    """Whether a number is another than zero. EvaluationFault when it is no number."""
    if isinstance(value, float):
        return value != 0
    raise EvaluationFault(place, f"A double is wanted, not a {kind(value)}.")
