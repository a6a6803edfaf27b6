"""Started by root: tasks are users of their own, and reach neither the server's files nor other accounts'."""

from __future__ import annotations

import signal

import pytest
from tests.nodes.helpers import NODE, Site, eventually
from tests.nodes.web import Web

from linarite.engine.launching import Fetch, NodeRef, RunLost, RunUser

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.root,
]

OTHER = NodeRef(account="other", pool="pool1", node="node1", key=2)


async def test_launch_user(site: Site) -> None:
    """A task is its account's user, in that one group, and cannot get more privileges."""
    run = await site.sh("id -u; id -G; grep NoNewPrivs /proc/self/status")
    await site.heard.exited(run)
    assert site.out(run).split() == [str(site.uid), str(site.uid), "NoNewPrivs:", "1"]


async def test_launch_other_account(site: Site) -> None:
    """Another account is another user, and neither can read what the other has."""
    await site.provision(OTHER)
    mine = await site.sh("echo secret > file; id -u")
    await site.heard.exited(mine)
    file = site.folder(mine) / "wd/file"
    theirs = await site.sh(f"id -u; cat {file} || ls {file.parents[5]} || echo > {file.parents[5]}/x", node=OTHER)
    assert (await site.heard.exited(theirs)).code != 0
    assert site.uid is not None
    assert (site.folder(theirs, OTHER) / "stdout.txt").read_text() == f"{site.uid + 1}\n"
    assert len(site.host_pids()) == 2


async def test_host_leaves_among_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many accounts' idle hosts only the latest stay; one that left is started again when there is work."""
    monkeypatch.setattr("linarite.nodes.local.IDLE_HOSTS", 2)
    nodes = [NodeRef(account=f"a{n}", pool="p", node="n", key=n) for n in range(5)]
    for node in nodes:
        await site.provision(node)
    await eventually(lambda: len(site.host_pids()) == 2)
    busy = await site.launch("sleep 600", node=nodes[0])
    await site.heard.started(busy)
    for node in nodes * 2:
        run = await site.sh("exit 7", node=node)
        assert (await site.heard.exited(run)).code == 7
    await eventually(lambda: len(site.host_pids()) == 3)
    assert not site.heard.ends(busy)


async def test_launch_server_files(site: Site) -> None:
    """A task can neither list the data folder nor read what the server keeps in it."""
    store = site.data / "store.db"
    store.write_text("secret")
    store.chmod(0o600)
    for target in (site.data, store, site.data / "nodes", site.data / "hosts"):
        run = await site.sh(f"cat {target} || ls {target}/ || echo x > {target}")
        assert (await site.heard.exited(run)).code != 0, target
        assert site.out(run) == ""
        assert site.out(run, "stderr.txt").count("denied") >= 2


async def test_launch_host_files(site: Site) -> None:
    """A task has its host's user, yet cannot touch its socket, journal, memory or open files."""
    (host,) = site.host_pids()
    folder = next((site.data / "hosts").iterdir())
    for target in (
        f"{folder}/s",
        f"{folder}/journal.0",
        *(f"/proc/{host}/{name}" for name in ("environ", "mem", "fd")),
    ):
        run = await site.sh(f"head -c 1 {target} || ls {target}/ || echo x > {target}")
        assert (await site.heard.exited(run)).code != 0, target
        assert "denied" in site.out(run, "stderr.txt")


async def test_launch_kills_its_host(site: Site) -> None:
    """A task that kills its own host loses its account's runs, and nothing else happens."""
    (host,) = site.host_pids()
    run = await site.sh(f"kill -9 {host}; sleep 600")
    assert isinstance(await site.heard.end(run), RunLost)
    after = await site.launch("true")
    assert (await site.heard.exited(after)).code == 0


async def test_fetch_as_user(site: Site, web: Web) -> None:
    """Fetched files belong to the account's user, redirected ones too."""
    web.put("/f", b"x")
    url = web.put("/r", b"", status=301, headers={"Location": f"{web.url.replace('127.0.0.1', 'localhost')}/f"})
    run = await site.launch("cat file", fetches=(Fetch(url=url, path="file"),))
    await site.heard.exited(run)
    assert (site.folder(run) / "wd/file").stat().st_uid == site.uid


async def test_launch_elevated(site: Site) -> None:
    """An elevated task is root when the settings allow it; its folders stay its account's."""
    await site.again(allow_elevated=True)
    run = await site.sh("id -u; mkdir below; touch below/file", elevated=True)
    assert (await site.heard.exited(run)).code == 0
    assert site.out(run) == "0\n"
    assert (site.folder(run) / "wd").stat().st_uid == site.uid
    usual = await site.launch("id -u")
    await site.heard.exited(usual)
    assert site.out(usual) == f"{site.uid}\n"


async def test_end_elevated_after_restart(site: Site) -> None:
    """An end finds the host that has the run, also in a server that did not launch it."""
    await site.again(allow_elevated=True)
    run = await site.launch("sleep 600", elevated=True)
    await site.heard.started(run)
    await site.again(allow_elevated=True)
    await site.local.end([(NODE, run)], 0)
    assert (await site.heard.exited(run)).code == 128 + signal.SIGKILL


