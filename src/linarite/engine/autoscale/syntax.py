"""What a formula is made of, as its parser leaves it. `depth` counts the nesting, parentheses aside."""

from __future__ import annotations

from typing import NamedTuple

from linarite.engine.autoscale.faults import Place


class Number(NamedTuple):
    """A number as it is written."""

    value: float
    depth: int = 1


class Text(NamedTuple):
    """A string as it is written."""

    value: str
    depth: int = 1


class Name(NamedTuple):
    """A variable, a metric, a constant or a deallocation option."""

    place: Place
    name: str
    depth: int = 1


class Unary(NamedTuple):
    """An operator before its operand."""

    place: Place
    operator: str
    operand: Expression
    depth: int


class Link(NamedTuple):
    """An operator between what stands before it and its operand."""

    place: Place
    operator: str
    operand: Expression


class Chain(NamedTuple):
    """Operands between operators of one rank, read from the left: flat, so that a long sum is not a deep one."""

    first: Expression
    links: tuple[Link, ...]
    depth: int


class Choice(NamedTuple):
    """One of two expressions; the other one is not evaluated."""

    place: Place
    test: Expression
    yes: Expression
    no: Expression
    depth: int


class Vector(NamedTuple):
    """Numbers and vectors between brackets."""

    place: Place
    items: tuple[Expression, ...]
    depth: int


class Member(NamedTuple):
    """A part of a timestamp."""

    place: Place
    target: Expression
    name: str
    depth: int


class Call(NamedTuple):
    """A function with its arguments."""

    place: Place
    name: str
    arguments: tuple[Expression, ...]
    depth: int


class Method(NamedTuple):
    """A method of a metric with its arguments."""

    place: Place
    target: Expression
    name: str
    arguments: tuple[Expression, ...]
    depth: int


Expression = Number | Text | Name | Unary | Chain | Choice | Vector | Member | Call | Method


class Statement(NamedTuple):
    """`name = expression`, or an expression alone (`stop()`), whose value goes nowhere."""

    place: Place
    name: str | None
    expression: Expression


Formula = tuple[Statement, ...]
