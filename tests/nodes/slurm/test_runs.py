"""Runs on a real Slurm: how they end, what is told of it, and what the server's own ends do to them."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from tests.nodes.slurm.site import COUNTED, SlurmSite
from tests.nodes.web import Web

from linarite.engine.launching import Fetch, RunExited, RunFailed, RunLost, RunStarted, RunUser, Watched

pytestmark = pytest.mark.anyio


async def test_ends_of_all_kinds(slurm_site: SlurmSite):
    """In one array; each is told once and forgotten."""
    site = slurm_site
    cases: dict[str, tuple[str, dict[str, Any], int]] = {
        "zero": ("exit 0", {}, 0), "seven": ("exit 7", {}, 7), "signal": ("kill -SEGV $$", {}, 139),
        "left": ("sleep 600 & exit 3", {}, 3), "both": ("echo a; echo b >&2", {}, 0),
    }  # fmt: skip
    launches = {name: site.make_launch(f"{COUNTED}; {command}", shell=True, **facts)
                for name, (command, facts, _) in cases.items()}  # fmt: skip
    await site.nodes.launch(list(launches.values()))
    codes = {name: (await site.told_once(launch.run)).code for name, launch in launches.items()}
    assert codes == {name: code for name, (_, _, code) in cases.items()}
    assert {site.ran(launch.run) for launch in launches.values()} == {1}
    assert [site.out(launches["both"].run, name) for name in ("stdout.txt", "stderr.txt")] == ["a\n", "b\n"]
    assert len(site.fake.calls("sbatch")) == 1
    await site.until(lambda: not site.left())


async def test_time_limit(slurm_site: SlurmSite):
    """To the second, by the wrapper; Slurm counts in minutes."""
    run = await slurm_site.sh("sleep 600", time_limit=1)
    exited = await slurm_site.told_once(run)
    assert (exited.code, exited.overdue) == (143, True)
    assert exited.at - exited.started_at < 60_000_000


@pytest.mark.parametrize(("grace", "code"), [(15.0, 5), (0.0, 137)])
async def test_end(slurm_site: SlurmSite, grace: float, code: int):
    """Gently a task has its time, however short Slurm's own KillWait is (2 s here)."""
    site = slurm_site
    run = await site.sh("trap 'echo told >> told; sleep 4; exit 5' TERM; touch up; while :; do sleep 0.05; done")
    await site.until((site.folder(run) / "wd/up").exists)
    await site.end(run, grace=grace)
    assert (await site.told_once(run)).code == code
    if grace:
        assert (site.folder(run) / "wd/told").read_text() == "told\n"


async def test_run_that_waits_is_ended_before_it_starts(slurm_site: SlurmSite):
    """It leaves the queue, and never runs."""
    site = slurm_site
    first = await site.sh("sleep 600", slots=4)
    await site.heard.started(first)
    waiting = await site.sh(COUNTED, slots=4)
    await site.until(lambda: len(site.queue("-t", "PENDING")) == 1)
    await site.end(waiting)
    assert (await site.heard.failed(waiting)).code == "ended"
    await site.until(lambda: not site.queue("-t", "PENDING"))
    await site.end(first)
    await site.heard.exited(first)
    await site.until(lambda: not site.left())
    assert not (site.folder(waiting) / "wd/ran").exists()


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.05, 0.1, 0.3, 0.6])
async def test_end_at_any_moment_of_a_launch(slurm_site: SlurmSite, pause: float):
    """It is told once, has run at most once, and leaves nothing."""
    site = slurm_site
    run = await site.sh(f"{COUNTED}; sleep 600")
    await asyncio.sleep(pause)
    await site.end(run)
    report = await site.heard.end(run)
    assert isinstance(report, RunExited) or (isinstance(report, RunFailed) and report.code == "ended")
    await site.until(lambda: not site.left())
    await site.until(lambda: not site.queue())
    assert len(site.heard.ends(run)) == 1


