"""What a person sees of the demo: a server of its own, progress, a table, the same job seen by the other protocols."""

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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from defusedxml import minidom
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table

from linarite.cli.demo.sources import modules, python_for_tasks
from linarite.identity.accounts import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY
from linarite.identity.users import DEVELOPMENT_PASSWORD, DEVELOPMENT_USER

console = Console(highlight=False)
START = 30.0
LAST = "Add the counts up"


def demo() -> None:
    """Run real work through all four protocols on a server of its own, and leave nothing behind."""
    try:
        from linarite.cli.demo.work import Work
    except ModuleNotFoundError as missing:
        message = f"The demo needs Microsoft's clients ({missing.name}): pip install 'linarite[demo]'."
        raise SystemExit(message) from missing
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # asked to end, it still clears up after itself
    began = time.monotonic()
    sources = modules()
    with _server() as urls:
        console.print(f"A server of our own is up: {urls['batch']} (Batch), {urls['files']} (Files), ...\n")
        work = Work(urls, DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, python_for_tasks())
        with _progress() as bars:
            upload = bars.add_task(f"Azure Files  upload {len(sources)} modules", total=len(sources))
            work.upload(sources, lambda: bars.advance(upload))
            work.start_pool()
            tasks = bars.add_task("Azure Batch  run one task a module", total=len(sources) + 1)
            first = time.monotonic()
            work.add_job(sources)
            work.wait(len(sources) + 1, lambda done: bars.update(tasks, completed=done))
            seconds = time.monotonic() - first
        _table(work.result(), len(sources))
        _other_faces(urls)
        rate = (len(sources) + 1) / seconds
        console.print(
            f"\n[bold]{len(sources) + 1} tasks in {seconds:.1f} s: {rate:.0f} a second[/], each a process of its own."
        )
    console.print(f"All told {time.monotonic() - began:.1f} s; nothing is left behind.\n")
    console.print("Where to look next:\n  .venv/bin/linarite serve     the server, on its usual ports")
    console.print("  README.md                    your own Azure Batch program against it")
    console.print("  ARCHITECTURE.md              how it is built")


def _progress() -> Progress:
    columns = (TextColumn("{task.description:<42}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _table(result: dict[str, Any], number: int) -> None:
    title = f"The 20 identifiers used most in {number} modules ({result['uses']:,} uses of {result['identifiers']:,})"
    table = Table(title=title, title_justify="left")
    for _ in range(2):
        table.add_column("identifier")
        table.add_column("uses", justify="right")
    rows = [(name, f"{uses:,}") for name, uses in result["most"]]
    for left, right in zip(rows[:10], rows[10:], strict=True):
        table.add_row(*left, *right)
    console.print(table)


def _other_faces(urls: dict[str, str]) -> None:
    """The same job and its last task, asked of the other two protocols."""
    login = (DEVELOPMENT_USER, DEVELOPMENT_PASSWORD)
    query = {"Properties": "Id,Name,State,Progress,AllocatedNodes", "api-version": "2012-11-01.4.0"}
    with httpx.Client(auth=login, verify=False) as client:  # noqa: S501 - our own server on loopback
        job = client.get(f"{urls['hpc']}/WindowsHPC/Job/1", params=query).raise_for_status()
        question = {"TaskName": "Count identifiers", "State": "Succeeded"}
        agent = f"{urls['superoffice']}/api/v1/Agents/Batch/GetAllBatchTaskInfosByNameAndState"
        done = client.post(agent, json=question).raise_for_status().json()
        number = next(task["Id"] for task in done if task["Description"] == LAST)
        task = client.get(f"{urls['superoffice']}/api/v1/BatchTask/{number}").raise_for_status()
    console.print("\nThe same job, read as an [bold]HPC Pack[/] job:")
    console.print(Syntax(minidom.parseString(job.text).toprettyxml("  ").partition("\n")[2].strip(), "xml"))
    console.print("\nIts last task, read as a [bold]SuperOffice[/] BatchTask:")
    shown = ("Id", "Name", "Description", "State", "StartCount", "Created", "LastStarted", "Result")
    fields = {name: value for name, value in task.json().items() if name in shown}
    console.print(Syntax(json.dumps(fields, indent=2), "json"))


@contextlib.contextmanager
def _server() -> Iterator[dict[str, str]]:
    """A server on free ports with a data folder of its own, gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="linarite-demo-"))
    home.chmod(0o711)  # tasks of another user have to reach their node's folder
    ready = home / "ready.json"
    faces = ("batch", "files", "hpc", "superoffice", "dashboard")
    ports = [word for face in faces for word in (f"--{face}-port", "0")]
    command = [
        sys.executable,
        "-m",
        "linarite",
        "serve",
        "--data",
        str(home / "data"),
        "--ready-file",
        str(ready),
        *ports,
    ]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield _wait_ready(process, ready, home / "server.log")
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        _wait_hosts(home)
        shutil.rmtree(home, ignore_errors=True)


def _wait_ready(process: subprocess.Popen[bytes], ready: Path, log: Path) -> dict[str, str]:
    deadline = time.monotonic() + START
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"The server did not start:\n{log.read_text()}")
        time.sleep(0.02)
    urls: dict[str, str] = json.loads(ready.read_text())
    return urls


def _wait_hosts(home: Path) -> None:
    """The node hosts leave by themselves once the server is gone and nothing runs; see that they did."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(_works_in(pid, home) for pid in os.listdir("/proc") if pid.isdigit()):
        time.sleep(0.02)


def _works_in(pid: str, home: Path) -> bool:
    try:
        return str(home).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
