"""A formula with the facts of a pool: its targets, its deallocation option, and what each variable came to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from linarite.engine.autoscale import metrics, operators
from linarite.engine.autoscale.faults import EvaluationFault, Fault, Place
from linarite.engine.autoscale.functions import FUNCTIONS, STOP, joined
from linarite.engine.autoscale.metrics import METRICS, Facts
from linarite.engine.autoscale.syntax import (
    Call,
    Chain,
    Choice,
    Expression,
    Formula,
    Member,
    Method,
    Name,
    Number,
    Statement,
    Text,
    Unary,
    Vector,
)  # fmt: skip
from linarite.engine.autoscale.values import INTERVALS, TIMESTAMP_MEMBERS, Metric, Option, Timestamp, Value, kind, text
from linarite.engine.model import MOST_NODES

MOST_STEPS = 100_000
"""Operations and elements of vectors that one evaluation may touch. A limit of our own."""
MOST_PRINTED = 65_536
"""Characters of the variables in results; what is longer is cut, and ends with three dots. A limit of our own."""

DEDICATED, LOW_PRIORITY, OPTION = "$TargetDedicatedNodes", "$TargetLowPriorityNodes", "$NodeDeallocationOption"
ALIASES = {"$TargetDedicated": DEDICATED, "$TargetLowPriority": LOW_PRIORITY}
OPTIONS = ("requeue", "terminate", "taskcompletion", "retaineddata")
_TARGETS = {DEDICATED, LOW_PRIORITY, *ALIASES}
_FIXED = {*METRICS, *INTERVALS, *OPTIONS}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a formula decided. With a fault the targets are as they were, the option is the default, nothing is told."""

    dedicated: int
    low_priority: int
    option: str = OPTIONS[0]
    variables: str = ""
    fault: Fault | None = None


def evaluate(formula: Formula, facts: Facts) -> Outcome:
    """Evaluate a formula. Never raises: what is wrong with it is the outcome's `fault`."""
    run = _Run(facts)
    try:
        run.statements(formula)
        return run.outcome()
    except Fault as fault:
        return Outcome(dedicated=facts.dedicated, low_priority=facts.low_priority, fault=fault)


class _Stopped(Exception):
    """The formula said `stop()`."""


