"""What all tests share: a real server a worker, a fresh account a test, markers that say loudly what was left out."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support import blobs, contained, postgres
from tests.support import slurm as slurms
from tests.support.left_out import leave_out
from tests.support.server import RunningServer, running_server

from linarite.store import open_store


def open_and_close(where: str) -> None:
    """Make the tables of a store."""

    async def story() -> None:
        await open_store(where).close()

    asyncio.run(story())


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    """One server for all tests of this worker; a test keeps to its own account."""
    with running_server() as running:
        yield running


@pytest.fixture(scope="session")
def azurite() -> Iterator[blobs.Azurite]:
    """One Azurite for all tests of this worker; each test has containers of its own."""
    if (reason := blobs.missing()) is not None:
        leave_out(reason)
    with blobs.running_azurite() as running:
        yield running


@pytest.fixture(scope="module")
def podman() -> Iterator[Path]:
    """A folder for all users with podman's settings for this machine; left out where no container can run."""
    contained.require_podman()
    with contained.shared_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Postgres]:
    """One PostgreSQL for all tests of this worker; each test has a database of its own."""
    if (reason := postgres.missing()) is not None:
        leave_out(reason)
    with postgres.running_postgres() as running:
        yield running


@pytest.fixture(scope="session")
def new_store(postgresql: postgres.Postgres) -> str:
    """The name of a database with the tables of a store that nobody has used yet."""
    name = postgresql.new_database()
    open_and_close(postgresql.url(name))
    return name


@pytest.fixture
def new_database(postgresql: postgres.Postgres, new_store: str) -> Iterator[str]:
    """The address of a new store of this test's own."""
    name = postgresql.new_database(template=new_store)
    yield postgresql.url(name)
    postgresql.drop(name)


@pytest.fixture(scope="session")
def slurm_installed() -> None:
    """Leave out, loudly, what needs Slurm where it is not installed."""
    if (reason := slurms.missing()) is not None:
        leave_out(reason)


@pytest.fixture(scope="session")
def slurm(slurm_installed: None) -> Iterator[slurms.SlurmCluster]:
    """One Slurm of 4 nodes with 4 CPUs each for all tests of this worker; a test kills no daemon of it."""
    with slurms.running_slurm(4, 4) as running:
        yield running


@pytest.fixture
def slurm_cluster(slurm_installed: None) -> Iterator[Callable[..., slurms.SlurmCluster]]:
    """Starts clusters of this test's own, as `running_slurm` does: to kill daemons, or with other settings."""
    with ExitStack() as running:
        yield lambda *sizes, **knobs: running.enter_context(slurms.running_slurm(*sizes, **knobs))


@pytest.fixture
def account() -> str:
    """The name of an account that nobody has used; the development key is its key."""
    return f"t{uuid.uuid4().hex[:20]}"


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot be done here, with the reason; with CI set that is a failure."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        leave_out("it runs tasks as an unprivileged user, which needs root")
    if item.get_closest_marker("specs") and not os.environ.get("LINARITE_SPECS"):
        leave_out("LINARITE_SPECS names no folder of specifications", always=True)
