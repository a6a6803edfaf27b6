"""Node folders: made with the documented layout, moved away at once and removed in the background."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.nodes.helpers import NODE, Site, eventually, is_ready

from linarite.engine.launching import Emptied, NodeFreed, NodeOrder, NodeRef, NodeUnusable
from linarite.nodes.folders import Sweeper, make_folder

pytestmark = pytest.mark.anyio


TASK = "workitems/job1/job-1/t"
LEFT = {"shared/a", "startup/wd/d", f"{TASK}/stdout.txt", f"{TASK}/stderr.txt"}


def _swept(site: Site) -> bool:
    trash = site.data / "nodes/devaccount/.trash"
    return trash.exists() and not any(trash.iterdir())


async def test_provision_layout(site: Site) -> None:
    """A node's root has the documented folders."""
    root = site.root()
    assert root == site.data / "nodes/devaccount/pool1/node1"
    names = {str(path.relative_to(root)) for path in root.rglob("*")}
    assert names == {"applications", "fsmounts", "shared", "startup", "startup/wd", "volatile", "workitems"}


async def test_provision_again(site: Site) -> None:
    """Making a node that is there keeps its files."""
    (site.root() / "shared/file").write_text("kept")
    site.heard.nodes.clear()
    await site.provision()
    assert (site.root() / "shared/file").read_text() == "kept"


async def test_provision_impossible(site: Site) -> None:
    """A node whose folders cannot be made is unusable, with the reason."""
    run = await site.sh("echo > $AZ_BATCH_NODE_ROOT_DIR/../../full")
    await site.heard.exited(run)
    node = NodeRef(account="devaccount", pool="full", node="n", key=5)
    await site.local.provision([NodeOrder(node=node)])
    await site.heard.until(lambda: len(site.heard.nodes) > 1)
    report = site.heard.nodes[-1]
    assert isinstance(report, NodeUnusable)
    assert report.node == node
    assert "full" in report.message


async def test_launch_without_a_folder_for_its_account(site: Site) -> None:
    """A run of an account that can have no folder fails and says so; those launched with it run."""
    other = NodeRef(account="other", pool="pool1", node="node1", key=2)
    (site.data / "nodes" / "other").write_text("in the way")
    impossible, possible = site.make_launch("true", node=other), site.make_launch("true")
    await site.local.launch([impossible, possible])
    assert (await site.heard.failed(impossible.run)).code == "failed"
    assert (await site.heard.exited(possible.run)).code == 0


@pytest.mark.parametrize("name", ["..", ".", ".trash", "a/b", "a b", "ü", "%2E"])
async def test_root_of_odd_names(site: Site, name: str) -> None:
    """Whatever a pool is called, its folder is one folder below its account's."""
    node = NodeRef(account="devaccount", pool=name, node=name, key=7)
    root = site.root(node)
    assert root.parents[1] == site.data / "nodes/devaccount"
    assert not root.name.startswith(".")
    await site.provision(node)
    assert (root / "workitems").is_dir()


async def _leave(site: Site, *names: str) -> None:
    """Have a task leave files on the node."""
    script = "cd $AZ_BATCH_NODE_ROOT_DIR; " + "".join(f"mkdir -p $(dirname {n}); echo left > {n};" for n in names)
    await site.heard.exited(await site.sh(script, directory=TASK))


async def _again(site: Site, emptied: Emptied) -> set[str]:
    """Have the node made anew; gives the files that it then has."""
    site.heard.nodes.clear()
    await site.local.provision([NodeOrder(node=NODE, emptied=emptied)])
    await site.heard.until(lambda: [*map(is_ready, site.heard.nodes)] == [True])
    return {str(path.relative_to(site.root())) for path in site.root().rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("emptied", "kept"),
    [(Emptied.VOLATILE, LEFT), (Emptied.ALL, set())],
)
async def test_provision_emptied(site: Site, emptied: Emptied, kept: set[str]) -> None:
    """A reboot clears what is volatile, a new image everything; the documented folders are there again."""
    await _leave(site, "volatile/b/b", "shared/a", "startup/wd/d")
    assert await _again(site, emptied) == kept
    assert {path.name for path in site.root().iterdir()} >= {"volatile", "shared", "startup", "fsmounts"}
    await eventually(lambda: _swept(site))
    assert await _again(site, emptied) == kept, "said again, it does no harm"


async def test_deallocate(site: Site) -> None:
    """A node that is deallocated has no folder; it can be made again."""
    await _leave(site, "shared/a")
    await site.local.deallocate([NODE])
    await site.heard.until(lambda: NodeFreed(node=NODE) in site.heard.nodes)
    assert not site.root().exists()
    assert await _again(site, Emptied.NOTHING) == set()


