"""How fast the node host starts command lines: its runs/s against a bare subprocess.Popen loop in the same run.

Both start `/bin/true` in a session of its own, with the same environment, folders and two output files, as the same
user and with the same number of processes at a time, in a fresh folder on /dev/shm. Started by root, both run as an
unprivileged user. The rounds alternate; the figure is the ratio of the medians.

    python benchmarks/spawn.py [--runs 2000] [--width 16] [--rounds 5] [--smallest-ratio 0.9]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource  # noqa: F401 - os.wait4 imports it late, when the dropped user may not be able to read it
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from linarite.engine.launching import Launch, NodeRef, NodeReport, Report, RunStarted
from linarite.nodes.access import drop_privileges
from linarite.nodes.environment import run_environment
from linarite.nodes.local import LocalNodes

UID = 200_001


class Window:
    """A trivial listener that keeps `width` runs going."""

    def __init__(self, nodes: LocalNodes, launches: list[Launch], width: int) -> None:
        self._nodes = nodes
        self._waiting = launches
        self._width = width
        self._left = len(launches)
        self.ready = asyncio.Event()
        self.done = asyncio.Event()

    async def begin(self) -> None:
        await self._next(self._width)

    async def on_reports(self, reports: Sequence[Report]) -> None:
        ended = sum(not isinstance(report, RunStarted) for report in reports)
        self._left -= ended
        if not self._left:
            self.done.set()
        if ended:
            await self._next(ended)

    async def on_node_reports(self, reports: Sequence[NodeReport]) -> None:
        self.ready.set()

    async def _next(self, count: int) -> None:
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        if batch:
            await self._nodes.launch(batch)


class Relay:
    """Passes reports on to the window of the current round."""

    window: Window

    async def on_reports(self, reports: Sequence[Report]) -> None:
        await self.window.on_reports(reports)

    async def on_node_reports(self, reports: Sequence[NodeReport]) -> None:
        await self.window.on_node_reports(reports)


async def host_round(nodes: LocalNodes, relay: Relay, node: NodeRef, serial: int, runs: int, width: int) -> float:
    launches = [
        Launch(run=f"{serial}-{n}", node=node, directory=f"workitems/j{serial}/job-1/{n}", command="/bin/true")
        for n in range(runs)
    ]
    window = relay.window = Window(nodes, launches, width)
    began = time.perf_counter()
    await window.begin()
    await window.done.wait()
    return runs / (time.perf_counter() - began)


def bare_loop(root: str, runs: int, width: int) -> float:
    """The peer: runs in a process of its own, as the same user."""
    os.makedirs(root)
    null = os.open(os.devnull, os.O_RDWR)
    running = 0
    began = time.perf_counter()
    for n in range(runs):
        directory = f"{root}/{n}"
        os.mkdir(directory)
        os.mkdir(f"{directory}/wd")
        with open(f"{directory}/stdout.txt", "wb") as out, open(f"{directory}/stderr.txt", "wb") as err:
            process = subprocess.Popen(
                ["/bin/true"],
                stdin=null,
                stdout=out,
                stderr=err,
                cwd=f"{directory}/wd",
                env=run_environment(str(n), root, directory, "devaccount", {}),
                start_new_session=True,
            )
        process.returncode = 0  # reaped below, by whichever ends first
        running += 1
        if running == width:
            os.wait4(-1, 0)
            running -= 1
    while running:
        os.wait4(-1, 0)
        running -= 1
    return runs / (time.perf_counter() - began)


async def bare_round(root: str, runs: int, width: int) -> float:
    command = [sys.executable, __file__, "--bare", root, "--runs", str(runs), "--width", str(width)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return float(out)


async def measure(data: Path, runs: int, width: int, rounds: int) -> dict[str, float]:
    as_root = os.geteuid() == 0
    nodes = LocalNodes(data, uid_of=(lambda _: UID) if as_root else None)
    node = NodeRef(account="devaccount", pool="p", node="n", key=1)
    relay = Relay()
    window = relay.window = Window(nodes, [], 0)
    await nodes.start(relay)
    await nodes.provision([node])
    await window.ready.wait()
    await host_round(nodes, relay, node, 0, 100, width)
    host, bare = [], []
    for serial in range(1, rounds + 1):
        bare.append(await bare_round(f"{nodes.root(node)}/volatile/b{serial}", runs, width))
        host.append(await host_round(nodes, relay, node, serial, runs, width))
    await nodes.stop()
    figures = {"host_runs_per_second": statistics.median(host), "bare_popen_per_second": statistics.median(bare)}
    return figures | {"ratio": figures["host_runs_per_second"] / figures["bare_popen_per_second"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smallest-ratio", type=float, default=0.0)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        if os.geteuid() == 0:
            drop_privileges(UID)
        print(bare_loop(options.bare, options.runs, options.width))
        return
    data = Path(tempfile.mkdtemp(prefix="linarite-spawn-", dir="/dev/shm"))
    data.chmod(0o711)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(measure(data, options.runs, options.width, options.rounds))
    finally:
        shutil.rmtree(data, ignore_errors=True)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
    if figures["ratio"] < options.smallest_ratio:
        sys.exit(f"The ratio is below {options.smallest_ratio}.")


if __name__ == "__main__":
    main()
