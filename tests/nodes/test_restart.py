"""What survives: a server that ends or is killed, a host that is killed, a listener that fails."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.nodes.helpers import NODE, Heard, Site, eventually

from linarite.engine.launching import Fetch, NodeOrder, RunExited, RunLost, RunStarted
from linarite.nodes.journal import read_history

pytestmark = pytest.mark.anyio


def _gate(site: Site, run: str) -> None:
    """Let a run that waits for its gate go on."""
    (site.folder(run) / "wd/gate").touch()


ROOT = Path(__file__).parents[2]
WAIT = "mkfifo x; while [ ! -e gate ]; do read -t 0.02 _ <>x; done"
GATED = f"bash -c '{WAIT}; echo done; exit 4'"


async def _kill_host(site: Site) -> None:
    for pid in site.host_pids():
        os.kill(pid, signal.SIGKILL)


async def test_restart_running(site: Site) -> None:
    """A server that starts again finds a running task still running, and hears of its end once."""
    run = await site.launch(GATED)
    started = await site.heard.started(run)
    before = site.host_pids()
    await site.again()
    assert await site.heard.started(run) == started
    assert site.host_pids() == before
    _gate(site, run)
    report = await site.heard.exited(run)
    assert (report.code, report.started_at) == (4, started.at)
    await site.again()
    last = await site.launch("true")
    await site.heard.exited(last)
    assert not site.heard.of(run)


async def test_restart_exited_meanwhile(site: Site) -> None:
    """What ended while no server was there is told to the next one, even after the host has left."""
    run = await site.launch(GATED)
    await site.heard.started(run)
    await site.local.stop()
    _gate(site, run)
    await eventually(lambda: not site.host_pids())
    await site.start()
    assert (await site.heard.exited(run)).code == 4
    assert len(site.heard.of(run)) == 1


async def test_restart_launch_again(site: Site) -> None:
    """A launch that is repeated after a restart, as a server does that knows no better, starts nothing."""
    launch = site.make_launch(f"echo once >> seen; {GATED}", shell=True)
    await site.local.launch([launch])
    await site.heard.started(launch.run)
    await site.again()
    await site.local.launch([launch])
    _gate(site, launch.run)
    await site.heard.exited(launch.run)
    assert site.out(launch.run, "wd/seen") == "once\n"


async def test_restart_end(site: Site) -> None:
    """A run of an earlier server can be ended by the next."""
    run = await site.launch(GATED)
    await site.heard.started(run)
    await site.again()
    await site.local.end([(NODE, run)], 0)
    assert (await site.heard.exited(run)).code == 128 + 9


async def test_host_leaves_when_alone(site: Site) -> None:
    """Without a server and without runs a host ends; with a server it stays."""
    run = await site.launch("true")
    await site.heard.exited(run)
    (host,) = site.host_pids()
    await site.local.stop()
    await eventually(lambda: not site.host_pids())
    await site.start()
    run = await site.launch("true")
    await site.heard.exited(run)
    assert host not in site.host_pids()


async def test_host_killed(site: Site) -> None:
    """When a host is killed its successor ends what was left of its runs, and tells once that each is lost."""
    script = (
        "setsid sh -c \"trap '' TERM; while :; do sleep 60; done\" & env -i setsid -f sleep 600; echo up; sleep 600"
    )
    runs = [await site.sh(script) for _ in range(3)]
    for run in runs:
        await site.heard.started(run)
        await eventually(lambda run=run: site.out(run))
    leaders = site.task_pids()
    assert len(leaders) >= 9
    await _kill_host(site)
    for run in runs:
        assert isinstance(await site.heard.end(run), RunLost)
        assert not site.task_pids() & leaders
    last = await site.launch("true")
    await site.heard.exited(last)
    assert all(len(site.heard.ends(run)) == 1 for run in runs)


async def test_host_killed_leader_without_marker(site: Site) -> None:
    """A run's process that replaced itself and its environment is known by its number and start."""
    run = await site.sh("echo $$; exec env -i sleep 600")
    await site.heard.started(run)
    pid = await eventually(lambda: site.out(run).strip())
    await eventually(lambda: _proc(pid, "comm") == "sleep\n")
    await _kill_host(site)
    assert isinstance(await site.heard.end(run), RunLost)
    assert _gone(pid)


def _proc(pid: str, fact: str) -> str:
    return Path("/proc", pid, fact).read_text()


def _gone(pid: str) -> bool:
    """Whether the process runs no more; as a zombie it may wait for this machine's init."""
    return not Path("/proc", pid).exists() or "State:\tZ" in _proc(pid, "status")


async def test_host_killed_after_exit(site: Site) -> None:
    """An exit that the server never acknowledged is told with its true code by a successor."""
    heard = Heard(refuse=10**6)
    await site.local.stop()
    await site.start(heard)
    run = await site.sh("exit 9")
    folder = next((site.data / "hosts").iterdir())
    await eventually(lambda: isinstance(_recorded(folder, run), RunExited))
    await site.local.stop()
    site.kill_everything()
    await site.start()
    assert (await site.heard.exited(run)).code == 9


def _recorded(folder: Path, run: str) -> object:
    known = read_history(folder).runs.get(run)
    return known and known.ended


async def test_host_killed_while_fetching(site: Site, silent_url: str) -> None:
    """A run that had not started is lost like one that had."""
    run = await site.launch("true", fetches=(Fetch(url=silent_url, path="file"),))
    await eventually((site.folder(run) / "wd").exists)
    await _kill_host(site)
    assert isinstance(await site.heard.end(run), RunLost)


