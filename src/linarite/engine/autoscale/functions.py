"""The functions. Those of one number work on each element when they are given a vector, or more than one argument.

What has no answer for no element (the mean, the largest) is no number then, as a division by zero is: a formula may ask
before the first sample is there, and decide otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain

from linarite.engine.autoscale.dates import timestamp_of
from linarite.engine.autoscale.faults import EvaluationFault, Place
from linarite.engine.autoscale.metrics import Facts
from linarite.engine.autoscale.values import Doubles, Timestamp, Value, kind, timestamp

Function = Callable[[Facts, Place, Sequence[Value]], Value]


def joined(place: Place, arguments: Sequence[Value]) -> Doubles:
    """A list of doubles and vectors as one vector. EvaluationFault when something else is among it."""
    return tuple(chain.from_iterable(_elements(place, value) for value in arguments))


def _elements(place: Place, value: Value) -> Doubles:
    if isinstance(value, float):
        return (value,)
    if isinstance(value, tuple):
        return value
    raise EvaluationFault(place, f"Doubles and doubleVecs are wanted, not a {kind(value)}.")


def _wanted(place: Place, arguments: Sequence[Value], *counts: int) -> None:
    if len(arguments) not in counts:
        raise EvaluationFault(place, "The wrong number of arguments.")


def _double(place: Place, value: Value) -> float:
    if isinstance(value, float):
        return value
    raise EvaluationFault(place, f"A double is wanted, not a {kind(value)}.")


def _vector(place: Place, value: Value) -> Doubles:
    if isinstance(value, tuple):
        return value
    raise EvaluationFault(place, f"A doubleVec is wanted, not a {kind(value)}.")


def _of_all(work: Callable[[Doubles], float]) -> Function:
    return lambda _, place, arguments: float(work(joined(place, arguments)))


def _of_each(work: Callable[[float], float]) -> Function:
    def apply(_: Facts, place: Place, arguments: Sequence[Value]) -> Value:
        if not arguments:
            raise EvaluationFault(place, "The wrong number of arguments.")
        if len(arguments) == 1 and isinstance(arguments[0], float):
            return work(arguments[0])
        return tuple(map(work, joined(place, arguments)))

    return apply


def _logarithm(work: Callable[[float], float]) -> Callable[[float], float]:
    def apply(value: float) -> float:
        if value > 0:
            return work(value)
        return -math.inf if value == 0 else math.nan

    return apply


def _whole(work: Callable[[float], float]) -> Callable[[float], float]:
    return lambda value: float(work(value)) if math.isfinite(value) else value


def _round(value: float) -> float:
    """To the nearest whole number, halves away from zero."""
    whole = math.floor(abs(value))
    return math.copysign(whole + (abs(value) - whole >= 0.5), value)


def _mean(values: Doubles) -> float:
    return _sum(values) / len(values) if values else math.nan


def _sum(values: Doubles) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # infinities of both signs, or more than a double holds
        return sum(values)


def _norm(values: Doubles) -> float:
    return math.hypot(*values)


def _largest(values: Doubles) -> float:
    return max(values, default=math.nan)


def _smallest(values: Doubles) -> float:
    return min(values, default=math.nan)


def _deviation(values: Doubles) -> float:
    """Of a sample: over n - 1."""
    mean = _mean(values)
    squares = _sum(tuple((value - mean) * (value - mean) for value in values))
    return math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else math.nan


def _percentile(_: Facts, place: Place, arguments: Sequence[Value]) -> float:
    """The element that so many percent of the elements do not exceed (nearest rank)."""
    _wanted(place, arguments, 2)
    values, percent = sorted(_vector(place, arguments[0])), _double(place, arguments[1])
    if not 0 <= percent <= 100:
        raise EvaluationFault(place, "A percentile is from 0 to 100.")
    return values[max(0, math.ceil(len(values) * percent / 100) - 1)] if values else math.nan


def _element(_: Facts, place: Place, arguments: Sequence[Value]) -> float:
    _wanted(place, arguments, 2)
    values, index = _vector(place, arguments[0]), _double(place, arguments[1])
    if not 0 <= index < len(values):
        raise EvaluationFault(place, f"The vector has {len(values)} elements, and none at {index:g}.")
    return values[int(index)]


def _time(facts: Facts, place: Place, arguments: Sequence[Value]) -> Timestamp:
    _wanted(place, arguments, 0, 1)
    if not arguments or arguments[0] == "":
        return timestamp(facts.now)
    if not isinstance(arguments[0], str):
        raise EvaluationFault(place, f"A string is wanted, not a {kind(arguments[0])}.")
    return timestamp_of(place, arguments[0])


def _rand(facts: Facts, place: Place, arguments: Sequence[Value]) -> float:
    _wanted(place, arguments, 0)
    return float(facts.rand())


FUNCTIONS: dict[str, Function] = {
    "avg": _of_all(_mean),
    "ceil": _of_each(_whole(math.ceil)),
    "floor": _of_each(_whole(math.floor)),
    "len": _of_all(len),
    "lg": _of_each(_logarithm(math.log2)),
    "ln": _of_each(_logarithm(math.log)),
    "log": _of_each(_logarithm(math.log10)),
    "max": _of_all(_largest),
    "min": _of_all(_smallest),
    "norm": _of_all(_norm),
    "percentile": _percentile,
    "rand": _rand,
    "range": _of_all(lambda values: _largest(values) - _smallest(values)),
    "round": _of_each(_whole(_round)),
    "std": _of_all(_deviation),
    "sum": _of_all(_sum),
    "time": _time,
    "val": _element,
    "vec": lambda _, place, arguments: joined(place, arguments),
}
STOP = "stop"
"""The one function that is no value: it ends the evaluation, with what was assigned until then."""
