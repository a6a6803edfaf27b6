"""What a process starts that raised its own limit of open files has the one that the process was given."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.left_out import leave_out

from linarite.nodes import open_files

GIVEN = 300
_START = """
import os, resource, subprocess, sys
from linarite.nodes import open_files
from linarite.nodes.open_files import as_given, raise_own
open_files._SHELL = sys.argv[4]
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]) or hard, hard))
raise_own()
print(resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard))
words = as_given([sys.executable, "-c", sys.argv[2], "a  b", "$0 '"])
child = subprocess.Popen(words, env={"WHAT": "it  is"}, cwd="/", stdout=subprocess.PIPE, text=True)
print(child.communicate()[0].split("\\n", 1) == [str(child.pid), sys.argv[3].replace("HARD", str(hard)) + "\\n"])
raise_own()
print(as_given(["true"]) == as_given(["true"]) and (len(as_given(["true"])) > 1) == (int(sys.argv[1]) > 0))
"""
_TELL = """
import os, resource, sys
print(os.getpid())
own = {name: value for name, value in os.environ.items() if name != "LC_CTYPE"}
print(sys.argv[1:], own, *resource.getrlimit(resource.RLIMIT_NOFILE))
"""
"""Python itself sets LC_CTYPE."""


_CARRY = """
import resource, time
from linarite.nodes.moving.carriage import Carriage
from linarite.nodes.open_files import raise_own
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
raise_own()
carriage, deadline = Carriage([]), time.monotonic() + 30
while True:
    limits = open(f"/proc/{carriage.pid}/limits").read().splitlines()
    soft = next(line.split()[3] for line in limits if line.startswith("Max open files"))
    if soft == "300" or time.monotonic() > deadline:
        break
    time.sleep(0.01)
print(soft)
"""


@pytest.fixture(params=["sh", "bash"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What /bin/sh is here, and bash by that name, as on Red Hat's systems."""
    if request.param == "sh":
        return "/bin/sh"
    if (bash := shutil.which("bash")) is None:
        leave_out("there is no bash on this machine")
    (tmp_path / "sh").symlink_to(bash)
    return f"{tmp_path}/sh"


@pytest.mark.parametrize("given", [GIVEN, 0])
def test_child_has_the_limit_that_was_given(given: int, shell: str) -> None:
    """And the hard one, its words, its environment and its number; nothing is put before it without need."""
    expected = f"""['a  b', "$0 '"] {{'WHAT': 'it  is'}} {given or "HARD"} HARD"""
    words = [sys.executable, "-c", _START, str(given), _TELL, expected, shell]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout.split() == ["True"] * 3


def test_carrier_that_the_server_starts_has_the_limit_that_was_given() -> None:
    """On a Slurm cluster the server itself starts those that move files."""
    done = subprocess.run([sys.executable, "-c", _CARRY], check=True, capture_output=True, text=True)
    assert done.stdout == f"{GIVEN}\n"


def test_limit_that_the_kernel_gives_no_more_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hard limit from before an administrator lowered fs.nr_open."""

    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard + 1))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    monkeypatch.setattr(open_files, "_given", [])
    open_files.raise_own()
    assert open_files.as_given(["true"]) == ["true"]
