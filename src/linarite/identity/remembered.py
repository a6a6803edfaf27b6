"""Answers remembered for a short while."""

from __future__ import annotations

import time
from typing import Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """A bounded map whose entries are gone `life` seconds after they were put."""

    def __init__(self, life: float, most: int = 10_000) -> None:
        """`most` entries are kept; one more and all are forgotten."""
        self._life, self._most = life, most
        self._entries: dict[str, tuple[float, V]] = {}

    def get(self, name: str) -> V | None:
        """What was put, None when it is gone."""
        entry = self._entries.get(name)
        return entry[1] if entry is not None and entry[0] > time.monotonic() else None

    def put(self, name: str, value: V) -> V:
        """Remember; returns the value."""
        if len(self._entries) >= self._most:
            self._entries.clear()
        self._entries[name] = (time.monotonic() + self._life, value)
        return value