async def test_unknown_run_is_told_to_be_over(slurm_site: SlurmSite):
    await slurm_site.end("nobody-knows.1")
    assert (await slurm_site.heard.failed("nobody-knows.1")).code == "ended"


@pytest.mark.parametrize(
    ("facts", "code", "user"),
    [
        ({"command": "no-such-program"}, "command-not-found", True), ({"command": "'open"}, "command-invalid", True),
        ({"command": "true", "working_directory": "missing"}, "failed", True),
        ({"command": "true", "stdout": "missing/out"}, "failed", True),
        ({"command": "true", "elevated": True}, "not-allowed", True),
        ({"command": "true", "user": RunUser(name="me", number=7)}, "user-not-found", True),
        ({"command": "true", "contained": True}, "container-pool", True),
    ],
)  # fmt: skip
async def test_what_cannot_run(slurm_site: SlurmSite, facts: dict[str, Any], code: str, user: bool):
    """A missing folder of outputs is no 0:53 of Slurm's, a missing working directory not /tmp."""
    launch = slurm_site.make_launch(**facts)
    await slurm_site.nodes.launch([launch])
    failed = await slurm_site.heard.failed(launch.run)
    assert (failed.code, failed.user) == (code, user)
    assert failed.message
    await slurm_site.until(lambda: not slurm_site.left())


async def test_files_are_brought_first(slurm_site: SlurmSite):
    web = Web()
    try:
        run = await slurm_site.sh("cat in/data", fetches=(Fetch(url=web.put("/data", b"brought"), path="in/data"),))
        assert (await slurm_site.told_once(run)).code == 0
        assert slurm_site.out(run) == "brought"
        lost = await slurm_site.sh("true", fetches=(Fetch(url=f"{web.url}/missing", path="x"),))
        assert (await slurm_site.heard.failed(lost)).code == "fetch-not-found"
    finally:
        web.close()


async def test_progress(slurm_site: SlurmSite):
    """Read while the run goes on, and once more with its end."""
    site = slurm_site
    run = await site.sh(
        "echo '{\"percent\": 40}' >> $LINARITE_PROGRESS; touch up; while [ ! -e go ]; do sleep 0.1; done"
    )
    await site.until((site.folder(run) / "wd/up").exists)
    watched = Watched(node=site.node(), run=run, directory=f"workitems/job1/job-1/{run}")
    (told,) = await site.nodes.progress([watched])
    (site.folder(run) / "wd/go").touch()
    assert (await site.told_once(run)).progress == told is not None


async def test_server_that_ends_and_starts(slurm_site: SlurmSite):
    """What runs goes on, what waits is not lost, what ended meanwhile is told; nothing is started twice."""
    site = slurm_site
    wait = f"{COUNTED}; while [ ! -e go ]; do sleep 0.1; done; exit 4"
    goes, ended, waits = (site.make_launch(wait, shell=True, slots=2) for _ in range(3))
    await site.nodes.launch([goes, ended, waits])
    await site.heard.until(lambda: len(site.heard.reports) == 2)
    started = {report.run for report in site.heard.reports}
    await site.nodes.stop()
    first = next(launch for launch in (goes, ended, waits) if launch.run in started)
    (site.folder(first.run) / "wd/go").touch()
    await site.start()
    await site.nodes.launch([goes, ended, waits])
    for launch in (goes, ended, waits):
        await site.until((site.folder(launch.run) / "wd").exists)
        (site.folder(launch.run) / "wd/go").touch()
    for launch in (goes, ended, waits):
        assert (await site.heard.exited(launch.run)).code == 4
        assert site.ran(launch.run) == 1
    await site.until(lambda: not site.left())


