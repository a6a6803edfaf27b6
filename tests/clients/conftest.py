"""What clients do is the same wherever tasks run: tests whose server has nodes run on each kind of them.

Who starts a server here does so by `provider`; a test is then one on local nodes and one on a real Slurm, unless
`ON_ONE_KIND` names it with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TypeGuard

import pytest
from tests.clients.drivers import CLIENTS
from tests.clients.one_kind import reason_for_one_kind
from tests.support import slurm as slurms
from tests.support.provider import LOCAL, SLURM, Provider
from tests.support.server import RunningServer

EVERY_CLIENT = "LINARITE_SLURM_EVERY_CLIENT"
"""The environment's variable with which every client goes through every scenario on Slurm too: minutes more."""
MACHINES, CPUS = 4, 64
"""Of the cluster, which says the truth of its memory; tests leave tasks there that sleep."""


@pytest.fixture(scope="session")
def slurm_for_clients(slurm_installed: None) -> Iterator[slurms.SlurmCluster]:
    """One Slurm for all servers of this worker."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    options = {f"n{number}": f"RealMemory={memory}" for number in range(1, MACHINES + 1)}
    with slurms.running_slurm(MACHINES, CPUS, node_options=options) as running:
        yield running


@pytest.fixture(scope="session")
def provider(request: pytest.FixtureRequest) -> Provider:
    """What starts the servers of a test."""
    if getattr(request, "param", LOCAL) == LOCAL:
        return Provider()
    return Provider(request.getfixturevalue("slurm_for_clients"))


@pytest.fixture(scope="session")
def server(provider: Provider) -> Iterator[RunningServer]:
    """One server for all tests of this worker on one kind of nodes; a test keeps to its own account."""
    with provider.server() as running:
        yield running


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have one client each, in turn, go through the scenarios on Slurm; all of them where EVERY_CLIENT is set."""
    if os.environ.get(EVERY_CLIENT):
        return
    scenarios = list(dict.fromkeys(each.function.__name__ for each in items if _on_slurm(each)))
    clients = list(CLIENTS)
    chosen = {scenario: clients[number % len(clients)] for number, scenario in enumerate(scenarios)}
    left = [
        each for each in items if _on_slurm(each) and each.callspec.params["client"] != chosen[each.function.__name__]
    ]
    config.hook.pytest_deselected(items=left)
    items[:] = [each for each in items if each not in set(left)]


def _on_slurm(item: pytest.Item) -> TypeGuard[pytest.Function]:
    """Whether a test is one client's way through a scenario on Slurm."""
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return params.get("provider") == SLURM and params.get("client") in CLIENTS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make of each test with a server one for each kind of nodes."""
    name = f"{metafunc.module.__name__.rpartition('.')[2]}.py::{metafunc.function.__name__}"
    if "provider" in metafunc.fixturenames and reason_for_one_kind(name) is None:
        metafunc.parametrize("provider", [LOCAL, SLURM], indirect=True, scope="session")
