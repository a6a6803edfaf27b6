"""What a person sees of the demo: progress, a table, the same job seen by the other protocols."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from linarite.cli.demo.cluster import Cluster, cluster_home, find_cluster
from linarite.cli.demo.server import local_home, own_server
from linarite.cli.demo.sources import modules, python_for_tasks
from linarite.identity.accounts import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY
from linarite.identity.users import DEVELOPMENT_PASSWORD, DEVELOPMENT_USER
from linarite.refusal import Refused

if TYPE_CHECKING:
    from linarite.cli.demo.work import Work

console = Console(highlight=False)
FACES = {"batch": "Azure Batch", "files": "Azure Files", "hpc": "HPC Pack", "superoffice": "SuperOffice"}
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PROPERTIES = "Id,Name,Owner,State,Progress,Pool,EndTime"
FIELDS = ("Id", "Name", "Description", "State", "StartCount", "Created", "LastStarted", "Result")
LAST = "Add the counts up"
SLURM_PATIENCE = 1800.0
"""Seconds for all tasks on a cluster, where others have their turns too."""


Provider = Annotated[
    Literal["local", "slurm"],
    typer.Option(help="Where its tasks run: on this machine, or on the Slurm cluster that it belongs to (SLURM_CONF)."),
]
Shared = Annotated[
    Path | None,
    typer.Option(help="With slurm: a folder that the cluster's machines share; else your home.", show_default=False),
]
User = Annotated[
    str | None,
    typer.Option(help="With slurm, as root: the cluster's user whose the tasks are.", show_default=False),
]
Partition = Annotated[
    str | None,
    typer.Option(help="With slurm: the partition to use; else the cluster's default one.", show_default=False),
]


def demo(
    *, provider: Provider = "local", shared: Shared = None, slurm_user: User = None, slurm_partition: Partition = None
) -> None:
    """Run real work through all four protocols on a server of its own, and leave nothing behind."""
    try:
        from linarite.cli.demo.work import Size, Work
    except ModuleNotFoundError as missing:
        message = f"The demo needs Microsoft's clients ({missing.name}): pip install 'linarite[demo]'."
        raise SystemExit(message) from missing
    if provider == "local" and (shared or slurm_user or slurm_partition):
        raise Refused("--shared, --slurm-user and --slurm-partition are for --provider slurm.")
    _clear_up_when_asked_to_end()
    began, sources = time.monotonic(), modules()
    with ExitStack() as stack:
        options = list[str]()
        if provider == "slurm":
            cluster = find_cluster(shared, slurm_user, slurm_partition)
            home, options = stack.enter_context(cluster_home(cluster)), cluster.options()
            size = Size("python3", cluster.nodes, cluster.slots, mounted=True, patience=SLURM_PATIENCE)
            _tell_of(cluster)
        else:
            home, size = stack.enter_context(local_home()), Size(python_for_tasks())
        urls = stack.enter_context(own_server(home, options))
        work = stack.enter_context(_ended(Work(urls, DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, size)))
        ports = ", ".join(f"{name} {urls[face].rpartition(':')[2]}" for face, name in FACES.items())
        console.print(f"A server of our own is up, on free ports:\n{ports}\n")
        seconds = _run(work, sources)
        _table(work.result(), len(sources))
        _other_faces(urls)
    _farewell(len(sources) + 1, seconds, time.monotonic() - began, on_slurm=provider == "slurm")


def _tell_of(cluster: Cluster) -> None:
    place = f"partition {cluster.partition}" if cluster.partition else "its default partition"
    console.print(f"A job has run on the Slurm cluster, in {place}, and this machine read what it wrote.")
    console.print(f"Tasks: jobs of {cluster.runner.name}, {cluster.slots} at once on {cluster.nodes} machines.")
    console.print(f"Files: below {cluster.shared}", soft_wrap=True)


def _clear_up_when_asked_to_end() -> None:
    for number in ENDINGS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _frame: object) -> None:
    for each in ENDINGS:
        signal.signal(each, signal.SIG_IGN)  # asked twice, it still clears up after itself
    console.print("\nAsked to end: what was started is cleared away first.")
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _ended(work: Work) -> Iterator[Work]:
    """See that nothing of the work runs on when something goes wrong."""
    try:
        yield work
    except BaseException:
        work.end()
        raise


def _run(work: Work, sources: list[Path]) -> float:
    """Do the work, with a bar for each half of it, and give the seconds that the tasks took."""
    columns = (TextColumn("{task.description:<36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        upload = bars.add_task(f"Azure Files  upload {len(sources)} modules", total=len(sources))
        work.upload(sources, lambda: bars.advance(upload))
        work.start_pool()
        tasks = bars.add_task("Azure Batch  run a task for each", total=len(sources) + 1)
        first = time.monotonic()
        work.add_job(sources)
        work.wait(len(sources) + 1, lambda done: bars.update(tasks, completed=done))
        return time.monotonic() - first


def _table(result: dict[str, Any], number: int) -> None:
    _title("Azure Batch", f"what the last task wrote: the identifiers used most in {number} modules")
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for _ in range(2):
        table.add_column("identifier")
        table.add_column("uses", justify="right")
    rows = [(name, f"{uses:,}") for name, uses in result["most"]]
    for left, right in zip(rows[:10], rows[10:], strict=True):
        table.add_row(*left, *right)
    console.print(table)
    console.print(f"{result['uses']:,} uses of {result['identifiers']:,} identifiers in all", style="dim")


def _other_faces(urls: dict[str, str]) -> None:
    """The same job and its last task, asked of the other two protocols."""
    with httpx.Client(auth=(DEVELOPMENT_USER, DEVELOPMENT_PASSWORD)) as client:
        query = {"Properties": PROPERTIES, "api-version": "2012-11-01.4.0"}
        job = client.get(f"{urls['hpc']}/WindowsHPC/Job/1", params=query).raise_for_status()
        question = {"TaskName": "Count identifiers", "State": "Succeeded"}
        agent = f"{urls['superoffice']}/api/v1/Agents/Batch/GetAllBatchTaskInfosByNameAndState"
        done = client.post(agent, json=question).raise_for_status().json()
        number = next(task["Id"] for task in done if task["Description"] == LAST)
        task = client.get(f"{urls['superoffice']}/api/v1/BatchTask/{number}").raise_for_status().json()
    _title("HPC Pack", f"the same job, GET {job.url.path}")
    console.print(_coloured(in_lines(job.text), "xml"), soft_wrap=True)
    _title("SuperOffice", f"its last task, GET /api/v1/BatchTask/{number}")
    console.print(_coloured(json.dumps({name: task[name] for name in FIELDS}, indent=2), "json"), soft_wrap=True)


def _farewell(tasks: int, seconds: float, all_told: float, *, on_slurm: bool) -> None:
    rate = f"{tasks / seconds:.0f} a second"
    what = "job of Slurm's" if on_slurm else "process of its own"
    console.print(f"\n[bold]{tasks} tasks in {seconds:.1f} s: {rate}[/], each a {what}.")
    console.print(f"All told {all_told:.1f} s; nothing is left behind.\n")
    console.print("Where to look next:")
    if on_slurm:
        console.print("  .venv/bin/linarite serve --nodes-provider slurm   the server, on Slurm")
    else:
        console.print("  .venv/bin/linarite serve   the server, on its usual ports")
    console.print("  README.md                  your own programs against it")
    console.print("  ARCHITECTURE.md            how it is built")


def in_lines(xml: str) -> str:
    """The XML with a line for each of its properties and namespaces."""
    for before, after in {
        " xmlns:i=": "\n    xmlns:i=", "<Property>": "\n  <Property>", "</ArrayOf": "\n</ArrayOf"
    }.items():  # fmt: skip
        xml = xml.replace(before, after)
    return xml


def _title(protocol: str, text: str) -> None:
    console.print(f"\n[bold]{protocol}[/]  {text}")


def _coloured(text: str, language: str) -> Text:
    """In the terminal's own colours; unlike a Syntax it is not padded, so that a long line stays whole."""
    coloured = Syntax("", language, theme="ansi_dark", background_color="default").highlight(text)
    coloured.rstrip()
    return coloured
