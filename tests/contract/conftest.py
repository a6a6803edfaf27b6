"""The suite that every store must pass: a store joins by an address in `address`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from linarite.store import SqlStore, open_store

Story = Callable[[SqlStore], Awaitable[Any]]


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new, empty store may be."""
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    address: str = request.getfixturevalue("new_database")
    return address


@pytest.fixture
def play(address: str) -> Callable[[Story], Any]:
    """A function that opens the store, runs a story with it and closes it; the same store each time."""

    async def told(story: Story) -> Any:
        store = open_store(address)
        try:
            return await story(store)
        finally:
            await store.close()

    return lambda story: asyncio.run(told(story))
