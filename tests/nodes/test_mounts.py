"""Shares below a node's folder: bound or linked there, whatever a task puts in the way; let go of before removal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.nodes.helpers import NODE, Site, eventually, is_ready

from linarite.engine.launching import Emptied, NodeFreed, NodeOrder, NodeReady, NodeUnusable
from linarite.engine.mounting import Mount, MountError
from linarite.nodes import mounts
from linarite.nodes.folders import Sweeper

pytestmark = pytest.mark.anyio
DATA = Mount(path="in/data", account="devaccount", share="data")


class Shares:
    """One share."""

    def __init__(self, folder: Path) -> None:
        self.path = folder

    async def folder(self, mount: Mount, account: str) -> str:
        return str(self.path)


@pytest.fixture
def share(data: Path, site: Site) -> Iterator[Path]:
    folder = data / "share"
    folder.mkdir()
    (folder / "kept").write_text("kept")
    if site.uid is not None:
        for path in (folder, folder / "kept"):
            os.chown(path, site.uid, site.uid)
    yield folder
    mounts.detach(str(data / "nodes"), "devaccount")


async def _mounted(site: Site, share: Path, emptied: Emptied = Emptied.NOTHING) -> NodeReady | NodeUnusable:
    """Have the node made with the share; gives what is reported of it."""
    await site.again(mountable=Shares(share))
    await site.local.provision([NodeOrder(node=NODE, emptied=emptied, mounts=(DATA,))])
    await site.heard.until(lambda: site.heard.nodes)
    report = site.heard.nodes[-1]
    assert not isinstance(report, NodeFreed)
    return report


async def test_mount_is_there_when_the_node_is_ready(site: Site, share: Path) -> None:
    """Said again it changes nothing; a task reads and writes through it."""
    for _ in range(2):
        assert is_ready(await _mounted(site, share))
    run = await site.sh("cd $AZ_BATCH_NODE_MOUNTS_DIR/in/data && cat kept && echo new > new")
    assert (await site.heard.exited(run)).code == 0
    assert (site.out(run), (share / "new").read_text()) == ("kept", "new\n")


@pytest.mark.parametrize("emptied", [Emptied.ALL, None])
async def test_files_of_a_share_outlive_those_of_the_node(site: Site, share: Path, emptied: Emptied | None) -> None:
    await _mounted(site, share)
    if emptied is None:
        await site.local.release([NODE])
    else:
        assert is_ready(await _mounted(site, share, emptied))
    trash = site.data / "nodes/devaccount/.trash"
    await eventually(lambda: trash.exists() and not any(trash.iterdir()))
    assert (share / "kept").read_text() == "kept"


@pytest.mark.parametrize("way", ["fsmounts", "fsmounts/in", "fsmounts/in/data"])
async def test_link_in_the_way_is_not_followed(site: Site, share: Path, data: Path, way: str) -> None:
    """A task would have the server mount over a folder of its choice."""
    victim = data / "victim"
    victim.mkdir(mode=0o755)
    script = f"cd $AZ_BATCH_NODE_ROOT_DIR && mkdir -p $(dirname {way}) && rm -rf {way} && ln -s {victim} {way}"
    run = await site.sh(script)
    assert (await site.heard.exited(run)).code == 0
    report = await _mounted(site, share)
    assert isinstance(report, NodeUnusable)
    assert (report.code, report.details["MountConfigurationPath"]) == ("mount-failed", "in/data")
    assert list(victim.iterdir()) == []
    assert not _is_mounted(victim)


@pytest.mark.root
async def test_sweeper_enters_no_mount(data: Path, site: Site, share: Path) -> None:
    """Even if a mount was not let go of, what is behind it is not removed."""
    await _mounted(site, share)
    trash = data / "trash"
    Sweeper().discard(str(site.root()), str(trash), str(site.root().parent))
    await eventually(lambda: _only_mounts_left(trash))
    assert (share / "kept").read_text() == "kept"
    mounts.detach(str(data), "trash")


def _is_mounted(folder: Path) -> bool:
    return os.path.ismount(folder)


def _only_mounts_left(trash: Path) -> bool:
    """Whether all is gone but the folder that the share is mounted in."""
    try:
        (left,) = trash.iterdir()
        return [path.name for path in left.iterdir()] == ["data"]
    except (FileNotFoundError, ValueError):
        return False


async def test_server_without_root_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    share = tmp_path / "share"
    share.mkdir()
    (tmp_path / "nodes/a/p/n/fsmounts").mkdir(parents=True)
    for _ in range(2):
        mounts.attach(str(tmp_path / "nodes"), "a/p/n", "x/y", str(share), read_only=False, owner=None)
    assert (tmp_path / "nodes/a/p/n/fsmounts/x/y").readlink() == share
    with pytest.raises(MountError, match="reading"):
        mounts.attach(str(tmp_path / "nodes"), "a/p/n", "z", str(share), read_only=True, owner=None)
