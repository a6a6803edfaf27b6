"""What a table of properties is: names found in any letter case, values read, settability and limits checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, Generic, TypeVar

from linarite.faces.hpc_pack.answers import Pairs
from linarite.faces.hpc_pack.errors import INVALID_PROPERTY, OUT_OF_RANGE, READ_ONLY, TOO_LONG, bad
from linarite.faces.hpc_pack.values import TEXT, Kind

V = TypeVar("V")
W = TypeVar("W")


class Until(IntEnum):
    """How far in a job's life a property may still be set."""

    CONFIGURING = 0
    QUEUED = 1
    RUNNING = 2
    ALWAYS = 3


def constant(value: object) -> Callable[[object], Any]:
    """What reads the same of every thing."""
    return lambda _: value


class Property(Generic[V, W]):
    """One row: `get` reads the value from a view, `put` writes it into what is wanted (None: read-only).

    `limit` is the most characters of a text. `listed` tells whether it is among all properties; `attribute` whether job
    XML has an attribute of this name.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        get: Callable[[V], Any],
        put: Callable[[W, Any], None] | None = None,
        *,
        limit: int | None = None,
        until: Until = Until.CONFIGURING,
        listed: bool = True,
        attribute: bool = True,
    ) -> None:
        self.name, self.kind, self.get, self.put = name, kind, get, put
        self.limit, self.until, self.listed, self.attribute = limit, until, listed, attribute

    def parse(self, text: str) -> Any:  # noqa: ANN401 - of the property's kind
        """The value of a text, None of an empty one. Refusal."""
        if not text.strip() and self.kind is not TEXT:
            return None
        if self.limit is not None and len(text) > self.limit:
            raise bad(TOO_LONG, f"{self.name} is longer than {self.limit} characters.")
        try:
            return self.kind.parse(text)
        except ValueError as error:
            raise bad(OUT_OF_RANGE, f"{self.name}: {error}") from error


class Table(Generic[V, W]):
    """The properties of one kind of thing, in the order of its page."""

    def __init__(self, thing: str, properties: Iterable[Property[V, W]]) -> None:
        self.thing = thing
        self.properties = tuple(properties)
        self.listed = tuple(item for item in self.properties if item.listed)
        self._by_name = {item.name.lower(): item for item in self.properties}

    def known(self, name: str) -> Property[V, W] | None:
        """The property of that name, None when there is none."""
        return self._by_name.get(name.lower())

    def find(self, name: str) -> Property[V, W]:
        """The property of that name. Refusal when there is none."""
        found = self._by_name.get(name.lower())
        if found is None:
            raise bad(INVALID_PROPERTY, f"{name[:80]!r} is not a property of a {self.thing}.")
        return found

    def pick(self, names: Iterable[str] | None, default: Iterable[str] | None = None) -> list[Property[V, W]]:
        """The properties asked for, in the order asked for; else the default ones; else all."""
        wanted = names if names is not None else default
        return [self.find(name) for name in wanted] if wanted is not None else list(self.listed)

    def read(self, pairs: Pairs) -> list[tuple[Property[V, W], Any]]:
        """What a body sets, checked before anything is changed. Refusal."""
        wanted = []
        for name, text in pairs:
            found = self.find(name)
            if found.put is None:
                raise bad(READ_ONLY, f"Property {found.name} can not be set.")
            wanted.append((found, found.parse(text)))
        return wanted

    @staticmethod
    def write(properties: Iterable[Property[V, W]], view: V) -> Pairs:
        """Names and values of a view, as text."""
        return [(item.name, item.kind.text(item.get(view))) for item in properties]
