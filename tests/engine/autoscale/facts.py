"""Formulas on a pool that is made up: what they come to, and what they complain about."""

from __future__ import annotations

from typing import Any

from linarite.engine.autoscale.evaluation import Outcome, evaluate
from linarite.engine.autoscale.metrics import Facts, slot_of
from linarite.engine.autoscale.parsing import parse
from linarite.engine.autoscale.records import PoolSample

NOW = 1_476_386_327_805_000
"""Thursday, 2016-10-13T19:18:47.805Z."""
SLOT = slot_of(NOW)


def sample(age: int = 0, **numbers: int) -> PoolSample:
    """A sample of so many half minutes ago."""
    return PoolSample(pool_key=1, slot=SLOT - age, **numbers)


HISTORY = [sample(age, active_tasks=age, running_tasks=2, nodes=3) for age in range(9, -1, -1)]
"""Ten samples: active tasks 9, 8 ... 0, the newest last; those of five minutes."""
LATEST = sample(
    active_tasks=4, running_tasks=2, succeeded_tasks=7, failed_tasks=1, dedicated_nodes=3, low_priority_nodes=5,
    preempted_nodes=1, nodes=8, usable_nodes=6, task_slots=4,
)  # fmt: skip


def facts(**changed: Any) -> Facts:
    given = {"now": NOW, "dedicated": 2, "low_priority": 1, "latest": LATEST, "history": HISTORY}
    return Facts(**{**given, "rand": lambda: 0.25, **changed})


def outcome(formula: str, **changed: Any) -> Outcome:
    """What a formula decides; its fault is the test's."""
    found = evaluate(parse(formula), facts(**changed))
    assert found.fault is None, found.fault
    return found


def variables(formula: str, **changed: Any) -> str:
    return outcome(formula, **changed).variables


def complaint(formula: str, **changed: Any) -> str:
    """What is wrong with a formula; the targets are as they were."""
    found = evaluate(parse(formula), facts(**changed))
    assert found.fault is not None, found
    assert (found.dedicated, found.low_priority, found.option, found.variables) == (2, 1, "requeue", "")
    return found.fault.text
