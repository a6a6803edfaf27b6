"""Ending runs: with and without grace, at every moment of a run, with all that they started."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.nodes.helpers import NODE, Site, eventually

from linarite.engine.launching import Fetch, Launch

pytestmark = pytest.mark.anyio

STUBBORN = "trap '' TERM; echo up; while :; do sleep 60; done"


async def _printed(site: Site, run: str, text: str) -> None:
    await site.heard.started(run)
    await eventually(lambda: text in site.out(run))


async def test_end_at_once(site: Site) -> None:
    """Without grace a run is killed."""
    run = await site.launch("sleep 600")
    await site.heard.started(run)
    await site.local.end([(NODE, run)], 0)
    assert (await site.heard.exited(run)).code == 128 + 9


async def test_end_with_grace(site: Site) -> None:
    """SIGTERM comes first, and a run that heeds it has its own exit code."""
    run = await site.sh("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 60 & wait; done")
    await _printed(site, run, "up")
    await site.local.end([(NODE, run)], 60)
    assert (await site.heard.exited(run)).code == 3
    assert site.out(run) == "up\nbye\n"
    await eventually(lambda: not site.task_pids())


async def test_end_after_grace(site: Site) -> None:
    """A run that ignores SIGTERM is killed when the grace is over."""
    run = await site.sh(STUBBORN)
    await _printed(site, run, "up")
    await site.local.end([(NODE, run)], 0.2)
    report = await site.heard.exited(run)
    assert report.code == 128 + 9
    assert report.at - report.started_at >= 200_000


async def test_end_kills_the_session_leavers(site: Site) -> None:
    """A child that made its own session and ignores SIGTERM ends with its run."""
    run = await site.sh(f"setsid sh -c \"{STUBBORN}\" & sh -c 'setsid sleep 600 & exit 0'; wait")
    await _printed(site, run, "up")
    assert len(site.task_pids()) >= 3
    await site.local.end([(NODE, run)], 0)
    assert (await site.heard.exited(run)).code == 128 + 9
    await eventually(lambda: not site.task_pids())


async def test_exit_kills_what_was_left(site: Site) -> None:
    """Nothing that a run started outlives it, neither its group nor what left its session."""
    run = await site.sh(f'sleep 600 & setsid sh -c "{STUBBORN}" & setsid -f sleep 600; exit 5')
    assert (await site.heard.exited(run)).code == 5
    await eventually(lambda: not site.task_pids())


async def test_exit_kills_what_hides(site: Site) -> None:
    """A process that cleared its environment and left its session ends when no run is left that it may belong to."""
    run = await site.sh("env -i setsid -f sh -c 'echo $$; exec sleep 600'")
    assert (await site.heard.exited(run)).code == 0
    await eventually(lambda: not site.out(run) or not Path("/proc", site.out(run).strip()).exists())


async def test_exit_leaves_the_others(site: Site) -> None:
    """The end of one run does not touch what another one put in the background."""
    other = await site.sh("setsid -f sh -c 'echo up; sleep 600'; sleep 600")
    await _printed(site, other, "up")
    before = site.task_pids()
    run = await site.sh("exit 0")
    await site.heard.exited(run)
    assert site.task_pids() >= before


async def test_end_while_fetching(site: Site, silent_url: str) -> None:
    """A run that still waits for its files ends without ever starting."""
    run = await site.launch("true", fetches=(Fetch(url=silent_url, path="file"),))
    await eventually((site.folder(run) / "wd").exists)
    await site.local.end([(NODE, run)], 5)
    assert (await site.heard.failed(run)).code == "ended"


async def test_end_before_start(site: Site) -> None:
    """A run that is ended in the same breath ends once, started or not."""
    launches: list[Launch] = [site.make_launch("sleep 600") for _ in range(50)]
    await site.local.launch(launches)
    await site.local.end([(NODE, launch.run) for launch in launches], 0)
    for launch in launches:
        await site.heard.end(launch.run)
    last = await site.launch("true")
    await site.heard.exited(last)
    assert all(len(site.heard.ends(launch.run)) == 1 for launch in launches)
    await eventually(lambda: not site.task_pids())


async def test_end_unknown_run(site: Site) -> None:
    """A run that the host does not know has ended, for all that it can tell."""
    await site.local.end([(NODE, "never-heard-of")], 0)
    assert (await site.heard.failed("never-heard-of")).code == "ended"


async def test_end_again_without_grace(site: Site) -> None:
    """A second end without grace does not wait for the first one's."""
    run = await site.sh(STUBBORN)
    await _printed(site, run, "up")
    await site.local.end([(NODE, run)], 600)
    await site.local.end([(NODE, run)], 0)
    assert (await site.heard.exited(run)).code == 128 + 9
