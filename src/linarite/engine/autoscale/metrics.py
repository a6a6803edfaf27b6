"""What formulas know of their pool: metrics, their samples, and the methods that look into the samples.

A sample stands for 30 seconds that all pools have in common (its `slot`), so that a look-back of ten minutes has 20
of them, not 19 or 21 as clocks happen to run.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter

import msgspec

from linarite.engine.autoscale.faults import EvaluationFault, Place, SampleFault
from linarite.engine.autoscale.records import PERIOD, SECOND, PoolSample
from linarite.engine.autoscale.values import TICKS, Doubles, Interval, Timestamp, Value, kind, timestamp

Measure = Callable[[PoolSample], float]

KILO = 1024
BLOCK = 512
"""Bytes of an operation on a disk, as Linux counts them."""
USES: dict[str, Measure] = {
    "$CPUPercent": lambda sample: (sample.cpu_millionths or 0) / 1_000_000,
    "$MemoryBytes": lambda sample: (sample.memory_bytes or 0) / KILO**2,
    "$DiskBytes": lambda sample: (sample.disk_bytes or 0) / KILO**3,
    "$DiskReadBytes": lambda sample: sample.read_bytes or 0,
    "$DiskWriteBytes": lambda sample: sample.write_bytes or 0,
    "$DiskReadOps": lambda sample: (sample.read_bytes or 0) // BLOCK,
    "$DiskWriteOps": lambda sample: (sample.write_bytes or 0) // BLOCK,
}
"""How what nodes use is read off the samples that have it. Units: the documentation's, whatever the names say.

The service's page on automatic scaling tells megabytes of `$MemoryBytes` and gigabytes of `$DiskBytes`, and
compares `$CPUPercent` with 0.7 where it means 70 percent.
"""
METRICS: dict[str, Measure | None] = {
    "$ActiveTasks": lambda sample: sample.active_tasks,
    "$RunningTasks": lambda sample: sample.running_tasks,
    "$PendingTasks": lambda sample: sample.active_tasks + sample.running_tasks,
    "$SucceededTasks": lambda sample: sample.succeeded_tasks,
    "$FailedTasks": lambda sample: sample.failed_tasks,
    "$CurrentDedicatedNodes": lambda sample: sample.dedicated_nodes,
    "$CurrentDedicated": lambda sample: sample.dedicated_nodes,
    "$CurrentLowPriorityNodes": lambda sample: sample.low_priority_nodes,
    "$PreemptedNodeCount": lambda sample: sample.preempted_nodes,
    "$SampleNodeCount": lambda sample: sample.nodes,
    "$UsableNodeCount": lambda sample: sample.usable_nodes,
    "$TaskSlotsPerNode": lambda sample: sample.task_slots,
    "$WallClockSeconds": lambda sample: sample.nodes * (PERIOD // SECOND),
    "$NetworkInBytes": None,
    "$NetworkOutBytes": None,
    **USES,
}
"""How each metric is read off a sample; None: nodes of this server do not measure it, so it never has a sample.

The nodes of one machine share its network, and nobody counts which of them a byte was for.
"""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that an evaluation may know. `now` in microseconds since 1970; `history` has the oldest sample first.

    `measured` are those of them that tell what nodes used. `dedicated` and `low_priority` are the pool's targets,
    `latest` is what it is like at this moment; `rand` gives numbers from 0 to 1.
    """

    now: int
    dedicated: int
    low_priority: int
    latest: PoolSample
    history: Sequence[PoolSample] = ()
    measured: Sequence[PoolSample] = ()
    rand: Callable[[], float]


def slot_of(microseconds: int) -> int:
    """The 30 seconds that a moment belongs to, counted from 1970."""
    return microseconds // PERIOD


def latest(facts: Facts, name: str, place: Place) -> float:
    """A metric as a number: as it is, or what nodes were last seen to use. SampleFault when that never was."""
    measure = METRICS[name]
    sample: PoolSample | None = facts.latest
    if name in USES:
        sample = facts.measured[-1] if facts.measured else None
    if measure is None or sample is None:
        raise SampleFault(place, f"Insufficient data from data set: {name} has no samples")
    return float(measure(sample))


def call(facts: Facts, name: str, method: str, arguments: Sequence[Value], place: Place) -> Value:
    """Call a method of a metric. EvaluationFault, SampleFault."""
    made = _METHODS.get(method)
    if made is None:
        raise EvaluationFault(place, f"A metric has no method '{method}'.")
    return made(_Samples(facts, name), arguments, place)


