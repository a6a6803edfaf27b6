"""Runs that stay: what a command line left running lives on when it has returned, until the run is ended."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.nodes.helpers import NODE, Site, eventually
from tests.nodes.web import Web

from linarite.engine.launching import Fetch, RunExited, RunLost, RunReturned, RunStarted

pytestmark = pytest.mark.anyio

DAEMON = "setsid -f sh -c 'echo $$ > daemon; exec sleep 600'; until [ -s daemon ]; do sleep 0.01; done"
"""Starts one and waits until it is there, as a coordination command does."""


async def stay(site: Site, script: str = DAEMON) -> str:
    """A run that has returned."""
    run = await site.sh(script, stays=True)
    await site.heard.until(lambda: _returned(site, run))
    assert not site.heard.ends(run)
    return run


def _returned(site: Site, run: str) -> list[RunReturned]:
    return [report for report in site.heard.of(run) if isinstance(report, RunReturned)]


def daemon(site: Site, run: str) -> int:
    return int(site.out(run, "wd/daemon"))


def is_there(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_daemon_stays_until_the_run_is_ended(site: Site) -> None:
    """Its end has the command line's exit code and start, and comes when the last process has gone."""
    run = await stay(site)
    other = await site.sh("exit 0")
    await site.heard.exited(other)
    assert is_there(daemon(site, run)), "the end of another run does not touch it"
    await site.local.end([(NODE, run)], 0)
    report = await site.heard.exited(run)
    assert not is_there(daemon(site, run))
    (started, returned) = site.heard.of(run)[:2]
    assert isinstance(started, RunStarted)
    assert isinstance(returned, RunReturned)
    assert (report.code, report.started_at) == (0, started.at)
    assert report.at > returned.at


async def test_daemon_of_a_command_that_fails_goes_with_it(site: Site) -> None:
    run = await site.sh(f"{DAEMON}; exit 3", stays=True)
    assert (await site.heard.exited(run)).code == 3
    await eventually(lambda: not site.task_pids())
    assert not _returned(site, run)


async def test_run_without_a_daemon_stays_too(site: Site) -> None:
    """It is over when it is ended, not before."""
    run = await stay(site, "true")
    await site.local.end([(NODE, run)], 60)
    assert (await site.heard.exited(run)).code == 0


async def test_daemon_hears_that_it_should_end(site: Site) -> None:
    """SIGTERM comes first; one that heeds it does not keep its run waiting for the grace to pass."""
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    run = await stay(site, f'sh -c "{script}" & until [ -s ../stdout.txt ]; do sleep 0.01; done')
    await site.local.end([(NODE, run)], 600)
    await site.heard.exited(run)
    assert site.out(run) == "up\nbye\n"


async def test_daemon_that_does_not_heed_is_killed_after_the_grace(site: Site) -> None:
    script = "trap '' TERM; echo up; while :; do sleep 60; done"
    run = await stay(site, f'setsid -f sh -c "{script}"; until [ -s ../stdout.txt ]; do sleep 0.01; done')
    (returned,) = _returned(site, run)
    await site.local.end([(NODE, run)], 0.2)
    report = await site.heard.exited(run)
    assert report.at - returned.at >= 200_000
    await eventually(lambda: not site.task_pids())


async def test_daemon_without_its_environment_is_found_by_its_session(site: Site) -> None:
    """It ends with its run while others go on, and not before."""
    other = await site.sh("sleep 600")
    await site.heard.started(other)
    run = await stay(site, "env -i sh -c 'echo $$ > daemon; exec sleep 600' & until [ -s daemon ]; do sleep 0.01; done")
    last = await site.sh("exit 0")
    await site.heard.exited(last)
    assert is_there(daemon(site, run))
    await site.local.end([(NODE, run)], 0)
    await site.heard.exited(run)
    assert not is_there(daemon(site, run))
    assert not site.heard.ends(other)


async def test_daemon_that_hides_from_everything_ends_when_no_run_is_left(site: Site) -> None:
    """As with every run: it may belong to any that goes on."""
    run = await stay(
        site, "env -i setsid -f sh -c 'echo $$ > daemon; exec sleep 600'; until [ -s daemon ]; do sleep 0.01; done"
    )
    hidden = daemon(site, run)
    other = await site.sh("exit 0")
    await site.heard.exited(other)
    assert is_there(hidden)
    await site.local.end([(NODE, run)], 0)
    await site.heard.exited(run)
    await eventually(lambda: not is_there(hidden))


