"""Autoscale as clients send it. Source: BatchPoolEnableAutoScaleOptions and its like of 2025-06-01, NOTES section 6."""

from __future__ import annotations

from typing import Protocol

from linarite.engine.autoscale.faults import SyntaxFault
from linarite.engine.autoscale.parsing import LONGEST, parse
from linarite.engine.autoscale.records import Scaling
from linarite.engine.model import MINUTE
from linarite.faces.azure_batch.errors import Refusal, invalid_property, missing_property
from linarite.faces.azure_batch.wire.decoding import Body
from linarite.faces.azure_batch.wire.values import HOUR, duration, required

FORMULA, INTERVAL = "autoScaleFormula", "autoScaleEvaluationInterval"
LEAST_INTERVAL, MOST_INTERVAL = 5 * MINUTE, 168 * HOUR


class AutoScaleEnable(Body):
    """The body of Enable Autoscale."""

    auto_scale_formula: str | None = None
    auto_scale_evaluation_interval: str | None = None


class AutoScaleEvaluate(Body):
    """The body of Evaluate Autoscale."""

    auto_scale_formula: str | None = None


class Scaled(Protocol):
    """What the specification of a pool says of its size."""

    enable_auto_scale: bool | None
    auto_scale_formula: str | None
    auto_scale_evaluation_interval: str | None
    target_dedicated_nodes: int | None
    target_low_priority_nodes: int | None


def formula(value: str | None) -> str | None:
    """A formula that can be evaluated. AutoScalingFormulaTooLong, AutoScalingFormulaSyntaxError."""
    if value is None:
        return None
    try:
        parse(short_formula(value))
    except SyntaxFault as fault:
        raise Refusal("AutoScalingFormulaSyntaxError", Message=fault.text) from fault
    return value


def short_formula(value: str | None) -> str:
    """A formula of allowed length, whatever it says. AutoScalingFormulaTooLong."""
    text = required(value, FORMULA)
    if len(text) > LONGEST:
        raise Refusal("AutoScalingFormulaTooLong", PropertyName=FORMULA, MaxLimit=LONGEST)
    return text


def interval(value: str | None) -> int | None:
    """From five minutes to a week."""
    length = duration(value, INTERVAL, LEAST_INTERVAL)
    if value is not None and (length is None or length > MOST_INTERVAL):
        raise invalid_property(INTERVAL, value, "It is at most 168 hours.")
    return length


def scaling_of(body: Scaled) -> Scaling | None:
    """How the pool finds its size, None when it is given one. InvalidAutoScalingSettings when it is both."""
    if not body.enable_auto_scale:
        _absent(body, "auto_scale_formula", "auto_scale_evaluation_interval", when="enableAutoScale is not true")
        return None
    if body.auto_scale_formula is None:
        raise missing_property(FORMULA)
    targets = ("target_dedicated_nodes", "target_low_priority_nodes")
    _absent(body, *targets, when="enableAutoScale is true")
    text, every = formula(body.auto_scale_formula), interval(body.auto_scale_evaluation_interval)
    return Scaling(formula=text or "") if every is None else Scaling(formula=text or "", interval=every)


def _absent(body: Scaled, *names: str, when: str) -> None:
    for name in names:
        if getattr(body, name) is not None:
            first, *rest = name.split("_")
            spelled = first + "".join(map(str.title, rest))
            raise Refusal(
                "InvalidAutoScalingSettings", PropertyName=spelled, Reason=f"It must not be given when {when}."
            )
