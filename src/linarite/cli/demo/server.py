"""The demo's own server: on free ports, in a folder of its own, all of it gone afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

START, END = 120.0, 60.0
"""Seconds in which the server is up, and in which it, and what it started, has gone: however busy the machine is.

A server that stops waits up to 20 seconds for requests in flight.
"""
FACES = ("batch", "files", "hpc", "superoffice", "dashboard")


@contextlib.contextmanager
def local_home() -> Iterator[Path]:
    """A folder of this machine's for a server, and nobody's afterwards."""
    home = Path(tempfile.mkdtemp(prefix="linarite-demo-"))
    try:
        home.chmod(0o711)  # tasks of another user have to reach their node's folder
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def own_server(home: Path, options: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """A server that serves from `home`; gives the address of each face.

    Raises SystemExit with its log when it does not start.
    """
    process = _start(home, options)
    try:
        yield _wait_ready(process, home)
    finally:
        _end(process)
        _end_hosts(home)


def _start(home: Path, options: Sequence[str]) -> subprocess.Popen[bytes]:
    ports = [word for face in FACES for word in (f"--{face}-port", "0")]
    files = ["--data", str(home / "data"), "--ready-file", str(home / "ready.json")]
    # Nobody's own settings, and no Ctrl-C of the terminal's: the demo ends its server itself, when it is done with it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LINARITE_")}
    with (home / "server.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "linarite", "serve", *files, *ports, *options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True,
        )  # fmt: skip


def _wait_ready(process: subprocess.Popen[bytes], home: Path) -> dict[str, str]:
    deadline = time.monotonic() + START
    while not (home / "ready.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"The server did not start:\n{(home / 'server.log').read_text()}")
        time.sleep(0.02)
    urls: dict[str, str] = json.loads((home / "ready.json").read_text())
    return urls


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END)
    process.kill()
    process.wait()


def _end_hosts(home: Path) -> None:
    """The node hosts leave by themselves once the server is gone and nothing runs; what has not left is killed."""
    deadline = time.monotonic() + END
    while (left := _processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _processes_of(home: Path) -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _works_in(name, home)]


def _works_in(pid: str, home: Path) -> bool:
    try:
        return str(home).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
