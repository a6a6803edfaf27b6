"""What stories about the tree begin with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from linarite.engine.sharing.ports import Place
from linarite.shares import DirectoryTree


@pytest.fixture
def tree(tmp_path: Path) -> DirectoryTree:
    """One with an empty share."""
    made = DirectoryTree(str(tmp_path / "shares"))
    asyncio.run(made.make_share(Place("account", "share")))
    return made
