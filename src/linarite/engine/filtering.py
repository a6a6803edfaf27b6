"""A condition on records, as data: a face parses its own grammar into this, a store compiles it; and what it finds.

`Compare("executionInfo/exitCode", "eq", 3)` names a property by the engine's path. Values are text, numbers, booleans
or times (microseconds).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec

R = TypeVar("R")


class Compare(msgspec.Struct, frozen=True, tag=True):
    """`name` `operator` `value`; operators eq ne lt le gt ge startswith.

    In searches also contains, endswith, notstartswith, notcontains, notendswith.
    """

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


class Numbered(msgspec.Struct, frozen=True):
    """The number that stands for what is at `path`, None for all else."""

    path: str
    numbers: Mapping[str, int] | Mapping[bool, int]


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a search: the first of these that has a value, else `default`. Texts are compared in lower case.

    A path names a fact of the task (`facts/<face>/<name>`, `spec/<name>`, `failure/<name>`), of its job (`job/...`),
    or one of the store's own words: the engine's properties of tasks, `attempt`, `progression` (0 a task whose job is
    over, 1 active, 2 preparing, 3 running, 4 succeeded, 5 failed), `unfinished` (the same of those that are not
    completed), `percent` (100 for a success), `stage`, `owner` of the job, `account`.
    """

    kind: Literal["text", "number", "truth"] = "text"
    of: tuple[str | Numbered, ...]
    default: str | int | None = None


class Order(msgspec.Struct, frozen=True):
    """By a column of the search."""

    column: str
    descending: bool = False


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an account's tasks in any order, of equals the older first; `where` and `order` name its `columns`."""

    columns: Mapping[str, Derived]
    where: Expression | None = None
    order: tuple[Order, ...] = ()
    skip: int = 0
    limit: int
