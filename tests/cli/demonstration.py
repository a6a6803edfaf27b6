"""`linarite demo` as a process, with few modules, and what it has left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import environment

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
def running_demo(
    home: Path, modules: int, *options: str, environ: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
) -> Iterator[subprocess.Popen[str]]:
    """The demo in a process group of its own, by a command after `prefix`.

    Its folders go to `home`, what it says to `out` there.
    """
    command = [*prefix, sys.executable, "-c", PROGRAM, "demo", *options, str(modules)]
    process = subprocess.Popen(
        command, env=environment() | SURROUNDINGS | {"TMPDIR": str(home)} | dict(environ or {}), text=True,
        start_new_session=True, stdout=(home / "out").open("w"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def left_behind(home: Path) -> list[str]:
    """Folders in `home`, and command lines that name it."""
    found = [path.name for path in home.iterdir() if path.name != "out"]
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += [line for line in [Path("/proc", name, "cmdline").read_text()] if str(home) in line]
        except OSError:
            continue
    return found