class _Samples:
    """The samples of one metric."""

    def __init__(self, facts: Facts, name: str) -> None:
        self.facts, self.name = facts, name
        self._measure = METRICS[name]
        kept = facts.measured if name in USES else facts.history
        self._kept = kept if self._measure is not None else ()

    def __len__(self) -> int:
        return len(self._kept)

    def newest(self, count: int) -> Doubles:
        """As many as there are of the last `count`, the newest last."""
        return self._read(self._kept[-count:] if count > 0 else ())

    def between(self, after: int, last: int) -> Doubles:
        """Those of the slots behind `after` up to `last`."""
        place = attrgetter("slot")
        return self._read(
            self._kept[bisect_right(self._kept, after, key=place) : bisect_right(self._kept, last, key=place)]
        )

    def begin(self) -> int | None:
        """The slot of the oldest one."""
        return self._kept[0].slot if self._kept else None

    def _read(self, samples: Sequence[PoolSample]) -> Doubles:
        return () if self._measure is None else tuple(float(self._measure(sample)) for sample in samples)


def _slot(facts: Facts, value: Value, place: Place) -> int:
    """The slot of a timestamp, or of a moment that an interval looks back to."""
    if isinstance(value, Timestamp):
        return value.microseconds // PERIOD
    if isinstance(value, Interval):
        return (facts.now * 10 - value.ticks) // (PERIOD * 10)
    raise EvaluationFault(place, f"A timestamp or a timeinterval is wanted, not a {kind(value)}.")


def _span(facts: Facts, ends: Sequence[Value], place: Place) -> tuple[int, int]:
    """The slots behind the first up to the second; never none, so that a short look-back finds the newest sample."""
    slots = sorted([*(_slot(facts, end, place) for end in ends), *([slot_of(facts.now)] if len(ends) == 1 else [])])
    return min(slots[0], slots[1] - 1), slots[1]


def _percent(samples: _Samples, span: tuple[int, int]) -> float:
    return 100.0 * len(samples.between(*span)) / (span[1] - span[0])


def _get_sample(samples: _Samples, arguments: Sequence[Value], place: Place) -> Doubles:
    match arguments:
        case [float() as count]:
            return samples.newest(_whole(count, place))
        case [*ends, float() as wanted] if ends:
            return _in_span(samples, ends, wanted, place)
        case _:
            return _in_span(samples, arguments, 0.0, place)


def _whole(count: float, place: Place) -> int:
    if not count < 2**31:
        raise EvaluationFault(place, f"{count:g} is no number of samples.")
    return int(count) if count > 0 else 0


def _in_span(samples: _Samples, ends: Sequence[Value], wanted: float, place: Place) -> Doubles:
    span = _checked_span(samples, ends, place)
    have = _percent(samples, span)
    if not have >= wanted:
        found = f"{samples.name} wanted {wanted:g}%, received {have:g}%"
        raise SampleFault(place, f"Insufficient data from data set: {found}")
    return samples.between(*span)


def _checked_span(samples: _Samples, ends: Sequence[Value], place: Place) -> tuple[int, int]:
    if len(ends) not in {1, 2}:
        raise EvaluationFault(place, "The wrong number of arguments.")
    return _span(samples.facts, ends, place)


def _get_sample_percent(samples: _Samples, arguments: Sequence[Value], place: Place) -> float:
    return _percent(samples, _checked_span(samples, arguments, place))


def _get_sample_period(_samples: _Samples, arguments: Sequence[Value], place: Place) -> Interval:
    _none(arguments, place)
    return Interval(PERIOD // SECOND * TICKS)


def _count(samples: _Samples, arguments: Sequence[Value], place: Place) -> float:
    _none(arguments, place)
    return float(len(samples))


def _history_begin_time(samples: _Samples, arguments: Sequence[Value], place: Place) -> Timestamp:
    _none(arguments, place)
    begin = samples.begin()
    if begin is None:
        raise SampleFault(place, f"Insufficient data from data set: {samples.name} has no samples")
    return timestamp(begin * PERIOD)


def _none(arguments: Sequence[Value], place: Place) -> None:
    if arguments:
        raise EvaluationFault(place, "The wrong number of arguments.")


_METHODS: dict[str, Callable[[_Samples, Sequence[Value], Place], Value]] = {
    "GetSample": _get_sample,
    "GetSamplePercent": _get_sample_percent,
    "GetSamplePeriod": _get_sample_period,
    "Count": _count,
    "HistoryBeginTime": _history_begin_time,
}
METHODS = frozenset(_METHODS)