async def test_deallocate_twice(site: Site) -> None:
    """To free a node without files is no error: a server that comes back says it again."""
    await site.local.deallocate([NODE])
    await site.heard.until(lambda: NodeFreed(node=NODE) in site.heard.nodes)
    await site.again()
    await site.local.deallocate([NODE])
    await site.heard.until(lambda: site.heard.nodes == [NodeFreed(node=NODE)])


async def test_release(site: Site) -> None:
    """A released node's folder is gone at once, its files later; the node can be made again."""
    run = await site.sh("mkdir -p a/b/c; touch a/b/c/file; ln -s / a/link; chmod 0 a/b; mkfifo p")
    await site.heard.exited(run)
    await site.local.release([NODE])
    await site.local.provision([NodeOrder(node=NODE)])
    await site.heard.until(lambda: sum(map(is_ready, site.heard.nodes)) == 2)
    assert not site.folder(run).exists()
    await eventually(lambda: _swept(site))


async def test_release_twice(site: Site) -> None:
    """Releasing a node that is gone is no error."""
    await site.local.release([NODE])
    await site.local.release([NODE])
    await eventually(lambda: not site.root().parent.exists())
    await site.provision(NodeRef(account="devaccount", pool="p2", node="n", key=9))


async def test_remove_directory(site: Site) -> None:
    """A task's directory is removed, with the folders that this leaves empty; others stay."""
    kept, gone = await site.launch("true"), await site.launch("true", directory="workitems/job2/job-1/t")
    await site.heard.exited(kept)
    await site.heard.exited(gone)
    await site.local.remove_directory(NODE, "workitems/job2/job-1/t")
    root = site.root()
    await eventually(lambda: not (root / "workitems/job2").exists())
    assert site.folder(kept).exists()
    await site.local.remove_directory(NODE, f"workitems/job1/job-1/{kept}")
    await eventually(lambda: not site.folder(kept).exists())
    assert (root / "workitems").is_dir()
    await eventually(lambda: _swept(site))


async def test_remove_directory_then_same_again(site: Site) -> None:
    """A task of the same name that is launched right after does not lose its files."""
    first = await site.sh("echo first > file", directory="workitems/j/job-1/t")
    await site.heard.exited(first)
    await site.local.remove_directory(NODE, "workitems/j/job-1/t")
    second = await site.sh("cat file; echo second > file", directory="workitems/j/job-1/t")
    assert (await site.heard.exited(second)).code == 0
    await eventually(lambda: _swept(site))
    wd = site.root() / "workitems/j/job-1/t/wd"
    assert [path.name for path in wd.iterdir()] == ["file"]
    assert (wd / "file").read_text() == "second\n"
    assert "No such file" in (wd.parent / "stderr.txt").read_text()


@pytest.mark.parametrize("directory", ["", ".", "..", "/etc", "a/../.."])
async def test_remove_directory_outside(site: Site, directory: str) -> None:
    """A directory that is not below the node is refused."""
    with pytest.raises(ValueError, match="leaves the node"):
        await site.local.remove_directory(NODE, directory)


async def test_remove_goes_on_after_restart(site: Site) -> None:
    """What a host had no time to remove is removed later."""
    run = await site.sh("for i in $(seq 3000); do : > f$i; done")
    await site.heard.exited(run)
    await site.local.remove_directory(NODE, f"workitems/job1/job-1/{run}")
    await eventually(lambda: not site.folder(run).exists())
    await site.local.stop()
    await eventually(lambda: not site.host_pids())
    assert not _swept(site)
    await site.start()
    await eventually(lambda: _swept(site))


async def test_sweep_follows_no_link(data: Path) -> None:
    """Links are removed, not what they lead to, however deep a tree is."""
    precious = data / "precious"
    precious.mkdir()
    (precious / "file").touch()
    tree = data / "tree"
    make_folder(str(tree / "/".join(["d"] * 300)), None)
    (tree / "d/link").symlink_to(precious)
    sweeper = Sweeper()
    sweeper.discard(str(tree), str(data / "trash"), str(data))
    assert not tree.exists()
    await eventually(lambda: not any((data / "trash").iterdir()))
    assert (precious / "file").exists()


async def test_forget_others(site: Site) -> None:
    """Folders of nodes that nobody knows any more go; the known ones stay."""
    known, other = site.root(), site.data / "nodes/devaccount/pool2/lost"
    (other / "workitems/j/job-1/t").mkdir(parents=True)
    owner = known.stat().st_uid
    for folder in (other.parent, other, *other.rglob("*")):
        os.chown(folder, owner, owner)
    await site.local.forget_others([NODE])
    await eventually(lambda: not other.exists() and _swept(site))
    assert known.is_dir()


async def test_directories(site: Site) -> None:
    """The directories of tasks on a node, whoever made them."""
    run = await site.sh("true")
    await site.heard.exited(run)
    (site.root() / "workitems/s/job-2/x/wd").mkdir(parents=True)
    (site.root() / "workitems/s/file").touch()
    found = await site.local.directories(NODE)
    assert "workitems/s/job-2/x" in found
    assert len(found) == 2
