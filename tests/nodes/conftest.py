"""Nodes in a folder that tasks' users can reach; every host and process is gone when a test ends."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.nodes.helpers import Site, eventually
from tests.nodes.web import Web

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def data() -> Iterator[Path]:
    """pytest's own folders are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="linarite-nodes-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def site(data: Path) -> AsyncIterator[Site]:
    """Nodes with one that is ready. As root, tasks run as an unprivileged user that no other test has."""
    uid = random.randrange(300_000, 2_000_000_000) if AS_ROOT else None
    site = Site(data, uid)
    await site.start()
    await site.provision()
    yield site
    await _clear(site)


@pytest.fixture
async def plain_site(data: Path) -> AsyncIterator[Site]:
    """Nodes whose tasks run as the server's user, whoever that is."""
    site = Site(data, None)
    await site.start()
    await site.provision()
    yield site
    await _clear(site)


async def _clear(site: Site) -> None:
    await site.local.stop()
    site.kill_everything()
    await eventually(lambda: not site.host_pids() | site.task_pids())


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()