async def test_end_while_the_command_line_runs(site: Site) -> None:
    """A run that is ended does not stay any more, even when its command line exits with 0."""
    run = await site.sh("trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done", stays=True)
    await eventually(lambda: site.heard.of(run) and site.out(run))
    await site.local.end([(NODE, run)], 60)
    assert (await site.heard.exited(run)).code == 0
    assert not _returned(site, run)


async def test_server_that_starts_again_finds_it_staying(site: Site) -> None:
    """It hears that the command line has returned, whether that was before its time or without a server."""
    first = await stay(site)
    second = await site.sh(f"until [ -e gate ]; do sleep 0.02; done; {DAEMON}", stays=True)
    await site.heard.started(second)
    await site.local.stop()
    (site.folder(second) / "wd/gate").touch()
    await eventually((site.folder(second) / "wd/daemon").exists)
    await site.start()
    for run in (first, second):
        await site.heard.until(lambda run=run: _returned(site, run))
        assert is_there(daemon(site, run))
    await site.local.launch([site.make_launch(DAEMON, run=first, shell=True, stays=True)])
    await site.local.end([(NODE, first), (NODE, second)], 0)
    for run in (first, second):
        await site.heard.exited(run)
        assert not is_there(daemon(site, run))
    await eventually(lambda: not site.task_pids())


async def test_host_stays_with_it(site: Site) -> None:
    """Without a server the host of a run that stays does not leave."""
    run = await stay(site)
    hosts = site.host_pids()
    await site.local.stop()
    os.kill(daemon(site, run), signal.SIGTERM)
    await eventually(lambda: not is_there(daemon(site, run)))
    await site.start()
    await site.heard.until(lambda: _returned(site, run))
    assert site.host_pids() == hosts
    await site.local.end([(NODE, run)], 0)
    await site.heard.exited(run)


async def test_host_that_is_killed_takes_it_along(site: Site) -> None:
    run = await stay(site)
    for pid in site.host_pids():
        os.kill(pid, signal.SIGKILL)
    assert isinstance(await site.heard.end(run), RunLost)
    assert not is_there(daemon(site, run))


async def test_next_run_goes_on_with_the_output(site: Site) -> None:
    """Beside a daemon that still writes to it."""
    directory = "workitems/job1/job-1/shared"
    await site.heard.exited(await site.sh("echo stale", directory=directory))
    script = "echo first; sh -c 'until [ -e go ]; do sleep 0.01; done; echo daemon; touch done; sleep 600' & :"
    first = await site.sh(script, directory=directory, stays=True)
    await site.heard.until(lambda: _returned(site, first))
    second = await site.sh(
        "echo second; touch go; until [ -e done ]; do sleep 0.01; done; echo third", directory=directory,
        keeps_output=True,
    )  # fmt: skip
    await site.heard.exited(second)
    assert (site.root() / directory / "stdout.txt").read_text() == "first\nsecond\ndaemon\nthird\n"
    await site.local.end([(NODE, first)], 0)
    assert isinstance(await site.heard.end(first), RunExited)


async def test_files_go_where_they_are_wanted(site: Site, web: Web) -> None:
    """Beside the working directory, below the node's root and nowhere else."""
    file = Fetch(url=web.put("/a", b"common"), path="a.txt")
    run = await site.launch(
        "cat ../../a.txt", directory="workitems/job1/job-1/task/1", fetches=(file,),
        fetch_into="workitems/job1/job-1/task",
    )  # fmt: skip
    assert (await site.heard.exited(run)).code == 0
    task = site.root() / "workitems/job1/job-1/task"
    assert (task / "1/stdout.txt").read_text() == "common"
    assert (task / "a.txt").read_bytes() == b"common"
    run = await site.launch("true", fetches=(file,), fetch_into="../elsewhere")
    report = await site.heard.failed(run)
    assert (report.code, report.user) == ("failed", False)
