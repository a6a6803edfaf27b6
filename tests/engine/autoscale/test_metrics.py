"""Metrics and their samples: every form of every method, at the edges of what there is."""

from __future__ import annotations

import pytest
from tests.engine.autoscale.facts import HISTORY, complaint, sample, variables

from linarite.engine.autoscale.metrics import METRICS

LATEST = {
    "$ActiveTasks": 4, "$RunningTasks": 2, "$PendingTasks": 6, "$SucceededTasks": 7, "$FailedTasks": 1,
    "$CurrentDedicatedNodes": 3, "$CurrentDedicated": 3, "$CurrentLowPriorityNodes": 5, "$PreemptedNodeCount": 1,
    "$SampleNodeCount": 8, "$UsableNodeCount": 6, "$TaskSlotsPerNode": 4, "$WallClockSeconds": 240,
}  # fmt: skip
UNMEASURED = sorted(METRICS.keys() - LATEST.keys())
USED = [
    sample(age, cpu_millionths=250_000 * age, memory_bytes=3 << 19, disk_bytes=5 << 29, read_bytes=1024, write_bytes=1)
    for age in (3, 1)
]
USES = {
    "$CPUPercent": 0.25, "$MemoryBytes": 1.5, "$DiskBytes": 2.5, "$DiskReadBytes": 1024, "$DiskWriteBytes": 1,
    "$DiskReadOps": 2, "$DiskWriteOps": 0,
}  # fmt: skip


@pytest.mark.parametrize(("metric", "value"), LATEST.items())
def test_bare_metric_is_what_the_pool_is_like_now(metric: str, value: int):
    assert variables(f"x={metric};y=max({metric},0);z={metric}*2") == f"x={value};y={value};z={value * 2}"


def test_every_metric_of_the_service_is_known():
    assert set(UNMEASURED) == {
        "$CPUPercent", "$MemoryBytes", "$DiskBytes", "$DiskReadBytes", "$DiskWriteBytes", "$DiskReadOps",
        "$DiskWriteOps",
        "$NetworkInBytes", "$NetworkOutBytes",
    }  # fmt: skip


@pytest.mark.parametrize(("metric", "value"), USES.items())
def test_what_nodes_use_is_read_in_the_documentations_units(metric: str, value: float):
    """Megabytes, gigabytes, 0.7 for 70 percent; at this moment it is what was last seen."""
    assert variables(f"x={metric}", measured=USED) == f"x={value}"


def test_samples_of_what_nodes_use_are_those_that_tell_it():
    minute = "TimeInterval_Minute"
    formula = f"a=$CPUPercent.GetSample({minute}*2);b=$CPUPercent.GetSamplePercent({minute}*2);c=$CPUPercent.Count()"
    assert variables(formula, measured=USED) == "a=[0.75,0.25];b=50;c=2"
    wanted = "Insufficient data from data set: $CPUPercent wanted 70%, received 50%"
    assert complaint(f"x=$CPUPercent.GetSample({minute}*2,70)", measured=USED).endswith(wanted)
    assert variables("x=$ActiveTasks.Count()", measured=USED) == "x=10"
    assert complaint("x=$NetworkInBytes", measured=USED).endswith("$NetworkInBytes has no samples")


@pytest.mark.parametrize("metric", UNMEASURED)
def test_metric_without_samples_answers_empty(metric: str):
    """Formulas that ask carefully can decide without it; those that insist hear that there is too little."""
    minute = "TimeInterval_Minute"
    assert variables(f"a={metric}.GetSample(5);b={metric}.GetSample({minute});c={metric}.Count()") == "a=[];b=[];c=0"
    assert variables(f"a={metric}.GetSamplePercent({minute});b=min({metric}.GetSample({minute}))>0.7") == "a=0;b=0"
    wanted = f"Insufficient data from data set: {metric} wanted 10%, received 0%"
    assert complaint(f"x={metric}.GetSample({minute},10)").endswith(wanted)
    assert complaint(f"x={metric}").endswith(f"{metric} has no samples")
    assert complaint(f"x={metric}.HistoryBeginTime()").endswith(f"{metric} has no samples")