class _Run:
    """One evaluation: variables by name, where targets were assigned, and what work is left."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._variables: dict[str, Value] = {}
        self._places: dict[str, Place] = {}
        self._left = MOST_STEPS

    # -- statements --------------------------------------------------------------------------------------------------

    def statements(self, formula: Formula) -> None:
        try:
            for statement in formula:
                self._statement(statement)
        except _Stopped:
            return

    def _statement(self, statement: Statement) -> None:
        name, place = statement.name, statement.place
        value = self._plain(statement.expression, place)
        if name is None:
            return
        if name in _FIXED:
            raise EvaluationFault(place, f"'{name}' cannot be assigned.")
        wanted = "double" if name in _TARGETS else "deallocation option" if name == OPTION else kind(value)
        if kind(value) != wanted:
            raise EvaluationFault(place, f"{name} is a {wanted}, not a {kind(value)}.")
        self._variables[name], self._places[name] = value, place

    def outcome(self) -> Outcome:
        """What the variables amount to. EvaluationFault when a target is no number of nodes."""
        option = self._variables.get(OPTION)
        return Outcome(
            dedicated=self._target(DEDICATED, self._facts.dedicated),
            low_priority=self._target(LOW_PRIORITY, self._facts.low_priority),
            option=option.word if isinstance(option, Option) else OPTIONS[0],
            variables=self._printed(),
        )

    def _target(self, name: str, current: int) -> int:
        """A target as it was assigned, the full name before its alias; a fraction of a node is none."""
        names = [name, *(alias for alias, full in ALIASES.items() if full == name)]
        given = next((each for each in names if each in self._variables), None)
        if given is None:
            return current
        value = self._variables[given]
        assert isinstance(value, float), "nothing else is ever assigned to a target"
        if not -1 < value < MOST_NODES + 1:
            raise EvaluationFault(self._places[given], f"{given} is {value:g}: it is from 0 to {MOST_NODES}.")
        return int(value)

    def _printed(self) -> str:
        """The user's variables by name; the order of characters, so `$` comes before letters."""
        own = sorted(name for name in self._variables if name not in _TARGETS and name != OPTION)
        for name in own:
            self._spend(self._variables[name])
        printed = ";".join(f"{name}={text(self._variables[name])}" for name in own)
        return printed if len(printed) <= MOST_PRINTED else f"{printed[: MOST_PRINTED - 3]}..."

    # -- expressions -------------------------------------------------------------------------------------------------

    def _value(self, expression: Expression) -> Value:
        value = _EVALUATE[type(expression)](self, expression)
        self._spend(value)
        return value

    def _spend(self, value: Value) -> None:
        """Pay for a value: 1, and as much as a vector has elements or a string characters."""
        self._left -= 1 + (len(value) if isinstance(value, tuple | str) else 0)
        if self._left < 0:
            raise EvaluationFault(Place(1, 1), f"The formula takes more than {MOST_STEPS} steps.")

    def _plain(self, expression: Expression, place: Place) -> Value:
        """The value, the latest one of a metric."""
        value = self._value(expression)
        return metrics.latest(self._facts, value.name, place) if isinstance(value, Metric) else value

    def name(self, node: Name) -> Value:
        if node.name in self._variables:
            return self._variables[node.name]
        if node.name in METRICS:
            return Metric(node.name)
        if node.name in INTERVALS:
            return INTERVALS[node.name]
        if node.name in OPTIONS:
            return Option(node.name)
        full = ALIASES.get(node.name, node.name)
        if full in _TARGETS:
            current = self._facts.dedicated if full == DEDICATED else self._facts.low_priority
            return self._variables.get(full, float(current))
        if node.name == OPTION:
            return Option(OPTIONS[0])
        raise EvaluationFault(node.place, f"'{node.name}' is not defined.")

    def unary(self, node: Unary) -> Value:
        return operators.unary(node.place, node.operator, self._plain(node.operand, node.place))

    def chain(self, node: Chain) -> Value:
        value = self._plain(node.first, node.links[0].place)
        for place, sign, operand in node.links:
            if sign in {"&&", "||"}:
                value = self._logical(place, sign, value, operand)
            else:
                value = operators.binary(place, sign, value, self._plain(operand, place))
                self._spend(value)
        return value

    def _logical(self, place: Place, sign: str, left: Value, operand: Expression) -> Value:
        """The right side is evaluated when it still decides."""
        if operators.truth(place, left) is (sign == "||"):
            return float(sign == "||")
        return float(operators.truth(place, self._plain(operand, place)))

    def choice(self, node: Choice) -> Value:
        yes = operators.truth(node.place, self._plain(node.test, node.place))
        return self._value(node.yes if yes else node.no)

    def vector(self, node: Vector) -> Value:
        return joined(node.place, [self._plain(item, node.place) for item in node.items])

    def member(self, node: Member) -> Value:
        target = self._value(node.target)
        part = TIMESTAMP_MEMBERS.get(node.name)
        if part is None or not isinstance(target, Timestamp):
            raise EvaluationFault(node.place, f"A {kind(target)} has no member '{node.name}'.")
        return float(part(target.date))

    def call(self, node: Call) -> Value:
        if node.name == STOP and not node.arguments:
            raise _Stopped
        function = FUNCTIONS.get(node.name)
        if function is None:
            raise EvaluationFault(node.place, f"There is no function '{node.name}' with these arguments.")
        return function(self._facts, node.place, [self._plain(each, node.place) for each in node.arguments])

    def method(self, node: Method) -> Value:
        target = self._value(node.target)
        if not isinstance(target, Metric):
            raise EvaluationFault(node.place, f"A {kind(target)} has no method '{node.name}'.")
        arguments = [self._plain(each, node.place) for each in node.arguments]
        return metrics.call(self._facts, target.name, node.name, arguments, node.place)


_EVALUATE: dict[type, Callable[[_Run, Any], Value]] = {
    Number: lambda _, node: node.value,
    Text: lambda _, node: node.value,
    Name: _Run.name,
    Unary: _Run.unary,
    Chain: _Run.chain,
    Choice: _Run.choice,
    Vector: _Run.vector,
    Member: _Run.member,
    Call: _Run.call,
    Method: _Run.method,
}
