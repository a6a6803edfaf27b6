"""What a process starts that raised its own limit of open files has the one that the process was given."""

from __future__ import annotations

import subprocess
import sys

import pytest

GIVEN = 300
_START = """
import os, resource, subprocess, sys
from linarite.nodes.open_files import as_given, raise_own
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


@pytest.mark.parametrize("given", [GIVEN, 0])
def test_child_has_the_limit_that_was_given(given: int) -> None:
    """And the hard one, its words, its environment and its number; nothing is put before it without need."""
    expected = f"""['a  b', "$0 '"] {{'WHAT': 'it  is'}} {given or "HARD"} HARD"""
    words = [sys.executable, "-c", _START, str(given), _TELL, expected]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout.split() == ["True"] * 3