M = "TimeInterval_Minute"
SAMPLES = [
    # The last so many.
    ("GetSample(1)", "[0]"), ("GetSample(3)", "[2,1,0]"), ("GetSample(3.9)", "[2,1,0]"), ("GetSample(99)",
    "[9,8,7,6,5,4,3,2,1,0]"),
    ("GetSample(0)", "[]"), ("GetSample(-1)", "[]"), ("GetSample(-1/0)", "[]"),
    # A look-back to now, with and without a demand.
    (f"GetSample({M})", "[1,0]"), (f"GetSample({M}*5)", "[9,8,7,6,5,4,3,2,1,0]"), (f"GetSample({M}*15)",
    "[9,8,7,6,5,4,3,2,1,0]"),
    (f"GetSample({M}*5,100)", "[9,8,7,6,5,4,3,2,1,0]"), (f"GetSample({M}*10,50)", "[9,8,7,6,5,4,3,2,1,0]"),
    ("GetSample(TimeInterval_Second)", "[0]"), ("GetSample(TimeInterval_Zero)", "[0]"),
    # Between two moments, given in either order, as look-backs or as timestamps.
    (f"GetSample({M},{M}*3)", "[5,4,3,2]"), (f"GetSample({M}*3,{M})", "[5,4,3,2]"), (f"GetSample({M},{M}*3,100)",
    "[5,4,3,2]"),
    (f"GetSample(time()+(-1*{M}),time())", "[1,0]"), (f"GetSample(time()+(-3*{M}),{M})", "[5,4,3,2]"),
    ('GetSample(time("2016-10-13T19:18:00Z"))', "[0]"), ('GetSample(time("2016"),time("2017"))',
    "[9,8,7,6,5,4,3,2,1,0]"),
    ('GetSample(time("2015"),time("2016"))', "[]"), (f"GetSample({M}*6,{M}*8)", "[]"), (f"GetSample(-1*{M},-2*{M})",
    "[]"),
    # How many of those that there could be.
    (f"GetSamplePercent({M}*5)", "100"), (f"GetSamplePercent({M}*15)", "33.3333"), (f"GetSamplePercent({M},{M}*3)",
    "100"),
    (f"GetSamplePercent({M}*4,{M}*6)", "50"), ('GetSamplePercent(time("0001"))', "4.71609e-07"),
    (f"GetSamplePercent(-1*{M})", "0"),
    # The rest.
    ("GetSamplePeriod()", "00:00:30"), ("Count()", "10"), ("HistoryBeginTime()", "2016-10-13T19:14:00.000Z"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "printed"), SAMPLES, ids=[method for method, _ in SAMPLES])
def test_method_of_a_metric_answers(method: str, printed: str):
    assert variables(f"x=$ActiveTasks.{method}") == f"x={printed}"


def test_samples_that_are_missing_are_missing():
    """A server that was down for two minutes has no samples of them."""
    gap = [one for one in HISTORY if not 3 <= HISTORY[-1].slot - one.slot <= 6]
    assert (
        variables(f"x=$ActiveTasks.GetSample({M}*5);y=$ActiveTasks.GetSamplePercent({M}*5)", history=gap)
        == "x=[9,8,7,2,1,0];y=60"
    )


def test_first_evaluation_has_one_sample():
    one = [sample(running_tasks=3)]
    assert (
        variables(f"x=val($RunningTasks.GetSample(1),0);y=$RunningTasks.GetSamplePercent({M}*15)", history=one)
        == "x=3;y=3.33333"
    )


INSUFFICIENT = [
    ("$RunningTasks.GetSample(TimeInterval_Minute*10,100)", 24, "$RunningTasks wanted 100%, received 50%"),
    ("x=min($RunningTasks.GetSample(TimeInterval_Minute*15,70))", 30, "$RunningTasks wanted 70%, received 33.3333%"),
    ("x=$ActiveTasks.GetSample(TimeInterval_Minute*4,TimeInterval_Minute*6,50.5)", 25,
    "$ActiveTasks wanted 50.5%, received 50%"),
    ("x=$ActiveTasks.GetSample(TimeInterval_Minute,0/0)", 25, "$ActiveTasks wanted nan%, received 100%"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "column", "reason"), INSUFFICIENT)
def test_too_few_samples_are_told_in_the_services_words(formula: str, column: int, reason: str):
    assert complaint(formula) == f"Line 1, Col {column}: Insufficient data from data set: {reason}"


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("GetSample()", "The wrong number of arguments."), (f"GetSample({M},{M},{M})",
        "The wrong number of arguments."),
        (f"GetSample({M},{M},1,1)", "The wrong number of arguments."), ("GetSamplePercent()",
        "The wrong number of arguments."),
        ("GetSamplePercent(1)", "A timestamp or a timeinterval is wanted, not a double."),
        (f"GetSample(1,{M})", "A timestamp or a timeinterval is wanted, not a double."),
        ('GetSample("a")', "A timestamp or a timeinterval is wanted, not a string."),
        ("GetSample(0/0)", "nan is no number of samples."), ("GetSample(1/0)", "inf is no number of samples."),
        ("Count(1)", "The wrong number of arguments."), ("GetSamplePeriod(1)", "The wrong number of arguments."),
        ("HistoryBeginTime(1)", "The wrong number of arguments."),
    ],
)  # fmt: skip
def test_method_refuses_arguments_that_it_does_not_take(call: str, reason: str):
    assert complaint(f"x=$ActiveTasks.{call}").endswith(f": {reason}")
