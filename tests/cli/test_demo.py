"""`linarite demo` as a process: what it shows, and that it leaves nothing behind however it ends."""

from __future__ import annotations

import os
import signal
import time

import pytest
from tests.cli.demonstration import left_behind, running_demo
from tests.support.server import data_home

from linarite.cli.demo.show import in_lines

DEADLINE = 240.0
"""Seconds: more than the demo itself gives its server to start and to end, so that it tells what it waits for."""


def test_demo_shows_each_protocol() -> None:
    """Run to its end it shows what each protocol says, no line wider than the terminal, and leaves nothing."""
    with data_home() as home, running_demo(home, 20) as demo:
        assert demo.wait(DEADLINE) == 0, (home / "out").read_text()
        said = (home / "out").read_text()
        assert not left_behind(home)
    assert "21 tasks in" in said
    assert "<Property><Name>State</Name><Value>Finished</Value></Property>" in said
    assert '"State": "Succeeded"' in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_demo_interrupted(ending: signal.Signals) -> None:
    """Asked to end while tasks run, by Ctrl-C to the whole group too, it soon ends and leaves nothing."""
    with data_home() as home, running_demo(home, 240) as demo:
        deadline = time.monotonic() + DEADLINE
        while not any(home.glob("linarite-demo-*/data/nodes/*/*/*/workitems/count-identifiers/job-1/*")):
            assert demo.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(demo.pid, ending)
        assert demo.wait(DEADLINE) == 128 + ending
        assert not left_behind(home)
        assert "Traceback" not in (home / "out").read_text()


def test_demo_job_in_lines() -> None:
    """The XML stays what it was, with line breaks between its elements and attributes."""
    xml = '<ArrayOfProperty xmlns="a" xmlns:i="b"><Property><Name>Id</Name></Property></ArrayOfProperty>'
    assert in_lines(xml).splitlines() == [
        '<ArrayOfProperty xmlns="a"', '    xmlns:i="b">', "  <Property><Name>Id</Name></Property>", "</ArrayOfProperty>"
    ]  # fmt: skip
