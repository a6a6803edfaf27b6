"""What the cluster allows is asked once by whoever takes up the work, and kept to."""

from __future__ import annotations

import pytest
from tests.nodes.slurm.site import COUNTED, SlurmSite

pytestmark = pytest.mark.anyio

CONFIGURATION = "MaxArraySize            = 4\nMaxDBDMsgs              = 20000\nMaxJobCount             = 10000\n"


def asked(site: SlurmSite) -> int:
    """How often somebody asked for it."""
    return len([call for call in site.fake.calls("scontrol") if call.words == ["show", "config"]])


async def runs(site: SlurmSite, number: int) -> list[str]:
    """Have so many runs come to their end; the arrays that they were."""
    known = len(site.fake.calls("sbatch"))
    launches = [site.make_launch(COUNTED, shell=True) for _ in range(number)]
    await site.nodes.launch(launches)
    for launch in launches:
        assert (await site.told_once(launch.run)).code == 0
    words = [word for call in site.fake.calls("sbatch")[known:] for word in call.words]
    return sorted(word.removeprefix("--array=") for word in words if word.startswith("--array"))


async def test_who_takes_over_once_more_is_told_what_the_cluster_allows(slurm_site: SlurmSite):
    """The nodes of a server start whenever it becomes the one that schedules, and the cluster may have changed."""
    site = slurm_site
    assert await runs(site, 5) == ["0-4"]
    site.fake.answer("scontrol", CONFIGURATION, when="show config", times=None)
    for _ in range(2):
        await site.nodes.stop()
        await site.nodes.start(site.heard)
        assert await runs(site, 5) == ["0-1", "0-2"]
    site.fake.forget("scontrol")
    await site.nodes.stop()
    await site.nodes.start(site.heard)
    assert await runs(site, 5) == ["0-4"]


async def test_cluster_without_a_partition_of_its_own_is_asked_once(slurm_site: SlurmSite):
    """Not again with each look at the machines."""
    site = slurm_site
    site.fake.answer("sinfo", "main\nlong\n", when="-o %P", times=None)
    await site.again()
    known = asked(site)
    looks = len(site.fake.calls("sinfo"))
    await site.called("sinfo", looks + 6)
    assert asked(site) == known
    assert await runs(site, 1) == ["0"]
