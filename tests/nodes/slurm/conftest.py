"""Nodes on the tests' own Slurm; no job is left when a test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.nodes.slurm.site import SlurmSite, is_ready
from tests.support.slurm import SlurmCluster

NewSite = Callable[..., Awaitable[SlurmSite]]


@pytest.fixture
async def slurm_site(slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SlurmSite]:
    """Nodes with one that is ready, on the cluster that several tests share."""
    site = SlurmSite(slurm, monkeypatch)
    await site.start()
    assert is_ready(await site.provision())
    yield site
    await site.close()
    slurm.cancel_all()


@pytest.fixture
async def new_site(
    slurm_cluster: Callable[..., SlurmCluster], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[NewSite]:
    """Makes nodes on a cluster of the test's own: `cluster` are its settings, others those of the nodes."""
    sites = list[SlurmSite]()

    async def make(
        nodes: int = 1, cpus: int = 4, *, cluster: dict[str, Any] | None = None, **options: Any
    ) -> SlurmSite:
        site = SlurmSite(slurm_cluster(nodes, cpus, **(cluster or {})), monkeypatch)
        sites.append(site)
        await site.start(**options)
        assert is_ready(await site.provision())
        return site

    yield make
    for site in sites:
        await site.close()
