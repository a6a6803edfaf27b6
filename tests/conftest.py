"""What all tests share: a real server a worker, a fresh account a test, markers that say loudly what was left out."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator

import pytest
from tests.support import blobs
from tests.support.left_out import leave_out
from tests.support.server import RunningServer, running_server


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
