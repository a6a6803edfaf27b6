"""What is wrong with a formula, and where. Nothing else leaves this room."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where something stands in a formula; both count from 1. A call stands where its parenthesis opens."""

    line: int
    column: int


class Fault(Exception):
    """A formula that cannot be used: `text` is the service's one line about it, `Line 1, Col 24: what is wrong`."""

    def __init__(self, place: Place, reason: str) -> None:
        self.text = f"Line {place.line}, Col {place.column}: {reason}"
        super().__init__(self.text)


class SyntaxFault(Fault):
    """The text is no formula, or too deep or too long for one."""


class EvaluationFault(Fault):
    """The formula means nothing just now: a wrong type, an unknown name, a target that is no number of nodes."""


class SampleFault(EvaluationFault):
    """The formula wants more samples of a metric than there are."""
