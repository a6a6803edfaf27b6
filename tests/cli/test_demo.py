"""`linarite demo` as a process: what it shows, and that it leaves nothing behind however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.server import data_home, environment

from linarite.cli.demo.show import in_lines

DEADLINE = 60.0
PROGRAM = """
import signal, sys
from linarite.cli import main
from linarite.cli.demo import sources
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal, wherever the tests run
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sources.ENOUGH = int(sys.argv.pop())
main()
"""
SURROUNDINGS = {"COLUMNS": "80", "LINARITE_DEVELOPMENT": "false"}
"""A narrow terminal, and a setting that is another server's."""


@contextmanager
def _demo(home: Path, modules: int) -> Iterator[subprocess.Popen[str]]:
    """The demo with few modules, in a process group of its own; its folders go to `home`."""
    command = [sys.executable, "-c", PROGRAM, "demo", str(modules)]
    process = subprocess.Popen(
        command, env=environment() | SURROUNDINGS | {"TMPDIR": str(home)}, text=True, start_new_session=True,
        stdout=(home / "out").open("w"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _left_behind(home: Path) -> list[str]:
    """Folders in `home`, and command lines that name it."""
    found = [path.name for path in home.iterdir() if path.name != "out"]
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += [line for line in [Path("/proc", name, "cmdline").read_text()] if str(home) in line]
        except OSError:
            continue
    return found


def test_demo_shows_each_protocol() -> None:
    """Run to its end it shows what each protocol says, no line wider than the terminal, and leaves nothing."""
    with data_home() as home, _demo(home, 20) as demo:
        assert demo.wait(DEADLINE) == 0, (home / "out").read_text()
        said = (home / "out").read_text()
        assert not _left_behind(home)
    assert "21 tasks in" in said
    assert "<Property><Name>State</Name><Value>Finished</Value></Property>" in said
    assert '"State": "Succeeded"' in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_demo_interrupted(ending: signal.Signals) -> None:
    """Asked to end while tasks run, by Ctrl-C to the whole group too, it soon ends and leaves nothing."""
    with data_home() as home, _demo(home, 240) as demo:
        deadline = time.monotonic() + DEADLINE
        while not any(home.glob("linarite-demo-*/data/nodes/*/*/*/workitems/count-identifiers/job-1/*")):
            assert demo.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(demo.pid, ending)
        assert demo.wait(DEADLINE) == 128 + ending
        assert not _left_behind(home)
        assert "Traceback" not in (home / "out").read_text()


def test_demo_job_in_lines() -> None:
    """The XML stays what it was, with line breaks between its elements and attributes."""
    xml = '<ArrayOfProperty xmlns="a" xmlns:i="b"><Property><Name>Id</Name></Property></ArrayOfProperty>'
    assert in_lines(xml).splitlines() == [
        '<ArrayOfProperty xmlns="a"', '    xmlns:i="b">', "  <Property><Name>Id</Name></Property>", "</ArrayOfProperty>"
    ]  # fmt: skip
