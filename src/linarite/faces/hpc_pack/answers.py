"""What an operation answers, before a surface makes bytes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

Pairs = list[tuple[str, str]]


class Properties(NamedTuple):
    """Names and values of one thing, in the order asked for."""

    pairs: Pairs


class Objects(NamedTuple):
    """Several things; `more` is the query to go on with, `total` the count of all where it was asked for."""

    rows: list[Pairs]
    more: str | None = None
    total: int | None = None


class Number(NamedTuple):
    """The number of what was made."""

    value: int


class Text(NamedTuple):
    """One text."""

    value: str


class Texts(NamedTuple):
    """A list of texts."""

    values: list[str]


class Document(NamedTuple):
    """An XML document of its own, in pieces."""

    pieces: AsyncIterator[bytes]


class Data(NamedTuple):
    """What JSON can hold: an object of that type, or a list of them."""

    type: str
    value: Any


class Accepted(NamedTuple):
    """Begun, and nothing to tell."""


class Nothing(NamedTuple):
    """Done, and nothing to tell."""


Answer = Properties | Objects | Number | Text | Texts | Document | Data | Accepted | Nothing
