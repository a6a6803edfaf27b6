"""The values of formulas and how results print them: six significant digits, milliseconds, brackets around vectors.

Times count ticks of 100 ns, since 0001 for timestamps: the language has a constant for one tick.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from linarite.engine.autoscale.faults import EvaluationFault, Place

TICKS = 10_000_000
"""Ticks of a second."""
_EPOCH = 62_135_596_800 * TICKS
_START = datetime(1, 1, 1)  # noqa: DTZ001 - every time here is UTC
_END = 3_155_378_976_000_000_000

Doubles = tuple[float, ...]


class Timestamp(msgspec.Struct, frozen=True, order=True):
    """A moment in UTC."""

    ticks: int

    @property
    def date(self) -> datetime:
        """The moment, to the microsecond."""
        return _START + timedelta(microseconds=self.ticks // 10)

    @property
    def microseconds(self) -> int:
        """Since 1970."""
        return (self.ticks - _EPOCH) // 10


class Interval(msgspec.Struct, frozen=True, order=True):
    """A length of time; negative ones go back."""

    ticks: int


class Option(msgspec.Struct, frozen=True):
    """What becomes of tasks when their node goes."""

    word: str


class Metric(msgspec.Struct, frozen=True):
    """A metric; where a number is wanted it is its latest value."""

    name: str


Value = float | Doubles | str | Timestamp | Interval | Option | Metric

_KINDS: dict[type, str] = {
    float: "double", tuple: "doubleVec", str: "string", Timestamp: "timestamp", Interval: "timeinterval",
    Option: "deallocation option", Metric: "metric",
}  # fmt: skip

TIMESTAMP_MEMBERS: dict[str, Callable[[datetime], int]] = {
    "year": lambda date: date.year,
    "month": lambda date: date.month,
    "day": lambda date: date.day,
    "weekday": lambda date: date.isoweekday(),
    "hour": lambda date: date.hour,
    "minute": lambda date: date.minute,
    "second": lambda date: date.second,
}

INTERVALS = {
    "TimeInterval_Zero": Interval(0),
    "TimeInterval_100ns": Interval(1),
    "TimeInterval_Microsecond": Interval(TICKS // 1_000_000),
    "TimeInterval_Millisecond": Interval(TICKS // 1000),
    "TimeInterval_Second": Interval(TICKS),
    "TimeInterval_Minute": Interval(60 * TICKS),
    "TimeInterval_Hour": Interval(3600 * TICKS),
    "TimeInterval_Day": Interval(86_400 * TICKS),
    "TimeInterval_Week": Interval(7 * 86_400 * TICKS),
    "TimeInterval_Year": Interval(365 * 86_400 * TICKS),
}
LONGEST = 2**63


def kind(value: Value) -> str:
    """The language's word for the type of a value."""
    return _KINDS[type(value)]


def timestamp(microseconds: int) -> Timestamp:
    """A moment that the engine counts from 1970."""
    return Timestamp(_EPOCH + microseconds * 10)


def moment(place: Place, ticks: int) -> Timestamp:
    """A moment that was reckoned. EvaluationFault when no calendar has it."""
    if not 0 <= ticks < _END:
        raise EvaluationFault(place, "The timestamp is not between the years 1 and 9999.")
    return Timestamp(ticks)


def interval(place: Place, ticks: float) -> Interval:
    """A length that was reckoned, to the nearest tick. EvaluationFault when it is no length."""
    if not -LONGEST < ticks < LONGEST:
        raise EvaluationFault(place, "The timeinterval is too long.")
    return Interval(round(ticks))


def text(value: Value) -> str:
    """A value as results show it."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Timestamp):
        return value.date.isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, Interval):
        return _length(value.ticks)
    if isinstance(value, Option):
        return value.word
    if isinstance(value, tuple):
        return f"[{','.join(f'{item:g}' for item in value)}]"
    return value if isinstance(value, str) else value.name


def _length(ticks: int) -> str:
    """`hh:mm:ss`, with days before and a fraction after when there are any."""
    seconds, fraction = divmod(abs(ticks), TICKS)
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    whole = f"{days}.{clock}" if days else clock
    return f"{'-' if ticks < 0 else ''}{whole}{f'.{fraction:07}' if fraction else ''}"