async def test_host_killed_at_many_moments(site: Site) -> None:
    """Whenever a host is killed, each run ends once: with its code, or lost; none runs twice."""
    names: list[str] = []
    for _ in range(6):
        launches = [site.make_launch("echo x >> seen; exit 3", shell=True) for _ in range(30)]
        names += [launch.run for launch in launches]
        await site.local.launch(launches)
        await site.heard.started(launches[10].run)
        await _kill_host(site)
    for name in names:
        report = await site.heard.end(name)
        assert isinstance(report, RunLost) or (isinstance(report, RunExited) and report.code == 3)
        seen = site.folder(name) / "wd/seen"
        assert not seen.exists() or seen.read_text() in ("", "x\n")
    last = await site.launch("true")
    await site.heard.exited(last)
    assert all(len(set(site.heard.ends(name))) == 1 for name in names)


async def test_listener_fails(site: Site) -> None:
    """Reports that were not committed are told again until they are."""
    await site.local.stop()
    await site.start(Heard(refuse=3))
    run = await site.sh("exit 6")
    assert (await site.heard.exited(run)).code == 6
    assert site.heard.refuse == 0


async def test_host_does_not_start(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the host cannot be started the node is unusable, and launches wait for a better time."""
    await site.local.stop()
    await eventually(lambda: not site.host_pids())
    await site.start()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        await site.local.provision([NodeOrder(node=NODE)])
        run = await site.sh("exit 2")
        await site.heard.until(lambda: any(hasattr(report, "message") for report in site.heard.nodes))
    assert (await site.heard.exited(run)).code == 2


async def test_second_host_waits(site: Site) -> None:
    """Two hosts never hold one folder: the second waits for the first one's lock."""
    folder = next((site.data / "hosts").iterdir())
    (first,) = site.host_pids()
    command = [sys.executable, "-P", "-m", "linarite.nodes.host", "--folder", str(folder)]
    command += [] if site.uid is None else ["--uid", str(site.uid)]
    second = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE)
    await eventually(lambda: f"-> FLOCK  ADVISORY  WRITE {second.pid} " in _locks())
    run = await site.launch("true")
    await site.heard.exited(run)
    assert first in site.host_pids()
    second.kill()
    await second.wait()


def _locks() -> str:
    return Path("/proc/locks").read_text()


SERVER = """
import asyncio, sys
from pathlib import Path
from linarite.nodes.local import LocalNodes
from tests.nodes.helpers import NODE, Heard, Site

async def serve(data, uid, command):
    site = Site(Path(data), uid)
    await site.start()
    await site.provision()
    run = await site.launch(command)
    await site.heard.started(run)
    print(run, flush=True)
    await asyncio.Event().wait()

asyncio.run(serve(sys.argv[1], int(sys.argv[2]) if sys.argv[2] != "None" else None, sys.argv[3]))
"""


async def test_server_killed(site: Site) -> None:
    """After a server's SIGKILL the next one finds its task running and its true exit code."""
    await site.local.stop()
    command = [sys.executable, "-c", SERVER, str(site.data), str(site.uid), GATED]
    server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
    assert server.stdout is not None
    run = (await server.stdout.readline()).decode().strip()
    server.kill()
    await server.wait()
    await site.start()
    assert isinstance(await site.heard.started(run), RunStarted)
    _gate(site, run)
    assert (await site.heard.exited(run)).code == 4
    assert site.out(run) == "done\n"


async def test_restart_with_nodes_of_both_hosts(site: Site) -> None:
    """Neighbouring nodes have a host each; a new server finds the runs of both, and starts none of them twice."""
    other = replace(NODE, node="other", key=NODE.key + 1)
    await site.provision(other)
    launches = [site.make_launch(f"echo once >> seen; {GATED}", shell=True, node=node) for node in (NODE, other)]
    await site.local.launch(launches)
    for launch in launches:
        await site.heard.started(launch.run)
    assert len(site.host_pids()) == 2
    await site.again()
    await site.local.launch(launches)
    for launch in launches:
        (site.folder(launch.run, launch.node) / "wd/gate").touch()
        assert (await site.heard.exited(launch.run)).code == 4
        assert (site.folder(launch.run, launch.node) / "wd/seen").read_text() == "once\n"


def _second_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="linarite-nodes-"))
    folder.chmod(0o711)
    return folder


async def test_runs_of_another_server_are_none_of_ours(site: Site) -> None:
    """Two servers may give their runs the same names and the same user: the one ends none of the other's."""
    folder = _second_folder()
    other = Site(folder, site.uid)
    await other.start()
    await other.provision()
    try:
        for one in (site, other):
            await one.local.launch([one.make_launch("sleep 600", run="1.1")])
            await one.heard.started("1.1")
        await eventually(lambda: site.task_pids() and other.task_pids())
        await site.local.end([(NODE, "1.1")], 0)
        await site.heard.exited("1.1")
        for pid in site.host_pids():
            os.kill(pid, signal.SIGKILL)
        await site.heard.exited(await site.launch("true"))  # a successor has looked for what was left behind
        await other.heard.exited(await other.launch("true"))
        assert other.heard.ends("1.1") == []
        assert other.task_pids()
    finally:
        await other.local.stop()
        other.kill_everything()
        await eventually(lambda: not other.host_pids() | other.task_pids())
        shutil.rmtree(folder, ignore_errors=True)
