"""Nodes that are machines: their folders, what is told of the machines, and what is asked of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.nodes.slurm.conftest import NewSite
from tests.nodes.slurm.site import SlurmSite, is_ready

from linarite.engine.launching import Emptied, MachineState, NodeFreed, NodeUnusable
from linarite.engine.mounting import Mount

pytestmark = pytest.mark.anyio


class Shares:
    """One share."""

    def __init__(self, folder: Path) -> None:
        self.path = folder

    async def folder(self, mount: Mount, account: str) -> str:
        return str(self.path)


def root(site: SlurmSite, name: str = "n1") -> Path:
    return Path(site.nodes.root(site.node(name)))


async def test_node_is_made_anew(slurm_site: SlurmSite):
    """A reboot empties what is volatile, a new image all; memory is the machine's."""
    site = slurm_site
    report = await site.provision()
    assert (is_ready(report), report.memory_mb) == (True, 2000)
    for emptied, kept in (
        (Emptied.NOTHING, (True, True)),
        (Emptied.VOLATILE, (False, True)),
        (Emptied.ALL, (False, False)),
    ):
        run = await site.sh("touch $AZ_BATCH_NODE_ROOT_DIR/volatile/a $AZ_BATCH_NODE_SHARED_DIR/b")
        assert (await site.heard.exited(run)).code == 0
        assert is_ready(await site.provision(emptied=emptied))
        assert tuple((root(site) / path).exists() for path in ("volatile/a", "shared/b")) == kept


async def test_node_is_given_back(slurm_site: SlurmSite):
    site = slurm_site
    await site.provision("n2")
    await site.nodes.deallocate([site.node("n2")])
    await site.heard.until(lambda: NodeFreed(node=site.node("n2")) in site.heard.nodes)
    assert not root(site, "n2").exists()
    await site.nodes.release([site.node()])
    await site.until(lambda: not root(site).exists())


async def test_folders_that_a_crash_left(slurm_site: SlurmSite):
    site = slurm_site
    await site.provision("n2")
    await site.nodes.forget_others([site.node("n2")])
    await site.until(lambda: not root(site).exists())
    assert root(site, "n2").exists()


async def test_directories_of_tasks(slurm_site: SlurmSite):
    site = slurm_site
    runs = [await site.sh("echo x > file") for _ in range(2)]
    for run in runs:
        await site.heard.exited(run)
    named = {f"workitems/job1/job-1/{run}" for run in runs}
    assert set(await site.nodes.directories(site.node())) == named
    with pytest.raises(ValueError, match="leaves the node"):
        await site.nodes.remove_directory(site.node(), "../n2")
    await site.nodes.remove_directory(site.node(), f"workitems/job1/job-1/{runs[0]}")
    await site.until(lambda: not site.folder(runs[0]).exists())
    assert site.folder(runs[1]).exists()


async def test_what_machines_use(slurm_site: SlurmSite):
    await slurm_site.nodes.measure([slurm_site.node()], 7)
    await slurm_site.heard.until(lambda: 7 in slurm_site.heard.uses)
    (use,) = slurm_site.heard.uses[7]
    assert use.node == slurm_site.node()
    assert use.disk_bytes > 0


async def test_machines_are_told(slurm_site: SlurmSite):
    assert [machine.name for machine in slurm_site.heard.machines] == ["n1", "n2", "n3", "n4"]
    first = slurm_site.heard.machine("n1")
    assert (first.cpus, first.memory_mb, first.groups) == (4, 2000, ("main",))
    assert slurm_site.nodes.standing
    assert slurm_site.nodes.may_use("pool1", "any", first)


async def test_share_is_linked_where_machines_see_it(slurm_site: SlurmSite):
    """A share that stands elsewhere is refused."""
    site = slurm_site
    share = site.shared / "share"
    share.mkdir()
    (share / "kept").write_text("kept")
    share.chmod(0o755)
    (share / "kept").chmod(0o644)
    mount = Mount(path="data", account="devaccount", share="data")
    await site.again(mountable=Shares(share))
    assert is_ready(await site.provision(mounts=(mount,)))
    run = await site.sh("cat $AZ_BATCH_NODE_MOUNTS_DIR/data/kept")
    assert (await site.heard.exited(run)).code == 0
    assert site.out(run) == "kept"
    await site.again(mountable=Shares(Path("/tmp")))
    report = await site.provision(mounts=(mount,), emptied=Emptied.ALL)
    assert isinstance(report, NodeUnusable)
    assert report.code == "mount-failed"


@pytest.mark.parametrize("drains", [False, True])
async def test_hold(new_site: NewSite, drains: bool):
    """Drains the machine only where the settings let us; it is told, and resumed."""
    site = await new_site(1, 1, drains=drains)
    await site.nodes.hold(site.node(), held=True)
    if not drains:
        assert site.cluster.node_states() == {"n1": "idle"}
        return
    await site.heard.until(lambda: site.heard.machine("n1").state is MachineState.OFFLINE)
    assert "Scheduling was disabled" in site.heard.machine("n1").reason
    await site.nodes.hold(site.node(), held=False)
    await site.heard.until(lambda: site.heard.machine("n1").state is MachineState.IDLE)