async def test_remove_what_elevated_left(site: Site) -> None:
    """Files that an elevated task left are removed with its directory."""
    await site.again(allow_elevated=True)
    run = await site.sh("mkdir -p below/deeper; touch below/deeper/file; chmod 700 below", elevated=True)
    await site.heard.exited(run)
    await site.local.remove_directory(NODE, f"workitems/job1/job-1/{run}")
    trash = site.data / "nodes/devaccount/.trash"
    await eventually(lambda: trash.exists() and not any(trash.iterdir()))
    assert not site.folder(run).exists()


ANNA, BOB = RunUser(name="anna", number=101), RunUser(name="bob", number=102)


async def test_launch_pool_user(site: Site) -> None:
    """A user of a pool is one of their own, in the account's group, and cannot get more privileges."""
    run = await site.sh("id -u; id -G; grep -o NoNewPrivs:.1 /proc/self/status; echo $USER $LOGNAME", user=ANNA)
    assert (await site.heard.exited(run)).code == 0
    lines = site.out(run).split("\n")
    assert lines[:4] == [str(site.uid_of_user(101)), str(site.uid), "NoNewPrivs:\t1", "anna anna"]
    assert (site.folder(run) / "wd").stat().st_uid == site.uid_of_user(101)
    assert (site.folder(run) / "stdout.txt").stat().st_mode & 0o007 == 0


async def test_pool_users_share_a_node(site: Site) -> None:
    """What one leaves on the node the others read and change, as they do in the service's common group."""
    writers: list[dict[str, RunUser]] = [{}, {"user": ANNA}, {"user": BOB}]
    for number, writer in enumerate(writers):
        run = await site.sh(f"cd $AZ_BATCH_NODE_SHARED_DIR; mkdir {number}; echo x > {number}/f", **writer)
        assert (await site.heard.exited(run)).code == 0
    for writer in writers:
        change = "for i in 0 1 2; do echo y >> $i/f && touch $i/$$ || exit 1; done"
        run = await site.sh(f"cd $AZ_BATCH_NODE_SHARED_DIR; {change}", **writer)
        assert (await site.heard.exited(run)).code == 0, site.out(run, "stderr.txt")


async def test_pool_user_reaches_no_other_account(site: Site) -> None:
    """Neither another account's files, nor its processes, nor another pool user's."""
    await site.provision(OTHER)
    theirs = site.make_launch("sleep 600", node=OTHER)
    anothers = site.make_launch("sleep 600", user=BOB)
    await site.local.launch([theirs, anothers])
    await site.heard.started(theirs.run)
    await site.heard.started(anothers.run)
    root = site.root(OTHER)
    pids = " ".join(map(str, site.task_pids()))
    run = await site.sh(f"ls {root} || ls {root.parents[1]} || ls {site.data}/hosts || kill {pids}", user=ANNA)
    assert (await site.heard.exited(run)).code != 0
    await site.local.end([(OTHER, theirs.run), (NODE, anothers.run)], 0)
    await site.heard.exited(theirs.run)
    await site.heard.exited(anothers.run)


async def test_end_pool_user_after_restart(site: Site) -> None:
    """A run of a pool's user outlives the server, which finds the host that has it."""
    run = await site.launch("sleep 600", user=ANNA)
    await site.heard.started(run)
    await site.again()
    await site.local.end([(NODE, run)], 0)
    assert (await site.heard.exited(run)).code == 128 + signal.SIGKILL


async def test_remove_what_pool_users_left(site: Site) -> None:
    """Their files go with their node, also those that they kept from all others."""
    run = await site.sh("umask 077; mkdir -p below/deeper; touch below/deeper/file; chmod 0 below", user=ANNA)
    await site.heard.exited(run)
    await site.local.release([NODE])
    trash = site.data / "nodes/devaccount/.trash"
    await eventually(lambda: trash.exists() and not any(trash.iterdir()))


async def test_launch_pool_user_elevated(site: Site) -> None:
    """A user who is an administrator is root when the settings allow it, under their own name."""
    run = await site.launch("id -u", user=ANNA, elevated=True)
    assert (await site.heard.failed(run)).code == "not-allowed"
    await site.again(allow_elevated=True)
    run = await site.sh("id -u; echo $USER", user=ANNA, elevated=True)
    await site.heard.exited(run)
    assert site.out(run) == "0\nanna\n"


async def test_launch_unknown_user(site: Site) -> None:
    """A user that the pool does not have runs nothing."""
    run = await site.launch("id -u", user=RunUser(name="nobody", number=0))
    report = await site.heard.failed(run)
    assert (report.code, report.user) == ("user-not-found", True)
    assert "'nobody'" in report.message


async def test_folders_modes(site: Site) -> None:
    """An account's folder is its users' alone; the servers's hosts are root's alone."""
    account = (site.data / "nodes/devaccount").stat()
    assert (account.st_uid, account.st_mode & 0o777) == (site.uid, 0o771)
    for folder in (site.data / "hosts", *(site.data / "hosts").iterdir()):
        assert (folder.stat().st_uid, folder.stat().st_mode & 0o077) == (0, 0), folder
    assert site.root().stat().st_uid == site.uid
