"""A real `linarite serve` in a process of its own, on free ports, in a data folder that tasks' users can reach."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

FACES = ("batch", "files", "hpc", "superoffice", "dashboard")
IDENTITY = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")
DEVELOPMENT_ACCOUNT = "devaccount"
DEVELOPMENT_KEY = "bGluYXJpdGUtZGV2ZWxvcG1lbnQta2V5LW5vdC1hLXNlY3JldA=="
START_SECONDS, STOP_SECONDS = 60.0, 30.0


class RunningServer:
    """A server that serves. `urls` has the address of each face, which are attributes too; `log` is what it wrote.

    `identity` are the variables that give a program tokens by DefaultAzureCredential.
    """

    batch: str
    files: str
    hpc: str
    superoffice: str
    dashboard: str

    def __init__(
        self, home: Path, options: dict[str, Any], name: str = "", environ: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Start in `home` and wait until it is ready, with `environ` as variables more, by a command after `prefix`.

        Raises RuntimeError with the log when it does not come.
        """
        self.home, self.data, self.environ = home, home / "data", dict(environ or {})
        self._ready, self._log = home / f"{name}ready.json", home / f"{name}server.log"
        self._options = {f"{face}_port": 0 for face in FACES} | _own_users() | options
        self._prefix = prefix
        self.urls: dict[str, str] = {}
        self.identity: dict[str, str] = {}
        self.start()

    @property
    def pid(self) -> int:
        """The server's process."""
        return self.process.pid

    @property
    def log(self) -> str:
        """Everything that the server wrote until now."""
        return self._log.read_text(errors="replace")

    @property
    def ca(self) -> Path:
        """The certificate to trust when it serves https."""
        return self.data / "tls" / "ca.pem"

    def start(self, **options: Any) -> None:
        """Start (again, on the same ports) and wait until every face answers; `options` are other ones from now on."""
        self._options |= options
        self._ready.unlink(missing_ok=True)
        command = [*self._prefix, *serve_command(self.data, ready_file=self._ready, **self._options)]
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment() | self.environ,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"linarite serve did not become ready:\n{self.log[-8000:]}")
            time.sleep(0.01)
        told = json.loads(self._ready.read_text())
        assert told["pid"] == self.pid
        self.urls = {face: told[face] for face in FACES}
        self.identity = {name: told[name] for name in IDENTITY if name in told}
        vars(self).update(self.urls)
        self._options |= {f"{face}_port": int(url.rpartition(":")[2]) for face, url in self.urls.items()}

    def kill9(self) -> None:
        """Kill the server as the kernel does; its tasks go on."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """Ask the server to stop; its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def restart(self) -> None:
        """End the server, politely if it still runs, and start it again where it was."""
        if self.process.poll() is None:
            self.terminate()
        self.start()

    def command(self, *words: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        """Run another command of linarite on the same data folder."""
        return linarite(*words, "--data", str(self.data), **kwargs)


def _own_users() -> dict[str, Any]:
    """As root, users that no other test's server has: the hosts of two that shared one would end each other's runs."""
    return {"task_uid_base": random.randrange(300_000, 1_800_000_000)} if os.geteuid() == 0 else {}


@contextmanager
def running_server(
    environ: Mapping[str, str] | None = None, prefix: Sequence[str] = (), **options: Any
) -> Iterator[RunningServer]:
    """A server with these settings; it, its hosts and its tasks are ended and its folder is removed afterwards."""
    with data_home() as home:
        server = None
        try:
            server = RunningServer(home, options, environ=environ, prefix=prefix)
            yield server
        finally:
            if server is not None and server.process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    server.terminate()


@contextmanager
def another_server(first: RunningServer) -> Iterator[RunningServer]:
    """One more server on the same data folder and the same database."""
    faces = {f"{face}_port": 0 for face in FACES}
    second = RunningServer(first.home, first._options | faces, f"{secrets.token_hex(4)}-", first.environ)
    try:
        yield second
    finally:
        if second.process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                second.terminate()


@contextmanager
def data_home() -> Iterator[Path]:
    """A folder that any user passes through; every process that has to do with it is ended before it is removed."""
    home = Path(tempfile.mkdtemp(prefix="linarite-test-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        end_processes(home)
        _let_go(home)
        shutil.rmtree(home, ignore_errors=True)


def _let_go(home: Path) -> None:
    """Unmount what a server that was killed left mounted in the folder."""
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        if (place := line.split()[4]).startswith(f"{home}/"):
            subprocess.run(["umount", "-l", place], check=True)


def serve_command(data: Path, **options: Any) -> list[str]:
    """The words of `linarite serve` with these settings; True is a flag alone, `development=False` is --production."""
    words = [sys.executable, "-m", "linarite", "serve", "--data", str(data)]
    for name, value in options.items():
        if name == "development":
            words.append("--development" if value else "--production")
        elif value is True:
            words.append("--" + name.replace("_", "-"))
        elif value is not None and value is not False:
            words += ["--" + name.replace("_", "-"), str(value)]
    return words


def linarite(*words: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of linarite to its end."""
    command = [sys.executable, "-m", "linarite", *words]
    settings = {"capture_output": True, "text": True, "timeout": 60, "env": environment()} | kwargs
    return subprocess.run(command, check=False, **settings)


def environment() -> dict[str, str]:
    """This process's environment without what would set the server up otherwise."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINARITE_")}
    return kept | {"COLUMNS": "200", "NO_COLOR": "1"}


def end_processes(home: Path) -> None:
    """Kill, again and again until there is none, every process that stands in the folder, names it or was given it."""
    deadline = time.monotonic() + STOP_SECONDS
    while sum(_kill_if_of(process, os.fsencode(home)) for process in Path("/proc").glob("[0-9]*")):
        assert time.monotonic() < deadline, "processes of the server do not end"
        time.sleep(0.02)


def _kill_if_of(process: Path, home: bytes) -> bool:
    if process.name == str(os.getpid()):
        return False
    with suppress(OSError):
        stands = os.fsencode((process / "cwd").readlink()).startswith(home)
        told = b"\0".join([(process / "cmdline").read_bytes(), (process / "environ").read_bytes()])
        if (stands or home + b"/" in told) and not _is_zombie(process):
            os.kill(int(process.name), signal.SIGKILL)
            return True
    return False


def _is_zombie(process: Path) -> bool:
    return (process / "stat").read_text().rpartition(") ")[2].startswith("Z")


def host_processes(data: Path) -> list[int]:
    """Processes of node hosts that work below a data folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"linarite.nodes.host" in line and str(data).encode() in line:
                found.append(int(pid))
    return found