@pytest.mark.parametrize("pause", [0.0, 0.03, 0.1, 0.2, 0.5])
async def test_server_that_ends_in_the_middle_of_a_launch(slurm_site: SlurmSite, pause: float):
    site = slurm_site
    launches = [site.make_launch(COUNTED, shell=True) for _ in range(5)]
    await site.nodes.launch(launches)
    await asyncio.sleep(pause)
    told = {launch.run for launch in launches if site.heard.ends(launch.run)}
    await site.again()
    await site.nodes.launch([launch for launch in launches if launch.run not in told])
    for launch in launches:
        if launch.run not in told:
            assert (await site.heard.exited(launch.run)).code == 0
        assert site.ran(launch.run) == 1
    await site.until(lambda: not site.left())


async def test_run_that_nobody_asks_for_after_a_start(slurm_site: SlurmSite):
    """It was submitted, and is wanted no more: told, and forgotten."""
    site = slurm_site
    run = await site.sh("sleep 600")
    await site.heard.started(run)
    await site.again()
    await site.end(run)
    await site.heard.exited(run)
    await site.until(lambda: not site.left())


async def test_reports_are_repeated_until_they_are_committed(slurm_site: SlurmSite):
    site = slurm_site
    site.heard.refuse = 3
    run = await site.sh(COUNTED)
    assert (await site.told_once(run)).code == 0
    assert site.heard.refuse == 0


async def test_report_that_was_not_committed_is_told_after_a_start(slurm_site: SlurmSite):
    site = slurm_site
    site.heard.refuse = 1000
    run = await site.sh(f"{COUNTED}; exit 6")
    await site.until(lambda: any(f"ended/{run}" in path for path in site.left()))
    await site.again()
    assert (await site.heard.exited(run)).code == 6
    await site.until(lambda: not site.left())


@pytest.mark.parametrize("then", ["ended", "launched", "forgotten"])
async def test_server_killed_before_the_end_of_what_never_started_was_committed(slurm_site: SlurmSite, then: str):
    """It has not started for the next server either: ended as before, lost where it is wanted again, and gone."""
    site = slurm_site
    first = await site.sh("sleep 600", slots=4)
    await site.heard.started(first)
    waiting = site.make_launch(COUNTED, shell=True, slots=4)
    await site.nodes.launch([waiting])
    await site.until(lambda: len(site.queue("-t", "PENDING")) == 1)
    site.heard.refuse = 1000
    await site.end(waiting.run)
    await site.until(lambda: any(f"claims/{waiting.run}" in path for path in site.left()))
    await site.again()
    if then == "ended":
        await site.end(waiting.run)
    elif then == "launched":
        await site.nodes.launch([waiting])
    report = await site.heard.end(waiting.run)
    assert isinstance(report, RunLost if then == "launched" else RunFailed), report
    assert isinstance(report, RunLost) or report.code == "ended"
    assert len(site.heard.of(waiting.run)) == 1
    await site.until(lambda: not site.queue("-t", "PENDING"))
    await site.end(first)
    await site.until(lambda: not site.left())
    assert not (site.folder(waiting.run) / "wd/ran").exists()


async def test_launch_that_is_told_twice_starts_once(slurm_site: SlurmSite):
    site = slurm_site
    launch = site.make_launch(f"{COUNTED}; sleep 1", shell=True)
    for _ in range(3):
        await site.nodes.launch([launch])
        await asyncio.sleep(0.3)
    assert (await site.heard.exited(launch.run)).code == 0
    assert site.ran(launch.run) == 1
    assert isinstance(site.heard.of(launch.run)[0], RunStarted)


async def test_user_who_breaks_their_records_is_alone(slurm_site: SlurmSite):
    """And has them again after the next start of the server."""
    site = slurm_site
    state = next((site.shared / "slurm").glob("*/state"))
    os.rename(state / "ended", state / "away")
    os.symlink("/etc", state / "ended")
    run = await site.sh(COUNTED)
    await asyncio.sleep(1)
    os.unlink(state / "ended")
    await site.again()
    await site.nodes.launch([])
    other = await site.sh(COUNTED)
    assert (await site.heard.exited(other)).code == 0
    await site.end(run)
    await site.heard.end(run)
