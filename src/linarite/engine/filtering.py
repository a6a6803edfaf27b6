"""A condition on records, as data: a face parses its own grammar into this, a store compiles it; and what it finds.

`Compare("executionInfo/exitCode", "eq", 3)` names a property by the engine's path. Values are text, numbers, booleans
or times (microseconds).
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import msgspec

R = TypeVar("R")


class Compare(msgspec.Struct, frozen=True, tag=True):
    """`name` `operator` `value`; operators eq ne lt le gt ge startswith."""

    name: str
    operator: str
    value: str | int | float | bool | None


class Both(msgspec.Struct, frozen=True, tag=True):
    """Both hold."""

    left: Expression
    right: Expression


class Either(msgspec.Struct, frozen=True, tag=True):
    """One of them holds."""

    left: Expression
    right: Expression


Expression = Compare | Both | Either


class Listed(NamedTuple, Generic[R]):
    """What a list found with bounded work: maybe few records or none, though more follow from `position` on.

    `position` is the store's own text, to be given back to go on; None at the end of the list.
    """

    records: list[R]
    position: str | None
